//! The log of one partition.
mod aborted;
mod append;
mod clean;
mod cleaning;
mod flush;
mod lookup;
mod open;
mod read;
mod replay;
mod stock;
mod swap;
mod trim;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};

use klamm_protocol::Uuid;

use crate::checkpoint::{self, EpochEntry};
use crate::config::LogConfig;
use crate::epochs::{EpochEndOffset, LeaderEpochs};
use crate::error::{Result, StorageError};
use crate::log_dir::LogDir;
use crate::names::TopicPartition;
use crate::producers::{ActiveProducer, ProducerError, Producers, VerificationGuard};
use crate::recovery::EntryPacer;
use crate::segment::{DirPath, Segment};

pub use aborted::AbortedTransaction;
pub use append::{AppendError, AppendInfo};
pub(crate) use clean::{CleanError, Cleaned, Round};
use cleaning::Cleaning;
pub(crate) use flush::flush_together;
pub use lookup::TimestampAndOffset;
pub use open::{LogStart, Opened, open_log};
pub use read::{FetchData, FileRegion, Isolation, ReadError};
pub use trim::DeleteRecordsError;
pub(crate) use trim::{Retired, SEGMENTS_PER_STEP};

/// The log of one partition: segments of batches, each offset at most once, in order.
///
/// One writer at a time (a short mutex); readers never wait for it: they copy the published positions and the list of
/// segments, and then read files.
///
/// The positions, all of them offsets:
/// - `log_start_offset <= local_log_start_offset <= log_end_offset`: what is served, and of it what lies here. The two only
///   differ where segments that are gone from here are still served from elsewhere (KIP-405), which nothing does yet; what
///   reads, deletes and retains segments asks for the local one, what clients and replicas are told is the other.
/// - `log_start_offset <= high_watermark <= log_end_offset`: what is served, what all in-sync replicas have, and where the
///   next batch goes. Only a truncation moves the log end or the high watermark back.
/// - `recovery_point <= log_end_offset`: below the recovery point everything is on disk, synced; what lies above may be lost
///   or torn by a power cut (a killed process loses nothing that was written), and is the only part that recovery looks at
///   and may cut. It does not follow the log start offset: moving that syncs nothing.
/// - `last_stable_offset <= high_watermark`: below it no transaction is open or undecided.
/// - The first segment's base offset is at or below `log_start_offset`: DeleteRecords moves the latter into a segment.
/// - The producers' state is that of `log_end_offset`; on disk, in `.snapshot` files, that of each segment's base offset
///   and of the last flush that came far enough behind it. The leader epochs' checkpoint covers at least all below the recovery point.
///
/// A crash leaves: whole segments; after the recovery point possibly a torn end; indexes and snapshots that may be short,
/// old or missing; `.deleted`, `.tmp`, `.cleaned` leftovers. [`open_log`] makes the log whole again and says what it did.
///
/// Files are opened when used and closed when idle: an idle log holds none, and about 1.2 KB of memory.
#[derive(Debug)]
pub struct Log {
    me: Weak<Log>,
    topic_partition: TopicPartition,
    dir: Arc<DirPath>,
    log_dir: Arc<LogDir>,
    config: RwLock<Arc<LogConfig>>,
    topic_id: RwLock<Option<Uuid>>,
    /// Ascending, never empty, the last one active. Replaced whole; held only to clone the `Arc`.
    segments: RwLock<Segments>,
    /// Held only to copy or assign.
    positions: RwLock<Positions>,
    epochs: RwLock<LeaderEpochs>,
    writer: Mutex<Writer>,
    /// Held over a flush, and over whatever takes files away from under it. Before `writer` where both are needed.
    flushing: Mutex<()>,
    unflushed: Unflushed,
    /// Held over a cleaning, and over whatever else takes segments away. Before `flushing` where both are needed.
    cleaning: Cleaning,
    /// Where the last cleaning ended; -1 if there was none.
    cleaned_offset: AtomicI64,
    /// Used since the last look for idle logs.
    touched: AtomicBool,
}

/// The segments of a log at one moment. They can be read for as long as somebody holds them, whatever becomes of the log.
pub(crate) type Segments = Arc<Vec<Arc<Segment>>>;

