//! The consumer, alone and in groups.

mod membership;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm_client::consumer::{Assignor, OffsetAndMetadata, RebalanceListener};
use klamm_client::{CommitError, Consumer, ConsumerError, NewTopic, Producer, Record, TopicPartition};
use tokio::time::{Instant, sleep, timeout};

use crate::bed::{Bed, PATIENCE, fresh, until};

async fn topic(bed: &Bed, name: &str, partitions: i32) -> String {
    let name = fresh(name);
    let client = bed.client().await;
    let topics = [NewTopic::new(&name).partitions(partitions).replication_factor(1)];
    for (_, result) in client.admin().create_topics(&topics, false).await.unwrap() {
        result.unwrap();
    }
    name
}

/// Values `from..to`, in turn to the partitions.
async fn fill(bed: &Bed, topic: &str, partitions: i32, from: usize, to: usize) {
    let producer = Producer::builder(bed.bootstrap()).build().await.unwrap();
    let mut deliveries = Vec::new();
    for value in from..to {
        let record = Record::to(topic)
            .key(format!("k{value}"))
            .value(value.to_string())
            .header("n", value.to_string())
            .partition(value as i32 % partitions)
            .timestamp(1_000_000 + value as i64);
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close().await.unwrap();
}

fn value_of(record: &klamm_client::ConsumerRecord) -> usize {
    std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap()
}

/// Polls until `count` records came.
async fn read(consumer: &Consumer, count: usize) -> Vec<usize> {
    let deadline = Instant::now() + PATIENCE;
    let mut values = Vec::new();
    while values.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} came", values.len());
        let records = consumer.poll(Duration::from_millis(200)).await.unwrap();
        values.extend(records.iter().map(value_of));
    }
    values
}

/// Polls until the consumer has `count` partitions.
async fn until_assigned(consumer: &Consumer, count: usize) {
    until("the partitions come", async || {
        consumer.poll(Duration::from_millis(50)).await.unwrap();
        consumer.assignment().len() == count
    })
    .await;
}

async fn member(bed: &Bed, group: &str, topic: &str, properties: &[(&str, &str)]) -> Consumer {
    let mut builder = Consumer::builder(bed.bootstrap())
        .group(group)
        .subscribe([topic])
        .property("auto.offset.reset", "earliest")
        .property("heartbeat.interval.ms", "100");
    for (key, value) in properties {
        builder = builder.property(*key, *value);
    }
    builder.build().await.unwrap()
}

