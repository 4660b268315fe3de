//! What a producer has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::Batch;
use super::delivery::Outcome;

/// Counts since the producer was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// Records that were acknowledged, or sent with `acks=0`.
    pub records_sent: u64,
    /// Records that failed after they were taken in.
    pub records_failed: u64,
    /// Batches that were acknowledged.
    pub batches_sent: u64,
    /// Bytes of those batches, compressed.
    pub bytes_sent: u64,
    /// Produce requests, repeated ones too.
    pub requests: u64,
    /// Batches that had to be sent again.
    pub retries: u64,
    /// Batches that were cut because the broker found them too large.
    pub splits: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    records_sent: AtomicU64,
    records_failed: AtomicU64,
    batches_sent: AtomicU64,
    bytes_sent: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    splits: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, batch: &Batch, outcome: &Outcome) {
        let records = u64::from(batch.records());
        if matches!(outcome, Outcome::Placed { .. }) {
            add(&self.records_sent, records);
            add(&self.batches_sent, 1);
            add(&self.bytes_sent, batch.size() as u64);
        } else {
            add(&self.records_failed, records);
        }
    }

    pub(super) fn count_request(&self) {
        add(&self.requests, 1);
    }

    pub(super) fn count_retry(&self) {
        add(&self.retries, 1);
    }

    pub(super) fn count_split(&self) {
        add(&self.splits, 1);
    }

    pub(super) fn snapshot(&self) -> ProducerMetrics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProducerMetrics {
            records_sent: get(&self.records_sent),
            records_failed: get(&self.records_failed),
            batches_sent: get(&self.batches_sent),
            bytes_sent: get(&self.bytes_sent),
            requests: get(&self.requests),
            retries: get(&self.retries),
            splits: get(&self.splits),
        }
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
