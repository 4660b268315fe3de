//! What a consumer's handle and its background tasks have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use klamm_assignors::TopicPartition;
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::commits::Offsets;
use super::config::{Config, Reset};
use super::listener::{AnyListener, Change};
use super::partition::{Partition, Phase};
use super::position::Position;
use super::state::State;
use super::{Consumer, ConsumerError};
use crate::Client;

/// Where a consumer is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Leave the group and end; `orderly` with the listener's and the fetch sessions' part.
    Ending {
        orderly: bool,
    },
}

pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) listener: Option<Arc<dyn AnyListener>>,
    state: Mutex<State>,
    /// Something for a poll: records, an error, or an end of waiting.
    pub(super) arrived: Notify,
    /// Something for the fetcher.
    pub(super) fetcher: Notify,
    /// Something for the membership: another subscription, a poll after a long pause.
    pub(super) member: Notify,
    /// The user has come for more, or there is no gate any more.
    pub(super) acknowledged: Notify,
    pub(super) life: watch::Sender<Life>,
    /// One commit of ours at a time, so that an older one cannot overtake a newer one.
    pub(super) committing: Arc<tokio::sync::Mutex<()>>,
}

impl Shared {
    pub(super) fn new(client: Client, config: Config, listener: Option<Arc<dyn AnyListener>>) -> Self {
        Self {
            client,
            config,
            listener,
            state: Mutex::new(State::new(Instant::now())),
            arrived: Notify::new(),
            fetcher: Notify::new(),
            member: Notify::new(),
            acknowledged: Notify::new(),
            life: watch::Sender::new(Life::Running),
            committing: Arc::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_running(&self) -> bool {
        *self.life.borrow() == Life::Running
    }

    /// Waits until the consumer is to end.
    pub(super) async fn ending(&self) {
        let mut life = self.life.subscribe();
        // The sender lives as long as `self` does.
        let _ = life.wait_for(|life| *life != Life::Running).await;
    }

    /// Lets the next poll report an error.
    pub(super) fn report(&self, error: ConsumerError) {
        tracing::warn!(%error, "consumer");
        self.state().report(error);
        self.arrived.notify_waiters();
    }

    /// The positions as they are now, and the turn to commit them: turns come in the order of the snapshots.
    pub(super) fn queue_commit(&self) -> (impl Future<Output = OwnedMutexGuard<()>> + Send + use<>, Offsets) {
        let state = self.state();
        let turn = queue_up(&self.committing);
        let positions = state.positions().into_iter();
        let offsets = positions.map(|(key, position)| (key, position.into())).collect();
        (turn, offsets)
    }

    /// From now on no poll returns records; returns when the user is done with those it has.
    pub(super) async fn gate(&self) {
        self.state().is_gated = true;
        loop {
            let acknowledged = self.acknowledged.notified();
            tokio::pin!(acknowledged);
            acknowledged.as_mut().enable();
            if !self.state().is_outstanding {
                return;
            }
            acknowledged.await;
        }
    }

    pub(super) fn ungate(&self) {
        self.state().is_gated = false;
        self.arrived.notify_waiters();
        self.fetcher.notify_one();
    }

    pub(super) async fn tell(self: &Arc<Self>, change: Change, partitions: &[TopicPartition]) {
        tracing::info!(?change, ?partitions, "rebalance");
        if let Some(listener) = &self.listener {
            listener.tell(change, &Consumer::of(self.clone()), partitions).await;
        }
    }

    /// What to do with a partition that has no valid position: look up another one, or report `error`.
    pub(super) fn reset(
        &self,
        key: &TopicPartition,
        partition: &mut Partition,
        error: ConsumerError,
    ) -> Option<ConsumerError> {
        let timestamp = match self.config.reset {
            Reset::Earliest => EARLIEST,
            Reset::Latest => LATEST,
            Reset::ByDuration(duration) => now_ms().saturating_sub_unsigned(duration.as_millis() as u64).max(0),
            Reset::None => {
                partition.phase = Phase::Unlocated;
                partition.is_sought = true; // until a seek
                return Some(error);
            }
        };
        tracing::info!(partition = %key, timestamp, "looking up where to begin");
        partition.restart(partition.stamp, Phase::Resetting { timestamp });
        None
    }
}

/// Enters the queue for a lock now, not when the result is first awaited.
fn queue_up(lock: &Arc<tokio::sync::Mutex<()>>) -> impl Future<Output = OwnedMutexGuard<()>> + Send + use<> {
    // Unconstrained, since a task whose budget is used up would not be let into the queue.
    let mut turn = Box::pin(unconstrained(lock.clone().lock_owned()));
    let first = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        match first {
            Poll::Ready(guard) => guard,
            Poll::Pending => turn.await,
        }
    }
}

/// ListOffsets' word for the beginning of a log.
pub(super) const EARLIEST: i64 = -2;
/// ListOffsets' word for its end.
pub(super) const LATEST: i64 = -1;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// A position as brokers tell it.
pub(super) fn committed_position(offset: i64, leader_epoch: i32) -> Position {
    Position {
        offset,
        leader_epoch: leader_epoch.max(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn note(
        name: &'static str,
        turn: impl Future<Output = OwnedMutexGuard<()>>,
        done: &Mutex<Vec<&'static str>>,
    ) {
        let _turn = turn.await;
        done.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }

    #[tokio::test]
    async fn commits_come_in_the_order_in_which_they_were_asked_for() {
        let lock = Arc::default();
        let free = queue_up(&lock);
        assert!(lock.try_lock().is_err(), "the first has its turn at once");
        let (earlier, later) = (queue_up(&lock), queue_up(&lock));
        let done = Mutex::new(Vec::new());
        // The later ones are awaited first.
        tokio::join!(
            note("later", later, &done),
            note("earlier", earlier, &done),
            note("first", free, &done),
        );
        assert_eq!(*done.lock().unwrap(), ["first", "earlier", "later"]);
    }
}
