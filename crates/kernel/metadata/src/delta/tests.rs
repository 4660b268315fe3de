use klamm_protocol::metadata::{PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};

use super::*;
use crate::directory_id::DirectoryId;
use crate::local_changes::LocalPartition;

const TOPIC: Uuid = Uuid::from_u128(1000);

fn topic(topic_id: Uuid) -> MetadataRecord {
    TopicRecord {
        name: "t".to_owned(),
        topic_id,
        ..TopicRecord::default()
    }
    .into()
}

fn partition(partition_id: i32, replicas: &[i32]) -> MetadataRecord {
    PartitionRecord {
        partition_id,
        topic_id: TOPIC,
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: replicas[0],
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![DirectoryId::UNASSIGNED; replicas.len()],
        ..PartitionRecord::default()
    }
    .into()
}

fn change(partition_id: i32, change: impl FnOnce(&mut PartitionChangeRecord)) -> MetadataRecord {
    let mut record = PartitionChangeRecord {
        partition_id,
        topic_id: TOPIC,
        ..PartitionChangeRecord::default()
    };
    change(&mut record);
    record.into()
}

fn delta(base: &MetadataImage, records: &[MetadataRecord]) -> MetadataDelta {
    let mut delta = MetadataDelta::new(base);
    for record in records {
        delta.replay(record).unwrap();
    }
    delta
}

fn two_partitions() -> MetadataImage {
    let records = [topic(TOPIC), partition(0, &[1, 2]), partition(1, &[2, 1])];
    delta(&MetadataImage::empty(), &records).image().clone()
}

fn ids<T>(map: &std::collections::BTreeMap<(Arc<str>, i32), T>) -> Vec<i32> {
    map.keys().map(|(_, id)| *id).collect()
}

#[test]
fn new_partitions_are_led_or_followed() {
    let local = delta(
        &MetadataImage::empty(),
        &[
            topic(TOPIC),
            partition(0, &[1, 2]),
            partition(1, &[2, 1]),
            partition(2, &[2]),
        ],
    )
    .local_changes(1);
    assert_eq!(ids(&local.leaders), [0]);
    assert_eq!(ids(&local.followers), [1]);
    assert_eq!(ids(&local.directories), [0, 1]);
    assert_eq!(ids(&local.deletes), []);
    let led: &LocalPartition = local.leaders.values().next().unwrap();
    assert!(led.is_new && led.leader_epoch_changed);
    assert_eq!(led.topic_id, TOPIC);
}

#[test]
fn a_changed_isr_is_no_new_leadership() {
    let base = two_partitions();
    let shrunk = delta(&base, &[change(0, |record| record.isr = Some(vec![1]))]);
    let local = shrunk.local_changes(1);
    assert_eq!((ids(&local.leaders), ids(&local.followers)), (vec![0], vec![]));
    let led = local.leaders.values().next().unwrap();
    assert!(!led.is_new && !led.leader_epoch_changed);
    assert_eq!(
        (&*led.registration.isr, led.registration.partition_epoch),
        (&[1][..], 1)
    );

    let moved = delta(&base, &[change(0, |record| record.leader = 2)]).local_changes(1);
    assert_eq!((ids(&moved.leaders), ids(&moved.followers)), (vec![], vec![0]));
    assert!(moved.followers.values().next().unwrap().leader_epoch_changed);
}

#[test]
fn replicas_come_and_go() {
    let base = two_partitions();
    let taken = delta(
        &base,
        &[change(0, |record| {
            record.replicas = Some(vec![2]);
            record.directories = Some(vec![DirectoryId::UNASSIGNED]);
        })],
    );
    assert_eq!(ids(&taken.local_changes(1).deletes), [0]);
    let given = taken.local_changes(2);
    assert_eq!((ids(&given.deletes), ids(&given.followers)), (vec![], vec![0]));
    assert_eq!(ids(&given.directories), []);

    let remove: MetadataRecord = RemoveTopicRecord {
        topic_id: TOPIC,
        ..RemoveTopicRecord::default()
    }
    .into();
    let removed = delta(&base, &[change(0, |record| record.leader = 2), remove.clone()]);
    assert_eq!(ids(&removed.local_changes(1).deletes), [0, 1]);
    assert!(removed.changed_partitions().is_empty());
    assert!(removed.topics_changed());

    let again = Uuid::from_u128(1001);
    let recreated = delta(&base, &[remove, topic(again)]);
    assert_eq!(ids(&recreated.local_changes(1).deletes), [0, 1]);
    assert_eq!(recreated.created_topics().iter().collect::<Vec<_>>(), [&again]);
    assert_eq!(
        recreated.deleted_topics().map(|topic| topic.id).collect::<Vec<_>>(),
        [TOPIC]
    );
}

#[test]
fn a_topic_of_an_instant_leaves_no_trace() {
    let base = MetadataImage::empty();
    let remove = RemoveTopicRecord {
        topic_id: TOPIC,
        ..RemoveTopicRecord::default()
    };
    let delta = delta(&base, &[topic(TOPIC), partition(0, &[1]), remove.into()]);
    assert!(!delta.topics_changed());
    assert_eq!(*delta.image(), base);
}
