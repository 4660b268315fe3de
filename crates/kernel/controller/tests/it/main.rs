//! Scripts of requests against a controller, and properties of what it writes.

mod activation;
mod brokers;
mod cluster;
mod configs;
mod features;
mod histories;
mod partitions;
mod topics;
