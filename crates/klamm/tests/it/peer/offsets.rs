//! Offsets that groups commit: by members and without, fetched, deleted; by name and by id.

use klamm_protocol::Uuid;
use klamm_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use klamm_protocol::messages::*;

use super::pair::{At, Pair};
use crate::client::*;

pub(super) async fn ask(pair: &mut Pair) {
    let topic = pair.topic("committed", 2, &[]).await;
    let group = pair.name("offsets");
    pair.both(async |mut connection| connection.find_coordinator(&group).await)
        .await;
    commit(pair, &topic).await;
    fetch(pair, &topic).await;
    fetch_groups(pair, &topic).await;
    delete(pair, &topic).await;
}

/// By name or by id, as the version wants it.
fn committing(at: &At<'_>, group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let mut request = commit_request(group, topic, 0, offset);
    if at.version > OFFSETS_BY_NAME {
        request.topics[0].topic_id = at.id(topic);
        request.topics[0].name = String::new();
    }
    request
}

async fn commit(pair: &mut Pair, topic: &str) {
    for offset in [0, 5, -1, -2, i64::MAX, i64::MIN] {
        pair.each(&format!("offset {offset}"), |at| {
            committing(at, &at.name("g"), topic, offset)
        })
        .await;
    }
    let metadata = [
        None,
        Some(String::new()),
        Some("m".repeat(4096)),
        Some("m".repeat(4097)),
        Some("ü".repeat(4000)),
    ];
    for text in metadata {
        let case = format!(
            "metadata of {}",
            text.as_ref().map_or("null".to_owned(), |text| text.len().to_string())
        );
        let partition = OffsetCommitRequestPartition {
            committed_offset: 5,
            committed_metadata: text,
            ..Default::default()
        };
        pair.each(&case, |at| {
            let mut request = committing(at, &at.name("failed"), topic, 5);
            request.topics[0].partitions[0] = partition.clone();
            request
        })
        .await;
    }
    for epoch in [0, 7, -2, i32::MIN] {
        let group = pair.name("epochs");
        pair.each(&format!("leader epoch {epoch}"), |at| {
            let mut request = committing(at, &group, topic, 5);
            request.topics[0].partitions[0].committed_leader_epoch = epoch;
            request
        })
        .await;
        pair.each(&format!("after leader epoch {epoch}"), |at| {
            fetching(at, &group, topic, &[0])
        })
        .await;
    }
    for (generation, member, instance) in [
        (0, "", None),
        (1, "", None),
        (-1, "x", None),
        (0, "x", None),
        (i32::MAX, "x", Some("i")),
        (-1, "", Some("i")),
        (-2, "", None),
    ] {
        let case = format!("generation {generation}, member {member:?}, instance {instance:?}");
        pair.each(&case, |at| OffsetCommitRequest {
            generation_id_or_member_epoch: generation,
            member_id: member.to_owned(),
            group_instance_id: instance.map(str::to_owned),
            ..committing(at, &at.name("failed"), topic, 5)
        })
        .await;
        pair.each(&format!("group after {case}"), |_| DescribeGroupsRequest::default())
            .await;
    }
    for partition in [7, -1] {
        pair.each(&format!("partition {partition}"), |at| {
            let mut request = committing(at, &at.name("failed"), topic, 5);
            request.topics[0].partitions[0].partition_index = partition;
            request
        })
        .await;
    }
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |at| {
            committing(at, &at.name("failed"), name, 5)
        })
        .await;
    }
    pair.each("no id", |at| {
        let mut request = committing(at, &at.name("g"), topic, 5);
        request.topics[0].topic_id = Uuid::ZERO;
        request
    })
    .await;
    pair.each("group without a name", |at| committing(at, "", topic, 5))
        .await;
    for retention_time_ms in [0, 5, -2] {
        pair.each(&format!("retention {retention_time_ms}"), |at| OffsetCommitRequest {
            retention_time_ms,
            ..committing(at, &at.name("g"), topic, 5)
        })
        .await;
    }
    pair.each("none", |at| OffsetCommitRequest {
        topics: vec![],
        ..committing(at, &at.name("nothing"), topic, 5)
    })
    .await;
    pair.each("no partitions", |at| {
        let mut request = committing(at, &at.name("nothing"), topic, 5);
        request.topics[0].partitions.clear();
        request
    })
    .await;
    pair.each("partition twice", |at| {
        let mut request = committing(at, &at.name("g"), topic, 5);
        let again = request.topics[0].partitions[0].clone();
        request.topics[0].partitions.push(again);
        request
    })
    .await;
    pair.each("good and bad", |at| {
        let mut request = committing(at, &at.name("g"), topic, 5);
        request.topics.extend(committing(at, "g", "none", 5).topics);
        request
    })
    .await;
}

