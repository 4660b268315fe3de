//! Why a record was not produced.

use std::sync::Arc;
use std::time::Duration;

use klamm_protocol::ErrorCode;

use crate::Error;

/// Why a record was not, or not certainly, produced.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The record is larger than the producer may send or hold. Nothing was sent.
    #[error("the record takes up to {size} bytes, more than the {limit} of {property}")]
    TooLarge {
        /// Most bytes that the record could take.
        size: usize,
        /// Bytes allowed.
        limit: usize,
        /// Which property limits it: `max.request.size` or `buffer.memory`.
        property: &'static str,
    },
    /// There was no room for the record within `max.block.ms`, or at once for `try_enqueue`. Nothing was sent.
    #[error("no room for the record: the brokers take records more slowly than they are produced{}", waited(.after))]
    Full {
        /// How long the call waited.
        after: Duration,
    },
    /// What the topic looks like could not be learnt within `max.block.ms`, or is not known yet for `try_enqueue`. Nothing was sent.
    #[error("topic {topic}{} not present in metadata after {} ms{}", part(.partition), .after.as_millis(), cause(.last))]
    NoMetadata {
        /// The topic.
        topic: Arc<str>,
        /// The partition that was asked for, if one was.
        partition: Option<i32>,
        /// How long the call waited.
        after: Duration,
        /// What the latest attempt failed of, if one did.
        last: Option<Box<Error>>,
    },
    /// The record was not acknowledged within `delivery.timeout.ms`, or its retries are used up. It may have been written.
    #[error("no acknowledgement for the record from {topic}-{partition} after {} ms{}", .after.as_millis(), cause(.last))]
    TimedOut {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Time since the record's batch was begun.
        after: Duration,
        /// What the latest attempt failed of, if one did.
        last: Option<Box<Error>>,
    },
    /// The broker refused the record, or the batch that it was in.
    #[error("{topic}-{partition}: {}", .message.as_deref().unwrap_or(.code.message()))]
    Broker {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, if it sent some.
        message: Option<String>,
    },
    /// The record has something that no record can have, such as a negative timestamp.
    #[error("invalid record: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The producer was closed or dropped before the record was acknowledged. If it was under way, it may have been written.
    #[error("the producer is closed")]
    Closed,
    /// The client failed for good, such as for want of an API or of the right to produce idempotently.
    #[error(transparent)]
    Client(Arc<Error>),
}

impl SendError {
    /// Whether producing the same record again can succeed. After [`TimedOut`](SendError::TimedOut) it may then lie there twice.
    pub fn is_retriable(&self) -> bool {
        match self {
            SendError::Full { .. } | SendError::NoMetadata { .. } | SendError::TimedOut { .. } => true,
            SendError::Broker { code, .. } => code.is_retriable(),
            SendError::Client(error) => error.is_retriable(),
            SendError::TooLarge { .. } | SendError::Invalid { .. } | SendError::Closed => false,
        }
    }

    /// What a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            SendError::Broker { code, .. } => Some(*code),
            SendError::TimedOut { last, .. } | SendError::NoMetadata { last, .. } => last.as_ref()?.code(),
            SendError::Client(error) => error.code(),
            _ => None,
        }
    }
}

impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => SendError::Closed,
            error => SendError::Client(Arc::new(error)),
        }
    }
}

fn waited(after: &Duration) -> String {
    if after.is_zero() {
        return String::new();
    }
    format!(" (waited {} ms)", after.as_millis())
}

fn part(partition: &Option<i32>) -> String {
    partition
        .map(|partition| format!(", partition {partition}"))
        .unwrap_or_default()
}

fn cause(last: &Option<Box<Error>>) -> String {
    last.as_ref().map(|last| format!(": {last}")).unwrap_or_default()
}
