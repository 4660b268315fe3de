//! The producer, against a node of ours or any Kafka; faults by a proxy before it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use klamm_client::producer::{ChoosePartition, DeliveryReport, Partitioner, Partitions, murmur2};
use klamm_client::*;
use klamm_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::messages::{FetchRequest, InitProducerIdRequest, ProduceRequest};
use klamm_records::{Scratch, batches};
use klamm_testkit::Proxy;

use crate::bed::{Bed, fresh, until};

/// What a partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("tests write text")
}

/// Everything in a partition, and the codecs of its batches.
async fn read_with_codecs(client: &Client, topic: &str, partition: i32) -> (Vec<Read>, Vec<Compression>) {
    let known = client
        .refresh_metadata(MetadataTopics::names([topic]))
        .await
        .expect("answered");
    let (id, leader) = (
        known.topic(topic).expect("asked for").id,
        known.leader(topic, partition),
    );
    let (mut records, mut codecs) = (Vec::new(), Vec::new());
    loop {
        let from = records.last().map_or(0, |last: &Read| last.offset + 1);
        let make = |version: i16| FetchRequest {
            max_wait_ms: 100,
            min_bytes: 0,
            max_bytes: 50 << 20,
            topics: vec![FetchTopic {
                topic: if version < 13 { topic.to_owned() } else { String::new() },
                topic_id: if version < 13 { Uuid::ZERO } else { id },
                partitions: vec![FetchPartition {
                    partition,
                    fetch_offset: from,
                    partition_max_bytes: 50 << 20,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            session_epoch: -1,
            ..Default::default()
        };
        let target = Target::Broker(leader.expect("there is a leader"));
        let (_, response) = client.call_with(target, Lane::Fetch, make).await.expect("answered");
        let fetched = &response.responses[0].partitions[0];
        assert!(fetched.error_code.is_none(), "{}", fetched.error_code);
        let bytes = fetched
            .records
            .as_ref()
            .and_then(|records| records.as_bytes())
            .cloned()
            .unwrap_or_default();
        if bytes.is_empty() {
            return (records, codecs);
        }
        for batch in batches(&bytes).map_while(Result::ok) {
            codecs.push(batch.header.attributes.compression().expect("known"));
            let mut scratch = Scratch::new();
            for record in batch.records(&mut scratch, 100 << 20).expect("readable") {
                let record = record.expect("readable");
                let headers = record.headers().into_iter();
                records.push(Read {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(text),
                    value: record.value.map(text),
                    headers: headers
                        .map(|header| (text(header.key), header.value.map(text)))
                        .collect(),
                });
            }
        }
    }
}

async fn read(client: &Client, topic: &str, partition: i32) -> Vec<Read> {
    read_with_codecs(client, topic, partition).await.0
}

async fn values(client: &Client, topic: &str, partition: i32) -> Vec<String> {
    let records = read(client, topic, partition).await;
    records.into_iter().filter_map(|record| record.value).collect()
}

async fn make_topic(client: &Client, partitions: i32, configs: &[(&str, &str)]) -> String {
    let name = fresh("produced");
    let mut new = NewTopic::new(&name).partitions(partitions).replication_factor(1);
    for (key, value) in configs {
        new = new.config(*key, *value);
    }
    let made = client.admin().create_topics(&[new], false).await.expect("answered");
    for (name, made) in made {
        made.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // Apache Kafka tells of a topic before its partitions can be read: it looks for their leaders until they answer.
    let partitions: Vec<_> = (0..partitions)
        .map(|partition| (TopicPartition::new(name.as_str(), partition), OffsetSpec::Latest))
        .collect();
    until("the partitions answer", async || {
        let answers = client
            .admin()
            .list_offsets(&partitions, IsolationLevel::ReadUncommitted)
            .await;
        answers.expect("answered").iter().all(|(_, answer)| answer.is_ok())
    })
    .await;
    name
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:05}")).collect()
}

/// Enqueues `count` numbered records into one partition and waits for all of them.
async fn produce_numbered(producer: &Producer, topic: &str, count: usize) {
    let mut deliveries = Vec::new();
    for value in numbered(count) {
        deliveries.push(
            producer
                .enqueue(Record::to(topic).partition(0).value(value))
                .await
                .expect("room"),
        );
    }
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
}

#[tokio::test]
async fn records_arrive_as_they_were_sent() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 3, &[]).await;
    let producer = Producer::builder(&client).build().await.expect("valid");
    let record = Record::to(&topic)
        .partition(2)
        .timestamp(1_700_000_000_123)
        .key("k")
        .value("v");
    let placed = producer
        .send(record.header("a", "1").null_header("b"))
        .await
        .expect("delivered");
    assert_eq!((&*placed.topic, placed.partition, placed.offset), (&*topic, 2, 0));
    assert_eq!(placed.timestamp, 1_700_000_000_123);
    let second = producer.send(Record::to(&topic).partition(2)).await.expect("delivered");
    assert_eq!((second.offset, second.has_offset()), (1, true));
    let found = read(&client, &topic, 2).await;
    let first = Read {
        offset: 0,
        timestamp: 1_700_000_000_123,
        key: Some("k".into()),
        value: Some("v".into()),
        headers: vec![("a".into(), Some("1".into())), ("b".into(), None)],
    };
    assert_eq!(found[0], first);
    assert_eq!(
        (&found[1].key, &found[1].value, found[1].timestamp),
        (&None, &None, second.timestamp)
    );
    producer.close().await.expect("closed");
}

#[tokio::test]
async fn keys_keep_to_their_partition_and_order() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 4, &[]).await;
    let producer = Producer::builder(&client).batch_size(500).build().await.expect("valid");
    for n in 0..400 {
        let key = format!("key-{}", n % 7);
        drop(
            producer
                .enqueue(Record::to(&topic).key(key).value(format!("{n:03}")))
                .await
                .expect("room"),
        );
    }
    producer.flush().await.expect("open");
    assert_eq!(
        (producer.metrics().records_sent, producer.metrics().records_failed),
        (400, 0)
    );
    let mut seen = 0;
    for partition in 0..4 {
        let mut latest: BTreeMap<String, String> = BTreeMap::new();
        for record in read(&client, &topic, partition).await {
            let (key, value) = (record.key.expect("a key"), record.value.expect("a value"));
            assert_eq!((murmur2(key.as_bytes()) & 0x7fff_ffff) % 4, partition);
            let before = latest.insert(key, value.clone());
            assert!(before.is_none_or(|before| before < value));
            seen += 1;
        }
    }
    assert_eq!(seen, 400);
}

