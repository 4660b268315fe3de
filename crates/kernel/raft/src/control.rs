//! Control batches to bytes and back.

use bytes::Bytes;
use klamm_protocol::data::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
    leader_change_message, voters_record,
};
use klamm_protocol::{DecodeError, Message, Reader, Writer};
use klamm_records::{
    BatchBuilder, BatchError, BatchHeader, Compression, ControlKeyError, ControlRecordType, RecordsError, Scratch,
    batches,
};

use crate::{Batch, ControlRecord, Endpoint, LeaderChange, ReplicaKey, VoterNode, VoterSet};

/// Version of all control records that are written; each schema has this one only, or Kafka writes no later one.
const VERSION: i16 = 0;

/// Most bytes that a compressed control batch may have uncompressed.
const MAX_CONTROL_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What is wrong with bytes that should be batches of the metadata log.
#[derive(Debug, thiserror::Error)]
pub enum BatchFault {
    /// Not a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A control batch with unreadable records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A control record without a proper key.
    #[error(transparent)]
    Key(#[from] ControlKeyError),
    /// A control record with an unreadable value.
    #[error("a control record is unreadable: {0}")]
    Value(#[from] DecodeError),
}

/// Splits bytes of the log, or of a snapshot, into batches; checks each and reads the control records.
///
/// # Errors
/// [`BatchFault`] names the first thing that is wrong.
pub fn parse_batches(bytes: &Bytes) -> Result<Vec<Batch>, BatchFault> {
    let mut scratch = Scratch::new();
    let mut parsed = Vec::new();
    for batch in batches(bytes) {
        let batch = batch?;
        batch.verify_crc()?;
        let BatchHeader {
            base_offset,
            partition_leader_epoch,
            ..
        } = batch.header;
        let mut control = Vec::new();
        if batch.header.attributes.is_control() {
            for record in batch.records(&mut scratch, MAX_CONTROL_BATCH_BYTES)? {
                let record = record?;
                control.push(decode(
                    ControlRecordType::parse(record.key)?,
                    record.value.unwrap_or_default(),
                )?);
            }
        }
        parsed.push(Batch {
            base_offset,
            last_offset: batch.header.last_offset(),
            epoch: partition_leader_epoch,
            control,
            bytes: bytes.slice_ref(batch.bytes),
        });
    }
    Ok(parsed)
}

/// Builds a control batch. `records` must not be empty.
pub fn encode_control_batch(base_offset: i64, epoch: i32, now_ms: i64, records: Vec<ControlRecord>) -> Batch {
    let mut builder = BatchBuilder::new(Compression::None)
        .base_offset(base_offset)
        .partition_leader_epoch(epoch)
        .control();
    let mut last_offset = base_offset;
    for record in &records {
        let (record_type, value) = encode(record);
        last_offset = builder
            .push_control(now_ms, record_type, &value)
            .expect("a few records fit into 2 GiB");
    }
    Batch {
        base_offset,
        last_offset,
        epoch,
        control: records,
        bytes: builder.build(),
    }
}

/// The records that a snapshot begins with: the header and, in a dynamic quorum, kraft.version and the voters if known.
pub fn snapshot_header(
    last_contained_log_timestamp: i64,
    kraft_version: i16,
    voters: Option<VoterSet>,
) -> Vec<ControlRecord> {
    let mut records = vec![ControlRecord::SnapshotHeader {
        last_contained_log_timestamp,
    }];
    if kraft_version > 0 {
        records.push(ControlRecord::KRaftVersion(kraft_version));
        records.extend(voters.map(ControlRecord::Voters));
    }
    records
}

fn encode(record: &ControlRecord) -> (ControlRecordType, Bytes) {
    match record {
        ControlRecord::LeaderChange(change) => (
            ControlRecordType::LeaderChange,
            bytes_of(&leader_change_message(change)),
        ),
        ControlRecord::KRaftVersion(level) => {
            let record = KRaftVersionRecord {
                version: VERSION,
                k_raft_version: *level,
                ..Default::default()
            };
            (ControlRecordType::KRaftVersion, bytes_of(&record))
        }
        ControlRecord::Voters(voters) => (ControlRecordType::KRaftVoters, bytes_of(&voters_record(voters))),
        ControlRecord::SnapshotHeader {
            last_contained_log_timestamp,
        } => {
            let last_contained_log_timestamp = *last_contained_log_timestamp;
            let record = SnapshotHeaderRecord {
                version: VERSION,
                last_contained_log_timestamp,
                ..Default::default()
            };
            (ControlRecordType::SnapshotHeader, bytes_of(&record))
        }
        ControlRecord::SnapshotFooter => {
            let record = SnapshotFooterRecord {
                version: VERSION,
                ..Default::default()
            };
            (ControlRecordType::SnapshotFooter, bytes_of(&record))
        }
        ControlRecord::Unknown => unreachable!("nothing unknown is written"),
    }
}

fn bytes_of(message: &impl Message) -> Bytes {
    let mut writer = Writer::new();
    message
        .encode(&mut writer, VERSION)
        .expect("control records have no field that their version lacks");
    writer.into_bytes()
}

fn decode(record_type: Option<ControlRecordType>, value: &[u8]) -> Result<ControlRecord, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value));
    Ok(match record_type {
        Some(ControlRecordType::LeaderChange) => {
            let message = LeaderChangeMessage::decode(&mut reader, VERSION)?;
            let ids = |voters: &[leader_change_message::Voter]| voters.iter().map(|voter| voter.voter_id).collect();
            ControlRecord::LeaderChange(LeaderChange {
                leader_id: message.leader_id,
                voters: ids(&message.voters),
                granting_voters: ids(&message.granting_voters),
            })
        }
        Some(ControlRecordType::KRaftVersion) => {
            ControlRecord::KRaftVersion(KRaftVersionRecord::decode(&mut reader, VERSION)?.k_raft_version)
        }
        Some(ControlRecordType::KRaftVoters) => {
            let record = VotersRecord::decode(&mut reader, VERSION)?;
            ControlRecord::Voters(VoterSet::new(record.voters.into_iter().map(voter_node)))
        }
        Some(ControlRecordType::SnapshotHeader) => {
            let record = SnapshotHeaderRecord::decode(&mut reader, VERSION)?;
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp: record.last_contained_log_timestamp,
            }
        }
        Some(ControlRecordType::SnapshotFooter) => ControlRecord::SnapshotFooter,
        Some(ControlRecordType::Abort | ControlRecordType::Commit) | None => ControlRecord::Unknown,
    })
}

