//! Integration tests of the simulations.
mod clean;
mod log;
