//! Counters of one node.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a node has done since it started. Each counter only rises.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub connections: Counter,
    /// Requests read, whatever came of them.
    pub requests: Counter,
    /// Bytes of requests.
    pub bytes_in: Counter,
    /// Bytes of responses.
    pub bytes_out: Counter,
    /// Connections closed because of what they sent.
    pub protocol_errors: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
