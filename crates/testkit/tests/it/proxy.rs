//! The proxy: each fault as a client meets it, and that nothing else changes on the way.

use std::time::Duration;

use bytes::Bytes;
use klamm_net::{CallError, Client, ClientOptions};
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Request, Uuid};
use klamm_records::{BatchBuilder, Compression};
use klamm_testkit::{Cluster, Proxy};

const LOST: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

async fn before(settings: &[(&str, &str)]) -> (Cluster, Proxy, Client) {
    let mut builder = Cluster::builder();
    for (key, value) in settings {
        builder = builder.set(*key, *value);
    }
    let cluster = builder.start().await.unwrap();
    let proxy = cluster.proxy().unwrap();
    let client = connect(&proxy).await;
    (cluster, proxy, client)
}

async fn connect(proxy: &Proxy) -> Client {
    Client::connect(proxy.bootstrap()).await.unwrap()
}

fn batch() -> Bytes {
    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(1, None, Some(b"value"), &[]).unwrap();
    batch.build()
}

/// One record for each of these partitions of `t`.
fn produce(partitions: &[i32], acks: i16) -> ProduceRequest {
    use produce_request::{PartitionProduceData, TopicProduceData};
    let row = |index: &i32| PartitionProduceData {
        index: *index,
        records: Some(batch().into()),
        ..Default::default()
    };
    let topic = TopicProduceData {
        name: "t".to_owned(),
        partition_data: partitions.iter().map(row).collect(),
        ..Default::default()
    };
    ProduceRequest {
        acks,
        timeout_ms: 5_000,
        topic_data: vec![topic],
        ..Default::default()
    }
}

async fn create(client: &mut Client, partitions: i32) -> Uuid {
    let topic = create_topics_request::CreatableTopic {
        name: "t".to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        ..Default::default()
    };
    let created = client.call(&request, 7).await.unwrap().topics.remove(0);
    assert_eq!(created.error_code, ErrorCode::NONE);
    created.topic_id
}

fn list_end(partitions: i32) -> ListOffsetsRequest {
    use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let row = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: "t".to_owned(),
        partitions: (0..partitions).map(row).collect(),
        ..Default::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

/// The log end offset of `t-0`, asked of the node itself.
async fn end(cluster: &Cluster) -> i64 {
    let mut client = cluster.client().await.unwrap();
    client.call(&list_end(1), 6).await.unwrap().topics[0].partitions[0].offset
}

fn produced(response: &ProduceResponse) -> Vec<(i32, ErrorCode, i64)> {
    let mut rows: Vec<_> = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .collect();
    rows.sort_by_key(|row| row.index);
    rows.iter()
        .map(|row| (row.index, row.error_code, row.base_offset))
        .collect()
}

fn fetch(topic_id: Uuid, partitions: i32, max_wait_ms: i32) -> FetchRequest {
    use fetch_request::{FetchPartition, FetchTopic};
    let row = |partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: "t".to_owned(),
        topic_id,
        partitions: (0..partitions).map(row).collect(),
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        session_epoch: 0,
        topics: vec![topic],
        ..Default::default()
    }
}

#[tokio::test]
async fn the_nth_request_of_an_api_fails_and_has_no_effect() {
    let (cluster, proxy, mut client) = before(&[]).await;
    create(&mut client, 1).await;
    let fault = proxy.on::<ProduceRequest>().nth(2).fail(LOST);
    for expected in [(0, ErrorCode::NONE, 0), (0, LOST, -1), (0, ErrorCode::NONE, 1)] {
        let response = client.call(&produce(&[0], -1), 9).await.unwrap();
        assert_eq!(produced(&response), [expected]);
    }
    assert_eq!((fault.hits(), end(&cluster).await), (1, 2));
}

#[tokio::test]
async fn a_fault_lasts_for_so_many_requests_or_until_it_is_dropped() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let mut next = async || client.call(&HeartbeatRequest::default(), 4).await.unwrap().error_code;
    let unfailed = next().await;
    let twice = proxy
        .on::<HeartbeatRequest>()
        .skip(1)
        .times(2)
        .fail(ErrorCode::NOT_COORDINATOR);
    let always = proxy.on_any().fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(next().await);
    }
    let (loading, other) = (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR);
    assert_eq!(
        seen,
        [loading, other, other, loading],
        "the fault made first is asked first"
    );
    assert_eq!((twice.hits(), always.hits()), (2, 2));
    always.lift();
    assert_eq!(next().await, unfailed);
    proxy.on::<HeartbeatRequest>().fail(other).keep();
    assert_eq!(next().await, other);
}

