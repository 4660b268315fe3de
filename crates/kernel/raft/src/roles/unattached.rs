//! Unattached: in an epoch whose leader is not known, or not known how to reach. Waits to hear of one, then asks for votes.

use super::Polled;
use crate::{Outbox, Raft};

#[derive(Debug)]
pub(crate) struct Unattached {
    /// None for an observer, which never stands for election.
    pub(crate) election_deadline_ms: Option<i64>,
}

impl Raft {
    pub(crate) fn poll_unattached(
        &mut self,
        now_ms: i64,
        election_deadline_ms: Option<i64>,
        out: &mut Outbox,
    ) -> Polled {
        if !self.is_voter() {
            return Polled::Until(self.fetch_from_any(now_ms, out));
        }
        match election_deadline_ms {
            _ if self.shutting_down => Polled::Until(None),
            Some(deadline) if deadline > now_ms => Polled::Until(Some(deadline)),
            // A replica that became a voter while it was an observer has no deadline yet.
            _ => {
                self.become_prospective(now_ms, out);
                Polled::Again
            }
        }
    }
}
