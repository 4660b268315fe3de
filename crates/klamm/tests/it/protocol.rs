//! Behaviour on the wire that clients of all ages rely on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_net::Client;
use klamm_protocol::headers::ResponseHeader;
use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, ErrorCode, Message, Reader, Request, frame};
use klamm_records::{Batch, BatchBuilder, Compression, TimestampType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

/// A request's header: key, version, correlation id, client id.
fn header(key: i16, version: i16, correlation_id: i32, client_id: Option<&str>) -> Vec<u8> {
    let mut bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
    bytes.extend(correlation_id.to_be_bytes());
    match client_id {
        None => bytes.extend((-1i16).to_be_bytes()),
        Some(id) => {
            bytes.extend((id.len() as i16).to_be_bytes());
            bytes.extend(id.as_bytes());
        }
    }
    bytes
}

/// A whole request frame without its size.
fn framed<R: Request>(correlation_id: i32, version: i16, request: &R) -> Bytes {
    let encoded = frame::encode_request(correlation_id, Some("klamm-it"), version, request).unwrap();
    encoded.bytes.slice(4..)
}

async fn raw(broker: &Broker) -> Client {
    broker.connect().await.client
}

/// Whether the connection is closed without a reply.
async fn closes(client: &mut Client) -> bool {
    match client.receive_frame().await {
        Ok(_) => false,
        Err(error) => {
            assert!(is_closed(&error), "{error}");
            true
        }
    }
}

#[tokio::test]
async fn api_versions_of_an_unknown_version_gets_a_reply_in_version_0() {
    let broker = Broker::start().await;
    let mut client = raw(&broker).await;
    for version in [6, 99, i16::MAX, -1] {
        let mut request = header(18, version, 77, Some("future"));
        // A flexible header and body that nobody can know.
        request.extend([0, 9, 9, 9, 9]);
        client.send_frame(&request).await.unwrap();
        let mut reader = Reader::new(client.receive_frame().await.unwrap());
        assert_eq!(ResponseHeader::decode(&mut reader, 0).unwrap().correlation_id, 77);
        let reply = ApiVersionsResponse::decode(&mut reader, 0).unwrap();
        assert_eq!(reader.remaining(), 0);
        assert_eq!(reply.error_code, ErrorCode::UNSUPPORTED_VERSION);
        let own = reply.api_keys.iter().find(|api| api.api_key == 18).unwrap();
        assert_eq!((own.min_version, own.max_version), (0, 5));
    }
    // The connection lives on, as KIP-511 needs it to.
    let reply = client.call(&api_versions(), 3).await.unwrap();
    assert_eq!(reply.error_code, ErrorCode::NONE);
}

fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "klamm-it".to_owned(),
        client_software_version: "1.0".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn api_versions_offers_what_clients_look_for() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    for version in 0..=5 {
        let reply = node.call_version(&api_versions(), version).await;
        assert_eq!(reply.error_code, ErrorCode::NONE);
        let range = |key: ApiKey| {
            let found = reply.api_keys.iter().find(|api| api.api_key == key.id());
            found.map(|api| (api.min_version, api.max_version))
        };
        // librdkafka does without some codecs when the first versions are missing (KAFKA-18659).
        assert_eq!(range(ApiKey::Produce), Some((0, 13)));
        assert_eq!(range(ApiKey::Fetch), Some((4, 18)));
        assert_eq!(range(ApiKey::ListOffsets), Some((1, 11)));
        assert_eq!(range(ApiKey::Metadata), Some((0, 13)));
        assert_eq!(range(ApiKey::ApiVersions), Some((0, 5)));
        assert_eq!(range(ApiKey::InitProducerId), Some((0, 5)));
        assert_eq!(range(ApiKey::Vote), None);
        if version >= 3 {
            let level = reply
                .finalized_features
                .iter()
                .find(|feature| feature.name == "metadata.version")
                .unwrap();
            assert_eq!(level.max_version_level, 33);
            assert!(reply.finalized_features_epoch >= 0);
        }
    }
}

