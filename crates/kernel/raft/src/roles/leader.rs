//! Leader: appends, answers fetches, and says what is committed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Polled, Role, earlier};
use crate::messages::{BeginQuorumEpochRequest, FetchRequest, Request};
use crate::{Outbox, Raft, ReplicaKey, VoterSet};

/// Observers that did not fetch for so long are forgotten.
pub(crate) const OBSERVER_SESSION_TIMEOUT_MS: i64 = 300_000;

/// Most observers that are remembered and whose fetches are parked; others are answered at once. Bounds memory against made-up ids.
pub(crate) const MAX_OBSERVERS: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) epoch_start_offset: i64,
    pub(crate) voters: BTreeMap<i32, ReplicaState>,
    pub(crate) observers: BTreeMap<ReplicaKey, ReplicaState>,
    /// None until a record of this epoch is committed: before that nothing is known to be.
    pub(crate) high_watermark: Option<i64>,
    pub(crate) check_quorum_deadline_ms: i64,
    fetched_voters: BTreeSet<i32>,
    pub(crate) parked: BTreeMap<u64, ParkedFetch>,
    pub(crate) resign_requested: bool,
}

/// How far a replica has got.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaState {
    pub(crate) key: ReplicaKey,
    /// End of its durable log; none until it has said so in this epoch.
    pub(crate) end_offset: Option<i64>,
    pub(crate) last_fetch_ms: i64,
    pub(crate) last_caught_up_ms: i64,
    leader_end_offset_at_last_fetch: i64,
    last_begin_sent_ms: i64,
}

/// A Fetch that found nothing new and waits for it.
#[derive(Clone, Debug)]
pub(crate) struct ParkedFetch {
    pub(crate) request: FetchRequest,
    pub(crate) deadline_ms: i64,
}

impl ReplicaState {
    pub(crate) fn new(key: ReplicaKey) -> Self {
        ReplicaState {
            key,
            end_offset: None,
            last_fetch_ms: -1,
            last_caught_up_ms: -1,
            leader_end_offset_at_last_fetch: -1,
            last_begin_sent_ms: i64::MIN / 2,
        }
    }

    fn fetched(&mut self, now_ms: i64, fetch_offset: i64, leader_end_offset: i64) {
        if fetch_offset >= leader_end_offset {
            self.last_caught_up_ms = self.last_caught_up_ms.max(now_ms);
        } else if self.leader_end_offset_at_last_fetch > 0 && fetch_offset >= self.leader_end_offset_at_last_fetch {
            self.last_caught_up_ms = self.last_caught_up_ms.max(self.last_fetch_ms);
        }
        self.leader_end_offset_at_last_fetch = leader_end_offset;
        self.last_fetch_ms = self.last_fetch_ms.max(now_ms);
        self.end_offset = Some(fetch_offset);
    }
}

impl Leader {
    pub(crate) fn new(voters: &VoterSet, epoch_start_offset: i64, check_quorum_deadline_ms: i64) -> Self {
        Leader {
            epoch_start_offset,
            voters: voters
                .voters()
                .map(|voter| (voter.key.id, ReplicaState::new(voter.key)))
                .collect(),
            observers: BTreeMap::new(),
            high_watermark: None,
            check_quorum_deadline_ms,
            fetched_voters: BTreeSet::new(),
            parked: BTreeMap::new(),
            resign_requested: false,
        }
    }

    fn voter_mut(&mut self, key: &ReplicaKey) -> Option<&mut ReplicaState> {
        self.voters.get_mut(&key.id).filter(|state| state.key.names(key))
    }

    /// Takes note of a Fetch. Says whether the replica is tracked: a voter, or one of not too many observers.
    pub(crate) fn note_fetch(
        &mut self,
        key: &ReplicaKey,
        now_ms: i64,
        fetch_offset: i64,
        leader_end_offset: i64,
    ) -> bool {
        if let Some(voter) = self.voter_mut(key) {
            voter.fetched(now_ms, fetch_offset, leader_end_offset);
            return true;
        }
        if key.id < 0 {
            return false;
        }
        self.observers
            .retain(|_, state| now_ms - state.last_fetch_ms < OBSERVER_SESSION_TIMEOUT_MS);
        if self.observers.len() >= MAX_OBSERVERS && !self.observers.contains_key(key) {
            return false;
        }
        let observer = self.observers.entry(*key).or_insert_with(|| ReplicaState::new(*key));
        observer.fetched(now_ms, fetch_offset, leader_end_offset);
        true
    }

