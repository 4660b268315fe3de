//! Creation and deletion of topics.

use klamm_metadata::{ConfigResource, MetadataRecord};
use klamm_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use klamm_protocol::messages::delete_topics_request::DeleteTopicState;
use klamm_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use klamm_protocol::{ErrorCode, Uuid};

use crate::cluster::{Cluster, directory, topic, topic_config};

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |&(partition_index, broker_ids): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: broker_ids.to_vec(),
        ..CreatableReplicaAssignment::default()
    };
    CreatableTopic {
        assignments: assignments.iter().map(assignment).collect(),
        ..topic(name, -1, -1)
    }
}

/// Code and message, as the client sees them.
fn outcome(cluster: &mut Cluster, topic: CreatableTopic) -> (ErrorCode, String) {
    let result = cluster.create(topic);
    (result.error_code, result.error_message.unwrap_or_default())
}

#[test]
fn defaults_come_from_the_configuration() {
    let settings = [
        ("num.partitions", "3"),
        ("default.replication.factor", "2"),
        ("log.retention.hours", "1"),
    ];
    let mut cluster = Cluster::started("4.4", &settings);
    cluster.start_broker(1);
    cluster.start_broker(2);
    let mut wanted = topic("t", -1, -1);
    wanted.configs = vec![topic_config("cleanup.policy", "compact")];
    let result = cluster.create(wanted);
    assert_eq!((result.num_partitions, result.replication_factor), (3, 2));
    assert_eq!(result.error_message, None);
    let created = cluster.image().topics().by_name("t").unwrap();
    assert_eq!((created.id, created.partitions.len()), (result.topic_id, 3));
    for (_, partition) in created.partitions.iter() {
        assert_eq!(partition.replicas, partition.isr);
        assert_eq!(partition.leader, partition.replicas[0]);
        let directories: Vec<_> = partition.replicas.iter().map(|id| directory(*id)).collect();
        assert_eq!(*partition.directories, directories);
    }
    let configs = result.configs.unwrap();
    assert!(configs.is_sorted_by(|one, other| one.name < other.name));
    let config = |name: &str| {
        let entry = configs.iter().find(|entry| entry.name == name).unwrap();
        (entry.value.as_deref().unwrap(), entry.config_source)
    };
    assert_eq!(config("cleanup.policy"), ("compact", 1));
    assert_eq!(config("min.insync.replicas"), ("1", 3), "pinned for the cluster");
    assert_eq!(config("max.message.bytes"), ("1048588", 5));
    assert_eq!(config("retention.ms").0, "3600000");
    assert_eq!(
        cluster.config_value(&ConfigResource::topic("t"), "cleanup.policy"),
        Some("compact")
    );
    let kinds: Vec<_> = cluster.log[cluster.log.len() - 5..]
        .iter()
        .map(MetadataRecord::name)
        .collect();
    assert_eq!(kinds[..2], ["TopicRecord", "ConfigRecord"]);
    assert_eq!(kinds[2..], ["PartitionRecord"; 3]);
    cluster.check();
}

