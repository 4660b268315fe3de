//! OffsetFetch (key 9), v1-10, flexible from v6. All topics from v2, stable offsets from v7 (KIP-447), several groups from v8
//! (KIP-709), topic ids from v10.
//! A partition without an offset has -1 and no error. Errors per partition: UNSTABLE_OFFSET_COMMIT, UNKNOWN_TOPIC_ID (v10+);
//! per group: the coordinator's. In v1 a group's error stands at each of its partitions.

use klamm_coordinator::CoordinatorError;
use klamm_group_coordinator::{GroupQuery, GroupRequest};
use klamm_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use klamm_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use klamm_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use klamm_protocol::{ErrorCode, Uuid};

use super::group_errors::code;
use super::repeats::Repeats;
use crate::request::RequestContext;

/// What differs between versions.
struct Flags {
    several_groups: bool,
    by_topic_id: bool,
    group_errors_per_partition: bool,
}

pub(crate) async fn handle(cx: &RequestContext<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let flags = Flags {
        several_groups: cx.api_version >= 8,
        by_topic_id: cx.api_version >= 10,
        group_errors_per_partition: cx.api_version < 2,
    };
    let require_stable = request.require_stable;
    if flags.several_groups {
        let mut response = OffsetFetchResponse::default();
        let mut repeats = Repeats::new();
        for group in request.groups {
            let fetched = match flags.by_topic_id {
                _ if !repeats.allow(group.group_id.clone()) => OffsetFetchResponseGroup {
                    group_id: group.group_id,
                    error_code: Repeats::<String>::error().code,
                    ..Default::default()
                },
                true => fetch_by_topic_id(cx, group, require_stable).await,
                false => fetch(cx, group, require_stable).await,
            };
            response.groups.push(fetched);
        }
        return response;
    }
    let topics = request.topics.map(|topics| {
        let topic =
            |topic: klamm_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..Default::default()
            };
        topics.into_iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics,
        ..Default::default()
    };
    single_group(fetch(cx, group, require_stable).await, &flags)
}

/// One group's offsets. If the coordinator can't tell, each partition asked for stands there with -1.
async fn fetch(
    cx: &RequestContext<'_>,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let groups = &cx.node.groups;
    let group_id = group.group_id.clone();
    let asked = group.topics.clone().unwrap_or_default();
    let fetched = match require_stable {
        true => {
            groups
                .write(&cx.image, &group_id, GroupRequest::StableOffsetFetch(group))
                .await
        }
        false => groups.read(&cx.image, &group_id, GroupQuery::OffsetFetch(group)).await,
    };
    fetched.unwrap_or_else(|error| OffsetFetchResponseGroup {
        group_id,
        error_code: match error {
            // Consumers before 3.9 know no other error to look for the coordinator anew.
            CoordinatorError::NotAvailable => ErrorCode::NOT_COORDINATOR,
            _ => code(error),
        },
        topics: asked
            .into_iter()
            .map(|topic| without_offsets(topic, ErrorCode::NONE))
            .collect(),
        ..Default::default()
    })
}

/// The same where topics go by their ids. Offsets of topics that are gone are not told.
async fn fetch_by_topic_id(
    cx: &RequestContext<'_>,
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let topics = cx.image.topics();
    let name_of = |id: Uuid| topics.by_id(id).map(|topic| topic.name.to_string());
    let mut unknown = Vec::new();
    if let Some(asked) = &mut group.topics {
        for mut topic in std::mem::take(asked) {
            match name_of(topic.topic_id) {
                Some(name) => {
                    topic.name = name;
                    asked.push(topic);
                }
                None => unknown.push(without_offsets(topic, ErrorCode::UNKNOWN_TOPIC_ID)),
            }
        }
    }
    let mut fetched = fetch(cx, group, require_stable).await;
    for topic in &mut fetched.topics {
        topic.topic_id = topics.by_name(&topic.name).map_or(Uuid::ZERO, |known| known.id);
    }
    fetched.topics.retain(|topic| topic.topic_id != Uuid::ZERO);
    fetched.topics.extend(unknown);
    fetched
}

fn without_offsets(topic: OffsetFetchRequestTopics, error_code: ErrorCode) -> OffsetFetchResponseTopics {
    let row = |partition_index: &i32| OffsetFetchResponsePartitions {
        partition_index: *partition_index,
        committed_offset: -1,
        metadata: Some(String::new()),
        error_code,
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        partitions: topic.partition_indexes.iter().map(row).collect(),
        name: topic.name,
        topic_id: topic.topic_id,
        ..Default::default()
    }
}

/// The response of the versions that know one group.
fn single_group(group: OffsetFetchResponseGroup, flags: &Flags) -> OffsetFetchResponse {
    let of_group = if flags.group_errors_per_partition {
        group.error_code
    } else {
        ErrorCode::NONE
    };
    let row = |row: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: row.partition_index,
        committed_offset: row.committed_offset,
        committed_leader_epoch: row.committed_leader_epoch,
        metadata: row.metadata,
        error_code: if of_group.is_err() { of_group } else { row.error_code },
        ..Default::default()
    };
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(row).collect(),
        ..Default::default()
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: group.error_code,
        ..Default::default()
    }
}
