//! OffsetDelete (KIP-496), and the offsets of partitions that are gone.

use crate::error::GroupError;
use crate::records::GroupRecord;
use crate::shard::GroupShard;
use crate::state::{GroupState, partitions};
use klamm_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use klamm_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::collections::BTreeSet;

impl<T> GroupShard<T> {
    pub(crate) fn delete_offsets(
        &self,
        state: &GroupState,
        now_ms: i64,
        request: OffsetDeleteRequest,
    ) -> Result<(Vec<GroupRecord>, OffsetDeleteResponse), GroupError> {
        let group_id = request.group_id.as_str();
        self.check_offsets_deletable(state, group_id)?;
        let mut records = Vec::new();
        let mut response = OffsetDeleteResponse::default();
        for topic in request.topics {
            let is_subscribed = self
                .active_group(group_id)
                .is_some_and(|group| group.is_subscribed_to(&topic.name));
            let mut row = OffsetDeleteResponseTopic {
                name: topic.name,
                ..OffsetDeleteResponseTopic::default()
            };
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let result = if is_subscribed {
                    Err(GroupError::GroupSubscribedToTopic)
                } else {
                    Ok(())
                };
                let has_offset = state.offset(group_id, &row.name, partition_index).is_some()
                    || state.has_open_offset(group_id, &row.name, partition_index);
                if result.is_ok() && has_offset {
                    records.push(GroupRecord::offset_tombstone(group_id, &row.name, partition_index));
                }
                row.partitions.push(OffsetDeleteResponsePartition {
                    partition_index,
                    error_code: result.err().map(GroupError::code).unwrap_or_default(),
                });
            }
            response.topics.push(row);
        }
        if !records.is_empty() && self.is_gone_with(state, group_id, &records) {
            records.push(GroupRecord::empty_group(group_id, now_ms));
        }
        Ok((records, response))
    }

    /// Whether the group lives in its offsets alone and none is left of them. Then it stays as an empty group until retention
    /// ends it: whoever deletes offsets does not mean the group.
    fn is_gone_with(&self, state: &GroupState, group_id: &str, tombstones: &[GroupRecord]) -> bool {
        let deleted = tombstones.iter().filter_map(|record| match record {
            GroupRecord::OffsetCommit { key, .. } => Some((key.topic.as_str(), key.partition)),
            _ => None,
        });
        let deleted: BTreeSet<_> = deleted.collect();
        let mut offsets = state.offsets.get(group_id).into_iter().flat_map(partitions);
        state.group(group_id).is_none()
            && self.active_group(group_id).is_none()
            && !state.has_open_transaction(group_id)
            && offsets.all(|offset| deleted.contains(&offset))
    }

    /// A group with members must be of consumers: only their subscriptions can be understood.
    fn check_offsets_deletable(&self, state: &GroupState, group_id: &str) -> Result<(), GroupError> {
        if group_id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        if state.is_foreign(group_id) {
            return Err(GroupError::NonEmptyGroup);
        }
        if !state.has_group(group_id) {
            return Err(GroupError::GroupIdNotFound);
        }
        let of_consumers = self
            .active_group(group_id)
            .is_some_and(|group| group.uses_consumer_protocol());
        if of_consumers || self.is_empty_group(group_id) {
            Ok(())
        } else {
            Err(GroupError::NonEmptyGroup)
        }
    }
}

/// Tombstones for the offsets of these partitions in all groups.
pub(crate) fn partitions_deleted(state: &GroupState, deleted: &[(String, i32)]) -> Vec<GroupRecord> {
    let deleted: BTreeSet<(&str, i32)> = deleted
        .iter()
        .map(|(topic, partition)| (topic.as_str(), *partition))
        .collect();
    let groups: BTreeSet<&str> = state
        .groups
        .keys()
        .chain(state.offsets.keys())
        .map(String::as_str)
        .collect();
    let mut records = Vec::new();
    for group_id in groups {
        let committed = state.offsets.get(group_id).into_iter().flat_map(partitions);
        let held: BTreeSet<(&str, i32)> = committed.chain(state.open_offsets(group_id)).collect();
        for (topic, partition) in held.intersection(&deleted) {
            records.push(GroupRecord::offset_tombstone(group_id, topic, *partition));
        }
    }
    records
}
