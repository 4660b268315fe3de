//! The `.snapshot` file: all producers as of the offset in its name (version 1).
//!
//! `version i16, crc u32 of what follows, count i32`, then per producer its id, epoch, and its last batch.
use klamm_records::crc32c;

use super::{BatchMetadata, Producer, Producers};

const VERSION: i16 = 1;
const HEADER: usize = 2 + 4;
const ENTRY: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// The content of the snapshot file.
pub(crate) fn encode_snapshot(producers: &Producers) -> Vec<u8> {
    let entries = producers.iter();
    let mut body = Vec::with_capacity(4 + entries.len() * ENTRY);
    body.extend_from_slice(&(entries.len() as i32).to_be_bytes());
    for (id, producer) in entries {
        let last = producer.batches.back();
        body.extend_from_slice(&id.to_be_bytes());
        body.extend_from_slice(&producer.epoch.to_be_bytes());
        body.extend_from_slice(&producer.last_sequence().to_be_bytes());
        body.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        body.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        body.extend_from_slice(&producer.last_timestamp.to_be_bytes());
        body.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
        body.extend_from_slice(&producer.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&crc32c(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The producers in a snapshot file; `None` if it is torn, damaged or of an unknown version.
pub(crate) fn decode_snapshot(bytes: &[u8], end_offset: i64) -> Option<Producers> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (crc, body) = rest.split_first_chunk()?;
    if i16::from_be_bytes(*version) != VERSION || u32::from_be_bytes(*crc) != crc32c(body) {
        return None;
    }
    let (count, entries) = body.split_first_chunk()?;
    if entries.len() != usize::try_from(i32::from_be_bytes(*count)).ok()?.checked_mul(ENTRY)? {
        return None;
    }
    let mut producers = Producers::new(end_offset);
    for entry in entries.chunks_exact(ENTRY) {
        let (id, producer) = decode_entry(entry)?;
        producers.insert(id, producer);
    }
    Some(producers)
}

fn decode_entry(mut rest: &[u8]) -> Option<(i64, Producer)> {
    fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (taken, left) = rest.split_first_chunk()?;
        *rest = left;
        Some(*taken)
    }
    let id = i64::from_be_bytes(take(&mut rest)?);
    let epoch = i16::from_be_bytes(take(&mut rest)?);
    let last_sequence = i32::from_be_bytes(take(&mut rest)?);
    let last_offset = i64::from_be_bytes(take(&mut rest)?);
    let offset_delta = i32::from_be_bytes(take(&mut rest)?);
    let timestamp = i64::from_be_bytes(take(&mut rest)?);
    let coordinator_epoch = i32::from_be_bytes(take(&mut rest)?);
    let txn_first_offset = i64::from_be_bytes(take(&mut rest)?);
    let batch = BatchMetadata {
        last_sequence,
        last_offset,
        offset_delta,
        timestamp,
    };
    let producer = Producer {
        epoch,
        coordinator_epoch,
        last_timestamp: timestamp,
        current_txn_first_offset: (txn_first_offset >= 0).then_some(txn_first_offset),
        batches: (last_offset >= 0).then_some(batch).into_iter().collect(),
    };
    Some((id, producer))
}
