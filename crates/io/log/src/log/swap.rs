//! Putting a cleaned segment in the place of those it was made from, as Kafka does it, so that a crash at any moment leaves
//! the ones or the other.
//!
//! | step | done to | if it stops within, the next start |
//! |---|---|---|
//! | 1 | the new files, `.cleaned`, are written and synced, then their names | removes them |
//! | 2 | they are renamed to `.swap` | removes them as long as one is `.cleaned`, else goes on with 3 |
//! | 3 | the old segments' `.log` files are renamed to `.deleted` | removes those below the new one's end, goes on with 5 |
//! | 4 | their indexes too | the same; an index without its log is removed |
//! | 5 | the new `.log` loses its `.swap` | the same |
//! | 6 | the new indexes too | goes on with it |
//!
//! The directory is synced after each step: a power cut may otherwise keep any of the renames and lose the rest, and a log
//! that is there without the index of its aborted transactions is read wrong. It is open from before the first step to the
//! last, so that too few files can only keep a swap from beginning. An old segment of which nothing is left may
//! begin behind the new one's end; until its `.log` is renamed it is whole, and to be read like the others that follow.
use std::sync::Arc;

use super::Log;
use crate::disk::{self, OpenDir};
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::names::FileKind;
use crate::segment::Segment;

const INDEXES: [FileKind; 3] = [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

impl Log {
    /// Swaps `new`, whose files are written, synced and named `.cleaned`, in for `old`, segments in a row that nobody else
    /// takes away meanwhile. A failure on the way takes the directory offline: only a start puts it in order. Before the first
    /// rename it is a failure like others, and `new` is removed.
    pub(super) fn swap_in(&self, old: &[Arc<Segment>], new: Segment, now_ms: i64) -> Result<()> {
        let _flushing = self.flushing.lock().expect(super::UNPOISONED);
        let dir = match OpenDir::open(self.log_dir.disk(), &self.dir()) {
            Ok(dir) => dir,
            Err(error) => {
                self.log_dir.watch(new.remove())?;
                return Err(error);
            }
        };
        let sync_dir = || dir.sync();
        let sync_first = || match faults::is_on(Fault::DropBeforeSwap) {
            true => Ok(()),
            false => sync_dir(),
        };
        let swapped = sync_dir()
            .and_then(|()| rename(&new, &FileKind::SEGMENT, ".swap"))
            .and_then(|()| sync_first())
            .and_then(|()| {
                old.iter()
                    .try_for_each(|segment| self.doom_file(segment, FileKind::Log, now_ms))
            })
            .and_then(|()| sync_first())
            .and_then(|()| {
                let mut files = old.iter().flat_map(|segment| INDEXES.map(|kind| (segment, kind)));
                files.try_for_each(|(segment, kind)| self.doom_file(segment, kind, now_ms))
            })
            .and_then(|()| sync_dir())
            .and_then(|()| rename(&new, &[FileKind::Log], ""))
            .and_then(|()| sync_dir())
            .and_then(|()| rename(&new, &INDEXES, ""))
            .and_then(|()| sync_dir());
        self.log_dir.fail_on(swapped)?;
        self.show_swapped(old, Arc::new(new))
    }

    /// Has readers find the new segment, and forgets the producers' snapshots of the segments that are gone.
    fn show_swapped(&self, old: &[Arc<Segment>], new: Arc<Segment>) -> Result<()> {
        new.release();
        let mut writer = self.writer();
        let mut segments = self.segments().to_vec();
        let first = segments.iter().position(|segment| Arc::ptr_eq(segment, &old[0]));
        let first = first.expect("nobody takes segments away during a cleaning");
        let replaced: Vec<_> = segments.splice(first..first + old.len(), [new]).collect();
        assert!(
            replaced
                .iter()
                .zip(old)
                .all(|(replaced, old)| Arc::ptr_eq(replaced, old)),
            "segments in a row"
        );
        self.set_segments(segments);
        for segment in &old[1..] {
            if writer.snapshots.remove(&segment.base_offset) {
                let path = self.file_path(FileKind::Snapshot, segment.base_offset);
                disk::remove_file(self.log_dir.disk(), &path)?;
            }
        }
        for segment in old {
            segment.release();
        }
        Ok(())
    }
}

fn rename(segment: &Segment, kinds: &[FileKind], suffix: &'static str) -> Result<()> {
    for kind in kinds {
        // Most segments list no aborted transactions.
        if !segment.rename(*kind, suffix)? && *kind != FileKind::TxnIndex {
            let gone = std::io::ErrorKind::NotFound.into();
            return Err(StorageError::io("rename", &segment.current_path(*kind), gone));
        }
    }
    Ok(())
}
