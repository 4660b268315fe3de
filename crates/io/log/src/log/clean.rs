//! A round of compaction over one log: reads what is dirty, copies what stays beside the log, and swaps it in.
//!
//! Appends and reads go on meanwhile. Memory: a table of keys and two buffers, as large as the round says, and besides them
//! the largest batch of the log twice, and three numbers for each aborted transaction.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use klamm_records::{BATCH_OVERHEAD, Batch, BatchError, BatchHeader, Scratch, batches};

use super::aborted::collect;
use super::append::{close_segment, first_timestamp};
use super::read::floor;
use super::replay::{producers_below, read_snapshot, replay};
use super::{Log, Segments};
use crate::cleaner::CleaningStats;
use crate::cleaner::filter::{Filter, note_keys};
use crate::cleaner::offset_map::OffsetMap;
use crate::cleaner::plan::{self, SegmentFacts, SegmentSize};
use crate::cleaner::throttle::Throttle;
use crate::cleaner::transactions::CleanedTransactions;
use crate::config::LogConfig;
use crate::disk;
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::file_cache::wherever_it_is;
use crate::names::FileKind;
use crate::producers::encode_snapshot;
use crate::recovery::EntryPacer;
use crate::segment::{Located, Segment};

/// What a round is to do.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    /// Where the dirty part begins, and where it ends, with a segment.
    pub(crate) first_dirty_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) now_ms: i64,
    /// Most bytes of the table of keys, and how full it may get.
    pub(crate) map_bytes: usize,
    pub(crate) load_factor: f64,
    /// Random numbers that the keys' hashes depend on.
    pub(crate) hash_key: [u64; 2],
    /// Bytes read and written at once.
    pub(crate) buffer_bytes: usize,
    pub(crate) bytes_per_second: f64,
    pub(crate) throttle: &'a Throttle,
    /// Set from outside to end the round soon.
    pub(crate) stop: &'a AtomicBool,
}

/// Why a round did not get to its end. What it swapped in before stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanError {
    /// The log is wanted for something else, or the cleaner is to stop.
    #[error("another time")]
    Aborted,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

type Outcome<T> = Result<T, CleanError>;

impl Log {
    /// What the choice among logs goes by.
    pub(crate) fn cleaning_facts(&self) -> Result<plan::LogFacts> {
        let config = self.config();
        let (_, segments) = self.on_segments(|segments| {
            let (_, closed) = segments.split_last().expect("a log has an active segment");
            let dirty = floor(segments, self.cleaned_offset().unwrap_or(0));
            let facts = |(at, segment): (usize, &Arc<Segment>)| self.segment_facts(segment, &config, at >= dirty);
            let mut facts: Vec<_> = closed.iter().enumerate().map(facts).collect::<Result<_>>()?;
            let active = &segments[closed.len()];
            facts.push(SegmentFacts {
                base_offset: active.base_offset,
                size: active.size().into(),
                ..SegmentFacts::default()
            });
            Ok(facts)
        });
        let offsets = self.offsets();
        Ok(plan::LogFacts {
            segments: self.watch_read(segments)?,
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            last_stable_offset: offsets.last_stable_offset,
            cleaned_offset: self.cleaned_offset(),
        })
    }

    /// Files are only looked at for what the settings ask for.
    fn segment_facts(&self, segment: &Arc<Segment>, config: &LogConfig, is_dirty: bool) -> Result<SegmentFacts> {
        let largest = || {
            let largest = segment.max_timestamp()?.timestamp;
            if largest >= 0 {
                return Ok(largest);
            }
            let path = || segment.current_path(FileKind::Log);
            let inspected = wherever_it_is(path, |path| disk::inspect(segment.disk(), path));
            Ok::<_, StorageError>(inspected?.modified_ms)
        };
        let first = || Ok::<_, StorageError>(first_timestamp(segment)?.unwrap_or(-1));
        let asks_for_largest = is_dirty && config.min_compaction_lag_ms > 0;
        let asks_for_first = is_dirty && config.max_compaction_lag_ms < i64::MAX;
        Ok(SegmentFacts {
            base_offset: segment.base_offset,
            size: segment.size().into(),
            largest_timestamp: asks_for_largest.then(largest).transpose()?,
            first_timestamp: asks_for_first.then(first).transpose()?,
        })
    }

    /// Notes where the last round ended.
    pub(crate) fn set_cleaned_offset(&self, offset: i64) {
        self.cleaned_offset.store(offset, Ordering::Release);
    }

    /// Makes the producers' state at `offset`, where a segment begins, durable. What is cleaned below it does not tell that
    /// state any more: of a transaction that is all gone the end is gone too.
    pub(crate) fn secure_producers(&self, offset: i64) -> Result<()> {
        let _flushing = self.flushing.lock().expect(super::UNPOISONED);
        self.log_dir.watch(self.keep_producers_at(offset))
    }