#[tokio::test]
async fn assigned_partitions_are_read_in_order_and_whole() {
    let bed = Bed::start().await;
    let topic = topic(&bed, "assign", 3).await;
    fill(&bed, &topic, 3, 0, 3000).await;
    let partitions: Vec<TopicPartition> = (0..3).map(|index| TopicPartition::new(topic.as_str(), index)).collect();
    let consumer = Consumer::builder(bed.bootstrap())
        .assign(partitions.clone())
        .property("auto.offset.reset", "earliest")
        .build()
        .await
        .unwrap();
    let mut next = BTreeMap::new();
    let mut count = 0;
    while count < 3000 {
        let records = consumer.poll(PATIENCE).await.unwrap();
        assert!(!records.is_empty() && records.len() <= 500);
        for records in records.by_partition() {
            for record in records {
                let offset = next.entry(record.partition()).or_insert(0);
                assert_eq!(record.offset(), *offset);
                *offset += 1;
                let value = record.offset() as usize * 3 + record.partition() as usize;
                assert_eq!(value_of(record), value);
                assert_eq!(record.key(), Some(format!("k{value}").as_bytes()));
                assert_eq!(record.header("n"), Some(Some(value.to_string().as_bytes())));
                assert_eq!(record.timestamp(), 1_000_000 + value as i64);
                count += 1;
            }
        }
    }
    assert_eq!(consumer.position(&partitions[0]).await.unwrap(), 1000);
    assert_eq!(consumer.lag(&partitions[0]), Some(0));
    let ends = consumer.end_offsets(&partitions).await.unwrap();
    assert!(ends.values().all(|end| *end == 1000));
    let beginnings = consumer.beginning_offsets(&partitions).await.unwrap();
    assert!(beginnings.values().all(|begin| *begin == 0));
    let times = [(partitions[1].clone(), 1_000_300), (partitions[2].clone(), i64::MAX)];
    let found = consumer.offsets_for_times(times.into()).await.unwrap();
    assert_eq!(found[&partitions[1]].map(|at| at.offset), Some(100));
    assert_eq!(found[&partitions[2]], None);
    assert!(matches!(consumer.commit().await, Err(CommitError::NoGroup)));
    assert!(matches!(consumer.subscribe(["x"]), Err(ConsumerError::NoGroup { .. })));
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn seeking_and_pausing_keep_order() {
    let bed = Bed::start().await;
    let topic = topic(&bed, "seek", 2).await;
    fill(&bed, &topic, 2, 0, 2000).await;
    let [zero, one] = [0, 1].map(|index| TopicPartition::new(topic.as_str(), index));
    let consumer = Consumer::builder(bed.bootstrap())
        .assign([zero.clone(), one.clone()])
        .property("max.poll.records", "10")
        .build()
        .await
        .unwrap();
    consumer.seek(&zero, 900).unwrap();
    consumer.seek(&one, 990).unwrap();
    consumer.pause([&zero]).unwrap();
    let values = read(&consumer, 10).await;
    assert_eq!(values, (990..1000).map(|offset| offset * 2 + 1).collect::<Vec<_>>());
    assert!(consumer.poll(Duration::from_millis(300)).await.unwrap().is_empty());
    consumer.resume([&zero]).unwrap();
    assert_eq!(
        read(&consumer, 10).await,
        (900..910).map(|offset| offset * 2).collect::<Vec<_>>()
    );
    // What is buffered of a paused partition is there when it is resumed.
    consumer.pause([&zero]).unwrap();
    assert!(consumer.poll(Duration::from_millis(100)).await.unwrap().is_empty());
    assert_eq!(consumer.paused(), [zero.clone()].into());
    consumer.resume([&zero]).unwrap();
    assert_eq!(
        read(&consumer, 10).await,
        (910..920).map(|offset| offset * 2).collect::<Vec<_>>()
    );
    consumer.seek_to_beginning([&zero]).unwrap();
    assert_eq!(consumer.position(&zero).await.unwrap(), 0);
    assert_eq!(
        read(&consumer, 10).await,
        (0..10).map(|offset| offset * 2).collect::<Vec<_>>()
    );
    consumer.seek_to_end([]).unwrap();
    assert_eq!(consumer.position(&zero).await.unwrap(), 1000);
    assert!(matches!(
        consumer.seek(&TopicPartition::new("other", 0), 1),
        Err(ConsumerError::NotAssigned { .. })
    ));
}

#[tokio::test]
async fn without_an_offset_the_policy_decides() {
    let bed = Bed::start().await;
    let topic = topic(&bed, "reset", 1).await;
    fill(&bed, &topic, 1, 0, 100).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let with = async |policy: &str| {
        let consumer = Consumer::builder(bed.bootstrap()).assign([partition.clone()]);
        consumer.property("auto.offset.reset", policy).build().await.unwrap()
    };
    assert_eq!(with("earliest").await.position(&partition).await.unwrap(), 0);
    assert_eq!(with("latest").await.position(&partition).await.unwrap(), 100);
    // The records are of 1970: none is younger than a day.
    assert_eq!(with("by_duration:P1D").await.position(&partition).await.unwrap(), 100);
    assert_eq!(with("by_duration:P40000D").await.position(&partition).await.unwrap(), 0);
    let none = with("none").await;
    let error = none.poll(PATIENCE).await.unwrap_err();
    assert!(matches!(error, ConsumerError::NoOffset { .. }), "{error}");
    none.seek(&partition, 98).unwrap();
    assert_eq!(read(&none, 2).await, [98, 99]);
    none.seek(&partition, 1000).unwrap();
    let error = none.poll(PATIENCE).await.unwrap_err();
    assert!(
        matches!(error, ConsumerError::OutOfRange { offset: 1000, .. }),
        "{error}"
    );
    let earliest = with("earliest").await;
    earliest.seek(&partition, 1000).unwrap();
    assert_eq!(read(&earliest, 1).await[0], 0);
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "commit", 1).await, fresh("group"));
    fill(&bed, &topic, 1, 0, 100).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let first = member(&bed, &group, &topic, &[("enable.auto.commit", "false")]).await;
    read(&first, 100).await;
    let offset = OffsetAndMetadata {
        metadata: "half".to_owned(),
        ..OffsetAndMetadata::new(50)
    };
    first
        .commit_offsets([(partition.clone(), offset.clone())].into())
        .await
        .unwrap();
    assert_eq!(first.committed([&partition]).await.unwrap()[&partition], offset);
    assert!(first.group_member().is_some());
    first.close().await.unwrap();

    let second = member(&bed, &group, &topic, &[("enable.auto.commit", "false")]).await;
    assert_eq!(read(&second, 50).await, (50..100).collect::<Vec<_>>());
    second.commit().await.unwrap();
    let committed = second.committed([&partition]).await.unwrap();
    assert_eq!(committed[&partition].offset, 100);
    drop(second);

    // The one that was dropped has left: the next need not wait for its session to run out.
    fill(&bed, &topic, 1, 100, 110).await;
    let third = member(&bed, &group, &topic, &[]).await;
    assert_eq!(read(&third, 10).await, (100..110).collect::<Vec<_>>());
    // Closing commits what was read.
    third.close().await.unwrap();
    fill(&bed, &topic, 1, 110, 111).await;
    let fourth = member(&bed, &group, &topic, &[("auto.commit.interval.ms", "50")]).await;
    assert_eq!(read(&fourth, 1).await, [110]);
    until("the interval commits", async || {
        fourth.poll(Duration::from_millis(50)).await.unwrap();
        fourth.committed([&partition]).await.unwrap()[&partition].offset == 111
    })
    .await;
}

