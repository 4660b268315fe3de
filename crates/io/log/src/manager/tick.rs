//! The work in the background, in bounded steps: what is due is decided from the time alone.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Dir, Inner, LogManager, UNPOISONED};
use crate::error::Result;
use crate::flusher::Flusher;
use crate::log::{Log, Retired, SEGMENTS_PER_STEP};

/// Logs that one tick looks at for retention, at least.
const LOGS_PER_TICK: usize = 200;
/// A round of retention takes this part of the time between two: of many thousands of logs a few in each tick.
const ROUND_PART: i64 = 4;
/// About as long after one tick comes the next, in milliseconds.
const TICK_MS: i64 = 1_000;
/// Files that one tick removes per log directory.
const REMOVALS_PER_TICK: usize = 200;
/// How often logs that nobody uses give back handles and memory.
const IDLE_CHECK_MS: i64 = 30_000;
const PRODUCER_EXPIRY_CHECK_MS: i64 = 600_000;
/// Recovery points that flushes have moved wait this long for others to be written with them.
const RECOVERY_POINTS_EVERY: Duration = Duration::from_millis(500);

/// When what is due next.
#[derive(Debug)]
pub(super) struct Schedule {
    retention_ms: i64,
    checkpoints_ms: i64,
    idle_ms: i64,
    producers_ms: i64,
    /// Logs that this round of retention has not come to, and how many of them a tick looks at.
    retention: VecDeque<Arc<Log>>,
    logs_per_tick: usize,
}

impl Schedule {
    pub(super) fn new(now_ms: i64, initial_delay_ms: i64) -> Self {
        let begin_ms = now_ms.saturating_add(initial_delay_ms);
        Self {
            retention_ms: begin_ms,
            checkpoints_ms: begin_ms,
            idle_ms: now_ms + IDLE_CHECK_MS,
            producers_ms: now_ms + PRODUCER_EXPIRY_CHECK_MS,
            retention: VecDeque::new(),
            logs_per_tick: LOGS_PER_TICK,
        }
    }
}

/// Whether `due_ms` has come; if so it moves on by `interval_ms`.
fn is_due(due_ms: &mut i64, now_ms: i64, interval_ms: i64) -> bool {
    let due = now_ms >= *due_ms;
    if due {
        *due_ms = now_ms.saturating_add(interval_ms.max(1));
    }
    due
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Segments that retention removed.
    pub segments_deleted: usize,
    /// There is more to do; tick again soon.
    pub more: bool,
}

impl LogManager {
    /// Does what is due by now: asks for flushes, removes old segments and deleted files, writes checkpoints, lets go of idle
    /// logs' handles. Works on files, so not for a thread that must not wait. Failures take their directory offline.
    pub fn tick(&self, now_ms: i64) -> TickReport {
        self.inner.tick(now_ms)
    }
}

