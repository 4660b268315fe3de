//! OffsetCommit.

use crate::error::GroupError;
use crate::records::GroupRecord;
use crate::shard::GroupShard;
use klamm_coordinator::Context;
use klamm_protocol::coordinator::OffsetCommitValue;
use klamm_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use klamm_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use klamm_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

/// The retention time that means the broker's own.
const DEFAULT_RETENTION_TIME: i64 = -1;

type Commits = (Vec<GroupRecord>, OffsetCommitResponse);

impl<T> GroupShard<T> {
    pub(crate) fn commit_offsets(
        &mut self,
        cx: &mut Context<'_, Self>,
        request: OffsetCommitRequest,
        unknown_group_is_illegal_generation: bool,
    ) -> Result<Commits, GroupError> {
        self.check_committer(cx, &request, unknown_group_is_illegal_generation)?;
        let expire_timestamp = match request.retention_time_ms {
            DEFAULT_RETENTION_TIME => -1,
            retention_ms => cx.now_ms.saturating_add(retention_ms),
        };
        let mut records = Vec::new();
        let mut response = OffsetCommitResponse::default();
        for topic in request.topics {
            let mut row = OffsetCommitResponseTopic {
                name: topic.name,
                topic_id: topic.topic_id,
                ..Default::default()
            };
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let result = self.commit_value(partition, cx.now_ms, expire_timestamp);
                row.partitions.push(OffsetCommitResponsePartition {
                    partition_index,
                    error_code: result.as_ref().err().map(|error| error.code()).unwrap_or_default(),
                    ..OffsetCommitResponsePartition::default()
                });
                records.extend(
                    result
                        .map(|value| GroupRecord::offset_commit(&request.group_id, &row.name, partition_index, value)),
                );
            }
            response.topics.push(row);
        }
        Ok((records, response))
    }

    fn check_committer(
        &mut self,
        cx: &mut Context<'_, Self>,
        request: &OffsetCommitRequest,
        unknown_group_is_illegal_generation: bool,
    ) -> Result<(), GroupError> {
        let group_id = request.group_id.as_str();
        let generation_id = request.generation_id_or_member_epoch;
        let (member_id, instance_id) = (request.member_id.as_str(), request.group_instance_id.as_deref());
        if self.active_group(group_id).is_some() {
            let checked = self.step(cx, group_id, |step| {
                step.offset_commit(member_id, instance_id, generation_id)
            });
            return checked.expect("the group is there");
        }
        if cx.state.is_foreign(group_id) {
            return Err(GroupError::UnknownMemberId);
        }
        // Without members the group is there for those who bring no generation: it comes to be with its first offset.
        if generation_id < 0 {
            return Ok(());
        }
        Err(match cx.state.has_group(group_id) {
            true => GroupError::UnknownMemberId,
            false if unknown_group_is_illegal_generation => GroupError::IllegalGeneration,
            false => GroupError::GroupIdNotFound,
        })
    }

    fn commit_value(
        &self,
        partition: OffsetCommitRequestPartition,
        now_ms: i64,
        expire_timestamp: i64,
    ) -> Result<OffsetCommitValue, GroupError> {
        let metadata = partition.committed_metadata.unwrap_or_default();
        let limit = self.config.offset_metadata_max_size;
        if metadata.len() > limit && metadata.encode_utf16().count() > limit {
            return Err(GroupError::OffsetMetadataTooLarge);
        }
        // The record version that knows expiry knows no leader epoch; no request has both.
        let leader_epoch = if expire_timestamp == -1 {
            partition.committed_leader_epoch
        } else {
            -1
        };
        Ok(OffsetCommitValue {
            offset: partition.committed_offset,
            leader_epoch,
            metadata,
            commit_timestamp: now_ms,
            expire_timestamp,
            ..OffsetCommitValue::default()
        })
    }
}
