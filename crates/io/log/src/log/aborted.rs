//! Aborted transactions, which consumers with `read_committed` have to leave out (KIP-98).
use std::sync::Arc;

use super::Log;
use super::read::{FileRegion, floor};
use crate::error::Result;
use crate::segment::Segment;
use crate::txn_index::AbortedEntry;

/// A transaction whose records are not to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
}

impl Log {
    /// The aborted transactions that may have records in a region, which begins in the segment with `base_offset` with the
    /// batch that holds `from`. As in Kafka the index says where the region ends, so that a few more may be among them.
    pub(super) fn aborted_in(
        &self,
        segments: &[Arc<Segment>],
        base_offset: i64,
        from: i64,
        region: &FileRegion,
    ) -> Result<Vec<AbortedTransaction>> {
        let at = floor(segments, base_offset);
        let end = region.position + u64::from(region.len);
        let next = segments.get(at + 1).map(|next| next.base_offset);
        let bound = segments[at].indexed_offset_behind(end)?.or(next);
        let found = collect(&segments[at..], from, bound.unwrap_or_else(|| self.log_end_offset()))?;
        let row = |entry: AbortedEntry| AbortedTransaction {
            producer_id: entry.producer_id,
            first_offset: entry.first_offset,
            last_offset: entry.last_offset,
        };
        Ok(found.into_iter().map(row).collect())
    }
}

/// Those with their marker at or above `from` that begin below `to`.
pub(super) fn collect(segments: &[Arc<Segment>], from: i64, to: i64) -> Result<Vec<AbortedEntry>> {
    let mut found = Vec::new();
    for segment in segments {
        if segment.collect_aborted(from, to, &mut found)? {
            break;
        }
    }
    Ok(found)
}
