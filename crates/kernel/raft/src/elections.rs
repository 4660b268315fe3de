//! Votes and changes of epoch: Vote (KIP-595, pre-vote KIP-996), BeginQuorumEpoch, EndQuorumEpoch.

use crate::messages::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, QuorumError, QuorumInfo, Reply, Request, VoteRequest, VoteResponse,
};
use crate::roles::{Role, earlier};
use crate::{Effect, ElectionState, Endpoints, Outbox, Raft, ReplicaKey};

impl Raft {
    pub(crate) fn on_vote_request(&mut self, now_ms: i64, request_id: u64, request: &VoteRequest, out: &mut Outbox) {
        let granted = self.vote(now_ms, request, out);
        let response = VoteResponse {
            info: self.info(granted.err()),
            vote_granted: granted == Ok(true),
        };
        self.emit(
            Effect::Reply {
                request_id,
                reply: Reply::Vote(response),
            },
            out,
        );
    }

    fn vote(&mut self, now_ms: i64, request: &VoteRequest, out: &mut Outbox) -> Result<bool, QuorumError> {
        self.check_cluster(request.cluster_id.as_deref())?;
        let last = request.last_offset;
        // A candidate has raised its epoch above all that its log has; before a pre-vote it has not.
        let is_epoch_possible =
            last.epoch < request.replica_epoch || (request.pre_vote && last.epoch == request.replica_epoch);
        if last.offset < 0 || last.epoch < 0 || !is_epoch_possible {
            return Err(QuorumError::InvalidRequest);
        }
        self.check_voter_request(request.replica_key.id, request.replica_epoch)?;
        if request.replica_epoch > self.election.leader_epoch {
            self.become_unattached(now_ms, request.replica_epoch, None, out);
        }
        self.check_voter_key(request.voter_key.as_ref())?;
        let is_log_up_to_date = last >= self.log.end();
        let granted = self.can_grant_vote(&request.replica_key, is_log_up_to_date, request.pre_vote);
        if granted && !request.pre_vote && self.election.voted.is_none() {
            self.give_vote(now_ms, request.replica_key, out);
        }
        Ok(granted)
    }

    fn can_grant_vote(&self, candidate: &ReplicaKey, is_log_up_to_date: bool, pre_vote: bool) -> bool {
        match (&self.role, pre_vote) {
            (Role::Leader(_), _) => false,
            // Who hears from the leader does not want another.
            (Role::Follower(follower), true) => is_log_up_to_date && !follower.has_fetched,
            (_, true) => is_log_up_to_date,
            (Role::Unattached(_) | Role::Prospective(_), false) => {
                match (&self.election.voted, self.election.leader_id) {
                    (Some(voted), _) => voted.names(candidate),
                    (None, Some(_)) => false,
                    (None, None) => is_log_up_to_date,
                }
            }
            (Role::Follower(_) | Role::Candidate(_) | Role::Resigned(_), false) => false,
        }
    }

    fn give_vote(&mut self, now_ms: i64, candidate: ReplicaKey, out: &mut Outbox) {
        self.election = ElectionState {
            voted: Some(candidate),
            ..self.election
        };
        self.persist(out);
        // The candidate's chances are at least as good as ours: leave it time.
        let deadline_ms = now_ms + self.random.timeout_ms(self.config.election_timeout_ms);
        match &mut self.role {
            Role::Unattached(unattached) => unattached.election_deadline_ms = Some(deadline_ms),
            Role::Prospective(prospective) => prospective.election_deadline_ms = deadline_ms,
            Role::Candidate(_) | Role::Leader(_) | Role::Follower(_) | Role::Resigned(_) => {
                unreachable!("this role gives no vote")
            }
        }
    }

    pub(crate) fn send_vote_requests(
        &mut self,
        now_ms: i64,
        voters: Vec<i32>,
        pre_vote: bool,
        out: &mut Outbox,
    ) -> Option<i64> {
        // "My log ends here" must be true after a crash as well: who has given this replica its vote gives it again, in the
        // same epoch, without another look at the log.
        if !self.log.is_flushed() {
            return None;
        }
        let mut next = None;
        let local_id = self.local.id;
        for id in voters.into_iter().filter(|id| *id != local_id) {
            let voter_key = self
                .voters
                .last()
                .voters()
                .find(|voter| voter.key.id == id)
                .map(|voter| voter.key);
            let request = Request::Vote(VoteRequest {
                cluster_id: Some(self.config.cluster_id.clone()),
                voter_key,
                replica_key: self.local,
                replica_epoch: self.election.leader_epoch,
                last_offset: self.log.end(),
                pre_vote,
            });
            next = earlier(next, self.send_to_voter(now_ms, id, request, out));
        }
        next
    }