fn leader_change_message(change: &LeaderChange) -> LeaderChangeMessage {
    let voters = |ids: &[i32]| {
        let voter = |id: &i32| leader_change_message::Voter {
            voter_id: *id,
            ..Default::default()
        };
        ids.iter().map(voter).collect()
    };
    LeaderChangeMessage {
        version: VERSION,
        leader_id: change.leader_id,
        voters: voters(&change.voters),
        granting_voters: voters(&change.granting_voters),
        ..Default::default()
    }
}

fn voters_record(voters: &VoterSet) -> VotersRecord {
    let endpoint = |(name, endpoint): (&String, &Endpoint)| voters_record::Endpoint {
        name: name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        ..Default::default()
    };
    let voter = |voter: &VoterNode| voters_record::Voter {
        voter_id: voter.key.id,
        voter_directory_id: voter.key.directory_id_or_zero(),
        endpoints: voter.listeners.iter().map(endpoint).collect(),
        k_raft_version_feature: voters_record::KRaftVersionFeature {
            min_supported_version: voter.min_kraft_version,
            max_supported_version: voter.max_kraft_version,
            ..Default::default()
        },
        ..Default::default()
    };
    VotersRecord {
        version: VERSION,
        voters: voters.voters().map(voter).collect(),
        ..Default::default()
    }
}

fn voter_node(voter: voters_record::Voter) -> VoterNode {
    let endpoint = |endpoint: voters_record::Endpoint| {
        (
            endpoint.name,
            Endpoint {
                host: endpoint.host,
                port: endpoint.port,
            },
        )
    };
    VoterNode {
        key: ReplicaKey::of(voter.voter_id, voter.voter_directory_id),
        listeners: voter.endpoints.into_iter().map(endpoint).collect(),
        min_kraft_version: voter.k_raft_version_feature.min_supported_version,
        max_kraft_version: voter.k_raft_version_feature.max_supported_version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_batch_comes_back_from_its_bytes() {
        let voters = VoterSet::new([VoterNode {
            key: ReplicaKey {
                id: 1,
                directory_id: Some(crate::Uuid::from_u128(7)),
            },
            listeners: [(
                "CONTROLLER".to_owned(),
                Endpoint {
                    host: "127.0.0.1".to_owned(),
                    port: 19093,
                },
            )]
            .into(),
            min_kraft_version: 0,
            max_kraft_version: 1,
        }]);
        let change = LeaderChange {
            leader_id: 1,
            voters: vec![1],
            granting_voters: vec![1],
        };
        let records = vec![
            ControlRecord::LeaderChange(change),
            ControlRecord::KRaftVersion(1),
            ControlRecord::Voters(voters.clone()),
        ];
        let batch = encode_control_batch(0, 1, 1_700_000_000_000, records);
        // Kafka's dump of the same three records, in the metadata log that 4.3 wrote, says so.
        assert_eq!(batch.bytes.len(), 174);
        assert_eq!(parse_batches(&batch.bytes).unwrap(), [batch]);

        let snapshot = encode_control_batch(
            0,
            0,
            1_700_000_000_000,
            snapshot_header(1_700_000_000_000, 1, Some(voters)),
        );
        assert_eq!(snapshot.bytes.len(), 166);
        assert_eq!(parse_batches(&snapshot.bytes).unwrap(), std::slice::from_ref(&snapshot));
        for cut in 1..snapshot.bytes.len() {
            assert!(parse_batches(&snapshot.bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
        assert_eq!(
            encode_control_batch(3, 0, 0, vec![ControlRecord::SnapshotFooter])
                .bytes
                .len(),
            75
        );
    }

    #[test]
    fn a_static_quorum_keeps_no_voters_in_snapshots() {
        assert_eq!(
            snapshot_header(5, 0, None),
            [ControlRecord::SnapshotHeader {
                last_contained_log_timestamp: 5
            }]
        );
    }
}