#[tokio::test]
async fn api_versions_refuses_a_nameless_client() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let mut answers = Answers::to("ApiVersions");
    for (name, version, kafka) in [
        ("", "1.0", "INVALID_REQUEST"),
        ("x", "", "INVALID_REQUEST"),
        ("-x", "1.0", "INVALID_REQUEST"),
        ("x y", "1.0", "INVALID_REQUEST"),
        ("x.y-z", "1.0-rc", "NONE"),
    ] {
        let request = ApiVersionsRequest {
            client_software_name: name.to_owned(),
            client_software_version: version.to_owned(),
            ..Default::default()
        };
        let reply = node.call_version(&request, 4).await;
        answers.row(&format!("{name:?} {version:?}"), reply.error_code.name(), kafka);
    }
    answers.done();
}

/// Calls an API in each version that the node offers. The requests are as good as empty; what counts is that there is
/// a reply which a client can read to its end.
async fn call_each_version<R: Request>(
    connection: &mut Connection,
    offered: &ApiVersionsResponse,
    request: &R,
) -> usize {
    let Some(api) = offered.api_keys.iter().find(|api| api.api_key == R::KEY.id()) else {
        return 0;
    };
    let mut called = 0;
    for version in api.min_version.max(R::MIN_VERSION)..=api.max_version {
        assert!(version <= R::MAX_VERSION, "{} offers version {version}", R::NAME);
        let known = frame::encode_request(1, None, version, request).is_ok();
        // A field that old versions lack, such as a topic's id, may be left out there.
        let request = if known { request.clone() } else { R::default() };
        connection.call_version(&request, version).await;
        called += 1;
    }
    called
}

