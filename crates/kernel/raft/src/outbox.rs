//! What a replica wants done, in order.

use std::collections::VecDeque;

use crate::messages::{LeaderAndEpoch, Reply, Request};
use crate::{Batch, ElectionState, Node, OffsetAndEpoch};

/// One thing for the driver to do. Effects are carried out in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the quorum-state file and sync it, then call `on_state_persisted`. Nothing follows until then.
    PersistQuorumState(ElectionState),
    /// Write these at the end of the log. When they are synced call `on_log_flushed`.
    Append(Vec<Batch>),
    /// Cut the log: this becomes its end offset.
    TruncateTo(i64),
    /// Append a piece of a snapshot that is being fetched to its partial file.
    WriteSnapshot {
        /// Which snapshot.
        id: OffsetAndEpoch,
        /// Where the piece belongs; 0 begins the file anew.
        position: i64,
        /// The piece.
        bytes: bytes::Bytes,
    },
    /// The fetched snapshot is complete: sync and rename it, empty the log so that it starts there, then call
    /// `on_snapshot_installed`. This must be done before the effects that follow are.
    InstallSnapshot(OffsetAndEpoch),
    /// Send a request. Bring the answer with `on_response`, or `on_request_failed`.
    Send {
        /// Where to.
        to: Node,
        /// Comes back with the answer.
        correlation_id: u64,
        /// The request.
        request: Request,
    },
    /// Answer the request that came with this id.
    Reply {
        /// As given to `on_request`.
        request_id: u64,
        /// The answer.
        reply: Reply,
    },
    /// The log is committed up to this offset (exclusive).
    CommittedUpTo(i64),
    /// The leader changed. This node's own leadership is announced once all records before its epoch are committed,
    /// so what has been told by `CommittedUpTo` before is the state to go on from.
    LeaderChange(LeaderAndEpoch),
    /// The quorum contradicts what this replica knows to be committed. It must stop.
    Fault(RaftFault),
}

/// A contradiction that only a person can resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RaftFault {
    /// The leader's log lacks committed records.
    #[error("the leader asks to cut the log at {offset}, below the high watermark {high_watermark}")]
    TruncationBelowHighWatermark {
        /// Where the leader wants the log cut.
        offset: i64,
        /// What is committed.
        high_watermark: i64,
    },
}

/// Collects the effects of one event.
#[derive(Debug, Default)]
pub struct Outbox {
    effects: Vec<Effect>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Outbox::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Takes all effects, in order.
    pub fn drain(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

/// Keeps effects back while the quorum state is being written, so that no promise leaves before it is durable.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    persisting: bool,
    held: VecDeque<Effect>,
}

impl Gate {
    /// Whether all that was to be persisted is.
    pub(crate) fn is_open(&self) -> bool {
        !self.persisting
    }

    pub(crate) fn emit(&mut self, effect: Effect, out: &mut Outbox) {
        if self.persisting {
            self.held.push_back(effect);
        } else {
            self.persisting = matches!(effect, Effect::PersistQuorumState(_));
            out.effects.push(effect);
        }
    }

    pub(crate) fn persisted(&mut self, out: &mut Outbox) {
        assert!(self.persisting, "nothing was to be persisted");
        self.persisting = false;
        while let Some(effect) = self.held.pop_front() {
            self.persisting = matches!(effect, Effect::PersistQuorumState(_));
            out.effects.push(effect);
            if self.persisting {
                break;
            }
        }
    }
}
