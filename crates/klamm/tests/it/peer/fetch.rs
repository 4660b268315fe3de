//! Records read, and offsets looked up: Fetch with its sessions, ListOffsets, OffsetForLeaderEpoch.

use klamm_protocol::Uuid;
use klamm_protocol::messages::*;
use klamm_records::Compression;

use super::pair::{At, Pair};
use super::produce::stamped;
use crate::client::*;

pub(super) async fn ask(pair: &mut Pair) {
    let topic = pair.topic("read", 2, &[]).await;
    let batches = [
        (Compression::None, 3),
        (Compression::Gzip, 2),
        (Compression::None, 1),
        (Compression::Zstd, 4),
    ];
    for (codec, count) in batches {
        let records = stamped(codec, count);
        pair.ask("normal", PRODUCE_BY_NAME, |_| {
            produce_request(&topic, 0, -1, records.clone())
        })
        .await;
    }
    fetch(pair, &topic).await;
    sessions(pair, &topic).await;
    list_offsets(pair, &topic).await;
    offset_for_leader_epoch(pair, &topic).await;
}

/// By name or by id, as the version wants it.
fn reading(at: &At<'_>, topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let mut request = fetch_request(topic, partition, offset);
    if at.version > FETCH_BY_NAME {
        request.topics[0].topic_id = at.id(topic);
        request.topics[0].topic = String::new();
    }
    request
}

async fn fetch(pair: &mut Pair, topic: &str) {
    for offset in [0, 1, 3, 4, 9, 10, 11, -1, -2, i64::MAX, i64::MIN] {
        pair.each(&format!("offset {offset}"), |at| reading(at, topic, 0, offset))
            .await;
        pair.each(&format!("offset {offset}, committed"), |at| FetchRequest {
            isolation_level: 1,
            ..reading(at, topic, 0, offset)
        })
        .await;
    }
    for isolation_level in [2, -1] {
        pair.each(&format!("isolation {isolation_level}"), |at| FetchRequest {
            isolation_level,
            ..reading(at, topic, 0, 0)
        })
        .await;
    }
    for partition in [1, 7, -1] {
        pair.each(&format!("partition {partition}"), |at| reading(at, topic, partition, 0))
            .await;
    }
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |at| reading(at, name, 0, 0)).await;
    }
    pair.each("no id", |at| {
        let mut request = reading(at, topic, 0, 0);
        request.topics[0].topic_id = Uuid::ZERO;
        request
    })
    .await;
    for bytes in [0, 1, 100, 300, -1, i32::MIN] {
        pair.each(&format!("at most {bytes} bytes"), |at| FetchRequest {
            max_bytes: bytes,
            ..reading(at, topic, 0, 0)
        })
        .await;
        pair.each(&format!("at most {bytes} bytes of the partition"), |at| {
            let mut request = reading(at, topic, 0, 0);
            request.topics[0].partitions[0].partition_max_bytes = bytes;
            request
        })
        .await;
    }
    for (max_wait_ms, min_bytes) in [
        (50, 1 << 20),
        (0, 1 << 20),
        (-1, 1),
        (i32::MAX, 1),
        (50, -1),
        (i32::MAX, 0),
    ] {
        pair.each(&format!("wait {max_wait_ms} ms for {min_bytes} bytes"), |at| {
            FetchRequest {
                max_wait_ms,
                min_bytes,
                ..reading(at, topic, 0, 0)
            }
        })
        .await;
    }
    for epoch in [0, 1, 7, -2, i32::MAX] {
        pair.each(&format!("leader epoch {epoch}"), |at| {
            let mut request = reading(at, topic, 0, 0);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            request
        })
        .await;
        for offset in [0, 10, 11] {
            pair.each(&format!("offset {offset} after epoch {epoch}"), |at| {
                let mut request = reading(at, topic, 0, offset);
                request.topics[0].partitions[0].last_fetched_epoch = epoch;
                request
            })
            .await;
        }
    }
    pair.each("none", |_| FetchRequest::default()).await;
    pair.each("twice", |at| {
        let mut request = reading(at, topic, 0, 0);
        let again = request.topics[0].partitions[0].clone();
        request.topics[0].partitions.push(again);
        request
    })
    .await;
    pair.each("good and bad", |at| {
        let mut request = reading(at, topic, 0, 3);
        request.topics.extend(reading(at, "none", 0, 0).topics);
        request
    })
    .await;
    pair.each("rack", |at| FetchRequest {
        rack_id: "rack".to_owned(),
        ..reading(at, topic, 0, 9)
    })
    .await;
    for replica in [7, -2, -3] {
        pair.each(&format!("replica {replica}"), |at| FetchRequest {
            replica_id: if at.version < 15 { replica } else { -1 },
            replica_state: fetch_request::ReplicaState {
                replica_id: if at.version < 15 { -1 } else { replica },
                ..Default::default()
            },
            ..reading(at, topic, 0, 0)
        })
        .await;
    }
}

