//! The leader's side of replication: appends, Fetch, FetchSnapshot, the high watermark.

use crate::log_view::Validity;
use crate::messages::{
    FetchAnswer, FetchOutcome, FetchRequest, FetchSnapshotAnswer, FetchSnapshotRequest, QuorumError, ReadRange, Reply,
    SnapshotPiece,
};
use crate::raft::{QuorumDescription, ReplicaDescription};
use crate::roles::Role;
use crate::roles::leader::{Leader, OBSERVER_SESSION_TIMEOUT_MS, ParkedFetch, ReplicaState};
use crate::{Batch, Effect, OffsetAndEpoch, Outbox, Raft};

impl Raft {
    pub(crate) fn append_as_leader(&mut self, batches: Vec<Batch>, out: &mut Outbox) {
        self.append_to_log(batches, out);
        self.answer_parked(out);
    }

    pub(crate) fn append_to_log(&mut self, batches: Vec<Batch>, out: &mut Outbox) {
        for batch in &batches {
            self.log.append(batch.base_offset, batch.last_offset, batch.epoch);
            for (offset, record) in (batch.base_offset..).zip(&batch.control) {
                self.voters.add(offset, record);
            }
        }
        self.emit(Effect::Append(batches), out);
    }

    /// Our own log has become durable further.
    pub(crate) fn update_local_end(&mut self, out: &mut Outbox) {
        let flushed_offset = self.log.flushed_offset();
        let local_id = self.local.id;
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("only a leader counts replicas")
        };
        if let Some(local) = leader.voters.get_mut(&local_id) {
            local.end_offset = Some(flushed_offset);
        }
        self.update_leader_high_watermark(out);
    }

    fn update_leader_high_watermark(&mut self, out: &mut Outbox) {
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("only a leader counts replicas")
        };
        let Some(committed) = leader.committed_offset() else {
            return;
        };
        // It does not fall when a voter that lost its log starts anew.
        if leader.high_watermark.is_some_and(|known| committed <= known) {
            return;
        }
        leader.high_watermark = Some(committed);
        self.commit(committed, out);
        self.announce(out);
        self.answer_parked(out);
    }

    pub(crate) fn commit(&mut self, offset: i64, out: &mut Outbox) {
        if offset > self.high_watermark.unwrap_or(0) {
            self.high_watermark = Some(offset);
            self.emit(Effect::CommittedUpTo(offset), out);
        }
    }

    pub(crate) fn on_fetch_request(&mut self, now_ms: i64, request_id: u64, request: FetchRequest, out: &mut Outbox) {
        if let Err(error) = self.check_fetch(&request) {
            return self.refuse_fetch(request_id, error, out);
        }
        let is_tracked = self.note_fetch(now_ms, &request, out);
        let answer = self.answer_fetch(&request);
        if is_news(&answer, &request) || request.max_wait_ms == 0 || !is_tracked {
            return self.emit(
                Effect::Reply {
                    request_id,
                    reply: Reply::Fetch(answer),
                },
                out,
            );
        }
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("others have refused the request")
        };
        // One fetch a replica: what it asked before, it has given up.
        let earlier = leader
            .parked
            .iter()
            .find(|(_, parked)| parked.request.replica_key == request.replica_key);
        let earlier = earlier.map(|(id, _)| *id);
        if let Some(earlier) = earlier {
            leader.parked.remove(&earlier);
        }
        let deadline_ms = now_ms + i64::from(request.max_wait_ms);
        leader.parked.insert(request_id, ParkedFetch { request, deadline_ms });
        if let Some(earlier) = earlier {
            self.emit(
                Effect::Reply {
                    request_id: earlier,
                    reply: Reply::Fetch(answer),
                },
                out,
            );
        }
    }

    fn check_fetch(&self, request: &FetchRequest) -> Result<(), QuorumError> {
        self.check_cluster(request.cluster_id.as_deref())?;
        let is_possible = request.max_wait_ms >= 0
            && request.fetch_offset >= 0
            && (0..=request.current_leader_epoch).contains(&request.last_fetched_epoch)
            && request.replica_key.id != self.local.id;
        if !is_possible {
            return Err(QuorumError::InvalidRequest);
        }
        self.check_leader_request(request.current_leader_epoch)
    }

    fn check_leader_request(&self, epoch: i32) -> Result<(), QuorumError> {
        if epoch < self.election.leader_epoch {
            Err(QuorumError::FencedLeaderEpoch)
        } else if epoch > self.election.leader_epoch {
            Err(QuorumError::UnknownLeaderEpoch)
        } else if !self.leads() {
            Err(QuorumError::NotLeaderOrFollower)
        } else if self.shutting_down {
            Err(QuorumError::BrokerNotAvailable)
        } else {
            Ok(())
        }
    }

    /// A valid fetch position is the follower's word for how much it has for good.
    fn note_fetch(&mut self, now_ms: i64, request: &FetchRequest, out: &mut Outbox) -> bool {
        let is_valid = self.validate(request) == Validity::Valid;
        let end_offset = self.log.end_offset();
        let check_quorum_timeout_ms = self.check_quorum_timeout_ms();
        let local_id = self.local.id;
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("others have refused the request")
        };
        if !is_valid {
            return true;
        }
        let is_tracked = leader.note_fetch(&request.replica_key, now_ms, request.fetch_offset, end_offset);
        leader.note_alive(&request.replica_key, local_id, now_ms, check_quorum_timeout_ms);
        self.update_leader_high_watermark(out);
        is_tracked
    }

    fn validate(&self, request: &FetchRequest) -> Validity {
        match self.log.latest_snapshot() {
            // To an empty log a snapshot is the shortest way.
            Some(latest) if request.fetch_offset == 0 && latest != OffsetAndEpoch::BOOTSTRAP => {
                Validity::Snapshot(latest)
            }
            _ => self.log.validate(request.fetch_offset, request.last_fetched_epoch),
        }
    }

    fn answer_fetch(&self, request: &FetchRequest) -> FetchAnswer<ReadRange> {
        let Role::Leader(leader) = &self.role else {
            unreachable!("others have refused the request")
        };
        let outcome = match self.validate(request) {
            Validity::Valid => FetchOutcome::Records(ReadRange {
                start_offset: request.fetch_offset,
                end_offset: self.log.end_offset(),
                max_bytes: request.max_bytes.min(self.config.fetch_max_bytes),
            }),
            Validity::Diverging(end) => FetchOutcome::Diverging(end),
            Validity::Snapshot(id) => FetchOutcome::Snapshot(id),
        };
        let log_start_offset = self.log.start_offset();
        FetchAnswer {
            info: self.info(None),
            high_watermark: leader.high_watermark,
            log_start_offset,
            outcome,
        }
    }

    pub(crate) fn refuse_fetch(&mut self, request_id: u64, error: QuorumError, out: &mut Outbox) {
        let nothing = ReadRange {
            start_offset: 0,
            end_offset: 0,
            max_bytes: 0,
        };
        let answer = FetchAnswer {
            info: self.info(Some(error)),
            high_watermark: None,
            log_start_offset: self.log.start_offset(),
            outcome: FetchOutcome::Records(nothing),
        };
        self.emit(
            Effect::Reply {
                request_id,
                reply: Reply::Fetch(answer),
            },
            out,
        );
    }

    /// Answers the parked fetches for which there is news.
    fn answer_parked(&mut self, out: &mut Outbox) {
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader parks fetches")
        };
        let answers = leader
            .parked
            .iter()
            .map(|(id, parked)| (*id, self.answer_fetch(&parked.request), &parked.request));
        let news: Vec<_> = answers
            .filter(|(_, answer, request)| is_news(answer, request))
            .map(|(id, answer, _)| (id, answer))
            .collect();
        self.answer(news, out);
    }

    pub(crate) fn expire_parked(&mut self, now_ms: i64, out: &mut Outbox) {
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader parks fetches")
        };
        let expired = leader.parked.iter().filter(|(_, parked)| parked.deadline_ms <= now_ms);
        let answers: Vec<_> = expired
            .map(|(id, parked)| (*id, self.answer_fetch(&parked.request)))
            .collect();
        self.answer(answers, out);
    }

    fn answer(&mut self, answers: Vec<(u64, FetchAnswer<ReadRange>)>, out: &mut Outbox) {
        for (request_id, answer) in answers {
            let Role::Leader(leader) = &mut self.role else {
                unreachable!("only a leader parks fetches")
            };
            leader.parked.remove(&request_id);
            self.emit(
                Effect::Reply {
                    request_id,
                    reply: Reply::Fetch(answer),
                },
                out,
            );
        }
    }

    pub(crate) fn on_fetch_snapshot_request(
        &mut self,
        now_ms: i64,
        request_id: u64,
        request: &FetchSnapshotRequest,
        out: &mut Outbox,
    ) {
        let (error, piece) = match self.snapshot_piece(request) {
            Ok(piece) => (None, Some(piece)),
            Err(error) => (Some(error), None),
        };
        if piece.is_some() {
            let (timeout_ms, local_id) = (self.check_quorum_timeout_ms(), self.local.id);
            let Role::Leader(leader) = &mut self.role else {
                unreachable!("others have refused the request")
            };
            leader.note_alive(&request.replica_key, local_id, now_ms, timeout_ms);
        }
        let reply = Reply::FetchSnapshot(FetchSnapshotAnswer {
            info: self.info(error),
            piece,
        });
        self.emit(Effect::Reply { request_id, reply }, out);
    }

    fn snapshot_piece(&self, request: &FetchSnapshotRequest) -> Result<SnapshotPiece<i32>, QuorumError> {
        self.check_cluster(request.cluster_id.as_deref())?;
        self.check_leader_request(request.current_leader_epoch)?;
        let snapshot_id = request.snapshot_id;
        let size = self
            .log
            .snapshot_size(&snapshot_id)
            .filter(|_| snapshot_id != OffsetAndEpoch::BOOTSTRAP);
        let size = size.ok_or(QuorumError::SnapshotNotFound)?.cast_signed();
        if !(0..size).contains(&request.position) {
            return Err(QuorumError::PositionOutOfRange);
        }
        let left = size - request.position;
        let wanted = request.max_bytes.min(self.config.fetch_snapshot_max_bytes).max(0);
        let bytes = i32::try_from(left).unwrap_or(i32::MAX).min(wanted);
        Ok(SnapshotPiece {
            snapshot_id,
            size,
            position: request.position,
            bytes,
        })
    }

    /// What DescribeQuorum answers; none when this replica does not lead.
    pub fn describe(&self, now_ms: i64) -> Option<QuorumDescription> {
        let Role::Leader(leader) = &self.role else { return None };
        let describe = |state: &ReplicaState| {
            let is_local = state.key.id == self.local.id;
            ReplicaDescription {
                key: state.key,
                log_end_offset: state.end_offset.unwrap_or(-1),
                last_fetch_timestamp_ms: if is_local { now_ms } else { state.last_fetch_ms },
                last_caught_up_timestamp_ms: if is_local { now_ms } else { state.last_caught_up_ms },
            }
        };
        let is_active = |state: &&ReplicaState| now_ms - state.last_fetch_ms < OBSERVER_SESSION_TIMEOUT_MS;
        let Leader {
            voters,
            observers,
            high_watermark,
            ..
        } = leader.as_ref();
        Some(QuorumDescription {
            leader: self.leader_and_epoch(),
            high_watermark: high_watermark.unwrap_or(-1),
            voters: voters.values().map(describe).collect(),
            observers: observers.values().filter(is_active).map(describe).collect(),
        })
    }
}

/// Whether an answer tells the follower something it does not know yet.
fn is_news(answer: &FetchAnswer<ReadRange>, request: &FetchRequest) -> bool {
    let has_records = match &answer.outcome {
        FetchOutcome::Records(range) => range.end_offset > range.start_offset,
        FetchOutcome::Diverging(_) | FetchOutcome::Snapshot(_) => true,
    };
    has_records
        || answer
            .high_watermark
            .is_some_and(|high_watermark| high_watermark > request.high_watermark)
}
