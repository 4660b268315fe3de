//! What can go wrong in a consumer.

use klamm_assignors::TopicPartition;
use klamm_protocol::ErrorCode;

use crate::Error;

/// Why a poll, a seek or a question has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// A call to the cluster failed.
    #[error(transparent)]
    Client(#[from] Error),
    /// The group has no offset for the partition and `auto.offset.reset` is `none`. Seek to go on.
    #[error("no offset is committed for {partition} and auto.offset.reset is none")]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The position lies outside of the log and `auto.offset.reset` is `none`. Seek to go on.
    #[error("offset {offset} is out of range for {partition} and auto.offset.reset is none")]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
    },
    /// Records before the position are gone: a leader without them took over (KIP-320), and `auto.offset.reset` is `none`.
    #[error("the log of {partition} was truncated before offset {offset}, the position of the consumer")]
    Truncated {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
        /// The first offset that differs, if the leader could say.
        diverges_at: Option<i64>,
    },
    /// What lies at the offset can't be read: a wrong checksum or bytes that are no batch. Seek past it to go on.
    #[error("{partition} can't be read at offset {offset}: {reason}")]
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// Where.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// A broker refuses to serve a partition for good, such as TOPIC_AUTHORIZATION_FAILED.
    #[error("{partition}: {}", .code.message())]
    Refused {
        /// The partition.
        partition: TopicPartition,
        /// Kafka's code.
        code: ErrorCode,
    },
    /// The coordinator refuses the member for good, such as INCONSISTENT_GROUP_PROTOCOL.
    #[error("the group {group} refuses this member: {}", .code.message())]
    Group {
        /// `group.id`.
        group: String,
        /// Kafka's code.
        code: ErrorCode,
    },
    /// Another consumer with the same `group.instance.id` has taken this one's place.
    #[error("another consumer joined with group.instance.id {instance_id}")]
    Fenced {
        /// The id.
        instance_id: String,
    },
    /// The consumer does not have this partition.
    #[error("{partition} is not assigned to this consumer")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },
    /// Neither topics nor partitions were chosen.
    #[error("the consumer is not subscribed to any topics or assigned any partitions")]
    NotSubscribed,
    /// Topics, a pattern and partitions exclude each other: `unsubscribe` first.
    #[error("subscription to topics, partitions and pattern are mutually exclusive")]
    Exclusive,
    /// What only members of a group can do.
    #[error("to {to}, group.id must be set")]
    NoGroup {
        /// What was asked.
        to: &'static str,
    },
    /// The consumer has been closed.
    #[error("the consumer is closed")]
    Closed,
}

impl ConsumerError {
    /// What a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ConsumerError::Client(error) => error.code(),
            ConsumerError::Refused { code, .. } | ConsumerError::Group { code, .. } => Some(*code),
            ConsumerError::Fenced { .. } => Some(ErrorCode::FENCED_INSTANCE_ID),
            ConsumerError::OutOfRange { .. } => Some(ErrorCode::OFFSET_OUT_OF_RANGE),
            _ => None,
        }
    }

    /// The partition that is in the way, if it is a single one.
    pub(super) fn partition(&self) -> Option<&TopicPartition> {
        match self {
            ConsumerError::NoOffset { partition }
            | ConsumerError::OutOfRange { partition, .. }
            | ConsumerError::Truncated { partition, .. }
            | ConsumerError::Corrupt { partition, .. }
            | ConsumerError::Refused { partition, .. }
            | ConsumerError::NotAssigned { partition } => Some(partition),
            _ => None,
        }
    }
}

/// Why offsets were not committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The consumer is no member of the group any more: it did not poll for `max.poll.interval.ms`, or its session ran
    /// out. Its partitions belong to others now, who read from the last commit on.
    #[error(
        "the offsets cannot be committed: the consumer was kicked out of the group, and its partitions are another's; \
         poll within max.poll.interval.ms, or process fewer records at a time (max.poll.records)"
    )]
    KickedOut,
    /// The group is rebalancing. Poll, and commit again what is still assigned.
    #[error("the offsets cannot be committed while the group is rebalancing; poll and try again")]
    Rebalancing,
    /// Another consumer with the same `group.instance.id` has taken this one's place.
    #[error("another consumer joined with the same group.instance.id")]
    Fenced,
    /// The coordinator refuses an offset, such as with OFFSET_METADATA_TOO_LARGE.
    #[error("{partition}: {}", .code.message())]
    Refused {
        /// The partition.
        partition: TopicPartition,
        /// Kafka's code.
        code: ErrorCode,
    },
    /// Only members of a group commit.
    #[error("to commit offsets, group.id must be set")]
    NoGroup,
    /// The coordinator could not be asked.
    #[error(transparent)]
    Client(#[from] Error),
}
