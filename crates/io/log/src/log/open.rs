//! Opening: from whatever files there are to a log that is whole.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use super::replay::{load_producers, rebuild_aborted, replay};
use super::stock::{Files, take_stock};
use super::{ActiveSegment, Cleaning, Log, Place, Position, Positions, Unflushed, Writer};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::disk::{self, Disk, OsDisk};
use crate::epochs::LeaderEpochs;
use crate::error::{Result, StorageError, unless_malformed};
use crate::faults::{self, Fault};
use crate::log_dir::{LogDir, Shared};
use crate::names::{FileKind, TopicPartition};
use crate::producers::Producers;
use crate::progress::OpenThread;
use crate::recovery::{EntryPacer, RecoveryEvent, rebuild_indexes, records_in, scan};
use crate::segment::{DirPath, Located, Segment};

/// What is known of a log before its files are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStart {
    /// First offset to serve, unless the first segment begins later.
    pub log_start_offset: i64,
    /// Below it everything is synced, also of a log that was closed properly.
    pub recovery_point: i64,
    /// The high watermark of last time.
    pub high_watermark: i64,
    /// Below it the log was compacted; `None` if it never was.
    pub cleaned_offset: Option<i64>,
    /// The log was closed properly: there is nothing to recover.
    pub clean: bool,
}

/// What was done to open a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Bytes above the recovery point that were checked.
    pub bytes_checked: u64,
    /// Repairs.
    pub events: Vec<RecoveryEvent>,
}

impl Opened {
    /// Records that were lost with damage in the middle of the log or are missing at its end, and all bytes that were cut off.
    /// Of those that are missing nobody knows how many there were: at most one at each offset.
    pub fn lost(&self) -> (u64, u64) {
        let lost = self.events.iter().map(|event| match event {
            RecoveryEvent::Cut {
                records_lost, bytes, ..
            }
            | RecoveryEvent::SegmentDropped {
                records_lost, bytes, ..
            } => (*records_lost, *bytes),
            RecoveryEvent::EndsTooEarly {
                end_offset,
                recovery_point,
            } => (recovery_point.abs_diff(*end_offset), 0),
            RecoveryEvent::IndexesRebuilt { .. }
            | RecoveryEvent::TxnIndexRebuilt { .. }
            | RecoveryEvent::ProducersRebuilt { .. }
            | RecoveryEvent::LeaderEpochsRebuilt
            | RecoveryEvent::Restarted { .. }
            | RecoveryEvent::SwapCompleted { .. } => (0, 0),
        });
        lost.fold((0, 0), |sum, lost| (sum.0 + lost.0, sum.1 + lost.1))
    }

    pub(crate) fn ends_too_early(&self) -> bool {
        let is_it = |event: &RecoveryEvent| matches!(event, RecoveryEvent::EndsTooEarly { .. });
        self.events.iter().any(is_it)
    }
}

/// Opens a log by itself, without a log manager: the metadata quorum's. `dir` is the partition's directory and is created
/// when missing. Nothing runs in the background: the owner flushes, rolls over settings and removes old segments.
pub fn open_log(
    dir: &Path,
    topic_partition: TopicPartition,
    config: LogConfig,
    start: LogStart,
    now_ms: i64,
) -> Result<(Arc<Log>, Opened), StorageError> {
    disk::create_dir(&OsDisk, dir)?;
    let shared = Shared::new(Arc::new(OsDisk), (8, usize::MAX), u64::MAX, u32::MAX, i64::MAX);
    let parent = dir.parent().map_or_else(PathBuf::new, Path::to_owned);
    Log::open(
        LogDir::new(parent, shared),
        dir.to_owned(),
        topic_partition,
        config,
        start,
        now_ms,
        &OpenThread::default(),
    )
}

