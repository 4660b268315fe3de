//! What a node answers to requests that can't be met, or only just: Apache Kafka's own answers, found out by asking it.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Records, Uuid};
use klamm_records::{BatchBuilder, Compression, ControlRecordType};

use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

const NO_SUCH_ID: Uuid = Uuid([7; 16]);

// ---- topics ----

async fn create(connection: &mut Connection, topics: Vec<create_topics_request::CreatableTopic>) -> String {
    create_request(
        connection,
        CreateTopicsRequest {
            topics,
            ..Default::default()
        },
    )
    .await
}

async fn create_request(connection: &mut Connection, request: CreateTopicsRequest) -> String {
    let reply = connection.call(&request).await;
    let errors: Vec<_> = reply.topics.iter().map(|topic| topic.error_code.name()).collect();
    errors.join(" ")
}

fn assigned(topic: &str, replicas: &[(i32, &[i32])]) -> create_topics_request::CreatableTopic {
    let assignment = |&(partition_index, brokers): &(i32, &[i32])| create_topics_request::CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
        ..Default::default()
    };
    create_topics_request::CreatableTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: replicas.iter().map(assignment).collect(),
        ..creatable(topic, 1, &[])
    }
}

#[tokio::test]
async fn create_topics_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let there = unique("there");
    node.create(&there, 1).await;
    let dotted = unique("dotted.name");
    node.create(&dotted, 1).await;
    let mut answers = Answers::to("CreateTopics");

    for (name, kafka) in [
        ("", "INVALID_TOPIC_EXCEPTION"),
        (".", "INVALID_TOPIC_EXCEPTION"),
        ("..", "INVALID_TOPIC_EXCEPTION"),
        ("a/b", "INVALID_TOPIC_EXCEPTION"),
        ("white space", "INVALID_TOPIC_EXCEPTION"),
        ("schlüssel", "INVALID_TOPIC_EXCEPTION"),
        (&"x".repeat(250), "INVALID_TOPIC_EXCEPTION"),
        (&dotted.replace('.', "_"), "INVALID_TOPIC_EXCEPTION"),
        (&there, "TOPIC_ALREADY_EXISTS"),
        ("__cluster_metadata", "INVALID_REQUEST"),
    ] {
        answers.row(name, create(&mut node, vec![creatable(name, 1, &[])]).await, kafka);
    }
    let long = format!("{}-{}", unique("long"), "x".repeat(249));
    answers.row(
        "249 characters",
        create(&mut node, vec![creatable(&long[..249], 1, &[])]).await,
        "NONE",
    );

    let new = || unique("new");
    for (partitions, kafka) in [(0, "INVALID_PARTITIONS"), (-2, "INVALID_PARTITIONS"), (-1, "NONE")] {
        let answer = create(&mut node, vec![creatable(&new(), partitions, &[])]).await;
        answers.row(&format!("{partitions} partitions"), answer, kafka);
    }
    for (partitions, kafka) in [(10_001, "POLICY_VIOLATION"), (i32::MAX, "POLICY_VIOLATION")] {
        let answer = create(&mut node, vec![creatable(&new(), partitions, &[])]).await;
        answers.row(&format!("{partitions} partitions"), answer, kafka);
    }
    for (replication_factor, kafka) in [
        (0, "INVALID_REPLICATION_FACTOR"),
        (-2, "INVALID_REPLICATION_FACTOR"),
        (2, "INVALID_REPLICATION_FACTOR"),
        (-1, "NONE"),
    ] {
        let topic = create_topics_request::CreatableTopic {
            replication_factor,
            ..creatable(&new(), 1, &[])
        };
        answers.row(
            &format!("replication factor {replication_factor}"),
            create(&mut node, vec![topic]).await,
            kafka,
        );
    }

    for (question, topic, kafka) in [
        ("assigned to us", assigned(&new(), &[(0, &[1])]), "NONE"),
        (
            "assigned to nobody",
            assigned(&new(), &[(0, &[77])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "assigned to us twice",
            assigned(&new(), &[(0, &[1, 1])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "assigned to an empty list",
            assigned(&new(), &[(0, &[])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "a gap between partitions",
            assigned(&new(), &[(0, &[1]), (2, &[1])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "no partition 0",
            assigned(&new(), &[(1, &[1])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "the same partition twice",
            assigned(&new(), &[(0, &[1]), (0, &[1])]),
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "a number of partitions and an assignment",
            create_topics_request::CreatableTopic {
                num_partitions: 1,
                ..assigned(&new(), &[(0, &[1])])
            },
            "INVALID_REQUEST",
        ),
        (
            "a replication factor and an assignment",
            create_topics_request::CreatableTopic {
                replication_factor: 1,
                ..assigned(&new(), &[(0, &[1])])
            },
            "INVALID_REQUEST",
        ),
        (
            "an unknown config",
            creatable(&new(), 1, &[("no.such.config", "1")]),
            "INVALID_CONFIG",
        ),
        (
            "a config's value is no number",
            creatable(&new(), 1, &[("retention.ms", "soon")]),
            "INVALID_CONFIG",
        ),
        (
            "a config's value is too small",
            creatable(&new(), 1, &[("segment.bytes", "13")]),
            "INVALID_CONFIG",
        ),
        (
            "a config's value is not in its list",
            creatable(&new(), 1, &[("cleanup.policy", "burn")]),
            "INVALID_CONFIG",
        ),
        (
            "an empty cleanup.policy",
            creatable(&new(), 1, &[("cleanup.policy", "")]),
            "NONE",
        ),
        (
            "two that don't go together",
            creatable(
                &new(),
                1,
                &[("remote.storage.enable", "true"), ("cleanup.policy", "compact")],
            ),
            "INVALID_CONFIG",
        ),
        (
            "a config without a value",
            {
                let mut topic = creatable(&new(), 1, &[("retention.ms", "")]);
                topic.configs[0].value = None;
                topic
            },
            "INVALID_CONFIG",
        ),
        (
            "the same config twice",
            creatable(&new(), 1, &[("retention.ms", "1"), ("retention.ms", "2")]),
            "NONE",
        ),
    ] {
        answers.row(question, create(&mut node, vec![topic]).await, kafka);
    }

    let twice = new();
    let topics = vec![creatable(&twice, 1, &[]), creatable(&twice, 1, &[])];
    answers.row(
        "the same topic twice",
        create(&mut node, topics).await,
        "INVALID_REQUEST",
    );
    let (good, bad) = (new(), new());
    let topics = vec![creatable(&good, 1, &[]), creatable(&bad, 0, &[])];
    let mut both: Vec<String> = create(&mut node, topics).await.split(' ').map(str::to_owned).collect();
    both.sort();
    answers.row("one good, one bad", both.join(" "), "INVALID_PARTITIONS NONE");

    let only_validated = new();
    let topics = vec![creatable(&only_validated, 1, &[])];
    let request = CreateTopicsRequest {
        topics,
        validate_only: true,
        ..Default::default()
    };
    answers.row("validate only", create_request(&mut node, request).await, "NONE");
    let unknown = node.metadata(&only_validated).await.error_code.name();
    answers.row("and is not created", unknown, "UNKNOWN_TOPIC_OR_PARTITION");

    let described = new();
    let topics = vec![creatable(&described, 3, &[("retention.ms", "4711")])];
    let reply = node
        .call(&CreateTopicsRequest {
            topics,
            ..Default::default()
        })
        .await;
    let topic = &reply.topics[0];
    let retention = topic
        .configs
        .iter()
        .flatten()
        .find(|config| config.name == "retention.ms")
        .unwrap();
    let answer = format!(
        "{} partitions, {} replicas, retention.ms={:?} from {}",
        topic.num_partitions,
        topic.replication_factor,
        retention.value.as_deref(),
        retention.config_source
    );
    answers.row(
        "what was created",
        answer,
        "3 partitions, 1 replicas, retention.ms=Some(\"4711\") from 1",
    );
    answers.done();
}

async fn delete(connection: &mut Connection, topics: Vec<delete_topics_request::DeleteTopicState>) -> String {
    let request = DeleteTopicsRequest {
        topics,
        timeout_ms: 10_000,
        ..Default::default()
    };
    let reply = connection.call(&request).await;
    let mut errors: Vec<_> = reply.responses.iter().map(|topic| topic.error_code.name()).collect();
    errors.sort();
    errors.join(" ")
}

fn named(name: &str) -> delete_topics_request::DeleteTopicState {
    delete_topics_request::DeleteTopicState {
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

fn with_id(topic_id: Uuid) -> delete_topics_request::DeleteTopicState {
    delete_topics_request::DeleteTopicState {
        name: None,
        topic_id,
        ..Default::default()
    }
}

#[tokio::test]
async fn delete_topics_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (a, b, c) = (unique("a"), unique("b"), unique("c"));
    let id_of_a = node.create(&a, 1).await;
    let id_of_b = node.create(&b, 1).await;
    let id_of_c = node.create(&c, 1).await;
    let mut answers = Answers::to("DeleteTopics");

    let both = delete_topics_request::DeleteTopicState {
        topic_id: id_of_a,
        ..named(&a)
    };
    for (question, topics, kafka) in [
        (
            "an unknown name",
            vec![named(&unique("nowhere"))],
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        ("an empty name", vec![named("")], "UNKNOWN_TOPIC_OR_PARTITION"),
        ("an unknown id", vec![with_id(NO_SUCH_ID)], "UNKNOWN_TOPIC_ID"),
        ("neither name nor id", vec![with_id(Uuid::ZERO)], "INVALID_REQUEST"),
        ("name and id", vec![both], "INVALID_REQUEST"),
        ("the same name twice", vec![named(&a), named(&a)], "INVALID_REQUEST"),
        (
            "the same id twice",
            vec![with_id(id_of_a), with_id(id_of_a)],
            "INVALID_REQUEST",
        ),
        (
            "the same topic by name and by id",
            vec![named(&a), with_id(id_of_a)],
            "INVALID_REQUEST",
        ),
        ("by name", vec![named(&a)], "NONE"),
        ("by id", vec![with_id(id_of_b)], "NONE"),
        ("again by name", vec![named(&a)], "UNKNOWN_TOPIC_OR_PARTITION"),
        ("again by id", vec![with_id(id_of_b)], "UNKNOWN_TOPIC_ID"),
        (
            "one good, one bad",
            vec![with_id(id_of_c), named(&a)],
            "NONE UNKNOWN_TOPIC_OR_PARTITION",
        ),
    ] {
        answers.row(question, delete(&mut node, topics).await, kafka);
    }
    for _ in 0..500 {
        if node.metadata(&c).await.error_code != ErrorCode::NONE {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let gone = node.produce(&c, 0, batch(&["x"])).await.error_code.name();
    answers.row("produce to what is deleted", gone, "UNKNOWN_TOPIC_OR_PARTITION");
    let again = node.create(&c, 1).await;
    answers.row("created again, it has another id", again != id_of_c, "true");
    let start = node.offset_at(&c, 0, -1).await.offset;
    answers.row("and is empty", start, "0");
    answers.done();
}

async fn add_partitions(
    connection: &mut Connection,
    topics: &[(&str, i32, Option<&[&[i32]]>)],
    validate_only: bool,
) -> String {
    let assignment = |brokers: &&[i32]| create_partitions_request::CreatePartitionsAssignment {
        broker_ids: brokers.to_vec(),
        ..Default::default()
    };
    let topics = topics.iter().map(
        |(name, count, assignments)| create_partitions_request::CreatePartitionsTopic {
            name: (*name).to_owned(),
            count: *count,
            assignments: assignments.map(|assignments| assignments.iter().map(assignment).collect()),
            ..Default::default()
        },
    );
    let request = CreatePartitionsRequest {
        topics: topics.collect(),
        timeout_ms: 10_000,
        validate_only,
        ..Default::default()
    };
    let reply = connection.call(&request).await;
    let mut errors: Vec<_> = reply.results.iter().map(|topic| topic.error_code.name()).collect();
    errors.sort();
    errors.join(" ")
}

#[tokio::test]
async fn create_partitions_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, u) = (unique("t"), unique("u"));
    node.create(&t, 2).await;
    node.create(&u, 1).await;
    let nowhere = unique("nowhere");
    let mut answers = Answers::to("CreatePartitions");
    let us: &[i32] = &[1];
    for (question, topics, kafka) in [
        (
            "an unknown topic",
            vec![(&*nowhere, 3, None)],
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        ("an empty name", vec![("", 3, None)], "UNKNOWN_TOPIC_OR_PARTITION"),
        ("as many as there are", vec![(&*t, 2, None)], "INVALID_PARTITIONS"),
        ("fewer", vec![(&*t, 1, None)], "INVALID_PARTITIONS"),
        ("none", vec![(&*t, 0, None)], "INVALID_PARTITIONS"),
        ("less than none", vec![(&*t, -1, None)], "INVALID_PARTITIONS"),
        (
            "the same topic twice",
            vec![(&*t, 3, None), (&*t, 4, None)],
            "INVALID_REQUEST",
        ),
        (
            "assigned to nobody",
            vec![(&*t, 3, Some([&[77][..]].as_slice()))],
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "too many assignments",
            vec![(&*t, 3, Some([us, us].as_slice()))],
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "too few assignments",
            vec![(&*t, 4, Some([us].as_slice()))],
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "no assignments",
            vec![(&*t, 3, Some([].as_slice()))],
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            "two replicas of one",
            vec![(&*t, 3, Some([&[1, 1][..]].as_slice()))],
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        ("assigned to us", vec![(&*t, 3, Some([us].as_slice()))], "NONE"),
        (
            "one good, one bad",
            vec![(&*t, 3, None), (&*u, 2, None)],
            "INVALID_PARTITIONS NONE",
        ),
        ("far too many", vec![(&*t, 20_000, None)], "POLICY_VIOLATION"),
    ] {
        answers.row(question, add_partitions(&mut node, &topics, false).await, kafka);
    }
    answers.row(
        "validate only",
        add_partitions(&mut node, &[(&t, 9, None)], true).await,
        "NONE",
    );
    let count = node.metadata(&t).await.partitions.len();
    answers.row("leaves them as they are", count, "3");
    answers.done();
}

#[tokio::test]
async fn metadata_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    let id = node.create(&t, 2).await;
    let mut answers = Answers::to("Metadata");

    let topic = |name: Option<&str>, topic_id| metadata_request::MetadataRequestTopic {
        name: name.map(str::to_owned),
        topic_id,
        ..Default::default()
    };
    for (question, asked, kafka) in [
        (
            "an unknown topic",
            topic(Some(&nowhere), Uuid::ZERO),
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "an invalid name",
            topic(Some("a/b"), Uuid::ZERO),
            "INVALID_TOPIC_EXCEPTION",
        ),
        ("an empty name", topic(Some(""), Uuid::ZERO), "INVALID_TOPIC_EXCEPTION"),
        ("a known topic", topic(Some(&t), Uuid::ZERO), "NONE"),
        ("an unknown id", topic(None, NO_SUCH_ID), "UNKNOWN_TOPIC_ID"),
        ("a known id", topic(None, id), "NONE"),
    ] {
        let request = MetadataRequest {
            topics: Some(vec![asked]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let reply = node.call(&request).await;
        let errors: Vec<_> = reply.topics.iter().map(|topic| topic.error_code.name()).collect();
        answers.row(question, errors.join(" "), kafka);
    }

    let known = node.metadata(&t).await;
    let partition = &known.partitions[0];
    answers.row("name", known.name.as_deref() == Some(t.as_str()), "true");
    answers.row("id", known.topic_id == id, "true");
    answers.row("leader epoch", partition.leader_epoch, "0");
    answers.row(
        "replicas",
        format!("{:?} {:?}", partition.replica_nodes, partition.isr_nodes),
        "[1] [1]",
    );
    answers.row(
        "authorized operations",
        known.topic_authorized_operations,
        "-2147483648",
    );

    let none = node
        .call(&MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        })
        .await;
    answers.row("no topics", none.topics.len(), "0");
    answers.row("brokers", none.brokers.len(), "1");
    answers.row("controller", none.controller_id, "1");
    let all = node
        .call(&MetadataRequest {
            topics: None,
            ..Default::default()
        })
        .await;
    answers.row(
        "all topics",
        all.topics.iter().any(|topic| topic.name.as_ref() == Some(&t)),
        "true",
    );
    let first_version = node
        .call_version(
            &MetadataRequest {
                topics: Some(Vec::new()),
                ..Default::default()
            },
            0,
        )
        .await;
    answers.row(
        "no topics in version 0 are all",
        first_version.topics.len() >= all.topics.len(),
        "true",
    );

    let operations = MetadataRequest {
        topics: Some(vec![topic(Some(&t), Uuid::ZERO)]),
        include_topic_authorized_operations: true,
        include_cluster_authorized_operations: true,
        ..Default::default()
    };
    let reply = node.call_version(&operations, 10).await;
    answers.row(
        "operations on a topic",
        reply.topics[0].topic_authorized_operations,
        "3576",
    );
    answers.row("operations on the cluster", reply.cluster_authorized_operations, "8096");
    answers.done();
}

#[tokio::test]
async fn metadata_creates_topics_when_asked_to() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("auto");
    let topics = Some(vec![metadata_request::MetadataRequestTopic {
        name: Some(t.clone()),
        ..Default::default()
    }]);
    let request = MetadataRequest {
        topics,
        allow_auto_topic_creation: true,
        ..Default::default()
    };
    let mut seen = Vec::new();
    for _ in 0..500 {
        let error = node.call(&request).await.topics[0].error_code;
        if seen.last() != Some(&error) {
            seen.push(error);
        }
        if error == ErrorCode::NONE {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // LEADER_NOT_AVAILABLE may come after it, never anything else.
    assert_eq!(seen.first(), Some(&ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(seen.last(), Some(&ErrorCode::NONE));
    assert!(
        seen.len() == 2 || (seen.len() == 3 && seen[1] == ErrorCode::LEADER_NOT_AVAILABLE),
        "{seen:?}"
    );
    assert_eq!(node.metadata(&t).await.partitions.len(), 1);
    node.append(&t, 0, &["x"]).await;
}

// ---- produce ----

fn outcome(reply: &produce_response::PartitionProduceResponse) -> String {
    format!("{} at {}", reply.error_code.name(), reply.base_offset)
}

fn one(value: &[u8]) -> BatchBuilder {
    with_record(BatchBuilder::new(Compression::None), now_ms(), None, Some(value))
}

fn with_record(mut builder: BatchBuilder, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> BatchBuilder {
    builder.push(timestamp, key, value, &[]).unwrap();
    builder
}

fn changed(bytes: &Bytes, at: usize, to: &[u8]) -> Bytes {
    let mut changed = bytes.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed.into()
}

/// `changed`, with a checksum that fits.
fn forged(bytes: &Bytes, at: usize, to: &[u8]) -> Bytes {
    let changed = changed(bytes, at, to);
    let crc = klamm_records::crc32c(&changed[21..]);
    self::changed(&changed, 17, &crc.to_be_bytes())
}

#[tokio::test]
async fn produce_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (plain, compacted, nowhere) = (unique("plain"), unique("compacted"), unique("nowhere"));
    let id = node.create(&plain, 2).await;
    node.create_with(&compacted, 1, &[("cleanup.policy", "compact")]).await;
    let mut answers = Answers::to("Produce");

    let good = one(b"good").build();
    let two_batches = Bytes::from([good.clone(), good.clone()].concat());
    let cut = good.slice(..good.len() - 3);
    let control = {
        let mut builder = BatchBuilder::new(Compression::None).control();
        builder
            .push_control(now_ms(), ControlRecordType::Commit, &[0; 6])
            .unwrap();
        builder.build()
    };
    let message = |magic: i8| {
        // Offset, size, checksum, magic, attributes, [timestamp], key, value: checksums are not looked at.
        let body_size = if magic == 0 { 14 } else { 22 };
        let mut bytes = 0i64.to_be_bytes().to_vec();
        bytes.extend((body_size as i32).to_be_bytes());
        bytes.extend([0, 0, 0, 0, magic as u8]);
        bytes.resize(12 + body_size, 0);
        Bytes::from(bytes)
    };
    let later = with_record(
        BatchBuilder::new(Compression::None),
        now_ms() + 7_200_000,
        None,
        Some(b"x"),
    )
    .build();
    let negative = with_record(BatchBuilder::new(Compression::None), -1, None, Some(b"x")).build();
    let transactional = with_record(
        BatchBuilder::new(Compression::None)
            .producer(4711, 0, 0)
            .transactional(),
        now_ms(),
        None,
        Some(b"x"),
    );

    for (question, topic, partition, records, kafka) in [
        (
            "an unknown topic",
            &nowhere,
            0,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        (
            "an unknown partition",
            &plain,
            2,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        (
            "a negative partition",
            &plain,
            -1,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        ("no bytes", &plain, 0, Bytes::new(), "INVALID_RECORD at -1"),
        ("two batches", &plain, 0, two_batches, "INVALID_RECORD at -1"),
        ("a batch that is cut", &plain, 0, cut, "INVALID_RECORD at -1"),
        ("a control batch", &plain, 0, control, "INVALID_RECORD at -1"),
        ("magic 0", &plain, 0, message(0), "INVALID_RECORD at -1"),
        ("magic 1", &plain, 0, message(1), "INVALID_RECORD at -1"),
        ("magic 3", &plain, 0, changed(&good, 16, &[3]), "CORRUPT_MESSAGE at -1"),
        (
            "a flipped byte",
            &plain,
            0,
            changed(&good, 70, &[0xff]),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a wrong checksum",
            &plain,
            0,
            changed(&good, 17, &[1, 2, 3, 4]),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a batch length of 1",
            &plain,
            0,
            changed(&good, 8, &1i32.to_be_bytes()),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a negative batch length",
            &plain,
            0,
            changed(&good, 8, &(-5i32).to_be_bytes()),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a count of 2 in one of 1",
            &plain,
            0,
            forged(&good, 57, &2i32.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a negative count",
            &plain,
            0,
            forged(&good, 57, &(-1i32).to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a last offset delta of 5",
            &plain,
            0,
            forged(&good, 23, &5i32.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a base offset of its own",
            &plain,
            0,
            changed(&good, 0, &9i64.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        ("two hours in the future", &plain, 0, later, "INVALID_TIMESTAMP at -1"),
        ("no timestamp", &plain, 0, negative, "NONE at 0"),
        (
            "no key in a compacted topic",
            &compacted,
            0,
            good.clone(),
            "INVALID_RECORD at -1",
        ),
        (
            "a key in a compacted topic",
            &compacted,
            0,
            with_record(BatchBuilder::new(Compression::None), now_ms(), Some(b"k"), None).build(),
            "NONE at 0",
        ),
        (
            "more than max.message.bytes",
            &plain,
            0,
            one(&vec![0; 1_048_588]).build(),
            "MESSAGE_TOO_LARGE at -1",
        ),
        (
            "more than max.message.bytes before compression",
            &plain,
            1,
            with_record(
                BatchBuilder::new(Compression::Zstd),
                now_ms(),
                None,
                Some(&vec![0; 2 << 20]),
            )
            .build(),
            "NONE at 0",
        ),
        ("good", &plain, 0, good.clone(), "NONE at 1"),
    ] {
        answers.row(question, outcome(&node.produce(topic, partition, records).await), kafka);
    }

    for (acks, kafka) in [
        (2, "INVALID_REQUIRED_ACKS at -1"),
        (-2, "INVALID_REQUIRED_ACKS at -1"),
        (1, "NONE at 2"),
        (-1, "NONE at 3"),
    ] {
        let request = produce_request(&plain, 0, acks, good.clone());
        let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
        answers.row(
            &format!("acks={acks}"),
            outcome(&reply.responses[0].partition_responses[0]),
            kafka,
        );
    }

    let mut request = produce_request("", 0, -1, good.clone());
    request.topic_data[0].topic_id = NO_SUCH_ID;
    let reply = node.call_version(&request, 13).await;
    answers.row(
        "an unknown id",
        outcome(&reply.responses[0].partition_responses[0]),
        "UNKNOWN_TOPIC_ID at -1",
    );
    request.topic_data[0].topic_id = id;
    let reply = node.call_version(&request, 13).await;
    answers.row(
        "a known id",
        outcome(&reply.responses[0].partition_responses[0]),
        "NONE at 4",
    );

    let zstd = with_record(BatchBuilder::new(Compression::Zstd), now_ms(), None, Some(b"x")).build();
    let reply = node.call_version(&produce_request(&plain, 0, -1, zstd), 6).await;
    let answer = outcome(&reply.responses[0].partition_responses[0]);
    answers.row("zstd before version 7", answer, "UNSUPPORTED_COMPRESSION_TYPE at -1");

    let mut request = produce_request(&plain, 0, -1, good.clone());
    let other = produce_request::PartitionProduceData {
        index: 9,
        records: Some(Records::Bytes(good.clone())),
        ..Default::default()
    };
    request.topic_data[0].partition_data.push(other);
    let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
    let mut partitions: Vec<_> = reply
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .map(outcome)
        .collect();
    partitions.sort();
    answers.row(
        "a good and a bad partition",
        partitions.join(", "),
        "NONE at 5, UNKNOWN_TOPIC_OR_PARTITION at -1",
    );

    if broker.is_ours() {
        // Apache Kafka throws: UNKNOWN_SERVER_ERROR, which idempotent producers can't get over (KAFKA-14034).
        let reply = node.produce(&plain, 0, forged(&good, 21, &7i16.to_be_bytes())).await;
        answers.row("codec 7", outcome(&reply), "INVALID_RECORD at -1");
        // Here it throws too, and never answers.
        let mut request = produce_request(&plain, 0, -1, good.clone());
        request.topic_data[0].partition_data[0].records = None;
        let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
        answers.row(
            "null records",
            outcome(&reply.responses[0].partition_responses[0]),
            "INVALID_RECORD at -1",
        );
        // There is no transaction that this could belong to; Apache Kafka says so when it verifies them.
        let reply = node.produce(&plain, 0, transactional.build()).await;
        assert_ne!(reply.error_code, ErrorCode::NONE);
    }
    let keyless = node.produce(&compacted, 0, good).await;
    let places: Vec<_> = keyless.record_errors.iter().map(|error| error.batch_index).collect();
    answers.row(
        "which record of a compacted topic has no key",
        format!("{places:?}"),
        "[0]",
    );
    answers.row("and it is said in words", keyless.error_message.is_some(), "true");
    answers.done();
}

#[tokio::test]
async fn idempotent_producers_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("idempotent");
    node.create(&t, 2).await;
    let producer @ (id, epoch) = node.producer_id().await;
    let newer = (id, epoch + 1);
    let mut answers = Answers::to("sequence numbers");
    for (question, producer, sequence, count, kafka) in [
        ("the first batch", producer, 0, 2, "NONE at 0"),
        ("the same again", producer, 0, 2, "NONE at 0"),
        ("the next", producer, 2, 1, "NONE at 2"),
        ("a gap", producer, 4, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER at -1"),
        ("the next after a gap", producer, 3, 1, "NONE at 3"),
        ("the last but one again", producer, 2, 1, "NONE at 2"),
        (
            "an old sequence in another batch",
            producer,
            1,
            1,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("4", producer, 4, 1, "NONE at 4"),
        ("5", producer, 5, 1, "NONE at 5"),
        ("6", producer, 6, 1, "NONE at 6"),
        ("7", producer, 7, 1, "NONE at 7"),
        (
            "older than the last five",
            producer,
            0,
            2,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("the fifth last", producer, 3, 1, "NONE at 3"),
        (
            "a newer epoch in the middle",
            newer,
            8,
            1,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("a newer epoch from the start", newer, 0, 1, "NONE at 8"),
        ("the old epoch", producer, 8, 1, "INVALID_PRODUCER_EPOCH at -1"),
        (
            "the old epoch, a batch that is there",
            producer,
            7,
            1,
            "INVALID_PRODUCER_EPOCH at -1",
        ),
        (
            "an unknown producer in the middle",
            (id + 1_000_000, 0),
            7,
            1,
            "NONE at 9",
        ),
        ("no sequence", (id, epoch + 1), -1, 1, "INVALID_RECORD at -1"),
    ] {
        let values = vec!["x"; count];
        let reply = node.produce(&t, 0, idempotent_batch(producer, sequence, &values)).await;
        answers.row(question, outcome(&reply), kafka);
    }
    let wrap = (id + 2_000_000, 0);
    for (question, sequence, kafka) in [
        ("the last numbers", i32::MAX, "NONE at 10"),
        ("wrap to the first", 1, "NONE at 12"),
    ] {
        let reply = node.produce(&t, 0, idempotent_batch(wrap, sequence, &["x", "y"])).await;
        answers.row(question, outcome(&reply), kafka);
    }
    answers.done();
}

#[tokio::test]
async fn init_producer_id_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let mut answers = Answers::to("InitProducerId");
    let (first, epoch) = node.producer_id().await;
    let (second, _) = node.producer_id().await;
    answers.row("a new id each time", second != first, "true");
    answers.row("epoch", epoch, "0");
    for (question, transactional_id, producer_id, producer_epoch, kafka) in [
        ("an empty transactional id", Some(""), -1, -1, "INVALID_REQUEST"),
        ("an id without an epoch", None, 5, -1, "INVALID_REQUEST"),
        ("an epoch without an id", None, -1, 5, "INVALID_REQUEST"),
        ("an id that it has", None, first, 0, "NONE"),
    ] {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(str::to_owned),
            transaction_timeout_ms: 60_000,
            producer_id,
            producer_epoch,
            ..Default::default()
        };
        answers.row(question, node.call(&request).await.error_code.name(), kafka);
    }
    answers.done();
}

// ---- read ----

#[tokio::test]
async fn fetch_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    let id = node.create(&t, 1).await;
    for value in ["0", "1", "2"] {
        node.append(&t, 0, &[value]).await;
    }
    let mut answers = Answers::to("Fetch");
    let said = |partition: &fetch_response::PartitionData| {
        let offsets: Vec<_> = records(&bytes(partition)).iter().map(|(offset, _)| *offset).collect();
        format!(
            "{} {offsets:?} up to {} {} from {}",
            partition.error_code.name(),
            partition.high_watermark,
            partition.last_stable_offset,
            partition.log_start_offset
        )
    };
    for (question, topic, partition, offset, kafka) in [
        ("the start", &t, 0, 0, "NONE [0, 1, 2] up to 3 3 from 0"),
        ("the middle", &t, 0, 1, "NONE [1, 2] up to 3 3 from 0"),
        ("the end", &t, 0, 3, "NONE [] up to 3 3 from 0"),
        ("beyond the end", &t, 0, 4, "OFFSET_OUT_OF_RANGE [] up to -1 -1 from -1"),
        (
            "a negative offset",
            &t,
            0,
            -1,
            "OFFSET_OUT_OF_RANGE [] up to -1 -1 from -1",
        ),
        (
            "an unknown partition",
            &t,
            1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
        (
            "a negative partition",
            &t,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
        (
            "an unknown topic",
            &nowhere,
            0,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
    ] {
        answers.row(question, said(&node.fetch(topic, partition, offset).await), kafka);
    }
    for (epoch, kafka) in [
        (-1, "NONE [0, 1, 2] up to 3 3 from 0"),
        (0, "NONE [0, 1, 2] up to 3 3 from 0"),
        (1, "UNKNOWN_LEADER_EPOCH [] up to -1 -1 from -1"),
    ] {
        let mut request = fetch_request(&t, 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
        answers.row(&format!("leader epoch {epoch}"), said(&reply), kafka);
    }
    for (question, topic_id, kafka) in [
        ("a known id", id, "NONE [0, 1, 2] up to 3 3 from 0"),
        ("an unknown id", NO_SUCH_ID, "UNKNOWN_TOPIC_ID [] up to -1 -1 from -1"),
    ] {
        let mut request = fetch_request("", 0, 0);
        request.topics[0].topic_id = topic_id;
        answers.row(question, said(&only(node.call_version(&request, 17).await)), kafka);
    }
    let mut request = fetch_request(&t, 0, 0);
    request.isolation_level = 1;
    let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
    answers.row("read_committed", said(&reply), "NONE [0, 1, 2] up to 3 3 from 0");
    answers.row(
        "aborted transactions",
        format!("{:?}", reply.aborted_transactions),
        "Some([])",
    );
    let reply = node.fetch(&t, 0, 0).await;
    answers.row(
        "read_uncommitted has none",
        format!("{:?}", reply.aborted_transactions),
        "None",
    );
    answers.row("preferred replica", reply.preferred_read_replica, "-1");
    answers.done();
}

#[tokio::test]
async fn fetch_sessions_answer_as_kafkas_do() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("session");
    node.create(&t, 3).await;
    let mut answers = Answers::to("fetch sessions");
    let partitions_of = |reply: &FetchResponse| {
        let mut partitions: Vec<_> = reply
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| (partition.partition_index, records(&bytes(partition)).len()))
            .collect();
        partitions.sort_unstable();
        format!("{} {partitions:?}", reply.error_code.name())
    };

    let mut request = fetch_request(&t, 0, 0);
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second.clone());
    (request.session_id, request.session_epoch) = (0, 0);
    let reply = node.call_version(&request, FETCH_BY_NAME).await;
    answers.row("all at first", partitions_of(&reply), "NONE [(0, 0), (1, 0)]");
    answers.row("a session", reply.session_id != 0, "true");
    let session = reply.session_id;

    let next = |epoch, topics| FetchRequest {
        session_id: session,
        session_epoch: epoch,
        topics,
        ..request.clone()
    };
    let reply = node.call_version(&next(1, Vec::new()), FETCH_BY_NAME).await;
    answers.row("nothing new", partitions_of(&reply), "NONE []");
    node.append(&t, 1, &["x"]).await;
    let reply = node.call_version(&next(2, Vec::new()), FETCH_BY_NAME).await;
    answers.row("what is new", partitions_of(&reply), "NONE [(1, 1)]");
    answers.row("the same session", reply.session_id == session, "true");
    let reply = node.call_version(&next(2, Vec::new()), FETCH_BY_NAME).await;
    answers.row(
        "an epoch twice",
        partitions_of(&reply),
        "INVALID_FETCH_SESSION_EPOCH []",
    );

    let mut moved = request.topics[0].clone();
    moved.partitions = vec![fetch_request::FetchPartition {
        fetch_offset: 1,
        ..second.clone()
    }];
    let reply = node.call_version(&next(3, vec![moved.clone()]), FETCH_BY_NAME).await;
    answers.row("a new offset", partitions_of(&reply), "NONE []");
    moved.partitions[0].partition = 2;
    moved.partitions[0].fetch_offset = 0;
    let reply = node.call_version(&next(4, vec![moved]), FETCH_BY_NAME).await;
    answers.row("one partition more", partitions_of(&reply), "NONE [(2, 0)]");
    let mut forgetting = next(5, Vec::new());
    forgetting.forgotten_topics_data = vec![fetch_request::ForgottenTopic {
        topic: t.clone(),
        partitions: vec![1],
        ..Default::default()
    }];
    let reply = node.call_version(&forgetting, FETCH_BY_NAME).await;
    answers.row("one less", partitions_of(&reply), "NONE []");
    node.append(&t, 1, &["x"]).await;
    node.append(&t, 2, &["x"]).await;
    let reply = node.call_version(&next(6, Vec::new()), FETCH_BY_NAME).await;
    answers.row("says no more of it", partitions_of(&reply), "NONE [(2, 1)]");

    let unknown = FetchRequest {
        session_id: session ^ 0x5555,
        session_epoch: 1,
        ..request.clone()
    };
    let reply = node.call_version(&unknown, FETCH_BY_NAME).await;
    answers.row(
        "an unknown session",
        partitions_of(&reply),
        "FETCH_SESSION_ID_NOT_FOUND []",
    );
    let closing = FetchRequest {
        session_id: session,
        session_epoch: -1,
        ..request.clone()
    };
    let reply = node.call_version(&closing, FETCH_BY_NAME).await;
    answers.row(
        "closing it",
        format!("{} {}", partitions_of(&reply), reply.session_id),
        "NONE [(0, 0), (1, 2)] 0",
    );
    let reply = node.call_version(&next(7, Vec::new()), FETCH_BY_NAME).await;
    answers.row("it is closed", partitions_of(&reply), "FETCH_SESSION_ID_NOT_FOUND []");
    answers.done();
}

#[tokio::test]
async fn list_offsets_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, empty, nowhere) = (unique("t"), unique("empty"), unique("nowhere"));
    node.create(&t, 1).await;
    node.create(&empty, 1).await;
    let start = now_ms() - 100_000;
    // Two batches; the timestamps do not rise.
    for timestamps in [[100, 300, 200], [250, 400, 150]] {
        let mut builder = BatchBuilder::new(Compression::None);
        for timestamp in timestamps {
            builder.push(start + timestamp, None, Some(b"x"), &[]).unwrap();
        }
        node.produce(&t, 0, builder.build()).await;
    }
    let mut answers = Answers::to("ListOffsets");
    let said = |reply: &list_offsets_response::ListOffsetsPartitionResponse| {
        let timestamp = if reply.timestamp > 0 {
            reply.timestamp - start
        } else {
            reply.timestamp
        };
        format!(
            "{} {} at {timestamp} in epoch {}",
            reply.error_code.name(),
            reply.offset,
            reply.leader_epoch
        )
    };
    for (question, timestamp, kafka) in [
        ("latest", -1, "NONE 6 at -1 in epoch 0"),
        ("earliest", -2, "NONE 0 at -1 in epoch 0"),
        ("of the largest timestamp", -3, "NONE 4 at 400 in epoch 0"),
        ("earliest local", -4, "NONE 0 at -1 in epoch 0"),
        ("latest tiered", -5, "NONE -1 at -1 in epoch -1"),
        ("earliest pending upload", -6, "NONE -1 at -1 in epoch -1"),
        ("no such meaning", -7, "UNSUPPORTED_VERSION -1 at -1 in epoch -1"),
        ("before all", start, "NONE 0 at 100 in epoch 0"),
        ("the first", start + 100, "NONE 0 at 100 in epoch 0"),
        ("between", start + 150, "NONE 1 at 300 in epoch 0"),
        ("not in the first batch", start + 301, "NONE 4 at 400 in epoch 0"),
        ("the largest", start + 400, "NONE 4 at 400 in epoch 0"),
        ("after all", start + 401, "NONE -1 at -1 in epoch -1"),
        ("zero", 0, "NONE 0 at 100 in epoch 0"),
    ] {
        answers.row(question, said(&node.offset_at(&t, 0, timestamp).await), kafka);
    }
    for (timestamp, kafka) in [
        (-1, "NONE 0 at -1 in epoch 0"),
        (-2, "NONE 0 at -1 in epoch 0"),
        (-3, "NONE -1 at -1 in epoch -1"),
        (-4, "NONE 0 at -1 in epoch 0"),
        (0, "NONE -1 at -1 in epoch -1"),
    ] {
        answers.row(
            &format!("{timestamp} of an empty one"),
            said(&node.offset_at(&empty, 0, timestamp).await),
            kafka,
        );
    }
    let unknown = "UNKNOWN_TOPIC_OR_PARTITION -1 at -1 in epoch -1";
    answers.row(
        "an unknown topic",
        said(&node.offset_at(&nowhere, 0, -1).await),
        unknown,
    );
    answers.row("an unknown partition", said(&node.offset_at(&t, 1, -1).await), unknown);
    answers.row("a negative partition", said(&node.offset_at(&t, -1, -1).await), unknown);

    let request = |epoch, count| {
        let partition = list_offsets_request::ListOffsetsPartition {
            timestamp: -1,
            current_leader_epoch: epoch,
            ..Default::default()
        };
        let topic = list_offsets_request::ListOffsetsTopic {
            name: t.clone(),
            partitions: vec![partition; count],
            ..Default::default()
        };
        ListOffsetsRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        }
    };
    for (epoch, kafka) in [
        (0, "NONE 6 at -1 in epoch 0"),
        (1, "UNKNOWN_LEADER_EPOCH -1 at -1 in epoch -1"),
    ] {
        let reply = node.call(&request(epoch, 1)).await;
        answers.row(
            &format!("leader epoch {epoch}"),
            said(&reply.topics[0].partitions[0]),
            kafka,
        );
    }
    let reply = node.call(&request(-1, 2)).await;
    let errors: Vec<_> = reply.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code.name())
        .collect();
    answers.row("the same partition twice", errors.join(" "), "INVALID_REQUEST");
    let mut max_timestamp = request(-1, 1);
    max_timestamp.topics[0].partitions[0].timestamp = -3;
    let reply = node.call_version(&max_timestamp, 6).await;
    let old = "UNSUPPORTED_VERSION -1 at -1 in epoch -1";
    answers.row(
        "the largest timestamp before version 7",
        said(&reply.topics[0].partitions[0]),
        old,
    );
    answers.done();
}

#[tokio::test]
async fn offset_for_leader_epoch_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    node.append(&t, 0, &["a", "b"]).await;
    let mut answers = Answers::to("OffsetForLeaderEpoch");
    for (question, topic, partition, current_leader_epoch, leader_epoch, kafka) in [
        ("the current epoch", &t, 0, -1, 0, "NONE epoch 0 ends at 2"),
        ("with a check", &t, 0, 0, 0, "NONE epoch 0 ends at 2"),
        ("a later epoch", &t, 0, -1, 1, "NONE epoch -1 ends at -1"),
        ("no epoch", &t, 0, -1, -1, "NONE epoch -1 ends at -1"),
        (
            "a leader not yet known",
            &t,
            0,
            1,
            0,
            "UNKNOWN_LEADER_EPOCH epoch -1 ends at -1",
        ),
        (
            "an unknown partition",
            &t,
            1,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION epoch -1 ends at -1",
        ),
        (
            "an unknown topic",
            &nowhere,
            0,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION epoch -1 ends at -1",
        ),
    ] {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition {
            partition,
            current_leader_epoch,
            leader_epoch,
            ..Default::default()
        };
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: topic.clone(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let reply = &node.call(&request).await.topics[0].partitions[0];
        let answer = format!(
            "{} epoch {} ends at {}",
            reply.error_code.name(),
            reply.leader_epoch,
            reply.end_offset
        );
        answers.row(question, answer, kafka);
    }
    answers.done();
}

#[tokio::test]
async fn delete_records_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, compacted, nowhere) = (unique("t"), unique("compacted"), unique("nowhere"));
    node.create(&t, 1).await;
    node.create_with(&compacted, 1, &[("cleanup.policy", "compact")]).await;
    for _ in 0..3 {
        node.append(&t, 0, &["x", "y"]).await;
    }
    let mut answers = Answers::to("DeleteRecords");
    for (question, topic, partition, offset, kafka) in [
        ("beyond the high watermark", &t, 0, 7, "OFFSET_OUT_OF_RANGE -1"),
        ("a negative offset", &t, 0, -2, "OFFSET_OUT_OF_RANGE -1"),
        ("nothing", &t, 0, 0, "NONE 0"),
        ("inside of a batch", &t, 0, 3, "NONE 3"),
        ("what is gone already", &t, 0, 1, "NONE 3"),
        ("an unknown partition", &t, 1, 0, "UNKNOWN_TOPIC_OR_PARTITION -1"),
        ("an unknown topic", &nowhere, 0, 0, "UNKNOWN_TOPIC_OR_PARTITION -1"),
        ("a compacted topic", &compacted, 0, 0, "POLICY_VIOLATION -1"),
    ] {
        answers.row(
            question,
            delete_records(&mut node, topic, partition, offset).await,
            kafka,
        );
    }
    let earliest = node.offset_at(&t, 0, -2).await.offset;
    answers.row("the earliest offset now", earliest, "3");
    answers.row(
        "fetch below it",
        node.fetch(&t, 0, 2).await.error_code.name(),
        "OFFSET_OUT_OF_RANGE",
    );
    let offsets: Vec<_> = records(&bytes(&node.fetch(&t, 0, 3).await))
        .iter()
        .map(|(offset, _)| *offset)
        .collect();
    answers.row("fetch from it, whole batches", format!("{offsets:?}"), "[2, 3, 4, 5]");
    answers.row("all", delete_records(&mut node, &t, 0, -1).await, "NONE 6");
    let ends = (
        node.offset_at(&t, 0, -2).await.offset,
        node.offset_at(&t, 0, -1).await.offset,
    );
    answers.row("earliest and latest then", format!("{ends:?}"), "(6, 6)");
    answers.done();
}

async fn delete_records(connection: &mut Connection, topic: &str, partition: i32, offset: i64) -> String {
    let partition = delete_records_request::DeleteRecordsPartition {
        partition_index: partition,
        offset,
        ..Default::default()
    };
    let topic = delete_records_request::DeleteRecordsTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = DeleteRecordsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let reply = connection.call(&request).await;
    let partition = &reply.topics[0].partitions[0];
    format!("{} {}", partition.error_code.name(), partition.low_watermark)
}

#[tokio::test]
async fn describe_producers_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    let producer = node.producer_id().await;
    node.produce(&t, 0, idempotent_batch(producer, 0, &["a", "b"])).await;
    let mut answers = Answers::to("DescribeProducers");
    for (question, topic, partition, kafka) in [
        ("a producer", &t, 0, "NONE [(true, 0, 1, -1)]"),
        ("an unknown partition", &t, 1, "UNKNOWN_TOPIC_OR_PARTITION []"),
        ("an unknown topic", &nowhere, 0, "UNKNOWN_TOPIC_OR_PARTITION []"),
    ] {
        let topic = describe_producers_request::TopicRequest {
            name: topic.clone(),
            partition_indexes: vec![partition],
            ..Default::default()
        };
        let reply = node
            .call(&DescribeProducersRequest {
                topics: vec![topic],
                ..Default::default()
            })
            .await;
        let partition = &reply.topics[0].partitions[0];
        let producers: Vec<_> = partition
            .active_producers
            .iter()
            .map(|state| {
                let ours = state.producer_id == producer.0;
                (
                    ours,
                    state.producer_epoch,
                    state.last_sequence,
                    state.current_txn_start_offset,
                )
            })
            .collect();
        answers.row(
            question,
            format!("{} {producers:?}", partition.error_code.name()),
            kafka,
        );
    }
    answers.done();
}

// ---- configs ----

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn alter(
    connection: &mut Connection,
    (resource_type, name): (i8, &str),
    configs: &[(&str, i8, Option<&str>)],
) -> String {
    let config = |&(name, config_operation, value): &(&str, i8, Option<&str>)| {
        incremental_alter_configs_request::AlterableConfig {
            name: name.to_owned(),
            config_operation,
            value: value.map(str::to_owned),
            ..Default::default()
        }
    };
    let resource = incremental_alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let reply = connection
        .call(&IncrementalAlterConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        })
        .await;
    let errors: Vec<_> = reply
        .responses
        .iter()
        .map(|response| response.error_code.name())
        .collect();
    errors.join(" ")
}

async fn describe(connection: &mut Connection, resource_type: i8, name: &str, key: &str) -> String {
    let resource = describe_configs_request::DescribeConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configuration_keys: Some(vec![key.to_owned()]),
        ..Default::default()
    };
    let reply = connection
        .call(&DescribeConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        })
        .await;
    let result = &reply.results[0];
    match result.configs.first() {
        None => result.error_code.name().to_owned(),
        Some(config) => {
            format!(
                "{} {:?} from {}",
                result.error_code.name(),
                config.value.as_deref(),
                config.config_source
            )
        }
    }
}

#[tokio::test]
async fn alter_configs_answers_as_kafka_does() {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    let mut answers = Answers::to("IncrementalAlterConfigs");
    for (question, resource, configs, kafka) in [
        (
            "an unknown topic",
            (TOPIC, &*nowhere),
            vec![("retention.ms", SET, Some("1"))],
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "an invalid topic",
            (TOPIC, "a/b"),
            vec![("retention.ms", SET, Some("1"))],
            "INVALID_TOPIC_EXCEPTION",
        ),
        (
            "an empty topic",
            (TOPIC, ""),
            vec![("retention.ms", SET, Some("1"))],
            "INVALID_REQUEST",
        ),
        (
            "an unknown key",
            (TOPIC, &*t),
            vec![("no.such.key", SET, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "no number",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("soon"))],
            "INVALID_CONFIG",
        ),
        (
            "too small",
            (TOPIC, &*t),
            vec![("segment.bytes", SET, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "null",
            (TOPIC, &*t),
            vec![("retention.ms", SET, None)],
            "INVALID_REQUEST",
        ),
        (
            "append to no list",
            (TOPIC, &*t),
            vec![("retention.ms", APPEND, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "the same key twice",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)],
            "INVALID_REQUEST",
        ),
        ("nothing", (TOPIC, &*t), vec![], "NONE"),
        (
            "delete what is not set",
            (TOPIC, &*t),
            vec![("retention.ms", DELETE, None)],
            "NONE",
        ),
        (
            "set",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("86400000"))],
            "NONE",
        ),
        (
            "append to a list",
            (TOPIC, &*t),
            vec![("cleanup.policy", APPEND, Some("compact"))],
            "NONE",
        ),
        (
            "an unknown resource type",
            (77, "x"),
            vec![("a", SET, Some("1"))],
            "INVALID_REQUEST",
        ),
        (
            "another broker",
            (BROKER, "77"),
            vec![("log.cleaner.threads", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a broker that is no number",
            (BROKER, "x"),
            vec![("log.cleaner.threads", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a key that can't change",
            (BROKER, "1"),
            vec![("broker.id", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a key per broker for all",
            (BROKER, ""),
            vec![("listeners", SET, Some("PLAINTEXT://:1"))],
            "INVALID_REQUEST",
        ),
        (
            "an unknown key of a broker",
            (BROKER, ""),
            vec![("my.own.key", SET, Some("2"))],
            "NONE",
        ),
        (
            "no number for a broker",
            (BROKER, ""),
            vec![("log.cleaner.threads", SET, Some("x"))],
            "INVALID_REQUEST",
        ),
        (
            "a value of all brokers",
            (BROKER, ""),
            vec![("log.retention.ms", SET, Some("77777777"))],
            "NONE",
        ),
    ] {
        answers.row(question, alter(&mut node, resource, &configs).await, kafka);
    }
    // A broker may answer before it has seen what it has decided itself.
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let set = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("what is set", set, "NONE Some(\"86400000\") from 1");
    let appended = describe(&mut node, TOPIC, &t, "cleanup.policy").await;
    answers.row("what is appended", appended, "NONE Some(\"delete,compact\") from 1");
    let answer = alter(&mut node, (TOPIC, &t), &[("cleanup.policy", SUBTRACT, Some("delete"))]).await;
    answers.row("subtract from a list", answer, "NONE");
    let answer = alter(&mut node, (TOPIC, &t), &[("retention.ms", DELETE, None)]).await;
    answers.row("delete what is set", answer, "NONE");
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let subtracted = describe(&mut node, TOPIC, &t, "cleanup.policy").await;
    answers.row("what is left", subtracted, "NONE Some(\"compact\") from 1");
    let inherited = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("what the topic inherits", inherited, "NONE Some(\"77777777\") from 3");
    let answer = alter(
        &mut node,
        (BROKER, ""),
        &[("log.retention.ms", DELETE, None), ("my.own.key", DELETE, None)],
    )
    .await;
    answers.row("and no more", answer, "NONE");
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let default = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("the default", default, "NONE Some(\"604800000\") from 5");
    answers.done();
}

#[tokio::test]
async fn describe_configs_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("t");
    node.create(&t, 1).await;
    let mut answers = Answers::to("DescribeConfigs");
    for (question, resource_type, name, key, kafka) in [
        (
            "an unknown topic",
            TOPIC,
            "nowhere",
            "retention.ms",
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "an invalid topic",
            TOPIC,
            "a/b",
            "retention.ms",
            "INVALID_TOPIC_EXCEPTION",
        ),
        ("an unknown key", TOPIC, &*t, "no.such.key", "NONE"),
        (
            "a topic's default",
            TOPIC,
            &*t,
            "max.message.bytes",
            "NONE Some(\"1048588\") from 5",
        ),
        (
            "a broker's default",
            BROKER,
            "1",
            "default.replication.factor",
            "NONE Some(\"1\") from 5",
        ),
        (
            "a broker's own",
            BROKER,
            "1",
            "offsets.topic.replication.factor",
            "NONE Some(\"1\") from 4",
        ),
        ("another broker", BROKER, "77", "num.partitions", "INVALID_REQUEST"),
        ("no number", BROKER, "x", "num.partitions", "INVALID_REQUEST"),
        ("all brokers, not set", BROKER, "", "num.partitions", "NONE"),
        ("an unknown resource type", 77, "x", "x", "INVALID_REQUEST"),
    ] {
        answers.row(question, describe(&mut node, resource_type, name, key).await, kafka);
    }
    for (resource_type, name, least) in [(TOPIC, t.as_str(), 30), (BROKER, "1", 200)] {
        let resource = describe_configs_request::DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: None,
            ..Default::default()
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
            ..Default::default()
        };
        let result = node.call(&request).await.results.remove(0);
        let configs = &result.configs;
        answers.row(&format!("all of type {resource_type}"), configs.len() >= least, "true");
        let undocumented: Vec<_> = configs
            .iter()
            .filter(|config| config.name != "my.own.key")
            .filter(|config| config.config_type == 0 || config.documentation.as_deref().unwrap_or_default().is_empty())
            .map(|config| config.name.as_str())
            .collect();
        answers.row(
            &format!("type or documentation missing in type {resource_type}"),
            undocumented.join(" "),
            "",
        );
    }
    answers.done();
}

// ---- groups ----

async fn join(
    connection: &mut Connection,
    group: &str,
    member: &str,
    change: impl Fn(&mut JoinGroupRequest),
) -> JoinGroupResponse {
    let protocol = join_group_request::JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"metadata"),
        ..Default::default()
    };
    let mut request = JoinGroupRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    };
    change(&mut request);
    connection.call(&request).await
}

#[tokio::test]
async fn classic_groups_answer_as_kafkas_do() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, group, nowhere) = (unique("t"), unique("group"), unique("nowhere"));
    node.create(&t, 2).await;
    node.find_coordinator(&group).await;
    node.find_coordinator(&nowhere).await;
    let mut answers = Answers::to("classic groups");

    let error = join(&mut node, "", "", |_| {}).await.error_code;
    answers.row("join a group without a name", error.name(), "INVALID_GROUP_ID");
    let error = join(&mut node, &group, "", |request| request.session_timeout_ms = 1)
        .await
        .error_code;
    answers.row("a session of 1 ms", error.name(), "INVALID_SESSION_TIMEOUT");
    let error = join(&mut node, &group, "", |request| request.session_timeout_ms = i32::MAX)
        .await
        .error_code;
    answers.row("a session of 24 days", error.name(), "INVALID_SESSION_TIMEOUT");
    let error = join(&mut node, &group, "me", |_| {}).await.error_code;
    answers.row("a member that nobody knows", error.name(), "UNKNOWN_MEMBER_ID");
    let error = join(&mut node, &group, "", |request| request.protocols.clear())
        .await
        .error_code;
    answers.row("no protocols", error.name(), "INCONSISTENT_GROUP_PROTOCOL");
    let error = join(&mut node, &group, "", |request| request.protocol_type.clear())
        .await
        .error_code;
    answers.row("no protocol type", error.name(), "INCONSISTENT_GROUP_PROTOCOL");

    let reply = join(&mut node, &group, "", |_| {}).await;
    answers.row("the first time", reply.error_code.name(), "MEMBER_ID_REQUIRED");
    answers.row(
        "a member id from the client's",
        reply.member_id.starts_with("klamm-it-"),
        "true",
    );
    let reply = join(&mut node, &group, &reply.member_id, |_| {}).await;
    let member = reply.member_id.clone();
    let said = format!(
        "{} generation {} {:?} {:?} leads: {} members: {}",
        reply.error_code.name(),
        reply.generation_id,
        reply.protocol_type,
        reply.protocol_name,
        reply.leader == member,
        reply.members.len()
    );
    answers.row(
        "the second",
        said,
        "NONE generation 1 Some(\"consumer\") Some(\"range\") leads: true members: 1",
    );

    let sync = |generation_id, member: &str, protocol: &str| SyncGroupRequest {
        group_id: group.clone(),
        generation_id,
        member_id: member.to_owned(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some(protocol.to_owned()),
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: member.to_owned(),
            assignment: Bytes::from_static(b"mine"),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (question, request, kafka) in [
        ("sync of an unknown member", sync(1, "me", "range"), "UNKNOWN_MEMBER_ID"),
        (
            "sync of another generation",
            sync(7, &member, "range"),
            "ILLEGAL_GENERATION",
        ),
        (
            "sync of another protocol",
            sync(1, &member, "sticky"),
            "INCONSISTENT_GROUP_PROTOCOL",
        ),
        (
            "sync of a group that is not there",
            SyncGroupRequest {
                group_id: nowhere.clone(),
                ..sync(1, "me", "range")
            },
            "UNKNOWN_MEMBER_ID",
        ),
        ("sync", sync(1, &member, "range"), "NONE"),
        ("sync again", sync(1, &member, "range"), "NONE"),
    ] {
        let reply = node.call(&request).await;
        answers.row(question, reply.error_code.name(), kafka);
        if reply.error_code == ErrorCode::NONE {
            answers.row(
                "brings the assignment",
                String::from_utf8_lossy(&reply.assignment),
                "mine",
            );
        }
    }

    for (question, group, generation_id, member_id, kafka) in [
        ("heartbeat", &group, 1, member.as_str(), "NONE"),
        (
            "heartbeat of another generation",
            &group,
            2,
            &member,
            "ILLEGAL_GENERATION",
        ),
        ("heartbeat of an unknown member", &group, 1, "me", "UNKNOWN_MEMBER_ID"),
        (
            "heartbeat to a group that is not there",
            &nowhere,
            1,
            "me",
            "UNKNOWN_MEMBER_ID",
        ),
        ("heartbeat to no group", &String::new(), 1, "me", "INVALID_GROUP_ID"),
    ] {
        let request = HeartbeatRequest {
            group_id: group.clone(),
            generation_id,
            member_id: member_id.to_owned(),
            ..Default::default()
        };
        answers.row(question, node.call(&request).await.error_code.name(), kafka);
    }

    let commit = |group: &str, generation, member: &str| OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned(),
        ..commit_request(group, &t, 0, 5)
    };
    let mut wordy = commit(&group, 1, &member);
    wordy.topics[0].partitions[0].committed_metadata = Some("x".repeat(4097));
    let mut elsewhere = commit(&group, 1, &member);
    elsewhere.topics[0].partitions[0].partition_index = 9;
    let mut unknown_topic = commit(&group, 1, &member);
    unknown_topic.topics[0].name = unique("unknown");
    for (question, request, kafka) in [
        ("commit", commit(&group, 1, &member), "NONE"),
        (
            "commit of another generation",
            commit(&group, 2, &member),
            "ILLEGAL_GENERATION",
        ),
        (
            "commit of an unknown member",
            commit(&group, 1, "me"),
            "UNKNOWN_MEMBER_ID",
        ),
        (
            "commit from outside of a group with members",
            commit(&group, -1, ""),
            "UNKNOWN_MEMBER_ID",
        ),
        (
            "commit of a group that is not there",
            commit(&nowhere, 1, "me"),
            "GROUP_ID_NOT_FOUND",
        ),
        ("commit with too much metadata", wordy, "OFFSET_METADATA_TOO_LARGE"),
        (
            "commit of an unknown partition",
            elsewhere,
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "commit of an unknown topic",
            unknown_topic,
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
    ] {
        let reply = node.call_version(&request, OFFSETS_BY_NAME).await;
        answers.row(question, reply.topics[0].partitions[0].error_code.name(), kafka);
    }
    let mut by_id = commit(&group, 1, &member);
    by_id.topics[0].topic_id = NO_SUCH_ID;
    let reply = node.call_version(&by_id, 10).await;
    answers.row(
        "commit by an unknown id",
        reply.topics[0].partitions[0].error_code.name(),
        "UNKNOWN_TOPIC_ID",
    );

    let offsets = node.committed_offsets(&group).await;
    answers.row(
        "all offsets",
        format!("{:?}", offsets) == format!("{:?}", (ErrorCode::NONE, vec![(t.clone(), 0, 5i64)])),
        "true",
    );
    let offsets = node.committed_offsets(&unique("other")).await;
    answers.row(
        "offsets of a group that is not there",
        format!("{} {}", offsets.0.name(), offsets.1.len()),
        "NONE 0",
    );
    let asked = offset_fetch_request::OffsetFetchRequestTopics {
        name: t.clone(),
        partition_indexes: vec![0, 1, 9],
        ..Default::default()
    };
    let asked = offset_fetch_request::OffsetFetchRequestGroup {
        group_id: group.clone(),
        topics: Some(vec![asked]),
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![asked],
        ..Default::default()
    };
    let reply = node.call_version(&request, OFFSETS_BY_NAME).await;
    let partitions: Vec<_> = reply.groups[0].topics[0]
        .partitions
        .iter()
        .map(|p| {
            format!(
                "{} {} {} {:?} {}",
                p.partition_index,
                p.committed_offset,
                p.committed_leader_epoch,
                p.metadata,
                p.error_code.name()
            )
        })
        .collect();
    let kafka = "0 5 -1 Some(\"\") NONE, 1 -1 -1 Some(\"\") NONE, 9 -1 -1 Some(\"\") NONE";
    answers.row("offsets of partitions", partitions.join(", "), kafka);

    let reply = node
        .call(&DescribeGroupsRequest {
            groups: vec![group.clone()],
            ..Default::default()
        })
        .await;
    let described = &reply.groups[0];
    let said = format!(
        "{} {} {} {} {} {:?}",
        described.error_code.name(),
        described.group_state,
        described.protocol_type,
        described.protocol_data,
        described.members[0].client_id,
        String::from_utf8_lossy(&described.members[0].member_assignment)
    );
    answers.row("describe", said, "NONE Stable consumer range klamm-it \"mine\"");
    let reply = node
        .call(&DescribeGroupsRequest {
            groups: vec![nowhere.clone()],
            ..Default::default()
        })
        .await;
    let said = format!("{} {}", reply.groups[0].error_code.name(), reply.groups[0].group_state);
    answers.row("describe a group that is not there", said, "GROUP_ID_NOT_FOUND Dead");
    let request = DescribeGroupsRequest {
        groups: vec![nowhere.clone()],
        ..Default::default()
    };
    let reply = node.call_version(&request, 5).await;
    let said = format!("{} {}", reply.groups[0].error_code.name(), reply.groups[0].group_state);
    answers.row("the same in version 5", said, "NONE Dead");

    let listed = |states: &[&str], types: &[&str]| ListGroupsRequest {
        states_filter: states.iter().map(|&state| state.to_owned()).collect(),
        types_filter: types.iter().map(|&kind| kind.to_owned()).collect(),
        ..Default::default()
    };
    for (question, request, kafka) in [
        ("list all", listed(&[], &[]), "NONE consumer Stable classic"),
        (
            "list stable ones",
            listed(&["Stable"], &[]),
            "NONE consumer Stable classic",
        ),
        (
            "list stable ones in small letters",
            listed(&["stable"], &["Classic"]),
            "NONE consumer Stable classic",
        ),
        ("list empty ones", listed(&["Empty"], &[]), "NONE"),
        ("list a state that is none", listed(&["Happy"], &[]), "NONE"),
        ("list others", listed(&[], &["consumer"]), "NONE"),
    ] {
        let reply = node.call(&request).await;
        let mut said = reply.error_code.name().to_owned();
        for found in reply.groups.iter().filter(|found| found.group_id == group) {
            said += &format!(" {} {} {}", found.protocol_type, found.group_state, found.group_type);
        }
        answers.row(question, said, kafka);
    }

    let delete_offset = |group: &str, topic: &str| OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: vec![offset_delete_request::OffsetDeleteRequestTopic {
            name: topic.to_owned(),
            partitions: vec![offset_delete_request::OffsetDeleteRequestPartition {
                partition_index: 0,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let offset_deleted = |reply: &OffsetDeleteResponse| {
        let partition = reply.topics.first().map(|topic| topic.partitions[0].error_code.name());
        format!("{} {partition:?}", reply.error_code.name())
    };
    let reply = node.call(&delete_offset(&unique("other"), &t)).await;
    answers.row(
        "delete offsets of a group that is not there",
        offset_deleted(&reply),
        "GROUP_ID_NOT_FOUND None",
    );

    for (question, name, kafka) in [
        ("delete a group with members", &group, "NON_EMPTY_GROUP"),
        (
            "delete a group that is not there",
            &unique("other"),
            "GROUP_ID_NOT_FOUND",
        ),
        ("delete a group without a name", &String::new(), "GROUP_ID_NOT_FOUND"),
    ] {
        let reply = node
            .call(&DeleteGroupsRequest {
                groups_names: vec![name.clone()],
                ..Default::default()
            })
            .await;
        answers.row(question, reply.results[0].error_code.name(), kafka);
    }

    let leave = |group: &str, member: &str| LeaveGroupRequest {
        group_id: group.to_owned(),
        members: vec![leave_group_request::MemberIdentity {
            member_id: member.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (question, request, kafka) in [
        (
            "leave, unknown member",
            leave(&group, "me"),
            "NONE [\"UNKNOWN_MEMBER_ID\"]",
        ),
        (
            "leave a group that is not there",
            leave(&unique("other"), "me"),
            "NONE [\"UNKNOWN_MEMBER_ID\"]",
        ),
        ("leave", leave(&group, &member), "NONE [\"NONE\"]"),
    ] {
        let reply = node.call(&request).await;
        let members: Vec<_> = reply.members.iter().map(|member| member.error_code.name()).collect();
        answers.row(question, format!("{} {members:?}", reply.error_code.name()), kafka);
    }
    let error = node.commit(&group, &t, 1, 9).await;
    answers.row("commit from outside of an empty group", error.name(), "NONE");
    let reply = node.call(&delete_offset(&group, &t)).await;
    answers.row("delete an offset", offset_deleted(&reply), "NONE Some(\"NONE\")");
    let offsets = node.committed_offsets(&group).await.1;
    answers.row("it is gone", offsets.len(), "1");
    let reply = node
        .call(&DeleteGroupsRequest {
            groups_names: vec![group.clone()],
            ..Default::default()
        })
        .await;
    answers.row("delete the empty group", reply.results[0].error_code.name(), "NONE");
    let offsets = node.committed_offsets(&group).await.1;
    answers.row("its offsets are gone", offsets.len(), "0");
    answers.done();
}

#[tokio::test]
async fn static_members_and_conflicts_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let group = unique("static");
    node.find_coordinator(&group).await;
    let mut answers = Answers::to("static members");
    let instance = |request: &mut JoinGroupRequest| request.group_instance_id = Some("i1".to_owned());
    let first = join(&mut node, &group, "", instance).await;
    answers.row("no second round", first.error_code.name(), "NONE");
    answers.row("an id from the instance's", first.member_id.starts_with("i1-"), "true");
    let sync = SyncGroupRequest {
        group_id: group.clone(),
        generation_id: first.generation_id,
        member_id: first.member_id.clone(),
        group_instance_id: Some("i1".to_owned()),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: first.member_id.clone(),
            assignment: Bytes::from_static(b"mine"),
            ..Default::default()
        }],
        ..Default::default()
    };
    answers.row("sync", node.call(&sync).await.error_code.name(), "NONE");
    let second = join(&mut node, &group, "", instance).await;
    let said = format!(
        "{} generation {} skip {}",
        second.error_code.name(),
        second.generation_id,
        second.skip_assignment
    );
    answers.row("it comes back", said, "NONE generation 1 skip true");
    answers.row("under a new id", second.member_id != first.member_id, "true");
    let heartbeat = |member: &str| HeartbeatRequest {
        group_id: group.clone(),
        generation_id: 1,
        member_id: member.to_owned(),
        group_instance_id: Some("i1".to_owned()),
        ..Default::default()
    };
    answers.row(
        "its former self",
        node.call(&heartbeat(&first.member_id)).await.error_code.name(),
        "FENCED_INSTANCE_ID",
    );
    answers.row(
        "its new self",
        node.call(&heartbeat(&second.member_id)).await.error_code.name(),
        "NONE",
    );
    let other_type = join(&mut node, &group, "", |request| {
        request.protocol_type = "connect".to_owned()
    })
    .await;
    answers.row(
        "another protocol type",
        other_type.error_code.name(),
        "INCONSISTENT_GROUP_PROTOCOL",
    );
    let other = join(&mut node, &group, "", |request| {
        request.protocols[0].name = "sticky".to_owned()
    })
    .await;
    answers.row(
        "no protocol in common",
        other.error_code.name(),
        "INCONSISTENT_GROUP_PROTOCOL",
    );
    let leave = LeaveGroupRequest {
        group_id: group.clone(),
        members: vec![leave_group_request::MemberIdentity {
            group_instance_id: Some("i1".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let reply = node.call(&leave).await;
    answers.row("removed by instance", reply.members[0].error_code.name(), "NONE");
    answers.done();
}

#[tokio::test]
async fn find_coordinator_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    node.find_coordinator(&unique("group")).await;
    let mut answers = Answers::to("FindCoordinator");
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["a".to_owned(), "b".to_owned(), String::new()],
        ..Default::default()
    };
    let reply = node.call(&request).await;
    let said: Vec<_> = reply
        .coordinators
        .iter()
        .map(|found| format!("{:?} {} {}", found.key, found.error_code.name(), found.node_id))
        .collect();
    answers.row(
        "three groups",
        said.join(", "),
        "\"a\" NONE 1, \"b\" NONE 1, \"\" NONE 1",
    );
    let reply = node
        .call_version(
            &FindCoordinatorRequest {
                key: "a".to_owned(),
                ..Default::default()
            },
            3,
        )
        .await;
    answers.row(
        "the old way",
        format!("{} {}", reply.error_code.name(), reply.node_id),
        "NONE 1",
    );
    let request = FindCoordinatorRequest {
        key_type: 9,
        coordinator_keys: vec!["a".to_owned()],
        ..Default::default()
    };
    let reply = node.call(&request).await;
    answers.row(
        "an unknown type",
        reply.coordinators[0].error_code.name(),
        "INVALID_REQUEST",
    );
    answers.done();
}

// ---- cluster ----

#[tokio::test]
async fn cluster_requests_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("t");
    let id = node.create(&t, 2).await;
    let mut answers = Answers::to("cluster");

    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 1,
            ..Default::default()
        })
        .await;
    let said = format!(
        "{} {} controller {}",
        reply.error_code.name(),
        reply.brokers.len(),
        reply.controller_id
    );
    answers.row("DescribeCluster", said, "NONE 1 controller 1");
    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 2,
            ..Default::default()
        })
        .await;
    answers.row(
        "DescribeCluster: controllers",
        reply.error_code.name(),
        "MISMATCHED_ENDPOINT_TYPE",
    );
    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 9,
            ..Default::default()
        })
        .await;
    answers.row(
        "DescribeCluster: an unknown type",
        reply.error_code.name(),
        "UNSUPPORTED_ENDPOINT_TYPE",
    );

    let described = |names: &[&str], limit| DescribeTopicPartitionsRequest {
        topics: names
            .iter()
            .map(|&name| describe_topic_partitions_request::TopicRequest {
                name: name.to_owned(),
                ..Default::default()
            })
            .collect(),
        response_partition_limit: limit,
        ..Default::default()
    };
    let reply = node.call(&described(&[&t], 2000)).await;
    let topic = &reply.topics[0];
    let said = format!(
        "{} {} {}",
        topic.error_code.name(),
        topic.partitions.len(),
        topic.topic_id == id
    );
    answers.row("DescribeTopicPartitions", said, "NONE 2 true");
    let reply = node.call(&described(&[&t], 1)).await;
    let cursor = reply
        .next_cursor
        .as_ref()
        .map(|cursor| (cursor.topic_name == t, cursor.partition_index));
    let said = format!("{} {cursor:?}", reply.topics[0].partitions.len());
    answers.row("DescribeTopicPartitions: the first", said, "1 Some((true, 1))");
    let reply = node.call(&described(&["nowhere"], 2000)).await;
    answers.row(
        "DescribeTopicPartitions: unknown",
        reply.topics[0].error_code.name(),
        "UNKNOWN_TOPIC_OR_PARTITION",
    );

    let quorum = |name: &str, partition_index| DescribeQuorumRequest {
        topics: vec![describe_quorum_request::TopicData {
            topic_name: name.to_owned(),
            partitions: vec![describe_quorum_request::PartitionData {
                partition_index,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let reply = node.call(&quorum("__cluster_metadata", 0)).await;
    let partition = &reply.topics[0].partitions[0];
    let said = format!(
        "{} leader {} of {}",
        partition.error_code.name(),
        partition.leader_id,
        partition.current_voters.len()
    );
    answers.row("DescribeQuorum", said, "NONE leader 1 of 1");
    let reply = node.call(&quorum(&t, 0)).await;
    let error = reply.topics.first().map(|topic| topic.partitions[0].error_code.name());
    answers.row(
        "DescribeQuorum: another topic",
        format!("{} {error:?}", reply.error_code.name()),
        "NONE Some(\"UNKNOWN_TOPIC_OR_PARTITION\")",
    );

    let reply = node
        .call(&DescribeLogDirsRequest {
            topics: None,
            ..Default::default()
        })
        .await;
    let found = reply.results[0].topics.iter().find(|topic| topic.name == t);
    let partitions = found.map(|topic| topic.partitions.len());
    answers.row(
        "DescribeLogDirs",
        format!("{} {partitions:?}", reply.error_code.name()),
        "NONE Some(2)",
    );
    let nowhere = describe_log_dirs_request::DescribableLogDirTopic {
        topic: "nowhere".to_owned(),
        partitions: vec![0],
        ..Default::default()
    };
    let reply = node
        .call(&DescribeLogDirsRequest {
            topics: Some(vec![nowhere]),
            ..Default::default()
        })
        .await;
    let said = format!("{} {}", reply.results.len(), reply.results[0].topics.len());
    answers.row("DescribeLogDirs: unknown topic", said, "1 0");

    let update = |feature: &str, level| UpdateFeaturesRequest {
        timeout_ms: 10_000,
        feature_updates: vec![update_features_request::FeatureUpdateKey {
            feature: feature.to_owned(),
            max_version_level: level,
            upgrade_type: 1,
            ..Default::default()
        }],
        validate_only: true,
        ..Default::default()
    };
    for (feature, level, kafka) in [
        ("metadata.version", 33, "NONE"),
        ("metadata.version", 99, "INVALID_UPDATE_VERSION"),
        ("metadata.version", 20, "INVALID_UPDATE_VERSION"),
        ("no.such.feature", 1, "INVALID_UPDATE_VERSION"),
        ("group.version", -1, "INVALID_UPDATE_VERSION"),
        ("", 1, "INVALID_UPDATE_VERSION"),
    ] {
        let reply = node.call(&update(feature, level)).await;
        answers.row(
            &format!("UpdateFeatures {feature:?} to {level}"),
            reply.error_code.name(),
            kafka,
        );
    }

    let reply = node
        .call(&ListConfigResourcesRequest {
            resource_types: vec![TOPIC],
            ..Default::default()
        })
        .await;
    let listed = reply
        .config_resources
        .iter()
        .any(|resource| resource.resource_name == t);
    answers.row(
        "ListConfigResources",
        format!("{} {listed}", reply.error_code.name()),
        "NONE true",
    );
    let reply = node
        .call(&ListConfigResourcesRequest {
            resource_types: vec![77],
            ..Default::default()
        })
        .await;
    answers.row(
        "ListConfigResources: an unknown type",
        reply.error_code.name(),
        "UNSUPPORTED_VERSION",
    );
    answers.done();
}
