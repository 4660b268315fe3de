//! When members want different topics: what they own stays, the rest goes to whoever has least, and then partitions
//! move one by one as long as that improves the balance.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Claims, Group, NO_GENERATION};
use super::movements::Movements;
use super::{Outcome, Partition};
use crate::java_order::partition_hash;

pub(super) fn assign(group: &Group<'_>, claims: Claims) -> Outcome {
    let mut balance = Balance::new(group, &claims);
    let unassigned = balance.keep_owned(&claims.owned);
    balance.run(unassigned);
    let mut assigned = vec![Vec::new(); group.ids.len()];
    for (partition, member) in balance.owners {
        assigned[member].push(partition);
    }
    Outcome {
        assigned,
        transferred: None,
    }
}

struct Balance<'a> {
    group: &'a Group<'a>,
    /// By topic: who may have it.
    candidates: Vec<Vec<usize>>,
    /// By member: whether it may have the topic, and how many partitions it could have at most.
    wants: Vec<Vec<bool>>,
    most: Vec<usize>,
    /// All partitions, those with fewest candidates first.
    sorted: Vec<Partition>,
    /// Who had a partition before the generation that counts.
    previous: BTreeMap<Partition, usize>,
    owners: BTreeMap<Partition, usize>,
    counts: Vec<usize>,
    /// Members that take part, by partitions and name.
    ranking: BTreeSet<(usize, usize)>,
    movements: Movements,
    something_was_taken: bool,
}

impl<'a> Balance<'a> {
    fn new(group: &'a Group<'a>, claims: &Claims) -> Self {
        let topics = group.topics.len();
        let mut candidates: Vec<Vec<usize>> = vec![Vec::new(); topics];
        let mut wants = vec![vec![false; topics]; group.ids.len()];
        for (member, wanted) in group.wanted.iter().enumerate() {
            for &topic in wanted {
                candidates[topic].push(member);
                wants[member][topic] = true;
            }
        }
        let most = group.wanted.iter();
        let most = most.map(|wanted| wanted.iter().map(|&topic| group.topics[topic].len()).sum());
        let mut order: Vec<usize> = (0..topics).collect();
        order.sort_by_key(|&topic| candidates[topic].len());
        Self {
            group,
            most: most.collect(),
            sorted: group.partitions_of(order),
            candidates,
            wants,
            previous: previous(group, claims.max_generation),
            owners: BTreeMap::new(),
            counts: vec![0; group.ids.len()],
            ranking: BTreeSet::new(),
            movements: Movements::default(),
            something_was_taken: false,
        }
    }

    /// Members keep what they own and still want, if the racks fit. Returns what is left.
    fn keep_owned(&mut self, owned: &[Vec<Partition>]) -> Vec<Partition> {
        for (member, owned) in owned.iter().enumerate() {
            for &partition in owned {
                if self.wants[member][partition.0] && !self.group.racks.mismatch(member, partition) {
                    self.owners.insert(partition, member);
                    self.counts[member] += 1;
                } else {
                    self.something_was_taken = true;
                }
            }
        }
        self.ranking = (0..self.counts.len())
            .map(|member| (self.counts[member], member))
            .collect();
        let mut unassigned = self.sorted.clone();
        unassigned.retain(|partition| !self.owners.contains_key(partition));
        unassigned
    }

    fn run(&mut self, mut unassigned: Vec<Partition>) {
        let begins = self.owners.is_empty();
        let mut to_give = unassigned.clone();
        if self.group.racks.matter() {
            to_give.retain(|&partition| !self.give(partition, true));
        }
        for partition in to_give {
            self.give(partition, false);
        }

        // Only what could go elsewhere takes part in the balancing.
        let movable = |partition: &Partition| self.candidates[partition.0].len() >= 2;
        let mut sorted = self.sorted.clone();
        sorted.retain(movable);
        unassigned.retain(movable);
        self.leave_out_fixed_members();

        let (owners, counts) = (self.owners.clone(), self.counts.clone());
        let score = self.score();
        if !self.something_was_taken {
            self.reassign(&unassigned);
        }
        let reassigned = self.reassign(&sorted);
        if !begins && reassigned && self.score() >= score {
            (self.owners, self.counts) = (owners, counts);
        }
    }

