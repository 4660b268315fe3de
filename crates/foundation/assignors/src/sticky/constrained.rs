//! When all members want the same topics: everyone gets the least quota, and as many as it takes get one partition more.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Claims, Group};
use super::{Outcome, Partition};

pub(super) fn assign(group: &Group<'_>, claims: Claims) -> Outcome {
    let mut quotas = Quotas::new(group, claims.disputed);
    for &member in &group.order {
        quotas.keep_owned(member, &claims.owned[member]);
    }
    let mut unassigned = quotas.unassigned();
    quotas.under.sort_unstable();
    quotas.exact.sort_unstable();
    group.racks.sort(&mut unassigned);
    if group.racks.matter() {
        quotas.fill_within_racks(&mut unassigned);
    }
    quotas.fill(&unassigned);
    Outcome {
        assigned: quotas.assigned,
        transferred: Some(quotas.transferred),
    }
}

struct Quotas<'a> {
    group: &'a Group<'a>,
    least: usize,
    most: usize,
    /// How many members shall have more than the least quota, and how many do.
    over_expected: usize,
    over: usize,
    /// Members below the least quota.
    under: Vec<usize>,
    /// Members with exactly the least quota that may get one more.
    exact: Vec<usize>,
    assigned: Vec<Vec<Partition>>,
    /// Owned partitions that were not kept by their owner.
    given_up: BTreeMap<Partition, usize>,
    disputed: BTreeSet<Partition>,
    transferred: BTreeMap<Partition, usize>,
}

impl<'a> Quotas<'a> {
    fn new(group: &'a Group<'a>, disputed: BTreeSet<Partition>) -> Self {
        let (partitions, members) = (group.partitions_count(), group.ids.len());
        Self {
            group,
            least: partitions / members,
            most: partitions.div_ceil(members),
            over_expected: partitions % members,
            over: 0,
            under: Vec::new(),
            exact: Vec::new(),
            assigned: vec![Vec::new(); members],
            given_up: BTreeMap::new(),
            disputed,
            transferred: BTreeMap::new(),
        }
    }

    /// One more member has more than the least quota; with the last of them no other may get more.
    fn count_over(&mut self) {
        self.over += 1;
        if self.over == self.over_expected {
            self.exact.clear();
        }
    }

    fn keep_owned(&mut self, member: usize, owned: &[Partition]) {
        let mut kept = Vec::with_capacity(owned.len());
        for &partition in owned {
            if self.group.racks.mismatch(member, partition) {
                self.given_up.insert(partition, member);
            } else if !self.disputed.contains(&partition) {
                kept.push(partition);
            }
        }
        kept.sort_unstable_by_key(|&(topic, partition)| (partition, topic));
        if kept.len() < self.least {
            self.under.push(member);
        } else {
            let quota = if kept.len() >= self.most && self.over < self.over_expected {
                self.count_over();
                self.most
            } else {
                if self.over < self.over_expected {
                    self.exact.push(member);
                }
                self.least
            };
            let given_up = kept.split_off(quota);
            self.given_up
                .extend(given_up.into_iter().map(|partition| (partition, member)));
        }
        self.assigned[member] = kept;
    }

    fn unassigned(&self) -> Vec<Partition> {
        let kept: BTreeSet<Partition> = self.assigned.iter().flatten().copied().collect();
        let mut all = self.group.partitions_of(0..self.group.topics.len());
        all.retain(|partition| !kept.contains(partition));
        all
    }

    fn fill_within_racks(&mut self, unassigned: &mut Vec<Partition>) {
        let mut turn = 0;
        unassigned.retain(|&partition| {
            let member = self.next_within_rack(partition, &mut turn);
            if let Some(member) = member {
                self.give(partition, member);
            }
            member.is_none()
        });
    }

    fn next_within_rack(&mut self, partition: Partition, turn: &mut usize) -> Option<usize> {
        if let Some(at) = self.group.racks.next(partition, &self.under, *turn) {
            let member = self.under[at];
            let count = self.assigned[member].len() + 1;
            *turn = at;
            if count >= self.least {
                self.under.remove(at);
                if count < self.most && self.over < self.over_expected {
                    self.exact.push(member);
                }
            } else {
                *turn += 1;
            }
            *turn = turn.checked_rem(self.under.len()).unwrap_or(0);
            return Some(member);
        }
        let at = self.group.racks.next(partition, &self.exact, 0)?;
        let member = self.exact[at];
        if self.assigned[member].len() + 1 == self.most {
            self.exact.remove(at);
            self.count_over();
        }
        Some(member)
    }

    fn fill(&mut self, unassigned: &[Partition]) {
        let mut turn = 0;
        for &partition in unassigned {
            let member = if self.under.is_empty() {
                self.exact.remove(0)
            } else {
                turn %= self.under.len();
                turn += 1;
                self.under[turn - 1]
            };
            let count = self.give(partition, member);
            if count == self.least {
                turn -= 1;
                self.under.remove(turn);
                self.exact.push(member);
            }
        }
    }

    /// Returns how many the member has now.
    fn give(&mut self, partition: Partition, member: usize) -> usize {
        let from_another = self.given_up.get(&partition).is_some_and(|&owner| owner != member);
        if from_another || self.disputed.contains(&partition) {
            self.transferred.insert(partition, member);
        }
        self.assigned[member].push(partition);
        self.assigned[member].len()
    }
}
