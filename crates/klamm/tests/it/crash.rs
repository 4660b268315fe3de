//! `kill -9` in the middle of a load, again and again: what was acknowledged is there once, in its place, in order.
//!
//! Idempotent producers send again what they have no answer to, as clients do, so each of their records must be there
//! exactly once. Plain ones do not, so theirs may be there or not, but never twice. Beside them a consumer reads, a
//! group commits, and topics come and go.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Uuid};
use klamm_records::{BatchBuilder, Compression};
use tokio::task::JoinHandle;

use crate::client::*;
use crate::node::Node;
use crate::random::{Random, seed};

const TOPIC: &str = "load";
const PARTITIONS: i32 = 4;
/// Requests on the way at once: as many as an idempotent producer may have.
const WINDOW: usize = 5;
const GROUP: &str = "readers";

/// How long a node may take to serve after a crash: far less than the session of the dead broker lasts, however busy the
/// machine. How quick it is on a quiet one is the benchmark's matter.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
const SESSION: &str = "broker.session.timeout.ms=120000";

/// What all tasks of the load share.
struct Load {
    address: std::net::SocketAddr,
    over: AtomicBool,
}

impl Load {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Connects when the node is there; not at all when the load is over.
    async fn connect(&self) -> Option<Connection> {
        while !self.is_over() {
            if let Ok(connection) = Connection::try_open(self.address).await {
                return Some(connection);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }
}

/// A batch that was sent and not answered yet.
struct Sent {
    partition: i32,
    values: Vec<String>,
    records: Bytes,
}

/// A producer, and what it knows of its records.
struct Producer {
    name: String,
    /// Id and epoch of an idempotent one.
    identity: Option<(i64, i16)>,
    random: Random,
    next: [i32; PARTITIONS as usize],
    on_the_way: VecDeque<Sent>,
    acknowledged: Vec<(i32, i64, String)>,
    failures: Vec<String>,
}

impl Producer {
    fn new(name: String, identity: Option<(i64, i16)>, random: Random) -> Self {
        Producer {
            name,
            identity,
            random,
            next: [0; PARTITIONS as usize],
            on_the_way: VecDeque::new(),
            acknowledged: Vec::new(),
            failures: Vec::new(),
        }
    }

    async fn run(mut self, load: Arc<Load>) -> Self {
        // Idempotent ones also wait for what they have no answer to when the load is over.
        while self.failures.is_empty() && (!load.is_over() || !self.on_the_way.is_empty()) {
            let Ok(mut connection) = Connection::try_open(load.address).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            self.serve(&load, &mut connection).await;
            if self.identity.is_none() {
                self.on_the_way.clear();
            }
        }
        self
    }

    /// Keeps the window full until the connection breaks or the load is over and everything is answered.
    async fn serve(&mut self, load: &Load, connection: &mut Connection) {
        for sent in &self.on_the_way {
            let request = produce_request(TOPIC, sent.partition, -1, sent.records.clone());
            if connection.client.send(&request, PRODUCE_BY_NAME).await.is_err() {
                return;
            }
        }
        loop {
            while self.on_the_way.len() < WINDOW && !load.is_over() {
                let sent = self.next_batch();
                let request = produce_request(TOPIC, sent.partition, -1, sent.records.clone());
                self.on_the_way.push_back(sent);
                if connection.client.send(&request, PRODUCE_BY_NAME).await.is_err() {
                    return;
                }
            }
            if self.on_the_way.is_empty() {
                return;
            }
            let Ok((_, reply)) = connection.client.receive_any::<ProduceRequest>(PRODUCE_BY_NAME).await else {
                return;
            };
            let reply = &reply.responses[0].partition_responses[0];
            if reply.error_code != ErrorCode::NONE {
                // A node that starts may not lead yet; all else is wrong. Begin again with the oldest.
                if !reply.error_code.is_retriable() {
                    self.failures.push(format!(
                        "{}: {} {:?}",
                        self.name,
                        reply.error_code.name(),
                        reply.error_message
                    ));
                }
                return;
            }
            let sent = self.on_the_way.pop_front().unwrap();
            for (offset, value) in (reply.base_offset..).zip(sent.values) {
                self.acknowledged.push((sent.partition, offset, value));
            }
        }
    }

    fn next_batch(&mut self) -> Sent {
        let partition = self.random.below(PARTITIONS as usize);
        let codec = [Compression::None, Compression::Lz4, Compression::Zstd][self.random.below(3)];
        let mut builder = BatchBuilder::new(codec);
        if let Some((id, epoch)) = self.identity {
            builder = builder.producer(id, epoch, self.next[partition]);
        }
        let padding = "x".repeat(self.random.below(2000));
        let mut values = Vec::new();
        for _ in 0..=self.random.below(10) {
            let value = format!("{} {partition} {} {padding}", self.name, self.next[partition]);
            self.next[partition] += 1;
            builder.push(now_ms(), None, Some(value.as_bytes()), &[]).unwrap();
            values.push(value);
        }
        Sent {
            partition: partition as i32,
            values,
            records: builder.build(),
        }
    }
}

/// Reads one partition as it grows, and remembers what it has seen.
async fn consume(load: Arc<Load>, partition: i32) -> Vec<(i64, Vec<u8>)> {
    let mut seen: Vec<(i64, Vec<u8>)> = Vec::new();
    while let Some(mut connection) = load.connect().await {
        while !load.is_over() {
            let next = seen.last().map_or(0, |(offset, _)| offset + 1);
            let request = FetchRequest {
                max_wait_ms: 100,
                ..fetch_request(TOPIC, partition, next)
            };
            let Ok(reply) = connection.client.call(&request, FETCH_BY_NAME).await else {
                break;
            };
            let reply = only(reply);
            if reply.error_code != ErrorCode::NONE {
                let may_be = reply.error_code.is_retriable();
                assert!(may_be, "fetch at {next}: {}", reply.error_code.name());
                break;
            }
            seen.extend(
                records(&bytes(&reply))
                    .into_iter()
                    .filter(|(offset, _)| *offset >= next),
            );
        }
    }
    seen
}

/// Commits rising offsets; the last acknowledged one and the last one tried.
#[derive(Clone, Copy, Default)]
struct Commits {
    acknowledged: i64,
    tried: i64,
}

async fn commit(load: Arc<Load>, commits: Arc<std::sync::Mutex<Commits>>) {
    while let Some(mut connection) = load.connect().await {
        while !load.is_over() {
            let offset = {
                let mut commits = commits.lock().unwrap();
                commits.tried += 1;
                commits.tried
            };
            let request = commit_request(GROUP, TOPIC, 0, offset);
            let Ok(reply) = connection.client.call(&request, OFFSETS_BY_NAME).await else {
                break;
            };
            match reply.topics[0].partitions[0].error_code {
                ErrorCode::NONE => commits.lock().unwrap().acknowledged = offset,
                error => assert!(is_transient(error) || error.is_retriable(), "commit: {}", error.name()),
            }
        }
    }
}

/// What became of topics: created ones with their ids and configs, and the names of deleted ones.
#[derive(Default)]
struct Topics {
    created: BTreeMap<String, (Uuid, String)>,
    deleted: Vec<String>,
}

async fn create_and_delete(load: Arc<Load>, topics: Arc<std::sync::Mutex<Topics>>) {
    let mut n = 0;
    while let Some(mut connection) = load.connect().await {
        while !load.is_over() {
            n += 1;
            let (name, retention) = (format!("topic-{n}"), format!("{}", 100_000_000 + n));
            let request = CreateTopicsRequest {
                topics: vec![creatable(&name, 2, &[("retention.ms", &retention)])],
                ..Default::default()
            };
            let Ok(reply) = connection.client.call(&request, 7).await else {
                break;
            };
            let reply = &reply.topics[0];
            if reply.error_code != ErrorCode::NONE {
                assert!(reply.error_code.is_retriable(), "create: {}", reply.error_code.name());
                break;
            }
            topics
                .lock()
                .unwrap()
                .created
                .insert(name.clone(), (reply.topic_id, retention));
            if n % 3 == 0 {
                // Not known any more from here on, until it is known to be gone.
                topics.lock().unwrap().created.remove(&name);
                let request = DeleteTopicsRequest {
                    topic_names: vec![name.clone()],
                    timeout_ms: 5000,
                    ..Default::default()
                };
                let Ok(reply) = connection.client.call(&request, 5).await else {
                    break;
                };
                if reply.responses[0].error_code == ErrorCode::NONE {
                    topics.lock().unwrap().deleted.push(name);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Leaves half a batch at the end of a partition's log, as a write does that a crash cuts off.
fn tear(node: &Node, partition: i32, random: &mut Random) {
    let directory = node.data().join(format!("{TOPIC}-{partition}"));
    let logs = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let newest = logs
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .max()
        .unwrap();
    let batch = batch(&["never acknowledged"]);
    let cut = &batch[..1 + random.below(batch.len() - 1)];
    fs::OpenOptions::new()
        .append(true)
        .open(newest)
        .unwrap()
        .write_all(cut)
        .unwrap();
}

/// Appends until it succeeds, and returns where.
async fn first_append(node: &Node, value: &str) -> i64 {
    let mut connection = node.connect().await;
    loop {
        let reply = connection.produce(TOPIC, 0, batch(&[value])).await;
        if reply.error_code == ErrorCode::NONE {
            return reply.base_offset;
        }
        assert!(reply.error_code.is_retriable(), "{}", reply.error_code.name());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn check_commits(node: &Node, commits: Commits) {
    let mut connection = node.connect().await;
    connection.find_coordinator(GROUP).await;
    let (_, offsets) = connection.committed_offsets(GROUP).await;
    let offset = offsets.first().map_or(0, |(_, _, offset)| *offset);
    let Commits { acknowledged, tried } = commits;
    assert!(
        (acknowledged..=tried).contains(&offset),
        "committed {offset}, acknowledged {acknowledged}, tried {tried}"
    );
}

async fn check_topics(node: &Node, topics: &Topics) {
    let mut connection = node.connect().await;
    let all = connection
        .call(&MetadataRequest {
            topics: None,
            ..Default::default()
        })
        .await
        .topics;
    let all: HashMap<_, _> = all
        .iter()
        .map(|topic| (topic.name.as_deref().unwrap(), topic))
        .collect();
    for (name, (id, _)) in &topics.created {
        let found = all.get(name.as_str()).unwrap_or_else(|| panic!("{name} is lost"));
        assert_eq!((found.topic_id, found.partitions.len()), (*id, 2), "{name}");
    }
    for name in &topics.deleted {
        assert!(!all.contains_key(name.as_str()), "{name} was deleted");
    }
    let Some((name, (_, retention))) = topics.created.last_key_value() else {
        return;
    };
    let resource = describe_configs_request::DescribeConfigsResource {
        resource_type: 2,
        resource_name: name.clone(),
        configuration_keys: Some(vec!["retention.ms".to_owned()]),
        ..Default::default()
    };
    let reply = connection
        .call(&DescribeConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        })
        .await;
    assert_eq!(
        reply.results[0].configs[0].value.as_deref(),
        Some(retention.as_str()),
        "{name}"
    );
}

/// Nothing is left of deleted topics but what waits for its removal.
async fn check_directories(node: &Node) {
    let mut connection = node.connect().await;
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let mut expected: Vec<String> = vec!["__cluster_metadata-0".to_owned()];
    for topic in connection.call(&request).await.topics {
        let name = topic.name.unwrap();
        expected.extend((0..topic.partitions.len()).map(|partition| format!("{name}-{partition}")));
    }
    expected.sort();
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(node.data()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() && !name.ends_with("-delete") && !name.ends_with("-stray") {
            found.push(name);
        }
    }
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let rounds = std::env::var("KLAMM_CRASH_ROUNDS").map_or(8, |text| text.parse().unwrap());
    let seed = seed();
    let mut random = Random::new(seed);
    let mut node = Node::start_with(&[SESSION]).await;
    let mut connection = node.connect().await;
    connection
        .create_with(TOPIC, PARTITIONS, &[("segment.bytes", "1048576")])
        .await;
    connection.find_coordinator(GROUP).await;

    let load = Arc::new(Load {
        address: node.address(),
        over: AtomicBool::new(false),
    });
    let mut producers: Vec<JoinHandle<Producer>> = Vec::new();
    for n in 0..4 {
        let identity = if n < 2 {
            Some(connection.producer_id().await)
        } else {
            None
        };
        let producer = Producer::new(format!("producer-{n}"), identity, Random::new(seed ^ (n + 1)));
        producers.push(tokio::spawn(producer.run(load.clone())));
    }
    let consumers = [0, 1].map(|partition| tokio::spawn(consume(load.clone(), partition)));
    let commits = Arc::new(std::sync::Mutex::new(Commits::default()));
    let committing = tokio::spawn(commit(load.clone(), commits.clone()));
    let topics = Arc::new(std::sync::Mutex::new(Topics::default()));
    let creating = tokio::spawn(create_and_delete(load.clone(), topics.clone()));

    let mut appended = Vec::new();
    let mut figures = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(600 + random.below(400) as u64)).await;
        node.kill();
        for partition in 0..PARTITIONS {
            if random.one_in(2) {
                tear(&node, partition, &mut random);
            }
        }
        let spawned = Instant::now();
        node.start_again().await;
        let value = format!("after-crash {round}");
        appended.push((0, first_append(&node, &value).await, value));
        let serves_after = spawned.elapsed();
        figures.push(format!(
            "{} ms, {} ms",
            node.ready_after().as_millis(),
            serves_after.as_millis()
        ));
        assert!(serves_after < SERVES_WITHIN, "served {serves_after:?} after a crash");
        let snapshot = *commits.lock().unwrap();
        // What is committed from now on is not smaller.
        check_commits(
            &node,
            Commits {
                tried: i64::MAX,
                ..snapshot
            },
        )
        .await;
    }
    load.over.store(true, Ordering::Relaxed);
    committing.await.unwrap();
    creating.await.unwrap();
    let committed = *commits.lock().unwrap();
    check_commits(&node, committed).await;
    let topics = std::mem::take(&mut *topics.lock().unwrap());
    check_topics(&node, &topics).await;
    check_directories(&node).await;
    assert!(topics.created.len() > rounds && committed.acknowledged > rounds as i64);

    let mut connection = node.connect().await;
    let mut there: Vec<Vec<(i64, Vec<u8>)>> = Vec::new();
    for partition in 0..PARTITIONS {
        there.push(connection.fetch_all(TOPIC, partition).await);
    }
    let total: usize = there.iter().map(Vec::len).sum();
    let mut places: HashMap<&str, i64> = HashMap::new();
    for records in &there {
        for (n, (offset, value)) in records.iter().enumerate() {
            assert_eq!(*offset, n as i64, "no gaps");
            let value = std::str::from_utf8(value).unwrap();
            assert!(
                places.insert(value, *offset).is_none(),
                "twice: {}",
                &value[..30.min(value.len())]
            );
        }
    }

    for (consumer, seen) in consumers.into_iter().enumerate() {
        let seen = seen.await.unwrap();
        assert!(!seen.is_empty());
        assert!(
            seen == there[consumer][..seen.len()],
            "partition {consumer} is not what was read of it"
        );
    }
    let mut acknowledged = appended;
    for producer in producers {
        let producer = producer.await.unwrap();
        assert_eq!(producer.failures, Vec::<String>::new());
        assert!(
            producer.acknowledged.len() > 10 * rounds,
            "{}",
            producer.acknowledged.len()
        );
        if producer.identity.is_some() {
            assert!(producer.on_the_way.is_empty());
            let sent: i32 = producer.next.iter().sum();
            assert_eq!(producer.acknowledged.len(), sent as usize, "{}", producer.name);
        }
        check_order(&producer.name, &there);
        acknowledged.extend(producer.acknowledged);
    }
    for (partition, offset, value) in &acknowledged {
        let (place, found) = &there[*partition as usize]
            .get(*offset as usize)
            .expect("acknowledged and lost");
        assert_eq!(place, offset);
        assert_eq!(
            String::from_utf8_lossy(found),
            *value,
            "another record at {partition}/{offset}"
        );
    }
    println!(
        "from spawn to the first reply, to the first append: {}",
        figures.join("; ")
    );
    println!(
        "{} of {total} records acknowledged, {} topics",
        acknowledged.len(),
        topics.created.len()
    );
}

/// A producer's records stand in each partition in the order in which it sent them.
fn check_order(producer: &str, there: &[Vec<(i64, Vec<u8>)>]) {
    for (partition, records) in there.iter().enumerate() {
        let mut last = -1;
        for (offset, value) in records {
            let mut words = std::str::from_utf8(value).unwrap().split(' ');
            if words.next() == Some(producer) {
                let n: i32 = words.nth(1).unwrap().parse().unwrap();
                assert!(n > last, "{producer} sent {n} after {last}: {partition}/{offset}");
                last = n;
            }
        }
    }
}
