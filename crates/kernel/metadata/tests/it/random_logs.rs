//! Whatever a log says, a delta names what changed, and a snapshot says the same as the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_metadata::{
    ConfigResource, DirectoryId, MetadataDelta, MetadataImage, MetadataLoader, MetadataProvenance, MetadataRecord,
    MetadataVersion,
};
use klamm_protocol::Uuid;
use klamm_protocol::metadata::client_quota_record::EntityData;
use klamm_protocol::metadata::{
    AccessControlEntryRecord, BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    DelegationTokenRecord, FeatureLevelRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord, UserScramCredentialRecord, ZkMigrationStateRecord,
};
use proptest::prelude::*;

/// A record that may or may not fit; those that don't are left out when the log is put together.
fn record() -> impl Strategy<Value = MetadataRecord> {
    let small = 0..4u8;
    (0..22u8, small.clone(), small.clone(), small, any::<bool>()).prop_map(|(kind, a, b, c, flag)| {
        let id = Uuid::from_u128(1000 + u128::from(a));
        let (broker, epoch) = (i32::from(b), i64::from(c));
        let name = format!("name-{a}");
        match kind {
            0..=2 => TopicRecord {
                name: format!("topic-{a}"),
                topic_id: id,
                ..Default::default()
            }
            .into(),
            3..=6 => PartitionRecord {
                topic_id: id,
                partition_id: broker,
                replicas: vec![1, 2],
                isr: vec![1],
                leader: 1,
                directories: vec![DirectoryId::UNASSIGNED; 2],
                eligible_leader_replicas: flag.then(|| vec![2]),
                ..Default::default()
            }
            .into(),
            7..=8 => PartitionChangeRecord {
                topic_id: id,
                partition_id: broker,
                isr: flag.then(|| vec![1, 2]),
                leader: if flag { -2 } else { i32::from(c) },
                ..Default::default()
            }
            .into(),
            9 => RemoveTopicRecord {
                topic_id: id,
                ..Default::default()
            }
            .into(),
            10 => ClearElrRecord {
                topic_name: if flag { String::new() } else { format!("topic-{a}") },
                ..Default::default()
            }
            .into(),
            11 => RegisterBrokerRecord {
                broker_id: broker,
                broker_epoch: epoch,
                ..Default::default()
            }
            .into(),
            12 => BrokerRegistrationChangeRecord {
                broker_id: broker,
                broker_epoch: epoch,
                fenced: if flag { 1 } else { -1 },
                ..Default::default()
            }
            .into(),
            13 if flag => UnregisterBrokerRecord {
                broker_id: broker,
                broker_epoch: epoch,
                ..Default::default()
            }
            .into(),
            13 => UnregisterControllerRecord {
                controller_id: broker,
                ..Default::default()
            }
            .into(),
            14 => RegisterControllerRecord {
                controller_id: broker,
                incarnation_id: id,
                ..Default::default()
            }
            .into(),
            15 => ConfigRecord {
                resource_type: 2,
                resource_name: format!("topic-{a}"),
                name: format!("key-{b}"),
                value: flag.then(|| c.to_string()),
                ..Default::default()
            }
            .into(),
            16 => ClientQuotaRecord {
                entity: vec![EntityData {
                    entity_type: "user".to_owned(),
                    entity_name: flag.then(|| name.clone()),
                    ..Default::default()
                }],
                key: format!("key-{b}"),
                value: f64::from(c),
                remove: c == 0,
                ..Default::default()
            }
            .into(),
            17 if flag => AccessControlEntryRecord {
                id,
                principal: name,
                ..Default::default()
            }
            .into(),
            17 => RemoveAccessControlEntryRecord {
                id,
                ..Default::default()
            }
            .into(),
            18 if flag => UserScramCredentialRecord {
                name,
                mechanism: 1,
                iterations: broker,
                ..Default::default()
            }
            .into(),
            18 => RemoveUserScramCredentialRecord {
                name,
                mechanism: 1,
                ..Default::default()
            }
            .into(),
            19 if flag => DelegationTokenRecord {
                token_id: name,
                issue_timestamp: epoch,
                ..Default::default()
            }
            .into(),
            19 => RemoveDelegationTokenRecord {
                token_id: name,
                ..Default::default()
            }
            .into(),
            20 => FeatureLevelRecord {
                name: format!("feature-{a}"),
                feature_level: i16::from(c),
                ..Default::default()
            }
            .into(),
            _ if flag => ProducerIdsRecord {
                next_producer_id: epoch * 1000,
                ..Default::default()
            }
            .into(),
            _ => ZkMigrationStateRecord {
                zk_migration_state: 0,
                ..Default::default()
            }
            .into(),
        }
    })
}

