//! Error replies: of every API that is offered, in every version, with the code wherever clients look.

use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, ErrorCode, Message, Request, Uuid, Writer, frame};

use super::errors;

const CODE: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

/// Fails a request in all the versions that a broker takes and that can say it, and looks at the codes in the replies.
fn check<R: Request>(request: &R, versions: impl Iterator<Item = i16>, codes: impl Fn(&R::Response) -> Vec<ErrorCode>) {
    for version in versions {
        let mut body = Writer::new();
        request
            .encode(&mut body, version)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME));
        let reply = errors::reply(R::KEY, version, 7, body.into_bytes(), CODE).unwrap();
        let (correlation_id, response) =
            frame::decode_response::<R::Response>(reply.bytes.slice(frame::SIZE_PREFIX..), version).unwrap();
        assert_eq!(correlation_id, 7);
        let codes = codes(&response);
        assert!(
            !codes.is_empty() && codes.iter().all(|code| *code == CODE),
            "{} v{version}: {codes:?} in {response:?}",
            R::NAME
        );
    }
}

/// Calls `check` for `request, versions => |response| codes` and notes the APIs.
macro_rules! check {
    ($covered:ident: $($versions:expr, $request:expr => |$response:ident| $codes:expr;)*) => {$(
        let request = $request;
        $covered.insert(key_of(&request));
        check(&request, $versions.into_iter(), |$response| Vec::from_iter($codes));
    )*};
}

fn key_of<R: Request>(_request: &R) -> ApiKey {
    R::KEY
}

macro_rules! each {
    ($($rows:expr => |$row:ident| $code:expr),*) => {{
        let mut codes = Vec::new();
        $(
            assert_eq!($rows.len(), 2, "a row for each that was named");
            codes.extend($rows.iter().map(|$row| $code));
        )*
        codes
    }};
}

#[tokio::test]
async fn every_error_reply_can_be_read_and_carries_the_code_wherever_clients_look() {
    let mut covered = std::collections::BTreeSet::new();
    let two = || vec!["a".to_owned(), "b".to_owned()];
    let id = Uuid::from_u128(7);
    check! { covered:
        0..=4, HeartbeatRequest::default() => |r| [r.error_code];
        0..=5, ListGroupsRequest::default() => |r| [r.error_code];
        0..=1, ListConfigResourcesRequest::default() => |r| [r.error_code];
        0..=5, SyncGroupRequest::default() => |r| [r.error_code];
        0..=9, JoinGroupRequest { member_id: "m".to_owned(), ..Default::default() } => |r| {
            assert_eq!(r.member_id, "m");
            [r.error_code]
        };
        0..=5, InitProducerIdRequest { transactional_id: None, ..Default::default() } => |r| {
            assert_eq!((r.producer_id, r.producer_epoch), (-1, -1));
            [r.error_code]
        };
        0..=5, ApiVersionsRequest::default() => |r| [r.error_code];
        0..=2, DescribeClusterRequest::default() => |r| [r.error_code];
        [0], UnregisterBrokerRequest::default() => |r| [r.error_code];
        1..=2, DescribeLogDirsRequest::default() => |r| r.results.iter().map(|row| row.error_code);
        3..=5, DescribeLogDirsRequest::default() => |r| [r.error_code];
    }
    partitions(&mut covered, id);
    groups(&mut covered, two(), id);
    cluster(&mut covered, two(), id);
    administrators(&mut covered, two());
    let node = crate::Cluster::start().await.unwrap();
    let offered = node
        .client()
        .await
        .unwrap()
        .call(&ApiVersionsRequest::default(), 0)
        .await
        .unwrap();
    let offered = offered
        .api_keys
        .iter()
        .map(|api| ApiKey::try_from(api.api_key).unwrap());
    assert_eq!(covered, offered.collect());
    assert!(ApiKey::all().all(|key| errors::can_fail(key) == covered.contains(&key)));
}

