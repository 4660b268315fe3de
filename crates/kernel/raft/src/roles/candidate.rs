//! Candidate: has raised the epoch, voted for itself, and asks the others.

use super::votes::Votes;
use super::{Polled, Role, earlier};
use crate::{Outbox, Raft};

#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) votes: Votes,
    pub(crate) election_deadline_ms: i64,
}

impl Raft {
    pub(crate) fn poll_candidate(&mut self, now_ms: i64, out: &mut Outbox) -> Polled {
        let vote_is_durable = self.gate.is_open();
        let local_id = self.local.id;
        let Role::Candidate(candidate) = &mut self.role else {
            unreachable!("polled as candidate")
        };
        if vote_is_durable {
            candidate.votes.record(local_id, true);
        }
        if candidate.votes.is_granted() && vote_is_durable {
            self.become_leader(now_ms, out);
            return Polled::Again;
        }
        let deadline = candidate.election_deadline_ms;
        if deadline <= now_ms && !self.shutting_down {
            self.become_prospective(now_ms, out);
            return Polled::Again;
        }
        // Once refused it waits for the end of its time, which is random, lest two candidates meet again and again.
        let unrecorded = match candidate.votes.is_rejected() {
            true => Vec::new(),
            false => candidate.votes.unrecorded(),
        };
        let retry = self.send_vote_requests(now_ms, unrecorded, false, out);
        Polled::Until(earlier((!self.shutting_down).then_some(deadline), retry))
    }
}
