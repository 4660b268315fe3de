//! Which members and partitions share a rack.

use std::collections::{BTreeMap, BTreeSet};

use super::Partition;
use crate::model::{Members, PartitionRacks, rack_of, racks_matter};

pub(super) struct Racks<'a> {
    /// By member; all `None` if racks don't matter.
    members: Vec<Option<&'a str>>,
    topics: Vec<&'a [PartitionRacks]>,
    members_per_rack: BTreeMap<&'a str, usize>,
    matter: bool,
}

impl<'a> Racks<'a> {
    pub(super) fn new(members: &'a Members, topics: &[&'a [PartitionRacks]]) -> Self {
        let mut racks: Vec<Option<&str>> = members.values().map(rack_of).collect();
        let mut members_per_rack = BTreeMap::new();
        for rack in racks.iter().flatten() {
            *members_per_rack.entry(*rack).or_default() += 1;
        }
        let named: BTreeSet<&str> = racks.iter().flatten().copied().collect();
        let matter = racks_matter(&named, topics.iter().flat_map(|partitions| partitions.iter()));
        if !matter {
            racks.fill(None);
        }
        Self {
            members: racks,
            topics: topics.to_vec(),
            members_per_rack,
            matter,
        }
    }

    pub(super) fn matter(&self) -> bool {
        self.matter
    }

    fn of(&self, (topic, partition): Partition) -> &'a PartitionRacks {
        &self.topics[topic][partition]
    }

    /// Whether the member has a rack in which the partition has no replica.
    pub(super) fn mismatch(&self, member: usize, partition: Partition) -> bool {
        self.members[member].is_some_and(|rack| !self.of(partition).contains(rack))
    }

    /// Partitions near few members come first. (Members' racks have this effect even where they don't matter otherwise.)
    pub(super) fn sort(&self, partitions: &mut [Partition]) {
        if !self.members_per_rack.is_empty() {
            partitions.sort_by_key(|&partition| {
                let racks = self.of(partition).iter();
                racks
                    .map(|rack| self.members_per_rack.get(rack.as_str()).copied().unwrap_or(0))
                    .sum::<usize>()
            });
        }
    }

    /// Where in `members` the next one in a rack of the partition stands, from `first` on and around.
    pub(super) fn next(&self, partition: Partition, members: &[usize], first: usize) -> Option<usize> {
        let racks = self.of(partition);
        (0..members.len())
            .map(|step| (first + step) % members.len())
            .find(|&at| self.members[members[at]].is_some_and(|rack| racks.contains(rack)))
    }
}