#[allow(
    clippy::needless_update,
    reason = "most of the rows have more fields than their index"
)]
fn partitions(covered: &mut std::collections::BTreeSet<ApiKey>, id: Uuid) {
    macro_rules! topic {
        ($name:ident, $module:ident::$topic:ident, $rows:ident: [$row:ident], $index:ident) => {{
            use $module::{$row, $topic};
            let rows = (0..2).map(|$index| $row {
                $index,
                ..Default::default()
            });
            $topic {
                $name: "t".to_owned(),
                $rows: rows.collect(),
                ..Default::default()
            }
        }};
    }
    let produced = topic!(name, produce_request::TopicProduceData, partition_data: [PartitionProduceData], index);
    let fetched = topic!(topic, fetch_request::FetchTopic, partitions: [FetchPartition], partition);
    let listed =
        topic!(name, list_offsets_request::ListOffsetsTopic, partitions: [ListOffsetsPartition], partition_index);
    let epochs = topic!(topic, offset_for_leader_epoch_request::OffsetForLeaderTopic, partitions: [OffsetForLeaderPartition], partition);
    let deleted =
        topic!(name, delete_records_request::DeleteRecordsTopic, partitions: [DeleteRecordsPartition], partition_index);
    let committed = topic!(name, offset_commit_request::OffsetCommitRequestTopic, partitions: [OffsetCommitRequestPartition], partition_index);
    let dropped = topic!(name, offset_delete_request::OffsetDeleteRequestTopic, partitions: [OffsetDeleteRequestPartition], partition_index);
    let quorum = topic!(topic_name, describe_quorum_request::TopicData, partitions: [PartitionData], partition_index);
    let producers = describe_producers_request::TopicRequest {
        name: "t".to_owned(),
        partition_indexes: vec![0, 1],
        ..Default::default()
    };
    let mut by_id = produced.clone();
    by_id.topic_id = id;
    check! { covered:
        3..=13, ProduceRequest { acks: -1, topic_data: vec![by_id.clone()], ..Default::default() } => |r| {
            let topic = &r.responses[0];
            assert!(topic.name == "t" || topic.topic_id == id);
            each!(topic.partition_responses => |row| row.error_code)
        };
        4..=18, FetchRequest { topics: vec![fetched.clone()], ..Default::default() } => |r| {
            assert_eq!(r.error_code, ErrorCode::NONE, "of the partitions, not of the session");
            each!(r.responses[0].partitions => |row| row.error_code)
        };
        7..=18, FetchRequest::default() => |r| [r.error_code];
        1..=11, ListOffsetsRequest { topics: vec![listed.clone()], ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
        2..=4, OffsetForLeaderEpochRequest { topics: vec![epochs.clone()], ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
        0..=2, DeleteRecordsRequest { topics: vec![deleted.clone()], ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
        2..=10, OffsetCommitRequest { topics: vec![committed.clone()], ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
        [0], OffsetDeleteRequest { topics: vec![dropped.clone()], ..Default::default() } => |r| {
            let mut codes = each!(r.topics[0].partitions => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        0..=2, DescribeQuorumRequest { topics: vec![quorum.clone()], ..Default::default() } => |r| {
            let mut codes = each!(r.topics[0].partitions => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        [0], DescribeProducersRequest { topics: vec![producers.clone()], ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
    }
}

fn groups(covered: &mut std::collections::BTreeSet<ApiKey>, two: Vec<String>, id: Uuid) {
    use leave_group_request::MemberIdentity;
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    let old = OffsetFetchRequestTopic {
        name: "t".to_owned(),
        partition_indexes: vec![0, 1],
        ..Default::default()
    };
    let new = OffsetFetchRequestTopics {
        name: "t".to_owned(),
        topic_id: id,
        partition_indexes: vec![0, 1],
        ..Default::default()
    };
    let group = |group_id: &String| OffsetFetchRequestGroup {
        group_id: group_id.clone(),
        topics: Some(vec![new.clone()]),
        ..Default::default()
    };
    let groups: Vec<_> = two.iter().map(group).collect();
    let members = vec![MemberIdentity::default(); 2];
    check! { covered:
        [1], OffsetFetchRequest { topics: Some(vec![old.clone()]), ..Default::default() }
            => |r| each!(r.topics[0].partitions => |row| row.error_code);
        2..=7, OffsetFetchRequest { topics: Some(vec![old.clone()]), ..Default::default() } => |r| {
            let mut codes = each!(r.topics[0].partitions => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        8..=10, OffsetFetchRequest { groups: groups.clone(), ..Default::default() } => |r| {
            let mut codes = each!(r.groups => |row| row.error_code);
            codes.extend(each!(r.groups[1].topics[0].partitions => |row| row.error_code));
            codes
        };
        0..=3, FindCoordinatorRequest { key: "g".to_owned(), ..Default::default() } => |r| [r.error_code];
        4..=6, FindCoordinatorRequest { coordinator_keys: two.clone(), ..Default::default() } => |r| {
            assert!(r.coordinators.iter().all(|row| row.node_id == -1));
            each!(r.coordinators => |row| row.error_code)
        };
        0..=2, LeaveGroupRequest::default() => |r| [r.error_code];
        3..=5, LeaveGroupRequest { members: members.clone(), ..Default::default() } => |r| {
            let mut codes = each!(r.members => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        0..=6, DescribeGroupsRequest { groups: two.clone(), ..Default::default() } => |r| each!(r.groups => |row| row.error_code);
        0..=3, DeleteGroupsRequest { groups_names: two.clone(), ..Default::default() }
            => |r| each!(r.results => |row| row.error_code);
    }
}

fn cluster(covered: &mut std::collections::BTreeSet<ApiKey>, two: Vec<String>, id: Uuid) {
    /// Two default rows with these names.
    macro_rules! rows {
        ($row:path, $name:ident) => {
            two.iter()
                .map(|name| {
                    let mut row = <$row>::default();
                    row.$name = name.clone().into();
                    row
                })
                .collect::<Vec<_>>()
        };
    }
    let by_id = vec![
        delete_topics_request::DeleteTopicState {
            topic_id: id,
            ..Default::default()
        };
        2
    ];
    check! { covered:
        [13], MetadataRequest { topics: Some(rows!(metadata_request::MetadataRequestTopic, name)), ..Default::default() } => |r| {
            let mut codes = each!(r.topics => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        0..=12, MetadataRequest { topics: Some(rows!(metadata_request::MetadataRequestTopic, name)), ..Default::default() }
            => |r| each!(r.topics => |row| row.error_code);
        [0], DescribeTopicPartitionsRequest {
            topics: rows!(describe_topic_partitions_request::TopicRequest, name), ..Default::default()
        } => |r| each!(r.topics => |row| row.error_code);
        2..=7, CreateTopicsRequest { topics: rows!(create_topics_request::CreatableTopic, name), ..Default::default() }
            => |r| each!(r.topics => |row| row.error_code);
        1..=5, DeleteTopicsRequest { topic_names: two.clone(), ..Default::default() }
            => |r| each!(r.responses => |row| row.error_code);
        [6], DeleteTopicsRequest { topics: by_id.clone(), ..Default::default() } => |r| each!(r.responses => |row| {
            assert_eq!(row.topic_id, id);
            row.error_code
        });
        0..=3, CreatePartitionsRequest {
            topics: rows!(create_partitions_request::CreatePartitionsTopic, name), ..Default::default()
        } => |r| each!(r.results => |row| row.error_code);
        1..=4, DescribeConfigsRequest {
            resources: rows!(describe_configs_request::DescribeConfigsResource, resource_name), ..Default::default()
        } => |r| each!(r.results => |row| row.error_code);
        0..=2, AlterConfigsRequest {
            resources: rows!(alter_configs_request::AlterConfigsResource, resource_name), ..Default::default()
        } => |r| each!(r.responses => |row| row.error_code);
        0..=1, IncrementalAlterConfigsRequest {
            resources: rows!(incremental_alter_configs_request::AlterConfigsResource, resource_name), ..Default::default()
        } => |r| each!(r.responses => |row| row.error_code);
        0..=1, UpdateFeaturesRequest {
            feature_updates: rows!(update_features_request::FeatureUpdateKey, feature), ..Default::default()
        } => |r| {
            let mut codes = each!(r.results => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        [2], UpdateFeaturesRequest::default() => |r| [r.error_code];
    }
}

fn administrators(covered: &mut std::collections::BTreeSet<ApiKey>, two: Vec<String>) {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    use alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    let elected = elect_leaders_request::TopicPartitions {
        topic: "t".to_owned(),
        partitions: vec![0, 1],
        ..Default::default()
    };
    let reassigned = ReassignableTopic {
        name: "t".to_owned(),
        partitions: vec![ReassignablePartition::default(); 2],
        ..Default::default()
    };
    let moved = AlterReplicaLogDir {
        path: "/d".to_owned(),
        topics: vec![AlterReplicaLogDirTopic {
            name: "t".to_owned(),
            partitions: vec![0, 1],
            ..Default::default()
        }],
        ..Default::default()
    };
    let users = describe_user_scram_credentials_request::UserName::default();
    let deleted = alter_user_scram_credentials_request::ScramCredentialDeletion::default();
    let upserted = alter_user_scram_credentials_request::ScramCredentialUpsertion::default();
    check! { covered:
        [0], ElectLeadersRequest { topic_partitions: Some(vec![elected.clone()]), ..Default::default() }
            => |r| each!(r.replica_election_results[0].partition_result => |row| row.error_code);
        1..=2, ElectLeadersRequest { topic_partitions: Some(vec![elected.clone()]), ..Default::default() } => |r| {
            let mut codes = each!(r.replica_election_results[0].partition_result => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        0..=1, AlterPartitionReassignmentsRequest { topics: vec![reassigned.clone()], ..Default::default() } => |r| {
            let mut codes = each!(r.responses[0].partitions => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        [0], ListPartitionReassignmentsRequest::default() => |r| [r.error_code];
        1..=2, AlterReplicaLogDirsRequest { dirs: vec![moved.clone()], ..Default::default() }
            => |r| each!(r.results[0].partitions => |row| row.error_code);
        0..=1, DescribeClientQuotasRequest::default() => |r| [r.error_code];
        0..=1, AlterClientQuotasRequest {
            entries: vec![alter_client_quotas_request::EntryData::default(); 2], ..Default::default()
        } => |r| each!(r.entries => |row| row.error_code);
        [0], DescribeUserScramCredentialsRequest { users: Some(vec![users.clone(); 2]), ..Default::default() } => |r| {
            let mut codes = each!(r.results => |row| row.error_code);
            codes.push(r.error_code);
            codes
        };
        [0], AlterUserScramCredentialsRequest {
            deletions: vec![deleted.clone()], upsertions: vec![upserted.clone()], ..Default::default()
        } => |r| each!(r.results => |row| row.error_code);
        [0], DescribeTransactionsRequest { transactional_ids: two.clone(), ..Default::default() }
            => |r| each!(r.transaction_states => |row| row.error_code);
        0..=2, ListTransactionsRequest::default() => |r| [r.error_code];
    }
}

#[test]
fn a_version_that_is_too_new_is_refused_in_version_0_with_those_there_are() {
    let mut body = Writer::new();
    ApiVersionsRequest::default().encode(&mut body, 5).unwrap();
    let reply = errors::reply(
        ApiKey::ApiVersions,
        5,
        1,
        body.into_bytes(),
        ErrorCode::UNSUPPORTED_VERSION,
    )
    .unwrap();
    let (_, response) =
        frame::decode_response::<ApiVersionsResponse>(reply.bytes.slice(frame::SIZE_PREFIX..), 0).unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(
        (response.api_keys.len(), response.api_keys[0].api_key),
        (1, ApiKey::ApiVersions.id())
    );
}
