//! Integration tests of the simulations.
mod clean;
mod log;
mod txn_index;
