//! Replaying a shard's log, on a thread that may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use klamm_coordinator::LoadError;
use klamm_log::{Isolation, Log, ReadError, StorageError};
use klamm_records::{BatchError, BatchHeader};

use super::slot::Runtime;

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoaderError {
    /// The log can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was read makes no sense.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no whole batch where one should begin.
    #[error("no batch at offset {offset}: {error}")]
    NoBatch {
        /// Where the next batch should begin.
        offset: i64,
        /// What is there instead.
        error: BatchError,
    },
    /// The node stops.
    #[error("the node stops")]
    Stopped,
}

/// Replays the whole log into the shard; returns the log's end.
pub(super) fn load(
    runtime: &mut Runtime,
    log: &Arc<Log>,
    load_bytes: u32,
    stopped: &AtomicBool,
) -> Result<i64, LoaderError> {
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        if stopped.load(Ordering::Relaxed) {
            return Err(LoaderError::Stopped);
        }
        let found = log.read(offset, load_bytes, Isolation::LogEnd, true)?;
        let Some(region) = found.region else { break };
        let bytes = region.read()?;
        let (whole, next_offset) = whole_batches(&bytes, offset)?;
        runtime.load(whole, log.high_watermark())?;
        offset = next_offset;
    }
    Ok(log.log_end_offset())
}

/// The batches that are there whole, and the offset after them.
fn whole_batches(bytes: &[u8], offset: i64) -> Result<(&[u8], i64), LoaderError> {
    let (mut end, mut next_offset) = (0, offset);
    loop {
        let rest = &bytes[end..];
        match BatchHeader::parse(rest) {
            Ok(header) if header.size_in_bytes() <= rest.len() => {
                end += header.size_in_bytes();
                next_offset = header.next_offset();
            }
            _ if end > 0 => return Ok((&bytes[..end], next_offset)),
            Ok(header) => {
                let error = BatchError::Truncated {
                    needed: header.size_in_bytes(),
                    available: rest.len(),
                };
                return Err(LoaderError::NoBatch { offset, error });
            }
            Err(error) => return Err(LoaderError::NoBatch { offset, error }),
        }
    }
}