#[tokio::test]
async fn a_fault_is_for_one_client_or_connection_or_for_requests_of_a_kind() {
    let (_cluster, proxy, mut first) = before(&[]).await;
    let named = ClientOptions {
        client_id: "named".to_owned(),
        ..ClientOptions::default()
    };
    let mut requests = proxy.requests();
    let mut second = Client::connect_with(proxy.bootstrap(), named).await.unwrap();
    let code = ErrorCode::FENCED_INSTANCE_ID;
    let heartbeat = |group: &str| HeartbeatRequest {
        group_id: group.to_owned(),
        ..Default::default()
    };
    // Whether the fault befell the first and the second.
    let mut both = async |group: &str| {
        let first = first.call(&heartbeat(group), 3).await.unwrap().error_code;
        let second = second.call(&heartbeat(group), 3).await.unwrap().error_code;
        (first == code, second == code)
    };
    let fault = proxy.on_any().client_id("named").fail(code);
    assert_eq!(both("g").await, (false, true));
    drop(fault);
    let first_seen = requests.next().await;
    assert_eq!(first_seen.client_id.as_deref(), Some("klamm"));
    let fault = proxy
        .on::<HeartbeatRequest>()
        .connection(first_seen.connection)
        .fail(code);
    assert_eq!(both("g").await, (true, false));
    drop(fault);
    let _fault = proxy
        .on::<HeartbeatRequest>()
        .matching(|request| request.group_id == "h")
        .fail(code);
    assert_eq!(both("g").await, (false, false));
    assert_eq!(both("h").await, (true, true));
}

#[tokio::test]
async fn a_lost_connection_shows_whether_the_request_took_effect_only_later() {
    let (cluster, proxy, mut client) = before(&[]).await;
    create(&mut client, 1).await;
    let before = proxy.on::<ProduceRequest>().once().disconnect();
    assert!(matches!(
        client.call(&produce(&[0], -1), 9).await,
        Err(CallError::Io(_))
    ));
    assert_eq!((before.hits(), end(&cluster).await), (1, 0));
    let after = proxy.on::<ProduceRequest>().once().lose_reply();
    let mut client = connect(&proxy).await;
    assert!(matches!(
        client.call(&produce(&[0], -1), 9).await,
        Err(CallError::Io(_))
    ));
    assert_eq!((after.hits(), end(&cluster).await), (1, 1));
}

#[tokio::test]
async fn requests_and_replies_are_held_until_the_fault_is_lifted() {
    let (cluster, proxy, mut client) = before(&[]).await;
    create(&mut client, 1).await;
    let held = proxy.on::<ProduceRequest>().hold();
    client.send(&produce(&[0], -1), 9).await.unwrap();
    held.wait_for_hits(1).await;
    let mut other = connect(&proxy).await;
    assert_eq!(
        other.call(&list_end(1), 6).await.unwrap().topics[0].partitions[0].offset,
        0
    );
    held.lift();
    assert_eq!(
        produced(&client.receive::<ProduceRequest>(9).await.unwrap()),
        [(0, ErrorCode::NONE, 0)]
    );

    let held = proxy.on::<ProduceRequest>().hold_reply();
    client.send(&produce(&[0], -1), 9).await.unwrap();
    while end(&cluster).await < 2 {
        tokio::task::yield_now().await;
    }
    let mut reply = std::pin::pin!(client.receive::<ProduceRequest>(9));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), &mut reply)
            .await
            .is_err()
    );
    held.lift();
    assert_eq!(produced(&reply.await.unwrap()), [(0, ErrorCode::NONE, 1)]);
}

#[tokio::test]
async fn delays_add_up_before_what_comes_after_them() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let _delays = [
        proxy.on_any().delay(Duration::from_millis(20)),
        proxy.on::<HeartbeatRequest>().delay_reply(Duration::from_millis(20)),
    ];
    let _fault = proxy.on_any().fail(ErrorCode::NOT_COORDINATOR);
    let start = std::time::Instant::now();
    let response = client.call(&HeartbeatRequest::default(), 4).await.unwrap();
    assert_eq!(response.error_code, ErrorCode::NOT_COORDINATOR);
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_hand_made_reply_stands_in_for_the_brokers() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let throttled = proxy.on::<HeartbeatRequest>().once().answer(|request, version| {
        assert_eq!((request.group_id.as_str(), version), ("g", 4));
        HeartbeatResponse {
            throttle_time_ms: 7,
            ..Default::default()
        }
    });
    let heartbeat = HeartbeatRequest {
        group_id: "g".to_owned(),
        ..Default::default()
    };
    let response = client.call(&heartbeat, 4).await.unwrap();
    assert_eq!((response.throttle_time_ms, response.error_code), (7, ErrorCode::NONE));
    assert_eq!(throttled.hits(), 1);
}

