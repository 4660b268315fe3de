//! Bytes that are no record, and records that don't fit what came before.

use bytes::Bytes;
use klamm_metadata::{MetadataImage, MetadataRecord, MetadataVersion, RecordDecodeError, ReplayError};
use klamm_protocol::Uuid;
use klamm_protocol::metadata::{
    BrokerRegistrationChangeRecord, FeatureLevelRecord, FenceBrokerRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord, RemoveAccessControlEntryRecord, RemoveTopicRecord, TopicRecord,
};

use crate::golden::frames;

fn decode(bytes: &[u8]) -> RecordDecodeError {
    MetadataRecord::decode(Bytes::copy_from_slice(bytes)).unwrap_err()
}

#[test]
fn frames_are_checked() {
    assert_eq!(decode(&[0, 20, 0, 0]), RecordDecodeError::FrameVersion(0));
    assert_eq!(decode(&[2, 20, 0, 0]), RecordDecodeError::FrameVersion(2));
    assert_eq!(decode(&[1, 6, 0, 0]), RecordDecodeError::UnknownType(6));
    assert_eq!(
        decode(&[1, 20, 1, 0]),
        RecordDecodeError::UnknownVersion {
            record: "NoOpRecord",
            version: 1
        }
    );
    assert_eq!(
        decode(&[1, 20, 0, 0, 9]),
        RecordDecodeError::LeftOver {
            record: "NoOpRecord",
            bytes: 1
        }
    );
    for (name, _, frame) in frames() {
        for end in 0..frame.len() {
            assert!(
                MetadataRecord::decode(frame.slice(..end)).is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn a_record_that_says_too_much_for_its_version_is_not_written() {
    let record = MetadataRecord::from(RegisterBrokerRecord {
        log_dirs: vec![Uuid::from_u128(200)],
        ..RegisterBrokerRecord::default()
    });
    assert!(record.encode(MetadataVersion::MINIMUM).is_err());
    assert!(record.encode(MetadataVersion::LATEST_PRODUCTION).is_ok());
}

#[test]
fn records_must_fit_what_came_before() {
    let (id, other) = (Uuid::from_u128(201), Uuid::from_u128(202));
    let mut image = MetadataImage::empty();
    let topic = |name: &str, topic_id| TopicRecord {
        name: name.to_owned(),
        topic_id,
        ..TopicRecord::default()
    };
    let partition = PartitionRecord {
        topic_id: id,
        partition_id: 0,
        replicas: vec![1, 2],
        ..PartitionRecord::default()
    };
    for record in [
        topic("a", id).into(),
        partition.clone().into(),
        RegisterBrokerRecord {
            broker_id: 1,
            broker_epoch: 5,
            ..RegisterBrokerRecord::default()
        }
        .into(),
    ] {
        image.replay(&record).unwrap();
    }
    let before = image.clone();
    let change = |topic_id, partition_id| PartitionChangeRecord {
        topic_id,
        partition_id,
        ..PartitionChangeRecord::default()
    };
    let broker_change = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 5,
        ..BrokerRegistrationChangeRecord::default()
    };
    let cases: [(MetadataRecord, ReplayError); 12] = [
        (
            topic("a", other).into(),
            ReplayError::DuplicateTopic {
                name: "a".to_owned(),
                id,
            },
        ),
        (
            topic("b", id).into(),
            ReplayError::DuplicateTopic {
                name: "a".to_owned(),
                id,
            },
        ),
        (
            RemoveTopicRecord {
                topic_id: other,
                ..RemoveTopicRecord::default()
            }
            .into(),
            ReplayError::UnknownTopicId(other),
        ),
        (
            PartitionRecord {
                topic_id: other,
                ..partition.clone()
            }
            .into(),
            ReplayError::UnknownTopicId(other),
        ),
        (
            PartitionRecord {
                directories: vec![other],
                ..partition.clone()
            }
            .into(),
            ReplayError::DirectoriesDontMatchReplicas {
                replicas: 2,
                directories: 1,
            },
        ),
        (
            PartitionRecord {
                leader_recovery_state: 7,
                ..partition
            }
            .into(),
            ReplayError::UnknownLeaderRecoveryState(7),
        ),
        (change(other, 0).into(), ReplayError::UnknownTopicId(other)),
        (
            change(id, 1).into(),
            ReplayError::UnknownPartition {
                topic_id: id,
                partition: 1,
            },
        ),
        (
            FenceBrokerRecord {
                id: 1,
                epoch: 6,
                ..FenceBrokerRecord::default()
            }
            .into(),
            ReplayError::BrokerEpoch {
                id: 1,
                registered: 5,
                given: 6,
            },
        ),
        (
            BrokerRegistrationChangeRecord {
                fenced: 3,
                ..broker_change.clone()
            }
            .into(),
            ReplayError::UnknownFencingChange(3),
        ),
        (
            RemoveAccessControlEntryRecord {
                id: other,
                ..RemoveAccessControlEntryRecord::default()
            }
            .into(),
            ReplayError::UnknownAcl(other),
        ),
        (
            FeatureLevelRecord {
                name: "metadata.version".to_owned(),
                feature_level: 99,
                ..FeatureLevelRecord::default()
            }
            .into(),
            ReplayError::UnknownMetadataVersion(99),
        ),
    ];
    for (record, error) in cases {
        assert_eq!(image.replay(&record), Err(error), "{record:?}");
        assert_eq!(image, before, "{record:?}");
    }
    image.replay(&broker_change.into()).unwrap();
    assert_eq!(image, before);
}
