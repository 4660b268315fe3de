//! OffsetFetch of one group.

use crate::error::GroupError;
use crate::state::{GroupState, OffsetAndMetadata, partitions};
use klamm_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use klamm_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};

/// The offset of a partition without one.
const INVALID_OFFSET: i64 = -1;

/// The offsets asked for, or all of the group's. With `require_stable` those that a transaction may still change are refused.
pub(crate) fn fetch(
    state: &GroupState,
    request: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let topics = request.topics.unwrap_or_else(|| all_topics(state, &request.group_id));
    let topics = topics.into_iter().map(|topic| OffsetFetchResponseTopics {
        partitions: topic
            .partition_indexes
            .iter()
            .map(|partition| fetch_one(state, &request.group_id, &topic.name, *partition, require_stable))
            .collect(),
        name: topic.name,
        topic_id: topic.topic_id,
        ..OffsetFetchResponseTopics::default()
    });
    OffsetFetchResponseGroup {
        topics: topics.collect(),
        group_id: request.group_id,
        ..OffsetFetchResponseGroup::default()
    }
}

fn all_topics(state: &GroupState, group_id: &str) -> Vec<OffsetFetchRequestTopics> {
    let mut topics: Vec<OffsetFetchRequestTopics> = Vec::new();
    for (topic, partition) in state.offsets.get(group_id).into_iter().flat_map(partitions) {
        match topics.last_mut() {
            Some(last) if last.name == topic => last.partition_indexes.push(partition),
            _ => topics.push(OffsetFetchRequestTopics {
                name: topic.to_owned(),
                partition_indexes: vec![partition],
                ..OffsetFetchRequestTopics::default()
            }),
        }
    }
    topics
}

fn fetch_one(
    state: &GroupState,
    group_id: &str,
    topic: &str,
    partition_index: i32,
    require_stable: bool,
) -> OffsetFetchResponsePartitions {
    let none = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: INVALID_OFFSET,
        metadata: Some(String::new()),
        ..OffsetFetchResponsePartitions::default()
    };
    if require_stable && state.has_open_offset(group_id, topic, partition_index) {
        return OffsetFetchResponsePartitions {
            error_code: GroupError::UnstableOffsetCommit.code(),
            ..none
        };
    }
    match state.offset(group_id, topic, partition_index) {
        None => none,
        Some(OffsetAndMetadata {
            committed_offset,
            leader_epoch,
            metadata,
            ..
        }) => OffsetFetchResponsePartitions {
            committed_offset: *committed_offset,
            committed_leader_epoch: *leader_epoch,
            metadata: Some(metadata.clone()),
            ..none
        },
    }
}
