//! Frames that Kafka's own serializer wrote.

use bytes::Bytes;
use klamm_metadata::{DirectoryId, MetadataRecord, MetadataVersion};
use klamm_protocol::Uuid;
use klamm_protocol::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
use klamm_protocol::metadata::{
    BrokerRegistrationChangeRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
};

const ID: Uuid = Uuid::from_u128(0x0102030405060708090a0b0c0d0e0f10);
const DIRECTORY: Uuid = Uuid::from_u128(0x1112131415161718191a1b1c1d1e1f20);

/// Name, version and frame of each line.
pub(crate) fn frames() -> Vec<(String, i16, Bytes)> {
    let lines = include_str!("../golden/metadata-records.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let [name, version, hex] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let bytes = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            (name.to_owned(), version.parse().unwrap(), bytes.collect())
        })
        .collect()
}

fn decoded(name: &str, version: i16) -> MetadataRecord {
    let frame = frames()
        .into_iter()
        .find(|frame| frame.0 == name && frame.1 == version)
        .unwrap()
        .2;
    MetadataRecord::decode(frame).unwrap()
}

#[test]
fn kafkas_frames_come_back_byte_for_byte() {
    for (name, version, frame) in frames() {
        let record = MetadataRecord::decode(frame.clone()).unwrap();
        assert_eq!(record.name(), name);
        let metadata_version = MetadataVersion::all().find(|v| record.version_at(*v) == version);
        let written = record.encode(metadata_version.unwrap()).unwrap();
        assert_eq!(written, frame, "{name} {version}");
    }
}

#[test]
fn fields_mean_what_kafka_meant() {
    let register = RegisterBrokerRecord {
        broker_id: 5,
        incarnation_id: ID,
        broker_epoch: 77,
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".to_owned(),
            host: "host".to_owned(),
            port: 59_092,
            ..BrokerEndpoint::default()
        }],
        features: vec![BrokerFeature {
            name: "metadata.version".to_owned(),
            min_supported_version: 7,
            max_supported_version: 33,
            ..BrokerFeature::default()
        }],
        rack: Some("rack-a".to_owned()),
        fenced: false,
        in_controlled_shutdown: true,
        log_dirs: vec![DIRECTORY],
        cordoned_log_dirs: Some(Vec::new()),
        ..RegisterBrokerRecord::default()
    };
    assert_eq!(decoded("RegisterBrokerRecord", 4), register.into());
    let partition = PartitionRecord {
        partition_id: 3,
        topic_id: ID,
        replicas: vec![1, 2],
        isr: vec![1],
        leader: 1,
        leader_epoch: 4,
        partition_epoch: 9,
        leader_recovery_state: 1,
        directories: vec![DIRECTORY, DirectoryId::UNASSIGNED],
        eligible_leader_replicas: Some(vec![2]),
        ..PartitionRecord::default()
    };
    assert_eq!(decoded("PartitionRecord", 2), partition.into());
    let change = PartitionChangeRecord {
        partition_id: 3,
        topic_id: ID,
        isr: Some(Vec::new()),
        leader: -1,
        eligible_leader_replicas: Some(vec![1]),
        last_known_elr: Some(vec![1]),
        ..PartitionChangeRecord::default()
    };
    assert_eq!(decoded("PartitionChangeRecord", 2), change.into());
    let unfence = BrokerRegistrationChangeRecord {
        broker_id: 5,
        broker_epoch: 77,
        fenced: -1,
        ..BrokerRegistrationChangeRecord::default()
    };
    assert_eq!(decoded("BrokerRegistrationChangeRecord", 0), unfence.into());
}
