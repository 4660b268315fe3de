//! Integration tests of the simulations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clean;
mod log;
mod reads;
mod txn_index;