impl Log {
    pub(crate) fn open(
        log_dir: Arc<LogDir>,
        dir: PathBuf,
        topic_partition: TopicPartition,
        config: LogConfig,
        start: LogStart,
        now_ms: i64,
        thread: &OpenThread,
    ) -> Result<(Arc<Self>, Opened)> {
        let opening = Opening {
            shared: &log_dir.shared,
            dir: DirPath::new(dir.clone()),
            config: &config,
            start,
            without_indexes: BTreeSet::new(),
            without_txn_index: BTreeSet::new(),
            created: false,
            opened: Opened::default(),
            thread,
        };
        let (parts, opened) = opening.run(&dir)?;
        let log_end = parts.log_end;
        let log_start_offset = start.log_start_offset.max(parts.segments[0].base_offset);
        let recovery_point = if start.clean {
            log_end.offset
        } else {
            start.recovery_point
        };
        let mut positions = Positions {
            log_start_offset,
            local_log_start_offset: log_start_offset,
            recovery_point: recovery_point.min(log_end.offset),
            high_watermark: log_end,
            log_end,
            first_unstable_offset: None,
        };
        positions.set_high_watermark(start.high_watermark);
        let mut producers = parts.producers;
        producers.remove_expired(now_ms, log_dir.shared.producer_id_expiration_ms());
        producers.on_high_watermark(positions.high_watermark.offset);
        positions.first_unstable_offset = producers.first_unstable_offset();
        // Of a process that died nobody knows which of its files' names were synced.
        let dir_dirty = parts.created || !start.clean;
        if dir_dirty {
            log_dir.has_new_partition(); // perhaps
        }
        let is_flushed = positions.recovery_point == log_end.offset;
        let active = parts.segments.last().expect("a log has an active segment");
        let mut active_segment = ActiveSegment::new(&topic_partition, active.base_offset, now_ms);
        active_segment.appended = !start.clean; // its indexes were not completed when it was left
        let writer = Writer {
            closed: false,
            producers,
            snapshots: parts.snapshots,
            active: active_segment,
            dir_dirty,
            unflushed_records: 0,
            retired: Vec::new(),
        };
        let log = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            topic_partition,
            dir: parts.dir,
            log_dir,
            config: RwLock::new(Arc::new(config)),
            topic_id: RwLock::new(parts.topic_id),
            segments: RwLock::new(Arc::new(parts.segments)),
            positions: RwLock::new(positions),
            epochs: RwLock::new(parts.epochs),
            writer: Mutex::new(writer),
            flushing: Mutex::new(()),
            cleaning: Cleaning::default(),
            cleaned_offset: AtomicI64::new(start.cleaned_offset.unwrap_or(-1)),
            unflushed: Unflushed {
                bytes: AtomicU64::new(0),
                since_ms: AtomicI64::new(if is_flushed { i64::MAX } else { now_ms }),
                queued: AtomicU8::new(0),
            },
            touched: AtomicBool::new(false),
        });
        Ok((log, opened))
    }
}

/// A log being opened.
struct Opening<'a> {
    shared: &'a Arc<Shared>,
    dir: Arc<DirPath>,
    config: &'a LogConfig,
    start: LogStart,
    /// Base offsets of segments whose index files were missing; they are empty now.
    without_indexes: BTreeSet<i64>,
    /// Base offsets of segments whose index of aborted transactions is not to be relied on.
    without_txn_index: BTreeSet<i64>,
    /// Files were created that the directory's sync has not covered.
    created: bool,
    opened: Opened,
    thread: &'a OpenThread,
}

/// What opening comes to.
struct Parts {
    dir: Arc<DirPath>,
    segments: Vec<Arc<Segment>>,
    snapshots: BTreeSet<i64>,
    producers: Producers,
    epochs: LeaderEpochs,
    log_end: Position,
    topic_id: Option<klamm_protocol::Uuid>,
    /// Files were created that the directory's sync has not covered.
    created: bool,
}