    /// Gives the partition to the member with least that may have it.
    fn give(&mut self, partition: Partition, within_rack: bool) -> bool {
        let fits = |member: usize| {
            self.wants[member][partition.0] && !(within_rack && self.group.racks.mismatch(member, partition))
        };
        let Some(&(_, member)) = self.ranking.iter().find(|(_, member)| fits(*member)) else {
            return false;
        };
        self.recount(member, 1);
        self.owners.insert(partition, member);
        true
    }

    fn recount(&mut self, member: usize, change: isize) {
        self.ranking.remove(&(self.counts[member], member));
        self.counts[member] = self.counts[member].strict_add_signed(change);
        self.ranking.insert((self.counts[member], member));
    }

    /// Members that have all they can have, and nothing that another wants.
    fn leave_out_fixed_members(&mut self) {
        let mut fixed: Vec<bool> = (0..self.counts.len())
            .map(|member| self.counts[member] >= self.most[member])
            .collect();
        for (partition, &owner) in &self.owners {
            if self.candidates[partition.0].len() >= 2 {
                fixed[owner] = false;
            }
        }
        self.ranking.retain(|&(_, member)| !fixed[member]);
    }

    fn takes_part(&self, member: usize) -> bool {
        self.ranking.contains(&(self.counts[member], member))
    }

    /// Sum of the differences between all pairs that take part: the lower, the more balanced.
    fn score(&self) -> usize {
        let counts: Vec<usize> = self.ranking.iter().map(|&(count, _)| count).collect();
        let mut below = 0;
        let differences = counts.iter().enumerate().map(|(index, &count)| {
            let difference = index * count - below;
            below += count;
            difference
        });
        differences.sum()
    }

    fn is_balanced(&self) -> bool {
        let (Some(&(least, _)), Some(&(most, _))) = (self.ranking.first(), self.ranking.last()) else {
            return true;
        };
        if least + 1 >= most {
            return true;
        }
        // Could a member that lacks a partition relieve its owner?
        !self.ranking.iter().any(|&(count, member)| {
            count != self.most[member]
                && self
                    .group
                    .partitions_of(self.group.wanted[member].iter().copied())
                    .iter()
                    .any(|partition| {
                        self.owners.get(partition).is_some_and(|&owner| {
                            owner != member && self.takes_part(owner) && count + 1 < self.counts[owner]
                        })
                    })
        })
    }

    /// Moves partitions until no move improves anything; says whether any moved.
    fn reassign(&mut self, partitions: &[Partition]) -> bool {
        let mut any = false;
        loop {
            let mut moved = false;
            for &partition in partitions {
                if self.is_balanced() {
                    break;
                }
                if let Some(member) = self.better_owner(partition) {
                    self.move_towards(partition, member);
                    moved = true;
                }
            }
            if !moved {
                return any;
            }
            any = true;
        }
    }

    fn better_owner(&self, partition: Partition) -> Option<usize> {
        let count = self.counts[*self.owners.get(&partition)?];
        let previous = self.previous.get(&partition).copied();
        previous
            .filter(|&member| self.takes_part(member) && self.wants[member][partition.0])
            .filter(|&member| count > self.counts[member] + 1)
            .or_else(|| {
                let candidates = &self.candidates[partition.0];
                candidates.iter().find(|&&member| count > self.counts[member] + 1)?;
                let least = self.ranking.iter().find(|(_, member)| self.wants[*member][partition.0]);
                least.map(|&(_, member)| member)
            })
    }

    fn move_towards(&mut self, partition: Partition, to: usize) {
        let partition = self.movements.instead_of(partition, self.owners[&partition], to);
        let from = self.owners[&partition];
        let hash = partition_hash(self.group.topic_name(partition.0), partition.1 as i32);
        self.movements.note(partition, hash, from, to);
        self.recount(from, -1);
        self.recount(to, 1);
        self.owners.insert(partition, to);
    }
}

/// The last owners of partitions before the highest generation.
fn previous(group: &Group<'_>, max_generation: i32) -> BTreeMap<Partition, usize> {
    let mut previous: BTreeMap<Partition, (i32, usize)> = BTreeMap::new();
    for &member in &group.order {
        let (partitions, generation) = &group.said[member];
        let generation = generation.unwrap_or(NO_GENERATION);
        if generation >= max_generation {
            continue;
        }
        for &partition in partitions {
            let entry = previous.entry(partition).or_insert((generation, member));
            if generation > entry.0 {
                *entry = (generation, member);
            }
        }
    }
    previous
        .into_iter()
        .map(|(partition, (_, member))| (partition, member))
        .collect()
}
