//! The cleaner's settings, and what can be said of it while it runs: Kafka's metrics of the log cleaner, as numbers.
use std::time::Duration;

use crate::names::TopicPartition;

/// Settings of the cleaner, named as the broker configs they come from. They may be others for every round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.threads`: how many share the memory below.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: bytes for the sets of keys, of all threads. A set lives for one round.
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full a set may get.
    pub dedupe_buffer_load_factor: f64,
    /// `log.cleaner.io.buffer.size`: bytes for reading and writing, of all threads. A larger batch gets what it needs.
    pub io_buffer_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`: read and written, by all threads.
    pub io_max_bytes_per_second: f64,
}

impl Default for CleanerConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            dedupe_buffer_bytes: 128 << 20,
            dedupe_buffer_load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
            io_max_bytes_per_second: f64::MAX,
        }
    }
}

/// A round of cleaning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CleaningStats {
    /// Bytes read to find out where batches begin and how transactions end.
    pub bytes_surveyed: u64,
    /// Bytes read to be copied or left out.
    pub bytes_read: u64,
    /// Records among them.
    pub records_read: u64,
    /// Bytes copied.
    pub bytes_written: u64,
    /// Records copied.
    pub records_written: u64,
    /// Records left out because they have no key.
    pub records_without_key: u64,
    /// Segments replaced.
    pub segments_replaced: usize,
    /// Segments that took their places.
    pub segments_written: usize,
    /// Part of the memory for keys that was used, 0 to 1 (`max-buffer-utilization-percent`).
    pub buffer_utilization: f64,
    /// Time of the whole round (`max-clean-time-secs`).
    pub time: Duration,
}

/// A partition that is not cleaned any more before the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncleanable {
    /// The partition.
    pub partition: TopicPartition,
    /// Why: what the round that failed said.
    pub reason: String,
    /// Bytes that wait to be cleaned (`uncleanable-bytes`).
    pub bytes: u64,
}

/// The cleaner as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CleanerStatus {
    /// The last round of each thread that has had one, by the thread's number.
    pub last_rounds: Vec<(usize, CleaningStats)>,
    /// Rounds that got to their end since the start.
    pub rounds: u64,
    /// Dirty share of the dirtiest log when a thread last looked, 0 to 1 (`max-dirty-percent`).
    pub max_dirty_ratio: f64,
    /// By how much a log's oldest dirty records exceed `max.compaction.lag.ms` (`max-compaction-delay-secs`), milliseconds.
    pub max_compaction_delay_ms: i64,
    /// When a thread last looked for something to clean (`time-since-last-run-ms` counts from it), milliseconds.
    pub last_run_ms: Option<i64>,
    /// Partitions being cleaned.
    pub in_progress: Vec<TopicPartition>,
    /// Partitions given up (`uncleanable-partitions-count`).
    pub uncleanable: Vec<Uncleanable>,
}
