//! What a request gets whose API does not work on this listener: its own response with UNSUPPORTED_VERSION in every place
//! that a response of this kind has for errors. ApiVersions does not offer these APIs, so only clients that don't ask see it.

use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, EncodedFrame, ErrorCode, Reader, Request, frame};

use crate::apis::ServeError;

const CODE: ErrorCode = ErrorCode::UNSUPPORTED_VERSION;

/// The reply, or `None` for an API that has no other answer than a closed connection.
pub(crate) fn reply(
    key: ApiKey,
    version: i16,
    body: &mut Reader,
    correlation_id: i32,
) -> Option<Result<EncodedFrame, ServeError>> {
    /// Replies whose one place for errors is at the top. A field that is named is null: of an error without a message clients
    /// say what the code says, of one with an empty message nothing.
    macro_rules! at_the_top {
        ($($request:ident $(.$null:ident)?)*) => {
            match key {
                $(<$request as Request>::KEY => {
                    let mut response = <$request as Request>::Response::default();
                    response.error_code = CODE;
                    $(response.$null = None;)?
                    return Some(frame::encode_response(correlation_id, version, &response).map_err(ServeError::Encode));
                })*
                _ => {}
            }
        };
    }
    /// Replies with places for errors beside what was asked for.
    macro_rules! per_item {
        ($($request:ident => $response:expr;)*) => {
            match key {
                $(<$request as Request>::KEY => {
                    let fill: fn($request, i16) -> <$request as Request>::Response = $response;
                    return Some(answer(version, body, correlation_id, fill));
                })*
                _ => {}
            }
        };
    }
    at_the_top! {
        SaslHandshakeRequest AddOffsetsToTxnRequest EndTxnRequest CreateDelegationTokenRequest
        RenewDelegationTokenRequest ExpireDelegationTokenRequest DescribeDelegationTokenRequest VoteRequest
        BeginQuorumEpochRequest EndQuorumEpochRequest AlterPartitionRequest EnvelopeRequest FetchSnapshotRequest
        AllocateProducerIdsRequest ConsumerGroupHeartbeatRequest
        GetTelemetrySubscriptionsRequest PushTelemetryRequest AssignReplicasToDirsRequest ShareGroupHeartbeatRequest
        ShareFetchRequest ShareAcknowledgeRequest UpdateRaftVoterRequest StreamsGroupHeartbeatRequest
        AlterShareGroupOffsetsRequest DeleteShareGroupOffsetsRequest StreamsGroupTopologyDescriptionUpdateRequest
        DescribeAclsRequest.error_message SaslAuthenticateRequest.error_message
        UnregisterBrokerRequest.error_message ControllerRegistrationRequest.error_message
        AddRaftVoterRequest.error_message RemoveRaftVoterRequest.error_message
        UnregisterControllerRequest.error_message
    }
    per_item! {
        AddPartitionsToTxnRequest => add_partitions_to_txn;
        WriteTxnMarkersRequest => write_txn_markers;
        TxnOffsetCommitRequest => txn_offset_commit;
        CreateAclsRequest => |request, _| {
            use create_acls_response::AclCreationResult as Row;
            let row = Row { error_code: CODE, error_message: None, ..Default::default() };
            CreateAclsResponse { results: vec![row; request.creations.len()], ..Default::default() }
        };
        DeleteAclsRequest => |request, _| {
            use delete_acls_response::DeleteAclsFilterResult as Row;
            let row = Row { error_code: CODE, error_message: None, ..Default::default() };
            DeleteAclsResponse { filter_results: vec![row; request.filters.len()], ..Default::default() }
        };
        ConsumerGroupDescribeRequest => |request, _| {
            use consumer_group_describe_response::DescribedGroup as Row;
            let row = |group_id| Row { error_code: CODE, group_id, ..Default::default() };
            ConsumerGroupDescribeResponse { groups: request.group_ids.into_iter().map(row).collect(), ..Default::default() }
        };
        ShareGroupDescribeRequest => |request, _| {
            use share_group_describe_response::DescribedGroup as Row;
            let row = |group_id| Row { error_code: CODE, group_id, ..Default::default() };
            ShareGroupDescribeResponse { groups: request.group_ids.into_iter().map(row).collect(), ..Default::default() }
        };
        StreamsGroupDescribeRequest => |request, _| {
            use streams_group_describe_response::DescribedGroup as Row;
            let row = |group_id| Row { error_code: CODE, group_id, ..Default::default() };
            StreamsGroupDescribeResponse { groups: request.group_ids.into_iter().map(row).collect(), ..Default::default() }
        };
        DescribeShareGroupOffsetsRequest => |request, _| {
            use describe_share_group_offsets_response::DescribeShareGroupOffsetsResponseGroup as Row;
            let row = |group_id| Row { error_code: CODE, group_id, ..Default::default() };
            let groups = request.groups.into_iter().map(|group| row(group.group_id)).collect();
            DescribeShareGroupOffsetsResponse { groups, ..Default::default() }
        };
    }
    None
}

fn answer<R: Request>(
    version: i16,
    body: &mut Reader,
    correlation_id: i32,
    fill: fn(R, i16) -> R::Response,
) -> Result<EncodedFrame, ServeError> {
    let response = fill(R::decode(body, version)?, version);
    Ok(frame::encode_response(correlation_id, version, &response)?)
}

fn add_partitions_to_txn(request: AddPartitionsToTxnRequest, version: i16) -> AddPartitionsToTxnResponse {
    use add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult};
    if version >= 4 {
        return AddPartitionsToTxnResponse {
            error_code: CODE,
            ..Default::default()
        };
    }
    let partition = |partition_index| AddPartitionsToTxnPartitionResult {
        partition_index,
        partition_error_code: CODE,
        ..Default::default()
    };
    let topics = request
        .v3_and_below_topics
        .into_iter()
        .map(|topic| AddPartitionsToTxnTopicResult {
            name: topic.name,
            results_by_partition: topic.partitions.into_iter().map(partition).collect(),
            ..Default::default()
        });
    AddPartitionsToTxnResponse {
        results_by_topic_v3_and_below: topics.collect(),
        ..Default::default()
    }
}

fn write_txn_markers(request: WriteTxnMarkersRequest, _version: i16) -> WriteTxnMarkersResponse {
    use write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };
    let partition = |partition_index| WritableTxnMarkerPartitionResult {
        partition_index,
        error_code: CODE,
        ..Default::default()
    };
    let topic = |topic: write_txn_markers_request::WritableTxnMarkerTopic| WritableTxnMarkerTopicResult {
        name: topic.name,
        partitions: topic.partition_indexes.into_iter().map(partition).collect(),
        ..Default::default()
    };
    let markers = request.markers.into_iter().map(|marker| WritableTxnMarkerResult {
        producer_id: marker.producer_id,
        topics: marker.topics.into_iter().map(topic).collect(),
        ..Default::default()
    });
    WriteTxnMarkersResponse {
        markers: markers.collect(),
        ..Default::default()
    }
}

fn txn_offset_commit(request: TxnOffsetCommitRequest, _version: i16) -> TxnOffsetCommitResponse {
    use txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
    let partition = |partition: txn_offset_commit_request::TxnOffsetCommitRequestPartition| {
        let partition_index = partition.partition_index;
        TxnOffsetCommitResponsePartition {
            partition_index,
            error_code: CODE,
            ..Default::default()
        }
    };
    let topics = request.topics.into_iter().map(|topic| TxnOffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    });
    TxnOffsetCommitResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
