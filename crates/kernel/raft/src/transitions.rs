//! From role to role. The election state that goes with a role is persisted before anything else leaves.

use crate::messages::{LeaderAndEpoch, QuorumError, QuorumInfo, Request};
use crate::roles::{
    Role, candidate::Candidate, follower::Follower, leader::Leader, prospective::Prospective, resigned::Resigned,
    unattached::Unattached, votes::Votes,
};
use crate::{
    Batch, ControlRecord, Effect, ElectionState, Endpoints, LeaderChange, Node, Outbox, Raft, VoterNode, control,
};

/// Highest kraft.version that this implementation supports.
const MAX_KRAFT_VERSION: i16 = 1;

impl Raft {
    /// The role after a start.
    pub(crate) fn resume(&mut self, now_ms: i64, out: &mut Outbox) {
        let log_epoch = self.log.end().epoch;
        let saved = self.election;
        if saved.leader_epoch < log_epoch {
            self.enter_unattached(
                now_ms,
                ElectionState {
                    leader_epoch: log_epoch,
                    ..ElectionState::default()
                },
                out,
            );
        } else if saved.leader_id == Some(self.local.id) {
            // It may have lost records of this epoch that others have, so it must not lead or vote in it again.
            self.enter_resigned(now_ms, Vec::new(), out);
        } else if saved.leader_id.is_none()
            && saved.voted.is_some_and(|voted| voted.names(&self.local))
            && self.is_voter()
        {
            let election_deadline_ms = now_ms + self.random.timeout_ms(self.config.election_timeout_ms);
            let candidate = Candidate {
                votes: Votes::of(self.voters.last()),
                election_deadline_ms,
            };
            self.enter(saved, Role::Candidate(candidate), out);
        } else {
            let endpoints = saved
                .leader_id
                .map(|id| self.voters.last().listeners(id))
                .unwrap_or_default();
            self.become_follower_or_unattached(now_ms, saved.leader_epoch, saved.leader_id, endpoints, out);
        }
        // A lone voter has nobody to ask and nobody to wait for.
        if self.voters.last().is_only_voter(&self.local) && !matches!(self.role, Role::Candidate(_)) {
            self.become_candidate(now_ms, out);
        }
    }

    /// Follows the leader if it is known where it listens; otherwise waits unattached.
    pub(crate) fn become_follower_or_unattached(
        &mut self,
        now_ms: i64,
        epoch: i32,
        leader_id: Option<i32>,
        endpoints: Endpoints,
        out: &mut Outbox,
    ) {
        match leader_id {
            Some(leader_id) if endpoints.contains_key(&self.config.listener) => {
                let follower = Follower {
                    leader_id,
                    leader_endpoints: endpoints,
                    fetch_deadline_ms: now_ms + self.config.fetch_timeout_ms,
                    has_fetched: false,
                    fetching_snapshot: None,
                    leader_high_watermark: -1,
                };
                self.enter(self.election_in(epoch, Some(leader_id)), Role::Follower(follower), out);
            }
            _ => self.become_unattached(now_ms, epoch, leader_id, out),
        }
    }

    pub(crate) fn become_unattached(&mut self, now_ms: i64, epoch: i32, leader_id: Option<i32>, out: &mut Outbox) {
        self.enter_unattached(now_ms, self.election_in(epoch, leader_id), out);
    }

    /// Only called by a voter.
    pub(crate) fn become_prospective(&mut self, now_ms: i64, out: &mut Outbox) {
        let leader_endpoints = match &self.role {
            Role::Follower(follower) => follower.leader_endpoints.clone(),
            _ => Endpoints::new(),
        };
        let mut votes = Votes::of(self.voters.last());
        votes.record(self.local.id, true);
        let election_deadline_ms = now_ms + self.random.timeout_ms(self.config.election_timeout_ms);
        // A leader that is not this replica stays known: in this epoch there is no other.
        let leader_id = self.election.leader_id.filter(|leader| *leader != self.local.id);
        let election = ElectionState {
            leader_id,
            ..self.election
        };
        self.enter(
            election,
            Role::Prospective(Prospective {
                votes,
                election_deadline_ms,
                leader_endpoints,
            }),
            out,
        );
    }

