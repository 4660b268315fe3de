//! Observers: replicas without a vote (brokers, and controllers that are not in the voter set). They follow like others, but when
//! they lose the leader they ask the bootstrap servers for it instead of standing for election.

use super::{Role, earlier};
use crate::messages::Request;
use crate::{Outbox, Raft};

impl Raft {
    pub(crate) fn poll_follower_as_observer(
        &mut self,
        now_ms: i64,
        fetch_deadline_ms: i64,
        out: &mut Outbox,
    ) -> Option<i64> {
        let Role::Follower(follower) = &self.role else {
            unreachable!("polled as follower")
        };
        let leader_id = follower.leader_id;
        if fetch_deadline_ms <= now_ms {
            return self.fetch_from_any(now_ms, out);
        }
        let next = if self.requests.has_timed_out(leader_id, now_ms) {
            self.requests.reset(leader_id);
            self.fetch_from_any(now_ms, out)
        } else if self.requests.is_backing_off(leader_id, now_ms) {
            earlier(
                self.requests.ready_at(leader_id, now_ms),
                self.fetch_from_any(now_ms, out),
            )
        } else if let Some(until_ms) = self.requests.in_flight_until(now_ms) {
            Some(until_ms)
        } else {
            self.fetch_from_leader(now_ms, out)
        };
        earlier(Some(fetch_deadline_ms), next)
    }

    /// Sends a Fetch to some bootstrap server, which answers with the leader, unless a request is in flight already.
    pub(crate) fn fetch_from_any(&mut self, now_ms: i64, out: &mut Outbox) -> Option<i64> {
        if let Some(until_ms) = self.requests.in_flight_until(now_ms) {
            return Some(until_ms);
        }
        if !self.log.is_flushed() {
            return None;
        }
        let random = self.random.next();
        match self.requests.ready_bootstrap_server(now_ms, random) {
            Some(node) => {
                let request = Request::Fetch(self.fetch_request());
                self.send(now_ms, node, request, out)
            }
            None => self.requests.bootstrap_ready_at(now_ms),
        }
    }
}
