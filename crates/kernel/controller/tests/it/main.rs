//! Scripts of requests against a controller, and properties of what it writes.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]
mod activation;
mod brokers;
mod client_quotas;
mod cluster;
mod configs;
mod features;
mod histories;
mod partitions;
mod scram;
mod topics;
