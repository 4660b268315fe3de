//! What a consumer's user, its fetcher and its membership share: touched briefly and never while waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use klamm_assignors::TopicPartition;
use klamm_records::Scratch;
use tokio::time::Instant;

use super::ConsumerError;
use super::fetched::{Fetched, Unreadable};
use super::group::Membership;
use super::partition::{Partition, Phase};
use super::position::Position;
use super::record::ConsumerRecord;
use super::subscription::Subscription;

pub(super) struct State {
    pub(super) subscription: Subscription,
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    pub(super) membership: Membership,
    /// What the next polls report, before any records: the latest of each partition, until it is read again.
    pub(super) errors: BTreeMap<TopicPartition, ConsumerError>,
    /// Likewise, of the whole consumer.
    pub(super) error: Option<ConsumerError>,
    /// Whether partitions are changing hands: nothing is given out meanwhile.
    pub(super) is_gated: bool,
    /// Whether the user has records of the last poll that it may still be working on.
    pub(super) is_outstanding: bool,
    pub(super) polled_at: Instant,
    /// Polls that are waiting now.
    pub(super) polling: usize,
    /// Fetched and not given out, in the order of arrival, each with the node that it came from.
    queue: VecDeque<(i32, Fetched)>,
    buffered: BTreeMap<i32, usize>,
    /// Bytes buffered of a node below which its fetching goes on.
    low_water: BTreeMap<i32, usize>,
    /// Partitions that the last poll moved.
    delivered: BTreeSet<TopicPartition>,
    next_stamp: u64,
    scratch: Scratch,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            subscription: Subscription::None,
            partitions: BTreeMap::new(),
            membership: Membership::default(),
            errors: BTreeMap::new(),
            error: None,
            is_gated: false,
            is_outstanding: false,
            polled_at: now,
            polling: 0,
            queue: VecDeque::new(),
            buffered: BTreeMap::new(),
            low_water: BTreeMap::new(),
            delivered: BTreeSet::new(),
            next_stamp: 0,
            scratch: Scratch::new(),
        }
    }

    fn stamp(&mut self) -> u64 {
        self.next_stamp += 1;
        self.next_stamp
    }

    /// Takes these partitions in addition to those that are there.
    pub(super) fn add(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        for partition in partitions {
            let stamp = self.stamp();
            self.partitions
                .entry(partition)
                .or_insert_with(|| Partition::new(stamp));
        }
    }

    /// Gives up the partitions that are not to be kept, with what was fetched of them.
    pub(super) fn retain(&mut self, keep: impl Fn(&TopicPartition) -> bool) {
        self.partitions.retain(|partition, _| keep(partition));
        self.delivered.retain(|partition| keep(partition));
        self.errors.retain(|partition, _| keep(partition));
        self.discard_stale();
    }

    pub(super) fn owned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub(super) fn partition(&mut self, partition: &TopicPartition) -> Result<&mut Partition, ConsumerError> {
        self.partitions
            .get_mut(partition)
            .ok_or_else(|| ConsumerError::NotAssigned {
                partition: partition.clone(),
            })
    }

    /// Goes to an offset.
    pub(super) fn seek(&mut self, partition: &TopicPartition, position: Position) -> Result<(), ConsumerError> {
        let stamp = self.stamp();
        let state = self.partition(partition)?;
        state.restart(stamp, Phase::Ready);
        state.locate(position);
        self.errors.remove(partition);
        self.discard_stale();
        Ok(())
    }

    /// Goes to where ListOffsets says.
    pub(super) fn seek_to(&mut self, partition: &TopicPartition, timestamp: i64) -> Result<(), ConsumerError> {
        let stamp = self.stamp();
        self.partition(partition)?
            .restart(stamp, Phase::Resetting { timestamp });
        self.errors.remove(partition);
        self.discard_stale();
        Ok(())
    }

    /// The partition, if nothing was sought since `stamp`.
    pub(super) fn current(&mut self, partition: &TopicPartition, stamp: u64) -> Option<&mut Partition> {
        self.partitions.get_mut(partition).filter(|state| state.stamp == stamp)
    }

    fn discard_stale(&mut self) {
        let Self {
            queue,
            partitions,
            buffered,
            ..
        } = self;
        queue.retain(|(node, fetched)| {
            let fresh = partitions
                .get(&fetched.partition)
                .is_some_and(|partition| partition.stamp == fetched.stamp);
            if !fresh && let Some(bytes) = buffered.get_mut(node) {
                *bytes -= fetched.remaining();
            }
            fresh
        });
    }

    /// What a fetch brought.
    pub(super) fn push(&mut self, node: i32, fetched: Fetched) {
        *self.buffered.entry(node).or_default() += fetched.remaining();
        self.queue.push_back((node, fetched));
    }

    /// Bytes that came from a node and wait for the user, those of paused partitions aside.
    pub(super) fn waiting_bytes(&self, node: i32) -> usize {
        let paused: usize = self
            .queue
            .iter()
            .filter(|(from, fetched)| {
                *from == node && self.partitions.get(&fetched.partition).is_some_and(|p| p.paused)
            })
            .map(|(_, fetched)| fetched.remaining())
            .sum();
        self.buffered.get(&node).copied().unwrap_or(0).saturating_sub(paused)
    }

    /// Asks to be told, by [`State::take`], when less than `bytes` of a node are left.
    pub(super) fn watch(&mut self, node: i32, bytes: usize) {
        self.low_water.insert(node, bytes);
    }

    /// The user comes for more: it is done with what it had.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        self.polled_at = now;
        self.is_outstanding = false;
        for partition in std::mem::take(&mut self.delivered) {
            if let Some(state) = self.partitions.get_mut(&partition).filter(|state| state.is_ready()) {
                state.consumed = Some(state.position);
            }
        }
    }

    /// Lets the next poll report an error.
    pub(super) fn report(&mut self, error: ConsumerError) {
        match error.partition() {
            Some(partition) => {
                self.errors.insert(partition.clone(), error);
            }
            None => self.error = Some(error),
        }
    }

    /// Up to `limit` records, and whether a node has run low.
    pub(super) fn take(&mut self, limit: usize) -> Result<(Vec<ConsumerRecord>, bool), ConsumerError> {
        let error = self.error.take();
        if let Some(error) = error.or_else(|| Some(self.errors.pop_first()?.1)) {
            return Err(error);
        }
        let mut out = Vec::new();
        let mut at = 0;
        while at < self.queue.len() && out.len() < limit && !self.is_closed_off() {
            let (node, fetched) = &mut self.queue[at];
            let state = self.partitions.get_mut(&fetched.partition);
            let Some(state) = state.filter(|state| !state.paused && state.is_ready()) else {
                at += 1;
                continue;
            };
            let before = fetched.remaining();
            let result = fetched.read(limit - out.len(), &mut out, &mut self.scratch);
            state.position = fetched.next();
            if let Some(bytes) = self.buffered.get_mut(node) {
                // What is left can be more than before: a batch was decompressed.
                *bytes = *bytes + fetched.remaining() - before;
            }
            self.delivered.insert(fetched.partition.clone());
            match result {
                Ok(()) if out.len() < limit || fetched.remaining() == 0 => self.finish(at),
                Ok(()) => {}
                Err(_) if !out.is_empty() => break,
                Err(Unreadable { offset, reason }) => {
                    return Err(ConsumerError::Corrupt {
                        partition: fetched.partition.clone(),
                        offset,
                        reason,
                    });
                }
            }
        }
        self.is_outstanding |= !out.is_empty();
        Ok((out, self.has_run_low()))
    }

    /// Whether nothing may be given out: partitions change hands, or belong to others already.
    pub(super) fn is_closed_off(&self) -> bool {
        self.is_gated || self.membership.is_expelled()
    }

    /// Drops an exhausted fetch: what came after its last record was for nobody.
    fn finish(&mut self, at: usize) {
        if let Some((node, fetched)) = self.queue.remove(at) {
            if let Some(bytes) = self.buffered.get_mut(&node) {
                *bytes -= fetched.remaining();
            }
            if let Some(state) = self.partitions.get_mut(&fetched.partition) {
                state.position = fetched.next();
            }
        }
    }

    fn has_run_low(&mut self) -> bool {
        let low: Vec<i32> = self
            .low_water
            .iter()
            .filter(|(node, mark)| self.waiting_bytes(**node) < **mark)
            .map(|(node, _)| *node)
            .collect();
        for node in &low {
            self.low_water.remove(node);
        }
        !low.is_empty()
    }

    /// A stream has given out a record of this partition.
    pub(super) fn hold(&mut self, partition: &TopicPartition) {
        self.is_outstanding = true;
        if !self.delivered.contains(partition) {
            self.delivered.insert(partition.clone());
        }
    }

    /// Puts back records that a stream had and did not give out: they are to be fetched again.
    pub(super) fn put_back(&mut self, partition: &TopicPartition, stamp: u64, offset: i64, leader_epoch: i32) {
        if let Some(state) = self.current(partition, stamp) {
            let consumed = state.consumed;
            let back = Position { offset, leader_epoch };
            self.seek(partition, back).expect("it is assigned");
            if let Ok(state) = self.partition(partition) {
                state.consumed = consumed;
            }
        }
    }

    /// What the user is done with, of the partitions that pass, as far as it is not committed yet.
    pub(super) fn uncommitted(&self, wanted: impl Fn(&TopicPartition) -> bool) -> BTreeMap<TopicPartition, Position> {
        let partitions = self.partitions.iter().filter(|(partition, _)| wanted(partition));
        partitions
            .filter_map(|(partition, state)| {
                let position = state.consumed?;
                (state.committed != Some(position.offset)).then(|| (partition.clone(), position))
            })
            .collect()
    }

    /// Where the user is, in every partition where that is known.
    pub(super) fn positions(&self) -> BTreeMap<TopicPartition, Position> {
        let ready = self.partitions.iter().filter(|(_, state)| state.is_ready());
        ready
            .map(|(partition, state)| (partition.clone(), state.position))
            .collect()
    }

    /// Marks offsets as committed.
    pub(super) fn committed<'a>(&mut self, offsets: impl IntoIterator<Item = (&'a TopicPartition, i64)>) {
        for (partition, offset) in offsets {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.committed = Some(offset);
            }
        }
    }
}

#[cfg(test)]
mod tests;
