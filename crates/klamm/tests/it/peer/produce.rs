//! Records written, and what hangs on it: producer ids, DescribeProducers, DeleteRecords.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{Records, Uuid};
use klamm_records::{BatchBuilder, Compression};

use super::pair::{At, Pair};
use crate::client::*;

/// A time that is the same on both sides.
const TIME: i64 = 1_700_000_000_000;

pub(super) async fn ask(pair: &mut Pair) {
    let topic = pair.topic("written", 2, &[]).await;
    // The first producer id takes Apache Kafka a while.
    pair.both(async |mut connection| {
        connection.producer_id().await;
    })
    .await;
    batches(pair, &topic).await;
    requests(pair, &topic).await;
    without_acks(pair, &topic).await;
    settings(pair).await;
    sequences(pair).await;
    producers(pair).await;
    delete_records(pair).await;
}

/// A batch of records with keys and times of their own.
pub(super) fn stamped(codec: Compression, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for n in 0..count {
        builder
            .push(TIME + n as i64, Some(b"key"), Some(&[b'v'; 40]), &[])
            .unwrap();
    }
    builder.build()
}

/// A batch with other bytes at some places, and the checksum that belongs to them.
fn changed(batch: &Bytes, changes: &[(usize, &[u8])]) -> Bytes {
    let mut bytes = batch.to_vec();
    for (at, new) in changes {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    let crc = klamm_records::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// By name or by id, as the version wants it.
fn writing(at: &At<'_>, topic: &str, partition: i32, acks: i16, records: Option<Bytes>) -> ProduceRequest {
    let mut request = produce_request(topic, partition, acks, Bytes::new());
    request.topic_data[0].partition_data[0].records = records.map(Records::Bytes);
    if at.version > PRODUCE_BY_NAME {
        request.topic_data[0].topic_id = at.id(topic);
        request.topic_data[0].name = String::new();
    }
    request
}

/// Without null: Apache Kafka never answers that.
fn cases() -> Vec<(String, Option<Bytes>)> {
    let good = stamped(Compression::None, 3);
    let mut all: Vec<(String, Option<Bytes>)> = vec![
        ("empty".to_owned(), Some(Bytes::new())),
        ("two batches".to_owned(), Some([&good[..], &good[..]].concat().into())),
        ("half a batch".to_owned(), Some(good.slice(..good.len() / 2))),
        ("a header only".to_owned(), Some(good.slice(..61))),
        ("ten bytes".to_owned(), Some(good.slice(..10))),
        (
            "a batch and a half".to_owned(),
            Some([&good[..], &good[..70]].concat().into()),
        ),
        ("too large".to_owned(), Some(large(1_100_000))),
    ];
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let batch = stamped(codec, 3);
        all.push((format!("{codec:?}"), Some(batch.clone())));
        if codec != Compression::None {
            let garbage = [0xa5; 8];
            all.push((format!("{codec:?}, corrupt"), Some(changed(&batch, &[(61, &garbage)]))));
            let end = batch.len() - 4;
            all.push((
                format!("{codec:?}, corrupt end"),
                Some(changed(&batch, &[(end, &garbage[..4])])),
            ));
            all.push((
                format!("{codec:?}, more records said"),
                Some(changed(&batch, &[(23, &[0, 0, 0, 3]), (57, &[0, 0, 0, 4])])),
            ));
            all.push((
                format!("{codec:?}, fewer records said"),
                Some(changed(&batch, &[(23, &[0, 0, 0, 1]), (57, &[0, 0, 0, 2])])),
            ));
        }
    }
    let mut bad_crc = good.to_vec();
    bad_crc[17] ^= 1;
    all.push(("wrong checksum".to_owned(), Some(bad_crc.into())));
    type Change = (usize, &'static [u8]);
    const CHANGES: &[(&str, &[Change])] = &[
        ("base offset 5", &[(0, &[0, 0, 0, 0, 0, 0, 0, 5])]),
        ("base offset -1", &[(0, &[255; 8])]),
        ("leader epoch 9", &[(12, &[0, 0, 0, 9])]),
        ("magic 0", &[(16, &[0])]),
        ("magic 1", &[(16, &[1])]),
        ("magic 3", &[(16, &[3])]),
        ("magic -1", &[(16, &[255])]),
        ("codec 5", &[(21, &[0, 5])]),
        ("codec 7", &[(21, &[0, 7])]),
        ("gzip said of plain records", &[(21, &[0, 1])]),
        ("log append time", &[(21, &[0, 8])]),
        ("transactional", &[(21, &[0, 16])]),
        ("control", &[(21, &[0, 32])]),
        ("delete horizon", &[(21, &[0, 64])]),
        ("unknown attributes", &[(21, &[255, 128])]),
        ("last offset delta too high", &[(23, &[0, 0, 0, 9])]),
        ("last offset delta too low", &[(23, &[0, 0, 0, 1])]),
        ("last offset delta -1", &[(23, &[255; 4])]),
        ("base time -1", &[(27, &[255; 8])]),
        ("highest time too low", &[(35, &[0; 8])]),
        ("highest time -1", &[(35, &[255; 8])]),
        ("more records said", &[(57, &[0, 0, 0, 9])]),
        ("fewer records said", &[(57, &[0, 0, 0, 1])]),
        ("0 records said", &[(57, &[0; 4])]),
        ("-1 records said", &[(57, &[255; 4])]),
        ("first record empty", &[(61, &[0])]),
        ("first record too long", &[(61, &[126])]),
        ("length of a record negative", &[(61, &[1])]),
        ("producer without sequence", &[(43, &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0])]),
        ("sequence without producer", &[(53, &[0; 4])]),
        ("producer -2", &[(43, &[255, 255, 255, 255, 255, 255, 255, 254])]),
    ];
    for (case, changes) in CHANGES {
        all.push(((*case).to_owned(), Some(changed(&good, changes))));
    }
    for (case, length) in [
        ("length 0", 0_i32),
        ("length -1", -1),
        ("length 48", 48),
        ("length too high", 1 << 20),
    ] {
        let mut bytes = good.to_vec();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        all.push((case.to_owned(), Some(bytes.into())));
    }
    all
}

fn large(length: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(TIME, None, Some(&vec![b'x'; length]), &[]).unwrap();
    builder.build()
}

async fn batches(pair: &mut Pair, topic: &str) {
    for (case, records) in cases() {
        pair.each(&case, |at| writing(at, topic, 0, -1, records.clone())).await;
    }
    // What became of them.
    pair.ask("after all batches", FETCH_BY_NAME, |_| fetch_request(topic, 0, 0))
        .await;
}

async fn requests(pair: &mut Pair, topic: &str) {
    let good = || Some(stamped(Compression::None, 1));
    for acks in [1, 2, -2, i16::MIN] {
        pair.each(&format!("acks {acks}"), |at| writing(at, topic, 0, acks, good()))
            .await;
    }
    for timeout_ms in [0, -1, i32::MAX, i32::MIN] {
        pair.each(&format!("timeout {timeout_ms}"), |at| ProduceRequest {
            timeout_ms,
            ..writing(at, topic, 0, -1, good())
        })
        .await;
    }
    for partition in [7, -1, i32::MAX] {
        pair.each(&format!("partition {partition}"), |at| {
            writing(at, topic, partition, -1, good())
        })
        .await;
    }
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |at| writing(at, name, 0, -1, good()))
            .await;
    }
    pair.each("no id", |at| {
        let mut request = writing(at, topic, 0, -1, good());
        request.topic_data[0].topic_id = Uuid::ZERO;
        request
    })
    .await;
    pair.each("none", |_| ProduceRequest {
        acks: -1,
        ..Default::default()
    })
    .await;
    pair.each("no partitions", |at| {
        let mut request = writing(at, topic, 0, -1, good());
        request.topic_data[0].partition_data.clear();
        request
    })
    .await;
    pair.each("partition twice", |at| {
        let mut request = writing(at, topic, 0, -1, good());
        let again = request.topic_data[0].partition_data[0].clone();
        request.topic_data[0].partition_data.push(again);
        request
    })
    .await;
    pair.each("good and bad", |at| {
        let mut request = writing(at, topic, 1, -1, good());
        request.topic_data.extend(writing(at, "none", 0, -1, good()).topic_data);
        request
    })
    .await;
}