/// Reads in a task until told to stop, and says what it read.
fn reader(consumer: Consumer, all: Arc<Mutex<Vec<usize>>>) -> tokio::task::JoinHandle<Consumer> {
    tokio::spawn(async move {
        loop {
            let records = consumer.poll(Duration::from_millis(100)).await.unwrap();
            let mut all = all.lock().unwrap();
            all.extend(records.iter().map(value_of));
            if all.contains(&usize::MAX) {
                return consumer;
            }
        }
    })
}

/// Members come and go while records are produced: each is read once.
async fn nothing_is_lost_or_read_twice(strategy: &str) {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "rebalance", 6).await, fresh("group"));
    let settings = [("partition.assignment.strategy", strategy), ("max.poll.records", "7")];
    let all = Arc::new(Mutex::new(Vec::new()));
    fill(&bed, &topic, 6, 0, 300).await;
    let first = member(&bed, &group, &topic, &settings).await;
    until_assigned(&first, 6).await;
    let kept = first.clone();
    // What came while it waited for its partitions was read without being counted.
    kept.seek_to_beginning([]).unwrap();
    let first = reader(first, all.clone());
    let second = member(&bed, &group, &topic, &settings).await;
    let seen = second.clone();
    let second = reader(second, all.clone());
    until("they share", async || {
        sleep(Duration::from_millis(20)).await;
        kept.assignment().len() == 3 && seen.assignment().len() == 3
    })
    .await;
    fill(&bed, &topic, 6, 300, 600).await;
    until("all is read", async || {
        sleep(Duration::from_millis(20)).await;
        all.lock().unwrap().iter().copied().collect::<BTreeSet<usize>>().len() == 600
    })
    .await;
    assert!(seen.assignment().is_disjoint(&kept.assignment()));
    seen.clone().close().await.unwrap();
    assert!(second.await.is_err(), "a closed consumer says so");
    fill(&bed, &topic, 6, 600, 900).await;
    until("the other takes over", async || {
        sleep(Duration::from_millis(20)).await;
        all.lock().unwrap().iter().copied().collect::<BTreeSet<usize>>().len() == 900
    })
    .await;
    all.lock().unwrap().push(usize::MAX);
    first.await.unwrap().close().await.unwrap();
    let mut all = all.lock().unwrap().clone();
    all.retain(|value| *value != usize::MAX);
    assert_eq!(all.len(), 900, "some were read twice");
}

#[tokio::test]
async fn range_rebalances() {
    nothing_is_lost_or_read_twice("range").await;
}

#[tokio::test]
async fn round_robin_rebalances() {
    nothing_is_lost_or_read_twice("org.apache.kafka.clients.consumer.RoundRobinAssignor").await;
}

#[tokio::test]
async fn sticky_rebalances() {
    nothing_is_lost_or_read_twice("sticky").await;
}

#[tokio::test]
async fn cooperative_sticky_rebalances() {
    nothing_is_lost_or_read_twice("cooperative-sticky").await;
}

