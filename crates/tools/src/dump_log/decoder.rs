//! How keys and values of records are shown.

use bytes::Bytes;
use klamm_protocol::Reader;
use klamm_protocol::remote_log::{
    RemoteLogSegmentMetadataRecord, RemoteLogSegmentMetadataUpdateRecord, RemotePartitionDeleteMetadataRecord,
};
use klamm_records::RecordRef;

use crate::output::Failure;
use crate::record_schemas::{
    OFFSETS, RecordType, SHARE_STATE, TRANSACTIONS, Unreadable, decode, expand_group_metadata, metadata_record, unframe,
};
use crate::spec::Matches;

/// What the command line chose.
pub(super) enum Decoder {
    Plain { key: Class, value: Class },
    Coordinator(&'static [RecordType]),
    Offsets,
    ClusterMetadata,
    RemoteLogMetadata,
}

/// A decoder of Kafka's own for keys or values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Class {
    Text,
    Int,
    Long,
    Hex,
}

/// The flags that choose a decoder and imply that contents are printed.
pub(super) const FLAGS: [&str; 5] = [
    "offsets-decoder",
    "transaction-log-decoder",
    "cluster-metadata-decoder",
    "remote-log-metadata-decoder",
    "share-group-state-decoder",
];

impl Decoder {
    pub(super) fn chosen(args: &Matches) -> Result<Decoder, Failure> {
        Ok(match FLAGS.into_iter().find(|flag| args.has(flag)) {
            Some("offsets-decoder") => Decoder::Offsets,
            Some("transaction-log-decoder") => Decoder::Coordinator(TRANSACTIONS),
            Some("cluster-metadata-decoder") => Decoder::ClusterMetadata,
            Some("remote-log-metadata-decoder") => Decoder::RemoteLogMetadata,
            Some(_) => Decoder::Coordinator(SHARE_STATE),
            None => Decoder::Plain {
                value: Class::chosen(args, "value-decoder-class")?,
                key: Class::chosen(args, "key-decoder-class")?,
            },
        })
    }

    /// Key and value as they are shown; `None` where there is nothing to show.
    pub(super) fn decode(&self, record: &RecordRef<'_>) -> Result<(Option<String>, Option<String>), Failure> {
        Ok(match self {
            Decoder::Plain { key, value } => {
                let shown = |class: Class, bytes: Option<&[u8]>| bytes.map(|bytes| class.show(bytes)).transpose();
                let fail = |size| too_short(size, record.offset);
                (
                    shown(*key, record.key).map_err(fail)?,
                    shown(*value, record.value).map_err(fail)?,
                )
            }
            Decoder::Coordinator(types) => coordinator_record(types, record, false)?,
            Decoder::Offsets => coordinator_record(OFFSETS, record, true)?,
            Decoder::ClusterMetadata => {
                let shown = metadata_record(record.value.unwrap_or_default());
                (
                    None,
                    Some(shown.unwrap_or_else(|error| format!("Error at {}, skipping. {error}", record.offset))),
                )
            }
            Decoder::RemoteLogMetadata => {
                let shown = remote_log_record(record.value.unwrap_or_default());
                let shown =
                    shown.unwrap_or_else(|error| format!("Error at offset {}, skipping. {error}", record.offset));
                (None, Some(shown))
            }
        })
    }
}

impl Class {
    fn chosen(args: &Matches, flag: &str) -> Result<Class, Failure> {
        let name = args.get(flag).unwrap_or_default();
        Class::named(name).ok_or_else(|| {
            Failure::own(format!("Failed to load decoder class: `{name}`"))
                .origin(format!("`--{flag}` on the command line"))
                .hint("classes cannot be loaded here: there are string, integer, long and default (hexadecimal), also by the names of Kafka's classes")
        })
    }

    /// By Kafka's class, or in short.
    fn named(name: &str) -> Option<Class> {
        let simple = name.strip_prefix("org.apache.kafka.tools.api.").unwrap_or(name);
        Some(match simple {
            "StringDecoder" | "string" => Class::Text,
            "IntegerDecoder" | "integer" => Class::Int,
            "LongDecoder" | "long" => Class::Long,
            "DefaultDecoder" | "default" => Class::Hex,
            _ => return None,
        })
    }