/// With acks=0 only the connection tells how it went: it stays, or is closed.
async fn without_acks(pair: &mut Pair, topic: &str) {
    let good = || Some(stamped(Compression::None, 1));
    let mut bad = stamped(Compression::None, 1).to_vec();
    bad[17] ^= 1;
    for version in [3, PRODUCE_BY_NAME, 13] {
        for (case, name, partition, records) in [
            ("good", topic, 0, good()),
            ("unknown topic", "none", 0, good()),
            ("unknown partition", topic, 7, good()),
            ("wrong checksum", topic, 0, Some(bad.clone().into())),
            ("empty", topic, 0, Some(Bytes::new())),
        ] {
            pair.ask_after(&format!("acks 0: {case}"), version, |at| {
                writing(at, name, partition, 0, records.clone())
            })
            .await;
        }
    }
}

async fn settings(pair: &mut Pair) {
    let keyless = |time| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(time, None, Some(b"v"), &[]).unwrap();
        builder.build()
    };
    for (case, configs, records) in [
        ("keyless on compacted", ("cleanup.policy", "compact"), keyless(TIME)),
        (
            "larger than the topic's limit",
            ("max.message.bytes", "1000"),
            large(2000),
        ),
        ("too old", ("message.timestamp.before.max.ms", "1000"), keyless(TIME)),
        (
            "from the future",
            ("message.timestamp.after.max.ms", "1000"),
            keyless(TIME * 2),
        ),
        (
            "log append time",
            ("message.timestamp.type", "LogAppendTime"),
            keyless(TIME),
        ),
        ("too few in sync", ("min.insync.replicas", "2"), keyless(TIME)),
        (
            "compressed again",
            ("compression.type", "gzip"),
            stamped(Compression::None, 2),
        ),
        (
            "uncompressed",
            ("compression.type", "uncompressed"),
            stamped(Compression::Zstd, 2),
        ),
        ("without a time", ("retention.ms", "-1"), keyless(-1)),
    ] {
        let topic = pair.topic("set", 1, &[configs]).await;
        for acks in [-1, 1] {
            pair.each(&format!("{case}, acks {acks}"), |at| {
                writing(at, &topic, 0, acks, Some(records.clone()))
            })
            .await;
        }
        let min = [4, 12, FETCH_BY_NAME];
        for version in min {
            let case = format!("after: {case}");
            // What is compressed again is compressed by another library: only the offsets compare.
            if !case.ends_with("again") {
                pair.ask(&case, version, |_| fetch_request(&topic, 0, 0)).await;
            }
        }
    }
}

