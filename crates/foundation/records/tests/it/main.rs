//! Record batches against Kafka's own bytes, against themselves, and against hostile ones.

#![allow(clippy::unwrap_used, reason = "what a test does not expect shall end it")]

mod frames;
mod golden;
mod hostile;
mod round_trip;
mod samples;