    /// Numbers are read off the front, as Kafka's decoders do. The error is how many bytes a number needs.
    fn show(self, bytes: &[u8]) -> Result<String, usize> {
        match self {
            Class::Text => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Class::Int => {
                let number = bytes.first_chunk().ok_or(4_usize)?;
                Ok(i32::from_be_bytes(*number).to_string())
            }
            Class::Long => {
                let number = bytes.first_chunk().ok_or(8_usize)?;
                Ok(i64::from_be_bytes(*number).to_string())
            }
            Class::Hex => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

fn too_short(needed: usize, offset: i64) -> Failure {
    Failure::own(format!(
        "the record at offset {offset} can't be decoded: a number of {needed} bytes is expected where fewer are"
    ))
    .hint("choose another `--key-decoder-class` or `--value-decoder-class`")
}

fn coordinator_record(
    types: &[RecordType],
    record: &RecordRef<'_>,
    is_offsets: bool,
) -> Result<(Option<String>, Option<String>), Failure> {
    let offset = record.offset;
    let Some(key) = record.key else {
        return Err(Failure::own(format!(
            "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
        ))
        .hint("is this a file of the topic that the decoder is for?"));
    };
    Ok(match decode(types, key, record.value) {
        Ok(((id, key), value)) => {
            let value = value.map_or("<DELETE>".to_owned(), |(version, mut value)| {
                if is_offsets && id == 2 {
                    expand_group_metadata(&mut value);
                }
                format!("{{\"version\":\"{version}\",\"data\":{value}}}")
            });
            (Some(format!("{{\"type\":\"{id}\",\"data\":{key}}}")), Some(value))
        }
        Err(Unreadable::UnknownType(id)) => {
            let text = format!("Unknown record type {id} at offset {offset}, skipping.");
            (Some(text), None)
        }
        Err(Unreadable::Damaged(error)) => {
            let text = format!("Error at offset {offset}, skipping. {error}");
            (Some(text), None)
        }
    })
}

/// A record of `__remote_log_metadata`, as Java's classes show themselves.
fn remote_log_record(bytes: &[u8]) -> Result<String, String> {
    let (id, version, mut r) = unframe(bytes)?;
    match id {
        0 => read(&mut r, version).map(|record| segment(&record)),
        1 => read(&mut r, version).map(|record| segment_update(&record)),
        2 => read(&mut r, version).map(|record| partition_delete(&record)),
        _ => Err(format!("Unknown metadata id {id}")),
    }
}

fn read<M: klamm_protocol::Message>(r: &mut Reader, version: i16) -> Result<M, String> {
    M::decode(r, version).map_err(|error| error.to_string())
}

fn segment(record: &RemoteLogSegmentMetadataRecord) -> String {
    let id = &record.remote_log_segment_id;
    let topic = &id.topic_id_partition;
    let epochs = record.segment_leader_epochs.iter();
    let epochs: Vec<String> = epochs
        .map(|epoch| format!("{}={}", epoch.leader_epoch, epoch.offset))
        .collect();
    format!(
        "RemoteLogSegmentMetadata{{remoteLogSegmentId=RemoteLogSegmentId{{topicIdPartition={}:{}-{}, id={}}}, startOffset={}, \
         endOffset={}, brokerId={}, maxTimestampMs={}, eventTimestampMs={}, segmentLeaderEpochs={{{}}}, segmentSizeInBytes={}, \
         customMetadata={}, state={}, txnIdxEmpty={}}}",
        topic.id,
        topic.name,
        topic.partition,
        id.id,
        record.start_offset,
        record.end_offset,
        record.broker_id,
        record.max_timestamp_ms,
        record.event_timestamp_ms,
        epochs.join(", "),
        record.segment_size_in_bytes,
        custom_metadata(record.custom_metadata.as_ref()),
        segment_state(record.remote_log_segment_state),
        record.txn_index_empty,
    )
}

fn segment_update(record: &RemoteLogSegmentMetadataUpdateRecord) -> String {
    let id = &record.remote_log_segment_id;
    let topic = &id.topic_id_partition;
    format!(
        "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId=RemoteLogSegmentId{{topicIdPartition={}:{}-{}, id={}}}, \
         customMetadata={}, state={}, eventTimestampMs={}, brokerId={}}}",
        topic.id,
        topic.name,
        topic.partition,
        id.id,
        custom_metadata(record.custom_metadata.as_ref()),
        segment_state(record.remote_log_segment_state),
        record.event_timestamp_ms,
        record.broker_id,
    )
}

fn partition_delete(record: &RemotePartitionDeleteMetadataRecord) -> String {
    let topic = &record.topic_id_partition;
    let state = match record.remote_partition_delete_state {
        0 => "DELETE_PARTITION_MARKED",
        1 => "DELETE_PARTITION_STARTED",
        2 => "DELETE_PARTITION_FINISHED",
        _ => "null",
    };
    format!(
        "RemotePartitionDeleteMetadata{{topicPartition={}:{}-{}, state={state}, eventTimestampMs={}, brokerId={}}}",
        topic.id, topic.name, topic.partition, record.event_timestamp_ms, record.broker_id,
    )
}

fn custom_metadata(bytes: Option<&Bytes>) -> String {
    bytes.map_or("Optional.empty".to_owned(), |bytes| {
        format!("Optional[CustomMetadata{{{} bytes}}]", bytes.len())
    })
}

fn segment_state(id: i8) -> &'static str {
    match id {
        0 => "COPY_SEGMENT_STARTED",
        1 => "COPY_SEGMENT_FINISHED",
        2 => "DELETE_SEGMENT_STARTED",
        3 => "DELETE_SEGMENT_FINISHED",
        _ => "null",
    }
}
