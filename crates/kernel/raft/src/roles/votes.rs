//! Counting votes.

use std::collections::BTreeSet;

use crate::VoterSet;

/// The answers of the voters in one election.
#[derive(Debug)]
pub(crate) struct Votes {
    voters: BTreeSet<i32>,
    granted: BTreeSet<i32>,
    rejected: BTreeSet<i32>,
}

impl Votes {
    pub(crate) fn of(voters: &VoterSet) -> Self {
        Votes {
            voters: voters.ids().collect(),
            granted: BTreeSet::new(),
            rejected: BTreeSet::new(),
        }
    }

    /// Counts an answer. The last one of a voter counts; others have no vote.
    pub(crate) fn record(&mut self, voter: i32, granted: bool) {
        if self.voters.contains(&voter) {
            let (into, from) = match granted {
                true => (&mut self.granted, &mut self.rejected),
                false => (&mut self.rejected, &mut self.granted),
            };
            from.remove(&voter);
            into.insert(voter);
        }
    }

    fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.granted.len() >= self.majority()
    }

    /// Whether those who did not refuse are too few.
    pub(crate) fn is_rejected(&self) -> bool {
        self.voters.len() - self.rejected.len() < self.majority()
    }

    pub(crate) fn granting(&self) -> impl Iterator<Item = i32> {
        self.granted.iter().copied()
    }

    pub(crate) fn unrecorded(&self) -> Vec<i32> {
        let recorded = |voter: &i32| self.granted.contains(voter) || self.rejected.contains(voter);
        self.voters.iter().copied().filter(|voter| !recorded(voter)).collect()
    }
}
