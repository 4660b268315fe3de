//! Flushing behind the appends' backs: one thread for each log directory, which syncs the logs that ask for it.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use crate::disk::FileSystem;
use crate::log::{Log, flush_together};
use crate::log_dir::LogDir;

/// Logs flushed before their recovery points are noted.
const ROUND: usize = 64;
/// Logs synced together at most: what flushes or truncates one of them meanwhile waits.
const TOGETHER: usize = 4096;

/// Logs of one directory that want to be flushed.
#[derive(Debug, Default)]
pub(crate) struct FlushQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Weak<Log>>,
    stopped: bool,
}

/// How logs are flushed that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flusher<'a> {
    /// Their directory.
    pub(crate) dir: &'a LogDir,
    /// What it is on, if that can be synced as a whole.
    pub(crate) file_system: Option<&'a dyn FileSystem>,
    /// So many of them at least for that to be done.
    pub(crate) together_from: usize,
}

impl FlushQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the queue is changed")
    }

    /// Asks for a flush; an urgent one comes before all others. The log sees to it that it does not wait here
    /// many times.
    pub(crate) fn push(&self, log: Weak<Log>, urgent: bool) {
        let waiting = &mut self.lock().waiting;
        if urgent {
            waiting.push_front(log);
        } else {
            waiting.push_back(log);
        }
        self.changed.notify_one();
    }

    /// Lets the thread end after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// The next log, waited for, or all that wait if they are `together_from` or more; `None` when stopped.
    fn next(&self, together_from: usize) -> Option<Vec<Weak<Log>>> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.stopped {
            state = self.changed.wait(state).expect("no panic while the queue is changed");
        }
        if state.stopped {
            return None;
        }
        let waiting = state.waiting.len();
        let count = if waiting >= together_from {
            waiting.min(TOGETHER)
        } else {
            1
        };
        Some(state.waiting.drain(..count).collect())
    }
}

impl Flusher<'_> {
    /// Flushes what is asked for until [`stop`](FlushQueue::stop). Now and then, and whenever nothing waits, calls `flushed`
    /// to note the recovery points. Failures have taken the directory offline by then; there is nobody else to tell.
    pub(crate) fn run(&self, mut flushed: impl FnMut()) {
        let queue = &self.dir.flush_queue;
        let together_from = self.file_system.map_or(usize::MAX, |_| self.together_from);
        let mut unnoted = 0;
        while let Some(logs) = queue.next(together_from) {
            unnoted += self.flush(&logs);
            if unnoted >= ROUND || queue.lock().waiting.is_empty() {
                flushed();
                unnoted = 0;
            }
        }
    }

    /// Flushes what is asked for by now and returns how many logs that were.
    pub(crate) fn run_waiting(&self) -> usize {
        let waiting = std::mem::take(&mut self.dir.flush_queue.lock().waiting);
        self.flush(&Vec::from(waiting))
    }

    /// Returns how many of them are still there.
    fn flush(&self, logs: &[Weak<Log>]) -> usize {
        let logs: Vec<_> = logs.iter().filter_map(Weak::upgrade).collect();
        let count = logs.len();
        let one_by_one = self.flush_many(logs);
        one_by_one.iter().for_each(|log| log.flush_asked_for());
        count
    }

    /// Flushes logs together if they are many, and returns those that were not flushed so.
    pub(crate) fn flush_many(&self, logs: Vec<Arc<Log>>) -> Vec<Arc<Log>> {
        match self.file_system {
            Some(file_system) if logs.len() >= self.together_from => flush_together(self.dir, file_system, &logs),
            _ => logs,
        }
    }
}
