//! Reading the producers' state from the batches, from a snapshot on, and with it which transactions were aborted.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use klamm_records::Batch;

use super::read::floor;
use crate::disk::{self, Disk};
use crate::error::Result;
use crate::names::FileKind;
use crate::producers::{EndMarker, Producers, decode_snapshot};
use crate::segment::{Located, Segment};
use crate::txn_index::AbortedEntry;

/// The newest snapshot that is whole; damaged ones are removed. Without any, no producers as of `base_offset`, the
/// first segment's.
pub(super) fn load_producers(
    disk: &dyn Disk,
    dir: &Path,
    snapshots: &mut BTreeSet<i64>,
    base_offset: i64,
) -> Result<Producers> {
    while let Some(offset) = snapshots.last().copied() {
        let path = FileKind::Snapshot.path(dir, offset);
        if let Some(producers) = read_snapshot(disk, dir, offset)? {
            return Ok(producers);
        }
        disk::remove_file(disk, &path)?;
        snapshots.remove(&offset);
    }
    Ok(Producers::new(base_offset))
}

/// The newest whole snapshot that is not above `offset`; without any, no producers as of `base_offset`.
pub(super) fn producers_below(
    disk: &dyn Disk,
    dir: &Path,
    snapshots: &BTreeSet<i64>,
    offset: i64,
    base_offset: i64,
) -> Result<Producers> {
    for snapshot in snapshots.range(..=offset).rev() {
        if let Some(producers) = read_snapshot(disk, dir, *snapshot)? {
            return Ok(producers);
        }
    }
    Ok(Producers::new(base_offset))
}

pub(super) fn read_snapshot(disk: &dyn Disk, dir: &Path, offset: i64) -> Result<Option<Producers>> {
    let bytes = disk::read_file(disk, &FileKind::Snapshot.path(dir, offset))?;
    Ok(bytes.and_then(|bytes| decode_snapshot(&bytes, offset)))
}

/// Takes into account the batches from where `producers` are to the log end. `aborted` is told of each segment that was
/// looked at the transactions that were aborted there, from where `producers` were.
pub(super) fn replay(
    segments: &[Arc<Segment>],
    mut producers: Producers,
    end: i64,
    mut aborted: impl FnMut(&Segment, &[AbortedEntry]) -> Result<()>,
) -> Result<Producers> {
    let from = producers.end_offset;
    for segment in &segments[floor(segments, from)..] {
        let mut entries = Vec::new();
        // No file is opened for a log that is empty, of which a node may have thousands.
        if segment.size() > 0
            && let Some(first) = segment.locate(from)?
        {
            for located in segment.headers(first.position) {
                let located = located?;
                if located.header.base_offset >= from {
                    let marker = marker_at(segment, &located)?;
                    entries.extend(producers.aborts(&located.header, marker));
                    producers.update(&located.header, marker);
                }
            }
        }
        aborted(segment, &entries)?;
    }
    producers.end_offset = end;
    Ok(producers)
}

/// Makes the index of aborted transactions of one segment, the last of `segments`, say what its batches say.
pub(super) fn rebuild_aborted(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Arc<Segment>],
    snapshots: &BTreeSet<i64>,
) -> Result<()> {
    let segment = segments.last().expect("a segment to rebuild");
    let producers = producers_below(disk, dir, snapshots, segment.base_offset, segments[0].base_offset)?;
    replay(segments, producers, i64::MAX, |seen, entries| {
        if seen.base_offset == segment.base_offset {
            seen.replace_aborted(i64::MIN, entries)?;
        }
        Ok(())
    })
    .map(drop)
}

fn marker_at(segment: &Segment, located: &Located) -> Result<Option<EndMarker>> {
    if !located.header.attributes.is_control() || !located.header.has_producer_id() {
        return Ok(None);
    }
    let bytes = segment.read(located.position, located.size())?;
    Ok(Batch::parse(&bytes).ok().and_then(|batch| EndMarker::of(&batch)))
}