#[derive(Default)]
struct Told {
    events: Mutex<Vec<(&'static str, usize)>>,
    active: AtomicUsize,
}

struct Listener(Arc<Told>);

impl Listener {
    async fn note(&self, what: &'static str, partitions: &[TopicPartition]) {
        assert_eq!(self.0.active.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        sleep(Duration::from_millis(20)).await;
        self.0.events.lock().unwrap().push((what, partitions.len()));
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl RebalanceListener for Listener {
    async fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        assert!(
            partitions
                .iter()
                .all(|partition| consumer.assignment().contains(partition))
        );
        self.note("assigned", partitions).await;
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        let _ = consumer.commit().await;
        self.note("revoked", partitions).await;
    }

    async fn lost(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.note("lost", partitions).await;
    }
}

#[tokio::test]
async fn a_cooperative_rebalance_takes_only_what_moves() {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "told", 4).await, fresh("group"));
    let told = Arc::new(Told::default());
    let first = Consumer::builder(bed.bootstrap())
        .group(&group)
        .subscribe([&topic])
        .assignors(&[Assignor::CooperativeSticky])
        .property("heartbeat.interval.ms", "100")
        .listener(Listener(told.clone()))
        .build()
        .await
        .unwrap();
    until_assigned(&first, 4).await;
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let second = member(&bed, &group, &topic, &settings).await;
    until("they share", async || {
        first.poll(Duration::from_millis(20)).await.unwrap();
        second.poll(Duration::from_millis(20)).await.unwrap();
        first.assignment().len() == 2 && second.assignment().len() == 2
    })
    .await;
    until("the last is told", async || {
        first.poll(Duration::from_millis(20)).await.unwrap();
        second.poll(Duration::from_millis(20)).await.unwrap();
        told.events.lock().unwrap().len() >= 3
    })
    .await;
    first.close().await.unwrap();
    let events = told.events.lock().unwrap().clone();
    assert_eq!(events[0], ("assigned", 4));
    let revoked: Vec<_> = events.iter().filter(|(what, _)| *what == "revoked").collect();
    assert_eq!(revoked, [&("revoked", 2), &("revoked", 2)], "{events:?}");
}

#[tokio::test]
async fn a_static_member_comes_back_without_a_rebalance() {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "static", 4).await, fresh("group"));
    let first = member(&bed, &group, &topic, &[("group.instance.id", "one")]).await;
    let second = member(&bed, &group, &topic, &[("group.instance.id", "two")]).await;
    until("they share", async || {
        first.poll(Duration::from_millis(20)).await.unwrap();
        second.poll(Duration::from_millis(20)).await.unwrap();
        first.assignment().len() == 2 && second.assignment().len() == 2
    })
    .await;
    let (before, generation) = (second.assignment(), first.group_member().unwrap().generation);
    second.close().await.unwrap();
    let second = member(&bed, &group, &topic, &[("group.instance.id", "two")]).await;
    until_assigned(&second, 2).await;
    assert_eq!(second.assignment(), before);
    first.poll(Duration::from_millis(300)).await.unwrap();
    assert_eq!(first.group_member().unwrap().generation, generation);
    // A second one with the same id takes its place.
    let usurper = member(&bed, &group, &topic, &[("group.instance.id", "two")]).await;
    until_assigned(&usurper, 2).await;
    let fenced = timeout(PATIENCE, async {
        loop {
            if let Err(error) = second.poll(Duration::from_millis(50)).await {
                return error;
            }
        }
    });
    let error = fenced.await.unwrap();
    assert!(
        matches!(&error, ConsumerError::Fenced { instance_id } if instance_id == "two"),
        "{error}"
    );
}

#[tokio::test]
async fn a_pattern_finds_topics_that_are_made_later() {
    let bed = Bed::start().await;
    let prefix = fresh("regex");
    let (first, second) = (topic(&bed, &format!("{prefix}-a"), 1).await, fresh("unrelated"));
    fill(&bed, &first, 1, 0, 5).await;
    let consumer = Consumer::builder(bed.bootstrap())
        .group(fresh("group"))
        .subscribe_pattern(format!("{prefix}-.*"))
        .property("auto.offset.reset", "earliest")
        .property("metadata.max.age.ms", "200")
        .property("heartbeat.interval.ms", "100")
        .build()
        .await
        .unwrap();
    assert_eq!(read(&consumer, 5).await.len(), 5);
    let client = bed.client().await;
    let names = [second, format!("{prefix}-b")];
    let topics = names
        .clone()
        .map(|name| NewTopic::new(name).partitions(2).replication_factor(1));
    client.admin().create_topics(&topics, false).await.unwrap();
    fill(&bed, &names[1], 2, 5, 15).await;
    assert_eq!(
        read(&consumer, 10).await.iter().copied().collect::<BTreeSet<_>>(),
        (5..15).collect()
    );
    assert_eq!(consumer.subscription(), [first, names[1].clone()].into());
}