/// Of one group, in the way of the version.
fn fetching(at: &At<'_>, group: &str, topic: &str, partitions: &[i32]) -> OffsetFetchRequest {
    if at.version < 8 {
        return OffsetFetchRequest {
            group_id: group.to_owned(),
            topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopic {
                name: topic.to_owned(),
                partition_indexes: partitions.to_vec(),
                ..Default::default()
            }]),
            ..Default::default()
        };
    }
    let by_id = at.version > OFFSETS_BY_NAME;
    OffsetFetchRequest {
        groups: vec![offset_fetch_request::OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopics {
                name: if by_id { String::new() } else { topic.to_owned() },
                topic_id: if by_id { at.id(topic) } else { Uuid::ZERO },
                partition_indexes: partitions.to_vec(),
                ..Default::default()
            }]),
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn fetch(pair: &mut Pair, topic: &str) {
    let group = pair.name("fetched");
    pair.ask("normal", OFFSETS_BY_NAME, |at| committing(at, &group, topic, 5))
        .await;
    pair.each("normal", |at| fetching(at, &group, topic, &[0])).await;
    pair.each("stable", |at| OffsetFetchRequest {
        require_stable: true,
        ..fetching(at, &group, topic, &[0])
    })
    .await;
    pair.each("other partitions", |at| fetching(at, &group, topic, &[1, 7, -1]))
        .await;
    pair.each("no partitions", |at| fetching(at, &group, topic, &[])).await;
    pair.each("twice", |at| fetching(at, &group, topic, &[0, 0])).await;
    for name in ["none", "", "a/b"] {
        pair.each(&format!("topic {name}"), |at| fetching(at, &group, name, &[0]))
            .await;
    }
    pair.each("unknown group", |at| fetching(at, &at.name("none"), topic, &[0]))
        .await;
    pair.each("group without a name", |at| fetching(at, "", topic, &[0]))
        .await;
    pair.each("all topics", |at| {
        let mut request = fetching(at, &group, topic, &[0]);
        request.topics = if at.version < 8 { None } else { Some(vec![]) };
        request.groups.iter_mut().for_each(|group| group.topics = None);
        request
    })
    .await;
    pair.each("all topics of an unknown group", |at| {
        let mut request = fetching(at, &at.name("none"), topic, &[0]);
        request.topics = if at.version < 8 { None } else { Some(vec![]) };
        request.groups.iter_mut().for_each(|group| group.topics = None);
        request
    })
    .await;
    pair.each("no topics", |at| {
        let mut request = fetching(at, &group, topic, &[0]);
        request.topics = Some(vec![]);
        request.groups.iter_mut().for_each(|group| group.topics = Some(vec![]));
        request
    })
    .await;
}

async fn fetch_groups(pair: &mut Pair, topic: &str) {
    let group = pair.name("fetched");
    pair.ask("normal", OFFSETS_BY_NAME, |at| committing(at, &group, topic, 5))
        .await;
    for version in 8..=10 {
        pair.ask("no groups", version, |_| OffsetFetchRequest::default()).await;
        pair.ask("two groups", version, |at| {
            let mut request = fetching(at, &group, topic, &[0]);
            request.groups.extend(fetching(at, "none", topic, &[0]).groups);
            request
        })
        .await;
        pair.ask("group twice", version, |at| {
            let mut request = fetching(at, &group, topic, &[0]);
            request.groups.extend(fetching(at, &group, topic, &[1]).groups);
            request
        })
        .await;
        for (member, epoch) in [(Some("x"), 0), (Some("x"), -1), (None, 0), (None, 5), (Some(""), -1)] {
            pair.ask(&format!("member {member:?} epoch {epoch}"), version, |at| {
                let mut request = fetching(at, &group, topic, &[0]);
                request.groups[0].member_id = member.map(str::to_owned);
                request.groups[0].member_epoch = epoch;
                request
            })
            .await;
        }
    }
}

async fn delete(pair: &mut Pair, topic: &str) {
    use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    let deleting = |group: &str, topic: &str, partitions: &[i32]| OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: topic.to_owned(),
            partitions: partitions
                .iter()
                .map(|partition| OffsetDeleteRequestPartition {
                    partition_index: *partition,
                })
                .collect(),
        }],
    };
    let group = pair.name("deleted");
    pair.ask("normal", OFFSETS_BY_NAME, |at| committing(at, &group, topic, 5))
        .await;
    for (case, group, topic, partitions) in [
        ("other partitions", group.as_str(), topic, &[1, 7, -1][..]),
        ("unknown topic", &group, "none", &[0]),
        ("bad topic", &group, "a/b", &[0]),
        ("no partitions", &group, topic, &[]),
        ("no partitions of an unknown topic", &group, "none", &[]),
        ("unknown group", "none", topic, &[0]),
        ("group without a name", "", topic, &[0]),
        ("normal", &group, topic, &[0]),
        ("again", &group, topic, &[0]),
    ] {
        pair.each(case, |_| deleting(group, topic, partitions)).await;
    }
    pair.each("after the last offset", |_| DescribeGroupsRequest {
        groups: vec![group.clone()],
        ..Default::default()
    })
    .await;
    pair.each("no topics", |_| OffsetDeleteRequest {
        group_id: group.clone(),
        topics: vec![],
    })
    .await;
    pair.each("after the last offset", |at| fetching(at, &group, topic, &[0]))
        .await;
    pair.each("after the last offset", |_| DeleteGroupsRequest {
        groups_names: vec![group.clone()],
        ..Default::default()
    })
    .await;
}
