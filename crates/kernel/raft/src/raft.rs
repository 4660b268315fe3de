//! The replica: its state, its events, and the loop that lets the role act.

use crate::messages::{LeaderAndEpoch, Request, Response};
use crate::outbox::Gate;
use crate::random::Random;
use crate::requests::RequestManager;
use crate::roles::{Polled, Role, unattached::Unattached};
use crate::voter_set::VoterSetHistory;
use crate::{
    Batch, ControlRecord, Effect, ElectionState, LogView, OffsetAndEpoch, Outbox, RaftConfig, ReplicaKey, VoterSet,
};

/// What a replica finds on its disk.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Content of the quorum-state file, if there is one.
    pub election: Option<ElectionState>,
    /// The log.
    pub log: LogView,
    /// `controller.quorum.voters`; empty in a dynamic quorum.
    pub static_voters: VoterSet,
    /// The control records of the newest snapshot, at the offset of its last contained record, then those of the log.
    pub control_records: Vec<(i64, ControlRecord)>,
}

/// Why records can't be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// This replica does not lead that epoch (any longer).
    #[error("this node does not lead epoch {epoch}")]
    NotLeader {
        /// The epoch that the records were meant for.
        epoch: i32,
    },
}

/// The role of a replica, as Kafka names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Kafka's names; each role's module says what it is")]
pub enum RoleName {
    Unattached,
    Prospective,
    Candidate,
    Leader,
    Follower,
    Resigned,
}

/// What DescribeQuorum says of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaDescription {
    /// Who.
    pub key: ReplicaKey,
    /// End of its log; -1 when unknown.
    pub log_end_offset: i64,
    /// When it last fetched, milliseconds; -1 when unknown.
    pub last_fetch_timestamp_ms: i64,
    /// When it last had all that the leader had; -1 when unknown.
    pub last_caught_up_timestamp_ms: i64,
}

/// What DescribeQuorum says; only the leader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The leader and its epoch.
    pub leader: LeaderAndEpoch,
    /// -1 when unknown.
    pub high_watermark: i64,
    /// All voters.
    pub voters: Vec<ReplicaDescription>,
    /// Replicas without a vote that fetched lately.
    pub observers: Vec<ReplicaDescription>,
}

/// One replica of the quorum.
///
/// Promises - votes, leadership, fetch positions - leave only after what they rest on is durable: effects that follow a
/// [`Effect::PersistQuorumState`] are kept back until [`Raft::on_state_persisted`], a follower's next Fetch and a candidate's
/// requests for votes until [`Raft::on_log_flushed`], and no replica counts itself towards the high watermark before that. A
/// crash at any point is thus an ordinary restart.
#[derive(Debug)]
pub struct Raft {
    pub(crate) config: RaftConfig,
    pub(crate) local: ReplicaKey,
    pub(crate) random: Random,
    pub(crate) election: ElectionState,
    pub(crate) persist_requested: ElectionState,
    pub(crate) announced: LeaderAndEpoch,
    pub(crate) role: Role,
    pub(crate) voters: VoterSetHistory,
    pub(crate) log: LogView,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) requests: RequestManager,
    pub(crate) gate: Gate,
    pub(crate) shutting_down: bool,
    deadline_ms: Option<i64>,
}

impl Raft {
    /// A replica with what it found on disk. It does nothing before [`Raft::on_start`].
    pub fn new(config: RaftConfig, recovered: Recovered, seed: u64) -> Self {
        let mut voters = VoterSetHistory::new(recovered.static_voters);
        for (offset, record) in &recovered.control_records {
            voters.add(*offset, record);
        }
        let bootstrap: Vec<_> = match config.bootstrap_servers.is_empty() {
            true => voters
                .last()
                .voters()
                .filter_map(|voter| voter.listeners.get(&config.listener))
                .cloned()
                .collect(),
            false => config.bootstrap_servers.clone(),
        };
        let election = recovered.election.unwrap_or_default();
        Raft {
            local: config.local_key(),
            random: Random(seed),
            election,
            persist_requested: election,
            announced: LeaderAndEpoch {
                leader_id: None,
                epoch: 0,
            },
            role: Role::Unattached(Unattached {
                election_deadline_ms: None,
            }),
            voters,
            // A snapshot contains only what was committed.
            high_watermark: recovered
                .log
                .latest_snapshot()
                .map(|id| id.offset)
                .filter(|offset| *offset > 0),
            log: recovered.log,
            requests: RequestManager::new(&bootstrap, config.request_timeout_ms, config.retry_backoff_ms),
            gate: Gate::default(),
            shutting_down: false,
            deadline_ms: None,
            config,
        }
    }