#[tokio::test]
async fn every_codec_and_every_acks() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    for codec in Compression::ALL {
        let topic = make_topic(&client, 1, &[]).await;
        let producer = Producer::builder(&client)
            .compression(codec)
            .build()
            .await
            .expect("valid");
        produce_numbered(&producer, &topic, 500).await;
        let (records, codecs) = read_with_codecs(&client, &topic, 0).await;
        assert_eq!(records.len(), 500);
        assert!(codecs.iter().all(|found| *found == codec), "{codec}: {codecs:?}");
    }
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        let topic = make_topic(&client, 1, &[]).await;
        let producer = Producer::builder(&client).acks(acks).build().await.expect("valid");
        let placed = producer.send(Record::to(&topic).value("v")).await.expect("delivered");
        assert_eq!(placed.offset, if acks == Acks::None { -1 } else { 0 }, "{acks:?}");
        producer.close().await.expect("closed");
        let begun = Instant::now();
        while values(&client, &topic, 0).await != ["v"] {
            assert!(begun.elapsed() < Duration::from_secs(30), "{acks:?}: written");
        }
    }
}

#[tokio::test]
async fn order_is_kept_through_errors_and_lost_replies() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let builder = Producer::builder(proxy.bootstrap())
        .batch_size(400)
        .property("retry.backoff.ms", "5");
    let producer = builder.linger(Duration::ZERO).build().await.expect("valid");
    let produce = || proxy.on::<ProduceRequest>();
    let faults = [
        produce().nth(1).fail(ErrorCode::NOT_ENOUGH_REPLICAS),
        produce().nth(2).lose_reply(),
        produce().nth(6).fail(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        produce().nth(9).lose_reply(),
        produce().nth(13).disconnect(),
        produce().nth(20).fail(ErrorCode::REQUEST_TIMED_OUT),
        produce().nth(27).lose_reply(),
    ];
    produce_numbered(&producer, &topic, 2000).await;
    assert_eq!(values(&direct, &topic, 0).await, numbered(2000));
    assert!(faults.iter().all(|fault| fault.hits() == 1));
    let metrics = producer.metrics();
    assert!(metrics.retries >= 7 && metrics.records_sent == 2000, "{metrics:?}");
}

