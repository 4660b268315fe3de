//! Flushing behind the appends' backs: one thread that syncs the logs that ask for it.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use crate::log::Log;

/// Logs that want to be flushed.
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

impl FlushQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the queue is changed")
    }

    /// Asks for a flush. The log sees to it that it waits here only once.
    pub(crate) fn push(&self, log: Weak<Log>) {
        self.lock().waiting.push_back(log);
        self.changed.notify_one();
    }

    /// Lets the thread end after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Flushes what is asked for until [`stop`](Self::stop); after each round of work calls `flushed`, which notes the
    /// recovery points. Failures have taken the log's directory offline by then; there is nobody else to tell.
    pub(crate) fn run(&self, mut flushed: impl FnMut(&[Arc<Log>])) {
        loop {
            let round: Vec<_> = {
                let mut state = self.lock();
                while state.waiting.is_empty() && !state.stopped {
                    state = self.changed.wait(state).expect("no panic while the queue is changed");
                }
                if state.stopped {
                    return;
                }
                state.waiting.drain(..).filter_map(|log| log.upgrade()).collect()
            };
            for log in &round {
                if let Err(error) = log.flush_asked_for() {
                    tracing::warn!(partition = %log.topic_partition(), %error, "background flush failed");
                }
            }
            flushed(&round);
        }
    }
}
