//! The assignors against Apache Kafka's, and what holds of any assignment.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod properties;