async fn sequences(pair: &mut Pair) {
    let batch = |producer: i64, epoch: i16, sequence: i32, count: usize| {
        let mut builder = BatchBuilder::new(Compression::None).producer(producer, epoch, sequence);
        for _ in 0..count {
            builder.push(TIME, None, Some(b"v"), &[]).unwrap();
        }
        builder.build()
    };
    for version in [3, PRODUCE_BY_NAME, 13] {
        let topic = pair.topic("sequenced", 1, &[]).await;
        for (case, epoch, sequence, count) in [
            ("first", 0, 0, 2),
            ("next", 0, 2, 1),
            ("again", 0, 2, 1),
            ("first again", 0, 0, 2),
            ("gap", 0, 9, 1),
            ("part of what was", 0, 1, 1),
            ("more than what was", 0, 0, 3),
            ("new epoch, not from 0", 1, 5, 1),
            ("new epoch", 1, 0, 1),
            ("old epoch", 0, 3, 1),
            ("epoch -1", -1, 0, 1),
            ("sequence -1", 1, -1, 1),
        ] {
            let records = batch(4711, epoch, sequence, count);
            pair.ask(&format!("sequence: {case}"), version, |at| {
                writing(at, &topic, 0, -1, Some(records.clone()))
            })
            .await;
        }
        let records = batch(4712, 3, 7, 1);
        pair.ask("sequence: unknown producer", version, |at| {
            writing(at, &topic, 0, -1, Some(records.clone()))
        })
        .await;
        describe_producers(pair, &topic).await;
    }
}

async fn describe_producers(pair: &mut Pair, topic: &str) {
    use describe_producers_request::TopicRequest;
    for (case, name, partition_indexes) in [
        ("normal", topic, vec![0]),
        ("unknown partition", topic, vec![7, -1]),
        ("unknown topic", "none", vec![0]),
        ("bad topic", "a/b", vec![0]),
        ("no partition", topic, vec![]),
        ("twice", topic, vec![0, 0]),
    ] {
        pair.each(case, |_| DescribeProducersRequest {
            topics: vec![TopicRequest {
                name: name.to_owned(),
                partition_indexes: partition_indexes.clone(),
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
    }
    pair.each("none", |_| DescribeProducersRequest::default()).await;
}

async fn producers(pair: &mut Pair) {
    for (producer_id, producer_epoch) in [(-1, -1), (5, 0), (5, -1), (-1, 0), (-7, -7), (i64::MAX, i16::MAX)] {
        for transaction_timeout_ms in [60_000, 0, -1, i32::MAX] {
            let case = format!("producer {producer_id} epoch {producer_epoch} timeout {transaction_timeout_ms}");
            pair.each(&case, |_| InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms,
                producer_id,
                producer_epoch,
                ..Default::default()
            })
            .await;
        }
    }
    pair.each("empty transactional id", |_| InitProducerIdRequest {
        transactional_id: Some(String::new()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    })
    .await;
}

async fn delete_records(pair: &mut Pair) {
    use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    let up_to = |name: &str, partition_index, offset| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: name.to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index,
                offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        timeout_ms: 5000,
        ..Default::default()
    };
    let topic = pair.topic("shortened", 1, &[]).await;
    for _ in 0..4 {
        pair.ask("normal", PRODUCE_BY_NAME, |at| {
            writing(at, &topic, 0, -1, Some(stamped(Compression::None, 3)))
        })
        .await;
    }
    for offset in [0, 4, 2, -2, 13, i64::MAX, i64::MIN, -1] {
        pair.each(&format!("to {offset}"), |_| up_to(&topic, 0, offset)).await;
    }
    pair.each("unknown partition", |_| up_to(&topic, 7, 0)).await;
    pair.each("negative partition", |_| up_to(&topic, -1, 0)).await;
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |_| up_to(name, 0, 0)).await;
    }
    let compacted = pair.topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    pair.each("compacted", |_| up_to(&compacted, 0, 0)).await;
    pair.each("none", |_| DeleteRecordsRequest::default()).await;
    pair.each("twice", |_| {
        let mut request = up_to(&topic, 0, -1);
        request.topics.push(request.topics[0].clone());
        request
    })
    .await;
    for timeout_ms in [0, -1] {
        pair.each(&format!("timeout {timeout_ms}"), |_| DeleteRecordsRequest {
            timeout_ms,
            ..up_to(&topic, 0, -1)
        })
        .await;
    }
}