    pub(crate) fn on_vote_response(
        &mut self,
        now_ms: i64,
        from: i32,
        response: &VoteResponse,
        out: &mut Outbox,
    ) -> bool {
        if response.info.error == Some(QuorumError::UnsupportedVersion) {
            // A node before KIP-996: it can't be asked beforehand, so that must not stand in the way.
            if let Role::Prospective(prospective) = &mut self.role {
                prospective.votes.record(from, true);
            }
            return true;
        }
        if let Some(handled) = self.on_info(now_ms, &response.info, out) {
            return handled;
        }
        match &mut self.role {
            _ if response.info.error.is_some() => return false,
            Role::Prospective(prospective) => prospective.votes.record(from, response.vote_granted),
            Role::Candidate(candidate) => candidate.votes.record(from, response.vote_granted),
            Role::Unattached(_) | Role::Leader(_) | Role::Follower(_) | Role::Resigned(_) => {}
        }
        true
    }

    pub(crate) fn on_begin_quorum_epoch_request(
        &mut self,
        now_ms: i64,
        request_id: u64,
        request: &BeginQuorumEpochRequest,
        out: &mut Outbox,
    ) {
        let result = self
            .check_cluster(request.cluster_id.as_deref())
            .and_then(|()| self.check_voter_request(request.leader_id, request.leader_epoch))
            .and_then(|()| {
                self.learn(
                    now_ms,
                    Some(request.leader_id),
                    request.leader_epoch,
                    &request.leader_endpoints,
                    out,
                )
            })
            .and_then(|()| self.check_voter_key(request.voter_key.as_ref()));
        let reply = Reply::BeginQuorumEpoch(self.info(result.err()));
        self.emit(Effect::Reply { request_id, reply }, out);
    }

    /// That the leader fetches is its acknowledgement; the answer itself only tells of epochs.
    pub(crate) fn on_begin_quorum_epoch_response(&mut self, now_ms: i64, info: &QuorumInfo, out: &mut Outbox) -> bool {
        self.on_info(now_ms, info, out).unwrap_or(info.error.is_none())
    }

    pub(crate) fn on_end_quorum_epoch_request(
        &mut self,
        now_ms: i64,
        request_id: u64,
        request: &EndQuorumEpochRequest,
        out: &mut Outbox,
    ) {
        let result = self
            .check_cluster(request.cluster_id.as_deref())
            .and_then(|()| self.check_voter_request(request.leader_id, request.leader_epoch))
            .and_then(|()| {
                self.learn(
                    now_ms,
                    Some(request.leader_id),
                    request.leader_epoch,
                    &request.leader_endpoints,
                    out,
                )
            });
        if result.is_ok() {
            let backoff_ms = self.succession_backoff_ms(&request.preferred_candidates);
            if let Role::Follower(follower) = &mut self.role
                && follower.leader_id == request.leader_id
            {
                follower.fetch_deadline_ms = now_ms + backoff_ms;
            }
        }
        let reply = Reply::EndQuorumEpoch(self.info(result.err()));
        self.emit(Effect::Reply { request_id, reply }, out);
    }

    pub(crate) fn on_end_quorum_epoch_response(
        &mut self,
        now_ms: i64,
        from: i32,
        info: &QuorumInfo,
        out: &mut Outbox,
    ) -> bool {
        if let Some(handled) = self.on_info(now_ms, info, out) {
            return handled;
        }
        if let Role::Resigned(resigned) = &mut self.role
            && info.error.is_none()
        {
            resigned.unacknowledged.remove(&from);
        }
        info.error.is_none()
    }

    /// How long to wait before standing for election after the leader stepped down: the first in its list not at all, the
    /// others longer and longer, so that the most up-to-date voter is likely to win.
    fn succession_backoff_ms(&self, candidates: &[ReplicaKey]) -> i64 {
        let max_ms = self.config.election_backoff_max_ms;
        match candidates.iter().position(|candidate| candidate.names(&self.local)) {
            Some(0) => 0,
            Some(position) => {
                let base_ms = max_ms >> (candidates.len() - 1).min(62);
                let factor = 1_i64 << (position - 1).min(30);
                base_ms.saturating_mul(factor).min(max_ms)
            }
            None if candidates.is_empty() => 0,
            None => max_ms,
        }
    }