    /// For those who hold `flushing`: nothing is truncated, removed or swapped meanwhile. Appends go on while the log is read.
    pub(super) fn keep_producers_at(&self, offset: i64) -> Result<()> {
        let (disk, dir) = (self.log_dir.disk(), self.dir());
        let path = self.file_path(FileKind::Snapshot, offset);
        let mut snapshots = self.open_writer()?.snapshots.clone();
        if offset > self.log_end_offset() {
            return Ok(()); // it was truncated before, and what comes there is another history
        }
        if !snapshots.contains(&offset) || read_snapshot(disk, &dir, offset)?.is_none() {
            snapshots.remove(&offset);
            let segments = self.segments();
            let below = segments.partition_point(|segment| segment.base_offset < offset);
            let known = producers_below(disk, &dir, &snapshots, offset, segments[0].base_offset)?;
            let producers = replay(&segments[..below], known, offset, |_, _| Ok(()))?;
            let mut writer = self.open_writer()?;
            disk::replace_file_unsynced(disk, &path, &encode_snapshot(&producers))?;
            writer.snapshots.insert(offset);
        }
        disk::sync(&*disk::open(disk, &path)?, &path)?;
        disk::sync_dir(disk, &dir)
    }

    /// Cleans the log. Everything below the round's end must be below the recovery point on disk: compaction leaves gaps,
    /// which above it would be taken for what a power cut has lost. Returns where the next round begins.
    pub(crate) fn clean(&self, round: &Round<'_>, stats: &mut CleaningStats) -> Outcome<i64> {
        let Some(_running) = self.cleaning.begin() else {
            return Err(CleanError::Aborted);
        };
        drop(self.open_writer()?); // from here on nobody closes it before the round ends
        if round.end_offset > self.active_segment().base_offset {
            return Err(CleanError::Aborted); // it was truncated since the round was planned
        }
        let cleaner = Cleaner {
            log: self,
            round,
            config: self.config(),
            segments: self.segments(),
            stats,
            reader: Reader::new(round.buffer_bytes),
            scratch: Scratch::new(),
        };
        match cleaner.run() {
            Err(CleanError::Storage(error)) => Ok(self.log_dir.watch(Err(error))?),
            outcome => outcome,
        }
    }

    fn check_wanted(&self, round: &Round<'_>) -> Outcome<()> {
        if round.stop.load(Ordering::Relaxed) || self.cleaning.is_unwanted() {
            return Err(CleanError::Aborted);
        }
        Ok(self.log_dir.check()?)
    }
}

struct Cleaner<'a> {
    log: &'a Log,
    round: &'a Round<'a>,
    config: Arc<LogConfig>,
    /// As they were when the round began; since then there may be new ones behind them.
    segments: Segments,
    stats: &'a mut CleaningStats,
    reader: Reader,
    scratch: Scratch,
}

