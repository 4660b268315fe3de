//! Random, mutated, half and oversize frames from six sockets, beside a client that wants nothing but service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Request, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::*;
use crate::node::Node;
use crate::random::{Random, seed};

const SOCKETS: u64 = 6;
/// What the hostile ones write to; nothing of it is the honest client's.
const VICTIM: &str = "victim";
/// Far above what an idle node holds, far below what the frames announce.
const MEMORY: u64 = 192 << 20;

/// Requests that are in order, to be spoiled. None of them is harmful when it is not, or when another topic is hit.
fn requests() -> Vec<Bytes> {
    let mut all = Vec::new();
    let victim = || VICTIM.to_owned();
    let config = || incremental_alter_configs_request::AlterableConfig {
        name: "retention.ms".to_owned(),
        value: Some("86400000".to_owned()),
        ..Default::default()
    };
    let member = || sync_group_request::SyncGroupRequestAssignment {
        member_id: "m".to_owned(),
        assignment: Bytes::from_static(b"assignment"),
        ..Default::default()
    };
    let protocol = || join_group_request::JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"metadata"),
        ..Default::default()
    };
    // To a broker that is not there, so that no mutation makes thousands of partitions.
    let nowhere = || create_topics_request::CreatableTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![create_topics_request::CreatableReplicaAssignment {
            broker_ids: vec![77],
            ..Default::default()
        }],
        ..creatable(VICTIM, -1, &[("retention.ms", "1")])
    };
    every_version(&mut all, &produce_request(VICTIM, 0, -1, batch(&["a", "b", "c"])));
    every_version(
        &mut all,
        &produce_request(VICTIM, 0, 1, idempotent_batch((77, 0), 0, &["a"; 20])),
    );
    every_version(
        &mut all,
        &FetchRequest {
            session_id: 0,
            session_epoch: 0,
            ..fetch_request(VICTIM, 0, 0)
        },
    );
    every_version(
        &mut all,
        &ListOffsetsRequest {
            replica_id: -1,
            topics: vec![list_offsets_request::ListOffsetsTopic {
                name: victim(),
                partitions: vec![list_offsets_request::ListOffsetsPartition {
                    timestamp: 5,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &MetadataRequest {
            topics: Some(vec![metadata_request::MetadataRequestTopic {
                name: Some(victim()),
                ..Default::default()
            }]),
            allow_auto_topic_creation: false,
            ..Default::default()
        },
    );
    every_version(&mut all, &commit_request("hostile", VICTIM, 0, 1));
    every_version(
        &mut all,
        &OffsetFetchRequest {
            group_id: "hostile".to_owned(),
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &FindCoordinatorRequest {
            key: "hostile".to_owned(),
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &JoinGroupRequest {
            group_id: "hostile".to_owned(),
            session_timeout_ms: 6000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![protocol(), protocol()],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &SyncGroupRequest {
            group_id: "hostile".to_owned(),
            assignments: vec![member()],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &HeartbeatRequest {
            group_id: "hostile".to_owned(),
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &DescribeGroupsRequest {
            groups: vec!["hostile".to_owned()],
            ..Default::default()
        },
    );
    every_version(&mut all, &ListGroupsRequest::default());
    every_version(&mut all, &ApiVersionsRequest::default());
    every_version(
        &mut all,
        &CreateTopicsRequest {
            topics: vec![nowhere()],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &DeleteTopicsRequest {
            topic_names: vec!["nowhere".to_owned()],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &DeleteRecordsRequest {
            topics: vec![delete_records_request::DeleteRecordsTopic {
                name: victim(),
                partitions: vec![delete_records_request::DeleteRecordsPartition {
                    offset: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &InitProducerIdRequest {
            transactional_id: None,
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &OffsetForLeaderEpochRequest {
            topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
                topic: victim(),
                partitions: vec![offset_for_leader_epoch_request::OffsetForLeaderPartition::default()],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: victim(),
                configs: vec![config()],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &DescribeConfigsRequest {
            resources: vec![describe_configs_request::DescribeConfigsResource {
                resource_type: 2,
                resource_name: victim(),
                configuration_keys: None,
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    every_version(&mut all, &DescribeLogDirsRequest::default());
    every_version(&mut all, &DescribeClusterRequest::default());
    every_version(&mut all, &DescribeQuorumRequest::default());
    every_version(
        &mut all,
        &OffsetDeleteRequest {
            group_id: "hostile".to_owned(),
            ..Default::default()
        },
    );
    every_version(
        &mut all,
        &LeaveGroupRequest {
            group_id: "hostile".to_owned(),
            ..Default::default()
        },
    );
    all
}

/// The frames of a request, with their sizes, in each version that can say it.
fn every_version<R: Request>(all: &mut Vec<Bytes>, request: &R) {
    for version in R::MIN_VERSION..=R::MAX_VERSION {
        if let Ok(encoded) = frame::encode_request(7, Some("hostile"), version, request) {
            all.push(encoded.bytes);
        }
    }
}

/// What a socket sends next. Whole frames have a right size, so that what is inside gets read.
fn hostile_bytes(requests: &[Bytes], random: &mut Random) -> Vec<u8> {
    let mut frame = requests[random.below(requests.len())].to_vec();
    match random.below(12) {
        // Some bytes changed, the key and the version of the API left alone.
        0..=4 => {
            for _ in 0..=random.below(4) {
                let at = 8 + random.below(frame.len() - 8);
                frame[at] = random.bytes(1)[0];
            }
            frame
        }
        // A number in the middle that says "very many", or "less than none".
        5 => {
            let at = 8 + random.below(frame.len() - 8);
            let number = [i32::MAX, i32::MIN, -1, 0x00ff_ffff, 1_000_001][random.below(5)].to_be_bytes();
            let end = frame.len().min(at + 4);
            frame[at..end].copy_from_slice(&number[..end - at]);
            frame
        }
        // Cut, and the size says so.
        6 => {
            frame.truncate(4 + random.below(frame.len() - 4));
            let size = (frame.len() - 4) as i32;
            frame[..4].copy_from_slice(&size.to_be_bytes());
            frame
        }
        // Cut, and the size does not.
        7 => {
            frame.truncate(1 + random.below(frame.len() - 1));
            frame
        }
        // A known API with an unknown body. Some would take the node out of its cluster if they were in order.
        8 => {
            let mut key = random.below(95) as i16;
            while [57, 62, 63, 64, 80, 81, 82, 94].contains(&key) {
                key = random.below(95) as i16;
            }
            let body = random.below(400);
            let mut bytes = (body as i32 + 10).to_be_bytes().to_vec();
            bytes.extend(key.to_be_bytes());
            bytes.extend((random.below(14) as i16).to_be_bytes());
            bytes.extend([0, 0, 0, 9, 0xff, 0xff]);
            bytes.extend(random.bytes(body));
            bytes
        }
        // More than is allowed, or as much as that and never sent.
        9 => {
            let size = [i32::MAX, 104_857_601, 104_857_600, 100_000_000, -1, i32::MIN][random.below(6)];
            let mut bytes = size.to_be_bytes().to_vec();
            let length = random.below(200_000);
            bytes.extend(random.bytes(length));
            bytes
        }
        // Other protocols.
        10 => match random.below(3) {
            0 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            1 => [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &random.bytes(507)].concat(),
            _ => {
                let length = random.below(5000);
                random.bytes(length)
            }
        },
        // A request that is in order, to see its reply through.
        _ => frame,
    }
}

/// Sends until the time is over; connects again when the node has had enough, or for no reason.
async fn attack(broker: SocketAddr, seed: u64, over: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
    let mut random = Random::new(seed);
    let requests = requests();
    while !over.load(Ordering::Relaxed) {
        // The controller listens next to the broker.
        let port = broker.port() + u16::from(random.one_in(6));
        let Ok(mut stream) = TcpStream::connect((broker.ip(), port)).await else {
            continue;
        };
        stream.set_nodelay(true).unwrap();
        // Some never read, so that the node has to stop writing.
        let reads = !random.one_in(4);
        while !over.load(Ordering::Relaxed) && !random.one_in(50) {
            let bytes = hostile_bytes(&requests, &mut random);
            let written = tokio::time::timeout(Duration::from_millis(100), stream.write_all(&bytes)).await;
            sent.fetch_add(1, Ordering::Relaxed);
            if !matches!(written, Ok(Ok(()))) {
                break;
            }
            let mut replies = [0; 65536];
            let pause = Duration::from_millis(random.below(5) as u64);
            if reads && let Ok(Ok(0) | Err(_)) = tokio::time::timeout(pause, stream.read(&mut replies)).await {
                break;
            }
        }
        if random.one_in(3) {
            // Gone with a reset, in the middle of whatever there is.
            stream.set_zero_linger().unwrap();
        }
    }
}

/// Produces and fetches each record, on new connections too, and counts. Anything but success ends the test.
async fn be_honest(address: SocketAddr, topic: &str, over: &AtomicBool) -> (i64, Duration) {
    let mut appended = 0;
    let mut slowest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let mut connection = Connection::open(address).await;
        let producer = connection.producer_id().await;
        for sequence in 0..50 {
            let started = Instant::now();
            let value = format!("honest {appended}");
            let reply = connection
                .produce(topic, 0, idempotent_batch(producer, sequence, &[&value]))
                .await;
            assert_eq!(
                (reply.error_code, reply.base_offset),
                (ErrorCode::NONE, appended),
                "{:?}",
                reply.error_message
            );
            let reply = connection.fetch(topic, 0, appended).await;
            assert_eq!(reply.error_code, ErrorCode::NONE);
            assert_eq!(records(&bytes(&reply)), [(appended, value.into_bytes())]);
            appended += 1;
            slowest = slowest.max(started.elapsed());
        }
        assert_eq!(connection.metadata(topic).await.error_code, ErrorCode::NONE);
        assert_eq!(connection.commit("honest", topic, 0, appended).await, ErrorCode::NONE);
    }
    (appended, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_sockets_harm_nobody_but_themselves() {
    let seconds = std::env::var("KLAMM_HOSTILE_SECONDS").map_or(5, |text| text.parse().unwrap());
    let seed = seed();
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    let topic = unique("honest");
    connection.create(&topic, 1).await;
    connection.create(VICTIM, 1).await;
    connection.find_coordinator("honest").await;
    let before = node.resident_memory();

    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let attackers: Vec<_> = (1..=SOCKETS)
        .map(|n| tokio::spawn(attack(node.address(), seed ^ n, over.clone(), sent.clone())))
        .collect();
    let honest = tokio::spawn({
        let (address, topic, over) = (node.address(), topic.clone(), over.clone());
        async move { be_honest(address, &topic, &over).await }
    });
    let mut peak = before;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end && !honest.is_finished() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(
            node.process().is_running(),
            "the node is gone: {}",
            node.process().stderr()
        );
        peak = peak.max(node.resident_memory());
    }
    over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let (appended, slowest) = honest.await.unwrap();

    assert_eq!(connection.fetch_all(&topic, 0).await.len() as i64, appended);
    let stderr = node.process().stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "{} hostile frames; {appended} honest records, the slowest in {slowest:?}; memory {} MiB, at most {} MiB",
        sent.load(Ordering::Relaxed),
        mib(before),
        mib(peak)
    );
    assert!(peak < MEMORY, "{} MiB", mib(peak));
    assert!(appended >= 50);
    assert_eq!(node.terminate().code(), Some(0));
}