    pub(crate) fn become_candidate(&mut self, now_ms: i64, out: &mut Outbox) {
        let election_deadline_ms = now_ms + self.random.timeout_ms(self.config.election_timeout_ms);
        let candidate = Candidate {
            votes: Votes::of(self.voters.last()),
            election_deadline_ms,
        };
        let leader_epoch = self.election.leader_epoch + 1;
        let election = ElectionState {
            leader_epoch,
            leader_id: None,
            voted: Some(self.local),
        };
        self.enter(election, Role::Candidate(candidate), out);
    }

    pub(crate) fn become_leader(&mut self, now_ms: i64, out: &mut Outbox) {
        let Role::Candidate(candidate) = &self.role else {
            unreachable!("only a candidate is elected")
        };
        let granting_voters = candidate.votes.granting().collect();
        let epoch_start_offset = self.log.end_offset();
        let leader = Leader::new(
            self.voters.last(),
            epoch_start_offset,
            now_ms + self.check_quorum_timeout_ms(),
        );
        let election = ElectionState {
            leader_id: Some(self.local.id),
            voted: None,
            ..self.election
        };
        self.enter(election, Role::Leader(Box::new(leader)), out);
        let batch = self.start_of_epoch(now_ms, granting_voters);
        self.append_as_leader(vec![batch], out);
    }

    /// The first batch of an epoch. It lets the leader commit what its predecessors left; in a dynamic quorum it also brings
    /// the voters from the bootstrap checkpoint, which is never replicated, into the log, and corrects the leader's own entry.
    fn start_of_epoch(&self, now_ms: i64, granting_voters: Vec<i32>) -> Batch {
        let voters = self.voters.last();
        let leader_change = LeaderChange {
            leader_id: self.local.id,
            voters: voters.ids().collect(),
            granting_voters,
        };
        let mut records = vec![ControlRecord::LeaderChange(leader_change)];
        let kraft_version = self.voters.kraft_version();
        let local = VoterNode {
            key: self.local,
            listeners: self.config.listeners.clone(),
            min_kraft_version: 0,
            max_kraft_version: MAX_KRAFT_VERSION,
        };
        if kraft_version > 0 && (self.voters.last_offset() == Some(-1) || voters.needs_update(&local)) {
            records.push(ControlRecord::KRaftVersion(kraft_version));
            records.push(ControlRecord::Voters(voters.updated(local)));
        }
        control::encode_control_batch(self.log.end_offset(), self.election.leader_epoch, now_ms, records)
    }

