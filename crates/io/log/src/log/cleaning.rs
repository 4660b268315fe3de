//! Who may take segments away: one at a time, and a cleaning gives way to everybody else.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Held over a cleaning, and over whatever must not meet one.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    running: Mutex<()>,
    /// How many wait for it to end, or have it not begin.
    unwanted: AtomicUsize,
    /// What the last rounds have left to do. Nothing is lost with it but work.
    rest: Mutex<Option<Rest>>,
}

/// What is left to do when the set of keys became full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Where the dirty part begins.
    pub(super) first_dirty_offset: i64,
    /// From here on each key is there once, and none of those below.
    pub(super) clean_from: i64,
    /// Where the dirty part ends: up to here the log is clean when its beginning is reached.
    pub(super) end_offset: i64,
}

/// No cleaning runs while this lives.
#[derive(Debug)]
pub(super) struct NotCleaning<'a> {
    cleaning: &'a Cleaning,
    _running: MutexGuard<'a, ()>,
}

impl Cleaning {
    /// Begins a cleaning, or a retention that gives way to one; `None` if another runs or one is not wanted.
    pub(super) fn begin(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_unwanted() {
            return None;
        }
        match self.running.try_lock() {
            Ok(running) => Some(running),
            // A round that panicked has changed nothing that the log counts as its own, or else its directory is offline.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Ends a cleaning, waits until it has, and has none begin.
    pub(super) fn stop(&self) -> NotCleaning<'_> {
        self.unwanted.fetch_add(1, Ordering::AcqRel);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Another history may follow.
        self.set_rest(None);
        NotCleaning {
            cleaning: self,
            _running: running,
        }
    }

    /// What the last rounds have left to do. For the one that runs.
    pub(super) fn rest(&self) -> Option<Rest> {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_rest(&self, rest: Option<Rest>) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }

    /// Whether a cleaning that runs is to end soon.
    pub(super) fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Acquire) > 0
    }
}

impl Drop for NotCleaning<'_> {
    fn drop(&mut self) {
        self.cleaning.unwanted.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleaning_gives_way() {
        let cleaning = Cleaning::default();
        let running = cleaning.begin().expect("nobody else");
        assert!(cleaning.begin().is_none());
        assert!(!cleaning.is_unwanted());
        let rest = Rest {
            first_dirty_offset: 1,
            clean_from: 5,
            end_offset: 9,
        };
        cleaning.set_rest(Some(rest));
        assert_eq!(cleaning.rest(), Some(rest));
        std::thread::scope(|scope| {
            let stopping = scope.spawn(|| drop(cleaning.stop()));
            while !cleaning.is_unwanted() {
                std::thread::yield_now();
            }
            assert!(cleaning.begin().is_none());
            drop(running);
            stopping.join().unwrap();
        });
        let stopped = cleaning.stop();
        assert!(cleaning.begin().is_none());
        drop(stopped);
        assert!(cleaning.begin().is_some());
        assert_eq!(cleaning.rest(), None, "who stopped it may have changed all");
    }
}
