//! What a node knows after a restart, a clean one and one after `kill -9`.

use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;
use klamm_records::Batch;

use crate::client::*;
use crate::node::Node;

/// The ways to end. After each the same has to be true.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Clean,
    Killed,
}

async fn restart(node: &mut Node, end: End) -> Connection {
    match end {
        End::Clean => assert_eq!(node.terminate().code(), Some(0), "{}", node.process().stderr()),
        End::Killed => node.kill(),
    }
    node.start_again().await;
    node.connect().await
}

#[tokio::test]
async fn leader_epochs_rise_and_old_ones_are_fenced() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    connection.append("t", 0, &["a", "b"]).await;
    let mut epochs = vec![connection.metadata("t").await.partitions[0].leader_epoch];
    let mut ends = vec![2];
    for end in [End::Clean, End::Killed] {
        connection = restart(&mut node, end).await;
        let epoch = connection.metadata("t").await.partitions[0].leader_epoch;
        assert!(epoch > *epochs.last().unwrap(), "{end:?}: {epochs:?}, then {epoch}");
        let offset = connection.append("t", 0, &["c"]).await;
        let fetched = bytes(&connection.fetch("t", 0, offset).await);
        assert_eq!(Batch::parse(&fetched).unwrap().header.partition_leader_epoch, epoch);

        for (old, _) in epochs.iter().zip(&ends) {
            let mut request = fetch_request("t", 0, 0);
            request.topics[0].partitions[0].current_leader_epoch = *old;
            let reply = only(connection.call_version(&request, FETCH_BY_NAME).await);
            assert_eq!(reply.error_code, ErrorCode::FENCED_LEADER_EPOCH);
        }
        epochs.push(epoch);
        ends.push(offset + 1);
    }
    for (epoch, end) in epochs.iter().zip(&ends) {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition {
            leader_epoch: *epoch,
            ..Default::default()
        };
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let reply = &connection.call(&request).await.topics[0].partitions[0];
        assert_eq!((reply.leader_epoch, reply.end_offset), (*epoch, *end));
    }
    // A client that was ahead of an old epoch's end is told where that ends (KIP-595's way of truncating).
    let mut request = fetch_request("t", 0, 3);
    request.topics[0].partitions[0].last_fetched_epoch = epochs[0];
    let reply = only(connection.call_version(&request, FETCH_BY_NAME).await);
    assert_eq!(
        (reply.diverging_epoch.epoch, reply.diverging_epoch.end_offset),
        (epochs[0], ends[0])
    );
}

#[tokio::test]
async fn idempotent_producers_go_on_where_they_were() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    let producer = connection.producer_id().await;
    let mut ids = vec![producer.0];
    connection
        .produce("t", 0, idempotent_batch(producer, 0, &["0", "1"]))
        .await;
    for (next, end) in (2..).zip([End::Clean, End::Killed, End::Killed, End::Clean]) {
        connection = restart(&mut node, end).await;
        let again = connection
            .produce("t", 0, idempotent_batch(producer, next - 1, &["x"]))
            .await;
        if next > 2 {
            assert_eq!(
                (again.error_code, again.base_offset),
                (ErrorCode::NONE, i64::from(next - 1)),
                "{end:?}"
            );
        }
        let gap = connection
            .produce("t", 0, idempotent_batch(producer, next + 1, &["x"]))
            .await;
        assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "{end:?}");
        let good = connection
            .produce("t", 0, idempotent_batch(producer, next, &["x"]))
            .await;
        assert_eq!(
            (good.error_code, good.base_offset),
            (ErrorCode::NONE, i64::from(next)),
            "{end:?}"
        );
        let (id, _) = connection.producer_id().await;
        assert!(!ids.contains(&id), "{id} was given away before: {ids:?}");
        ids.push(id);
    }
}

