//! Groups on a whole node, over its sockets: placed, kept over restarts, and gone with what they hold.

use std::path::Path;
use std::time::Duration;

use klamm_config::{Origin, ServerConfig};
use klamm_net::Client;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::delete_topics_request::DeleteTopicState;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use klamm_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use klamm_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Uuid};

use crate::server::{Server, Unformatted};
use crate::standalone::Standalone;
use crate::topics::GROUP_METADATA_TOPIC;

async fn start(data_dir: &Path) -> Server {
    let mut properties = Standalone {
        host: "127.0.0.1",
        port: 0,
        data_dir,
    }
    .properties();
    properties.set("offsets.topic.num.partitions", "7", Origin::Program);
    let (config, _) = ServerConfig::load(&properties).expect("sound settings");
    Server::start(config, Unformatted::Format)
        .await
        .expect("the node starts")
}

async fn connect(server: &Server) -> Client {
    Client::connect(server.client_address().expect("a listener for clients"))
        .await
        .expect("it listens")
}

/// Creates the topic `t` of two partitions and tells its id.
async fn create_topic(client: &mut Client) -> Uuid {
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let response = client.call(&request, 7).await.expect("an answer");
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
    response.topics[0].topic_id
}

/// Asks for the group's coordinator until there is one.
async fn find_coordinator(client: &mut Client, group: &str) {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned()],
        ..Default::default()
    };
    for _ in 0..500 {
        let response = client.call(&request, 4).await.expect("an answer");
        match response.coordinators[0].error_code {
            ErrorCode::NONE => return,
            ErrorCode::COORDINATOR_NOT_AVAILABLE => tokio::time::sleep(Duration::from_millis(10)).await,
            error => panic!("{error:?}"),
        }
    }
    panic!("no coordinator in five seconds");
}

