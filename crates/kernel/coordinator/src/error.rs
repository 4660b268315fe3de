//! Why a shard could not answer, and why its log could not be loaded.

use thiserror::Error;

/// Why a request got no answer from the shard itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CoordinatorError {
    /// The shard's log is still being replayed; the client should ask again.
    #[error("the coordinator is loading")]
    LoadInProgress,
    /// The shard is not led here, or no longer.
    #[error("this is not the coordinator")]
    NotCoordinator,
    /// The records were not committed in time, not enough replicas were there, or too many replies wait already.
    #[error("the coordinator is not available")]
    NotAvailable,
    /// One request's records do not fit a batch.
    #[error("the records take {size} bytes, a batch holds {limit}")]
    RecordsTooLarge {
        /// Estimated size of the records in bytes.
        size: usize,
        /// Largest batch in bytes.
        limit: usize,
    },
}

/// Bytes that are no record of this coordinator's topic.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RecordError(
    /// What is wrong.
    pub String,
);

/// Why loading stopped. The shard is then in the failed state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// A batch is torn, fails its checksum or does not decompress.
    #[error("bad batch after offset {after}: {reason}")]
    Batch {
        /// The last offset that was replayed, or that before the first.
        after: i64,
        /// What the batch reader found.
        reason: String,
    },
    /// A record can't be decoded.
    #[error("bad record at offset {offset}: {error}")]
    Record {
        /// The record's offset.
        offset: i64,
        /// What is wrong with it.
        error: RecordError,
    },
}
