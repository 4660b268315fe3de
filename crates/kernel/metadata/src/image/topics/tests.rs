use super::*;
use crate::partition::{LeaderRecoveryState, NO_LEADER};

fn partition(leader: i32) -> PartitionRegistration {
    PartitionRegistration {
        replicas: [leader].into(),
        directories: Box::default(),
        isr: [leader].into(),
        removing_replicas: Box::default(),
        adding_replicas: Box::default(),
        elr: Box::default(),
        last_known_elr: Box::default(),
        leader,
        leader_epoch: 0,
        partition_epoch: 0,
        leader_recovery_state: LeaderRecoveryState::Recovered,
    }
}

#[test]
fn partitions_may_come_in_any_order() {
    let mut partitions = Partitions::default();
    for id in [5, 0, 3, 1, 2, 4] {
        partitions.insert(id, partition(id));
    }
    partitions.insert(3, partition(NO_LEADER));
    let leaders: Vec<_> = partitions.iter().map(|(id, p)| (id, p.leader)).collect();
    assert_eq!(leaders, [(0, 0), (1, 1), (2, 2), (3, NO_LEADER), (4, 4), (5, 5)]);
    assert_eq!(partitions.get(6), None);
    assert_eq!(partitions.get(-1), None);
}

#[test]
fn names_and_ids_lead_to_the_same_topic() {
    let mut topics = TopicsImage::default();
    for (name, id) in [("b", 1), ("a", 2), ("c", 3)] {
        topics.insert(TopicImage {
            name: name.into(),
            id: Uuid::from_u128(id),
            partitions: Partitions::default(),
        });
    }
    let names = |topics: &TopicsImage| topics.iter().map(|t| t.name.to_string()).collect::<String>();
    assert_eq!(names(&topics), "abc");
    let from: Vec<_> = topics.iter_from("aa").map(|t| t.name.to_string()).collect();
    assert_eq!(from, ["b", "c"]);
    let before = topics.clone();
    topics
        .get_mut(Uuid::from_u128(1))
        .unwrap()
        .partitions
        .insert(0, partition(7));
    assert_eq!(topics.partition("b", 0).map(|p| p.leader), Some(7));
    assert_eq!(before.partition("b", 0), None, "the older image stays");
    topics.remove(Uuid::from_u128(2));
    assert_eq!(names(&topics), "bc");
    assert!(topics.by_name("a").is_none());
    assert_eq!(names(&before), "abc");
}