/// Joins, and joins again with the member id that was given out.
async fn join(client: &mut Client, group: &str) -> JoinGroupResponse {
    let mut request = JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let first = client.call(&request, 9).await.expect("an answer");
    assert_eq!(first.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    request.member_id = first.member_id;
    let joined = client.call(&request, 9).await.expect("an answer");
    assert_eq!(joined.error_code, ErrorCode::NONE);
    joined
}

async fn sync(client: &mut Client, group: &str, joined: &JoinGroupResponse) -> SyncGroupResponse {
    let request = SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: "all".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    client.call(&request, 5).await.expect("an answer")
}

fn commit_request(group: &str, topic_id: Uuid, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            topic_id,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 1,
                committed_offset: offset,
                committed_metadata: Some("note".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn commit(client: &mut Client, group: &str, offset: i64) -> ErrorCode {
    let response = client
        .call(&commit_request(group, Uuid::ZERO, offset), 9)
        .await
        .expect("an answer");
    response.topics[0].partitions[0].error_code
}

/// The group's offsets as `t-1=5`.
async fn offsets(client: &mut Client, group: &str) -> Vec<String> {
    let group = OffsetFetchRequestGroup {
        group_id: group.to_owned(),
        topics: None,
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![group],
        require_stable: true,
        ..Default::default()
    };
    for _ in 0..500 {
        let mut response = client.call(&request, 9).await.expect("an answer");
        let group = response.groups.remove(0);
        if group.error_code != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
            assert_eq!(group.error_code, ErrorCode::NONE);
            let row = |name: &str, partition, offset| format!("{name}-{partition}={offset}");
            let rows = group.topics.iter().flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|p| row(&topic.name, p.partition_index, p.committed_offset))
            });
            return rows.collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still loading after five seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_and_its_offsets_outlive_their_node() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path()).await;
    let mut client = connect(&server).await;
    create_topic(&mut client).await;
    find_coordinator(&mut client, "g").await;
    let topic = server
        .node()
        .image()
        .topics()
        .by_name(GROUP_METADATA_TOPIC)
        .cloned()
        .expect("it was created");
    assert_eq!(topic.partitions.len(), 7);
    let joined = join(&mut client, "g").await;
    assert_eq!(sync(&mut client, "g", &joined).await.assignment, "all");
    let mut request = commit_request("g", Uuid::ZERO, 5);
    (request.member_id, request.generation_id_or_member_epoch) = (joined.member_id.clone(), joined.generation_id);
    let response = client.call(&request, 9).await.expect("an answer");
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(commit(&mut client, "other", 6).await, ErrorCode::NONE);
    drop(client);
    server.shutdown().await.expect("a clean stop");

    let server = start(dir.path()).await;
    let mut client = connect(&server).await;
    assert_eq!(offsets(&mut client, "g").await, ["t-1=5"]);
    assert_eq!(offsets(&mut client, "other").await, ["t-1=6"]);
    let heartbeat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    assert_eq!(
        client.call(&heartbeat, 4).await.expect("an answer").error_code,
        ErrorCode::NONE
    );
    let describe = DescribeGroupsRequest {
        groups: vec!["g".to_owned(), "none".to_owned()],
        ..Default::default()
    };
    let described = client.call(&describe, 6).await.expect("an answer");
    assert_eq!(
        (
            described.groups[0].group_state.as_str(),
            described.groups[0].members.len()
        ),
        ("Stable", 1)
    );
    assert_eq!(described.groups[0].members[0].client_host, "/127.0.0.1");
    assert_eq!(described.groups[1].error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    let listed = client.call(&ListGroupsRequest::default(), 5).await.expect("an answer");
    let mut names: Vec<&str> = listed.groups.iter().map(|group| group.group_id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["g", "other"]);
    server.shutdown().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_go_with_their_topic() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path()).await;
    let mut client = connect(&server).await;
    create_topic(&mut client).await;
    find_coordinator(&mut client, "g").await;
    assert_eq!(commit(&mut client, "g", 5).await, ErrorCode::NONE);
    let topics = vec![DeleteTopicState {
        name: Some("t".to_owned()),
        ..Default::default()
    }];
    let deleted = client
        .call(
            &DeleteTopicsRequest {
                topics,
                timeout_ms: 5_000,
                ..Default::default()
            },
            6,
        )
        .await;
    assert_eq!(deleted.expect("an answer").responses[0].error_code, ErrorCode::NONE);
    for _ in 0..500 {
        if offsets(&mut client, "g").await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the offset is still there after five seconds");
}

/// Calls an API in all its versions; each has to answer, and `check` looks at the answer.
async fn all_versions<R: klamm_protocol::Request>(
    client: &mut Client,
    request: impl Fn(i16) -> R,
    check: impl Fn(i16, R::Response),
) {
    for version in R::MIN_VERSION..=R::MAX_VERSION {
        let response = client.call(&request(version), version).await;
        check(
            version,
            response.unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME)),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_the_group_apis_is_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path()).await;
    let client = &mut connect(&server).await;
    let topic_id = create_topic(client).await;
    find_coordinator(client, "g").await;
    let group = || "g".to_owned();

    all_versions(
        client,
        |version| match version {
            0..4 => FindCoordinatorRequest {
                key: group(),
                ..Default::default()
            },
            _ => FindCoordinatorRequest {
                coordinator_keys: vec![group()],
                ..Default::default()
            },
        },
        |version, response| match version {
            0..4 => assert_eq!((response.error_code, response.node_id), (ErrorCode::NONE, 1)),
            _ => assert_eq!(
                (response.coordinators[0].error_code, response.coordinators[0].node_id),
                (ErrorCode::NONE, 1)
            ),
        },
    )
    .await;
    all_versions(
        client,
        |_| commit_request("g", topic_id, 5),
        |_, response| assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE),
    )
    .await;
    all_versions(
        client,
        |version| {
            let mut request = commit_request("g", Uuid::from_u128(9), 5);
            "unknown".clone_into(&mut request.topics[0].name);
            if version == 9 {
                request.topics[0].partitions[0].partition_index = 99;
                "t".clone_into(&mut request.topics[0].name);
            }
            request
        },
        |version, response| {
            let expected = if version < 10 {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            } else {
                ErrorCode::UNKNOWN_TOPIC_ID
            };
            assert_eq!(response.topics[0].partitions[0].error_code, expected);
        },
    )
    .await;
    all_versions(
        client,
        |version| match version {
            0..8 => OffsetFetchRequest {
                group_id: group(),
                topics: Some(vec![OffsetFetchRequestTopic {
                    name: "t".to_owned(),
                    partition_indexes: vec![1, 0],
                    ..Default::default()
                }]),
                ..Default::default()
            },
            _ => OffsetFetchRequest {
                groups: vec![OffsetFetchRequestGroup {
                    group_id: group(),
                    topics: Some(vec![OffsetFetchRequestTopics {
                        name: if version < 10 { "t".to_owned() } else { String::new() },
                        topic_id,
                        partition_indexes: vec![1, 0],
                        ..Default::default()
                    }]),
                    ..Default::default()
                }],
                ..Default::default()
            },
        },
        |version, mut response| {
            let offsets: Vec<i64> = match version {
                0..8 => response.topics[0]
                    .partitions
                    .iter()
                    .map(|row| row.committed_offset)
                    .collect(),
                _ => {
                    let group = response.groups.remove(0);
                    assert_eq!(group.error_code, ErrorCode::NONE);
                    group.topics[0]
                        .partitions
                        .iter()
                        .map(|row| row.committed_offset)
                        .collect()
                }
            };
            assert_eq!(offsets, [5, -1]);
        },
    )
    .await;
    members_in_every_version(client).await;
    all_versions(
        client,
        |_| DescribeGroupsRequest {
            groups: vec![group()],
            ..Default::default()
        },
        |_, response| assert_eq!(response.groups[0].group_state, "Empty"),
    )
    .await;
    all_versions(
        client,
        |_| ListGroupsRequest::default(),
        |_, response| assert!(response.groups.iter().any(|group| group.group_id == "g")),
    )
    .await;
    all_versions(
        client,
        |_| OffsetDeleteRequest {
            group_id: group(),
            topics: ["t", "unknown"]
                .map(|name| OffsetDeleteRequestTopic {
                    name: name.to_owned(),
                    partitions: vec![OffsetDeleteRequestPartition { partition_index: 1 }],
                })
                .into(),
        },
        |_, response| {
            let codes: Vec<_> = response
                .topics
                .iter()
                .map(|topic| topic.partitions[0].error_code)
                .collect();
            assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
        },
    )
    .await;
    all_versions(
        client,
        |_| DeleteGroupsRequest {
            groups_names: vec!["none".to_owned()],
            ..Default::default()
        },
        |_, response| assert_eq!(response.results[0].error_code, ErrorCode::GROUP_ID_NOT_FOUND),
    )
    .await;
}

