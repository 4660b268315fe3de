//! The cluster: its nodes, quorum, features, directories, leaders, and what nodes say among themselves.

use klamm_protocol::messages::*;
use klamm_protocol::{Listener, Uuid};

use super::pair::Pair;

pub(super) async fn ask(pair: &mut Pair) {
    let topic = pair.topic("led", 2, &[]).await;
    describe(pair).await;
    quorum(pair, &topic).await;
    features(pair).await;
    directories(pair, &topic).await;
    leaders(pair, &topic).await;
    reassignments(pair, &topic).await;
    among_nodes(pair, &topic).await;
}

async fn describe(pair: &mut Pair) {
    for endpoint_type in [1, 2, 0, -1, 3] {
        for asked in [false, true] {
            let case = format!("endpoints {endpoint_type}{}", if asked { ", all there is" } else { "" });
            pair.each(&case, |_| DescribeClusterRequest {
                endpoint_type,
                include_cluster_authorized_operations: asked,
                include_fenced_brokers: asked,
                ..Default::default()
            })
            .await;
        }
    }
    for broker_id in [77, -1, 0, i32::MIN] {
        pair.each(&format!("broker {broker_id}"), |_| UnregisterBrokerRequest {
            broker_id,
            ..Default::default()
        })
        .await;
    }
}

