//! Prospective (KIP-996): asks whether it would get the votes before it raises the epoch, so that a replica which was cut off
//! does not unseat a working leader when it returns.

use super::votes::Votes;
use super::{Polled, Role, earlier};
use crate::{Endpoints, Outbox, Raft};

#[derive(Debug)]
pub(crate) struct Prospective {
    pub(crate) votes: Votes,
    pub(crate) election_deadline_ms: i64,
    /// Where the leader that it stopped hearing from listens; it goes back to following it when it loses.
    pub(crate) leader_endpoints: Endpoints,
}

impl Raft {
    pub(crate) fn poll_prospective(&mut self, now_ms: i64, out: &mut Outbox) -> Polled {
        let Role::Prospective(prospective) = &self.role else {
            unreachable!("polled as prospective")
        };
        if prospective.votes.is_granted() {
            self.become_candidate(now_ms, out);
            return Polled::Again;
        }
        let deadline = prospective.election_deadline_ms;
        if prospective.votes.is_rejected() || (deadline <= now_ms && !self.shutting_down) {
            let endpoints = prospective.leader_endpoints.clone();
            let (epoch, leader_id) = (self.election.leader_epoch, self.election.leader_id);
            self.become_follower_or_unattached(now_ms, epoch, leader_id, endpoints, out);
            return Polled::Again;
        }
        let unrecorded = prospective.votes.unrecorded();
        let retry = self.send_vote_requests(now_ms, unrecorded, true, out);
        Polled::Until(earlier((!self.shutting_down).then_some(deadline), retry))
    }
}
