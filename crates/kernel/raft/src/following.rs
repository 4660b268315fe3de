//! The follower's side of replication: what came with Fetch and FetchSnapshot.

use bytes::Bytes;

use crate::messages::{FetchAnswer, FetchOutcome, FetchSnapshotAnswer, QuorumError};
use crate::roles::Role;
use crate::roles::follower::{FetchingSnapshot, Follower};
use crate::{Batch, ControlRecord, Effect, OffsetAndEpoch, Outbox, Raft, RaftFault};

impl Raft {
    pub(crate) fn on_fetch_response(&mut self, now_ms: i64, answer: FetchAnswer<Vec<Batch>>, out: &mut Outbox) -> bool {
        if let Some(handled) = self.on_info(now_ms, &answer.info, out) {
            return handled;
        }
        if answer.info.error.is_some() || !matches!(self.role, Role::Follower(_)) {
            return false;
        }
        let success = match answer.outcome {
            FetchOutcome::Diverging(end) => self.truncate(end, out),
            FetchOutcome::Snapshot(id) => self.begin_snapshot(id, out),
            FetchOutcome::Records(batches) => {
                let is_sound = self.continues_log(&batches);
                if is_sound && !batches.is_empty() {
                    self.append_to_log(batches, out);
                }
                if is_sound {
                    let known = self.follower_mut().leader_high_watermark;
                    self.follower_mut().leader_high_watermark = known.max(answer.high_watermark.unwrap_or(-1));
                    self.update_follower_high_watermark(out);
                }
                is_sound
            }
        };
        if success {
            self.heard_from_leader(now_ms);
        }
        success
    }

    fn follower_mut(&mut self) -> &mut Follower {
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("checked by the caller")
        };
        follower
    }

    fn heard_from_leader(&mut self, now_ms: i64) {
        let fetch_deadline_ms = now_ms + self.config.fetch_timeout_ms;
        let follower = self.follower_mut();
        follower.fetch_deadline_ms = fetch_deadline_ms;
        follower.has_fetched = true;
    }

    /// Whether these batches follow our log without a gap, in epochs that can be.
    fn continues_log(&self, batches: &[Batch]) -> bool {
        let mut end = self.log.end();
        for batch in batches {
            let fits = batch.base_offset == end.offset
                && batch.last_offset >= batch.base_offset
                && batch.last_offset < i64::MAX
                && (end.epoch..=self.election.leader_epoch).contains(&batch.epoch);
            if !fits {
                return false;
            }
            end = OffsetAndEpoch {
                offset: batch.last_offset + 1,
                epoch: batch.epoch,
            };
        }
        true
    }

    /// A snapshot takes the place of the whole log.
    fn begin_snapshot(&mut self, id: OffsetAndEpoch, out: &mut Outbox) -> bool {
        if id.offset < 0 || id.epoch < 0 || !self.keeps_committed(id.offset, out) {
            return false;
        }
        self.follower_mut().fetching_snapshot = Some(FetchingSnapshot { id, position: 0 });
        true
    }

    /// Whether a log that is cut at `offset` still has all that is known to be committed. No leader may want another.
    fn keeps_committed(&mut self, offset: i64, out: &mut Outbox) -> bool {
        let contradicted = self.high_watermark.filter(|high_watermark| offset < *high_watermark);
        if let Some(high_watermark) = contradicted {
            let fault = RaftFault::TruncationBelowHighWatermark { offset, high_watermark };
            self.emit(Effect::Fault(fault), out);
        }
        contradicted.is_none()
    }

    fn truncate(&mut self, diverging: OffsetAndEpoch, out: &mut Outbox) -> bool {
        let offset = self.log.truncation_offset(diverging);
        if !self.keeps_committed(offset, out) {
            return false;
        }
        if !(self.log.start_offset()..self.log.end_offset()).contains(&offset) {
            return false;
        }
        self.log.truncate_to(offset);
        self.voters.truncate_new(offset);
        self.emit(Effect::TruncateTo(offset), out);
        true
    }

    pub(crate) fn update_follower_high_watermark(&mut self, out: &mut Outbox) {
        let flushed_offset = self.log.flushed_offset();
        let Role::Follower(follower) = &self.role else {
            unreachable!("checked by the caller")
        };
        let committed = follower.leader_high_watermark.min(flushed_offset);
        if committed >= 0 {
            self.commit(committed, out);
        }
    }

    pub(crate) fn on_fetch_snapshot_response(
        &mut self,
        now_ms: i64,
        answer: FetchSnapshotAnswer<Bytes>,
        out: &mut Outbox,
    ) -> bool {
        let error = answer.info.error;
        if let Some(handled) = self.on_info(now_ms, &answer.info, out) {
            return handled;
        }
        let Role::Follower(follower) = &mut self.role else {
            return false;
        };
        let Some(piece) = answer.piece.filter(|_| error.is_none()) else {
            // The leader has deleted it meanwhile: ask anew which one to take.
            follower.fetching_snapshot = None;
            return matches!(error, Some(QuorumError::SnapshotNotFound));
        };
        let Some(fetching) = follower.fetching_snapshot.as_mut() else {
            return false;
        };
        let length = i64::try_from(piece.bytes.len()).unwrap_or(i64::MAX);
        let is_sound = piece.snapshot_id == fetching.id && piece.position == fetching.position && length > 0;
        if !is_sound || fetching.position + length > piece.size {
            follower.fetching_snapshot = None;
            return false;
        }
        fetching.position += length;
        let (id, is_complete) = (fetching.id, fetching.position == piece.size);
        if is_complete {
            follower.fetching_snapshot = None;
        }
        self.heard_from_leader(now_ms);
        self.emit(
            Effect::WriteSnapshot {
                id,
                position: piece.position,
                bytes: piece.bytes,
            },
            out,
        );
        if is_complete {
            self.log.add_snapshot(id, piece.size.cast_unsigned());
            self.log.truncate_fully_to(id);
            self.emit(Effect::InstallSnapshot(id), out);
            self.commit(id.offset, out);
        }
        true
    }

    /// The snapshot that [`Effect::InstallSnapshot`] named is in place; these are the control records that it contains.
    pub fn on_snapshot_installed(
        &mut self,
        now_ms: i64,
        id: OffsetAndEpoch,
        control_records: &[ControlRecord],
        out: &mut Outbox,
    ) {
        self.voters.clear();
        for record in control_records {
            self.voters.add(id.offset - 1, record);
        }
        self.poll(now_ms, out);
    }
}