    /// A voter made itself heard; when a majority has, the patience with the quorum starts anew.
    pub(crate) fn note_alive(&mut self, key: &ReplicaKey, local_id: i32, now_ms: i64, check_quorum_timeout_ms: i64) {
        if self.voter_mut(key).is_some() {
            self.fetched_voters.insert(key.id);
        }
        let leader_counts = usize::from(self.voters.contains_key(&local_id));
        if self.fetched_voters.len() + leader_counts > self.voters.len() / 2 {
            self.fetched_voters.clear();
            self.check_quorum_deadline_ms = now_ms + check_quorum_timeout_ms;
        }
    }

    /// The largest offset that a majority of voters has for good, if that commits a record of this epoch.
    ///
    /// Records of older epochs count only together with one of this epoch: a majority that has them is not yet a majority
    /// that would refuse its vote to a candidate without them.
    pub(crate) fn committed_offset(&self) -> Option<i64> {
        let mut ends: Vec<Option<i64>> = self.voters.values().map(|state| state.end_offset).collect();
        ends.sort_unstable();
        let on_majority = ends[(ends.len() - 1) / 2]?;
        (on_majority > self.epoch_start_offset).then_some(on_majority)
    }

    /// The other voters, those with the longest logs first.
    pub(crate) fn successors(&self, local_id: i32) -> Vec<ReplicaKey> {
        let mut others: Vec<&ReplicaState> = self.voters.values().filter(|state| state.key.id != local_id).collect();
        others.sort_by_key(|state| (std::cmp::Reverse(state.end_offset), state.key));
        others.iter().map(|state| state.key).collect()
    }
}

impl Raft {
    pub(crate) fn poll_leader(&mut self, now_ms: i64, out: &mut Outbox) -> Polled {
        let Role::Leader(leader) = &self.role else {
            unreachable!("polled as leader")
        };
        let check_quorum = (leader.voters.len() > 1).then_some(leader.check_quorum_deadline_ms);
        if self.shutting_down || leader.resign_requested || check_quorum.is_some_and(|deadline| deadline <= now_ms) {
            self.become_resigned(now_ms, out);
            return Polled::Again;
        }
        self.expire_parked(now_ms, out);
        let begin = self.send_begin_quorum_epoch(now_ms, out);
        let Role::Leader(leader) = &self.role else {
            unreachable!("nothing above changes the role")
        };
        let parked = leader.parked.values().map(|fetch| fetch.deadline_ms).min();
        Polled::Until(earlier(check_quorum, earlier(begin, parked)))
    }

    /// Makes the leader known to voters that do not fetch. Says when to do so again.
    fn send_begin_quorum_epoch(&mut self, now_ms: i64, out: &mut Outbox) -> Option<i64> {
        let interval_ms = self.config.fetch_timeout_ms / 2;
        let local_id = self.local.id;
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("polled as leader")
        };
        let mut due = Vec::new();
        let mut next = None;
        for state in leader.voters.values_mut().filter(|state| state.key.id != local_id) {
            let heard_ms = if state.last_fetch_ms < 0 {
                i64::MIN / 2
            } else {
                state.last_fetch_ms
            };
            let at_ms = heard_ms.max(state.last_begin_sent_ms) + interval_ms;
            if at_ms <= now_ms && self.requests.ready_at(state.key.id, now_ms).is_none() {
                state.last_begin_sent_ms = now_ms;
                due.push(state.key);
                next = earlier(next, Some(now_ms + interval_ms));
            } else {
                let ready_ms = self.requests.ready_at(state.key.id, now_ms).unwrap_or(at_ms);
                next = earlier(next, Some(at_ms.max(ready_ms)));
            }
        }
        for key in due {
            let request = Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
                cluster_id: Some(self.config.cluster_id.clone()),
                voter_key: Some(key),
                leader_id: local_id,
                leader_epoch: self.election.leader_epoch,
                leader_endpoints: self.config.listeners.clone(),
            });
            self.send_to_voter(now_ms, key.id, request, out);
        }
        next
    }
}