async fn quorum(pair: &mut Pair, topic: &str) {
    use describe_quorum_request::{PartitionData, TopicData};
    let of = |name: &str, partitions: &[i32]| TopicData {
        topic_name: name.to_owned(),
        partitions: partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: *partition,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let cluster = "__cluster_metadata";
    for (case, topics) in [
        ("none", vec![]),
        ("other topic", vec![of(topic, &[0])]),
        ("other partition", vec![of(cluster, &[1])]),
        ("two partitions", vec![of(cluster, &[0, 1])]),
        ("no partition", vec![of(cluster, &[])]),
        ("twice", vec![of(cluster, &[0]), of(cluster, &[0])]),
        ("two topics", vec![of(cluster, &[0]), of(topic, &[0])]),
        ("normal", vec![of(cluster, &[0])]),
    ] {
        pair.each(case, |_| DescribeQuorumRequest {
            topics: topics.clone(),
            ..Default::default()
        })
        .await;
    }
}

async fn features(pair: &mut Pair) {
    use update_features_request::FeatureUpdateKey;
    let update = |feature: &str, max_version_level, upgrade_type| FeatureUpdateKey {
        feature: feature.to_owned(),
        max_version_level,
        upgrade_type,
        allow_downgrade: false,
        ..Default::default()
    };
    let mut cases = vec![("none".to_owned(), vec![])];
    for feature in [
        "metadata.version",
        "kraft.version",
        "transaction.version",
        "group.version",
        "no.such",
        "",
    ] {
        for level in [0, 1, 2, 7, 30, 99, -1] {
            for upgrade_type in [1, 2, 3, 0, 4] {
                let case = format!("{feature} to {level} by {upgrade_type}");
                cases.push((case, vec![update(feature, level, upgrade_type)]));
            }
        }
    }
    let twice = vec![update("group.version", 1, 1), update("group.version", 1, 1)];
    cases.push(("twice".to_owned(), twice));
    for (case, feature_updates) in &cases {
        pair.each(case, |_| UpdateFeaturesRequest {
            feature_updates: feature_updates.clone(),
            validate_only: true,
            ..Default::default()
        })
        .await;
    }
    // Version 0 has another way to say it, and can't only validate: nothing that could succeed.
    for (feature, level) in [("metadata.version", 99), ("no.such", 1), ("group.version", 9)] {
        for allow_downgrade in [false, true] {
            let case = format!(
                "{feature} to {level}{}",
                if allow_downgrade { ", downgrade" } else { "" }
            );
            pair.ask(&case, 0, |_| UpdateFeaturesRequest {
                feature_updates: vec![FeatureUpdateKey {
                    allow_downgrade,
                    ..update(feature, level, 1)
                }],
                ..Default::default()
            })
            .await;
        }
    }
}

async fn directories(pair: &mut Pair, topic: &str) {
    use describe_log_dirs_request::DescribableLogDirTopic;
    let of = |name: &str, partitions: &[i32]| DescribableLogDirTopic {
        topic: name.to_owned(),
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    for (case, topics) in [
        ("normal", vec![of(topic, &[0, 1])]),
        ("unknown topic", vec![of("none", &[0])]),
        ("unknown partition", vec![of(topic, &[0, 7, -1])]),
        ("no partition", vec![of(topic, &[])]),
        ("twice", vec![of(topic, &[0]), of(topic, &[0])]),
        ("none", vec![]),
    ] {
        pair.each(case, |_| DescribeLogDirsRequest {
            topics: Some(topics.clone()),
            ..Default::default()
        })
        .await;
    }
    use alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    let to = |path: &str, name: &str, partitions: &[i32]| AlterReplicaLogDir {
        path: path.to_owned(),
        topics: vec![AlterReplicaLogDirTopic {
            name: name.to_owned(),
            partitions: partitions.to_vec(),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (case, dirs) in [
        ("none", vec![]),
        ("unknown directory", vec![to("/no/such/directory", topic, &[0, 1])]),
        (
            "unknown directory and topic",
            vec![to("/no/such/directory", "none", &[0])],
        ),
        ("relative directory", vec![to("data", topic, &[0])]),
        ("empty directory", vec![to("", topic, &[0])]),
        ("no partition", vec![to("/no/such/directory", topic, &[])]),
        ("negative partition", vec![to("/no/such/directory", topic, &[-1])]),
        (
            "twice",
            vec![to("/no/such", topic, &[0]), to("/no/such/directory", topic, &[0])],
        ),
    ] {
        pair.each(case, |_| AlterReplicaLogDirsRequest {
            dirs: dirs.clone(),
            ..Default::default()
        })
        .await;
    }
    for (case, name, partitions) in [
        ("where it lies", topic, &[0][..]),
        ("where all lies, unknown topic", "none", &[0]),
        ("where all lies, unknown partition", topic, &[7]),
        ("where all lies, bad topic", "a/b", &[0]),
    ] {
        pair.each(case, |at| AlterReplicaLogDirsRequest {
            dirs: vec![to(&at.own.log_dir, name, partitions)],
            ..Default::default()
        })
        .await;
    }
}

async fn leaders(pair: &mut Pair, topic: &str) {
    use elect_leaders_request::TopicPartitions;
    let of = |name: &str, partitions: &[i32]| TopicPartitions {
        topic: name.to_owned(),
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    for election_type in [0, 1, 2, -1] {
        for (case, topic_partitions) in [
            ("normal", Some(vec![of(topic, &[0, 1])])),
            ("unknown topic", Some(vec![of("none", &[0])])),
            ("bad topic", Some(vec![of("a/b", &[0])])),
            ("unknown partition", Some(vec![of(topic, &[7, -1])])),
            ("no partition", Some(vec![of(topic, &[])])),
            ("twice", Some(vec![of(topic, &[0, 0])])),
            ("none", Some(vec![])),
            ("all", None),
        ] {
            pair.each(&format!("type {election_type}: {case}"), |at| ElectLeadersRequest {
                election_type: if at.version == 0 { 0 } else { election_type },
                topic_partitions: topic_partitions.clone(),
                timeout_ms: 5000,
                ..Default::default()
            })
            .await;
        }
    }
}

async fn reassignments(pair: &mut Pair, topic: &str) {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    use list_partition_reassignments_request::ListPartitionReassignmentsTopics;
    let to = |name: &str, partition_index, replicas: Option<&[i32]>| ReassignableTopic {
        name: name.to_owned(),
        partitions: vec![ReassignablePartition {
            partition_index,
            replicas: replicas.map(<[i32]>::to_vec),
            ..Default::default()
        }],
        ..Default::default()
    };
    for allow_replication_factor_change in [true, false] {
        for (case, topics) in [
            ("where it is", vec![to(topic, 0, Some(&[1]))]),
            ("cancel", vec![to(topic, 0, None)]),
            ("no replicas", vec![to(topic, 0, Some(&[]))]),
            ("a broker twice", vec![to(topic, 0, Some(&[1, 1]))]),
            ("unknown broker", vec![to(topic, 0, Some(&[7]))]),
            ("negative broker", vec![to(topic, 0, Some(&[-1]))]),
            ("one more broker", vec![to(topic, 0, Some(&[1, 7]))]),
            ("unknown topic", vec![to("none", 0, Some(&[1]))]),
            ("unknown topic, cancel", vec![to("none", 0, None)]),
            ("unknown partition", vec![to(topic, 7, Some(&[1]))]),
            ("unknown partition, cancel", vec![to(topic, -1, None)]),
            (
                "partition twice",
                vec![to(topic, 0, Some(&[1])), to(topic, 0, Some(&[1]))],
            ),
            ("good and bad", vec![to(topic, 0, Some(&[1])), to(topic, 1, Some(&[7]))]),
            ("none", vec![]),
        ] {
            let kept = if allow_replication_factor_change {
                ""
            } else {
                ", same factor"
            };
            pair.each(&format!("{case}{kept}"), |_| AlterPartitionReassignmentsRequest {
                timeout_ms: 5000,
                allow_replication_factor_change,
                topics: topics.clone(),
                ..Default::default()
            })
            .await;
        }
    }
    let of = |name: &str, partitions: &[i32]| ListPartitionReassignmentsTopics {
        name: name.to_owned(),
        partition_indexes: partitions.to_vec(),
        ..Default::default()
    };
    for (case, topics) in [
        ("all", None),
        ("none", Some(vec![])),
        ("a topic", Some(vec![of(topic, &[0, 1])])),
        ("unknown topic", Some(vec![of("none", &[0])])),
        ("unknown partition", Some(vec![of(topic, &[7])])),
        ("no partition", Some(vec![of(topic, &[])])),
    ] {
        pair.each(case, |_| ListPartitionReassignmentsRequest {
            timeout_ms: 5000,
            topics: topics.clone(),
            ..Default::default()
        })
        .await;
    }
}

/// What only brokers and controllers say to controllers; nothing that would change a broker that is there.
async fn among_nodes(pair: &mut Pair, topic: &str) {
    if pair.listener != Listener::Controller {
        return;
    }
    for (broker_id, broker_epoch) in [(77, 0), (1, -1), (1, i64::MAX), (-1, 0)] {
        let case = format!("broker {broker_id} epoch {broker_epoch}");
        pair.each(&case, |_| BrokerHeartbeatRequest {
            broker_id,
            broker_epoch,
            ..Default::default()
        })
        .await;
        pair.each(&case, |_| AllocateProducerIdsRequest {
            broker_id,
            broker_epoch,
            ..Default::default()
        })
        .await;
        pair.each(&case, |at| AlterPartitionRequest {
            broker_id,
            broker_epoch,
            topics: vec![alter_partition_request::TopicData {
                topic_id: at.id(topic),
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
        pair.each(&case, |at| AssignReplicasToDirsRequest {
            broker_id,
            broker_epoch,
            directories: vec![assign_replicas_to_dirs_request::DirectoryData {
                id: Uuid([5; 16]),
                topics: vec![assign_replicas_to_dirs_request::TopicData {
                    topic_id: at.id(topic),
                    partitions: vec![assign_replicas_to_dirs_request::PartitionData::default()],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
    }
    for (case, cluster) in [("another cluster", "nix"), ("no cluster", "")] {
        pair.each(case, |_| BrokerRegistrationRequest {
            broker_id: 77,
            cluster_id: cluster.to_owned(),
            incarnation_id: Uuid([5; 16]),
            ..Default::default()
        })
        .await;
    }
    for (case, broker_id) in [
        ("broker that is there", 1),
        ("negative broker", -1),
        ("no listeners and features", 77),
    ] {
        pair.each(case, |at| BrokerRegistrationRequest {
            broker_id,
            cluster_id: at.own.cluster_id.clone(),
            incarnation_id: Uuid([5; 16]),
            ..Default::default()
        })
        .await;
    }
    for controller_id in [-1, 77] {
        pair.each(&format!("controller {controller_id}"), |_| {
            ControllerRegistrationRequest {
                controller_id,
                incarnation_id: Uuid([5; 16]),
                ..Default::default()
            }
        })
        .await;
    }
}