/// What only the one who appends, truncates or closes touches.
#[derive(Debug)]
struct Writer {
    closed: bool,
    producers: Producers,
    /// Offsets of the producer snapshots on disk.
    snapshots: BTreeSet<i64>,
    active: ActiveSegment,
    /// A segment was created since the directory was synced.
    dir_dirty: bool,
    unflushed_records: i64,
    /// Segments that retention has taken out of the list and whose files still have their names. Ascending.
    retired: Vec<Arc<Segment>>,
}

/// The active segment's state that no file holds.
#[derive(Debug)]
struct ActiveSegment {
    entries: EntryPacer,
    /// Largest timestamp of the segment's first batch, which its age counts from.
    first_timestamp: Option<i64>,
    /// When it was begun or opened.
    created_ms: i64,
    /// Another number for each segment of each partition.
    seed: u32,
    /// Something was appended since it was begun or opened, which the indexes do not all tell yet.
    appended: bool,
    /// Where the newest producer snapshot of a flush stands; 0 if there is none, or if nobody knows.
    snapshot_at: u32,
}

#[derive(Debug)]
struct Unflushed {
    bytes: AtomicU64,
    /// When the oldest of them was appended; `i64::MAX` when there are none.
    since_ms: AtomicI64,
    /// A background flush was asked for and has not begun: 1, or 2 for an urgent one.
    queued: AtomicU8,
}

/// An offset and, when known, where the batch at that offset is or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    offset: i64,
    place: Option<Place>,
}

/// A position in a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    segment: i64,
    position: u32,
}

#[derive(Clone, Copy, Debug)]
struct Positions {
    log_start_offset: i64,
    local_log_start_offset: i64,
    recovery_point: i64,
    high_watermark: Position,
    log_end: Position,
    first_unstable_offset: Option<i64>,
}

/// The offsets of a log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    /// First offset that is served.
    pub log_start_offset: i64,
    /// First offset that is served from here (KIP-405).
    pub local_log_start_offset: i64,
    /// Limit of what read-committed consumers see.
    pub last_stable_offset: i64,
    /// Limit of what consumers see.
    pub high_watermark: i64,
    /// The next offset.
    pub log_end_offset: i64,
}

impl Positions {
    fn last_stable_offset(&self) -> i64 {
        // Records of an open transaction may have been deleted.
        let first_unstable_offset = self.first_unstable_offset.unwrap_or(i64::MAX);
        first_unstable_offset
            .max(self.log_start_offset)
            .min(self.high_watermark.offset)
    }

    fn offsets(&self) -> LogOffsets {
        LogOffsets {
            log_start_offset: self.log_start_offset,
            local_log_start_offset: self.local_log_start_offset,
            last_stable_offset: self.last_stable_offset(),
            high_watermark: self.high_watermark.offset,
            log_end_offset: self.log_end.offset,
        }
    }

    /// Moves the log start, forward or back, and the local one with it: nothing is served from elsewhere.
    fn set_log_start(&mut self, offset: i64) {
        self.log_start_offset = offset;
        self.local_log_start_offset = offset;
    }

    /// Moves the high watermark, within log start and log end.
    fn set_high_watermark(&mut self, offset: i64) {
        self.high_watermark = if offset >= self.log_end.offset {
            self.log_end
        } else {
            Position {
                offset: offset.max(self.log_start_offset),
                place: None,
            }
        };
    }
}

const UNPOISONED: &str = "no panic while a log's state is changed";

impl Log {
    /// The partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// The partition's directory.
    pub fn dir(&self) -> Arc<Path> {
        self.dir.get()
    }

