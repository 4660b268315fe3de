use std::time::Duration;

use super::*;

fn broker(id: i32) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: id,
        host: format!("host-{id}"),
        port: 9092,
        ..Default::default()
    }
}

fn topic(name: &str, id: u128, leaders: &[(i32, i32)]) -> MetadataResponseTopic {
    let partitions = (0..)
        .zip(leaders)
        .map(|(index, (leader_id, leader_epoch))| MetadataResponsePartition {
            partition_index: index,
            leader_id: *leader_id,
            leader_epoch: *leader_epoch,
            ..Default::default()
        });
    MetadataResponseTopic {
        name: Some(name.to_owned()),
        topic_id: Uuid::from_u128(id),
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn told(cluster: &str, topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    MetadataResponse {
        brokers: vec![broker(1), broker(2)],
        cluster_id: Some(cluster.to_owned()),
        controller_id: 2,
        topics,
        ..Default::default()
    }
}

fn first(topics: Vec<MetadataResponseTopic>) -> ClusterMetadata {
    ClusterMetadata::default().after(told("c", topics), Instant::now(), false)
}

#[test]
fn a_reply_tells_of_brokers_and_topics() {
    let known = first(vec![topic("a", 7, &[(1, 4), (-1, 5)])]);
    assert_eq!((known.cluster_id(), known.controller()), (Some("c"), Some(2)));
    assert_eq!(known.address(1).expect("told").to_string(), "host-1:9092");
    assert_eq!(
        (known.leader("a", 0), known.leader("a", 1), known.leader("a", 2)),
        (Some(1), None, None)
    );
    assert_eq!(known.partition("a", 0).expect("told").leader_epoch, Some(4));
    assert_eq!(known.topic_by_id(Uuid::from_u128(7)).expect("told").name.as_ref(), "a");
}

#[test]
fn leaders_never_go_back_to_an_older_epoch() {
    let known = first(vec![topic("a", 7, &[(1, 4), (1, 4), (1, 4)])]);
    let later = known.after(
        told("c", vec![topic("a", 7, &[(2, 3), (2, 4), (2, 5)])]),
        Instant::now(),
        false,
    );
    let leaders: Vec<_> = (0..3).map(|index| later.partition("a", index).expect("told")).collect();
    assert_eq!(
        leaders.iter().map(|partition| partition.leader).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(2)]
    );
    assert_eq!(
        leaders
            .iter()
            .map(|partition| partition.leader_epoch)
            .collect::<Vec<_>>(),
        [Some(4), Some(4), Some(5)]
    );
}

#[test]
fn a_topic_that_was_made_again_starts_over() {
    let known = first(vec![topic("a", 7, &[(1, 4)])]);
    let later = known.after(told("c", vec![topic("a", 8, &[(2, 0)])]), Instant::now(), false);
    assert_eq!(later.partition("a", 0).expect("told").leader_epoch, Some(0));
    assert!(later.topic_by_id(Uuid::from_u128(7)).is_none());
}

#[test]
fn brokers_without_epochs_are_believed() {
    let known = first(vec![topic("a", 0, &[(1, -1)])]);
    let later = known.after(told("c", vec![topic("a", 0, &[(2, -1)])]), Instant::now(), false);
    assert_eq!(
        (
            later.leader("a", 0),
            later.partition("a", 0).expect("told").leader_epoch
        ),
        (Some(2), None)
    );
    assert!(later.topic_by_id(Uuid::ZERO).is_none());
}

#[test]
fn topics_stay_until_all_are_asked_for() {
    let known = first(vec![topic("a", 7, &[(1, 4)]), topic("b", 8, &[(1, 4)])]);
    let later = known.after(told("c", vec![topic("b", 8, &[(1, 4)])]), Instant::now(), false);
    assert!(later.topic("a").is_some());
    let later = known.after(told("c", vec![topic("b", 8, &[(1, 4)])]), Instant::now(), true);
    assert!(later.topic("a").is_none() && later.topic("b").is_some());
}

#[test]
fn another_cluster_is_another_picture() {
    let known = first(vec![topic("a", 7, &[(1, 4)])]);
    let later = known.after(told("d", vec![topic("b", 7, &[(1, 1)])]), Instant::now(), false);
    assert_eq!(later.cluster_id(), Some("d"));
    assert!(later.topic("a").is_none());
    assert_eq!(later.partition("b", 0).expect("told").leader_epoch, Some(1));
}

#[test]
fn replies_of_brokers_bring_newer_leaders() {
    let known = first(vec![topic("a", 7, &[(1, 4)])]);
    let news = |leader_epoch| NewLeader {
        topic: Arc::from("a"),
        partition: 0,
        leader: 3,
        leader_epoch,
    };
    let node = Broker {
        id: 3,
        host: "host-3".to_owned(),
        port: 9,
        rack: None,
    };
    assert!(known.with_leaders(&[news(4)], &[]).is_none());
    let later = known.with_leaders(&[news(5)], &[node]).expect("it is newer");
    assert_eq!(
        (later.leader("a", 0), later.address(3).map(|address| address.port)),
        (Some(3), Some(9))
    );
    let stale = later.after(told("c", vec![topic("a", 7, &[(1, 4)])]), Instant::now(), false);
    assert_eq!(stale.leader("a", 0), Some(3));
}

#[test]
fn errors_of_topics_are_kept() {
    let mut missing = topic("a", 0, &[]);
    missing.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let asked = Instant::now() + Duration::from_secs(1);
    let later = first(vec![topic("a", 7, &[(1, 4)])]).after(told("c", vec![missing]), asked, false);
    let topic = later.topic("a").expect("told");
    assert_eq!(
        (topic.error, topic.partitions.len(), topic.as_of),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0, asked)
    );
}

#[test]
fn ports_that_are_none_leave_a_broker_out() {
    let mut response = told("c", Vec::new());
    response.brokers[0].port = 99_999;
    let known = ClusterMetadata::default().after(response, Instant::now(), false);
    assert_eq!(known.brokers().keys().collect::<Vec<_>>(), [&2]);
}