/// Join, sync, heartbeat and leave. Refusals will do where the versions' forms are what is tested.
async fn members_in_every_version(client: &mut Client) {
    all_versions(
        client,
        |_| JoinGroupRequest {
            group_id: "g".to_owned(),
            session_timeout_ms: 10_000,
            member_id: "stranger".to_owned(),
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        },
        |version, response| {
            assert_eq!(response.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
            assert_eq!(response.member_id, "stranger");
            assert!(version >= 7 || response.protocol_name.is_some());
        },
    )
    .await;
    all_versions(
        client,
        |_| SyncGroupRequest {
            group_id: "g".to_owned(),
            member_id: "stranger".to_owned(),
            ..Default::default()
        },
        |version, response| {
            let expected = if version < 5 {
                ErrorCode::UNKNOWN_MEMBER_ID
            } else {
                ErrorCode::INCONSISTENT_GROUP_PROTOCOL
            };
            assert_eq!(response.error_code, expected);
        },
    )
    .await;
    all_versions(
        client,
        |_| HeartbeatRequest {
            group_id: "g".to_owned(),
            member_id: "stranger".to_owned(),
            ..Default::default()
        },
        |_, response| assert_eq!(response.error_code, ErrorCode::UNKNOWN_MEMBER_ID),
    )
    .await;
    all_versions(
        client,
        |version| match version {
            0..3 => LeaveGroupRequest {
                group_id: "g".to_owned(),
                member_id: "stranger".to_owned(),
                ..Default::default()
            },
            _ => LeaveGroupRequest {
                group_id: "g".to_owned(),
                members: vec![MemberIdentity {
                    member_id: "stranger".to_owned(),
                    ..Default::default()
                }],
                ..Default::default()
            },
        },
        |version, response| match version {
            0..3 => assert_eq!(response.error_code, ErrorCode::UNKNOWN_MEMBER_ID),
            _ => assert_eq!(response.members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID),
        },
    )
    .await;
}