    /// The log directory that the partition's directory lies in.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir.path
    }

    /// Whether it lies in this log directory.
    pub(crate) fn is_in(&self, dir: &Arc<LogDir>) -> bool {
        Arc::ptr_eq(&self.log_dir, dir)
    }

    /// Fails when the log directory is out of service.
    pub fn check_online(&self) -> Result<(), StorageError> {
        self.log_dir.check()
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().expect(UNPOISONED))
    }

    /// Puts new settings in force, from the next append, read or tick on.
    pub fn update_config(&self, config: LogConfig) {
        *self.config.write().expect(UNPOISONED) = Arc::new(config);
    }

    /// The topic's id, from `partition.metadata`.
    pub fn topic_id(&self) -> Option<Uuid> {
        *self.topic_id.read().expect(UNPOISONED)
    }

    /// Gives the log its topic id, once: writes `partition.metadata`. `false` if it has another one already.
    pub fn assign_topic_id(&self, topic_id: Uuid) -> Result<bool, StorageError> {
        let mut current = self.topic_id.write().expect(UNPOISONED);
        if let Some(current) = *current {
            return Ok(current == topic_id);
        }
        self.log_dir.check()?;
        self.log_dir.watch(checkpoint::write_partition_metadata(
            self.log_dir.disk(),
            &self.dir(),
            topic_id,
        ))?;
        self.writer().dir_dirty = true;
        *current = Some(topic_id);
        Ok(true)
    }

    /// All offsets at one moment.
    pub fn offsets(&self) -> LogOffsets {
        self.positions().offsets()
    }

    /// First offset that is served.
    pub fn log_start_offset(&self) -> i64 {
        self.positions().log_start_offset
    }

    /// First offset that is served from this log's segments (KIP-405).
    pub fn local_log_start_offset(&self) -> i64 {
        self.positions().local_log_start_offset
    }

    /// The offset that the next batch gets.
    pub fn log_end_offset(&self) -> i64 {
        self.positions().log_end.offset
    }

    /// What lies below is on all in-sync replicas.
    pub fn high_watermark(&self) -> i64 {
        self.positions().high_watermark.offset
    }

    /// What lies below is decided: committed, aborted, or never part of a transaction.
    pub fn last_stable_offset(&self) -> i64 {
        self.positions().last_stable_offset()
    }

    /// Below it the log was compacted; `None` if it never was.
    pub fn cleaned_offset(&self) -> Option<i64> {
        let offset = self.cleaned_offset.load(Ordering::Acquire);
        (offset >= 0).then_some(offset)
    }

    /// What lies below is synced to disk.
    pub fn recovery_point(&self) -> i64 {
        self.positions().recovery_point
    }

    /// Sets the high watermark, forward or back, within log start and log end: when a leader takes office. Returns where
    /// it is then.
    pub fn update_high_watermark(&self, offset: i64) -> i64 {
        self.move_high_watermark(|positions| positions.set_high_watermark(offset))
            .1
    }

    /// Moves the high watermark forward to `offset`, at most to the log end. Returns the old one if it moved.
    pub fn maybe_increment_high_watermark(&self, offset: i64) -> Option<i64> {
        let (old, new) = self.move_high_watermark(|positions| {
            if offset > positions.high_watermark.offset {
                positions.set_high_watermark(offset);
            }
        });
        (new > old).then_some(old)
    }

    fn move_high_watermark(&self, change: impl FnOnce(&mut Positions)) -> (i64, i64) {
        let (old, new, has_unstable) = {
            let mut positions = self.positions.write().expect(UNPOISONED);
            let old = positions.high_watermark.offset;
            change(&mut positions);
            (
                old,
                positions.high_watermark.offset,
                positions.first_unstable_offset.is_some(),
            )
        };
        if has_unstable && new > old {
            let mut writer = self.writer();
            writer.producers.on_high_watermark(new);
            let first_unstable_offset = writer.producers.first_unstable_offset();
            self.change_positions(|positions| positions.first_unstable_offset = first_unstable_offset);
        }
        (old, new)
    }

    /// The epochs of the leaders that appended to this log, and where each began.
    pub fn leader_epochs(&self) -> Vec<EpochEntry> {
        self.epochs.read().expect(UNPOISONED).entries().to_vec()
    }

    /// The epoch of the newest leader that appended here or took office.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.read().expect(UNPOISONED).latest().map(|entry| entry.epoch)
    }

    /// The epoch of the batch at `offset`.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.epochs.read().expect(UNPOISONED).epoch_for(offset)
    }

    /// Where the largest epoch up to `epoch` ended (KIP-279). `None`: an epoch the log does not know of.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEndOffset> {
        let log_end_offset = self.log_end_offset();
        self.epochs
            .read()
            .expect(UNPOISONED)
            .end_offset_for(epoch, log_end_offset)
    }

    /// Notes that a leader of `epoch` took office and will append from `start_offset` on.
    pub fn maybe_assign_epoch_start_offset(&self, epoch: i32, start_offset: i64) {
        self.epochs.write().expect(UNPOISONED).assign(epoch, start_offset);
    }

    /// The producers that the log remembers.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        self.writer().producers.active()
    }

    /// Begins to verify a transaction whose first batch is about to be appended with this epoch and first sequence number
    /// (KIP-890); the guard goes with the batch to [`append_in_transaction`](Self::append_in_transaction). None is needed, and
    /// an empty one given, where the transaction is known to be open. `supports_epoch_bump`: the producer gets a new epoch with
    /// each transaction.
    pub fn start_verification(
        &self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: i64,
    ) -> Result<VerificationGuard, ProducerError> {
        let mut writer = self.writer();
        let producers = &mut writer.producers;
        producers.start_verification(producer_id, sequence, epoch, supports_epoch_bump, now_ms)
    }

    /// Whether the log knows a transaction of a producer with this epoch to be open.
    pub fn has_ongoing_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        self.writer().producers.has_ongoing_transaction(producer_id, epoch)
    }

    /// Bytes of all segments' `.log` files.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| u64::from(segment.size())).sum()
    }

    /// Base offsets of the segments, ascending; the last one is active.
    pub fn segment_base_offsets(&self) -> Vec<i64> {
        self.segments().iter().map(|segment| segment.base_offset).collect()
    }

    fn positions(&self) -> Positions {
        *self.positions.read().expect(UNPOISONED)
    }

    fn change_positions(&self, change: impl FnOnce(&mut Positions)) {
        let mut positions = self.positions.write().expect(UNPOISONED);
        change(&mut positions);
        let Positions {
            log_start_offset,
            local_log_start_offset,
            recovery_point,
            high_watermark,
            log_end,
            ..
        } = *positions;
        assert!(
            log_start_offset <= local_log_start_offset && local_log_start_offset <= log_end.offset,
            "what is here is part of what is served"
        );
        assert!(
            log_start_offset <= high_watermark.offset,
            "the high watermark is not below the log start"
        );
        assert!(
            high_watermark.offset <= log_end.offset,
            "the high watermark is within the log"
        );
        assert!(recovery_point <= log_end.offset, "what is synced is within the log");
    }

    fn segments(&self) -> Segments {
        Arc::clone(&self.segments.read().expect(UNPOISONED))
    }

    /// Runs a read on the segments as they are, and again if they were others before it ended: files that it opened on the
    /// way may have been taken away for good.
    fn on_segments<T>(&self, read: impl Fn(&Segments) -> Result<T>) -> (Segments, Result<T>) {
        loop {
            let segments = self.segments();
            let result = read(&segments);
            if Arc::ptr_eq(&segments, &self.segments()) {
                return (segments, result);
            }
        }
    }

    fn set_segments(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().expect(UNPOISONED) = Arc::new(segments);
    }

    fn active_segment(&self) -> Arc<Segment> {
        Arc::clone(self.segments().last().expect("a log has an active segment"))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().expect(UNPOISONED)
    }

    /// Whether nothing can be appended any more: it was closed or deleted, or its directory has failed.
    pub(crate) fn is_out_of_service(&self) -> bool {
        self.log_dir.check().is_err() || self.writer().closed
    }

    /// The writer of a log in service.
    fn open_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer();
        if writer.closed {
            return Err(StorageError::Closed {
                partition: self.topic_partition.clone(),
            });
        }
        self.log_dir.check()?;
        Ok(writer)
    }

    /// Passes on what became of a read. Of a log that is out of service the files may be gone, which is no failure of the disk.
    fn watch_read<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if error.is_not_found() && self.writer().closed => Err(StorageError::Closed {
                partition: self.topic_partition.clone(),
            }),
            result => self.log_dir.watch(result),
        }
    }

    fn file_path(&self, kind: crate::names::FileKind, offset: i64) -> PathBuf {
        kind.path(&self.dir(), offset)
    }

    /// Forgets idempotent producers that were idle for `producer.id.expiration.ms`.
    pub(crate) fn remove_expired_producers(&self, now_ms: i64) {
        self.writer()
            .producers
            .remove_expired(now_ms, self.log_dir.shared.producer_id_expiration_ms());
    }

    /// Gives back handles and memory if nobody used the log since the last call. Returns whether it is idle.
    pub(crate) fn release_if_idle(&self) -> bool {
        if self.touched.swap(false, Ordering::Relaxed) || self.unflushed.since_ms.load(Ordering::Relaxed) != i64::MAX {
            return false;
        }
        let _writer = self.writer();
        for segment in self.segments().iter() {
            segment.release();
        }
        true
    }
}
