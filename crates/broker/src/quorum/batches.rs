//! Metadata records to record batches and back.

use std::path::Path;

use bytes::Bytes;
use klamm_metadata::{MetadataRecord, MetadataVersion};
use klamm_protocol::EncodeError;
use klamm_raft::Batch;
use klamm_records::{BatchBuilder, Compression, Scratch, batches};

use super::QuorumError;

/// Most bytes of one batch, as Kafka's quorum has it.
pub(super) const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Most records of one batch that may be split, as Kafka's controller has it.
const MAX_RECORDS_PER_BATCH: usize = 10_000;

/// Most bytes that a compressed batch may hold. We write none compressed, but others may have.
const MAX_UNCOMPRESSED_BYTES: usize = 8 * MAX_BATCH_BYTES;

/// Why records can't be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeBatchError {
    #[error("a metadata record cannot be written: {0}")]
    Record(#[from] EncodeError),
    #[error("{records} metadata records that belong together exceed {MAX_BATCH_BYTES} bytes")]
    TooLarge { records: usize },
}

/// Where and when records are written.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) base_offset: i64,
    pub(super) epoch: i32,
    pub(super) now_ms: i64,
}

/// Puts records into batches: into one if they are `atomic`, else into as few as the limits allow.
pub(super) fn encode(
    records: &[MetadataRecord],
    version: MetadataVersion,
    at: Position,
    atomic: bool,
) -> Result<Vec<Batch>, EncodeBatchError> {
    let start = |base_offset| {
        let builder = BatchBuilder::new(Compression::None).max_size(MAX_BATCH_BYTES);
        builder.base_offset(base_offset).partition_leader_epoch(at.epoch)
    };
    let mut built = Vec::new();
    let mut builder = start(at.base_offset);
    for record in records {
        let value = record.encode(version)?;
        let is_full = !builder.is_empty()
            && !atomic
            && (builder.len() >= MAX_RECORDS_PER_BATCH || !builder.has_room_for(at.now_ms, None, Some(&value), &[]));
        if is_full {
            let next_offset = builder.next_offset();
            built.push(finish(std::mem::replace(&mut builder, start(next_offset)), at.epoch));
        }
        let too_large = |_| EncodeBatchError::TooLarge { records: records.len() };
        builder.push(at.now_ms, None, Some(&value), &[]).map_err(too_large)?;
    }
    if !builder.is_empty() {
        built.push(finish(builder, at.epoch));
    }
    Ok(built)
}

fn finish(builder: BatchBuilder, epoch: i32) -> Batch {
    let records = i64::try_from(builder.len()).expect("few enough to lie in memory");
    let last_offset = builder.next_offset() - 1;
    Batch {
        base_offset: last_offset + 1 - records,
        last_offset,
        epoch,
        control: Vec::new(),
        bytes: builder.build(),
    }
}

/// A batch read from the log or a checkpoint. That of control records has no metadata records.
#[derive(Debug)]
pub(super) struct DecodedBatch {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) epoch: i32,
    /// When it was appended.
    pub(super) timestamp_ms: i64,
    /// Size in the log.
    pub(super) bytes: usize,
    pub(super) records: Vec<MetadataRecord>,
}

/// Reads batches and their metadata records. `path` is what errors name.
pub(super) fn decode(bytes: &Bytes, path: &Path) -> Result<Vec<DecodedBatch>, QuorumError> {
    let bad_batch = |fault| QuorumError::Batch {
        path: path.to_owned(),
        fault,
    };
    let bad_record = |error| QuorumError::Record {
        path: path.to_owned(),
        error,
    };
    let mut scratch = Scratch::new();
    let mut decoded = Vec::new();
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| bad_batch(error.into()))?;
        batch.verify_crc().map_err(|error| bad_batch(error.into()))?;
        let mut records = Vec::new();
        if !batch.header.attributes.is_control() {
            let in_batch = batch
                .records(&mut scratch, MAX_UNCOMPRESSED_BYTES)
                .map_err(|error| bad_batch(error.into()))?;
            for record in in_batch {
                let record = record.map_err(|error| bad_batch(error.into()))?;
                let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
                records.push(MetadataRecord::decode(value).map_err(bad_record)?);
            }
        }
        decoded.push(DecodedBatch {
            base_offset: batch.header.base_offset,
            last_offset: batch.header.last_offset(),
            epoch: batch.header.partition_leader_epoch,
            timestamp_ms: batch.header.max_timestamp,
            bytes: batch.bytes.len(),
            records,
        });
    }
    Ok(decoded)
}
