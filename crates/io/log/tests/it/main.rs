//! The log by its public face, on real files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod append;
mod clean;
mod clean_model;
mod crash;
mod disks;
mod manager;
mod model;
mod moving;
mod producer_state;
mod read;
mod retention;
mod scarce;
mod support;
mod transactions;
mod truncate;
mod verify;
