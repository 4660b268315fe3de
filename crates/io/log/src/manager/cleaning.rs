//! Which log is cleaned next, and what is remembered of the cleaner's rounds.
//!
//! Any number of threads ask for a round; each gets a log of its own. Settings come with every round.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::{Dir, Inner, LogManager, UNPOISONED};
use crate::cleaner::plan::{self, Dirty};
use crate::cleaner::throttle::Throttle;
use crate::cleaner::{CleanerConfig, CleanerStatus, CleaningStats, Uncleanable};
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::log::{CleanError, Cleaned, Log, Round};
use crate::names::TopicPartition;

/// Most bytes of one thread's set of keys, as Kafka's.
const SET_BYTES_MAX: u64 = i32::MAX as u64;
/// Least bytes read or written at once: a few batches without records.
const BUFFER_BYTES_MIN: usize = 256;

/// What all threads share.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Held while a thread looks for its next log.
    choosing: Mutex<()>,
    state: Mutex<State>,
    throttle: Throttle,
}

#[derive(Debug, Default)]
struct State {
    in_progress: BTreeSet<TopicPartition>,
    /// Logs that could not be cleaned, and why. Not those of their names that may come later.
    uncleanable: BTreeMap<TopicPartition, (Weak<Log>, String)>,
    last_rounds: BTreeMap<usize, CleaningStats>,
    rounds: u64,
    max_dirty_ratio: f64,
    max_compaction_delay_ms: i64,
    last_run_ms: Option<i64>,
}

/// A log that a thread took up.
#[derive(Clone, Debug)]
pub struct CleanedLog {
    /// The partition.
    pub partition: TopicPartition,
    /// Where the dirty part began.
    pub first_dirty_offset: i64,
    /// What came of it.
    pub end: RoundEnd,
    /// What was read and written.
    pub stats: CleaningStats,
}

/// How a round ended.
#[derive(Clone, Debug)]
pub enum RoundEnd {
    /// The log is clean below this offset.
    Cleaned {
        /// Where the next round begins.
        next_dirty_offset: i64,
    },
    /// There were more keys than memory for them. The next round goes on, and the log's part that counts as clean grows only
    /// when one gets to its beginning.
    Partly {
        /// From here to where the round began the log is clean.
        clean_from: i64,
    },
    /// The log was wanted for something else, or the cleaner is to stop; another round does it.
    Aborted,
    /// The log makes no sense; it is not cleaned any more before the next start.
    Uncleanable(StorageError),
    /// The disk is full, or the directory is offline.
    Failed(StorageError),
}

impl Cleaner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

impl State {
    fn is_uncleanable(&self, log: &Arc<Log>) -> bool {
        let given_up = self.uncleanable.get(log.topic_partition());
        given_up.is_some_and(|(given_up, _)| std::ptr::eq(given_up.as_ptr(), Arc::as_ptr(log)))
    }
}

/// A partition is in progress while this lives.
struct InProgress<'a> {
    cleaner: &'a Cleaner,
    partition: TopicPartition,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        // After a panic it stays: what made the thread fail would make the next one fail.
        if !std::thread::panicking() {
            self.cleaner.lock().in_progress.remove(&self.partition);
        }
    }
}

impl LogManager {
    /// Cleans the dirtiest of the compacted logs that are due; `None`: none is. `thread` tells the callers apart. Ends soon
    /// when `stop` is set. Works on files for as long as it takes, so only for a thread that does nothing else; after a round
    /// that came to nothing it should wait for `log.cleaner.backoff.ms`.
    pub fn clean(&self, thread: usize, config: &CleanerConfig, now_ms: i64, stop: &AtomicBool) -> Option<CleanedLog> {
        self.inner.clean(thread, config, now_ms, stop)
    }

    /// What there is to say of the cleaner.
    pub fn cleaner_status(&self, now_ms: i64) -> CleanerStatus {
        self.inner.cleaner_status(now_ms)
    }
}