#[tokio::test]
async fn a_leader_that_is_gone_for_a_while_is_waited_for() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 2, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let producer = Producer::builder(proxy.bootstrap()).build().await.expect("valid");
    producer
        .send(Record::to(&topic).partition(0).value("00000"))
        .await
        .expect("delivered");
    let gone = proxy.without_leader(&topic, 0);
    let waiting = producer
        .enqueue(Record::to(&topic).partition(0).value("00001"))
        .await
        .expect("room");
    producer
        .send(Record::to(&topic).partition(1).value("other"))
        .await
        .expect("the other has its leader");
    gone.wait_for_hits(1).await;
    gone.lift();
    waiting.await.expect("delivered");
    assert_eq!(values(&direct, &topic, 0).await, numbered(2));
}

async fn sent(producer: &Producer, records: u64) {
    let begun = Instant::now();
    while producer.metrics().records_sent < records {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", producer.metrics());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_broker_that_restarts_gets_each_record_once() {
    let mut bed = Bed::start().await;
    if bed.embedded().is_none() {
        return;
    }
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[]).await;
    let builder = Producer::builder(bed.bootstrap())
        .batch_size(300)
        .property("reconnect.backoff.ms", "5");
    let producer = builder.linger(Duration::ZERO).build().await.expect("valid");
    let task = tokio::spawn({
        let (producer, topic) = (producer.clone(), topic.clone());
        async move { produce_numbered(&producer, &topic, 5000).await }
    });
    let cluster = bed.embedded().expect("ours");
    sent(&producer, 500).await;
    cluster.kill().await;
    cluster.restart().await.expect("restarts");
    sent(&producer, 2500).await;
    cluster.restart().await.expect("restarts");
    task.await.expect("all delivered");
    assert_eq!(values(&client, &topic, 0).await, numbered(5000));
}

#[tokio::test]
async fn batches_that_the_broker_finds_too_large_are_split() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[("max.message.bytes", "2000")]).await;
    for codec in [Compression::None, Compression::Lz4] {
        let builder = Producer::builder(&client)
            .batch_size(100_000)
            .linger(Duration::from_millis(50));
        let producer = builder.compression(codec).build().await.expect("valid");
        let mut deliveries = Vec::new();
        let from = read(&client, &topic, 0).await.len() as i64;
        // Digits that hardly compress.
        let value = |n: u64| {
            (1..40).fold(String::new(), |text, k| {
                text + &(n * k * 7_919_191_817 % 1_000_003).to_string()
            })
        };
        for n in 0..200 {
            deliveries.push(
                producer
                    .enqueue(Record::to(&topic).value(value(n + 1)))
                    .await
                    .expect("room"),
            );
        }
        for (n, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.expect("delivered").offset, from + n as i64);
        }
        assert!(producer.metrics().splits > 0);
        let written = values(&client, &topic, 0).await;
        assert!(
            written
                .iter()
                .skip(from as usize)
                .enumerate()
                .all(|(n, found)| *found == value(n as u64 + 1))
        );
        let alone = producer.send(Record::to(&topic).value("x".repeat(3000))).await;
        if codec == Compression::None {
            let error = alone.expect_err("one record can't be split");
            assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
            producer
                .send(Record::to(&topic).value("next"))
                .await
                .expect("the next one is not held up");
        }
    }
}