impl<'a> Opening<'a> {
    fn run(mut self, dir: &Path) -> Result<(Parts, Opened)> {
        let Files {
            segments: files,
            mut snapshots,
        } = take_stock(self.shared, &self.dir, &mut self.opened.events)?;
        let mut epochs = self.load_epochs(dir)?;
        let mut segments = Vec::with_capacity(files.len().max(1));
        let last = files.keys().next_back().copied();
        for (base_offset, kinds) in &files {
            segments.push(self.open_segment(*base_offset, kinds, Some(*base_offset) == last)?);
        }
        let end = self.recover(&mut segments, &mut epochs)?;
        let is_restarted = end.is_none_or(|end| end < self.start.log_start_offset);
        if is_restarted {
            self.created = true;
            self.restart(&mut segments, &mut snapshots, &mut epochs)?;
        }
        let active = segments.last().expect("a log has an active segment");
        let log_end_offset = end.filter(|_| !is_restarted).unwrap_or(active.base_offset);
        let place = Some(Place {
            segment: active.base_offset,
            position: active.size(),
        });
        let log_end = Position {
            offset: log_end_offset,
            place,
        };
        if log_end_offset < self.start.recovery_point {
            self.opened.events.push(RecoveryEvent::EndsTooEarly {
                end_offset: log_end_offset,
                recovery_point: self.start.recovery_point,
            });
        }
        epochs.truncate_from_end(log_end_offset);
        if !epochs.entries().is_empty() {
            epochs.truncate_from_start(self.start.log_start_offset.max(segments[0].base_offset));
        }
        // Above the recovery point a power cut may bring back snapshots that a truncation had removed: of another history.
        let trusted = if self.start.clean || faults::is_on(Fault::KeepSnapshots) {
            log_end_offset
        } else {
            log_end_offset.min(self.start.recovery_point)
        };
        // Nor does one lead on from before the first segment: what came between is gone.
        let mut unusable = snapshots.split_off(&(trusted + 1));
        let usable = snapshots.split_off(&segments[0].base_offset);
        unusable.append(&mut std::mem::replace(&mut snapshots, usable));
        for offset in unusable {
            disk::remove_file(self.disk(), &FileKind::Snapshot.path(dir, offset))?;
        }
        let producers = self.producers(dir, &segments, &mut snapshots, log_end_offset)?;
        let topic_id = checkpoint::read_partition_metadata(self.disk(), dir)?;
        segments.iter().for_each(|segment| segment.release());
        let parts = Parts {
            dir: self.dir,
            segments,
            snapshots,
            producers,
            epochs,
            log_end,
            topic_id,
            created: self.created,
        };
        Ok((parts, self.opened))
    }

