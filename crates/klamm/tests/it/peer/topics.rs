//! Topics: made, grown, deleted, described.

use klamm_protocol::Uuid;
use klamm_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::*;

use super::pair::{At, Pair};
use crate::client::*;

const BAD_NAMES: &[(&str, &str)] = &[
    ("empty name", ""),
    ("dot", "."),
    ("two dots", ".."),
    ("slash", "a/b"),
    ("white space", "white space"),
    ("not ASCII", "schlüssel"),
    ("NUL", "a\0b"),
];

pub(super) async fn ask(pair: &mut Pair) {
    let there = pair.topic("there", 2, &[]).await;
    create(pair, &there).await;
    create_assigned(pair).await;
    create_partitions(pair, &there).await;
    delete(pair).await;
    metadata(pair, &there).await;
    describe(pair, &there).await;
}

fn with(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics,
        timeout_ms: 30_000,
        ..Default::default()
    }
}

fn sized(name: String, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic {
        replication_factor,
        ..creatable(&name, partitions, &[])
    }
}

async fn create(pair: &mut Pair, there: &str) {
    for validate_only in [false, true] {
        let case = |text: &str| format!("{text}{}", if validate_only { ", validate only" } else { "" });
        let asking = |topics| CreateTopicsRequest {
            validate_only,
            ..with(topics)
        };
        pair.each(&case("normal"), |at| asking(vec![creatable(&at.name("t"), 3, &[])]))
            .await;
        pair.each(&case("defaults"), |at| asking(vec![sized(at.name("t"), -1, -1)]))
            .await;
        let configs: &[_] = &[
            ("retention.ms", "1000"),
            ("cleanup.policy", "compact,delete"),
            ("max.message.bytes", "2000"),
            ("min.cleanable.dirty.ratio", "0.75"),
            ("compression.type", "zstd"),
            ("preallocate", " TRUE "),
            ("segment.bytes", " 1048576 "),
            ("follower.replication.throttled.replicas", "0:1, 1:1"),
        ];
        pair.each(&case("configs"), |at| {
            asking(vec![creatable(&at.name("t"), 1, configs)])
        })
        .await;
        pair.each(&case("there already"), |_| asking(vec![creatable(there, 1, &[])]))
            .await;
        for (partitions, replicas) in [
            (0, 1),
            (-2, 1),
            (1, 0),
            (1, -2),
            (1, 2),
            (1, 3000),
            (0, 0),
            (10_001, 1),
            (i32::MAX, 1),
        ] {
            let case = case(&format!("{partitions} partitions, {replicas} replicas"));
            pair.each(&case, |at| asking(vec![sized(at.name("t"), partitions, replicas)]))
                .await;
        }
        pair.each(&case("twice"), |at| {
            asking(vec![creatable(&at.name("t"), 1, &[]), creatable(&at.name("t"), 2, &[])])
        })
        .await;
        pair.each(&case("good and bad"), |at| {
            asking(vec![
                creatable(&at.name("t"), 1, &[]),
                creatable("a b", 1, &[]),
                creatable(there, 1, &[]),
            ])
        })
        .await;
        pair.each(&case("none"), |_| asking(vec![])).await;
    }
    for (case, name) in BAD_NAMES {
        pair.each(case, |_| with(vec![creatable(name, 1, &[])])).await;
    }
    pair.each("the cluster's own", |_| {
        with(vec![creatable("__cluster_metadata", 1, &[])])
    })
    .await;
    pair.each("two that collide", |at| {
        with(vec![
            creatable(&at.name("c.d"), 1, &[]),
            creatable(&at.name("c_d"), 1, &[]),
        ])
    })
    .await;
    pair.each("longest name", |at| {
        with(vec![creatable(&format!("{:x<249}", at.name("t")), 1, &[])])
    })
    .await;
    pair.each("name too long", |_| with(vec![creatable(&"x".repeat(250), 1, &[])]))
        .await;
    let dotted = pair.topic("dotted.name", 1, &[]).await;
    pair.each("collides", |_| with(vec![creatable(&dotted.replace('.', "_"), 1, &[])]))
        .await;
    for timeout_ms in [-1, i32::MAX] {
        pair.each(&format!("timeout {timeout_ms}"), |at| CreateTopicsRequest {
            timeout_ms,
            ..with(vec![creatable(&at.name("t"), 1, &[])])
        })
        .await;
    }
    for (key, value) in super::configs::TOPIC_VALUES {
        let case = format!("config {key}={value}");
        pair.each(&case, |at| with(vec![creatable(&at.name("t"), 1, &[(key, value)])]))
            .await;
    }
    let null = |name: &str| CreatableTopicConfig {
        name: name.to_owned(),
        value: None,
        ..Default::default()
    };
    pair.each("config null", |at| {
        with(vec![CreatableTopic {
            configs: vec![null("retention.ms")],
            ..creatable(&at.name("t"), 1, &[])
        }])
    })
    .await;
    let twice: &[_] = &[("retention.ms", "1"), ("retention.ms", "2")];
    pair.each("config twice", |at| with(vec![creatable(&at.name("t"), 1, twice)]))
        .await;
}

