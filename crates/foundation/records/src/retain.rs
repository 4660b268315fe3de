//! Writing a batch again with only some of its records: what compaction does.
//!
//! Base offset, last offset, leader epoch, producer and sequence stay, so that offsets and producers' states are the same
//! before and after. The checksum is not verified here.

use crate::attributes::TimestampType;
use crate::batch::Batch;
use crate::compression::{Codec, Compression, DecompressError, Scratch, compress_with};
use crate::edit::seal;
use crate::header::{BATCH_OVERHEAD, BatchHeader, LOG_OVERHEAD, NO_TIMESTAMP};
use crate::record::{RecordKey, RecordKeys, RecordsError};
use crate::varint::{size_of_varint, size_of_varlong, write_varint, write_varlong};

/// Most bytes that the records of one batch may take: its length field has 31 bits.
const MAX_RECORDS_SIZE: usize = i32::MAX as usize - (BATCH_OVERHEAD - LOG_OVERHEAD);

/// Most records that [`retain_records`] asks for at once.
pub const RECORDS_AT_ONCE: usize = 32;

/// What became of a batch's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Records in the batch.
    pub read: usize,
    /// Records that stay. With none, nothing was written.
    pub kept: usize,
}

/// Appends to `out` the batch with those records that `keep` says, compressed as it was, if there are any.
///
/// `keep` is asked for some records in a row at a time, so that it can look all of them up together: bit `i` of its answer
/// says whether the `i`-th of them stays. `delete_horizon` is asked for the batch's horizon (KIP-534), given whether a record
/// without value stays. A batch that keeps all records and its horizon is written byte for byte. Fails, and leaves `out` as
/// it was, if the batch cannot be read or would grow beyond the format's limit.
///
/// `records` are the batch's, none of them read yet: whoever has to look at all before the first answer reads them twice,
/// and decompresses them once.
pub fn retain_records(
    batch: &Batch<'_>,
    records: RecordKeys<'_>,
    scratch: &mut Scratch,
    keep: impl FnMut(&[RecordKey<'_>]) -> u32,
    delete_horizon: impl FnOnce(bool) -> Option<i64>,
    out: &mut Vec<u8>,
) -> Result<Retained, RecordsError> {
    let header = &batch.header;
    let compression = header.attributes.compression()?;
    let Scratch {
        contexts,
        kept: runs,
        rewritten,
        ..
    } = scratch;
    let bytes = records.rest();
    let chosen = choose(records, keep, runs)?;
    if chosen.retained.kept == 0 {
        return Ok(chosen.retained);
    }
    let horizon = delete_horizon(chosen.tombstones);
    if chosen.retained.kept == chosen.retained.read && horizon == header.delete_horizon_ms() {
        out.extend_from_slice(batch.bytes);
        return Ok(chosen.retained);
    }
    let new = BatchHeader {
        attributes: header.attributes.with_delete_horizon(horizon.is_some()),
        base_timestamp: horizon.unwrap_or(chosen.first_timestamp),
        max_timestamp: chosen.max_timestamp,
        records_count: chosen.retained.kept as i32,
        ..*header
    };
    let start = out.len();
    out.resize(start + BATCH_OVERHEAD, 0);
    let written = match compression {
        Compression::None => copy(header, &new, bytes, runs, out),
        _ => {
            rewritten.clear();
            copy(header, &new, bytes, runs, rewritten)
                .map(|()| compress_with(Codec::from(compression), rewritten, contexts, out))
        }
    };
    let too_large = DecompressError::TooLarge {
        compression,
        limit: MAX_RECORDS_SIZE,
    };
    let fits = out.len() - start - BATCH_OVERHEAD <= MAX_RECORDS_SIZE;
    if let Err(error) = written.and(if fits { Ok(()) } else { Err(too_large.into()) }) {
        out.truncate(start);
        return Err(error);
    }
    close(new, &mut out[start..]);
    Ok(chosen.retained)
}

/// Appends to `out` the batch without records and codec, which keeps its offsets and its producer's last sequence known.
pub fn write_empty(header: &BatchHeader, out: &mut Vec<u8>) {
    let attributes = header.attributes.with_compression(Compression::None);
    let empty = BatchHeader {
        attributes: attributes.with_delete_horizon(false),
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..*header
    };
    let start = out.len();
    out.resize(start + BATCH_OVERHEAD, 0);
    close(empty, &mut out[start..]);
}

/// Writes the header over the front of a whole batch, with right length and checksum.
fn close(mut header: BatchHeader, batch: &mut [u8]) {
    header.batch_length = (batch.len() - LOG_OVERHEAD) as i32;
    header.write(batch);
    seal(batch);
}

/// The records that stay, all together.
struct Chosen {
    retained: Retained,
    tombstones: bool,
    first_timestamp: i64,
    max_timestamp: i64,
}

impl Chosen {
    fn add(&mut self, record: &RecordKey<'_>) {
        if self.retained.kept == 0 {
            self.first_timestamp = record.timestamp;
        }
        self.retained.kept += 1;
        self.tombstones |= !record.has_value;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
    }
}

/// Asks for each record, and notes where those that stay lie: as runs of records without one between them that goes.
fn choose(
    mut keys: RecordKeys<'_>,
    mut keep: impl FnMut(&[RecordKey<'_>]) -> u32,
    runs: &mut Vec<(usize, usize)>,
) -> Result<Chosen, RecordsError> {
    runs.clear();
    let mut chosen = Chosen {
        retained: Retained::default(),
        tombstones: false,
        first_timestamp: NO_TIMESTAMP,
        max_timestamp: NO_TIMESTAMP,
    };
    let size = keys.rest().len();
    let (mut together, mut ends) = ([RecordKey::default(); RECORDS_AT_ONCE], [0; RECORDS_AT_ONCE]);
    let mut at = 0;
    loop {
        let mut count = 0;
        while count < RECORDS_AT_ONCE
            && let Some(record) = keys.next()
        {
            together[count] = record?;
            ends[count] = size - keys.rest().len();
            count += 1;
        }
        if count == 0 {
            break;
        }
        let stays = keep(&together[..count]);
        chosen.retained.read += count;
        for (bit, (record, end)) in together[..count].iter().zip(ends).enumerate() {
            if stays & 1 << bit != 0 {
                chosen.add(record);
                match runs.last_mut() {
                    Some((_, before)) if *before == at => *before = end,
                    _ => runs.push((at, end)),
                }
            }
            at = end;
        }
    }
    Ok(chosen)
}

/// Appends the records in `runs`, with timestamps that count from the new base.
fn copy(
    old: &BatchHeader,
    new: &BatchHeader,
    records: &[u8],
    runs: &[(usize, usize)],
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    // With the time of append the deltas mean nothing, and are made to agree with it.
    let create_time = old.attributes.timestamp_type() == TimestampType::CreateTime;
    let same_base = new.base_timestamp == old.base_timestamp;
    if same_base && (create_time || old.attributes.has_delete_horizon()) {
        runs.iter()
            .for_each(|(start, end)| out.extend_from_slice(&records[*start..*end]));
        return Ok(());
    }
    for (start, end) in runs {
        let run = &records[*start..*end];
        let mut keys = RecordKeys::within(old, run);
        while let Some(record) = (!keys.rest().is_empty()).then(|| keys.next()).flatten() {
            let record = record?;
            let offset_delta = (record.offset - old.base_offset) as i32;
            let timestamp_delta = record.timestamp.wrapping_sub(new.base_timestamp);
            let fields = record.fields;
            let size = 1 + size_of_varlong(timestamp_delta) + size_of_varint(offset_delta) + fields.len();
            write_varint(out, size as i32);
            out.push(0);
            write_varlong(out, timestamp_delta);
            write_varint(out, offset_delta);
            out.extend_from_slice(fields);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
