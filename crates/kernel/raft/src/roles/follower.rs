//! Follower: knows the leader of its epoch and fetches from it.

use super::{Polled, Role, earlier};
use crate::messages::{FetchRequest, FetchSnapshotRequest, Request};
use crate::{Endpoint, Endpoints, Node, OffsetAndEpoch, Outbox, Raft};

#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) leader_id: i32,
    pub(crate) leader_endpoints: Endpoints,
    pub(crate) fetch_deadline_ms: i64,
    /// Whether the leader ever answered in this epoch; until then it would not refuse a pre-vote.
    pub(crate) has_fetched: bool,
    pub(crate) fetching_snapshot: Option<FetchingSnapshot>,
    /// What the leader said last. What lies above our durable log counts once it is durable here too.
    pub(crate) leader_high_watermark: i64,
}

#[derive(Debug)]
pub(crate) struct FetchingSnapshot {
    pub(crate) id: OffsetAndEpoch,
    pub(crate) position: i64,
}

impl Follower {
    pub(crate) fn leader_endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.leader_endpoints.get(listener)
    }
}

impl Raft {
    pub(crate) fn poll_follower(&mut self, now_ms: i64, out: &mut Outbox) -> Polled {
        let Role::Follower(follower) = &self.role else {
            unreachable!("polled as follower")
        };
        let deadline = follower.fetch_deadline_ms;
        if !self.is_voter() {
            return Polled::Until(self.poll_follower_as_observer(now_ms, deadline, out));
        }
        if self.shutting_down {
            return Polled::Until(None);
        }
        if deadline <= now_ms {
            self.become_prospective(now_ms, out);
            return Polled::Again;
        }
        Polled::Until(earlier(Some(deadline), self.fetch_from_leader(now_ms, out)))
    }

    /// Sends the next Fetch or FetchSnapshot if it is time for it; otherwise says when it will be.
    pub(crate) fn fetch_from_leader(&mut self, now_ms: i64, out: &mut Outbox) -> Option<i64> {
        let Role::Follower(follower) = &self.role else {
            unreachable!("only a follower fetches from a leader")
        };
        // A Fetch says "I have all below this offset for good", so it waits for what was appended to be synced.
        let is_busy = !self.log.is_flushed();
        let endpoint = follower.leader_endpoint(&self.config.listener)?.clone();
        let to = Node {
            id: follower.leader_id,
            endpoint,
        };
        let request = match &follower.fetching_snapshot {
            _ if is_busy => return None,
            Some(snapshot) => Request::FetchSnapshot(FetchSnapshotRequest {
                cluster_id: Some(self.config.cluster_id.clone()),
                replica_key: self.local,
                current_leader_epoch: self.election.leader_epoch,
                snapshot_id: snapshot.id,
                position: snapshot.position,
                max_bytes: self.config.fetch_snapshot_max_bytes,
            }),
            None => Request::Fetch(self.fetch_request()),
        };
        self.send(now_ms, to, request, out)
    }

    pub(crate) fn fetch_request(&self) -> FetchRequest {
        let end = self.log.end();
        FetchRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            replica_key: self.local,
            current_leader_epoch: self.election.leader_epoch,
            fetch_offset: end.offset,
            last_fetched_epoch: end.epoch,
            high_watermark: self.high_watermark.unwrap_or(-1),
            max_wait_ms: self.config.fetch_max_wait_ms,
            max_bytes: self.config.fetch_max_bytes,
        }
    }
}
