//! OffsetDelete (key 47), v0. KIP-496.
//! Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, GROUP_SUBSCRIBED_TO_TOPIC; for all: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND,
//! NON_EMPTY_GROUP, and the coordinator's.

use klamm_group_coordinator::{GroupError, GroupRequest};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use klamm_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, mut request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut unknown = Vec::new();
    for topic in &mut request.topics {
        let exists = |index| cx.image.topics().partition(&topic.name, index).is_some();
        let missing = topic
            .partitions
            .iter()
            .filter(|partition| !exists(partition.partition_index));
        let rows: Vec<_> = missing
            .map(|partition| OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            })
            .collect();
        // A topic that nobody knows comes back also when no partition of it is named.
        if !rows.is_empty() || cx.image.topics().by_name(&topic.name).is_none() {
            unknown.push(OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions: rows,
            });
        }
        topic.partitions.retain(|partition| exists(partition.partition_index));
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    let group = request.group_id.clone();
    let deleted: Result<Result<OffsetDeleteResponse, GroupError>, _> = cx
        .node
        .groups
        .write(&cx.image, &group, GroupRequest::OffsetDelete(request))
        .await;
    let error_code = match deleted {
        Ok(Ok(mut response)) => {
            for topic in unknown {
                match response.topics.iter_mut().find(|row| row.name == topic.name) {
                    Some(row) => row.partitions.extend(topic.partitions),
                    None => response.topics.push(topic),
                }
            }
            return response;
        }
        Ok(Err(refused)) => refused.code(),
        Err(error) => code(error),
    };
    OffsetDeleteResponse {
        error_code,
        ..Default::default()
    }
}
