//! Who waits for which reply.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Error;

/// A request that was sent, or is about to be.
pub(super) struct Pending {
    pub(super) correlation_id: i32,
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Result<Bytes, Error>>,
}

/// The requests without a reply, in the order of their sending, which is that of the replies.
#[derive(Default)]
pub(super) struct Waiting {
    queue: VecDeque<Pending>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
    }

    /// Hands a reply to whoever has waited longest, or says why it is not theirs.
    pub(super) fn deliver(&mut self, reply: Bytes) -> Result<(), String> {
        let Some(actual) = reply.first_chunk().map(|id| i32::from_be_bytes(*id)) else {
            return Err(format!("a reply of {} bytes", reply.len()));
        };
        let Some(first) = self.queue.pop_front() else {
            return Err(format!("a reply to no request, correlation id {actual}"));
        };
        if first.correlation_id != actual {
            let expected = first.correlation_id;
            self.queue.push_front(first);
            return Err(format!("correlation id {actual} instead of {expected}"));
        }
        // Nobody may be waiting any more.
        let _ = first.reply.send(Ok(reply));
        Ok(())
    }

    /// When the first of them runs out of time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.queue.iter().map(|pending| pending.deadline).min()
    }

    /// Takes out those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Duration> {
        let mut longest = None;
        let mut index = 0;
        while index < self.queue.len() {
            if self.queue[index].deadline > now {
                index += 1;
                continue;
            }
            if let Some(pending) = self.queue.remove(index) {
                longest = longest.max(Some(pending.timeout));
                let _ = pending.reply.send(Err(Error::TimedOut {
                    what: "the request".to_owned(),
                    after: pending.timeout,
                    last: None,
                }));
            }
        }
        longest
    }

    /// Tells everybody that no reply will come.
    pub(super) fn fail(&mut self, error: &Error) {
        for pending in self.queue.drain(..) {
            let _ = pending.reply.send(Err(error.clone()));
        }
    }

    /// Returns when nobody waits for any reply.
    pub(super) async fn abandoned(&mut self) {
        for pending in &mut self.queue {
            pending.reply.closed().await;
        }
    }
}