#[tokio::test]
async fn what_is_too_large_or_invalid_is_refused_at_once() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[]).await;
    let producer = Producer::builder(&client)
        .buffer_memory(600_000)
        .build()
        .await
        .expect("valid");
    let large = producer
        .send(Record::to(&topic).value(vec![0; 700_000]))
        .await
        .expect_err("too large");
    assert!(
        matches!(
            large,
            SendError::TooLarge {
                property: "buffer.memory",
                limit: 600_000,
                ..
            }
        ),
        "{large:?}"
    );
    let larger = producer
        .send(Record::to(&topic).value(vec![0; 1 << 20]))
        .await
        .expect_err("too large");
    assert!(
        matches!(
            larger,
            SendError::TooLarge {
                property: "max.request.size",
                ..
            }
        ),
        "{larger:?}"
    );
    assert!(!larger.is_retriable());
    let negative = producer
        .send(Record::to(&topic).timestamp(-1))
        .await
        .expect_err("no time");
    assert_eq!(negative.to_string(), "invalid record: its timestamp is negative: -1");
    assert!(matches!(
        producer.send(Record::to(&topic).partition(-1)).await,
        Err(SendError::Invalid { .. })
    ));
    producer
        .send(Record::to(&topic).value(vec![b'x'; 500_000]))
        .await
        .expect("fits");
}

#[tokio::test]
async fn unknown_topics_and_partitions_end_with_max_block() {
    let mut bed = Bed::with(&[("auto.create.topics.enable", "false")]).await;
    let client = bed.client().await;
    let topic = make_topic(&client, 2, &[]).await;
    let producer = Producer::builder(&client)
        .property("max.block.ms", "300")
        .build()
        .await
        .expect("valid");
    let no_partition = producer
        .send(Record::to(&topic).partition(2))
        .await
        .expect_err("there are two");
    let expected = format!("topic {topic}, partition 2 not present in metadata after 300 ms");
    assert!(no_partition.to_string().starts_with(&expected), "{no_partition}");
    let invalid = producer.send(Record::to("no such/name")).await.expect_err("not a name");
    assert_eq!(invalid.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
    if bed.embedded().is_some() {
        let unknown = producer.send(Record::to("unknown")).await.expect_err("nobody makes it");
        assert_eq!(unknown.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        assert!(
            unknown
                .to_string()
                .starts_with("topic unknown not present in metadata after 300 ms"),
            "{unknown}"
        );
    }
    assert_eq!(producer.partitions_for(&topic).await.expect("known").len(), 2);
}

#[tokio::test]
async fn topics_are_created_and_grow() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = fresh("auto");
    let builder = Producer::builder(&client)
        .property("metadata.max.age.ms", "50")
        .partitioner(Partitioner::RoundRobin);
    let producer = builder.build().await.expect("valid");
    let first = producer
        .try_enqueue(Record::to(&topic).value("v"))
        .expect_err("not known yet");
    assert!(matches!(first, SendError::NoMetadata { .. }) && first.is_retriable());
    producer
        .send(Record::to(&topic).value("v"))
        .await
        .expect("created on the way");
    producer
        .try_enqueue(Record::to(&topic).value("v"))
        .expect("known now")
        .await
        .expect("delivered");
    let before = client
        .refresh_metadata(MetadataTopics::names([&topic]))
        .await
        .expect("answered");
    let count = before.topic(&topic).expect("there").partitions.len() as i32;
    let grown = client
        .admin()
        .create_partitions(&[NewPartitions::increase_to(&topic, count + 2)], false)
        .await;
    assert!(grown.expect("answered")[0].1.is_ok());
    let begun = Instant::now();
    while producer
        .send(Record::to(&topic).value("v"))
        .await
        .expect("delivered")
        .partition
        < count
    {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the new partitions are found"
        );
    }
}

#[tokio::test]
async fn too_many_records_wait_for_room() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let builder = Producer::builder(proxy.bootstrap())
        .buffer_records(10)
        .property("max.block.ms", "200");
    let producer = builder.build().await.expect("valid");
    producer
        .send(Record::to(&topic).value("first"))
        .await
        .expect("delivered");
    let held = proxy.on::<ProduceRequest>().hold();
    let mut deliveries = Vec::new();
    for _ in 0..10 {
        deliveries.push(producer.try_enqueue(Record::to(&topic).value("v")).expect("room"));
    }
    let full = producer.try_enqueue(Record::to(&topic).value("v")).expect_err("full");
    assert!(matches!(full, SendError::Full { .. }) && full.is_retriable());
    let begun = Instant::now();
    let full = producer.enqueue(Record::to(&topic).value("v")).await.expect_err("full");
    assert!(matches!(full, SendError::Full { after } if after == Duration::from_millis(200)));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    held.lift();
    producer
        .enqueue(Record::to(&topic).value("v"))
        .await
        .expect("room again")
        .await
        .expect("delivered");
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
    assert_eq!(values(&direct, &topic, 0).await.len(), 12);
}

