//! Error replies: for a request, the reply of a broker that failed it, with the code in every place where clients look for
//! one. All APIs that a broker of ours offers are here; of the others a proxy knows no error reply.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, EncodedFrame, ErrorCode, Listener, Message, Reader, Request, frame};

use super::FaultError;

/// A request of which is known how it fails.
pub(super) trait Failing: Request {
    /// The reply in which everything that was asked for failed with `code`.
    fn failed(self, version: i16, code: ErrorCode) -> Self::Response;
}

/// Calls `$do!` with all requests that can be failed.
macro_rules! failing_requests {
    ($do:ident) => {
        $do! {
            ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
            FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
            DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest DeleteRecordsRequest InitProducerIdRequest
            OffsetForLeaderEpochRequest DeleteGroupsRequest OffsetDeleteRequest DescribeLogDirsRequest
            DescribeProducersRequest CreateTopicsRequest DeleteTopicsRequest DescribeConfigsRequest AlterConfigsRequest
            CreatePartitionsRequest IncrementalAlterConfigsRequest DescribeQuorumRequest UpdateFeaturesRequest
            DescribeClusterRequest UnregisterBrokerRequest ListConfigResourcesRequest DescribeTopicPartitionsRequest
            ElectLeadersRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest
            AlterReplicaLogDirsRequest DescribeClientQuotasRequest AlterClientQuotasRequest
            DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeTransactionsRequest
            ListTransactionsRequest
        }
    };
}
/// Whether there is an error reply of this API.
pub(super) fn can_fail(key: ApiKey) -> bool {
    macro_rules! any {
        ($($request:ident)*) => { [$(<$request as Request>::KEY),*].contains(&key) };
    }
    failing_requests!(any)
}

/// The error reply to a request, whose body is given.
pub(super) fn reply(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: Bytes,
    code: ErrorCode,
) -> Result<EncodedFrame, FaultError> {
    macro_rules! by_key {
        ($($request:ident)*) => {
            match key {
                $(<$request as Request>::KEY => {
                    let request = <$request as Message>::decode(&mut Reader::new(body), version)?;
                    // A client that asked in a version that the broker lacks finds out which there are from version 0.
                    let too_new = key == ApiKey::ApiVersions && code == ErrorCode::UNSUPPORTED_VERSION;
                    let version = if too_new { 0 } else { version };
                    frame::encode_response(correlation_id, version, &request.failed(version, code))?
                })*
                _ => return Err(FaultError::NoErrorReply(key)),
            }
        };
    }
    Ok(failing_requests!(by_key))
}

macro_rules! failing {
    ($($request:ident => |$asked:ident, $version:ident, $error_code:ident| $response:expr;)*) => {$(
        impl Failing for $request {
            fn failed(self, $version: i16, $error_code: ErrorCode) -> Self::Response {
                let $asked = self;
                $response
            }
        }
    )*};
}

/// Requests whose reply has one place for errors, at the top.
macro_rules! at_the_top {
    ($($request:ident)*) => {$(
        impl Failing for $request {
            fn failed(self, _version: i16, error_code: ErrorCode) -> Self::Response {
                let mut response = <Self as Request>::Response::default();
                response.error_code = error_code;
                response
            }
        }
    )*};
}

/// A reply's rows for what was asked for: `rows(asked, |row| Row { … })`.
fn rows<A, B>(asked: impl IntoIterator<Item = A>, row: impl FnMut(A) -> B) -> Vec<B> {
    asked.into_iter().map(row).collect()
}

mod admin;

at_the_top! { HeartbeatRequest ListGroupsRequest ListConfigResourcesRequest }