#[test]
fn bad_topics_are_refused_with_kafkas_words() {
    use ErrorCode as E;
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    cluster.topic("a.b", 1, 1);
    let with_config = |config| CreatableTopic {
        configs: vec![config],
        ..topic("t", 1, 1)
    };
    let mut unset = topic_config("retention.ms", "");
    unset.value = None;
    let cases = [
        (
            topic("a.b", 1, 1),
            E::TOPIC_ALREADY_EXISTS,
            "Topic 'a.b' already exists.",
        ),
        (
            topic("a_b", 1, 1),
            E::INVALID_TOPIC_EXCEPTION,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (
            topic("a b", 1, 1),
            E::INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'",
        ),
        (
            topic("__cluster_metadata", 1, 1),
            E::INVALID_REQUEST,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (
            topic("t", 0, 1),
            E::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            topic("t", 1, 0),
            E::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic("t", 1, 3),
            E::INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because \
             only 2 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            with_config(topic_config("no.such.key", "1")),
            E::INVALID_CONFIG,
            "Unknown topic config name: no.such.key",
        ),
        (
            with_config(topic_config("retention.ms", "long")),
            E::INVALID_CONFIG,
            "Invalid value long for configuration retention.ms: Not a number of type LONG",
        ),
        (
            with_config(unset),
            E::INVALID_CONFIG,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            CreatableTopic {
                num_partitions: 1,
                ..assigned("t", &[(0, &[1])])
            },
            E::INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            assigned("t", &[(0, &[1]), (0, &[2])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            assigned("t", &[(1, &[1])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            assigned("t", &[(0, &[1]), (1, &[1, 2])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with \
             previous partitions, which have 1 replica(s).",
        ),
        (
            assigned("t", &[(0, &[9])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (
            assigned("t", &[(0, &[1, 1])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            assigned("t", &[(0, &[])]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.",
        ),
    ];
    let before = cluster.log.len();
    for (topic, code, message) in cases {
        let name = format!("{topic:?}");
        assert_eq!(outcome(&mut cluster, topic), (code, message.to_owned()), "{name}");
    }
    assert_eq!(cluster.log.len(), before);
    cluster.check();
}

#[test]
fn manual_assignments_are_kept() {
    let mut cluster = Cluster::with_brokers(&[1, 2, 3]);
    cluster.now_ms += 9_001;
    cluster.heartbeat(1, |_| {}).unwrap();
    cluster.heartbeat(3, |_| {}).unwrap();
    cluster.tick();
    let result = cluster.create(assigned("t", &[(1, &[2, 3]), (0, &[1, 2])]));
    assert_eq!(
        (result.error_code, result.num_partitions, result.replication_factor),
        (ErrorCode::NONE, 2, 2)
    );
    assert_eq!(*cluster.partition("t", 1).replicas, [2, 3]);
    assert_eq!(cluster.leadership("t", 0), (1, &[1][..], &[][..]));
    assert_eq!(cluster.leadership("t", 1), (3, &[3][..], &[][..]));
    let (code, message) = outcome(&mut cluster, assigned("u", &[(0, &[2])]));
    assert_eq!(code, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(
        message,
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown."
    );
    cluster.check();
}

#[test]
fn one_request_may_name_many_topics() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let topics = vec![topic("a", 1, 1), topic("b", 1, 1), topic("", 1, 1), topic("b", 1, 1)];
    let request = CreateTopicsRequest {
        topics,
        ..CreateTopicsRequest::default()
    };
    let validate_only = CreateTopicsRequest {
        validate_only: true,
        ..request.clone()
    };
    assert_eq!(cluster.controller.create_topics(&validate_only).unwrap().records, []);
    let result = cluster.controller.create_topics(&request).unwrap();
    assert!(result.atomic);
    let reply = cluster.apply(result);
    let outcomes: Vec<_> = reply
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.error_code))
        .collect();
    let expected = [
        ("a", ErrorCode::NONE),
        ("", ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("b", ErrorCode::INVALID_REQUEST),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(cluster.image().topics().len(), 1);

    let too_many = CreateTopicsRequest {
        topics: vec![topic("c", 10_000, 1), topic("d", 1, 1)],
        ..CreateTopicsRequest::default()
    };
    let error = cluster.controller.create_topics(&too_many).unwrap_err();
    assert_eq!(error.code, ErrorCode::POLICY_VIOLATION);
    cluster.check();
}

#[test]
fn without_brokers_nothing_can_be_created() {
    let mut cluster = Cluster::started("4.4", &[]);
    let (code, message) = outcome(&mut cluster, topic("t", 1, 1));
    assert_eq!(code, ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!(
        message,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced."
    );
}

#[test]
fn equal_seeds_give_equal_ids_and_ids_differ() {
    let run = || {
        let mut cluster = Cluster::with_brokers(&[1]);
        [cluster.topic("a", 1, 1), cluster.topic("b", 1, 1)]
    };
    let ids = run();
    assert_eq!(ids, run());
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let ids: Vec<_> = ["a", "b", "c", "d"].map(|name| cluster.topic(name, 2, 1)).into();
    let mut configured = topic("e.f", 1, 1);
    configured.configs = vec![topic_config("retention.ms", "1")];
    cluster.create(configured);

    let state = |name: Option<&str>, topic_id| DeleteTopicState {
        name: name.map(str::to_owned),
        topic_id,
        ..DeleteTopicState::default()
    };
    let unknown = Uuid::from_u128(99);
    let request = DeleteTopicsRequest {
        topics: vec![
            state(Some("a"), Uuid::ZERO),
            state(None, ids[1]),
            state(None, unknown),
            state(Some("nope"), Uuid::ZERO),
            state(Some("c"), ids[2]),
            state(None, Uuid::ZERO),
            state(None, ids[3]),
            state(Some("d"), Uuid::ZERO),
            state(Some("e.f"), Uuid::ZERO),
        ],
        ..DeleteTopicsRequest::default()
    };
    let result = cluster.controller.delete_topics(&request).unwrap();
    let reply = cluster.apply(result);
    let code = |name: Option<&str>, id: Uuid| {
        let found = reply
            .responses
            .iter()
            .filter(|r| r.name.as_deref() == name && r.topic_id == id);
        found.map(|r| r.error_code).collect::<Vec<_>>()
    };
    assert_eq!(code(Some("a"), ids[0]), [ErrorCode::NONE]);
    assert_eq!(code(Some("b"), ids[1]), [ErrorCode::NONE]);
    assert_eq!(code(None, unknown), [ErrorCode::UNKNOWN_TOPIC_ID]);
    assert_eq!(code(Some("nope"), Uuid::ZERO), [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    let messages = |code: ErrorCode| {
        let found = reply.responses.iter().filter(|r| r.error_code == code);
        found.map(|r| r.error_message.as_deref()).collect::<Vec<_>>()
    };
    assert_eq!(messages(ErrorCode::NONE), [None; 3]);
    for code in [ErrorCode::UNKNOWN_TOPIC_ID, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION] {
        assert_eq!(messages(code), [Some(code.message())]);
    }
    assert_eq!(code(Some("c"), ids[2]), [ErrorCode::INVALID_REQUEST]);
    assert_eq!(code(None, Uuid::ZERO), [ErrorCode::INVALID_REQUEST]);
    assert_eq!(code(Some("d"), ids[3]), [ErrorCode::INVALID_REQUEST]);
    let left: Vec<_> = cluster
        .image()
        .topics()
        .iter()
        .map(|topic| topic.name.to_string())
        .collect();
    assert_eq!(left, ["c", "d"]);
    assert!(
        cluster
            .image()
            .configs()
            .resource(&ConfigResource::topic("e.f"))
            .is_none()
    );
    assert_eq!(
        cluster.create(topic("e_f", 1, 1)).error_code,
        ErrorCode::NONE,
        "the name it collided with is gone"
    );

    let names = DeleteTopicsRequest {
        topic_names: ["c", "c", "d"].map(str::to_owned).into(),
        ..DeleteTopicsRequest::default()
    };
    let result = cluster.controller.delete_topics(&names).unwrap();
    let reply = cluster.apply(result);
    let codes: Vec<_> = reply
        .responses
        .iter()
        .map(|r| (r.name.as_deref().unwrap(), r.error_code))
        .collect();
    assert_eq!(codes, [("c", ErrorCode::INVALID_REQUEST), ("d", ErrorCode::NONE)]);
    cluster.check();
}

#[test]
fn a_failed_append_leaves_nothing_behind() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.topic("a", 1, 1);
    let (before, offset) = (cluster.image().clone(), cluster.last_offset());
    let request = CreateTopicsRequest {
        topics: vec![topic("b", 3, 1)],
        ..CreateTopicsRequest::default()
    };
    let result = cluster.controller.create_topics(&request).unwrap();
    for record in &result.records {
        let offset = cluster.controller.next_offset();
        cluster.controller.replay(record, offset).unwrap();
    }
    cluster.controller.snapshot(cluster.last_offset());
    assert!(cluster.image().topics().by_name("b").is_some());
    assert!(cluster.controller.committed_image().topics().by_name("b").is_none());
    cluster.controller.revert_to(offset);
    assert_eq!(*cluster.image(), before);
    assert_eq!(cluster.controller.next_offset(), offset + 1);
    cluster.topic("b", 1, 1);
    cluster.check();
}