async fn create_assigned(pair: &mut Pair) {
    type Assignment = &'static [(i32, &'static [i32])];
    const ASSIGNMENTS: &[(&str, Assignment)] = &[
        ("assigned", &[(0, &[1]), (1, &[1])]),
        ("assigned without brokers", &[(0, &[])]),
        ("assigned with a gap", &[(0, &[1]), (2, &[1])]),
        ("assigned from 1", &[(1, &[1])]),
        ("assigned to a broker twice", &[(0, &[1, 1])]),
        ("assigned to a broker that is not there", &[(0, &[77])]),
        ("assigned to a negative broker", &[(0, &[-1])]),
        ("partition assigned twice", &[(0, &[1]), (0, &[1])]),
        ("assigned unevenly", &[(0, &[1]), (1, &[1, 77])]),
    ];
    let assigned = |at: &At<'_>, replicas: Assignment| CreatableTopic {
        assignments: replicas
            .iter()
            .map(|(partition, brokers)| CreatableReplicaAssignment {
                partition_index: *partition,
                broker_ids: brokers.to_vec(),
                ..Default::default()
            })
            .collect(),
        ..sized(at.name("t"), -1, -1)
    };
    for (case, replicas) in ASSIGNMENTS {
        pair.each(case, |at| with(vec![assigned(at, replicas)])).await;
    }
    let good = ASSIGNMENTS[0].1;
    pair.each("assigned and counted", |at| {
        with(vec![CreatableTopic {
            num_partitions: 2,
            ..assigned(at, good)
        }])
    })
    .await;
    pair.each("assigned with a replication factor", |at| {
        with(vec![CreatableTopic {
            replication_factor: 1,
            ..assigned(at, good)
        }])
    })
    .await;
}

