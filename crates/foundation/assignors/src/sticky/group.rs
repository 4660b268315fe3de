//! The members, what they want and what they say they own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Partition;
use super::racks::Racks;
use super::user_data::{read_cooperative, read_sticky};
use crate::Assignor;
use crate::java_order::map_order;
use crate::model::{Assigned, Member, Members, PartitionRacks, TopicPartition, Topics};

/// Generation of members that have none.
pub(super) const NO_GENERATION: i32 = -1;

pub(super) struct Group<'a> {
    pub(super) ids: Vec<&'a String>,
    members: Vec<&'a Member>,
    /// Members in the order in which Java walks through them.
    pub(super) order: Vec<usize>,
    names: Vec<&'a Arc<str>>,
    /// By topic: partitions, with their racks.
    pub(super) topics: Vec<&'a [PartitionRacks]>,
    /// By member: the existing topics it wants.
    pub(super) wanted: Vec<Vec<usize>>,
    /// By member: what it says it owned, as far as it exists, and since when.
    pub(super) said: Vec<(Vec<Partition>, Option<i32>)>,
    pub(super) racks: Racks<'a>,
}

impl<'a> Group<'a> {
    pub(super) fn new(assignor: Assignor, members: &'a Members, topics: &'a Topics) -> Self {
        let subscribed: BTreeSet<&Arc<str>> = members.values().flat_map(|member| &member.topics).collect();
        let existing = topics
            .iter()
            .filter(|(topic, partitions)| !partitions.is_empty() && subscribed.contains(topic));
        let (names, topics): (Vec<_>, Vec<_>) = existing.map(|(name, racks)| (name, racks.as_slice())).unzip();
        let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (&***name, at)).collect();
        let resolve = |partition: &TopicPartition| {
            let topic = *index.get(&*partition.topic)?;
            let at = usize::try_from(partition.partition).ok()?;
            (at < topics[topic].len()).then_some((topic, at))
        };
        let said = members.values().map(|member| {
            let (owned, generation) = said(assignor, member);
            (owned.iter().filter_map(resolve).collect(), generation)
        });
        let wanted = members.values().map(|member| {
            member
                .topics
                .iter()
                .filter_map(|topic| index.get(&**topic).copied())
                .collect()
        });
        Self {
            ids: members.keys().collect(),
            order: map_order(members.keys().map(String::as_str)),
            wanted: wanted.collect(),
            said: said.collect(),
            racks: Racks::new(members, &topics),
            members: members.values().collect(),
            names,
            topics,
        }
    }

    pub(super) fn topic_name(&self, topic: usize) -> &str {
        self.names[topic]
    }

    pub(super) fn partitions_count(&self) -> usize {
        self.topics.iter().map(|partitions| partitions.len()).sum()
    }

    /// All partitions of the topics in this order.
    pub(super) fn partitions_of(&self, topics: impl IntoIterator<Item = usize>) -> Vec<Partition> {
        topics
            .into_iter()
            .flat_map(|topic| (0..self.topics[topic].len()).map(move |partition| (topic, partition)))
            .collect()
    }

    /// Whether all subscriptions are the same one; those who want nothing at first are not counted.
    pub(super) fn all_want_the_same(&self) -> bool {
        let mut topics = None;
        for &member in &self.order {
            let wanted = &self.members[member].topics;
            match topics {
                Some(topics) if topics != wanted => return false,
                Some(_) => {}
                None => topics = (!wanted.is_empty()).then_some(wanted),
            }
        }
        true
    }

    /// The partitions that some member gives up and another gets.
    pub(super) fn transferred(&self, assigned: &[Vec<Partition>]) -> BTreeMap<Partition, usize> {
        let mut added = BTreeMap::new();
        let mut revoked = BTreeSet::new();
        for (member, assigned) in assigned.iter().enumerate() {
            let assigned: BTreeSet<Partition> = assigned.iter().copied().collect();
            let owned: BTreeSet<Partition> = self.said[member].0.iter().copied().collect();
            added.extend(assigned.difference(&owned).map(|&partition| (partition, member)));
            revoked.extend(owned.difference(&assigned).copied());
        }
        added.retain(|partition, _| revoked.contains(partition));
        added
    }

    /// Back to names.
    pub(super) fn name(&self, assigned: &[Vec<Partition>]) -> Assigned {
        let named = |&(topic, partition): &Partition| TopicPartition {
            topic: self.names[topic].clone(),
            partition: partition as i32,
        };
        self.ids
            .iter()
            .zip(assigned)
            .map(|(id, partitions)| ((*id).clone(), partitions.iter().map(named).collect()))
            .collect()
    }
}

/// What a member says it owned, and in which generation. The eager assignor's members say it in their user data, having
/// given up everything before they joined.
fn said(assignor: Assignor, member: &Member) -> (Vec<TopicPartition>, Option<i32>) {
    let user_data = member.user_data.as_ref();
    if assignor == Assignor::Sticky {
        return match user_data.filter(|data| !data.is_empty()).map(read_sticky) {
            None => (Vec::new(), None),
            Some(Ok(said)) => said,
            Some(Err(_)) => (Vec::new(), Some(NO_GENERATION)),
        };
    }
    let told = user_data.map(|data| read_cooperative(data).unwrap_or(NO_GENERATION));
    (member.owned.clone(), member.generation.or(told))
}

/// Who owns what, after contradictions are settled: the later generation is right; of equal ones nobody is.
pub(super) struct Claims {
    /// By member.
    pub(super) owned: Vec<Vec<Partition>>,
    /// Claimed by several members of one generation.
    pub(super) disputed: BTreeSet<Partition>,
    pub(super) max_generation: i32,
}

impl Claims {
    pub(super) fn new(group: &Group<'_>) -> Self {
        let mut owned: Vec<Vec<Partition>> = vec![Vec::new(); group.ids.len()];
        let mut owners: BTreeMap<Partition, usize> = BTreeMap::new();
        let mut disputed = BTreeSet::new();
        let mut max_generation = NO_GENERATION;
        for &member in &group.order {
            let (partitions, generation) = &group.said[member];
            let generation = generation.unwrap_or(NO_GENERATION);
            max_generation = max_generation.max(generation);
            for &partition in partitions {
                let Some(&other) = owners.get(&partition) else {
                    owned[member].push(partition);
                    owners.insert(partition, member);
                    continue;
                };
                let other_generation = group.members[other].generation.unwrap_or(NO_GENERATION);
                if generation >= other_generation {
                    owned[other].retain(|&owned| owned != partition);
                    owners.insert(partition, member);
                }
                if generation > other_generation {
                    owned[member].push(partition);
                } else if generation == other_generation {
                    disputed.insert(partition);
                }
            }
        }
        Self {
            owned,
            disputed,
            max_generation,
        }
    }
}
