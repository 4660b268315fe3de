//! Resigned: was the leader of this epoch, and will not be again: after a restart, when asked to step down, or when it lost touch
//! with the majority. It answers no Fetch, votes for nobody in this epoch, and tells the others to elect a successor.

use std::collections::BTreeSet;

use super::{Polled, Role, earlier};
use crate::messages::{EndQuorumEpochRequest, Request};
use crate::{Outbox, Raft, ReplicaKey};

#[derive(Debug)]
pub(crate) struct Resigned {
    pub(crate) election_deadline_ms: i64,
    pub(crate) unacknowledged: BTreeSet<i32>,
    pub(crate) preferred_successors: Vec<ReplicaKey>,
}

impl Raft {
    pub(crate) fn poll_resigned(&mut self, now_ms: i64, out: &mut Outbox) -> Polled {
        let Role::Resigned(resigned) = &self.role else {
            unreachable!("polled as resigned")
        };
        let deadline = resigned.election_deadline_ms;
        if deadline <= now_ms && !self.shutting_down {
            // The epoch rises so that nobody takes this replica for the leader any longer.
            self.become_unattached(now_ms, self.election.leader_epoch + 1, None, out);
            return Polled::Again;
        }
        let request = Request::EndQuorumEpoch(EndQuorumEpochRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            leader_id: self.local.id,
            leader_epoch: self.election.leader_epoch,
            preferred_candidates: resigned.preferred_successors.clone(),
            leader_endpoints: self.config.listeners.clone(),
        });
        let unacknowledged: Vec<i32> = resigned.unacknowledged.iter().copied().collect();
        let mut retry = None;
        for voter in unacknowledged {
            retry = earlier(retry, self.send_to_voter(now_ms, voter, request.clone(), out));
        }
        Polled::Until(earlier((!self.shutting_down).then_some(deadline), retry))
    }
}
