//! A round of compaction over one log: goes from the end of the dirty part to the log's beginning, writes what stays beside
//! the log, and swaps it in, as many segments at a time as become one.
//!
//! Those are surveyed first, in the order of the offsets: where blocks of batches begin that fit the buffer, and which
//! markers end a transaction that has batches left. Then blocks, and the batches in each, are gone through in the reverse
//! order. What stays comes in that order, too, and is turned round by a [`BatchStack`], which takes no more disk than the
//! new segment will. In a log with transactions, what lies below is surveyed too, once, for those that begin there.
//!
//! Appends and reads go on meanwhile. Memory: the set of keys and two buffers, as large as the round says; besides them the
//! largest batch of the log as it is, decompressed, and as it will be, and 36 bytes for each of its records; four numbers for
//! each aborted transaction; of the segments that become one, four bytes for each block and a bit for each marker; and of
//! those of one after the other below, the producers with a transaction open where they begin.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use klamm_records::{Batch, BatchError, Scratch, batches};

use self::files::{BatchStack, Reader, Writer};
use super::aborted::collect;
use super::append::{close_segment, first_timestamp};
use super::cleaning::Rest;
use super::read::floor;
use super::replay::{producers_below, read_snapshot, replay};
use super::{Log, Segments};
use crate::cleaner::CleaningStats;
use crate::cleaner::filter::{Filter, marker};
use crate::cleaner::key_set::KeySet;
use crate::cleaner::newest::Newest;
use crate::cleaner::plan::{self, SegmentFacts, SegmentSize};
use crate::cleaner::throttle::Throttle;
use crate::cleaner::transactions::{Aborted, Markers};
use crate::config::LogConfig;
use crate::disk;
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::file_cache::wherever_it_is;
use crate::names::FileKind;
use crate::producers::encode_snapshot;
use crate::segment::Segment;

mod files;

