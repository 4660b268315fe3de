//! Whole quorums under faults, by seed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod node;
mod simulation;