impl Inner {
    fn clean(&self, thread: usize, config: &CleanerConfig, now_ms: i64, stop: &AtomicBool) -> Option<CleanedLog> {
        let (log, dirty, in_progress) = self.dirtiest(now_ms)?;
        let threads = config.threads.max(1);
        let round = Round {
            first_dirty_offset: dirty.first_dirty_offset,
            end_offset: dirty.end_offset,
            now_ms,
            set_bytes: (config.dedupe_buffer_bytes / threads as u64).min(SET_BYTES_MAX) as usize,
            load_factor: config.dedupe_buffer_load_factor,
            hash_key: [self.random(), self.random()],
            // One half to read, the other to write.
            buffer_bytes: (config.io_buffer_bytes / threads / 2).max(BUFFER_BYTES_MIN),
            bytes_per_second: config.io_max_bytes_per_second,
            throttle: &self.cleaner.throttle,
            stop,
        };
        let mut stats = CleaningStats::default();
        let end = self.run_round(&log, &round, &mut stats);
        self.note_round(thread, &log, &end, stats);
        drop(in_progress);
        Some(CleanedLog {
            partition: log.topic_partition().clone(),
            first_dirty_offset: dirty.first_dirty_offset,
            end,
            stats,
        })
    }

    fn run_round(&self, log: &Arc<Log>, round: &Round<'_>, stats: &mut CleaningStats) -> RoundEnd {
        if faults::is_on(Fault::CheckpointAhead) {
            log.set_cleaned_offset(round.end_offset);
            if let Err(error) = self.keep_cleaned_offset(log) {
                return RoundEnd::Failed(error);
            }
        }
        // Before the first batch goes: from then on gaps are no damage, however the round ends.
        let is_stale = |dir: &Dir| dir.cleaned_stale.load(Ordering::Acquire);
        if log.cleaned_offset().is_none() {
            log.set_cleaned_offset(round.first_dirty_offset);
            self.dir_of(log)
                .inspect(|dir| dir.cleaned_stale.store(true, Ordering::Release));
        }
        let noted = match self.dir_of(log).is_some_and(is_stale) {
            true => self.keep_cleaned_offset(log),
            false => Ok(()),
        };
        let secured = noted.and_then(|()| self.secure(log, round.end_offset));
        let cleaned = secured.map_err(CleanError::Storage);
        match cleaned.and_then(|()| log.clean(round, stats)) {
            Ok(Cleaned::From(clean_from)) => RoundEnd::Partly { clean_from },
            Ok(Cleaned::To(next_dirty_offset)) => match self.keep_cleaned_offset(log) {
                Ok(()) => RoundEnd::Cleaned { next_dirty_offset },
                Err(error) => RoundEnd::Failed(error),
            },
            Err(CleanError::Aborted | CleanError::Storage(StorageError::Closed { .. })) => RoundEnd::Aborted,
            Err(CleanError::Storage(error @ StorageError::Malformed { .. })) => RoundEnd::Uncleanable(error),
            Err(CleanError::Storage(error)) => RoundEnd::Failed(error),
        }
    }

    /// Has everything below `offset` be below the recovery point that is on disk, with all that decides of it: the end of a
    /// transaction may lie anywhere behind its records. And the producers' state there.
    fn secure(&self, log: &Log, offset: i64) -> Result<()> {
        if log.recovery_point() < log.log_end_offset() {
            log.flush()?;
        }
        log.secure_producers(offset)?;
        match self.dir_of(log) {
            Some(dir) => self.write_recovery_points(dir),
            None => Ok(()),
        }
    }

    fn keep_cleaned_offset(&self, log: &Log) -> Result<()> {
        match self.dir_of(log) {
            Some(dir) => self.write_cleaned_offsets(dir),
            None => Ok(()),
        }
    }

    /// The dirtiest log that is due, now in progress.
    fn dirtiest(&self, now_ms: i64) -> Option<(Arc<Log>, Dirty, InProgress<'_>)> {
        let _choosing = self.cleaner.choosing.lock().expect(UNPOISONED);
        let mut candidates = Vec::new();
        for log in self.all_logs() {
            if !log.config().cleanup_policy.compact || !self.may_be_cleaned(&log) {
                continue;
            }
            match self.look_at(&log, now_ms) {
                Ok(Some(dirty)) => candidates.push((log, dirty)),
                Ok(None) => {}
                Err(error) => self.give_up(&log, &error),
            }
        }
        let by_ratio = |a: &&(Arc<Log>, Dirty), b: &&(Arc<Log>, Dirty)| a.1.ratio().total_cmp(&b.1.ratio());
        let due = candidates.iter().filter(|(log, dirty)| dirty.is_due(&log.config()));
        let chosen = due.max_by(by_ratio).cloned();
        let mut state = self.cleaner.lock();
        state.last_run_ms = Some(now_ms);
        state.max_dirty_ratio = candidates
            .iter()
            .max_by(by_ratio)
            .map_or(0.0, |(_, dirty)| dirty.ratio());
        state.max_compaction_delay_ms = candidates.iter().map(|(_, dirty)| dirty.overdue_ms).max().unwrap_or(0);
        let (log, dirty) = chosen?;
        let partition = log.topic_partition().clone();
        state.in_progress.insert(partition.clone());
        let in_progress = InProgress {
            cleaner: &self.cleaner,
            partition,
        };
        Some((log, dirty, in_progress))
    }

