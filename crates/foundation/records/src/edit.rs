//! What may be changed in a batch in place: by a broker, or by the producer that sends it once more. Everything else
//! stays as it was built.
//!
//! `batch` is one whole batch, header included. Base offset and leader epoch lie outside the checksum.

use crate::attributes::{Attributes, TimestampType};
use crate::batch::crc32c;
use crate::header::{
    ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_SEQUENCE_AT, BATCH_OVERHEAD, CRC_AT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT,
    MAGIC_AT, MAGIC_V2, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, read_i32,
};

/// Sets the offset of the first record.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    assert_is_batch(batch);
    batch[BASE_OFFSET_AT..][..8].copy_from_slice(&base_offset.to_be_bytes());
}

/// Sets the base offset such that the last record has `last_offset`.
pub fn set_last_offset(batch: &mut [u8], last_offset: i64) {
    assert_is_batch(batch);
    let delta = i64::from(read_i32(batch, LAST_OFFSET_DELTA_AT));
    set_base_offset(batch, last_offset.wrapping_sub(delta));
}

/// Sets the epoch of the leader that appends the batch.
pub fn set_partition_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    assert_is_batch(batch);
    batch[LEADER_EPOCH_AT..][..4].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Gives every record the time of append, in milliseconds: timestamp type, max timestamp and checksum change.
pub fn set_log_append_time(batch: &mut [u8], timestamp: i64) {
    set_max_timestamp(batch, TimestampType::LogAppendTime, timestamp);
}

/// Sets timestamp type and max timestamp, in milliseconds, and the checksum if that changed anything.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, max_timestamp: i64) {
    assert_is_batch(batch);
    let old = Attributes(i16::from_be_bytes([batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]]));
    let new = old.with_timestamp_type(timestamp_type).0.to_be_bytes();
    let max_timestamp = max_timestamp.to_be_bytes();
    if batch[ATTRIBUTES_AT..][..2] == new && batch[MAX_TIMESTAMP_AT..][..8] == max_timestamp {
        return;
    }
    batch[ATTRIBUTES_AT..][..2].copy_from_slice(&new);
    batch[MAX_TIMESTAMP_AT..][..8].copy_from_slice(&max_timestamp);
    seal(batch);
}

/// Gives the batch another producer id, epoch and first sequence number, and the checksum to them: for a producer that
/// starts over with its sequence numbers before it sends the batch again (KIP-360).
pub fn set_producer(batch: &mut [u8], producer_id: i64, producer_epoch: i16, base_sequence: i32) {
    assert_is_batch(batch);
    batch[PRODUCER_ID_AT..][..8].copy_from_slice(&producer_id.to_be_bytes());
    batch[PRODUCER_EPOCH_AT..][..2].copy_from_slice(&producer_epoch.to_be_bytes());
    batch[BASE_SEQUENCE_AT..][..4].copy_from_slice(&base_sequence.to_be_bytes());
    seal(batch);
}

/// Computes the checksum and writes it into the header.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..][..4].copy_from_slice(&crc.to_be_bytes());
}

fn assert_is_batch(batch: &[u8]) {
    assert!(
        batch.len() >= BATCH_OVERHEAD && batch[MAGIC_AT] == MAGIC_V2 as u8,
        "only a parsed batch is edited in place"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, BatchBuilder, Compression};

    #[test]
    fn another_producer_makes_the_batch_that_it_would_have_built() {
        let build = |id, epoch, sequence| {
            let mut builder = BatchBuilder::new(Compression::Lz4)
                .capacity(500)
                .producer(id, epoch, sequence);
            builder.push(7, Some(b"k"), Some(b"v"), &[]).unwrap();
            builder.build().to_vec()
        };
        let mut batch = build(1, 2, 3);
        set_producer(&mut batch, i64::MAX, i16::MAX, i32::MAX);
        assert_eq!(batch, build(i64::MAX, i16::MAX, i32::MAX));
        Batch::parse(&batch).unwrap().verify_crc().unwrap();
    }
}