    pub(crate) fn become_resigned(&mut self, now_ms: i64, out: &mut Outbox) {
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader resigns")
        };
        let successors = leader.successors(self.local.id);
        self.enter_resigned(now_ms, successors, out);
    }

    fn enter_resigned(&mut self, now_ms: i64, preferred_successors: Vec<crate::ReplicaKey>, out: &mut Outbox) {
        let resigned = Resigned {
            election_deadline_ms: now_ms + self.random.timeout_ms(self.config.election_timeout_ms),
            unacknowledged: self.voters.last().ids().filter(|id| *id != self.local.id).collect(),
            preferred_successors,
        };
        self.enter(self.election, Role::Resigned(resigned), out);
    }

    fn enter_unattached(&mut self, now_ms: i64, election: ElectionState, out: &mut Outbox) {
        let left = match &self.role {
            Role::Unattached(unattached) => unattached.election_deadline_ms,
            Role::Prospective(prospective) => Some(prospective.election_deadline_ms),
            Role::Candidate(candidate) => Some(candidate.election_deadline_ms),
            Role::Follower(follower) => Some(follower.fetch_deadline_ms),
            Role::Leader(_) | Role::Resigned(_) => None,
        };
        let fresh = now_ms + self.random.timeout_ms(self.config.election_timeout_ms);
        let deadline_ms = left.filter(|deadline| *deadline > now_ms).unwrap_or(fresh);
        let election_deadline_ms = self.is_voter().then_some(deadline_ms);
        self.enter(election, Role::Unattached(Unattached { election_deadline_ms }), out);
    }

    /// The vote given in this epoch stays; a new epoch has none yet.
    fn election_in(&self, epoch: i32, leader_id: Option<i32>) -> ElectionState {
        assert!(
            epoch >= self.election.leader_epoch,
            "epoch {epoch} after {}",
            self.election.leader_epoch
        );
        let voted = self.election.voted.filter(|_| epoch == self.election.leader_epoch);
        ElectionState {
            leader_epoch: epoch,
            leader_id,
            voted,
        }
    }

    fn enter(&mut self, election: ElectionState, role: Role, out: &mut Outbox) {
        let parked = match &mut self.role {
            Role::Leader(leader) => std::mem::take(&mut leader.parked),
            _ => Default::default(),
        };
        self.role = role;
        self.election = election;
        self.requests.reset_all();
        self.persist(out);
        for request_id in parked.into_keys() {
            self.refuse_fetch(request_id, QuorumError::NotLeaderOrFollower, out);
        }
        self.announce(out);
    }

    /// Asks to persist the election state if that has changed.
    pub(crate) fn persist(&mut self, out: &mut Outbox) {
        if self.persist_requested != self.election {
            self.persist_requested = self.election;
            self.emit(Effect::PersistQuorumState(self.election), out);
        }
    }

    /// Tells of a change of leader. This replica's own leadership counts from the first record of its epoch that is committed.
    pub(crate) fn announce(&mut self, out: &mut Outbox) {
        let leads = matches!(&self.role, Role::Leader(leader) if leader.high_watermark.is_some());
        let leader_id = self
            .election
            .leader_id
            .filter(|leader| *leader != self.local.id || leads);
        let current = LeaderAndEpoch {
            leader_id,
            epoch: self.election.leader_epoch,
        };
        if current != self.announced {
            self.announced = current;
            self.emit(Effect::LeaderChange(current), out);
        }
    }

    pub(crate) fn check_quorum_timeout_ms(&self) -> i64 {
        self.config.fetch_timeout_ms * 3 / 2
    }

    /// What goes with every answer.
    pub(crate) fn info(&self, error: Option<QuorumError>) -> QuorumInfo {
        let leader_endpoint = match (&self.role, self.election.leader_id) {
            (_, Some(leader)) if leader == self.local.id => self.config.listeners.get(&self.config.listener),
            (Role::Follower(follower), Some(_)) => follower.leader_endpoint(&self.config.listener),
            (_, Some(leader)) => self.voters.last().endpoint(leader, &self.config.listener),
            (_, None) => None,
        };
        QuorumInfo {
            error,
            leader: self.leader_and_epoch(),
            leader_endpoint: leader_endpoint.cloned(),
        }
    }

    /// Sends a request unless one is in flight or the node is given a rest; says when to look again.
    pub(crate) fn send(&mut self, now_ms: i64, to: Node, request: Request, out: &mut Outbox) -> Option<i64> {
        if let Some(ready_ms) = self.requests.ready_at(to.id, now_ms) {
            return Some(ready_ms);
        }
        let correlation_id = self.requests.sent(to.id, now_ms);
        let again_ms = self.requests.ready_at(to.id, now_ms);
        self.emit(
            Effect::Send {
                to,
                correlation_id,
                request,
            },
            out,
        );
        again_ms
    }

    pub(crate) fn send_to_voter(&mut self, now_ms: i64, id: i32, request: Request, out: &mut Outbox) -> Option<i64> {
        let endpoint = self.voters.last().endpoint(id, &self.config.listener)?.clone();
        self.send(now_ms, Node { id, endpoint }, request, out)
    }
}
