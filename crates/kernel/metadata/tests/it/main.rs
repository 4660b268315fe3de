//! Records against Kafka's own bytes, and properties of images, deltas and snapshots over random logs.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod golden;
mod random_logs;
mod refused;
