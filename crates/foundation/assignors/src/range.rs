//! Range: per topic, consecutive partitions to the members in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Assigned, Member, Members, PartitionRacks, TopicPartition, Topics, rack_of, racks_matter};

/// A member among those of a topic: those with an instance id come first, by it; the others by member id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked<'a> {
    pub(crate) id: &'a str,
    pub(crate) member: &'a Member,
}

impl<'a> Ranked<'a> {
    /// All members that pass `wanted`, in order.
    pub(crate) fn all(members: &'a Members, wanted: impl Fn(&Member) -> bool) -> Vec<Self> {
        let mut ranked: Vec<Self> = members
            .iter()
            .filter(|(_, member)| wanted(member))
            .map(|(id, member)| Self { id, member })
            .collect();
        ranked.sort_by(|a, b| match (&a.member.instance_id, &b.member.instance_id) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => a.id.cmp(b.id),
        });
        ranked
    }
}

/// What is left to share out of one topic.
struct TopicState<'a> {
    topic: &'a Arc<str>,
    partitions: &'a [PartitionRacks],
    members: Vec<Ranked<'a>>,
    /// By index in `members`.
    counts: Vec<usize>,
    unassigned: BTreeSet<usize>,
    least: usize,
    members_with_extra: usize,
    racks_matter: bool,
}

impl<'a> TopicState<'a> {
    fn new(topic: &'a Arc<str>, partitions: &'a [PartitionRacks], members: &'a Members) -> Self {
        let members = Ranked::all(members, |member| member.topics.contains(topic));
        let racks: BTreeSet<&str> = members.iter().filter_map(|member| rack_of(member.member)).collect();
        Self {
            topic,
            partitions,
            counts: vec![0; members.len()],
            unassigned: (0..partitions.len()).collect(),
            least: partitions.len().checked_div(members.len()).unwrap_or(0),
            members_with_extra: partitions.len().checked_rem(members.len()).unwrap_or(0),
            racks_matter: racks_matter(&racks, partitions.iter()),
            members,
        }
    }

    /// How many more partitions the member may get.
    fn room(&self, member: usize) -> usize {
        (self.least + usize::from(self.members_with_extra > 0)).saturating_sub(self.counts[member])
    }

    fn racks_match(&self, member: usize, partition: usize) -> bool {
        rack_of(self.members[member].member).is_none_or(|rack| self.partitions[partition].contains(rack))
    }

    fn give(&mut self, member: usize, partitions: &[usize], assigned: &mut Assigned) {
        self.counts[member] += partitions.len();
        if self.counts[member] > self.least {
            self.members_with_extra -= 1;
        }
        let list = assigned.entry(self.members[member].id.to_owned()).or_default();
        for &partition in partitions {
            self.unassigned.remove(&partition);
            list.push(TopicPartition::new(self.topic.clone(), partition as i32));
        }
    }

    /// Gives each member in turn the first partitions it may have.
    fn give_ranges(&mut self, by_rack: bool, assigned: &mut Assigned) {
        for member in 0..self.members.len() {
            let partitions: Vec<usize> = self
                .unassigned
                .iter()
                .copied()
                .filter(|&partition| !by_rack || self.racks_match(member, partition))
                .take(self.room(member))
                .collect();
            if !partitions.is_empty() {
                self.give(member, &partitions, assigned);
            }
        }
    }
}

pub(crate) fn assign(members: &Members, topics: &Topics) -> Assigned {
    let mut assigned: Assigned = members.keys().map(|id| (id.clone(), Vec::new())).collect();
    let mut states: Vec<TopicState<'_>> = topics
        .iter()
        .filter(|(_, partitions)| !partitions.is_empty())
        .map(|(topic, partitions)| TopicState::new(topic, partitions, members))
        .filter(|state| !state.members.is_empty())
        .collect();
    if states.iter().any(|state| state.racks_matter) {
        give_within_racks(&mut states, &mut assigned);
    }
    for state in &mut states {
        state.give_ranges(false, &mut assigned);
    }
    assigned
}

/// Topics with the same members and as many partitions keep equal partitions together; the others go by their own racks.
fn give_within_racks(states: &mut [TopicState<'_>], assigned: &mut Assigned) {
    let mut groups: BTreeMap<(Vec<&str>, usize), Vec<usize>> = BTreeMap::new();
    for (at, state) in states.iter().enumerate() {
        // Without racks among its members a topic's partitions are not looked at, and count as none.
        let any_rack = state.members.iter().any(|member| rack_of(member.member).is_some());
        let partitions = if any_rack { state.partitions.len() } else { 0 };
        let ids = state.members.iter().map(|member| member.id).collect();
        groups.entry((ids, partitions)).or_default().push(at);
    }
    for ((_, partitions), group) in groups {
        if let [only] = group[..] {
            if states[only].racks_matter {
                states[only].give_ranges(true, assigned);
            }
        } else {
            give_together(states, &group, partitions, assigned);
        }
    }
}

fn give_together(states: &mut [TopicState<'_>], group: &[usize], partitions: usize, assigned: &mut Assigned) {
    let mut remaining: Vec<usize> = (0..states[group[0]].members.len()).collect();
    for partition in 0..partitions {
        let fits = |member: usize| {
            group
                .iter()
                .all(|&at| states[at].racks_match(member, partition) && states[at].room(member) > 0)
        };
        let Some(at) = remaining.iter().position(|&member| fits(member)) else {
            continue;
        };
        let member = remaining[at];
        for &state in group {
            states[state].give(member, &[partition], assigned);
        }
        if group.iter().all(|&state| states[state].room(member) == 0) {
            remaining.remove(at);
        }
    }
}