async fn create_partitions(pair: &mut Pair, there: &str) {
    use create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    let to = |name: &str, count| CreatePartitionsTopic {
        name: name.to_owned(),
        count,
        assignments: None,
        ..Default::default()
    };
    let with = |topics| CreatePartitionsRequest {
        topics,
        timeout_ms: 30_000,
        ..Default::default()
    };
    let growing = pair.topic("growing", 1, &[]).await;
    for count in [2, 2, 1, 0, -1, i32::MIN, 20_000] {
        let validate_only = count == 20_000;
        pair.each(&format!("to {count}"), |at| CreatePartitionsRequest {
            validate_only,
            ..with(vec![to(
                &growing,
                count + if count == 2 { i32::from(at.version) } else { 0 },
            )])
        })
        .await;
    }
    pair.each("unknown topic", |at| with(vec![to(&at.name("none"), 3)]))
        .await;
    for (case, name) in BAD_NAMES {
        pair.each(case, |_| with(vec![to(name, 3)])).await;
    }
    pair.each("twice", |_| with(vec![to(there, 3), to(there, 4)])).await;
    pair.each("none", |_| with(vec![])).await;
    const ASSIGNMENTS: &[(&str, &[&[i32]])] = &[
        ("assigned", &[&[1]]),
        ("too many assigned", &[&[1], &[1]]),
        ("nothing assigned", &[]),
        ("assigned without brokers", &[&[]]),
        ("assigned to a broker twice", &[&[1, 1]]),
        ("assigned to a broker that is not there", &[&[77]]),
        ("assigned to a negative broker", &[&[-1]]),
    ];
    for (case, brokers) in ASSIGNMENTS {
        let assignments = brokers.iter().map(|ids| CreatePartitionsAssignment {
            broker_ids: ids.to_vec(),
            ..Default::default()
        });
        let assignments: Vec<_> = assignments.collect();
        pair.each(case, |_| CreatePartitionsRequest {
            validate_only: true,
            ..with(vec![CreatePartitionsTopic {
                assignments: Some(assignments.clone()),
                ..to(there, 3)
            }])
        })
        .await;
    }
    pair.settle().await;
}

async fn delete(pair: &mut Pair) {
    use delete_topics_request::DeleteTopicState;
    let named = |name: &str| DeleteTopicState {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let identified = |id| DeleteTopicState {
        topic_id: id,
        ..Default::default()
    };
    // Names up to v5, states from v6.
    let with = |at: &At<'_>, topics: Vec<DeleteTopicState>| DeleteTopicsRequest {
        topic_names: match at.version {
            ..=5 => topics
                .iter()
                .map(|topic| topic.name.clone().unwrap_or_default())
                .collect(),
            _ => vec![],
        },
        topics: if at.version >= 6 { topics } else { vec![] },
        timeout_ms: 30_000,
        ..Default::default()
    };
    for version in 1..=6 {
        let gone = pair.topic("gone", 2, &[]).await;
        pair.ask("normal", version, |at| with(at, vec![named(&gone)])).await;
        pair.ask("again", version, |at| with(at, vec![named(&gone)])).await;
    }
    pair.each("unknown topic", |at| with(at, vec![named(&at.name("none"))]))
        .await;
    for (case, name) in BAD_NAMES {
        pair.each(case, |at| with(at, vec![named(name)])).await;
    }
    pair.each("none", |at| with(at, vec![])).await;
    let twice = pair.topic("twice", 1, &[]).await;
    pair.each("twice", |at| with(at, vec![named(&twice), named(&twice)]))
        .await;
    pair.ask("both name and id", 6, |at| {
        with(
            at,
            vec![DeleteTopicState {
                topic_id: at.id(&twice),
                ..named(&twice)
            }],
        )
    })
    .await;
    pair.ask("neither", 6, |at| with(at, vec![DeleteTopicState::default()]))
        .await;
    pair.ask("unknown id", 6, |at| with(at, vec![identified(Uuid([9; 16]))]))
        .await;
    pair.ask("by name and by id", 6, |at| {
        with(at, vec![named(&twice), identified(at.id(&twice))])
    })
    .await;
    let gone = pair.topic("gone", 1, &[]).await;
    pair.ask("by id", 6, |at| with(at, vec![identified(at.id(&gone))]))
        .await;
    pair.settle().await;
}

