//! What handlers answer.

use klamm_metadata::MetadataRecord;
use klamm_protocol::ErrorCode;

/// The most records that one request of a client may bring about.
pub const MAX_RECORDS_PER_USER_OP: usize = 10_000;

/// A handler's answer: what to write, and what to reply once that is committed.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerResult<R> {
    /// The records to append, in this order.
    pub records: Vec<MetadataRecord>,
    /// The reply.
    pub reply: R,
    /// Whether the records have to go into one batch, so that all or none of them take effect.
    pub atomic: bool,
    /// The sign of life that the request was; for [`Controller::note_contact`](crate::Controller::note_contact).
    pub contact: Option<BrokerContact>,
}

impl<R> ControllerResult<R> {
    /// Records that may be split into batches.
    pub fn of(records: Vec<MetadataRecord>, reply: R) -> Self {
        Self {
            records,
            reply,
            atomic: false,
            contact: None,
        }
    }

    /// Records that take effect together.
    pub fn atomic_of(records: Vec<MetadataRecord>, reply: R) -> Self {
        Self {
            atomic: true,
            ..Self::of(records, reply)
        }
    }

    /// The same, with the reply turned into another.
    pub fn map<T>(self, turn: impl FnOnce(R) -> T) -> ControllerResult<T> {
        ControllerResult {
            records: self.records,
            reply: turn(self.reply),
            atomic: self.atomic,
            contact: self.contact,
        }
    }
}

/// A sign of life from a broker. It is no record: who was heard of when is known to the active controller alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerContact {
    /// The broker's id.
    pub broker_id: i32,
    /// The registration that the broker holds itself to have.
    pub broker_epoch: i64,
    /// The last offset of the metadata log that the broker has applied, or -1.
    pub metadata_offset: i64,
    /// When it was heard of.
    pub now_ms: i64,
}

/// Why a request, or one item of it, failed: what Kafka's protocol has for it.
///
/// The codes and messages are part of what clients see, item by item inside a reply, so they are settled here and not
/// translated at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.name(), message.as_deref().unwrap_or_else(|| code.message()))]
pub struct ControllerError {
    /// The error code.
    pub code: ErrorCode,
    /// What to tell beyond the code.
    pub message: Option<String>,
}

impl ControllerError {
    /// An error that tells more than its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }
}

/// An error whose code tells it all.
impl From<ErrorCode> for ControllerError {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}