    /// Begins in the role that the disk tells of. A lone voter stands for election at once.
    pub fn on_start(&mut self, now_ms: i64, out: &mut Outbox) {
        self.resume(now_ms, out);
        self.poll(now_ms, out);
    }

    /// Lets time pass. Call it at [`Raft::next_deadline`]; earlier does no harm.
    pub fn tick(&mut self, now_ms: i64, out: &mut Outbox) {
        self.poll(now_ms, out);
    }

    /// When [`Raft::tick`] has something to do, milliseconds; never while nothing else happens, if none.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadline_ms
    }

    /// A request of another replica. The answer comes as [`Effect::Reply`] with this id, a Fetch's perhaps later.
    pub fn on_request(&mut self, now_ms: i64, request_id: u64, request: Request, out: &mut Outbox) {
        match request {
            Request::Vote(request) => self.on_vote_request(now_ms, request_id, &request, out),
            Request::BeginQuorumEpoch(request) => self.on_begin_quorum_epoch_request(now_ms, request_id, &request, out),
            Request::EndQuorumEpoch(request) => self.on_end_quorum_epoch_request(now_ms, request_id, &request, out),
            Request::Fetch(request) => self.on_fetch_request(now_ms, request_id, request, out),
            Request::FetchSnapshot(request) => self.on_fetch_snapshot_request(now_ms, request_id, &request, out),
        }
        self.poll(now_ms, out);
    }

    /// The answer to a request of ours. One that is no longer waited for is ignored.
    pub fn on_response(&mut self, now_ms: i64, from: i32, correlation_id: u64, response: Response, out: &mut Outbox) {
        if self.requests.is_expected(from, correlation_id) {
            let success = match response {
                Response::Vote(response) => self.on_vote_response(now_ms, from, &response, out),
                Response::BeginQuorumEpoch(info) => self.on_begin_quorum_epoch_response(now_ms, &info, out),
                Response::EndQuorumEpoch(info) => self.on_end_quorum_epoch_response(now_ms, from, &info, out),
                Response::Fetch(answer) => self.on_fetch_response(now_ms, answer, out),
                Response::FetchSnapshot(answer) => self.on_fetch_snapshot_response(now_ms, answer, out),
            };
            self.requests.answered(from, correlation_id, success, now_ms);
        }
        self.poll(now_ms, out);
    }

    /// A request of ours could not be sent, or its answer could not be read.
    pub fn on_request_failed(&mut self, now_ms: i64, from: i32, correlation_id: u64, out: &mut Outbox) {
        self.requests.answered(from, correlation_id, false, now_ms);
        self.poll(now_ms, out);
    }

    /// The quorum state that was asked to be persisted is durable.
    pub fn on_state_persisted(&mut self, now_ms: i64, out: &mut Outbox) {
        self.gate.persisted(out);
        self.poll(now_ms, out);
    }

    /// The log is durable up to this offset (exclusive).
    pub fn on_log_flushed(&mut self, now_ms: i64, end_offset: i64, out: &mut Outbox) {
        self.log.flushed(end_offset);
        match self.role {
            Role::Leader(_) => self.update_local_end(out),
            Role::Follower(_) => self.update_follower_high_watermark(out),
            Role::Unattached(_) | Role::Prospective(_) | Role::Candidate(_) | Role::Resigned(_) => {}
        }
        self.poll(now_ms, out);
    }

    /// Appends batches as the leader of `epoch`. The first continues the log at [`LogView::end_offset`].
    ///
    /// They are committed when [`Effect::CommittedUpTo`] passes them; if this replica loses its leadership first, their fate is open.
    ///
    /// # Errors
    /// [`AppendError::NotLeader`]: nothing was appended.
    pub fn on_append(
        &mut self,
        now_ms: i64,
        epoch: i32,
        batches: Vec<Batch>,
        out: &mut Outbox,
    ) -> Result<(), AppendError> {
        let leads = matches!(&self.role, Role::Leader(leader) if !leader.resign_requested);
        if !leads || self.election.leader_epoch != epoch || self.shutting_down {
            return Err(AppendError::NotLeader { epoch });
        }
        self.append_as_leader(batches, out);
        self.poll(now_ms, out);
        Ok(())
    }

    /// This replica wrote a snapshot of its own and it is durable.
    pub fn on_snapshot_written(&mut self, id: OffsetAndEpoch, size: u64) {
        self.log.add_snapshot(id, size);
        self.voters.truncate_old(id.offset - 1);
    }

    /// All snapshots before this one and the log before its offset were deleted.
    pub fn on_log_cleaned(&mut self, oldest: OffsetAndEpoch) {
        self.log.delete_before(oldest);
    }

    /// Steps down as leader of `epoch`; another voter takes over. A lone voter is elected again.
    pub fn on_resign(&mut self, now_ms: i64, epoch: i32, out: &mut Outbox) {
        if let Role::Leader(leader) = &mut self.role
            && self.election.leader_epoch == epoch
        {
            leader.resign_requested = true;
        }
        self.poll(now_ms, out);
    }

    /// The node is about to stop: hands over leadership and stands for election no more.
    pub fn on_shutdown(&mut self, now_ms: i64, out: &mut Outbox) {
        self.shutting_down = true;
        self.poll(now_ms, out);
    }

    /// Whether the node may stop: nobody waits for this replica to hand over.
    pub fn is_shut_down(&self) -> bool {
        let handed_over = self.election.leader_id.is_some_and(|leader| leader != self.local.id);
        self.shutting_down && (!self.is_voter() || self.voters.last().is_only_voter(&self.local) || handed_over)
    }

    pub(crate) fn poll(&mut self, now_ms: i64, out: &mut Outbox) {
        loop {
            let polled = match &self.role {
                Role::Unattached(unattached) => self.poll_unattached(now_ms, unattached.election_deadline_ms, out),
                Role::Prospective(_) => self.poll_prospective(now_ms, out),
                Role::Candidate(_) => self.poll_candidate(now_ms, out),
                Role::Leader(_) => self.poll_leader(now_ms, out),
                Role::Follower(_) => self.poll_follower(now_ms, out),
                Role::Resigned(_) => self.poll_resigned(now_ms, out),
            };
            if let Polled::Until(deadline_ms) = polled {
                self.deadline_ms = deadline_ms;
                return;
            }
        }
    }

    /// The current role.
    pub fn role(&self) -> RoleName {
        match self.role {
            Role::Unattached(_) => RoleName::Unattached,
            Role::Prospective(_) => RoleName::Prospective,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
            Role::Follower(_) => RoleName::Follower,
            Role::Resigned(_) => RoleName::Resigned,
        }
    }

    /// The current epoch and its leader, as far as known.
    pub fn leader_and_epoch(&self) -> LeaderAndEpoch {
        LeaderAndEpoch {
            leader_id: self.election.leader_id,
            epoch: self.election.leader_epoch,
        }
    }

    /// What is committed, as far as this replica knows: the offset after the last committed record.
    pub fn high_watermark(&self) -> Option<i64> {
        self.high_watermark
    }

    /// The log as the quorum sees it.
    pub fn log(&self) -> &LogView {
        &self.log
    }

    /// The voters.
    pub fn voter_set(&self) -> &VoterSet {
        self.voters.last()
    }

    /// The level of kraft.version.
    pub fn kraft_version(&self) -> i16 {
        self.voters.kraft_version()
    }

    /// kraft.version and the voters (of a dynamic quorum) as of the record at `offset`: what a snapshot ending there contains.
    pub fn quorum_at(&self, offset: i64) -> (i16, Option<VoterSet>) {
        self.voters.at(offset)
    }

    /// Whether this replica has a vote.
    pub fn is_voter(&self) -> bool {
        self.voters.last().is_voter(&self.local)
    }

    pub(crate) fn emit(&mut self, effect: Effect, out: &mut Outbox) {
        self.gate.emit(effect, out);
    }
}

#[cfg(test)]
mod tests;
