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
/// Of what was copied so much may be left to be flushed while nothing is appended.
const UNFLUSHED: u64 = CHUNK as u64;
/// How often a copy is flushed at most before that: a log that grows faster than it is flushed moves all the same.
const FLUSHES: u32 = 8;
/// How long one may sleep before it looks whether the move is still wanted.
const NAP: Duration = Duration::from_millis(100);
/// Below it one need not sleep at all.
const SHORTEST_NAP: Duration = Duration::from_micros(100);

/// What is wanted. A later wish for the same replica takes the place of an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    wishes: Mutex<Wishes>,
    changed: Notify,
    stopped: AtomicBool,
    done: AtomicU64,
}

#[derive(Debug, Default)]
struct Wishes {
    by_replica: BTreeMap<TopicPartition, Wish>,
    /// The number of the last wish.
    last: u64,
}

#[derive(Debug)]
struct Wish {
    number: u64,
    /// `None`: it is to stay where it is, which the thread that copies it has not heard yet.
    dir: Option<PathBuf>,
    /// A thread copies it, perhaps as an earlier wish had it.
    runs: bool,
}

/// A replica that a thread copies, until this is dropped.
#[derive(Debug)]
pub(crate) struct Move {
    partitions: Arc<Partitions>,
    name: TopicPartition,
    dir: PathBuf,
    number: u64,
}

impl Drop for Move {
    fn drop(&mut self) {
        self.partitions.moves.end(&self.name, self.number);
    }
}

impl Moves {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a replica moved to `dir`.
    fn want(&self, name: TopicPartition, dir: PathBuf) {
        let mut wishes = self.lock();
        wishes.last += 1;
        let number = wishes.last;
        let wish = wishes.by_replica.entry(name).or_insert(Wish {
            number,
            dir: None,
            runs: false,
        });
        if wish.dir.as_ref() != Some(&dir) {
            (wish.number, wish.dir) = (number, Some(dir));
        }
        self.changed.notify_waiters();
    }

    /// Has a replica stay where it is.
    pub(super) fn cancel(&self, name: &TopicPartition) {
        let mut wishes = self.lock();
        match wishes.by_replica.get_mut(name) {
            Some(wish) if wish.runs => wish.dir = None,
            _ => drop(wishes.by_replica.remove(name)),
        }
    }

