//! What stands in some of Kafka's own messages, field by field (the bytes alone would not show two swapped fields).

use bytes::Bytes;
use klamm_protocol::coordinator::{
    ConsumerGroupMemberMetadataValue, OffsetCommitValue, consumer_group_member_metadata_value as member,
};
use klamm_protocol::data::{ConsumerProtocolSubscription, LeaderChangeMessage};
use klamm_protocol::headers::RequestHeader;
use klamm_protocol::messages::{FetchRequest, MetadataResponse, ProduceRequest};
use klamm_protocol::metadata::PartitionRecord;
use klamm_protocol::{ErrorCode, Message, RawTaggedField, Reader, Records, Uuid};

use crate::golden::golden;

/// The golden message of that version with every field set.
fn filled<M: Message>(version: i16) -> (M, Bytes) {
    let bytes = golden(M::NAME, version, "filled");
    let message = M::decode(&mut Reader::new(bytes.clone()), version).expect("Kafka wrote it");
    (message, bytes)
}

/// How the goldens number their uuids.
fn uuid(number: i64) -> Uuid {
    Uuid::from_u128((number as u128) << 64 | u128::from(number.wrapping_neg() as u64))
}

fn tags(number: u8) -> Vec<RawTaggedField> {
    vec![
        RawTaggedField {
            tag: 100,
            data: Bytes::from(vec![number]),
        },
        RawTaggedField {
            tag: 300,
            data: Bytes::new(),
        },
    ]
}

#[test]
fn request_header() {
    let (header, _) = filled::<RequestHeader>(2);
    let expected = RequestHeader {
        request_api_key: 100,
        request_api_version: 200,
        correlation_id: -300_000,
        client_id: Some("é4".into()),
        unknown_tagged_fields: tags(5),
    };
    assert_eq!(header, expected);
}

#[test]
fn fetch_request() {
    let (request, _) = filled::<FetchRequest>(18);
    assert_eq!(request.cluster_id.as_deref(), Some("é36"));
    assert_eq!(request.replica_id, -1, "not in this version");
    assert_eq!(
        (request.replica_state.replica_id, request.replica_state.replica_epoch),
        (3_700_000, 380_000_000_000)
    );
    assert_eq!(
        (request.max_wait_ms, request.min_bytes, request.max_bytes),
        (100_000, 200_000, -300_000)
    );
    assert_eq!(
        (request.isolation_level, request.session_id, request.session_epoch),
        (4, 500_000, -600_000)
    );
    assert_eq!(request.topics.len(), 2);
    let topic = &request.topics[0];
    assert_eq!((topic.topic.as_str(), topic.topic_id), ("", uuid(7)));
    let partition = &topic.partitions[0];
    assert_eq!(
        (partition.partition, partition.current_leader_epoch),
        (800_000, -900_000)
    );
    assert_eq!(
        (partition.fetch_offset, partition.last_fetched_epoch),
        (100_000_000_000, 1_100_000)
    );
    assert_eq!(
        (partition.log_start_offset, partition.partition_max_bytes),
        (-120_000_000_000, 1_300_000)
    );
    assert_eq!(
        (partition.replica_directory_id, partition.high_watermark),
        (uuid(14), -150_000_000_000)
    );
    assert_eq!(partition.unknown_tagged_fields, tags(16));
    assert_eq!(request.forgotten_topics_data[1].topic_id, uuid(32));
    assert_eq!(request.forgotten_topics_data[1].partitions, [-3_300_000]);
    assert_eq!(request.rack_id, format!("{}35", "x".repeat(130)));
}

