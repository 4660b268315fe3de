//! Looking for offsets by timestamp.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::read::floor;
use super::{Log, ReadError};
use crate::error::Result;
use crate::segment::Segment;

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// Timestamp of the record, milliseconds.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// Epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
}

impl TimestampAndOffset {
    fn new((timestamp, offset, epoch): (i64, i64, i32)) -> Self {
        Self {
            timestamp,
            offset,
            leader_epoch: (epoch >= 0).then_some(epoch),
        }
    }
}

impl Log {
    /// The first record whose timestamp is `timestamp` or later; `None` if there is none. It may lie above the high
    /// watermark.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampAndOffset>, ReadError> {
        self.touched.store(true, Ordering::Relaxed);
        self.log_dir.check()?;
        let start_offset = self.local_log_start_offset();
        let (_, found) = self.on_segments(|segments| search_timestamp(segments, timestamp, start_offset));
        Ok(self.watch_read(found)?)
    }

    /// The first record with the largest timestamp of all (KIP-734); `None` if no record has one.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampAndOffset>, ReadError> {
        self.touched.store(true, Ordering::Relaxed);
        self.log_dir.check()?;
        let start_offset = self.local_log_start_offset();
        let (_, found) = self.on_segments(|segments| search_max_timestamp(segments, start_offset));
        Ok(self.watch_read(found)?)
    }
}

fn search_timestamp(
    segments: &[Arc<Segment>],
    timestamp: i64,
    start_offset: i64,
) -> Result<Option<TimestampAndOffset>> {
    for segment in &segments[floor(segments, start_offset)..] {
        if segment.max_timestamp()?.timestamp < timestamp {
            continue;
        }
        if let Some(found) = segment.locate_timestamp(timestamp, start_offset)? {
            return Ok(Some(TimestampAndOffset::new(found)));
        }
    }
    Ok(None)
}

fn search_max_timestamp(segments: &[Arc<Segment>], start_offset: i64) -> Result<Option<TimestampAndOffset>> {
    let mut newest = None;
    for segment in &segments[floor(segments, start_offset)..] {
        // Of the records in front of the log start, which may be newer, nobody is told.
        let max = match segment.base_offset < start_offset {
            true => segment.max_timestamp_from(start_offset)?,
            false => segment.max_timestamp()?.timestamp,
        };
        if max >= 0 && newest.as_ref().is_none_or(|(_, newest)| max > *newest) {
            newest = Some((segment, max));
        }
    }
    let Some((segment, timestamp)) = newest else {
        return Ok(None);
    };
    Ok(segment
        .locate_timestamp(timestamp, start_offset)?
        .map(TimestampAndOffset::new))
}