impl Cleaner<'_> {
    fn run(mut self) -> Outcome<i64> {
        let began = Instant::now();
        let map = self.map_keys()?;
        let end_offset = map.latest_offset() + 1;
        self.stats.map_time = began.elapsed();
        self.stats.map_utilization = map.utilization();

        let cleaned = self
            .segments
            .partition_point(|segment| segment.base_offset < end_offset);
        let segments = Arc::clone(&self.segments);
        let mut rest = &segments[..cleaned];
        let size = |segment: &Arc<Segment>| {
            let (offset_index, time_index) = segment.index_bytes()?;
            Ok::<_, StorageError>(SegmentSize {
                base_offset: segment.base_offset,
                log: segment.size().into(),
                offset_index,
                time_index,
            })
        };
        let sizes: Vec<_> = rest.iter().map(size).collect::<Result<_>>()?;
        let aborted = collect(&segments, segments[0].base_offset, self.round.end_offset)?;
        let mut transactions = CleanedTransactions::new(aborted);
        for taken in plan::groups(&sizes, &self.config, self.round.end_offset) {
            let (group, others) = rest.split_at(taken);
            self.clean_group(group, &map, &mut transactions)?;
            rest = others;
        }
        self.stats.time = began.elapsed();
        Ok(end_offset)
    }

    /// Notes the last offset of each key from the first dirty offset on, until the table is full.
    fn map_keys(&mut self) -> Outcome<OffsetMap> {
        let Round {
            first_dirty_offset,
            end_offset,
            ..
        } = *self.round;
        let mut map = OffsetMap::new(
            self.round.map_bytes,
            self.round.load_factor,
            first_dirty_offset..end_offset,
            self.round.hash_key,
        );
        let segments = Arc::clone(&self.segments);
        let from = floor(&segments, first_dirty_offset);
        let aborted = collect(&segments[from..], first_dirty_offset, end_offset)?;
        let mut transactions = CleanedTransactions::new(aborted);
        for (at, segment) in segments.iter().enumerate().skip(floor(&segments, first_dirty_offset)) {
            if segment.base_offset >= end_offset {
                break;
            }
            let next = segments.get(at + 1).map_or(end_offset, |next| next.base_offset);
            if let Some(first) = segment.locate(first_dirty_offset)?
                && !self.map_segment(segment, first.position, &mut map, &mut transactions)?
            {
                break;
            }
            map.advance_to(next - 1);
        }
        Ok(map)
    }

    /// `false`: the table is full.
    fn map_segment(
        &mut self,
        segment: &Segment,
        mut position: u32,
        map: &mut OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Outcome<bool> {
        let mut next_offset = segment.base_offset;
        while position < segment.size() {
            self.pause()?;
            let begin = position;
            for batch in batches(self.reader.read(segment, position)?) {
                let Some(batch) = whole(batch, segment, position, next_offset)? else {
                    break;
                };
                let from = self.round.first_dirty_offset;
                let noted = note_keys(map, &batch, from, transactions, &mut self.scratch);
                let has_room = noted.map_err(|error| segment.corrupt(position, &error.to_string()))?;
                self.stats.map_records_read += batch.header.records_count.unsigned_abs() as u64;
                if !has_room {
                    return Ok(false);
                }
                next_offset = batch.header.next_offset();
                position += batch.bytes.len() as u32;
            }
            let read = u64::from(position - begin);
            self.stats.map_bytes_read += read;
            self.take_from_throttle(read);
        }
        Ok(true)
    }

    /// Makes one segment of some, and swaps it in.
    fn clean_group(
        &mut self,
        group: &[Arc<Segment>],
        map: &OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Outcome<()> {
        self.pause()?;
        let files = &self.log.log_dir.shared.files;
        let new = Segment::create_as(&self.log.dir, group[0].base_offset, ".cleaned", files)?;
        if let Err(error) = self.fill(&new, group, map, transactions) {
            // Which failure comes of it must not hide that another one was the disk's.
            let removed = self.log.log_dir.watch(new.remove());
            return Err(match (error, removed) {
                (CleanError::Aborted, Err(removal)) => removal.into(),
                (error, _) => error,
            });
        }
        self.stats.segments_replaced += group.len();
        self.stats.segments_written += 1;
        Ok(self.log.swap_in(group, new, self.round.now_ms)?)
    }

    fn fill(
        &mut self,
        new: &Segment,
        group: &[Arc<Segment>],
        map: &OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Outcome<()> {
        let last_records = self.log.writer().producers.last_records();
        let filter = Filter {
            map,
            now_ms: self.round.now_ms,
            delete_retention_ms: self.config.delete_retention_ms,
            end_offset: self.round.end_offset,
            last_records: &last_records,
        };
        let mut writer = Writer::new(new, &self.config);
        for segment in group {
            self.copy(segment, &filter, transactions, &mut writer)?;
        }
        let written = writer.flush()?;
        self.written(written);
        close_segment(new)?;
        // Retention goes by it where there are no timestamps.
        let last = group.last().expect("a group of segments");
        let age = disk::inspect(last.disk(), &last.current_path(FileKind::Log))?.modified_ms;
        disk::set_modified(&*new.file()?, &new.current_path(FileKind::Log), age)?;
        for aborted in transactions.take_retained() {
            new.note_aborted(&aborted)?;
        }
        if !faults::is_on(Fault::SwapUnsynced) {
            new.sync()?;
        }
        Ok(())
    }

    /// Appends to `writer` what stays of a segment.
    fn copy(
        &mut self,
        segment: &Segment,
        filter: &Filter<'_>,
        transactions: &mut CleanedTransactions,
        writer: &mut Writer<'_>,
    ) -> Outcome<()> {
        let (mut position, mut next_offset) = (0, segment.base_offset);
        while position < segment.size() {
            self.pause()?;
            let begin = position;
            for batch in batches(self.reader.read(segment, position)?) {
                let Some(batch) = whole(batch, segment, position, next_offset)? else {
                    break;
                };
                let before = writer.out.len();
                let filtered = filter
                    .batch(&batch, transactions, &mut self.scratch, &mut writer.out)
                    .map_err(|error| segment.corrupt(position, &error.to_string()))?;
                writer.note(before)?;
                self.stats.records_read += filtered.records.read as u64;
                self.stats.records_written += filtered.records.kept as u64;
                self.stats.records_without_key += filtered.without_key as u64;
                next_offset = batch.header.next_offset();
                position += batch.bytes.len() as u32;
            }
            let read = u64::from(position - begin);
            self.stats.bytes_read += read;
            self.take_from_throttle(read);
            if writer.out.len() >= self.round.buffer_bytes {
                let written = writer.flush()?;
                self.written(written);
            }
        }
        Ok(())
    }

    fn written(&mut self, bytes: u64) {
        self.stats.bytes_written += bytes;
        self.take_from_throttle(bytes);
    }

    fn take_from_throttle(&self, bytes: u64) {
        self.round
            .throttle
            .take(bytes, self.round.bytes_per_second, Instant::now());
    }

    /// Waits until the throttle lets more through, unless the round is to end.
    fn pause(&self) -> Outcome<()> {
        self.log.check_wanted(self.round)?;
        while let Some(pause) = self.round.throttle.pause(Instant::now()) {
            std::thread::sleep(pause);
            self.log.check_wanted(self.round)?;
        }
        Ok(())
    }
}

/// A batch as it was read, checked as a recovery would: what makes no sense is not copied with a new checksum. `None` if it
/// goes on behind what was read.
fn whole<'a>(
    batch: Result<Batch<'a>, BatchError>,
    segment: &Segment,
    position: u32,
    next_offset: i64,
) -> Result<Option<Batch<'a>>> {
    let corrupt = |problem: &str| Err(segment.corrupt(position, problem));
    let batch = match batch {
        Err(BatchError::Truncated { .. }) => return Ok(None),
        Err(error) => return corrupt(&error.to_string()),
        Ok(batch) => batch,
    };
    if let Err(error) = batch.verify_crc() {
        return corrupt(&error.to_string());
    }
    let header = &batch.header;
    if header.base_offset < next_offset || header.last_offset_delta < 0 || header.records_count < 0 {
        return corrupt("offsets or counts that cannot follow on");
    }
    Ok(Some(batch))
}

