//! Which partitions moved from whom to whom, to avoid that two members swap partitions of one topic.

use std::collections::BTreeMap;

use super::Partition;
use crate::java_order::HashOrderedSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    from: usize,
    to: usize,
}

#[derive(Default)]
pub(super) struct Movements {
    by_topic: BTreeMap<usize, BTreeMap<Move, HashOrderedSet<Partition>>>,
    by_partition: BTreeMap<Partition, Move>,
}

impl Movements {
    /// Notes that `partition` moves. `hash` is its hash code in Java.
    pub(super) fn note(&mut self, partition: Partition, hash: i32, from: usize, to: usize) {
        let mut movement = Move { from, to };
        if let Some(earlier) = self.by_partition.remove(&partition) {
            self.forget(partition, earlier);
            if earlier.from == to {
                return;
            }
            movement.from = earlier.from;
        }
        self.by_partition.insert(partition, movement);
        let topic = self.by_topic.entry(partition.0).or_default();
        topic.entry(movement).or_default().insert(hash, partition);
    }

    fn forget(&mut self, partition: Partition, movement: Move) {
        let topic = self.by_topic.entry(partition.0).or_default();
        if let Some(set) = topic.get_mut(&movement) {
            set.remove(partition);
            if set.is_empty() {
                topic.remove(&movement);
            }
        }
    }

    /// The partition to move instead of `partition`: one that went the opposite way, if there is one.
    pub(super) fn instead_of(&self, partition: Partition, from: usize, to: usize) -> Partition {
        let from = self.by_partition.get(&partition).map_or(from, |earlier| earlier.from);
        let opposite = Move { from: to, to: from };
        self.by_topic
            .get(&partition.0)
            .and_then(|topic| topic.get(&opposite)?.first())
            .unwrap_or(partition)
    }
}
