//! Replies that wait for the high watermark.

use crate::shard::{Shard, Then};
use std::collections::VecDeque;

/// Something that follows once all records up to `last_offset` are committed.
pub(super) struct Parked<S: Shard> {
    pub(super) last_offset: i64,
    pub(super) deadline_ms: i64,
    pub(super) then: Then<S>,
}

impl<S: Shard> Parked<S> {
    /// Something that is settled at once.
    pub(super) fn now(then: Then<S>) -> Self {
        Self {
            last_offset: -1,
            deadline_ms: i64::MAX,
            then,
        }
    }
}

/// In order of offsets and of deadlines: both only rise, since each waits for all that was written before it, for equally long.
pub(super) struct ParkedReplies<S: Shard> {
    queue: VecDeque<Parked<S>>,
    high_watermark: i64,
}

impl<S: Shard> ParkedReplies<S> {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn park(&mut self, parked: Parked<S>) {
        if let Some(last) = self.queue.back() {
            assert!(
                last.last_offset <= parked.last_offset,
                "replies are parked in the order of their records"
            );
        }
        self.queue.push_back(parked);
    }

    pub(super) fn committed_to(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
    }

    pub(super) fn pop_committed(&mut self) -> Option<Parked<S>> {
        let committed = self.queue.front()?.last_offset < self.high_watermark;
        if committed { self.queue.pop_front() } else { None }
    }

    pub(super) fn pop_overdue(&mut self, now_ms: i64) -> Option<Parked<S>> {
        let overdue = self.queue.front()?.deadline_ms <= now_ms;
        if overdue { self.queue.pop_front() } else { None }
    }

    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.queue.front().map(|parked| parked.deadline_ms)
    }

    /// Takes what waits for `first_offset` or a later record.
    pub(super) fn take_from(&mut self, first_offset: i64) -> VecDeque<Parked<S>> {
        let kept = self.queue.partition_point(|parked| parked.last_offset < first_offset);
        self.queue.split_off(kept)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Parked<S>> + use<S> {
        std::mem::take(&mut self.queue).into_iter()
    }
}

impl<S: Shard> Default for ParkedReplies<S> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            high_watermark: 0,
        }
    }
}
