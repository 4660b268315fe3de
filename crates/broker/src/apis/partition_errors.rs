//! How requests about single partitions find them, and what they say when they don't (keys 2, 21, 23, 61).

use std::sync::Arc;

use klamm_protocol::ErrorCode;
use klamm_replication::LeaderEpochError;

use crate::partitions::{Hosted, LeaderError, Partition};
use crate::request::RequestContext;

/// The replica here of a partition, or the code that says why there is none.
pub(super) fn hosted(cx: &RequestContext<'_>, topic: &str, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
    match cx.node.partitions.get(topic, partition) {
        Some(Hosted::Online(partition)) => Ok(partition),
        Some(Hosted::Offline) => Err(ErrorCode::KAFKA_STORAGE_ERROR),
        None if cx.image.topics().partition(topic, partition).is_some() => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

/// The code for a broker that is not the one to ask.
pub(super) fn leader_code(error: &LeaderError) -> ErrorCode {
    match error {
        LeaderError::NotLeader(_) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        LeaderError::Epoch(LeaderEpochError::Fenced { .. }) => ErrorCode::FENCED_LEADER_EPOCH,
        LeaderError::Epoch(LeaderEpochError::Unknown { .. }) => ErrorCode::UNKNOWN_LEADER_EPOCH,
    }
}