#[tokio::test]
async fn groups_and_their_members_are_still_there() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create("t", 2).await;
    connection.find_coordinator("g").await;
    let join = |member: &str| JoinGroupRequest {
        group_id: "g".to_owned(),
        member_id: member.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![join_group_request::JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"metadata"),
            ..Default::default()
        }],
        ..Default::default()
    };
    let member = connection.call(&join("")).await.member_id;
    let joined = connection.call(&join(&member)).await;
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let sync = SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: member.clone(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: member.clone(),
            assignment: Bytes::from_static(b"mine"),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(connection.call(&sync).await.error_code, ErrorCode::NONE);
    let mut commit = commit_request("g", "t", 1, 41);
    commit.member_id = member.clone();
    commit.generation_id_or_member_epoch = joined.generation_id;
    commit.topics[0].partitions[0].committed_metadata = Some("Füße".to_owned());
    commit.topics[0].partitions[0].committed_leader_epoch = 0;
    let committed = connection.call_version(&commit, OFFSETS_BY_NAME).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::NONE);

    for end in [End::Clean, End::Killed] {
        connection = restart(&mut node, end).await;
        connection.find_coordinator("g").await;
        let heartbeat = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: joined.generation_id,
            member_id: member.clone(),
            ..Default::default()
        };
        assert_eq!(connection.call(&heartbeat).await.error_code, ErrorCode::NONE, "{end:?}");
        let assignment = connection.call(&sync).await.assignment;
        assert_eq!(assignment, Bytes::from_static(b"mine"), "{end:?}");
        let asked = offset_fetch_request::OffsetFetchRequestGroup {
            group_id: "g".to_owned(),
            topics: None,
            ..Default::default()
        };
        let reply = connection
            .call_version(
                &OffsetFetchRequest {
                    groups: vec![asked],
                    ..Default::default()
                },
                OFFSETS_BY_NAME,
            )
            .await;
        let offset = &reply.groups[0].topics[0].partitions[0];
        assert_eq!(
            (
                offset.partition_index,
                offset.committed_offset,
                offset.committed_leader_epoch
            ),
            (1, 41, 0)
        );
        assert_eq!(offset.metadata.as_deref(), Some("Füße"));
    }
}

#[tokio::test]
async fn configs_and_deleted_records_stay_as_they_were() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create_with("t", 1, &[("max.message.bytes", "1000")]).await;
    connection.create("u", 1).await;
    for value in ["a", "b", "c"] {
        connection.append("t", 0, &[value]).await;
    }
    let delete = DeleteRecordsRequest {
        topics: vec![delete_records_request::DeleteRecordsTopic {
            name: "t".to_owned(),
            partitions: vec![delete_records_request::DeleteRecordsPartition {
                offset: 2,
                ..Default::default()
            }],
            ..Default::default()
        }],
        timeout_ms: 5000,
        ..Default::default()
    };
    assert_eq!(connection.call(&delete).await.topics[0].partitions[0].low_watermark, 2);
    let alter = IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: 4,
            resource_name: String::new(),
            configs: vec![incremental_alter_configs_request::AlterableConfig {
                name: "message.max.bytes".to_owned(),
                value: Some("2000".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(connection.call(&alter).await.responses[0].error_code, ErrorCode::NONE);
    for end in [End::Clean, End::Killed] {
        connection = restart(&mut node, end).await;
        assert_eq!(connection.offset_at("t", 0, -2).await.offset, 2, "{end:?}");
        assert_eq!(
            connection.fetch("t", 0, 1).await.error_code,
            ErrorCode::OFFSET_OUT_OF_RANGE
        );
        for (topic, size, error) in [
            ("t", 500, ErrorCode::NONE),
            ("t", 1500, ErrorCode::MESSAGE_TOO_LARGE),
            ("u", 1500, ErrorCode::NONE),
            ("u", 2500, ErrorCode::MESSAGE_TOO_LARGE),
        ] {
            let reply = connection.produce(topic, 0, batch(&["x".repeat(size)])).await;
            assert_eq!(reply.error_code, error, "{end:?}: {size} bytes to {topic}");
        }
    }
}
