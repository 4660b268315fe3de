//! Integration tests of the simulations.
mod log;
