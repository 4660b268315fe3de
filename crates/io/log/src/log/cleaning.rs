//! Who may take segments away: one at a time, and a cleaning gives way to everybody else.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Held over a cleaning, and over whatever must not meet one.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    running: Mutex<()>,
    /// How many wait for it to end, or have it not begin.
    unwanted: AtomicUsize,
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
        NotCleaning {
            cleaning: self,
            _running: self.running.lock().unwrap_or_else(PoisonError::into_inner),
        }
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
    }
}