    /// Ends what runs, and waits until it has; the next start goes on with it.
    pub(crate) async fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        loop {
            let mut changed = Box::pin(self.changed.notified());
            changed.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// How many replicas have moved.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The next replica to copy.
    fn take_up(&self) -> Option<(TopicPartition, PathBuf, u64)> {
        let mut wishes = self.lock();
        let waiting = wishes.by_replica.iter_mut().filter(|(_, wish)| !wish.runs);
        let (name, dir, wish) = waiting
            .filter_map(|(name, wish)| Some((name, wish.dir.clone()?, wish)))
            .next()
            .filter(|_| !self.is_stopped())?;
        wish.runs = true;
        Some((name.clone(), dir, wish.number))
    }

    fn running(&self) -> usize {
        self.lock().by_replica.values().filter(|wish| wish.runs).count()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn is_wanted(&self, name: &TopicPartition, number: u64) -> bool {
        let wishes = self.lock();
        let wish = wishes.by_replica.get(name);
        wish.is_some_and(|wish| wish.number == number && wish.dir.is_some())
    }

    /// A thread is done with a replica: which is where it was wanted, or wanted elsewhere by now.
    fn end(&self, name: &TopicPartition, number: u64) {
        let mut wishes = self.lock();
        match wishes.by_replica.get_mut(name) {
            Some(later) if later.number != number && later.dir.is_some() => later.runs = false,
            _ => drop(wishes.by_replica.remove(name)),
        }
        self.changed.notify_waiters();
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
    /// The next replica to copy, waited for.
    pub(crate) async fn next_move(self: &Arc<Self>) -> Move {
        loop {
            let mut changed = Box::pin(self.moves.changed.notified());
            changed.as_mut().enable();
            if let Some((name, dir, number)) = self.moves.take_up() {
                return Move {
                    partitions: self.clone(),
                    name,
                    dir,
                    number,
                };
            }
            changed.await;
        }
    }
}

impl Move {
    /// Copies the replica into the log directory and puts the copy in its place. Blocks for as long as that takes. `rate` tells
    /// how many bytes may be copied in a second, by all moves together.
    pub(crate) fn run(&self, clock: &Clock, rate: &dyn Fn() -> u64) {
        let Move { name, dir, .. } = self;
        match self.try_run(clock, rate) {
            Ok(()) => {}
            Err(MoveError::Gone { .. }) => info!("the replica of {name} that was to move is gone"),
            Err(error) => error!("the replica of {name} does not move to {}: {error}", dir.display()),
        }
    }

    fn try_run(&self, clock: &Clock, rate: &dyn Fn() -> u64) -> Result<(), MoveError> {
        let logs = &self.partitions.logs;
        let Some(moved) = logs.begin_move(&self.name, &self.dir, clock.now_ms())? else {
            return Ok(());
        };
        let outcome = match self.copy(&moved, clock, rate) {
            Ok(Copied::All) => self.exchange(&moved, clock),
            Ok(Copied::Stopped) => return Ok(()),
            Ok(Copied::Unwanted) => {
                logs.abandon_move(&moved, clock.now_ms());
                return Ok(());
            }
            Err(error) => Err(error),
        };
        outcome.inspect_err(|error| match error {
            MoveError::Interrupted(_) => {}
            _ => logs.abandon_move(&moved, clock.now_ms()),
        })
    }

    fn copy(&self, moved: &LogMove, clock: &Clock, rate: &dyn Fn() -> u64) -> Result<Copied, MoveError> {
        let (mut unflushed, mut flushes) = (0, 0);
        loop {
            let copied = moved.copy(CHUNK, clock.now_ms())?;
            unflushed += copied;
            if let Some(end) = self.pause(copied, rate) {
                return Ok(end);
            }
            // The rest is copied and flushed while nothing is appended.
            if copied < u64::from(CHUNK) / 16 {
                if flushes == FLUSHES || flushes > 0 && unflushed <= UNFLUSHED {
                    return Ok(Copied::All);
                }
                moved.flush()?;
                (unflushed, flushes) = (0, flushes + 1);
            }
        }
    }

    /// Waits for as long as so many bytes take, at the rate of now. Says whether the move has to end.
    fn pause(&self, bytes: u64, rate: &dyn Fn() -> u64) -> Option<Copied> {
        let moves = &self.partitions.moves;
        let mut left = bytes as f64;
        loop {
            if moves.is_stopped() {
                return Some(Copied::Stopped);
            }
            if !moves.is_wanted(&self.name, self.number) {
                return Some(Copied::Unwanted);
            }
            let rate = rate().max(1) as f64 / moves.running().max(1) as f64;
            let nap = (left / rate).min(NAP.as_secs_f64());
            if nap < SHORTEST_NAP.as_secs_f64() {
                return None;
            }
            sleep(Duration::from_secs_f64(nap));
            left -= nap * rate;
        }
    }

    fn exchange(&self, moved: &LogMove, clock: &Clock) -> Result<(), MoveError> {
        let (partitions, name) = (&self.partitions, &self.name);
        let Some(Hosted::Online(partition)) = partitions.get(&name.topic, name.partition) else {
            return Err(MoveError::Gone {
                partition: name.clone(),
            });
        };
        let exchanged = partition.exchange_log(|| partitions.logs.finish_move(moved, clock.now_ms()));
        if matches!(exchanged, Err(MoveError::Interrupted(_))) {
            partitions.take_offline(|hosted| Arc::ptr_eq(hosted, &partition));
        }
        exchanged?;
        partitions.logs.note_moved(moved);
        partitions.moves.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Partitions {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_wish_waits_for_the_thread_of_an_earlier_one_and_is_not_taken_for_it() {
        let (moves, name) = (Moves::default(), TopicPartition::new("t", 0));
        let (a, b) = (PathBuf::from("/a"), PathBuf::from("/b"));
        moves.want(name.clone(), a.clone());
        let (_, dir, first) = moves.take_up().expect("it is wanted");
        assert_eq!(dir, a);
        moves.want(name.clone(), a.clone());
        assert!(moves.is_wanted(&name, first), "the same again");
        moves.want(name.clone(), b.clone());
        assert!(!moves.is_wanted(&name, first) && moves.take_up().is_none());
        moves.end(&name, first);
        let (_, dir, second) = moves.take_up().expect("the later one");
        assert_eq!(dir, b);
        moves.cancel(&name);
        moves.want(name.clone(), b.clone());
        assert!(
            !moves.is_wanted(&name, second),
            "perhaps a replica of another topic of this name"
        );
        moves.end(&name, second);
        let (_, _, third) = moves.take_up().expect("still wanted");
        moves.cancel(&name);
        assert!(!moves.is_wanted(&name, third));
        moves.end(&name, third);
        assert!(moves.take_up().is_none() && moves.running() == 0);
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_runs_and_nothing_begins_after_it() {
        let (moves, name) = (Moves::default(), TopicPartition::new("t", 0));
        moves.want(name.clone(), PathBuf::from("/a"));
        moves.want(TopicPartition::new("t", 1), PathBuf::from("/a"));
        let (_, _, number) = moves.take_up().expect("two are wanted");
        let mut stop = std::pin::pin!(moves.stop());
        let early = tokio::time::timeout(Duration::ZERO, stop.as_mut()).await;
        assert!(early.is_err() && moves.is_stopped() && moves.take_up().is_none());
        moves.end(&name, number);
        stop.await;
    }
}