#[tokio::test]
async fn records_that_nobody_acknowledges_are_given_up_in_time() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let builder = Producer::builder(proxy.bootstrap()).delivery_timeout(Duration::from_millis(400));
    let builder = builder
        .property("request.timeout.ms", "300")
        .property("retry.backoff.ms", "5");
    let producer = builder.build().await.expect("valid");
    producer
        .send(Record::to(&topic).value("00000"))
        .await
        .expect("delivered");
    let refusing = proxy.on::<ProduceRequest>().fail(ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = producer
        .send(Record::to(&topic).value("lost"))
        .await
        .expect_err("nobody takes it");
    assert!(matches!(error, SendError::TimedOut { .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    refusing.lift();
    // The lost one leaves a gap in the sequence numbers, which the next epoch closes.
    for value in numbered(20).split_off(1) {
        producer.send(Record::to(&topic).value(value)).await.expect("delivered");
    }
    assert_eq!(values(&direct, &topic, 0).await, numbered(20));
}

#[tokio::test]
async fn without_retries_the_brokers_answer_is_the_outcome() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let producer = Producer::builder(proxy.bootstrap())
        .property("retries", "0")
        .build()
        .await
        .expect("valid");
    let fault = proxy.on::<ProduceRequest>().once().fail(ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = producer.send(Record::to(&topic).value("v")).await.expect_err("refused");
    assert_eq!(
        (error.code(), error.is_retriable()),
        (Some(ErrorCode::NOT_ENOUGH_REPLICAS), true)
    );
    assert_eq!(fault.hits(), 1);
    producer
        .send(Record::to(&topic).value("v"))
        .await
        .expect("the next one");
}

#[tokio::test]
async fn a_producer_that_may_not_be_idempotent_says_so() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let producer = Producer::builder(proxy.bootstrap()).build().await.expect("valid");
    let fault = proxy
        .on::<InitProducerIdRequest>()
        .once()
        .fail(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    let error = producer
        .send(Record::to(&topic).value("v"))
        .await
        .expect_err("not allowed");
    assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    assert_eq!(fault.hits(), 1);
    producer.send(Record::to(&topic).value("v")).await.expect("allowed now");
}

#[tokio::test]
async fn invalid_records_fail_with_their_own_error() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[("cleanup.policy", "compact")]).await;
    let producer = Producer::builder(&client)
        .linger(Duration::from_millis(100))
        .build()
        .await
        .expect("valid");
    let good = producer
        .enqueue(Record::to(&topic).key("k").value("v"))
        .await
        .expect("room");
    let bad = producer
        .enqueue(Record::to(&topic).value("no key"))
        .await
        .expect("room");
    let error = bad.await.expect_err("a compacted topic needs keys");
    assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
    let other = good.await.expect_err("in the same batch");
    assert_ne!(error.to_string(), other.to_string());
    let placed = producer
        .send(Record::to(&topic).key("k").value("v"))
        .await
        .expect("the gap is closed");
    assert_eq!(placed.offset, 0);
}

#[tokio::test]
async fn closing_delivers_and_refuses() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[]).await;
    let producer = Producer::builder(&client)
        .linger(Duration::from_secs(20))
        .build()
        .await
        .expect("valid");
    let delivery = producer.enqueue(Record::to(&topic).value("v")).await.expect("room");
    let other = producer.clone();
    producer.close().await.expect("closed");
    delivery.await.expect("delivered by closing");
    assert!(matches!(
        other.send(Record::to(&topic).value("v")).await,
        Err(SendError::Closed)
    ));
    assert!(matches!(other.try_enqueue(Record::to(&topic)), Err(SendError::Closed)));
    other.close().await.expect("closing again does nothing");
}

