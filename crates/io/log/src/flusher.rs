//! Flushing behind the appends' backs: one thread that syncs the logs that ask for it.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use crate::log::Log;

/// Logs flushed before their recovery points are noted.
const ROUND: usize = 64;

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

    /// Flushes what is asked for until [`stop`](Self::stop). Now and then, and whenever nothing waits, calls `flushed` with
    /// the logs flushed since, to note their recovery points. Failures have taken the log's directory offline by then; there
    /// is nobody else to tell.
    pub(crate) fn run(&self, mut flushed: impl FnMut(&[Arc<Log>])) {
        let mut round = Vec::new();
        while let Some(log) = self.next() {
            if let Some(log) = log.upgrade() {
                flush(&log);
                round.push(log);
            }
            if round.len() >= ROUND || self.lock().waiting.is_empty() {
                flushed(&round);
                round.clear();
            }
        }
    }

    /// Flushes what is asked for by now and returns whom.
    pub(crate) fn run_waiting(&self) -> Vec<Arc<Log>> {
        let waiting = std::mem::take(&mut self.lock().waiting);
        let logs: Vec<_> = waiting.iter().filter_map(Weak::upgrade).collect();
        for log in &logs {
            flush(log);
        }
        logs
    }

    /// The next log, waited for; `None` when stopped.
    fn next(&self) -> Option<Weak<Log>> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.stopped {
            state = self.changed.wait(state).expect("no panic while the queue is changed");
        }
        if state.stopped { None } else { state.waiting.pop_front() }
    }
}

fn flush(log: &Log) {
    // That its directory is full, or has failed, is told once and not for each log.
    if let Err(error) = log.flush_asked_for()
        && !(error.is_out_of_space() || error.is_out_of_files())
        && log.check_online().is_ok()
    {
        tracing::warn!(partition = %log.topic_partition(), %error, "background flush failed");
    }
}