#[tokio::test]
async fn who_does_not_poll_is_out_and_is_told_so() {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "slow", 2).await, fresh("group"));
    fill(&bed, &topic, 2, 0, 20).await;
    let settings = [
        ("max.poll.interval.ms", "700"),
        ("enable.auto.commit", "false"),
        ("max.poll.records", "1"),
    ];
    let slow = member(&bed, &group, &topic, &settings).await;
    read(&slow, 1).await;
    sleep(Duration::from_millis(1500)).await;
    assert!(slow.group_member().is_none());
    let error = slow.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::KickedOut), "{error}");
    assert!(error.to_string().contains("kicked out of the group"));
    // It comes back with the next poll, from the beginning since nothing was committed.
    assert_eq!(
        read(&slow, 20).await.iter().copied().collect::<BTreeSet<_>>(),
        (0..20).collect()
    );
    slow.commit().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_restarts_is_found_again() {
    let mut bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "restart", 2).await, fresh("group"));
    fill(&bed, &topic, 2, 0, 100).await;
    let consumer = member(&bed, &group, &topic, &[]).await;
    read(&consumer, 100).await;
    let Some(cluster) = bed.embedded() else { return };
    cluster.kill().await;
    assert!(consumer.poll(Duration::from_millis(300)).await.unwrap().is_empty());
    cluster.restart().await.unwrap();
    fill(&bed, &topic, 2, 100, 200).await;
    let values: BTreeSet<usize> = read(&consumer, 100).await.into_iter().collect();
    assert_eq!(values, (100..200).collect());
    consumer.commit().await.unwrap();
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn a_stream_commits_what_was_taken_from_it() {
    let bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "stream", 1).await, fresh("group"));
    fill(&bed, &topic, 1, 0, 100).await;
    let consumer = member(&bed, &group, &topic, &[]).await;
    let mut stream = consumer.stream();
    for expected in 0..10 {
        assert_eq!(value_of(&stream.next().await.unwrap().unwrap()), expected);
    }
    consumer.commit().await.unwrap();
    let partition = TopicPartition::new(topic.as_str(), 0);
    assert_eq!(consumer.committed([&partition]).await.unwrap()[&partition].offset, 10);
    drop(stream);
    // What the stream held is read by the next.
    assert_eq!(read(&consumer, 90).await, (10..100).collect::<Vec<_>>());
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn a_poll_that_is_dropped_loses_nothing() {
    let bed = Bed::start().await;
    let topic = topic(&bed, "cancel", 1).await;
    let consumer = Consumer::builder(bed.bootstrap())
        .assign([TopicPartition::new(topic.as_str(), 0)])
        .property("auto.offset.reset", "earliest")
        .property("max.poll.records", "3")
        .build()
        .await
        .unwrap();
    fill(&bed, &topic, 1, 0, 500).await;
    let mut values = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while values.len() < 500 && Instant::now() < deadline {
        if let Ok(records) = timeout(Duration::from_micros(300), consumer.poll(PATIENCE)).await {
            values.extend(records.unwrap().iter().map(value_of));
        }
    }
    assert_eq!(values, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn kinds_of_subscription_exclude_each_other() {
    let bed = Bed::start().await;
    let topic = topic(&bed, "kinds", 1).await;
    let consumer = member(&bed, &fresh("group"), &topic, &[]).await;
    until_assigned(&consumer, 1).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    assert!(matches!(
        consumer.assign([partition.clone()]),
        Err(ConsumerError::Exclusive)
    ));
    assert!(matches!(
        consumer.subscribe_pattern(".*"),
        Err(ConsumerError::Exclusive)
    ));
    consumer.unsubscribe().await;
    let error = consumer.poll(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, ConsumerError::NotSubscribed), "{error}");
    consumer.assign([partition.clone()]).unwrap();
    assert_eq!(consumer.assignment(), [partition].into());
    let again = consumer.clone();
    consumer.close().await.unwrap();
    assert!(matches!(again.poll(PATIENCE).await, Err(ConsumerError::Closed)));
}