#[tokio::test]
async fn dropping_neither_waits_nor_leaves_anybody_waiting() {
    let bed = Bed::start().await;
    let direct = bed.client().await;
    let topic = make_topic(&direct, 1, &[]).await;
    let proxy = Proxy::before(&bed.bootstrap()).expect("a port");
    let builder = Producer::builder(proxy.bootstrap()).buffer_records(3);
    let producer = builder.build().await.expect("valid");
    producer.send(Record::to(&topic).value("v")).await.expect("delivered");
    let held = proxy.on::<ProduceRequest>().hold();
    let under_way = producer.enqueue(Record::to(&topic).value("v")).await.expect("room");
    held.wait_for_hits(1).await;
    let waiting = producer.enqueue(Record::to(&topic).value("v")).await.expect("room");
    let begun = Instant::now();
    drop(producer);
    for delivery in [under_way, waiting] {
        assert!(matches!(delivery.await, Err(SendError::Closed)));
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn calls_can_be_dropped_anywhere() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 1, &[]).await;
    let producer = Producer::builder(&client)
        .buffer_records(5)
        .build()
        .await
        .expect("valid");
    let mut kept = 0;
    for n in 0..300 {
        let send = producer.send(Record::to(&topic).value(format!("{n:05}")));
        if tokio::time::timeout(Duration::from_micros(n * 13 % 900), send)
            .await
            .is_ok()
        {
            kept += 1;
        }
    }
    producer.flush().await.expect("open");
    let written = values(&client, &topic, 0).await;
    assert!(written.len() >= kept && written.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(producer.metrics().records_sent as usize, written.len());
    let all: Vec<_> = (0..5)
        .map(|_| {
            producer
                .try_enqueue(Record::to(&topic).value("99999"))
                .expect("no room is lost")
        })
        .collect();
    for delivery in all {
        delivery.await.expect("delivered");
    }
}

#[tokio::test]
async fn partitioners_of_ones_own_and_reports() {
    #[derive(Debug)]
    struct Last;
    impl ChoosePartition for Last {
        fn choose(&self, _: &str, key: Option<&[u8]>, _: Option<&[u8]>, partitions: &Partitions<'_>) -> Option<i32> {
            Some(if key == Some(b"bad") {
                partitions.count
            } else {
                partitions.count - 1
            })
        }
    }
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 3, &[]).await;
    let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |report: &DeliveryReport<'_>| {
        let result = report.result.map_err(ToString::to_string);
        reports
            .send((report.topic.to_owned(), report.partition, report.records, result))
            .expect("listened to");
    };
    let producer = Producer::builder(&client)
        .partitioner(Last)
        .on_delivery(hook)
        .build()
        .await
        .expect("valid");
    let placed = producer.send(Record::to(&topic).value("v")).await.expect("delivered");
    assert_eq!(placed.partition, 2);
    assert_eq!(reported.recv().await, Some((topic.clone(), 2, 1, Ok(0))));
    let error = producer
        .send(Record::to(&topic).key("bad"))
        .await
        .expect_err("there is no such partition");
    assert!(matches!(error, SendError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn many_tasks_and_partitions_share_a_producer() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let topic = make_topic(&client, 20, &[]).await;
    let producer = Producer::builder(&client)
        .buffer_memory(100_000)
        .build()
        .await
        .expect("valid");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..10 {
        let (producer, topic) = (producer.clone(), topic.clone());
        tasks.spawn(async move {
            for n in 0..500 {
                let record = Record::to(&topic)
                    .partition((task * 7 + n) % 20)
                    .key(format!("{task}"))
                    .value(format!("{n:05}"));
                drop(producer.enqueue(record).await.expect("room"));
            }
        });
    }
    tasks.join_all().await;
    producer.close().await.expect("closed");
    let mut seen = 0;
    for partition in 0..20 {
        let mut latest: BTreeMap<String, String> = BTreeMap::new();
        for record in read(&client, &topic, partition).await {
            let (key, value) = (record.key.expect("a key"), record.value.expect("a value"));
            assert!(latest.insert(key, value.clone()).is_none_or(|before| before < value));
            seen += 1;
        }
    }
    assert_eq!(seen, 5000);
}
