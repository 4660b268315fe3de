//! Making what was appended durable, and closing.
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use super::append::close_segment;
use super::{Log, Positions, UNPOISONED};
use crate::checkpoint::{self, EpochEntry};
use crate::disk::{self, FileSystem};
use crate::error::{Result, StorageError};
use crate::file_cache::Unsynced;
use crate::log_dir::LogDir;
use crate::names::FileKind;
use crate::producers::encode_snapshot;
use crate::segment::Segment;

/// A flush that knows what it is to cover.
struct Begun {
    /// The recovery point of before.
    from: i64,
    end: i64,
    /// Since when the oldest of it has been waiting.
    since_ms: i64,
    /// The names in the directory are part of it.
    dir_dirty: bool,
    snapshot: Option<FlushSnapshot>,
}

/// A flush that waits for others' to be synced with.
struct Together<'a> {
    log: &'a Log,
    begun: Begun,
    unsynced: Vec<Unsynced>,
    /// The epochs' checkpoint: from where to where it is renamed when it is synced.
    epochs: Option<(PathBuf, PathBuf)>,
    so_far: Result<()>,
    _flushing: MutexGuard<'a, ()>,
}

/// Flushes logs of one directory: all of them with one sync of its file system, or two where checkpoints are to be replaced.
/// As with a single one, a failed sync takes the directory offline. Returns those that were not flushed.
pub(crate) fn flush_together(dir: &LogDir, file_system: &dyn FileSystem, logs: &[Arc<Log>]) -> Vec<Arc<Log>> {
    let sync = || dir.watch(file_system.sync().map_err(|e| StorageError::io("sync", &dir.path, e)));
    let (mut together, mut left) = (Vec::new(), Vec::new());
    for log in logs.iter().filter(|log| log.check_online().is_ok()) {
        match log.begin_together() {
            Some(begun) => together.push(begun),
            None => left.push(Arc::clone(log)),
        }
    }
    if together.is_empty() {
        return left;
    }
    let created = dir.new_partitions();
    let mut synced = sync();
    if synced.is_ok() {
        dir.new_partitions_synced(created);
    }
    if together.iter().any(|flush| flush.epochs.is_some()) {
        for flush in together.iter_mut().filter(|_| synced.is_ok()) {
            flush.rename_epochs();
        }
        synced = synced.and_then(|()| sync());
    }
    for flush in together {
        flush.end(synced.clone());
    }
    left
}