    /// Not while it moves into another directory: its copy may have what is cleaned away here, and not what that was cleaned
    /// away for.
    fn may_be_cleaned(&self, log: &Arc<Log>) -> bool {
        let moves = self
            .moving
            .lock()
            .expect(UNPOISONED)
            .contains_key(log.topic_partition());
        if moves {
            return false;
        }
        let state = self.cleaner.lock();
        let is_online = log.check_online().is_ok();
        is_online && !state.in_progress.contains(log.topic_partition()) && !state.is_uncleanable(log)
    }

    /// What of a log is dirty; `None` if it holds nothing. An offset in the checkpoint that cannot be is put right.
    fn look_at(&self, log: &Log, now_ms: i64) -> Result<Option<Dirty>> {
        let (facts, config) = (log.cleaning_facts()?, log.config());
        let dirty = plan::dirty(&facts, &config, now_ms);
        if dirty.reset {
            if !config.cleanup_policy.delete || facts.cleaned_offset > Some(facts.log_end_offset) {
                tracing::warn!(partition = %log.topic_partition(), cleaned = facts.cleaned_offset,
                    log_start = facts.log_start_offset, log_end = facts.log_end_offset,
                    "the cleaner's checkpoint lies outside of the log, which is cleaned from its start");
            }
            log.set_cleaned_offset(dirty.first_dirty_offset);
            self.keep_cleaned_offset(log)?;
        }
        Ok((dirty.total_bytes > 0).then_some(dirty))
    }

    fn give_up(&self, log: &Arc<Log>, error: &StorageError) {
        let partition = log.topic_partition();
        if !matches!(error, StorageError::Malformed { .. }) {
            tracing::warn!(%partition, %error, "the log cannot be cleaned now");
            return;
        }
        tracing::error!(%partition, %error, "the log cannot be cleaned and grows until the next start");
        let given_up = (Arc::downgrade(log), error.to_string());
        self.cleaner.lock().uncleanable.insert(partition.clone(), given_up);
    }

    fn note_round(&self, thread: usize, log: &Arc<Log>, end: &RoundEnd, stats: CleaningStats) {
        match end {
            RoundEnd::Cleaned { .. } | RoundEnd::Partly { .. } => {
                tracing::info!(partition = %log.topic_partition(), ?end, ?stats, "cleaned");
                let mut state = self.cleaner.lock();
                state.rounds += 1;
                state.last_rounds.insert(thread, stats);
            }
            RoundEnd::Aborted => tracing::info!(partition = %log.topic_partition(), "cleaning was aborted"),
            RoundEnd::Uncleanable(error) | RoundEnd::Failed(error) => self.give_up(log, error),
        }
        let mut state = self.cleaner.lock();
        state.uncleanable.retain(|_, (log, _)| log.strong_count() > 0);
    }

    fn cleaner_status(&self, now_ms: i64) -> CleanerStatus {
        let (mut status, uncleanable) = {
            let state = self.cleaner.lock();
            let status = CleanerStatus {
                last_rounds: state
                    .last_rounds
                    .iter()
                    .map(|(thread, stats)| (*thread, *stats))
                    .collect(),
                rounds: state.rounds,
                max_dirty_ratio: state.max_dirty_ratio,
                max_compaction_delay_ms: state.max_compaction_delay_ms,
                last_run_ms: state.last_run_ms,
                in_progress: state.in_progress.iter().cloned().collect(),
                uncleanable: Vec::new(),
            };
            (status, state.uncleanable.clone())
        };
        for (partition, (log, reason)) in uncleanable {
            let Some(log) = log.upgrade() else { continue };
            let dirty = log
                .cleaning_facts()
                .map(|facts| plan::dirty(&facts, &log.config(), now_ms));
            status.uncleanable.push(Uncleanable {
                partition,
                reason,
                bytes: dirty.map_or(0, |dirty| dirty.cleanable_bytes),
            });
        }
        status
    }
}