// Topics and partitions.
failing! {
    ProduceRequest => |asked, _version, error_code| {
        use produce_response::{PartitionProduceResponse, TopicProduceResponse};
        let partition = |partition: produce_request::PartitionProduceData| PartitionProduceResponse {
            index: partition.index, error_code, base_offset: -1, ..Default::default()
        };
        let responses = rows(asked.topic_data, |topic| TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: rows(topic.partition_data, partition),
            ..Default::default()
        });
        ProduceResponse { responses, ..Default::default() }
    };
    FetchRequest => |asked, version, error_code| {
        use fetch_response::{FetchableTopicResponse, PartitionData};
        // An error of the session, or a request that names no partition: there is only the top.
        let whole = version >= 7 && (asked.topics.is_empty() || matches!(error_code,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
        if whole {
            return FetchResponse { error_code, ..Default::default() };
        }
        let partition = |partition: fetch_request::FetchPartition| PartitionData {
            partition_index: partition.partition,
            error_code,
            high_watermark: -1,
            aborted_transactions: None,
            ..Default::default()
        };
        let responses = rows(asked.topics, |topic| FetchableTopicResponse {
            topic: topic.topic,
            topic_id: topic.topic_id,
            partitions: rows(topic.partitions, partition),
            ..Default::default()
        });
        FetchResponse { session_id: asked.session_id, responses, ..Default::default() }
    };
    ListOffsetsRequest => |asked, _version, error_code| {
        use list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
        let partition = |partition: list_offsets_request::ListOffsetsPartition| ListOffsetsPartitionResponse {
            partition_index: partition.partition_index, error_code, ..Default::default()
        };
        let topics = rows(asked.topics, |topic| ListOffsetsTopicResponse {
            name: topic.name, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        ListOffsetsResponse { topics, ..Default::default() }
    };
    OffsetForLeaderEpochRequest => |asked, _version, error_code| {
        use offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
        let partition = |partition: offset_for_leader_epoch_request::OffsetForLeaderPartition| EpochEndOffset {
            partition: partition.partition, error_code, ..Default::default()
        };
        let topics = rows(asked.topics, |topic| OffsetForLeaderTopicResult {
            topic: topic.topic, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        OffsetForLeaderEpochResponse { topics, ..Default::default() }
    };
    DeleteRecordsRequest => |asked, _version, error_code| {
        use delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
        let partition = |partition: delete_records_request::DeleteRecordsPartition| DeleteRecordsPartitionResult {
            partition_index: partition.partition_index, low_watermark: -1, error_code, ..Default::default()
        };
        let topics = rows(asked.topics, |topic| DeleteRecordsTopicResult {
            name: topic.name, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        DeleteRecordsResponse { topics, ..Default::default() }
    };
    DescribeProducersRequest => |asked, _version, error_code| {
        use describe_producers_response::{PartitionResponse, TopicResponse};
        let partition = |partition_index| PartitionResponse { partition_index, error_code, ..Default::default() };
        let topics = rows(asked.topics, |topic| TopicResponse {
            name: topic.name, partitions: rows(topic.partition_indexes, partition), ..Default::default()
        });
        DescribeProducersResponse { topics, ..Default::default() }
    };
    DescribeTopicPartitionsRequest => |asked, _version, error_code| {
        use describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
        let topics = rows(asked.topics, |topic| DescribeTopicPartitionsResponseTopic {
            error_code, name: Some(topic.name), ..Default::default()
        });
        DescribeTopicPartitionsResponse { topics, ..Default::default() }
    };
    CreateTopicsRequest => |asked, _version, error_code| {
        use create_topics_response::CreatableTopicResult;
        let topics = rows(asked.topics, |topic| CreatableTopicResult {
            name: topic.name, error_code, error_message: None, ..Default::default()
        });
        CreateTopicsResponse { topics, ..Default::default() }
    };
    DeleteTopicsRequest => |asked, _version, error_code| {
        use delete_topics_response::DeletableTopicResult;
        let named = rows(asked.topic_names, |name| DeletableTopicResult { name: Some(name), error_code, ..Default::default() });
        let stated = rows(asked.topics, |topic| DeletableTopicResult {
            name: topic.name, topic_id: topic.topic_id, error_code, ..Default::default()
        });
        DeleteTopicsResponse { responses: [named, stated].concat(), ..Default::default() }
    };
    CreatePartitionsRequest => |asked, _version, error_code| {
        use create_partitions_response::CreatePartitionsTopicResult;
        let results = rows(asked.topics, |topic| CreatePartitionsTopicResult { name: topic.name, error_code, ..Default::default() });
        CreatePartitionsResponse { results, ..Default::default() }
    };
    // Without the brokers, which only a broker knows: a proxy asks it, see `spoil_metadata`.
    MetadataRequest => |asked, _version, error_code| {
        use metadata_response::MetadataResponseTopic;
        let topics = rows(asked.topics.into_iter().flatten(), |topic| MetadataResponseTopic {
            error_code, name: topic.name, topic_id: topic.topic_id, ..Default::default()
        });
        MetadataResponse { topics, error_code, ..Default::default() }
    };
}

/// Makes an answer to a Metadata request that of a broker which failed on it, but still knows the brokers.
pub(super) fn spoil_metadata(response: &mut MetadataResponse, code: ErrorCode) {
    response.error_code = code;
    for topic in &mut response.topics {
        topic.error_code = code;
        topic.partitions.clear();
    }
}

// Groups and producers.
failing! {
    OffsetCommitRequest => |asked, _version, error_code| {
        use offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
        let partition = |partition: offset_commit_request::OffsetCommitRequestPartition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index, error_code, ..Default::default()
        };
        let topics = rows(asked.topics, |topic| OffsetCommitResponseTopic {
            name: topic.name, topic_id: topic.topic_id, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        OffsetCommitResponse { topics, ..Default::default() }
    };
    OffsetFetchRequest => |asked, version, error_code| offset_fetch(asked, version, error_code);
    FindCoordinatorRequest => |asked, version, error_code| {
        use find_coordinator_response::Coordinator;
        if version < 4 {
            return FindCoordinatorResponse { error_code, error_message: None, node_id: -1, port: -1, ..Default::default() };
        }
        let coordinators = rows(asked.coordinator_keys, |key| Coordinator {
            key, node_id: -1, port: -1, error_code, error_message: None, ..Default::default()
        });
        FindCoordinatorResponse { coordinators, ..Default::default() }
    };
    JoinGroupRequest => |asked, version, error_code| JoinGroupResponse {
        error_code,
        protocol_name: (version < 7).then(String::new),
        member_id: asked.member_id,
        ..Default::default()
    };
    SyncGroupRequest => |_asked, _version, error_code| SyncGroupResponse { error_code, ..Default::default() };
    LeaveGroupRequest => |asked, _version, error_code| {
        use leave_group_response::MemberResponse;
        let members = rows(asked.members, |member| MemberResponse {
            member_id: member.member_id, group_instance_id: member.group_instance_id, error_code, ..Default::default()
        });
        LeaveGroupResponse { error_code, members, ..Default::default() }
    };
    DescribeGroupsRequest => |asked, _version, error_code| {
        use describe_groups_response::DescribedGroup;
        let groups = rows(asked.groups, |group_id| DescribedGroup { error_code, group_id, ..Default::default() });
        DescribeGroupsResponse { groups, ..Default::default() }
    };
    DeleteGroupsRequest => |asked, _version, error_code| {
        use delete_groups_response::DeletableGroupResult;
        let results = rows(asked.groups_names, |group_id| DeletableGroupResult { group_id, error_code, ..Default::default() });
        DeleteGroupsResponse { results, ..Default::default() }
    };
    OffsetDeleteRequest => |asked, _version, error_code| {
        use offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
        let partition = |partition: offset_delete_request::OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index, error_code
        };
        let topics = rows(asked.topics, |topic| OffsetDeleteResponseTopic {
            name: topic.name, partitions: rows(topic.partitions, partition)
        });
        OffsetDeleteResponse { error_code, topics, ..Default::default() }
    };
    InitProducerIdRequest => |_asked, _version, error_code| InitProducerIdResponse {
        error_code, producer_epoch: -1, ..Default::default()
    };
}

fn offset_fetch(asked: OffsetFetchRequest, version: i16, error_code: ErrorCode) -> OffsetFetchResponse {
    use offset_fetch_response::*;
    if version < 8 {
        let partition = |partition_index| OffsetFetchResponsePartition {
            partition_index,
            committed_offset: -1,
            error_code,
            ..Default::default()
        };
        let topics = rows(asked.topics.into_iter().flatten(), |topic| OffsetFetchResponseTopic {
            name: topic.name,
            partitions: rows(topic.partition_indexes, partition),
            ..Default::default()
        });
        return OffsetFetchResponse {
            topics,
            error_code,
            ..Default::default()
        };
    }
    let partition = |partition_index| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        error_code,
        ..Default::default()
    };
    let topic = |topic: offset_fetch_request::OffsetFetchRequestTopics| OffsetFetchResponseTopics {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: rows(topic.partition_indexes, partition),
        ..Default::default()
    };
    let groups = rows(asked.groups, |group| OffsetFetchResponseGroup {
        group_id: group.group_id,
        topics: rows(group.topics.into_iter().flatten(), topic),
        error_code,
        ..Default::default()
    });
    OffsetFetchResponse {
        groups,
        ..Default::default()
    }
}

// The cluster and its settings.
failing! {
    ApiVersionsRequest => |_asked, _version, error_code| {
        use api_versions_response::ApiVersion;
        let range = ApiKey::ApiVersions.advertised(Listener::Broker, false);
        let api_keys = rows(range.filter(|_| error_code == ErrorCode::UNSUPPORTED_VERSION), |range| ApiVersion {
            api_key: ApiKey::ApiVersions.id(), min_version: range.min, max_version: range.max, ..Default::default()
        });
        ApiVersionsResponse { error_code, api_keys, ..Default::default() }
    };
    DescribeLogDirsRequest => |_asked, version, error_code| {
        use describe_log_dirs_response::DescribeLogDirsResult;
        let results = rows((version < 3).then_some(()), |()| DescribeLogDirsResult { error_code, ..Default::default() });
        DescribeLogDirsResponse { error_code, results, ..Default::default() }
    };
    DescribeConfigsRequest => |asked, _version, error_code| {
        use describe_configs_response::DescribeConfigsResult;
        let results = rows(asked.resources, |resource| DescribeConfigsResult {
            error_code,
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        });
        DescribeConfigsResponse { results, ..Default::default() }
    };
    AlterConfigsRequest => |asked, _version, error_code| {
        use alter_configs_response::AlterConfigsResourceResponse;
        let responses = rows(asked.resources, |resource| AlterConfigsResourceResponse {
            error_code,
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        });
        AlterConfigsResponse { responses, ..Default::default() }
    };
    IncrementalAlterConfigsRequest => |asked, _version, error_code| {
        use incremental_alter_configs_response::AlterConfigsResourceResponse;
        let responses = rows(asked.resources, |resource| AlterConfigsResourceResponse {
            error_code,
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        });
        IncrementalAlterConfigsResponse { responses, ..Default::default() }
    };
    DescribeQuorumRequest => |asked, _version, error_code| {
        use describe_quorum_response::{PartitionData, TopicData};
        let partition = |partition: describe_quorum_request::PartitionData| PartitionData {
            partition_index: partition.partition_index, error_code, error_message: None, ..Default::default()
        };
        let topics = rows(asked.topics, |topic| TopicData {
            topic_name: topic.topic_name, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        DescribeQuorumResponse { error_code, error_message: None, topics, ..Default::default() }
    };
    UpdateFeaturesRequest => |asked, _version, error_code| {
        use update_features_response::UpdatableFeatureResult;
        let results = rows(asked.feature_updates, |update| UpdatableFeatureResult {
            feature: update.feature, error_code, error_message: None, ..Default::default()
        });
        UpdateFeaturesResponse { error_code, error_message: None, results, ..Default::default() }
    };
    DescribeClusterRequest => |asked, _version, error_code| DescribeClusterResponse {
        error_code, endpoint_type: asked.endpoint_type, ..Default::default()
    };
    UnregisterBrokerRequest => |_asked, _version, error_code| UnregisterBrokerResponse {
        error_code, error_message: None, ..Default::default()
    };
}
