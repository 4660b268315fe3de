//! OffsetCommit (key 8), v2-10, flexible from v8. A retention time of its own v2-4, leader epochs from v6 (KIP-320), static members
//! from v7 (KIP-345), topic ids from v10 (KIP-848's follow-up).
//! Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID (v10+), OFFSET_METADATA_TOO_LARGE; for all partitions:
//! UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND (v9+), REBALANCE_IN_PROGRESS, the coordinator's.

use klamm_group_coordinator::{GroupError, GroupRequest};
use klamm_metadata::MetadataImage;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use klamm_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use klamm_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
    let by_topic_id = cx.api_version >= 10;
    let unknown_group_is_illegal_generation = cx.api_version < 9;
    let asked = std::mem::take(&mut request.topics);
    let (mut response, known) = sort_out(&cx.image, asked, by_topic_id);
    if known.is_empty() {
        return response;
    }
    let group = request.group_id.clone();
    let request = OffsetCommitRequest {
        topics: known,
        ..request
    };
    let commit = GroupRequest::OffsetCommit {
        request,
        unknown_group_is_illegal_generation,
    };
    let committed: Result<Result<OffsetCommitResponse, GroupError>, _> =
        cx.node.groups.write(&cx.image, &group, commit).await;
    let mut outcomes = match committed {
        Ok(Ok(rows)) => Outcomes::Each(rows.topics.into_iter().flat_map(|topic| topic.partitions)),
        Ok(Err(refused)) => Outcomes::All(refused.code()),
        Err(error) => Outcomes::All(code(error)),
    };
    let rows = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for row in rows.filter(|row| row.error_code.is_none()) {
        row.error_code = outcomes.next();
    }
    response
}

/// What became of the partitions that the coordinator was asked for, in that order.
enum Outcomes<I> {
    Each(I),
    All(ErrorCode),
}

impl<I: Iterator<Item = OffsetCommitResponsePartition>> Outcomes<I> {
    fn next(&mut self) -> ErrorCode {
        match self {
            Self::Each(rows) => {
                rows.next()
                    .expect("the coordinator answers for each partition")
                    .error_code
            }
            Self::All(error_code) => *error_code,
        }
    }
}

/// The response with an error for each partition that does not exist, and the request for the others.
fn sort_out(
    image: &MetadataImage,
    asked: Vec<OffsetCommitRequestTopic>,
    by_topic_id: bool,
) -> (OffsetCommitResponse, Vec<OffsetCommitRequestTopic>) {
    let mut response = OffsetCommitResponse::default();
    let mut known = Vec::new();
    for mut topic in asked {
        let found = match by_topic_id {
            true => image.topics().by_id(topic.topic_id),
            false => image.topics().by_name(&topic.name),
        };
        let unknown = match (found, by_topic_id) {
            (None, true) => ErrorCode::UNKNOWN_TOPIC_ID,
            _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let exists = |index| found.is_some_and(|topic| topic.partitions.get(index).is_some());
        let rows = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: if exists(partition.partition_index) {
                ErrorCode::NONE
            } else {
                unknown
            },
            ..Default::default()
        });
        // A topic of which nothing is committed does not come back.
        if !topic.partitions.is_empty() {
            response.topics.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: rows.collect(),
                ..Default::default()
            });
        }
        topic.partitions.retain(|partition| exists(partition.partition_index));
        if let (Some(found), false) = (found, topic.partitions.is_empty()) {
            topic.name = found.name.to_string();
            known.push(topic);
        }
    }
    (response, known)
}