    fn disk(&self) -> &'a dyn Disk {
        self.shared.files.disk()
    }

    fn load_epochs(&mut self, dir: &Path) -> Result<LeaderEpochs> {
        match checkpoint::read_leader_epochs(self.disk(), dir) {
            Ok(entries) => Ok(LeaderEpochs::new(entries)),
            Err(StorageError::Malformed { .. }) => {
                self.opened.events.push(RecoveryEvent::LeaderEpochsRebuilt);
                Ok(LeaderEpochs::lost())
            }
            Err(error) => Err(error),
        }
    }

    fn open_segment(&mut self, base_offset: i64, kinds: &[FileKind], is_last: bool) -> Result<Arc<Segment>> {
        let path = FileKind::Log.path(&self.dir.get(), base_offset);
        let size = disk::inspect(self.disk(), &path)?.len;
        let size = u32::try_from(size).ok().filter(|size| *size <= i32::MAX as u32);
        let size = size.ok_or_else(|| StorageError::malformed(&path, "larger than a segment can be"))?;
        let segment = Arc::new(Segment::existing(&self.dir, base_offset, size, &self.shared.files));
        let has_indexes = kinds.contains(&FileKind::OffsetIndex) && kinds.contains(&FileKind::TimeIndex);
        if !has_indexes || !is_last && self.has_unfinished_indexes(&segment)? {
            segment.reset_indexes()?;
            if size > 0 {
                self.without_indexes.insert(base_offset);
                self.without_txn_index.insert(base_offset);
                self.opened.events.push(RecoveryEvent::IndexesRebuilt { file: path });
            }
        }
        if kinds.contains(&FileKind::TxnIndex)
            && let Some(problem) = segment.txn_index_fault()?
        {
            tracing::warn!(file = %segment.path(FileKind::TxnIndex).display(), problem, "damaged index");
            self.without_txn_index.insert(base_offset);
        }
        Ok(segment)
    }

    /// Whether the indexes of a closed segment were begun anew, and a power cut came before the rest. The time index has an entry
    /// at least where any record has a timestamp.
    fn has_unfinished_indexes(&self, segment: &Segment) -> Result<bool> {
        let len = |kind| Ok::<_, StorageError>(disk::inspect(self.disk(), &segment.path(kind))?.len);
        if segment.size() == 0 || len(FileKind::TimeIndex)? > 0 {
            return Ok(false);
        }
        if segment.size() > self.config.index_interval_bytes && len(FileKind::OffsetIndex)? == 0 {
            return Ok(true);
        }
        for located in segment.headers(0) {
            if unless_malformed(located)?.is_none_or(|located| located.header.max_timestamp >= 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Brings the segments into order and finds the log end: of an unclean log everything above the recovery point is
    /// judged, of a clean one only the last segment's end is looked for. `None` when there are no segments.
    fn recover(&mut self, segments: &mut Vec<Arc<Segment>>, epochs: &mut LeaderEpochs) -> Result<Option<i64>> {
        let rebuild_epochs = self.opened.events.contains(&RecoveryEvent::LeaderEpochsRebuilt);
        let last = segments.len().checked_sub(1);
        let next_of = |segments: &[Arc<Segment>], at: usize| segments.get(at + 1).map(|next| next.base_offset);
        let is_synced =
            |next: Option<i64>| self.start.clean || next.is_some_and(|next| next < self.start.recovery_point);
        let passed_over = (0..segments.len()).filter(|at| is_synced(next_of(segments, *at)) && Some(*at) != last);
        self.thread.begin_log(segments.len() - passed_over.count());
        let mut end = None;
        for at in 0..segments.len() {
            let segment = Arc::clone(&segments[at]);
            let next = next_of(segments, at);
            let synced = self.start.clean || next.is_some_and(|next| next < self.start.recovery_point);
            let checked_before = self.opened.bytes_checked;
            if rebuild_epochs {
                epochs_from(&segment, epochs)?;
            }
            if synced && self.without_indexes.contains(&segment.base_offset) {
                // No later flush comes to a segment below the recovery point.
                rebuild_indexes(&segment, self.config.index_interval_bytes)?;
                segment.sync()?;
            }
            if synced && Some(at) != last {
                continue;
            }
            let (segment_end, was_cut) = match self.end_if_all_synced(&segment)? {
                Some(end) => {
                    if !self.start.clean {
                        // Whatever a process that died had tried to write here, it may still be on its way.
                        segment.assume_unsynced()?;
                        segment.drop_index_entries_from(end)?;
                    }
                    if !self.start.clean && Some(at) != last {
                        segment.note_max_timestamp()?;
                        segment.write_out_indexes()?;
                    }
                    (end, false)
                }
                None => {
                    segment.assume_unsynced()?;
                    self.judge_segment(&segment, epochs)?
                }
            };
            self.thread.end_segment(self.opened.bytes_checked - checked_before);
            // A power cut may keep a segment and lose the end of the one before it, which leaves a gap as otherwise only
            // compaction does, of what is synced; or bring back what a truncation had cut off the one before it or removed
            // behind it.
            let follows_on = match next {
                Some(next) if next > segment_end => self.may_have_gap(next) || self.is_compacted(segments)?,
                next => next.is_none_or(|next| next == segment_end),
            };
            if (was_cut || !follows_on) && !faults::is_on(Fault::KeepSegmentsBehindCut) {
                self.drop_behind_cut(segments, at)?;
                return Ok(Some(segment_end));
            }
            end = Some(segment_end);
        }
        Ok(end)
    }

    /// Whether compaction may have taken what lies before `offset`, where a segment begins. It never cleans what is not below
    /// the recovery point on disk; Apache Kafka does, and writes where it got to afterwards.
    fn may_have_gap(&self, offset: i64) -> bool {
        self.config.cleanup_policy.compact
            || offset <= self.start.recovery_point
            || self.start.cleaned_offset.is_some_and(|cleaned| offset <= cleaned)
    }

    /// Whether some segment from the recovery point on says itself that compaction was here: offsets are missing within it. What
    /// a power cut keeps of a segment has none.
    fn is_compacted(&self, segments: &[Arc<Segment>]) -> Result<bool> {
        let below = segments.partition_point(|segment| segment.base_offset <= self.start.recovery_point);
        for segment in &segments[below.saturating_sub(1)..] {
            let mut next_offset = segment.base_offset;
            for located in segment.headers(0) {
                let Some(Located { header, .. }) = unless_malformed(located)? else {
                    break;
                };
                if header.base_offset > next_offset || header.records_count <= header.last_offset_delta {
                    return Ok(true);
                }
                next_offset = header.next_offset();
            }
        }
        Ok(false)
    }

    /// The end of a segment in which there is nothing to judge: of a cleanly closed log, or of one that was flushed to
    /// exactly there. `None` otherwise, also if index and log contradict each other or the log does not end with a whole
    /// batch, so that it was not closed by whoever wrote last.
    fn end_if_all_synced(&self, segment: &Segment) -> Result<Option<i64>> {
        let mut end = segment.base_offset;
        let mut position = 0;
        if segment.size() > 0 {
            let Some((from, _)) = self.anchor(segment, i64::MAX)? else {
                return Ok(None);
            };
            if faults::is_on(Fault::TrustShortIndex) && from > 0 {
                return Ok(segment.last_index_entry()?.map(|entry| entry.offset + 1));
            }
            let from = match self.start.clean {
                true => from,
                false => from.min(segment.timestamps_known_to()?),
            };
            for located in segment.headers(from) {
                let Some(located) = unless_malformed(located)? else {
                    return Ok(None);
                };
                if located.header.base_offset < end {
                    return Ok(None);
                }
                if !self.start.clean {
                    segment.note(&located, false)?; // only closing a segment notes its last timestamps
                }
                end = located.header.next_offset();
                position = located.end();
            }
        }
        let is_synced = self.start.clean || end == self.start.recovery_point;
        Ok((is_synced && position == segment.size()).then_some(end))
    }

    /// Where a scan may begin: position and last offset of the batch that the newest index entry at or below `offset` is
    /// of, if the log agrees with it; the front if there is none. `None`: they contradict each other.
    fn anchor(&self, segment: &Segment, offset: i64) -> Result<Option<(u32, i64)>> {
        let entry = if offset == i64::MAX {
            segment.last_index_entry()?
        } else {
            segment.index_entry(offset)?
        };
        let Some(entry) = entry else {
            return Ok(Some((0, segment.base_offset - 1)));
        };
        let batch = segment.headers(entry.position).first()?;
        let agrees = batch.is_some_and(|batch| {
            batch.header.last_offset() == entry.offset && batch.header.base_offset >= segment.base_offset
        });
        Ok(agrees.then_some((entry.position, entry.offset)))
    }

    /// Judges what lies above the recovery point in one segment. Returns where the log ends after it, and whether it was cut.
    fn judge_segment(&mut self, segment: &Arc<Segment>, epochs: &mut LeaderEpochs) -> Result<(i64, bool)> {
        let (from, mut entries) = self.indexed_start(segment)?;
        let interval = self.config.index_interval_bytes;
        let (mut position, mut next_offset) = (from, segment.base_offset);
        // What is synced is passed over, not judged: if it can't be read, that is an error and no reason to cut.
        let mut headers = segment.headers(from);
        while next_offset < self.start.recovery_point
            && let Some(located) = headers.next()
        {
            let located = located?;
            if located.header.base_offset < next_offset {
                return Err(segment.corrupt(located.position, "offsets go back below the recovery point"));
            }
            if located.header.next_offset() > self.start.recovery_point {
                break;
            }
            segment.note(&located, entries.is_due(&located, interval))?;
            position = located.end();
            next_offset = located.header.next_offset();
        }
        let scanned = scan(segment, position, next_offset, |located| {
            epochs.go_on(located.header.partition_leader_epoch, located.header.base_offset);
            next_offset = located.header.next_offset();
            segment.note(located, entries.is_due(located, interval))
        })?;
        segment.note_max_timestamp()?;
        segment.write_out_indexes()?;
        self.opened.bytes_checked += scanned.bytes;
        let was_cut = scanned.cut.is_some();
        self.opened.events.extend(scanned.cut);
        Ok((next_offset, was_cut))
    }

    /// Where in a segment the index can be trusted to: its newest entry below the recovery point, if the log agrees with it.
    /// Later entries are of writes that may not be there and are dropped. Without such an entry, the front.
    fn indexed_start(&mut self, segment: &Arc<Segment>) -> Result<(u32, EntryPacer)> {
        let anchor = self.anchor(segment, self.start.recovery_point.saturating_sub(1))?;
        if anchor.is_none() {
            self.opened.events.push(RecoveryEvent::IndexesRebuilt {
                file: segment.path(FileKind::Log),
            });
        }
        match anchor {
            Some((position, offset)) if position > 0 => {
                segment.truncate_indexes(offset + 1)?;
                Ok((position, EntryPacer::default()))
            }
            _ => {
                segment.reset_indexes()?;
                Ok((0, EntryPacer::default()))
            }
        }
    }

    /// Behind a cut nothing may stay: the next batch will have the offset where it was made.
    fn drop_behind_cut(&mut self, segments: &mut Vec<Arc<Segment>>, cut: usize) -> Result<()> {
        for dropped in segments.split_off(cut + 1) {
            let file = dropped.path(FileKind::Log);
            let (bytes, records_lost) = (dropped.size().into(), records_in(&dropped)?);
            dropped.remove()?;
            self.opened.events.push(RecoveryEvent::SegmentDropped {
                file,
                bytes,
                records_lost,
            });
        }
        Ok(())
    }

    /// Begins at the log start offset with one empty segment.
    fn restart(
        &mut self,
        segments: &mut Vec<Arc<Segment>>,
        snapshots: &mut BTreeSet<i64>,
        epochs: &mut LeaderEpochs,
    ) -> Result<()> {
        let at_offset = self.start.log_start_offset;
        if !segments.is_empty() {
            self.opened.events.push(RecoveryEvent::Restarted { at_offset });
        }
        for segment in segments.drain(..) {
            segment.remove()?;
        }
        for snapshot in std::mem::take(snapshots) {
            disk::remove_file(self.disk(), &FileKind::Snapshot.path(&self.dir.get(), snapshot))?;
        }
        epochs.clear();
        segments.push(Arc::new(Segment::create(&self.dir, at_offset, &self.shared.files)?));
        Ok(())
    }

    fn producers(
        &mut self,
        dir: &Path,
        segments: &[Arc<Segment>],
        snapshots: &mut BTreeSet<i64>,
        log_end_offset: i64,
    ) -> Result<Producers> {
        let newest = snapshots.last().copied();
        let loaded = load_producers(self.disk(), dir, snapshots, segments[0].base_offset)?;
        let from_offset = loaded.end_offset;
        self.rebuild_txn_indexes(dir, segments, snapshots)?;
        let was_damaged = newest.is_some_and(|newest| newest > from_offset);
        let should_be_there = self.start.clean && from_offset < log_end_offset;
        if was_damaged || should_be_there {
            self.opened.events.push(RecoveryEvent::ProducersRebuilt { from_offset });
        }
        if self.start.clean && from_offset == log_end_offset {
            return Ok(loaded);
        }
        replay(segments, loaded, log_end_offset, |segment, entries| {
            if !faults::is_on(Fault::TrustTxnIndex) && segment.replace_aborted(from_offset, entries)? {
                self.txn_index_rebuilt(segment);
            }
            Ok(())
        })
    }

    /// Those of which it is known that they can't be relied on.
    fn rebuild_txn_indexes(&mut self, dir: &Path, segments: &[Arc<Segment>], snapshots: &BTreeSet<i64>) -> Result<()> {
        for (at, segment) in segments.iter().enumerate() {
            if self.without_txn_index.contains(&segment.base_offset) {
                rebuild_aborted(self.disk(), dir, &segments[..=at], snapshots)?;
                self.txn_index_rebuilt(segment);
            }
        }
        Ok(())
    }

    fn txn_index_rebuilt(&mut self, segment: &Segment) {
        self.created = true; // perhaps the file
        let file = segment.path(FileKind::Log);
        self.opened.events.push(RecoveryEvent::TxnIndexRebuilt { file });
    }
}

/// Takes the epochs of a segment's batches. Where those make no sense, recovery or the next read says what is wrong.
fn epochs_from(segment: &Segment, epochs: &mut LeaderEpochs) -> Result<()> {
    for located in segment.headers(0) {
        let Some(located) = unless_malformed(located)? else {
            break;
        };
        epochs.go_on(located.header.partition_leader_epoch, located.header.base_offset);
    }
    Ok(())
}