    pub(crate) fn check_cluster(&self, cluster_id: Option<&str>) -> Result<(), QuorumError> {
        match cluster_id {
            Some(id) if id != self.config.cluster_id => Err(QuorumError::InconsistentClusterId),
            _ => Ok(()),
        }
    }

    fn check_voter_request(&self, remote_id: i32, epoch: i32) -> Result<(), QuorumError> {
        if epoch < self.election.leader_epoch {
            Err(QuorumError::FencedLeaderEpoch)
        } else if remote_id < 0 || remote_id == self.local.id {
            Err(QuorumError::InvalidRequest)
        } else {
            Ok(())
        }
    }

    fn check_voter_key(&self, voter_key: Option<&ReplicaKey>) -> Result<(), QuorumError> {
        match voter_key {
            Some(key) if !key.names(&self.local) => Err(QuorumError::InvalidVoterKey),
            _ => Ok(()),
        }
    }

    /// What an answer says of epoch and leader. Some: the answer is done with, successfully or not.
    pub(crate) fn on_info(&mut self, now_ms: i64, info: &QuorumInfo, out: &mut Outbox) -> Option<bool> {
        let epoch = info.leader.epoch;
        let leader_id = info.leader.leader_id;
        let endpoint = info
            .leader_endpoint
            .clone()
            .map(|endpoint| (self.config.listener.clone(), endpoint));
        let endpoints: Endpoints = endpoint.into_iter().collect();
        match info.error {
            Some(QuorumError::InconsistentClusterId) => return Some(false),
            _ if epoch < self.election.leader_epoch => return Some(true),
            Some(QuorumError::UnknownLeaderEpoch) => return Some(true),
            Some(QuorumError::FencedLeaderEpoch | QuorumError::NotLeaderOrFollower) => {
                let known = self.election;
                let is_accepted = self.learn(now_ms, leader_id, epoch, &endpoints, out).is_ok();
                // Without news the same request would get the same answer, again and again: pause.
                return Some(is_accepted && self.election != known);
            }
            _ if epoch > self.election.leader_epoch => {
                return Some(self.learn(now_ms, leader_id, epoch, &endpoints, out).is_ok());
            }
            _ => {}
        }
        if leader_id.is_some() && self.election.leader_id.is_none() {
            // An observer learns of the leader by its Fetch, and may use what came with it.
            if self.learn(now_ms, leader_id, epoch, &endpoints, out).is_err() || info.error.is_some() {
                return Some(info.error.is_some());
            }
        }
        match info.error {
            Some(QuorumError::BrokerNotAvailable | QuorumError::InvalidRequest) => Some(false),
            Some(QuorumError::InvalidVoterKey) => Some(true),
            _ => None,
        }
    }

    /// Takes over epoch and leader from another replica, if they are news.
    fn learn(
        &mut self,
        now_ms: i64,
        leader_id: Option<i32>,
        epoch: i32,
        endpoints: &Endpoints,
        out: &mut Outbox,
    ) -> Result<(), QuorumError> {
        let known = self.election;
        let contradicts = match leader_id {
            Some(leader) if leader == self.local.id => !(epoch == known.leader_epoch && self.leads()),
            Some(leader) => epoch == known.leader_epoch && known.leader_id.is_some_and(|known| known != leader),
            None => false,
        };
        if contradicts {
            return Err(QuorumError::InvalidRequest);
        }
        let endpoints = match leader_id {
            Some(leader) if endpoints.is_empty() => self.voters.last().listeners(leader),
            _ => endpoints.clone(),
        };
        let can_follow_now = endpoints.contains_key(&self.config.listener)
            && matches!(
                self.role,
                Role::Unattached(_) | Role::Prospective(_) | Role::Candidate(_)
            );
        if epoch > known.leader_epoch || (leader_id.is_some() && (known.leader_id.is_none() || can_follow_now)) {
            self.become_follower_or_unattached(now_ms, epoch, leader_id, endpoints, out);
        }
        Ok(())
    }

    pub(crate) fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }
}