#[tokio::test]
async fn each_version_that_is_offered_gets_a_readable_reply() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("versions");
    node.create(&topic, 1).await;
    node.append(&topic, 0, &["x"]).await;
    let offered = node.call(&api_versions()).await;
    let mut called = 0;
    macro_rules! call {
        ($($request:expr),* $(,)?) => { $(called += call_each_version(&mut node, &offered, &$request).await;)* };
    }
    let name = || topic.clone();
    let group = || unique("versions");
    let partition = || list_offsets_request::ListOffsetsPartition {
        timestamp: -1,
        ..Default::default()
    };
    call![
        produce_request(&topic, 0, 1, batch(&["y"])),
        fetch_request(&topic, 0, 0),
        ListOffsetsRequest {
            replica_id: -1,
            topics: vec![list_offsets_request::ListOffsetsTopic {
                name: name(),
                partitions: vec![partition()],
                ..Default::default()
            }],
            ..Default::default()
        },
        MetadataRequest {
            topics: None,
            ..Default::default()
        },
        commit_request(&group(), &topic, 0, 1),
        OffsetFetchRequest {
            group_id: group(),
            ..Default::default()
        },
        OffsetFetchRequest {
            groups: vec![offset_fetch_request::OffsetFetchRequestGroup {
                group_id: group(),
                ..Default::default()
            }],
            ..Default::default()
        },
        FindCoordinatorRequest {
            key: group(),
            ..Default::default()
        },
        FindCoordinatorRequest {
            coordinator_keys: vec![group()],
            ..Default::default()
        },
        JoinGroupRequest {
            group_id: group(),
            ..Default::default()
        },
        HeartbeatRequest {
            group_id: group(),
            ..Default::default()
        },
        LeaveGroupRequest {
            group_id: group(),
            ..Default::default()
        },
        SyncGroupRequest {
            group_id: group(),
            ..Default::default()
        },
        DescribeGroupsRequest {
            groups: vec![group()],
            ..Default::default()
        },
        ListGroupsRequest::default(),
        api_versions(),
        CreateTopicsRequest {
            topics: vec![creatable("a/b", 1, &[("a", "b")])],
            ..Default::default()
        },
        DeleteTopicsRequest {
            topic_names: vec!["a/b".to_owned()],
            ..Default::default()
        },
        DeleteTopicsRequest {
            topics: vec![delete_topics_request::DeleteTopicState {
                name: Some("a/b".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        },
        DeleteRecordsRequest {
            topics: vec![delete_records_request::DeleteRecordsTopic {
                name: name(),
                partitions: vec![delete_records_request::DeleteRecordsPartition::default()],
                ..Default::default()
            }],
            timeout_ms: 1000,
            ..Default::default()
        },
        InitProducerIdRequest {
            transaction_timeout_ms: 1000,
            ..Default::default()
        },
        OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
                topic: name(),
                partitions: vec![offset_for_leader_epoch_request::OffsetForLeaderPartition::default()],
                ..Default::default()
            }],
            ..Default::default()
        },
        DescribeConfigsRequest {
            resources: vec![describe_configs_request::DescribeConfigsResource {
                resource_type: 2,
                resource_name: name(),
                configuration_keys: None,
                ..Default::default()
            }],
            ..Default::default()
        },
        AlterConfigsRequest {
            resources: vec![alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: name(),
                ..Default::default()
            }],
            ..Default::default()
        },
        IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: name(),
                ..Default::default()
            }],
            ..Default::default()
        },
        DescribeLogDirsRequest::default(),
        CreatePartitionsRequest {
            topics: vec![create_partitions_request::CreatePartitionsTopic {
                name: name(),
                count: 1,
                ..Default::default()
            }],
            ..Default::default()
        },
        DeleteGroupsRequest {
            groups_names: vec![group()],
            ..Default::default()
        },
        OffsetDeleteRequest {
            group_id: group(),
            ..Default::default()
        },
        DescribeQuorumRequest::default(),
        UpdateFeaturesRequest {
            validate_only: true,
            ..Default::default()
        },
        DescribeClusterRequest::default(),
        DescribeProducersRequest {
            topics: vec![describe_producers_request::TopicRequest {
                name: name(),
                partition_indexes: vec![0],
                ..Default::default()
            }],
            ..Default::default()
        },
        ListConfigResourcesRequest::default(),
        DescribeTopicPartitionsRequest {
            topics: vec![describe_topic_partitions_request::TopicRequest {
                name: name(),
                ..Default::default()
            }],
            response_partition_limit: 10,
            ..Default::default()
        },
    ];
    assert!(called > 120, "only {called} versions");
}

#[tokio::test]
async fn what_is_not_offered_gets_unsupported_version() {
    let broker = Broker::start().await;
    if !broker.is_ours() {
        return;
    }
    let mut node = broker.connect().await;
    let offered = node.call(&api_versions()).await;
    macro_rules! refused {
        ($($request:ident),* $(,)?) => { $(
            if !offered.api_keys.iter().any(|api| api.api_key == $request::KEY.id()) {
                let reply = node.call_version(&$request::default(), $request::MAX_VERSION).await;
                assert_eq!(reply.error_code, ErrorCode::UNSUPPORTED_VERSION, "{}", $request::NAME);
            }
        )* };
    }
    refused![
        AddOffsetsToTxnRequest,
        EndTxnRequest,
        ConsumerGroupHeartbeatRequest,
        ShareGroupHeartbeatRequest,
        ShareFetchRequest,
        StreamsGroupHeartbeatRequest,
        GetTelemetrySubscriptionsRequest,
        PushTelemetryRequest,
        ListTransactionsRequest,
        DescribeClientQuotasRequest,
        DescribeUserScramCredentialsRequest,
        ElectLeadersRequest,
        ListPartitionReassignmentsRequest,
        CreateDelegationTokenRequest,
        SaslHandshakeRequest,
        SaslAuthenticateRequest,
    ];
}

