//! What must hold at every step.

use std::collections::BTreeMap;

use klamm_raft::Batch;

use crate::node::SimNode;

/// Remembers what was seen, across crashes.
#[derive(Default)]
pub(crate) struct Checks {
    leaders: BTreeMap<i32, i32>,
    /// What some node knows to be committed, by base offset.
    committed: BTreeMap<i64, Batch>,
    end: i64,
}

impl Checks {
    /// At most one leader in an epoch.
    pub(crate) fn leader(&mut self, epoch: i32, id: i32) {
        let first = *self.leaders.entry(epoch).or_insert(id);
        assert_eq!(first, id, "two leaders in epoch {epoch}");
    }

    /// What a node takes for committed would survive a crash of all on a majority of voters, whose durable ends are given.
    pub(crate) fn all<'a>(&mut self, nodes: impl Iterator<Item = &'a SimNode>, mut voter_ends: Vec<i64>) {
        voter_ends.sort_unstable();
        let on_majority = voter_ends[(voter_ends.len() - 1) / 2];
        for node in nodes {
            let leader = node.raft.leader_and_epoch();
            if let Some(id) = leader.leader_id {
                self.leader(leader.epoch, id);
            }
            assert!(
                node.committed <= on_majority,
                "{} counts on what a crash would lose",
                node.id
            );
        }
    }

    /// Compares what each node holds as committed with what was committed before.
    pub(crate) fn committed<'a>(&mut self, nodes: impl Iterator<Item = &'a SimNode>) {
        for node in nodes {
            for batch in node
                .history()
                .into_iter()
                .filter(|batch| batch.last_offset < node.committed)
            {
                self.end = self.end.max(batch.last_offset + 1);
                let seen = self.committed.entry(batch.base_offset).or_insert_with(|| batch.clone());
                assert_eq!(*seen, batch, "{} holds another record as committed", node.id);
            }
        }
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn holds(&self, batch: &Batch) -> bool {
        self.committed.get(&batch.base_offset) == Some(batch)
    }
}