impl Inner {
    fn tick(&self, now_ms: i64) -> TickReport {
        let mut schedule = self.schedule.lock().expect(UNPOISONED);
        let mut report = TickReport::default();
        let mut logs = self.all_logs();
        // Of a directory that has failed nothing is touched any more.
        logs.retain(|log| log.check_online().is_ok());
        for log in &logs {
            let patience = || self.config.background_flush_ms.min(log.config().flush_ms);
            if log.unflushed_ms(now_ms).is_some_and(|age| age >= patience()) {
                log.ask_for_flush(false);
            }
        }
        if self.config.flush_in_tick {
            for dir in self.online_dirs() {
                if self.flusher(dir).run_waiting() > 0 {
                    dir.recovery_points_stale.store(true, Ordering::Relaxed);
                }
            }
        }
        if is_due(
            &mut schedule.retention_ms,
            now_ms,
            self.config.retention_check_interval_ms,
        ) {
            // A round that did not get to its end goes on where it is.
            let next = schedule.retention.front();
            let next = next.and_then(|next| logs.iter().position(|log| Arc::ptr_eq(log, next)));
            let (later, first) = logs.split_at(next.unwrap_or(0));
            schedule.retention = first.iter().chain(later).cloned().collect();
            let ticks = (self.config.retention_check_interval_ms / ROUND_PART / TICK_MS).max(1);
            schedule.logs_per_tick = LOGS_PER_TICK.max(logs.len().div_ceil(ticks as usize));
        }
        let this_time = schedule.retention.len().min(schedule.logs_per_tick);
        let (mut retired, mut not_now) = (Vec::new(), Vec::new());
        for log in schedule.retention.drain(..this_time).collect::<Vec<_>>() {
            // It may have gone since the round began.
            if log.is_out_of_service() {
                continue;
            }
            match noted(&log, log.retire_old_segments(now_ms)).unwrap_or(Retired::Segments(0)) {
                Retired::Segments(deleted) => {
                    report.segments_deleted += deleted;
                    if deleted == SEGMENTS_PER_STEP {
                        schedule.retention.push_front(Arc::clone(&log));
                        report.more = true;
                    }
                }
                Retired::NotNow => not_now.push(Arc::clone(&log)),
            }
            if log.has_retired_segments() {
                retired.push(log);
            }
        }
        self.remove_retired(&retired, now_ms);
        schedule.retention.extend(not_now);
        for dir in self.online_dirs() {
            report.more |= dir.dir.remove_doomed(now_ms, REMOVALS_PER_TICK).unwrap_or(false);
            let stale = dir.recovery_points_stale.load(Ordering::Relaxed);
            if stale && let Err(error) = self.write_recovery_points(dir) {
                tracing::warn!(dir = %dir.dir.path.display(), %error, "recovery points not written");
            }
        }
        if is_due(&mut schedule.checkpoints_ms, now_ms, self.config.checkpoint_interval_ms) {
            for dir in self.online_dirs() {
                if let Err(error) = self.write_checkpoints(dir) {
                    tracing::warn!(dir = %dir.dir.path.display(), %error, "checkpoints not written");
                }
            }
        }
        if is_due(&mut schedule.producers_ms, now_ms, PRODUCER_EXPIRY_CHECK_MS) {
            logs.iter().for_each(|log| log.remove_expired_producers(now_ms));
        }
        if is_due(&mut schedule.idle_ms, now_ms, IDLE_CHECK_MS) {
            logs.iter().for_each(|log| {
                log.release_if_idle();
            });
        }
        report
    }

    /// Removes what retention took out of these logs, once their log starts are on disk. Where they can't be written the
    /// directory is offline, or full: then the next round of retention comes back to it.
    fn remove_retired(&self, retired: &[Arc<Log>], now_ms: i64) {
        for dir in self.dirs_of(retired) {
            if let Err(error) = self.write_log_starts(dir) {
                tracing::warn!(dir = %dir.dir.path.display(), %error, "log start offsets not written");
                continue;
            }
            for log in retired.iter().filter(|log| log.is_in(&dir.dir)) {
                noted(log, log.remove_retired_segments(now_ms));
            }
        }
    }

    fn online_dirs(&self) -> impl Iterator<Item = &Dir> {
        self.dirs.iter().filter(|dir| dir.dir.check().is_ok())
    }

    fn dirs_of(&self, logs: &[Arc<Log>]) -> impl Iterator<Item = &Dir> {
        self.dirs
            .iter()
            .filter(|dir| logs.iter().any(|log| log.is_in(&dir.dir)))
    }

    /// What flushes the logs of a directory.
    pub(super) fn flusher<'a>(&self, dir: &'a Dir) -> Flusher<'a> {
        Flusher {
            dir: &dir.dir,
            file_system: dir.file_system.as_deref(),
            together_from: self.config.sync_together_from,
        }
    }

    /// After a round of background flushes: puts the recovery points on disk, not more often than twice a second.
    pub(super) fn on_flushed(&self, dir: &Dir) {
        let last = *dir.recovery_points_written.lock().expect(UNPOISONED);
        if last.is_some_and(|last| Instant::now() - last < RECOVERY_POINTS_EVERY) {
            dir.recovery_points_stale.store(true, Ordering::Relaxed);
        } else if let Err(error) = self.write_recovery_points(dir) {
            tracing::warn!(dir = %dir.dir.path.display(), %error, "recovery points not written");
        }
    }
}

fn noted<T>(log: &Log, result: Result<T>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!(partition = %log.topic_partition(), %error, "retention failed"))
        .ok()
}
