//! Creating, deleting and growing topics, and asking for them.

use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Uuid};

use super::NO_SUCH_ID;
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

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

/// A topic, the number of partitions that it is to have, the replicas of the new ones.
type More<'a> = (&'a str, i32, Option<&'a [&'a [i32]]>);

async fn add_partitions(connection: &mut Connection, topics: &[More<'_>], validate_only: bool) -> String {
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
