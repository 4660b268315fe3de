//! A partition's purgatory: who waits for records to come, and who waits for them to be committed.
//!
//! A waiting request puts itself into the lists of all its partitions and is told there; nothing runs on a timer per
//! partition, and an idle partition holds two empty lists.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// A fetch that waits until enough bytes have come to any of its partitions (KIP-74's `min_bytes`).
#[derive(Debug)]
pub(crate) struct FetchWaiter {
    missing: AtomicI64,
    ready: Notify,
}

impl FetchWaiter {
    /// Waits for `missing` more bytes.
    pub(crate) fn new(missing: i64) -> Arc<Self> {
        Arc::new(Self {
            missing: AtomicI64::new(missing),
            ready: Notify::new(),
        })
    }

    /// Resolves when enough has come, or when a partition changed so that the fetch has to look again.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// So many of the missing bytes were found when the fetch looked.
    pub(crate) fn already_there(&self, bytes: i64) {
        self.on_bytes(bytes);
    }

    fn on_bytes(&self, bytes: i64) {
        if self.missing.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.ready.notify_one();
        }
    }
}

/// The list of a partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    fetches: Mutex<Vec<Weak<FetchWaiter>>>,
    committed: Notify,
}

impl Waiters {
    fn fetches(&self) -> std::sync::MutexGuard<'_, Vec<Weak<FetchWaiter>>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fetch; it stays until the guard is dropped.
    pub(crate) fn add(self: &Arc<Self>, waiter: &Arc<FetchWaiter>) -> Waiting {
        self.fetches().push(Arc::downgrade(waiter));
        Waiting {
            waiters: Arc::clone(self),
            waiter: Arc::downgrade(waiter),
        }
    }

    /// Records of so many bytes are now visible to consumers, and the high watermark has risen.
    pub(crate) fn on_visible(&self, bytes: i64) {
        for waiter in self.fetches().iter().filter_map(Weak::upgrade) {
            waiter.on_bytes(bytes);
        }
        self.committed.notify_waiters();
    }

    /// The partition changed hands or went away: whoever waits has to look again.
    pub(crate) fn on_change(&self) {
        self.on_visible(i64::MAX / 2);
    }

    /// Resolves at the next rise of the high watermark or change of the partition; to be made before the state is looked at.
    pub(crate) fn next_commit(&self) -> tokio::sync::futures::Notified<'_> {
        self.committed.notified()
    }
}

/// Keeps a fetch in a partition's list.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    waiter: Weak<FetchWaiter>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut fetches = self.waiters.fetches();
        if let Some(position) = fetches.iter().position(|waiter| waiter.ptr_eq(&self.waiter)) {
            fetches.swap_remove(position);
        }
        if fetches.is_empty() {
            fetches.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_fetch_wakes_when_enough_bytes_have_come() {
        let waiters = Arc::new(Waiters::default());
        let waiter = FetchWaiter::new(100);
        let waiting = waiters.add(&waiter);
        waiters.on_visible(60);
        let too_early = tokio::time::timeout(Duration::ZERO, waiter.ready()).await;
        assert!(too_early.is_err(), "60 bytes of 100");
        waiters.on_visible(40);
        waiter.ready().await;
        drop(waiting);
        assert_eq!(waiters.fetches().capacity(), 0, "an idle partition holds nothing");
    }

    #[tokio::test]
    async fn a_change_of_the_partition_wakes_everybody() {
        let waiters = Arc::new(Waiters::default());
        let waiter = FetchWaiter::new(i64::from(i32::MAX));
        let _waiting = waiters.add(&waiter);
        let mut committed = Box::pin(waiters.next_commit());
        committed.as_mut().enable();
        waiters.on_change();
        waiter.ready().await;
        committed.await;
    }
}