async fn sessions(pair: &mut Pair, topic: &str) {
    for (session_id, session_epoch) in [
        (0, 1),
        (99, 1),
        (99, 0),
        (99, -1),
        (0, -1),
        (-1, 0),
        (0, -2),
        (0, i32::MAX),
    ] {
        pair.each(&format!("session {session_id} epoch {session_epoch}"), |at| {
            FetchRequest {
                session_id,
                session_epoch,
                ..reading(at, topic, 0, 9)
            }
        })
        .await;
    }
    for version in [7, FETCH_BY_NAME, 13, 18] {
        let made = pair
            .ask("session made", version, |at| FetchRequest {
                session_epoch: 0,
                ..reading(at, topic, 0, 0)
            })
            .await;
        let ids = made.map(|reply| reply.map_or(0, |reply| reply.session_id));
        pair.remember_sessions(ids);
        let continued = |at: &At<'_>, epoch| FetchRequest {
            session_id: at.own.session,
            session_epoch: epoch,
            topics: vec![],
            ..reading(at, topic, 0, 0)
        };
        pair.ask("session goes on", version, |at| continued(at, 1)).await;
        pair.ask("session, a partition more", version, |at| FetchRequest {
            topics: reading(at, topic, 1, 0).topics,
            ..continued(at, 2)
        })
        .await;
        pair.ask("session, a partition moved", version, |at| FetchRequest {
            topics: reading(at, topic, 0, 9).topics,
            ..continued(at, 3)
        })
        .await;
        pair.ask("session, wrong epoch", version, |at| continued(at, 9)).await;
        pair.ask("session, a partition forgotten", version, |at| FetchRequest {
            forgotten_topics_data: vec![fetch_request::ForgottenTopic {
                topic: if version > FETCH_BY_NAME {
                    String::new()
                } else {
                    topic.to_owned()
                },
                topic_id: if version > FETCH_BY_NAME {
                    at.id(topic)
                } else {
                    Uuid::ZERO
                },
                partitions: vec![0],
                ..Default::default()
            }],
            ..continued(at, 4)
        })
        .await;
        pair.ask("session closed", version, |at| continued(at, -1)).await;
        pair.ask("session after its end", version, |at| continued(at, 5)).await;
    }
}

async fn list_offsets(pair: &mut Pair, topic: &str) {
    let of = |name: &str, partition_index, timestamp, current_leader_epoch| ListOffsetsRequest {
        replica_id: -1,
        topics: vec![list_offsets_request::ListOffsetsTopic {
            name: name.to_owned(),
            partitions: vec![list_offsets_request::ListOffsetsPartition {
                partition_index,
                current_leader_epoch,
                timestamp,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let time = 1_700_000_000_000;
    for timestamp in [
        -1,
        -2,
        -3,
        -4,
        -5,
        -6,
        -7,
        i64::MIN,
        0,
        time,
        time + 1,
        time + 3,
        time + 4,
        i64::MAX,
    ] {
        for isolation_level in [0, 1, 2] {
            pair.each(&format!("at {timestamp}, isolation {isolation_level}"), |_| {
                ListOffsetsRequest {
                    isolation_level,
                    ..of(topic, 0, timestamp, -1)
                }
            })
            .await;
        }
        pair.each(&format!("at {timestamp}, empty partition"), |_| {
            of(topic, 1, timestamp, -1)
        })
        .await;
    }
    let without_partitions = || {
        let mut request = of(topic, 0, -1, -1);
        request.topics[0].partitions.clear();
        request
    };
    pair.each("topic without partitions", |_| without_partitions()).await;
    for epoch in [0, 1, 7, -2] {
        pair.each(&format!("leader epoch {epoch}"), |_| of(topic, 0, -1, epoch))
            .await;
    }
    for partition in [7, -1] {
        pair.each(&format!("partition {partition}"), |_| of(topic, partition, -1, -1))
            .await;
    }
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |_| of(name, 0, -1, -1)).await;
    }
    for replica_id in [-2, -3, 7] {
        pair.each(&format!("replica {replica_id}"), |_| ListOffsetsRequest {
            replica_id,
            ..of(topic, 0, -1, -1)
        })
        .await;
    }
    pair.each("twice", |_| {
        let mut request = of(topic, 0, -1, -1);
        let again = list_offsets_request::ListOffsetsPartition {
            timestamp: -2,
            ..request.topics[0].partitions[0].clone()
        };
        request.topics[0].partitions.push(again);
        request
    })
    .await;
    pair.each("none", |_| ListOffsetsRequest {
        replica_id: -1,
        ..Default::default()
    })
    .await;
    for timeout_ms in [-1, i32::MAX] {
        pair.each(&format!("timeout {timeout_ms}"), |_| ListOffsetsRequest {
            timeout_ms,
            ..of(topic, 0, -1, -1)
        })
        .await;
    }
}

async fn offset_for_leader_epoch(pair: &mut Pair, topic: &str) {
    use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let of = |name: &str, partition, leader_epoch, current_leader_epoch| OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: name.to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch,
                leader_epoch,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for epoch in [0, 1, -1, -2, i32::MAX, i32::MIN] {
        for current in [-1, 0, 1, -2] {
            pair.each(&format!("epoch {epoch}, current {current}"), |_| {
                of(topic, 0, epoch, current)
            })
            .await;
        }
        pair.each(&format!("epoch {epoch}, empty partition"), |_| of(topic, 1, epoch, -1))
            .await;
    }
    for (name, partition) in [(topic, 7), (topic, -1), ("none", 0), ("", 0), ("a/b", 0)] {
        let stem = name.split('-').next().unwrap_or_default();
        pair.each(&format!("topic {stem}, partition {partition}"), |_| {
            of(name, partition, 0, -1)
        })
        .await;
    }
    pair.each("none", |_| OffsetForLeaderEpochRequest::default()).await;
    for replica_id in [-2, 7] {
        pair.each(&format!("replica {replica_id}"), |_| OffsetForLeaderEpochRequest {
            replica_id,
            ..of(topic, 0, 0, -1)
        })
        .await;
    }
}