#[tokio::test]
async fn a_client_needs_no_id() {
    let broker = Broker::start().await;
    let mut client = raw(&broker).await;
    for client_id in [None, Some(""), Some("schlüssel")] {
        let mut request = header(3, 1, 5, client_id);
        request.extend((-1i32).to_be_bytes());
        client.send_frame(&request).await.unwrap();
        let mut reader = Reader::new(client.receive_frame().await.unwrap());
        assert_eq!(ResponseHeader::decode(&mut reader, 0).unwrap().correlation_id, 5);
        assert_eq!(MetadataResponse::decode(&mut reader, 1).unwrap().brokers.len(), 1);
    }
}

#[tokio::test]
async fn bytes_after_a_request_are_of_no_concern() {
    let broker = Broker::start().await;
    let mut client = raw(&broker).await;
    let request = [&framed(8, 1, &MetadataRequest::default())[..], &[1, 2, 3]].concat();
    client.send_frame(&request).await.unwrap();
    let mut reader = Reader::new(client.receive_frame().await.unwrap());
    assert_eq!(ResponseHeader::decode(&mut reader, 0).unwrap().correlation_id, 8);
}

#[tokio::test]
async fn what_is_no_request_closes_only_its_own_connection() {
    let broker = Broker::start().await;
    let mut other = broker.connect().await;
    let mut produce_v2 = header(0, 2, 1, Some("old"));
    produce_v2.extend([0; 32]);
    let frames: [(&str, Vec<u8>); 9] = [
        ("a negative size", (-5i32).to_be_bytes().to_vec()),
        (
            "a size above socket.request.max.bytes",
            (104_857_601i32).to_be_bytes().to_vec(),
        ),
        ("a size of 2 GiB", i32::MAX.to_be_bytes().to_vec()),
        ("an empty frame", sized(&[])),
        ("half a header", sized(&[0, 3, 0])),
        ("an api that is none", sized(&header(1234, 0, 1, None))),
        ("an api that is gone", sized(&header(4, 0, 1, None))),
        (
            "a body that is cut",
            sized(&[&header(3, 1, 1, None)[..], &[0, 0]].concat()),
        ),
        ("a client id that is cut", sized(&[0, 3, 0, 1, 0, 0, 0, 1, 0, 9, b'x'])),
    ];
    for (what, bytes) in frames {
        let mut client = raw(&broker).await;
        client.send_raw(&bytes).await.unwrap();
        assert!(closes(&mut client).await, "{what}");
        other.call(&MetadataRequest::default()).await;
    }
    let an_array_of_a_thousand_million = [&header(3, 1, 1, None)[..], &1_000_000_000i32.to_be_bytes()].concat();
    let mut client = raw(&broker).await;
    client.send_frame(&an_array_of_a_thousand_million).await.unwrap();
    assert!(closes(&mut client).await);
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat()
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
    let broker = Broker::start().await;
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in sized(&framed(
        9,
        12,
        &MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        },
    )) {
        stream.write_all(&[byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let size = stream.read_i32().await.unwrap();
    let mut reply = vec![0; size as usize];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply[..4], 9i32.to_be_bytes());
}

#[tokio::test]
async fn replies_come_in_the_order_of_the_requests() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("order");
    node.create(&topic, 1).await;
    let mut waits = fetch_request(&topic, 0, 0);
    waits.max_wait_ms = 400;
    let mut client = node.client;
    let started = Instant::now();
    client.send(&waits, FETCH_BY_NAME).await.unwrap();
    client.send(&MetadataRequest::default(), 9).await.unwrap();
    client
        .send(&produce_request(&topic, 0, 0, batch(&["no reply"])), PRODUCE_BY_NAME)
        .await
        .unwrap();
    client
        .send(&produce_request(&topic, 0, -1, batch(&["x"])), PRODUCE_BY_NAME)
        .await
        .unwrap();
    client.send(&api_versions(), 3).await.unwrap();
    let (first, _) = client.receive_any::<FetchRequest>(FETCH_BY_NAME).await.unwrap();
    // A broker may read what is behind the Fetch, or not. Apache Kafka's does not.
    let waited = started.elapsed();
    let (second, _) = client.receive_any::<MetadataRequest>(9).await.unwrap();
    let (fourth, produced) = client.receive_any::<ProduceRequest>(PRODUCE_BY_NAME).await.unwrap();
    let (fifth, _) = client.receive_any::<ApiVersionsRequest>(3).await.unwrap();
    assert_eq!([second, fourth, fifth].map(|id| id - first), [1, 3, 4]);
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 1);
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test]
async fn many_requests_on_the_way_are_all_answered_in_order() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("pipeline");
    node.create(&topic, 1).await;
    let mut client = node.client;
    for n in 0..200 {
        let request = produce_request(&topic, 0, -1, batch(&[format!("{n}")]));
        client.send(&request, PRODUCE_BY_NAME).await.unwrap();
    }
    let mut last = None;
    for n in 0..200 {
        let (id, reply) = client.receive_any::<ProduceRequest>(PRODUCE_BY_NAME).await.unwrap();
        assert!(last.is_none_or(|last| id == last + 1));
        last = Some(id);
        let partition = &reply.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::NONE, n));
    }
}