fn at(offset: i64) -> MetadataProvenance {
    MetadataProvenance {
        last_contained_offset: offset,
        last_contained_epoch: 1,
        last_contained_log_time_ms: offset,
    }
}

/// The first records of every log: the levels that let partitions say all they can.
fn start() -> MetadataImage {
    let mut image = MetadataImage::empty();
    for (name, level) in [
        ("metadata.version", MetadataVersion::LATEST_PRODUCTION.level()),
        ("eligible.leader.replicas.version", 1),
    ] {
        let record = FeatureLevelRecord {
            name: name.to_owned(),
            feature_level: level,
            ..FeatureLevelRecord::default()
        };
        image.replay(&record.into()).unwrap();
    }
    image
}

/// A delta has to name all that differs, and nothing about topics that aren't there.
fn check_names(delta: &MetadataDelta) {
    let (base, image) = (delta.base(), delta.image());
    let ids = |image: &MetadataImage| image.topics().iter().map(|topic| topic.id).collect::<BTreeSet<_>>();
    let (before, after) = (ids(base), ids(image));
    let created: BTreeSet<_> = after.difference(&before).copied().collect();
    let deleted: BTreeSet<_> = before.difference(&after).copied().collect();
    assert!(delta.created_topics().is_superset(&created));
    assert!(delta.created_topics().is_subset(&after));
    assert!(
        delta
            .deleted_topics()
            .map(|topic| topic.id)
            .collect::<BTreeSet<_>>()
            .is_superset(&deleted)
    );
    for topic in image.topics().iter() {
        for (id, partition) in topic.partitions.iter() {
            let old = base.topics().by_id(topic.id).and_then(|topic| topic.partitions.get(id));
            assert!(old == Some(partition) || delta.changed_partitions().contains(&(topic.id, id)));
        }
    }
    for &(topic, id) in delta.changed_partitions() {
        assert!(
            image
                .topics()
                .by_id(topic)
                .and_then(|topic| topic.partitions.get(id))
                .is_some()
        );
    }
    let brokers: BTreeSet<i32> = base
        .cluster()
        .brokers()
        .keys()
        .chain(image.cluster().brokers().keys())
        .copied()
        .collect();
    for id in brokers {
        assert!(base.cluster().broker(id) == image.cluster().broker(id) || delta.changed_brokers().contains(&id));
    }
    for name in 0..4u8 {
        let resource = ConfigResource::topic(format!("topic-{name}"));
        let unchanged = base.configs().resource(&resource) == image.configs().resource(&resource);
        assert!(unchanged || delta.changed_configs().contains(&resource));
    }
    let local = delta.local_changes(1);
    for ((name, id), partition) in &local.leaders {
        assert_eq!(image.topics().partition(name, *id), Some(&partition.registration));
        assert_eq!(partition.registration.leader, 1);
    }
    for (name, id) in local.deletes.keys() {
        let gone = image
            .topics()
            .partition(name, *id)
            .is_none_or(|partition| !partition.replicas.contains(&1));
        assert!(
            gone || delta
                .created_topics()
                .contains(&image.topics().by_name(name).unwrap().id)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn deltas_and_snapshots_say_what_the_log_says(
        records in prop::collection::vec(record(), 0..120),
        cuts in prop::collection::vec(1..20usize, 1..12),
    ) {
        let mut image = start();
        let mut log = Vec::new();
        for record in records {
            let before = image.clone();
            match image.replay(&record) {
                Ok(_) => log.push(record),
                Err(_) => prop_assert_eq!(&image, &before, "an error leaves the image as it was"),
            }
        }

        // In pieces, by deltas.
        let mut by_deltas = start();
        let mut rest = log.as_slice();
        for cut in cuts.iter().chain(std::iter::once(&usize::MAX)) {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            rest = later;
            let mut delta = MetadataDelta::new(&by_deltas);
            for record in piece {
                delta.replay(record).unwrap();
            }
            check_names(&delta);
            by_deltas = delta.apply(by_deltas.provenance());
        }
        prop_assert_eq!(&by_deltas, &image);

        // From a snapshot, over any other state.
        let snapshot = image.to_records();
        for base in [MetadataImage::empty(), start(), image.clone()] {
            let mut delta = MetadataDelta::for_snapshot(&base);
            for record in &snapshot {
                let encoded = record.encode(MetadataVersion::LATEST_PRODUCTION).unwrap();
                delta.replay(&MetadataRecord::decode(encoded).unwrap()).unwrap();
            }
            delta.finish_snapshot();
            check_names(&delta);
            prop_assert_eq!(delta.image(), &image);
        }
        let mut loader = MetadataLoader::new(Arc::new(start()));
        let published = loader.load_snapshot(at(9), snapshot).unwrap();
        prop_assert_eq!(&*published.image, &image.at(at(9)));
    }
}
