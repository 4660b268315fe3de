//! Integration tests of the simulations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clean;
mod log;
mod txn_index;