#[test]
fn metadata_response() {
    let (response, _) = filled::<MetadataResponse>(13);
    let broker = &response.brokers[1];
    assert_eq!(
        (broker.node_id, broker.host.as_str(), broker.port),
        (700_000, "é8", -900_000)
    );
    assert_eq!(broker.rack.as_deref(), Some("é10"));
    assert_eq!(
        (response.cluster_id.as_deref(), response.controller_id),
        (Some("é12"), 1_300_000)
    );
    let topic = &response.topics[0];
    assert_eq!(
        (topic.error_code, topic.name.as_deref(), topic.topic_id),
        (ErrorCode(1400), Some("é15"), uuid(16))
    );
    assert!(topic.is_internal);
    let partition = &topic.partitions[0];
    assert_eq!(
        (partition.error_code, partition.partition_index),
        (ErrorCode(1700), -1_800_000)
    );
    assert_eq!((partition.leader_id, partition.leader_epoch), (1_900_000, 2_000_000));
    assert_eq!(
        (&partition.replica_nodes, &partition.isr_nodes),
        (&vec![-2_100_000], &vec![2_200_000])
    );
    assert_eq!(
        (&partition.offline_replicas, topic.topic_authorized_operations),
        (&vec![2_300_000], 2_500_000)
    );
    assert_eq!(
        (response.cluster_authorized_operations, response.error_code),
        (i32::MIN, ErrorCode(4000))
    );
}

#[test]
fn produced_records_are_a_slice_of_the_frame() {
    let (request, frame) = filled::<ProduceRequest>(13);
    assert_eq!(
        (request.transactional_id.as_deref(), request.acks, request.timeout_ms),
        (Some("é1"), 200, -300_000)
    );
    let partition = &request.topic_data[1].partition_data[0];
    assert_eq!((request.topic_data[1].topic_id, partition.index), (uuid(9), 1_000_000));
    let Some(Records::Bytes(records)) = &partition.records else {
        panic!("records are read as bytes")
    };
    assert_eq!(records[..], [11; 20]);
    assert!(frame.as_ptr_range().contains(&records.as_ptr()), "they were copied");
}

#[test]
fn partition_record() {
    let (record, _) = filled::<PartitionRecord>(2);
    let expected = PartitionRecord {
        partition_id: 100_000,
        topic_id: uuid(2),
        replicas: vec![-300_000, 400_000],
        isr: vec![500_000, -600_000],
        removing_replicas: vec![700_000, 800_000],
        adding_replicas: vec![-900_000, 1_000_000],
        leader: 1_100_000,
        leader_recovery_state: 16,
        leader_epoch: -1_200_000,
        partition_epoch: 1_300_000,
        directories: vec![uuid(14), uuid(15)],
        eligible_leader_replicas: Some(vec![1_700_000, -1_800_000]),
        last_known_elr: Some(vec![1_900_000, 2_000_000]),
        unknown_tagged_fields: tags(21),
    };
    assert_eq!(record, expected);
}

#[test]
fn coordinator_records() {
    let (value, _) = filled::<OffsetCommitValue>(4);
    assert_eq!(
        (value.offset, value.leader_epoch, value.metadata.as_str()),
        (10_000_000_000, 200_000, "é3")
    );
    assert_eq!(
        (value.commit_timestamp, value.expire_timestamp, value.topic_id),
        (40_000_000_000, -1, uuid(5))
    );

    let (value, _) = filled::<ConsumerGroupMemberMetadataValue>(0);
    assert_eq!(value.subscribed_topic_names, ["é5", "é6"]);
    let classic = value.classic_member_metadata.expect("is set");
    let protocol = member::ClassicProtocol {
        name: "é11".into(),
        metadata: Bytes::from_static(&[12, 255]),
        unknown_tagged_fields: tags(13),
    };
    assert_eq!(
        (classic.session_timeout_ms, classic.supported_protocols),
        (1_000_000, vec![protocol])
    );
}

#[test]
fn embedded_and_control_records() {
    let (subscription, _) = filled::<ConsumerProtocolSubscription>(3);
    assert_eq!(
        (subscription.topics, subscription.user_data),
        (vec!["é1".into(), "é2".into()], Some(Bytes::from_static(&[3, 254])))
    );
    assert_eq!(
        (
            subscription.owned_partitions[1].topic.as_str(),
            &subscription.owned_partitions[1].partitions
        ),
        ("é6", &vec![700_000])
    );
    assert_eq!(
        (subscription.generation_id, subscription.rack_id.as_deref()),
        (800_000, Some("é9"))
    );

    let (change, _) = filled::<LeaderChangeMessage>(1);
    assert_eq!((change.version, change.leader_id), (100, 200_000));
    assert_eq!(
        (change.voters[1].voter_id, change.voters[1].voter_directory_id),
        (-600_000, uuid(7))
    );
    assert_eq!(change.granting_voters[0].voter_id, -900_000);
}
