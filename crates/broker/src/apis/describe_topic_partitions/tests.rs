use klamm_metadata::DirectoryId;
use klamm_protocol::Uuid;
use klamm_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use klamm_protocol::metadata::register_broker_record::BrokerEndpoint;
use klamm_protocol::metadata::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

use super::*;

/// Topics `a` to `c` of three partitions each, on brokers 1 and 2; 2 is fenced.
fn image() -> MetadataImage {
    let mut image = MetadataImage::empty();
    let mut records = Vec::new();
    for broker_id in [1, 2] {
        let endpoint = BrokerEndpoint {
            name: "L".to_owned(),
            ..Default::default()
        };
        records.push(
            RegisterBrokerRecord {
                broker_id,
                end_points: vec![endpoint],
                fenced: broker_id == 2,
                ..Default::default()
            }
            .into(),
        );
    }
    for (id, name) in (200..).zip(["b", "a", "c"]) {
        let topic_id = Uuid::from_u128(id);
        let topic = TopicRecord {
            name: name.to_owned(),
            topic_id,
            ..Default::default()
        };
        records.push(topic.into());
        records.extend((0..3).map(|partition_id| {
            PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1, 2],
                isr: vec![1],
                leader: 1,
                leader_epoch: 5,
                directories: vec![DirectoryId::UNASSIGNED; 2],
                eligible_leader_replicas: Some(vec![2]),
                ..Default::default()
            }
            .into()
        }));
    }
    for record in &records {
        image.replay(record).unwrap();
    }
    image
}

fn request(topics: &[&str], cursor: Option<(&str, i32)>) -> DescribeTopicPartitionsRequest {
    DescribeTopicPartitionsRequest {
        topics: topics
            .iter()
            .map(|name| TopicRequest {
                name: (*name).to_owned(),
                ..Default::default()
            })
            .collect(),
        cursor: cursor.map(|(topic_name, partition_index)| Cursor {
            topic_name: topic_name.to_owned(),
            partition_index,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Each topic as `name:partitions` or `name!code`, and where to go on.
fn page(request: &DescribeTopicPartitionsRequest, limit: usize) -> (Vec<String>, Option<(String, i32)>) {
    let response = describe(&image(), "L", request, limit);
    let topic = |topic: DescribeTopicPartitionsResponseTopic| {
        let name = topic.name.unwrap();
        let ids: String = topic.partitions.iter().map(|p| p.partition_index.to_string()).collect();
        match topic.error_code {
            ErrorCode::NONE => format!("{name}:{ids}"),
            code => format!("{name}!{}", code.0),
        }
    };
    let cursor = response
        .next_cursor
        .map(|cursor| (cursor.topic_name, cursor.partition_index));
    (response.topics.into_iter().map(topic).collect(), cursor)
}

#[test]
fn pages_follow_each_other() {
    let mut seen = Vec::new();
    let mut cursor: Option<(String, i32)> = None;
    for _ in 0..5 {
        let at = cursor.as_ref().map(|(name, index)| (name.as_str(), *index));
        let (topics, next) = page(&request(&[], at), 2);
        seen.extend(topics);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a:01", "a:2", "b:0", "b:12", "c:01", "c:2"]);
    assert_eq!(cursor, None);
}

#[test]
fn a_full_page_says_where_to_go_on() {
    assert_eq!(
        page(&request(&[], None), 3),
        (vec!["a:012".to_owned()], Some(("b".to_owned(), 0)))
    );
    assert_eq!(page(&request(&["c"], None), 3), (vec!["c:012".to_owned()], None));
}

#[test]
fn named_topics_come_in_order_with_those_unknown() {
    let (topics, cursor) = page(&request(&["c", "nope", "a", "a b"], None), 100);
    assert_eq!(topics, ["a:012", "a b!17", "c:012", "nope!3"]);
    assert_eq!(cursor, None);
    let (topics, _) = page(&request(&["c", "a"], Some(("c", 1))), 100);
    assert_eq!(topics, ["c:12"]);
}

#[test]
fn a_cursor_has_to_lead_somewhere() {
    let (topics, cursor) = page(&request(&["a"], Some(("b", 0))), 100);
    assert_eq!((topics, cursor), (vec!["a!42".to_owned()], None));
    assert_eq!(page(&request(&["a"], Some(("a", -1))), 100).0, ["a!42"]);
    assert_eq!(
        page(&request(&[], Some(("aa", 0))), 3).0,
        ["b:012"],
        "the topic it stood at is gone"
    );
}

#[test]
fn partitions_tell_all() {
    let response = describe(&image(), "L", &request(&["a"], None), 1);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (1, 5));
    assert_eq!(
        (&partition.replica_nodes[..], &partition.isr_nodes[..]),
        (&[1, 2][..], &[1][..])
    );
    assert_eq!(partition.eligible_leader_replicas, Some(vec![2]));
    assert_eq!(partition.offline_replicas, [2]);
    let elsewhere = describe(&image(), "OTHER", &request(&["a"], None), 1);
    assert_eq!(elsewhere.topics[0].partitions[0].leader_id, -1);
}