#[tokio::test]
#[should_panic(expected = "the answer to OffsetFetch version 1")]
async fn a_hand_made_reply_that_its_version_cannot_say_is_told_to_the_test() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let fault = proxy.on::<OffsetFetchRequest>().answer(|_, _| OffsetFetchResponse {
        groups: vec![Default::default()],
        ..Default::default()
    });
    let request = OffsetFetchRequest {
        topics: Some(Vec::new()),
        ..Default::default()
    };
    assert!(client.call(&request, 1).await.is_err());
    fault.hits();
}

#[tokio::test]
#[should_panic(expected = "there is no error reply for EndTxn")]
async fn a_fault_that_can_never_be_is_refused_where_it_is_made() {
    let (_cluster, proxy, _client) = before(&[]).await;
    drop(proxy.on::<EndTxnRequest>().fail(LOST));
}

#[tokio::test]
async fn a_partition_without_leader_refuses_what_the_others_serve() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let id = create(&mut client, 2).await;
    let named = MetadataRequest {
        topics: Some(vec![metadata_request::MetadataRequestTopic {
            name: Some("t".to_owned()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let mut by_id = produce(&[0, 1], -1);
    by_id.topic_data[0].topic_id = id;
    let leaders = async |client: &mut Client| {
        let response = client.call(&named, 12).await.unwrap();
        let rows = response.topics[0].partitions.iter();
        Vec::from_iter(rows.map(|row| (row.partition_index, row.error_code, row.leader_id)))
    };
    let led = leaders(&mut client).await;
    assert_eq!(led, [(0, ErrorCode::NONE, 1), (1, ErrorCode::NONE, 1)]);

    let lost = proxy.without_leader("t", 1);
    assert_eq!(
        leaders(&mut client).await,
        [(0, ErrorCode::NONE, 1), (1, ErrorCode::LEADER_NOT_AVAILABLE, -1)]
    );
    for (request, version, offset) in [(&produce(&[0, 1], -1), 9, 0), (&by_id, 13, 1)] {
        let response = client.call(request, version).await.unwrap();
        assert_eq!(response.responses.len(), 1, "one row of topics");
        assert_eq!(produced(&response), [(0, ErrorCode::NONE, offset), (1, LOST, -1)]);
    }
    assert_eq!(
        produced(&client.call(&produce(&[1], -1), 9).await.unwrap()),
        [(1, LOST, -1)]
    );
    let ends = client.call(&list_end(2), 6).await.unwrap();
    let ends: Vec<_> = ends.topics[0]
        .partitions
        .iter()
        .map(|row| (row.error_code, row.offset))
        .collect();
    assert_eq!(ends, [(ErrorCode::NONE, 2), (LOST, -1)]);
    for version in [4, 12, 13, 18] {
        // Answered at once, though there would be nothing to wait for in the second partition.
        let response = client.call(&fetch(id, 2, 60_000), version).await.unwrap();
        let rows = response.responses.iter().flat_map(|topic| &topic.partitions);
        let mut rows: Vec<_> = rows
            .map(|row| (row.partition_index, row.error_code, row.high_watermark))
            .collect();
        rows.sort();
        assert_eq!(rows, [(0, ErrorCode::NONE, 2), (1, LOST, -1)], "v{version}");
    }
    assert_eq!(lost.hits(), 8);
    lost.lift();
    assert_eq!(leaders(&mut client).await, led);
    assert_eq!(
        produced(&client.call(&produce(&[1], -1), 9).await.unwrap()),
        [(1, ErrorCode::NONE, 0)]
    );
}

#[tokio::test]
async fn a_fetch_waits_out_its_time_and_opens_no_session() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let id = create(&mut client, 1).await;
    for version in [7, 14, 15, 18] {
        let response = client.call(&fetch(id, 1, 1), version).await.unwrap();
        assert_eq!(
            (response.session_id, response.error_code),
            (0, ErrorCode::NONE),
            "v{version}"
        );
    }
    client.send(&fetch(id, 1, 60_000), 18).await.unwrap();
    connect(&proxy).await.call(&produce(&[0], -1), 9).await.unwrap();
    let response = client.receive::<FetchRequest>(18).await.unwrap();
    let records = response.responses[0].partitions[0]
        .records
        .as_ref()
        .map(klamm_protocol::Records::len);
    assert_eq!(records, Some(batch().len()));
}

#[tokio::test]
async fn clients_are_told_the_proxys_address_and_no_other() {
    let (cluster, proxy, mut client) = before(&[]).await;
    let door: i32 = proxy.bootstrap().rsplit_once(':').unwrap().1.parse().unwrap();
    assert_ne!(door, i32::from(cluster.address().port()));
    for version in 0..=13 {
        let response = client.call(&MetadataRequest::default(), version).await.unwrap();
        assert_eq!(response.brokers[0].port, door, "v{version}");
    }
    for version in 0..=2 {
        let response = client.call(&DescribeClusterRequest::default(), version).await.unwrap();
        assert_eq!(response.brokers[0].port, door);
    }
    let find = |version| FindCoordinatorRequest {
        key: if version < 4 { "g".to_owned() } else { String::new() },
        coordinator_keys: if version < 4 { Vec::new() } else { vec!["g".to_owned()] },
        ..Default::default()
    };
    for version in [2, 4, 6] {
        loop {
            let response = client.call(&find(version), version).await.unwrap();
            let found = response.coordinators.first();
            let (code, port) = found.map_or((response.error_code, response.port), |row| (row.error_code, row.port));
            if code == ErrorCode::NONE {
                assert_eq!(port, door);
                break;
            }
            assert_eq!((code, port), (ErrorCode::COORDINATOR_NOT_AVAILABLE, -1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn failed_metadata_still_names_the_brokers_and_creates_nothing() {
    let (cluster, proxy, mut client) = before(&[]).await;
    let request = MetadataRequest {
        topics: Some(vec![metadata_request::MetadataRequestTopic {
            name: Some("t".to_owned()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let fault = proxy
        .on::<MetadataRequest>()
        .fail(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    for version in 4..=13 {
        let response = client.call(&request, version).await.unwrap();
        assert_eq!(response.brokers.len(), 1, "v{version}");
        assert_eq!(response.topics[0].error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    assert_eq!(fault.hits(), 10);
    let all = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let response = cluster.client().await.unwrap().call(&all, 12).await.unwrap();
    assert!(response.topics.is_empty());
}

#[tokio::test]
async fn tests_see_what_clients_send() {
    let (_cluster, proxy, mut client) = before(&[]).await;
    let mut requests = proxy.requests();
    create(&mut client, 1).await;
    client.call(&produce(&[0], -1), 9).await.unwrap();
    let sent: ProduceRequest = requests.next_of().await;
    assert_eq!((sent.acks, sent.topic_data[0].partition_data[0].index), (-1, 0));
    client.call(&HeartbeatRequest::default(), 2).await.unwrap();
    let seen: Vec<_> = requests.drain().iter().map(|seen| (seen.key, seen.version)).collect();
    assert_eq!(seen, [(HeartbeatRequest::KEY, 2)]);
}

#[tokio::test]
async fn a_produce_without_acks_has_no_reply_and_fails_by_a_closed_connection() {
    let (cluster, proxy, mut client) = before(&[]).await;
    create(&mut client, 2).await;
    client.send(&produce(&[0], 0), 9).await.unwrap();
    let response = client.call(&produce(&[0], -1), 9).await.unwrap();
    assert_eq!(produced(&response), [(0, ErrorCode::NONE, 1)]);
    let fault = proxy.on::<ProduceRequest>().once().fail(LOST);
    client.send(&produce(&[0], 0), 9).await.unwrap();
    assert!(client.receive_frame().await.is_err());
    fault.wait_for_hits(1).await;
    let lost = proxy.without_leader("t", 0);
    let mut client = connect(&proxy).await;
    client.send(&produce(&[0], 0), 9).await.unwrap();
    assert!(client.receive_frame().await.is_err());
    lost.wait_for_hits(1).await;
    assert_eq!(end(&cluster).await, 2);
}

#[tokio::test]
async fn connections_end_with_the_node_and_with_the_proxy_and_begin_again() {
    let (mut cluster, proxy, mut client) = before(&[]).await;
    let heartbeat = HeartbeatRequest::default();
    client.call(&heartbeat, 4).await.unwrap();
    cluster.kill().await;
    assert!(client.receive_frame().await.is_err());
    cluster.restart().await.unwrap();
    let mut client = connect(&proxy).await;
    client.call(&heartbeat, 4).await.unwrap();
    proxy.disconnect_all();
    assert!(client.receive_frame().await.is_err());
    let mut client = connect(&proxy).await;
    client.call(&heartbeat, 4).await.unwrap();
    let bootstrap = proxy.bootstrap().to_owned();
    drop(proxy);
    assert!(client.receive_frame().await.is_err());
    assert!(Client::connect(bootstrap).await.is_err());
}

#[tokio::test]
async fn what_the_proxy_does_not_know_is_the_brokers_to_answer() {
    let (_cluster, _proxy, mut client) = before(&[]).await;
    // ApiVersions in a version of the future, as a newer client opens.
    client.send_frame(&[0, 18, 0, 99, 0, 0, 0, 5, 255, 255]).await.unwrap();
    let reply = client.receive_frame().await.unwrap();
    assert_eq!(reply[..6], [0, 0, 0, 5, 0, 35]);
    client.send_frame(&[99, 99, 0, 0, 0, 0, 0, 5, 255, 255]).await.unwrap();
    assert!(client.receive_frame().await.is_err());
}