/// What a round is to do.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    /// Where the dirty part begins, and where it ends, with a segment.
    pub(crate) first_dirty_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) now_ms: i64,
    /// Most bytes of the set of keys, and how full it may get.
    pub(crate) set_bytes: usize,
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

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// The log is clean below this offset.
    To(i64),
    /// The set of keys became full at this offset: from there to where the round began each key is there once. The next round
    /// goes on below.
    From(i64),
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
    /// which above it would be taken for what a power cut has lost.
    pub(crate) fn clean(&self, round: &Round<'_>, stats: &mut CleaningStats) -> Outcome<Cleaned> {
        let Some(_running) = self.cleaning.begin() else {
            return Err(CleanError::Aborted);
        };
        drop(self.open_writer()?); // from here on nobody closes it before the round ends
        if round.end_offset > self.active_segment().base_offset {
            return Err(CleanError::Aborted); // it was truncated since the round was planned
        }
        if self
            .cleaned_offset()
            .is_some_and(|cleaned| cleaned < round.first_dirty_offset)
        {
            return Err(CleanError::Aborted); // and has grown again
        }
        let rest = self.rest_of(round);
        let cleaned = self.cleaner(round, rest, stats).and_then(Cleaner::run);
        let clean_from = match cleaned {
            Err(CleanError::Storage(error)) => return Ok(self.log_dir.watch(Err(error))?),
            cleaned => cleaned?,
        };
        let Some(clean_from) = clean_from.filter(|_| !faults::is_on(Fault::CheckpointThoughFull)) else {
            self.cleaning.set_rest(None);
            self.set_cleaned_offset(rest.end_offset); // before anybody may truncate the log
            return Ok(Cleaned::To(rest.end_offset));
        };
        self.cleaning.set_rest(Some(Rest { clean_from, ..rest }));
        Ok(Cleaned::From(clean_from))
    }

    /// What is left to do: what earlier rounds left, as long as the first dirty offset only moves because what lies below is
    /// gone; or else all.
    fn rest_of(&self, round: &Round<'_>) -> Rest {
        let all = Rest {
            first_dirty_offset: round.first_dirty_offset,
            clean_from: round.end_offset,
            end_offset: round.end_offset,
        };
        let goes_on = |rest: &Rest| {
            let first = rest.first_dirty_offset..=rest.clean_from;
            first.contains(&round.first_dirty_offset) && rest.end_offset <= round.end_offset
        };
        self.cleaning.rest().filter(goes_on).map_or(all, |rest| Rest {
            first_dirty_offset: round.first_dirty_offset,
            ..rest
        })
    }

    fn cleaner<'a>(&'a self, round: &'a Round<'a>, rest: Rest, stats: &'a mut CleaningStats) -> Outcome<Cleaner<'a>> {
        let segments = self.segments();
        let dirty = rest.first_dirty_offset..rest.clean_from;
        let keys_max = dirty.end.saturating_sub(dirty.start).max(0).unsigned_abs();
        let keys = KeySet::new(round.set_bytes, round.load_factor, keys_max, round.hash_key);
        let config = self.config();
        let filter = Filter {
            newest: Newest::new(keys, dirty),
            aborted: Aborted::new(collect(&segments, segments[0].base_offset, round.end_offset)?),
            now_ms: round.now_ms,
            delete_retention_ms: config.delete_retention_ms,
            end_offset: rest.end_offset,
            last_records: Default::default(),
            unpacked: Scratch::new(),
            packed: Scratch::new(),
        };
        Ok(Cleaner {
            log: self,
            round,
            config,
            segments,
            clean_from: rest.clean_from,
            open_below: None,
            filter,
            stats,
            reader: Reader::new(round.buffer_bytes),
        })
    }

    fn check_wanted(&self, round: &Round<'_>) -> Outcome<()> {
        // A policy that no longer says so keeps what is there, from the moment on in which it is set.
        let is_compacted = self.config().cleanup_policy.compact;
        if round.stop.load(Ordering::Relaxed) || self.cleaning.is_unwanted() || !is_compacted {
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
    /// Where to begin, going down.
    clean_from: i64,
    /// Whose transactions are open where each group of segments begins; `None`: nobody had to know yet.
    open_below: Option<Vec<BTreeSet<i64>>>,
    filter: Filter,
    stats: &'a mut CleaningStats,
    reader: Reader,
}

/// Segments that become one.
type Group<'a> = &'a [Arc<Segment>];

/// What has to be known of a group before one goes through it in the reverse order.
#[derive(Default)]
struct Survey {
    /// Of each segment, where blocks of batches begin that are read at once.
    blocks: Vec<Vec<u32>>,
    markers: Markers,
}

impl Cleaner<'_> {
    /// Returns from where on all keys were noted; `None`: those of all that is dirty.
    fn run(mut self) -> Outcome<Option<i64>> {
        let began = Instant::now();
        let segments = Arc::clone(&self.segments);
        let groups = self.groups(&segments)?;
        let mut order: Vec<_> = (0..groups.len()).rev().collect();
        if faults::is_on(Fault::CleanFromTheFront) {
            order.reverse();
        }
        for at in order {
            self.clean_group(&groups, at)?;
        }
        self.stats.buffer_utilization = self.filter.newest.utilization();
        self.stats.time = began.elapsed();
        Ok(self.filter.newest.clean_from())
    }

    fn groups<'s>(&self, segments: &'s [Arc<Segment>]) -> Result<Vec<Group<'s>>> {
        let (mut rest, behind) = segments.split_at(segments.partition_point(|it| it.base_offset < self.clean_from));
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
        let end_offset = behind.first().map_or(self.clean_from, |next| next.base_offset);
        let mut groups = Vec::new();
        for taken in plan::groups(&sizes, &self.config, end_offset) {
            let (group, others) = rest.split_at(taken);
            groups.push(group);
            rest = others;
        }
        Ok(groups)
    }

    /// Makes one segment of a group, and swaps it in.
    fn clean_group(&mut self, groups: &[Group<'_>], at: usize) -> Outcome<()> {
        let group = groups[at];
        let survey = self.survey_knowing_below(groups, at)?;
        let files = &self.log.log_dir.shared.files;
        let new = Segment::create_as(&self.log.dir, group[0].base_offset, ".cleaned", files)?;
        if let Err(error) = self.fill(&new, group, survey) {
            return and_removed(Err(error), self.log.log_dir.watch(new.remove()));
        }
        self.stats.segments_replaced += group.len();
        self.stats.segments_written += 1;
        Ok(self.log.swap_in(group, new, self.round.now_ms)?)
    }

    /// A transaction that ends in the group may have begun below it. Where there are no markers nobody looks there.
    fn survey_knowing_below(&mut self, groups: &[Group<'_>], at: usize) -> Outcome<Survey> {
        let open = self.open_below.as_ref().map(|open| open[at].clone());
        let is_known = open.is_some() || at == 0 || faults::is_on(Fault::ForgetOpenTransactions);
        let survey = self.survey(groups[at], open.unwrap_or_default())?;
        if is_known || !survey.markers.met_some() {
            return Ok(survey);
        }
        drop(survey);
        let (mut open, mut open_below) = (BTreeSet::new(), Vec::new());
        for group in &groups[..at] {
            let behind = self.survey(group, open.clone())?.markers.into_open();
            open_below.push(std::mem::replace(&mut open, behind));
        }
        open_below.push(open.clone());
        self.open_below = Some(open_below);
        self.survey(groups[at], open)
    }

    /// `open`: whose transactions have batches below and end in the group, or behind it.
    fn survey(&mut self, group: Group<'_>, open: BTreeSet<i64>) -> Outcome<Survey> {
        let mut survey = Survey {
            blocks: Vec::new(),
            markers: Markers::new(open),
        };
        for segment in group {
            let mut blocks = Vec::new();
            let (mut position, mut next_offset) = (0, segment.base_offset);
            while position < segment.size() {
                self.pause()?;
                blocks.push(position);
                let begin = position;
                for batch in batches(self.reader.read(segment, position)?) {
                    let Some(batch) = following(batch, segment, position, next_offset)? else {
                        break;
                    };
                    let header = &batch.header;
                    if header.attributes.is_control() {
                        let corrupt = |error: &dyn std::fmt::Display| segment.corrupt(position, &error.to_string());
                        batch.verify_crc().map_err(|error| corrupt(&error))?;
                        let marker = marker(&batch, &mut self.filter.unpacked).map_err(|error| corrupt(&error))?;
                        survey.markers.on_control(header, marker, &self.filter.aborted);
                    } else {
                        survey.markers.on_data(header);
                    }
                    next_offset = header.next_offset();
                    position += batch.bytes.len() as u32;
                }
                let read = u64::from(position - begin);
                self.stats.bytes_surveyed += read;
                self.take_from_throttle(read);
            }
            survey.blocks.push(blocks);
        }
        Ok(survey)
    }

    fn fill(&mut self, new: &Segment, group: Group<'_>, mut survey: Survey) -> Outcome<()> {
        self.filter.last_records = self.log.writer().producers.last_records();
        let mut stack = BatchStack::new(new, self.round.buffer_bytes);
        let written = self
            .go_down(group, &mut survey, &mut stack)
            .and_then(|()| self.write(new, &mut stack));
        and_removed(written, self.log.log_dir.watch(stack.remove()))?;
        close_segment(new)?;
        // Retention goes by it where there are no timestamps.
        let last = group.last().expect("a group of segments");
        let age = disk::inspect(last.disk(), &last.current_path(FileKind::Log))?.modified_ms;
        disk::set_modified(&*new.file()?, &new.current_path(FileKind::Log), age)?;
        for aborted in survey.markers.retained() {
            new.note_aborted(aborted)?;
        }
        if !faults::is_on(Fault::SwapUnsynced) {
            new.sync()?;
        }
        Ok(())
    }

    /// Puts onto the stack what stays of a group, its last batch first.
    fn go_down(&mut self, group: Group<'_>, survey: &mut Survey, stack: &mut BatchStack<'_>) -> Outcome<()> {
        let mut positions = Vec::new();
        for (segment, blocks) in group.iter().zip(&survey.blocks).rev() {
            let mut end = segment.size();
            for begin in blocks.iter().rev() {
                self.pause()?;
                let block = self.reader.read_to(segment, *begin, end)?;
                positions.clear();
                let mut at = 0;
                while at < block.len() {
                    positions.push(at);
                    at += parse(&block[at..], segment, begin + at as u32)?.bytes.len();
                }
                for at in positions.iter().rev() {
                    let position = begin + *at as u32;
                    let batch = parse(&block[*at..], segment, position)?;
                    let corrupt = |error: &dyn std::fmt::Display| segment.corrupt(position, &error.to_string());
                    batch.verify_crc().map_err(|error| corrupt(&error))?;
                    let top = stack.top();
                    let filtered = self.filter.batch(&batch, &mut survey.markers, top);
                    let filtered = filtered.map_err(|error| corrupt(&error))?;
                    stack.close_batch()?;
                    self.stats.records_read += filtered.records.read as u64;
                    self.stats.records_written += filtered.records.kept as u64;
                    self.stats.records_without_key += filtered.without_key as u64;
                }
                let read = u64::from(end - begin);
                end = *begin;
                self.stats.bytes_read += read;
                self.take_from_throttle(read + stack.take_moved());
            }
        }
        Ok(())
    }

    /// Writes what is on the stack.
    fn write(&mut self, new: &Segment, stack: &mut BatchStack<'_>) -> Outcome<()> {
        self.reader.forget();
        let mut writer = Writer::new(new, &self.config);
        while stack.pop_into(&mut writer.out)? {
            writer.note_last()?;
            if writer.out.len() >= self.round.buffer_bytes {
                self.flush(&mut writer)?;
                self.take_from_throttle(stack.take_moved());
                self.pause()?;
            }
        }
        self.flush(&mut writer)
    }

    fn flush(&mut self, writer: &mut Writer<'_>) -> Outcome<()> {
        let written = writer.flush()?;
        self.stats.bytes_written += written;
        self.take_from_throttle(written);
        Ok(())
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

/// What came of work on a file that was removed behind it. That the work was only broken off must not hide that the disk failed.
fn and_removed(outcome: Outcome<()>, removed: Result<()>) -> Outcome<()> {
    match (outcome, removed) {
        (Ok(()) | Err(CleanError::Aborted), Err(removal)) => Err(removal.into()),
        (outcome, _) => outcome,
    }
}

/// A batch of which all that follows one in the file belongs to it, or to others.
fn parse<'a>(bytes: &'a [u8], segment: &Segment, position: u32) -> Result<Batch<'a>> {
    Batch::parse(bytes).map_err(|error| segment.corrupt(position, &error.to_string()))
}

/// A batch as it was read, if its offsets follow on; `None` if it goes on behind what was read. Its checksum is checked when
/// its records are looked at, a marker's before: others go by what it says.
fn following<'a>(
    batch: Result<Batch<'a>, BatchError>,
    segment: &Segment,
    position: u32,
    next_offset: i64,
) -> Result<Option<Batch<'a>>> {
    let batch = match batch {
        Err(BatchError::Truncated { .. }) => return Ok(None),
        Err(error) => return Err(segment.corrupt(position, &error.to_string())),
        Ok(batch) => batch,
    };
    let header = &batch.header;
    if header.base_offset < next_offset || header.last_offset_delta < 0 || header.records_count < 0 {
        return Err(segment.corrupt(position, "offsets or counts that cannot follow on"));
    }
    Ok(Some(batch))
}
