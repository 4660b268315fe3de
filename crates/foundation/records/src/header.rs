//! The 61 bytes in front of a batch's records.

use crate::attributes::Attributes;
use crate::batch::BatchError;
use crate::sequence::increment_sequence;

/// Bytes of base offset and length, which the length field does not count.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes of a batch without records: the size of the header.
pub const BATCH_OVERHEAD: usize = 61;
/// Magic of the batches that this crate reads and writes.
pub const MAGIC_V2: i8 = 2;
/// "No offset".
pub const NO_OFFSET: i64 = -1;
/// "No timestamp".
pub const NO_TIMESTAMP: i64 = -1;
/// "No producer id": the batch does not come from an idempotent producer.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// "No sequence number".
pub const NO_SEQUENCE: i32 = -1;
/// "No leader epoch": the broker sets it on append.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

/// Length field of the smallest legacy message (magic 0); anything below is corrupt whatever the magic.
const MIN_LENGTH_ANY_MAGIC: i32 = 14;

pub(crate) const BASE_OFFSET_AT: usize = 0;
pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
/// The checksum covers everything from here to the end of the batch.
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
pub(crate) const BASE_SEQUENCE_AT: usize = 53;
pub(crate) const RECORDS_COUNT_AT: usize = 57;

/// Header of a batch, field by field in the order of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record, also if compaction removed that record.
    pub base_offset: i64,
    /// Bytes that follow this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; outside the checksum.
    pub partition_leader_epoch: i32,
    /// Always [`MAGIC_V2`] in a parsed header.
    pub magic: i8,
    /// CRC-32C from the attributes to the end of the batch.
    pub crc: u32,
    /// Compression, timestamp type and flags.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset; kept by compaction.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from; the delete horizon if the attributes say so. Milliseconds.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, or the time of append. Milliseconds.
    pub max_timestamp: i64,
    /// Id of the idempotent producer or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// Epoch of the producer or [`NO_PRODUCER_EPOCH`].
    pub producer_epoch: i16,
    /// Sequence number of the first record or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Records in the batch.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which need not hold the records yet.
    ///
    /// The fields are taken as they are; only what says where the batch ends and whether it is of this format is checked.
    /// [`BatchError::Truncated`] if fewer than [`BATCH_OVERHEAD`] bytes are there.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let batch_length = check_frame(bytes)?;
        let header = bytes.first_chunk::<BATCH_OVERHEAD>().ok_or(BatchError::Truncated {
            needed: LOG_OVERHEAD + batch_length as usize,
            available: bytes.len(),
        })?;
        Ok(Self {
            base_offset: read_i64(header, BASE_OFFSET_AT),
            batch_length,
            partition_leader_epoch: read_i32(header, LEADER_EPOCH_AT),
            magic: header[MAGIC_AT] as i8,
            crc: read_i32(header, CRC_AT) as u32,
            attributes: Attributes(read_i16(header, ATTRIBUTES_AT)),
            last_offset_delta: read_i32(header, LAST_OFFSET_DELTA_AT),
            base_timestamp: read_i64(header, BASE_TIMESTAMP_AT),
            max_timestamp: read_i64(header, MAX_TIMESTAMP_AT),
            producer_id: read_i64(header, PRODUCER_ID_AT),
            producer_epoch: read_i16(header, PRODUCER_EPOCH_AT),
            base_sequence: read_i32(header, BASE_SEQUENCE_AT),
            records_count: read_i32(header, RECORDS_COUNT_AT),
        })
    }

    /// Writes all fields as they are over the first [`BATCH_OVERHEAD`] bytes of `out`, which must be at least that long.
    pub fn write(&self, out: &mut [u8]) {
        let out = &mut out[..BATCH_OVERHEAD];
        out[BASE_OFFSET_AT..][..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[LENGTH_AT..][..4].copy_from_slice(&self.batch_length.to_be_bytes());
        out[LEADER_EPOCH_AT..][..4].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[MAGIC_AT] = self.magic as u8;
        out[CRC_AT..][..4].copy_from_slice(&self.crc.to_be_bytes());
        out[ATTRIBUTES_AT..][..2].copy_from_slice(&self.attributes.0.to_be_bytes());
        out[LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[BASE_TIMESTAMP_AT..][..8].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[MAX_TIMESTAMP_AT..][..8].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[PRODUCER_ID_AT..][..8].copy_from_slice(&self.producer_id.to_be_bytes());
        out[PRODUCER_EPOCH_AT..][..2].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[BASE_SEQUENCE_AT..][..4].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[RECORDS_COUNT_AT..][..4].copy_from_slice(&self.records_count.to_be_bytes());
    }

    /// Bytes of the whole batch, header included.
    #[inline]
    pub fn size_in_bytes(&self) -> usize {
        LOG_OVERHEAD + self.batch_length as usize
    }

    /// Offset of the last record.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset that the record after this batch gets.
    #[inline]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence number of the last record, [`NO_SEQUENCE`] if the first has none.
    #[inline]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            NO_SEQUENCE
        } else {
            increment_sequence(self.base_sequence, self.last_offset_delta)
        }
    }

    /// Whether an idempotent producer sent the batch.
    #[inline]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// When the cleaner may drop the batch's tombstones and markers, milliseconds (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

/// Checks length and magic at the front of `bytes` and returns the length field, at least that of a header.
#[inline]
fn check_frame(bytes: &[u8]) -> Result<i32, BatchError> {
    let truncated = |needed| BatchError::Truncated {
        needed,
        available: bytes.len(),
    };
    if bytes.len() < LOG_OVERHEAD {
        return Err(truncated(LOG_OVERHEAD));
    }
    let batch_length = read_i32(bytes, LENGTH_AT);
    if batch_length < MIN_LENGTH_ANY_MAGIC {
        return Err(BatchError::TooSmall {
            batch_length,
            minimum: MIN_LENGTH_ANY_MAGIC,
        });
    }
    let Some(&magic) = bytes.get(MAGIC_AT) else {
        return Err(truncated(LOG_OVERHEAD + batch_length as usize));
    };
    match magic as i8 {
        MAGIC_V2 => {}
        magic @ (0 | 1) => {
            return Err(BatchError::UnsupportedMagic {
                magic,
                offset: read_i64(bytes, BASE_OFFSET_AT),
                batch_length,
            });
        }
        magic => return Err(BatchError::InvalidMagic { magic }),
    }
    let minimum = (BATCH_OVERHEAD - LOG_OVERHEAD) as i32;
    if batch_length < minimum {
        return Err(BatchError::TooSmall { batch_length, minimum });
    }
    Ok(batch_length)
}

#[inline]
fn read_i16(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
pub(crate) fn read_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn read_i64(bytes: &[u8], at: usize) -> i64 {
    (i64::from(read_i32(bytes, at)) << 32) | i64::from(read_i32(bytes, at + 4) as u32)
}
