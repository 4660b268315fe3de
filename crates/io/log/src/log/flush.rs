//! Making what was appended durable, and closing.
use std::sync::atomic::Ordering;

use super::append::close_segment;
use super::{Log, UNPOISONED};
use crate::checkpoint;
use crate::disk;
use crate::error::{Result, StorageError};
use crate::names::FileKind;
use crate::producers::encode_snapshot;

/// The producers' state as of a flush.
struct FlushSnapshot {
    offset: i64,
    /// The position in the active segment where the offset is.
    at: u32,
    bytes: Vec<u8>,
}

impl Log {
    /// Syncs everything that was appended before the call and moves the recovery point there; returns it. Appends and
    /// reads go on meanwhile. A failed sync takes the log directory offline for good.
    pub fn flush(&self) -> Result<i64, StorageError> {
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        self.log_dir.check()?;
        self.log_dir.watch(self.flush_now())
    }

    /// A flush that the queue was asked for.
    pub(crate) fn flush_asked_for(&self) -> Result<i64> {
        self.unflushed.queued.store(0, Ordering::Relaxed);
        self.flush()
    }

    /// Has the background thread flush this log, if it is not about to; before all others if `urgent`.
    pub(crate) fn ask_for_flush(&self, urgent: bool) {
        let urgency = if urgent { 2 } else { 1 };
        if self.unflushed.queued.fetch_max(urgency, Ordering::Relaxed) < urgency {
            self.log_dir.shared.flush_queue.push(self.me.clone(), urgent);
        }
    }

    /// How long the oldest unflushed record has been waiting, in milliseconds.
    pub(crate) fn unflushed_ms(&self, now_ms: i64) -> Option<i64> {
        let since = self.unflushed.since_ms.load(Ordering::Relaxed);
        (since != i64::MAX).then_some(now_ms - since)
    }

    fn flush_now(&self) -> Result<i64> {
        let since_ms = self.unflushed.since_ms.load(Ordering::Relaxed);
        self.flush_all().inspect_err(|_| {
            // Only a full disk leaves a next time.
            self.unflushed.since_ms.fetch_min(since_ms, Ordering::Relaxed);
            self.writer().dir_dirty = true;
        })
    }

    fn flush_all(&self) -> Result<i64> {
        let (end, snapshot, dir_dirty, from) = {
            let mut writer = self.writer();
            let positions = self.positions();
            if writer.closed {
                return Ok(positions.recovery_point);
            }
            self.active_segment().write_out_indexes()?;
            self.unflushed.bytes.store(0, Ordering::Relaxed);
            self.unflushed.since_ms.store(i64::MAX, Ordering::Relaxed);
            writer.unflushed_records = 0;
            let end = positions.log_end.offset;
            // A snapshot spares recovery the batches before it, so it is worth its file only behind many of them.
            let at = self.active_segment().size();
            let is_due = at.saturating_sub(writer.active.snapshot_at) >= self.log_dir.shared.snapshot_bytes;
            let snapshot = (is_due && !writer.snapshots.contains(&end)).then(|| FlushSnapshot {
                offset: end,
                at,
                bytes: encode_snapshot(&writer.producers),
            });
            (
                end,
                snapshot,
                std::mem::take(&mut writer.dir_dirty),
                positions.recovery_point,
            )
        };
        let segments = self.segments();
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|next| next.base_offset);
            // Also the one that ended just there: its indexes were completed when it was closed, perhaps after the last flush.
            if next.is_none_or(|next| next >= from) && segment.base_offset <= end {
                segment.sync()?;
            }
        }
        if dir_dirty {
            checkpoint::sync_partition_metadata(self.log_dir.disk(), &self.dir())?;
            disk::sync_dir(self.log_dir.disk(), &self.dir())?;
            self.log_dir.sync_new_partitions()?;
        }
        self.write_leader_epochs(end)?;
        if let Some(snapshot) = snapshot {
            self.keep_flush_snapshot(&snapshot)?;
        }
        // Truncation waits for the flush, so the end is still within the log.
        self.change_positions(|positions| positions.recovery_point = end);
        Ok(end)
    }

    /// Writes the epochs' checkpoint if it lacks something below `end`.
    fn write_leader_epochs(&self, end: i64) -> Result<()> {
        let entries = {
            let mut epochs = self.epochs.write().expect(UNPOISONED);
            if !epochs.is_dirty(end) {
                return Ok(());
            }
            epochs.mark_written();
            epochs.entries().to_vec()
        };
        checkpoint::write_leader_epochs(self.log_dir.disk(), &self.dir(), &entries).inspect_err(|_| {
            self.epochs.write().expect(UNPOISONED).mark_all_changed();
        })
    }

    /// A snapshot inside the active segment, so that recovery need not read the segment from its beginning. One at a time:
    /// the one of the flush before goes. Not synced: a torn one is recognised and an older one used.
    fn keep_flush_snapshot(&self, snapshot: &FlushSnapshot) -> Result<()> {
        let offset = snapshot.offset;
        let stale = {
            let mut writer = self.writer();
            if writer.snapshots.contains(&offset) {
                return Ok(()); // the segment was rolled here meanwhile
            }
            // Not beside a roll, which writes to the same file.
            disk::replace_file_unsynced(
                self.log_dir.disk(),
                &self.file_path(FileKind::Snapshot, offset),
                &snapshot.bytes,
            )?;
            let active = self.active_segment().base_offset;
            if active < offset {
                writer.active.snapshot_at = snapshot.at;
            }
            writer.snapshots.insert(offset);
            let stale: Vec<i64> = writer
                .snapshots
                .range(active + 1..)
                .copied()
                .filter(|other| *other < offset)
                .collect();
            writer.snapshots.retain(|other| !stale.contains(other));
            stale
        };
        for offset in stale {
            disk::remove_file(self.log_dir.disk(), &self.file_path(FileKind::Snapshot, offset))?;
        }
        Ok(())
    }

    /// Flushes and leaves the files as Kafka leaves them: indexes trimmed, the newest timestamp in the time index, a
    /// producer snapshot at the log end. Nothing is appended afterwards.
    pub fn close(&self) -> Result<(), StorageError> {
        let _not_cleaning = self.cleaning.stop();
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        self.log_dir.check()?;
        if self.writer().closed {
            return Ok(());
        }
        self.log_dir.watch(self.close_now())
    }

    fn close_now(&self) -> Result<()> {
        let must_flush = {
            let writer = self.writer();
            let must_flush = writer.active.appended
                || writer.dir_dirty
                || self.is_dirty()
                || self.active_segment().has_unsynced_writes(); // of a failed append
            if must_flush {
                close_segment(&self.active_segment())?;
            }
            must_flush
        };
        if must_flush {
            self.flush_now()?;
        }
        let mut writer = self.writer();
        if writer.producers.end_offset > self.log_start_offset() {
            self.write_snapshot(&mut writer)?;
        }
        writer.closed = true;
        for segment in self.segments().iter() {
            segment.release();
        }
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        self.epochs.read().expect(UNPOISONED).is_dirty(self.log_end_offset())
            || self.unflushed.since_ms.load(Ordering::Relaxed) != i64::MAX
    }
}
