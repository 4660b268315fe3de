//! Replicas on their way into other log directories of this broker (KIP-113): which are wanted where, and the copying.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use klamm_log::{LogMove, MoveError, TopicPartition};
use tokio::sync::Notify;
use tracing::{error, info};

use super::{Hosted, Partitions};
use crate::clock::Clock;

/// Bytes copied at once.
const CHUNK: u32 = 1 << 20;
/// How long one may sleep before it looks whether the move is still wanted.
const NAP: Duration = Duration::from_millis(100);

/// What is wanted. A later wish for the same replica takes the place of an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    wanted: Mutex<BTreeMap<TopicPartition, Wanted>>,
    changed: Notify,
    stopped: AtomicBool,
    done: AtomicU64,
}

#[derive(Debug)]
struct Wanted {
    dir: PathBuf,
    /// A thread copies it, perhaps still to where it was wanted before.
    runs: bool,
}

impl Moves {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a replica moved to `dir`.
    pub(super) fn want(&self, name: TopicPartition, dir: PathBuf) {
        let mut wanted = self.lock();
        let runs = wanted.get(&name).is_some_and(|before| before.runs);
        wanted.insert(name, Wanted { dir, runs });
        self.changed.notify_waiters();
    }

    /// Has a replica stay where it is.
    pub(super) fn cancel(&self, name: &TopicPartition) {
        self.lock().remove(name);
    }

    /// Ends what runs; the next start goes on with it.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// How many replicas have moved.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The next replica to copy, waited for.
    pub(crate) async fn next(&self) -> (TopicPartition, PathBuf) {
        loop {
            let mut changed = Box::pin(self.changed.notified());
            changed.as_mut().enable();
            if let Some(next) = self.take_up() {
                return next;
            }
            changed.await;
        }
    }

    fn take_up(&self) -> Option<(TopicPartition, PathBuf)> {
        let mut wanted = self.lock();
        let (name, next) = wanted.iter_mut().find(|(_, wanted)| !wanted.runs)?;
        next.runs = true;
        Some((name.clone(), next.dir.clone()))
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn is_wanted(&self, name: &TopicPartition, dir: &Path) -> bool {
        self.lock().get(name).is_some_and(|wanted| wanted.dir == dir)
    }

    /// A thread is done with a replica: which is where it was wanted, or wanted elsewhere by now.
    fn end(&self, name: &TopicPartition, dir: &Path) {
        let mut wanted = self.lock();
        match wanted.get_mut(name) {
            Some(other) if other.dir != dir => {
                other.runs = false;
                self.changed.notify_waiters();
            }
            _ => drop(wanted.remove(name)),
        }
    }
}

/// How copying ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    /// But for what is appended just now.
    All,
    /// It is wanted elsewhere, or nowhere.
    Unwanted,
    /// The node stops.
    Stopped,
}

impl Partitions {
    /// Copies a replica into a log directory and puts the copy in its place. Blocks for as long as that takes. `rate` tells how
    /// many bytes may be copied in a second.
    pub(crate) fn run_move(&self, name: &TopicPartition, dir: &Path, clock: &Clock, rate: &dyn Fn() -> u64) {
        match self.try_move(name, dir, clock, rate) {
            Ok(()) => {}
            Err(MoveError::Gone { .. }) => info!("the replica of {name} that was to move is gone"),
            Err(error) => error!("the replica of {name} does not move to {}: {error}", dir.display()),
        }
        self.moves.end(name, dir);
    }

    fn try_move(
        &self,
        name: &TopicPartition,
        dir: &Path,
        clock: &Clock,
        rate: &dyn Fn() -> u64,
    ) -> Result<(), MoveError> {
        let Some(moved) = self.logs.begin_move(name, dir, clock.now_ms())? else {
            return Ok(());
        };
        let outcome = match self.copy(name, dir, &moved, clock, rate) {
            Ok(Copied::All) => self.exchange(name, &moved, clock),
            Ok(Copied::Stopped) => return Ok(()),
            Ok(Copied::Unwanted) => {
                self.logs.abandon_move(&moved, clock.now_ms());
                return Ok(());
            }
            Err(error) => Err(error),
        };
        outcome.inspect_err(|_| self.logs.abandon_move(&moved, clock.now_ms()))
    }

    fn copy(
        &self,
        name: &TopicPartition,
        dir: &Path,
        moved: &LogMove,
        clock: &Clock,
        rate: &dyn Fn() -> u64,
    ) -> Result<Copied, MoveError> {
        loop {
            let copied = moved.copy(CHUNK, clock.now_ms())?;
            let mut pause = Duration::from_secs_f64(copied as f64 / rate().max(1) as f64);
            loop {
                if self.moves.is_stopped() {
                    return Ok(Copied::Stopped);
                }
                if !self.moves.is_wanted(name, dir) {
                    return Ok(Copied::Unwanted);
                }
                if pause.is_zero() {
                    break;
                }
                let nap = pause.min(NAP);
                sleep(nap);
                pause -= nap;
            }
            // The rest is copied while nothing is appended.
            if copied < u64::from(CHUNK) / 16 {
                return Ok(Copied::All);
            }
        }
    }

    fn exchange(&self, name: &TopicPartition, moved: &LogMove, clock: &Clock) -> Result<(), MoveError> {
        let Some(Hosted::Online(partition)) = self.get(&name.topic, name.partition) else {
            return Err(MoveError::Gone {
                partition: name.clone(),
            });
        };
        let exchanged = partition.exchange_log(|| self.logs.finish_move(moved, clock.now_ms()));
        if exchanged.is_err() && self.logs.get(name).is_none() {
            self.take_offline(|hosted| Arc::ptr_eq(hosted, &partition)); // the old log is gone, and so is the new directory
        }
        exchanged?;
        self.moves.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Has a replica moved into a log directory, or stay if it is there.
    pub(crate) fn move_replica(&self, topic: &str, partition: i32, dir: &Path) {
        let name = TopicPartition::new(topic, partition);
        match self.logs.get(&name) {
            Some(log) if log.log_dir() != dir => self.moves.want(name, dir.to_owned()),
            _ => self.moves.cancel(&name),
        }
    }

    /// Goes on with what a stop has interrupted.
    pub(crate) fn resume_moves(&self, unfinished: Vec<(TopicPartition, PathBuf)>) {
        for (name, dir) in unfinished {
            info!("the replica of {name} goes on moving to {}", dir.display());
            self.moves.want(name, dir);
        }
    }

    /// What is wanted.
    pub(crate) fn moves(&self) -> &Moves {
        &self.moves
    }
}