#[tokio::test]
async fn acks_0_gets_no_reply_and_a_failure_closes_the_connection() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("acks0");
    node.create(&topic, 1).await;
    node.client
        .send(&produce_request(&topic, 0, 0, batch(&["a"])), PRODUCE_BY_NAME)
        .await
        .unwrap();
    let reply = node.append(&topic, 0, &["b"]).await;
    assert_eq!(reply, 1);
    let mut client = raw(&broker).await;
    client
        .send(
            &produce_request(&unique("nowhere"), 0, 0, batch(&["a"])),
            PRODUCE_BY_NAME,
        )
        .await
        .unwrap();
    assert!(closes(&mut client).await);
}

#[tokio::test]
async fn a_fetch_waits_as_long_as_it_says_and_no_longer() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("wait");
    node.create(&topic, 1).await;
    node.append(&topic, 0, &["0"]).await;
    let fetch = |offset, max_wait_ms, min_bytes| FetchRequest {
        max_wait_ms,
        min_bytes,
        ..fetch_request(&topic, 0, offset)
    };

    let started = Instant::now();
    let reply = only(node.call_version(&fetch(1, 300, 1), FETCH_BY_NAME).await);
    let waited = started.elapsed();
    assert!(bytes(&reply).is_empty());
    assert!((300..3000).contains(&waited.as_millis()), "{waited:?}");

    // Too few bytes: all the time, then what there is.
    let started = Instant::now();
    let reply = only(node.call_version(&fetch(0, 300, 1 << 20), FETCH_BY_NAME).await);
    let waited = started.elapsed();
    assert_eq!(records(&bytes(&reply)).len(), 1);
    assert!((300..3000).contains(&waited.as_millis()), "{waited:?}");

    // No bytes wanted, an error, or no patience: at once.
    for (request, error) in [
        (fetch(1, 60_000, 0), ErrorCode::NONE),
        (fetch(99, 60_000, 1), ErrorCode::OFFSET_OUT_OF_RANGE),
        (fetch(1, 0, 1), ErrorCode::NONE),
        (fetch(1, -1, 1), ErrorCode::NONE),
    ] {
        let started = Instant::now();
        assert_eq!(only(node.call_version(&request, FETCH_BY_NAME).await).error_code, error);
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(30), "{waited:?}");
    }

    // Records wake it.
    let mut producer = broker.connect().await;
    let waiting = fetch(1, 60_000, 1);
    let started = Instant::now();
    node.client.send(&waiting, FETCH_BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    producer.append(&topic, 0, &["1"]).await;
    let reply = only(node.client.receive::<FetchRequest>(FETCH_BY_NAME).await.unwrap());
    assert_eq!(records(&bytes(&reply)), [(1, b"1".to_vec())]);
    let waited = started.elapsed();
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test]
async fn a_fetch_gets_whole_batches_and_always_the_first() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("limits");
    node.create(&topic, 2).await;
    let long = "x".repeat(1000);
    for _ in 0..3 {
        node.append(&topic, 0, &[&long, &long, &long]).await;
    }
    node.append(&topic, 1, &[&long]).await;
    let batch_size = bytes(&node.fetch(&topic, 0, 6).await).len();

    // Inside of a batch: all of it, the client skips.
    let offsets = |partition: &fetch_response::PartitionData| {
        records(&bytes(partition))
            .iter()
            .map(|(offset, _)| *offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(&node.fetch(&topic, 0, 4).await), [3, 4, 5, 6, 7, 8]);

    let mut request = fetch_request(&topic, 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
    assert_eq!(offsets(&reply), [0, 1, 2]);
    request.topics[0].partitions[0].partition_max_bytes = 2 * batch_size as i32;
    let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
    assert_eq!(offsets(&reply), [0, 1, 2, 3, 4, 5]);
    // One batch, and the next not whole.
    request.topics[0].partitions[0].partition_max_bytes = batch_size as i32 + 1;
    let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
    assert_eq!(offsets(&reply), [0, 1, 2]);
    assert!(bytes(&reply).len() <= batch_size + 1);

    // The first partition gets its batch whatever the limit of the whole reply; the second then gets nothing.
    let mut request = fetch_request(&topic, 0, 0);
    let second = fetch_request::FetchPartition {
        partition: 1,
        ..request.topics[0].partitions[0].clone()
    };
    request.topics[0].partitions.push(second);
    request.max_bytes = 1;
    let reply = node.call_version(&request, FETCH_BY_NAME).await;
    let sizes: Vec<_> = reply.responses[0]
        .partitions
        .iter()
        .map(|partition| offsets(partition).len())
        .collect();
    assert_eq!(sizes, [3, 0]);
}

#[tokio::test]
async fn a_batch_is_served_byte_for_byte() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("bytes");
    node.create(&topic, 1).await;
    let mut offset = 0;
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut builder = BatchBuilder::new(codec);
        let headers = [
            klamm_records::Header {
                key: b"h",
                value: Some(b"v"),
            },
            klamm_records::Header { key: b"h", value: None },
        ];
        builder
            .push(now_ms(), Some(b"key"), Some(&[7; 5000]), &headers)
            .unwrap();
        builder.push(now_ms() - 5, None, None, &[]).unwrap();
        let sent = builder.build();
        let reply = node.produce(&topic, 0, sent.clone()).await;
        assert_eq!(
            (reply.error_code, reply.base_offset),
            (ErrorCode::NONE, offset),
            "{codec:?}"
        );
        assert_eq!(reply.log_append_time_ms, -1);
        let fetched = bytes(&node.fetch(&topic, 0, offset).await);
        assert_eq!(fetched[..8], offset.to_be_bytes());
        // The leader's epoch, after the length.
        assert_eq!(fetched[12..16], 0i32.to_be_bytes());
        assert_eq!(fetched[16..], sent[16..], "{codec:?}");
        assert_eq!(fetched[8..12], sent[8..12]);
        offset += 2;
    }
}