impl Together<'_> {
    fn rename_epochs(&mut self) {
        if let Some((from, to)) = &self.epochs {
            let log = self.log;
            let renamed = log.log_dir.watch(disk::rename(log.log_dir.disk(), from, to));
            self.so_far = renamed.inspect_err(|_| log.epochs_unwritten());
        }
    }

    /// Whoever is told of a failure was told by the directory.
    fn end(self, synced: Result<()>) {
        let synced = self.so_far.and(synced);
        if synced.is_ok() {
            self.unsynced.into_iter().for_each(Unsynced::synced);
        }
        let log = self.log;
        if let Err(error) = log.log_dir.watch(log.end_flush(self.begun, synced)) {
            log.tell_flush_failed(&error);
        }
    }
}

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

    /// Has what was appended survive a power cut. Where there is no room for indexes and checkpoints that means the records
    /// alone, from which a start makes the rest. They stay in the log, so an error would have an idempotent producer send them
    /// again in a new epoch.
    pub(super) fn flush_appended(&self) -> Result<()> {
        match self.flush() {
            Err(error) if error.is_out_of_space() || error.is_out_of_files() => {
                let _flushing = self.flushing.lock().expect(UNPOISONED);
                self.log_dir.check()?;
                self.log_dir.watch(self.sync_records())
            }
            flushed => flushed.map(drop),
        }
    }

    /// Syncs all records above the recovery point, and the names that lead to them.
    fn sync_records(&self) -> Result<()> {
        let (segments, from) = (self.segments(), self.recovery_point());
        let below = segments.partition_point(|segment| segment.base_offset <= from);
        segments[below.saturating_sub(1)..]
            .iter()
            .try_for_each(|segment| segment.sync_records())?;
        checkpoint::sync_partition_metadata(self.log_dir.disk(), &self.dir())?;
        disk::sync_dir(self.log_dir.disk(), &self.dir())?;
        self.log_dir.sync_new_partitions()
    }

    /// A flush that the queue was asked for. A failure has taken the directory offline by the time that it is told.
    pub(crate) fn flush_asked_for(&self) {
        self.unflushed.queued.store(0, Ordering::Relaxed);
        if let Err(error) = self.flush() {
            self.tell_flush_failed(&error);
        }
    }

    /// That the directory is full, or has failed, is told once and not for each log.
    fn tell_flush_failed(&self, error: &StorageError) {
        if !(error.is_out_of_space() || error.is_out_of_files()) && self.check_online().is_ok() {
            tracing::warn!(partition = %self.topic_partition, %error, "background flush failed");
        }
    }

    /// Has the background thread flush this log, if it is not about to; before all others if `urgent`.
    pub(crate) fn ask_for_flush(&self, urgent: bool) {
        let urgency = if urgent { 2 } else { 1 };
        if self.unflushed.queued.fetch_max(urgency, Ordering::Relaxed) < urgency {
            self.log_dir.flush_queue.push(self.me.clone(), urgent);
        }
    }

    /// How long the oldest unflushed record has been waiting, in milliseconds.
    pub(crate) fn unflushed_ms(&self, now_ms: i64) -> Option<i64> {
        let since = self.unflushed.since_ms.load(Ordering::Relaxed);
        (since != i64::MAX).then_some(now_ms - since)
    }

    fn flush_now(&self) -> Result<i64> {
        let Some(begun) = self.begin_flush()? else {
            return Ok(self.recovery_point());
        };
        let synced = self.sync_one_by_one(&begun);
        self.end_flush(begun, synced)
    }

    /// Notes what a flush is to cover; `None` if the log is closed.
    fn begin_flush(&self) -> Result<Option<Begun>> {
        let since_ms = self.unflushed.since_ms.load(Ordering::Relaxed);
        let mut writer = self.writer();
        if writer.closed {
            return Ok(None);
        }
        let active = self.active_segment();
        active.write_out_indexes().inspect_err(|_| writer.dir_dirty = true)?;
        self.unflushed.bytes.store(0, Ordering::Relaxed);
        self.unflushed.since_ms.store(i64::MAX, Ordering::Relaxed);
        writer.unflushed_records = 0;
        let Positions {
            log_end,
            recovery_point,
            ..
        } = self.positions();
        // A log that begins here has nothing that a snapshot could tell; Kafka would remove it.
        let at = active.size();
        let is_due = log_end.offset > active.base_offset
            && at.saturating_sub(writer.active.snapshot_at) >= self.log_dir.shared.snapshot_bytes;
        let snapshot = (is_due && !writer.snapshots.contains(&log_end.offset)).then(|| FlushSnapshot {
            offset: log_end.offset,
            at,
            bytes: encode_snapshot(&writer.producers),
        });
        Ok(Some(Begun {
            from: recovery_point,
            end: log_end.offset,
            since_ms,
            dir_dirty: std::mem::take(&mut writer.dir_dirty),
            snapshot,
        }))
    }

    /// The segments that a flush has to sync.
    fn segments_to_sync(&self, begun: &Begun) -> Vec<Arc<Segment>> {
        let segments = self.segments();
        let next_of = |at: usize| segments.get(at + 1).map(|next| next.base_offset);
        // Also the one that ended just there: its indexes were completed when it was closed, perhaps after the last flush.
        let is_due = |(at, segment): &(usize, &Arc<Segment>)| {
            next_of(*at).is_none_or(|next| next >= begun.from) && segment.base_offset <= begun.end
        };
        let due = segments.iter().enumerate().filter(is_due);
        due.map(|(_, segment)| Arc::clone(segment)).collect()
    }

    fn sync_one_by_one(&self, begun: &Begun) -> Result<()> {
        self.segments_to_sync(begun)
            .iter()
            .try_for_each(|segment| segment.sync())?;
        if begun.dir_dirty {
            checkpoint::sync_partition_metadata(self.log_dir.disk(), &self.dir())?;
            disk::sync_dir(self.log_dir.disk(), &self.dir())?;
            self.log_dir.sync_new_partitions()?;
        }
        self.write_leader_epochs(begun.end)
    }

    /// Moves the recovery point, if what the flush was to cover is synced.
    fn end_flush(&self, begun: Begun, synced: Result<()>) -> Result<i64> {
        let kept = synced.and_then(|()| match &begun.snapshot {
            Some(snapshot) => self.keep_flush_snapshot(snapshot),
            None => Ok(()),
        });
        kept.inspect_err(|_| {
            // Only a full disk leaves a next time.
            self.unflushed.since_ms.fetch_min(begun.since_ms, Ordering::Relaxed);
            self.writer().dir_dirty = true;
        })?;
        // Truncation waits for the flush, so the end is still within the log.
        self.change_positions(|positions| positions.recovery_point = begun.end);
        if self.log_dir.shared.files.is_crowded() {
            let _writer = self.writer(); // nothing is written meanwhile, which would have to keep its file open
            self.segments().iter().for_each(|segment| segment.release());
        }
        Ok(begun.end)
    }

    /// Begins to flush together with other logs of the directory; `None` if that is not to be now: somebody else flushes or
    /// truncates, whom the others must not wait for, or it is closed or has failed.
    fn begin_together(&self) -> Option<Together<'_>> {
        let flushing = self.flushing.try_lock().ok()?;
        self.unflushed.queued.store(0, Ordering::Relaxed);
        let begun = self.log_dir.watch(self.begin_flush()).ok()??;
        let segments = self.segments_to_sync(&begun);
        let unsynced = segments.iter().flat_map(|segment| segment.begin_sync()).collect();
        let epochs = self.log_dir.watch(self.write_leader_epochs_beside(begun.end));
        let (epochs, so_far) = match epochs {
            Ok(epochs) => (epochs, Ok(())),
            Err(error) => (None, Err(error)),
        };
        Some(Together {
            log: self,
            begun,
            unsynced,
            epochs,
            so_far,
            _flushing: flushing,
        })
    }

    /// The epochs' checkpoint under another name, with the one that it is to get; `None` if it lacks nothing below `end`.
    fn write_leader_epochs_beside(&self, end: i64) -> Result<Option<(PathBuf, PathBuf)>> {
        let Some(entries) = self.unwritten_epochs(end) else {
            return Ok(None);
        };
        let written = checkpoint::write_leader_epochs_beside(self.log_dir.disk(), &self.dir(), &entries);
        written.map(Some).inspect_err(|_| self.epochs_unwritten())
    }

    /// Writes the epochs' checkpoint if it lacks something below `end`.
    fn write_leader_epochs(&self, end: i64) -> Result<()> {
        match self.unwritten_epochs(end) {
            None => Ok(()),
            Some(entries) => checkpoint::write_leader_epochs(self.log_dir.disk(), &self.dir(), &entries)
                .inspect_err(|_| self.epochs_unwritten()),
        }
    }

    /// The epochs for the checkpoint, which then counts as written; `None` if it lacks nothing below `end`.
    fn unwritten_epochs(&self, end: i64) -> Option<Vec<EpochEntry>> {
        let mut epochs = self.epochs.write().expect(UNPOISONED);
        epochs.is_dirty(end).then(|| {
            epochs.mark_written();
            epochs.entries().to_vec()
        })
    }

    fn epochs_unwritten(&self) {
        self.epochs.write().expect(UNPOISONED).mark_all_changed();
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

    /// Ends a cleaning that runs, and waits until it has.
    pub(crate) fn end_cleaning(&self) {
        drop(self.cleaning.stop());
    }

    /// Completes the files for [`close`](Self::close), which then finds them synced if a flush comes first. Says whether there
    /// is something to flush.
    pub(crate) fn prepare_close(&self) -> Result<bool> {
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        self.log_dir.check()?;
        self.log_dir.watch(self.complete_files())
    }

    fn complete_files(&self) -> Result<bool> {
        let writer = self.writer();
        let must_flush = !writer.closed
            && (writer.active.appended
                || writer.dir_dirty
                || self.is_dirty()
                || self.active_segment().has_unsynced_writes()); // of a failed append
        if must_flush {
            close_segment(&self.active_segment())?;
        }
        Ok(must_flush)
    }

    fn close_now(&self) -> Result<()> {
        if self.complete_files()? {
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