/// Reads segments piece by piece into one buffer.
struct Reader {
    buffer: Vec<u8>,
    usual: usize,
}

impl Reader {
    fn new(usual: usize) -> Self {
        Self {
            buffer: Vec::new(),
            usual: usual.max(BATCH_OVERHEAD),
        }
    }

    /// Bytes from `position` on, where a batch begins: that one at least.
    fn read(&mut self, segment: &Segment, position: u32) -> Result<&[u8]> {
        let left = (segment.size() - position) as usize;
        self.fit(self.usual.min(left));
        let mut read = self.fill(segment, position)?;
        let header = BatchHeader::parse(&self.buffer[..read]);
        let needed = header
            .map_err(|error| segment.corrupt(position, &error.to_string()))?
            .size_in_bytes();
        if needed > left {
            return Err(segment.corrupt(position, "a batch that is longer than the rest of the segment"));
        }
        if needed > read {
            self.fit(needed);
            read = self.fill(segment, position)?;
        }
        if needed > read {
            return Err(segment.corrupt(position, "the file became shorter while it was read"));
        }
        Ok(&self.buffer[..read])
    }

    /// Makes the buffer so long, and gives back memory that a batch of unusual size took.
    fn fit(&mut self, len: usize) {
        if self.buffer.capacity() > self.usual && len <= self.usual {
            self.buffer = Vec::new();
        }
        self.buffer.resize(len, 0);
    }

    fn fill(&mut self, segment: &Segment, position: u32) -> Result<usize> {
        disk::read_at(
            &*segment.file()?,
            &segment.path(FileKind::Log),
            &mut self.buffer,
            position.into(),
        )
    }
}

/// Appends batches to a new segment.
struct Writer<'a> {
    segment: &'a Segment,
    entries: EntryPacer,
    interval: u32,
    index_bytes: u32,
    /// Batches behind what is written.
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(segment: &'a Segment, config: &LogConfig) -> Self {
        Self {
            segment,
            entries: EntryPacer::default(),
            interval: config.index_interval_bytes,
            index_bytes: config.segment_index_bytes,
            out: Vec::new(),
        }
    }

    /// Notes the batch that begins at `at` in `out`, if there is one, in the indexes.
    fn note(&mut self, at: usize) -> Result<()> {
        if at == self.out.len() {
            return Ok(());
        }
        let end = self.segment.size() as usize + self.out.len();
        if end > i32::MAX as usize {
            let problem = "it would be larger than a segment can be once it is cleaned";
            return Err(self.segment.corrupt(self.segment.size(), problem));
        }
        let header = BatchHeader::parse(&self.out[at..]).expect("a batch that was just written");
        let batch = Located {
            position: self.segment.size() + at as u32,
            header,
        };
        let entry = self.entries.is_due(&batch, self.interval) && !self.segment.is_index_full(self.index_bytes)?;
        self.segment.note(&batch, entry)
    }

    /// Writes what there is to write, and says how much it was.
    fn flush(&mut self) -> Result<u64> {
        let written = self.out.len();
        if written > 0 {
            self.segment.write(&self.out, &[])?;
            self.segment.publish(written as u32);
            self.out.clear();
        }
        Ok(written as u64)
    }
}