#[tokio::test]
async fn the_time_of_append_takes_the_place_of_the_producers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("append-time");
    node.create_with(&topic, 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    // The node's clock never goes back, so it may be a little off ours.
    let slack = 20;
    let before = now_ms() - slack;
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1000, None, Some(b"x"), &[]).unwrap();
    let reply = node.produce(&topic, 0, builder.build()).await;
    let after = now_ms() + slack;
    assert!(
        (before..=after).contains(&reply.log_append_time_ms),
        "{}",
        reply.log_append_time_ms
    );
    let fetched = bytes(&node.fetch(&topic, 0, 0).await);
    let batch = Batch::parse(&fetched).unwrap();
    batch.verify_crc().unwrap();
    assert_eq!(batch.header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(batch.header.max_timestamp, reply.log_append_time_ms);
    assert_eq!(
        node.offset_at(&topic, 0, before).await.timestamp,
        reply.log_append_time_ms
    );
}

#[tokio::test]
async fn a_large_reply_reaches_a_slow_reader_whole() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("large");
    node.create(&topic, 1).await;
    let value = vec![b'x'; 900_000];
    for _ in 0..12 {
        node.append(&topic, 0, &[&value]).await;
    }
    let mut request = fetch_request(&topic, 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 64 << 20;
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    stream
        .write_all(&sized(&framed(3, FETCH_BY_NAME, &request)))
        .await
        .unwrap();
    // Larger than what sockets hold: the node has to wait for us.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let size = stream.read_i32().await.unwrap() as usize;
    let mut reply = Vec::with_capacity(size);
    let mut stream = stream.take(size as u64);
    while stream.read_buf(&mut reply).await.unwrap() > 0 {}
    assert_eq!(reply.len(), size);
    let mut reader = Reader::new(reply.into());
    ResponseHeader::decode(&mut reader, 1).unwrap();
    let reply = only(FetchResponse::decode(&mut reader, FETCH_BY_NAME).unwrap());
    assert_eq!(records(&bytes(&reply)).len(), 12);
}