async fn metadata(pair: &mut Pair, there: &str) {
    let named = |name: &str| MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let with = |topics| MetadataRequest {
        topics: Some(topics),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    // Version 0-3 always allow to create.
    pair.each("normal", |at| MetadataRequest {
        allow_auto_topic_creation: at.version < 4,
        ..with(vec![named(there)])
    })
    .await;
    pair.each("none", |at| MetadataRequest {
        allow_auto_topic_creation: at.version < 4,
        ..with(if at.version == 0 { vec![named(there)] } else { vec![] })
    })
    .await;
    pair.each("twice", |at| MetadataRequest {
        allow_auto_topic_creation: at.version < 4,
        ..with(vec![named(there), named(there)])
    })
    .await;
    pair.each("unknown topic", |at| with(vec![named(&at.name("none"))]))
        .await;
    for (case, name) in BAD_NAMES {
        pair.each(case, |at| MetadataRequest {
            allow_auto_topic_creation: at.version < 4,
            ..with(vec![named(name)])
        })
        .await;
    }
    pair.each("authorized operations", |_| MetadataRequest {
        include_topic_authorized_operations: true,
        ..with(vec![named(there)])
    })
    .await;
    pair.each("cluster's authorized operations", |_| MetadataRequest {
        include_cluster_authorized_operations: true,
        ..with(vec![])
    })
    .await;
    let identified = |topic_id, name: Option<&str>| MetadataRequestTopic {
        topic_id,
        name: name.map(str::to_owned),
        ..Default::default()
    };
    pair.each("by id", |at| with(vec![identified(at.id(there), None)]))
        .await;
    pair.each("unknown id", |at| with(vec![identified(at.id("none"), None)]))
        .await;
    pair.each("id and name", |at| with(vec![identified(at.id(there), Some(there))]))
        .await;
    pair.each("id and another's name", |at| {
        with(vec![identified(at.id(there), Some("else"))])
    })
    .await;
    pair.each("neither", |_| with(vec![identified(Uuid::ZERO, None)])).await;
    pair.each("made by asking", |at| MetadataRequest {
        allow_auto_topic_creation: true,
        ..with(vec![named(&at.name("auto"))])
    })
    .await;
    let making = |names: &[&str]| MetadataRequest {
        allow_auto_topic_creation: true,
        ..with(names.iter().map(|name| named(name)).collect())
    };
    for (case, name) in BAD_NAMES {
        pair.each(&format!("made by asking, {case}"), |_| making(&[name])).await;
    }
    let dotted = pair.topic("auto.dotted", 1, &[]).await;
    let collides = dotted.replacen('.', "_", 1);
    pair.each("made by asking, collides", |_| making(&[&collides])).await;
    pair.each("made by asking, name too long", |_| making(&[&"x".repeat(250)]))
        .await;
    pair.each("made by asking, twice", |at| {
        let name = at.name("auto");
        making(&[&name, &name])
    })
    .await;
    pair.each("made by asking, good and bad", |at| {
        making(&[&at.name("auto"), "a/b", there])
    })
    .await;
    pair.each("made by asking, two that collide", |at| {
        making(&[&at.name("auto.x"), &at.name("auto_x")])
    })
    .await;
    pair.each("made by asking, the cluster's own", |_| making(&["__cluster_metadata"]))
        .await;
    pair.settle().await;
}

async fn describe(pair: &mut Pair, there: &str) {
    use describe_topic_partitions_request::{Cursor, TopicRequest};
    let named = |name: &str| TopicRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    let with = |topics, response_partition_limit| DescribeTopicPartitionsRequest {
        topics,
        response_partition_limit,
        ..Default::default()
    };
    for limit in [2000, 2, 1, 0, -1, i32::MAX] {
        pair.each(&format!("limit {limit}"), |_| with(vec![named(there)], limit))
            .await;
    }
    pair.each("unknown topic", |at| {
        with(vec![named(&at.name("none")), named(there)], 10)
    })
    .await;
    pair.each("twice", |_| with(vec![named(there), named(there)], 10)).await;
    for (case, name) in BAD_NAMES {
        pair.each(case, |_| with(vec![named(name)], 10)).await;
    }
    for partition_index in [0, 1, 2, -1] {
        for topic_name in [there, "a", "zzz"] {
            let stem = topic_name.split('-').next().unwrap_or_default();
            pair.each(&format!("cursor {stem} {partition_index}"), |_| {
                DescribeTopicPartitionsRequest {
                    cursor: Some(Cursor {
                        topic_name: topic_name.to_owned(),
                        partition_index,
                        ..Default::default()
                    }),
                    ..with(vec![named(there)], 10)
                }
            })
            .await;
        }
    }
}