#[tokio::test]
async fn default_values_of_tagged_fields_are_not_written() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let topic = unique("tags");
    node.create(&topic, 1).await;
    // librdkafka up to 2.2 misreads any tag in a partition of Fetch.
    let mut client = node.client;
    client
        .send_frame(&framed(3, FETCH_BY_NAME, &fetch_request(&topic, 0, 0)))
        .await
        .unwrap();
    let reply = client.receive_frame().await.unwrap();
    let mut reader = Reader::new(reply.clone());
    let header = ResponseHeader::decode(&mut reader, 1).unwrap();
    let response = FetchResponse::decode(&mut reader, FETCH_BY_NAME).unwrap();
    let again = frame::encode_response(header.correlation_id, FETCH_BY_NAME, &response).unwrap();
    assert_eq!(again.bytes.slice(4..), reply);
    // Partition, topic, reply: each ends with an empty set of tags.
    assert_eq!(reply[reply.len() - 3..], [0, 0, 0]);
}

#[tokio::test]
async fn the_controllers_listener_speaks_to_admin_clients() {
    let broker = Broker::start().await;
    let mut controller = Connection::open(broker.controller()).await;
    let reply = controller.call(&api_versions()).await;
    let offers = |key: ApiKey| reply.api_keys.iter().any(|api| api.api_key == key.id());
    for key in [
        ApiKey::BrokerHeartbeat,
        ApiKey::AllocateProducerIds,
        ApiKey::DescribeQuorum,
        ApiKey::CreateTopics,
    ] {
        assert!(offers(key), "{key}");
    }
    for key in [ApiKey::Produce, ApiKey::Metadata, ApiKey::FindCoordinator] {
        assert!(!offers(key), "{key}");
    }
    let cluster = controller
        .call(&DescribeClusterRequest {
            endpoint_type: 2,
            ..Default::default()
        })
        .await;
    assert_eq!((cluster.error_code, cluster.controller_id), (ErrorCode::NONE, 1));
    let topic = unique("by-controller");
    let topics = vec![creatable(&topic, 1, &[])];
    let created = controller
        .call(&CreateTopicsRequest {
            topics,
            ..Default::default()
        })
        .await;
    assert_eq!(created.topics[0].error_code, ErrorCode::NONE);
    let mut node = broker.connect().await;
    for _ in 0..500 {
        if node.metadata(&topic).await.error_code == ErrorCode::NONE {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the broker does not know {topic}");
}
