//! Writing batches.

use bytes::Bytes;
use thiserror::Error;

use crate::attributes::{Attributes, TimestampType};
use crate::compression::{Codec, Compression, Scratch, compress};
use crate::control::ControlRecordType;
use crate::edit::seal;
use crate::header::{
    BATCH_OVERHEAD, BatchHeader, LOG_OVERHEAD, MAGIC_V2, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID,
    NO_SEQUENCE, NO_TIMESTAMP,
};
use crate::record::Header;
use crate::varint::{size_of_varint, size_of_varlong, write_varint, write_varlong};

/// Attributes of a record; none has a meaning yet.
const RECORD_ATTRIBUTES: u8 = 0;

/// The record does not fit into the batch, which is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the batch would have {size} bytes, at most {limit} are allowed")]
pub struct BatchFull {
    /// Bytes of the batch with the record, uncompressed.
    pub size: usize,
    /// Bytes allowed.
    pub limit: usize,
}

/// Collects records and makes one batch of them. Offsets count up from the base offset unless given.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    header: BatchHeader,
    limit: usize,
    log_append_time: Option<i64>,
    /// Room for the header, then the records.
    buffer: Vec<u8>,
}

impl BatchBuilder {
    /// A batch with this codec at its default level (`Compression`) or at another (`Codec`). Until said otherwise: base
    /// offset 0, no leader epoch, no producer, timestamps as given, no limit but the format's.
    pub fn new(codec: impl Into<Codec>) -> Self {
        let codec = codec.into();
        Self {
            codec,
            header: BatchHeader {
                base_offset: 0,
                batch_length: 0,
                partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
                magic: MAGIC_V2,
                crc: 0,
                attributes: Attributes::default().with_compression(codec.compression()),
                last_offset_delta: -1,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                base_sequence: NO_SEQUENCE,
                records_count: 0,
            },
            limit: i32::MAX as usize,
            log_append_time: None,
            buffer: vec![0; BATCH_OVERHEAD],
        }
    }

    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.header.base_offset = base_offset;
        self
    }

    /// Epoch of the leader that appends the batch.
    #[must_use]
    pub fn partition_leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Gives all records the time of append, milliseconds.
    #[must_use]
    pub fn log_append_time(mut self, timestamp: i64) -> Self {
        self.header.attributes = self.header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.log_append_time = Some(timestamp);
        self
    }

    /// Id and epoch of an idempotent producer, and the sequence number of its first record here (KIP-98).
    #[must_use]
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// Makes the batch one of control records; see [`push_control`](Self::push_control).
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_control(true);
        self
    }

    /// When the cleaner may drop tombstones, milliseconds (KIP-534). Set it before the first record.
    #[must_use]
    pub fn delete_horizon_ms(mut self, delete_horizon_ms: i64) -> Self {
        assert!(
            self.is_empty(),
            "the delete horizon takes the place of the base timestamp"
        );
        self.header.attributes = self.header.attributes.with_delete_horizon(true);
        self.header.base_timestamp = delete_horizon_ms;
        self
    }

    /// Most bytes that the batch may have, header included, before compression.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.limit = bytes.min(i32::MAX as usize);
        self
    }

    /// Asks for memory for a batch of so many bytes at once, header included, instead of bit by bit.
    #[must_use]
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.buffer.reserve_exact(bytes.saturating_sub(self.buffer.len()));
        self
    }

    /// Adds a record at the next offset and returns that offset. `timestamp` is in milliseconds, or -1.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<i64, BatchFull> {
        let offset = self.next_offset();
        self.push_at(offset, timestamp, key, value, headers)?;
        Ok(offset)
    }

    /// Adds a record at `offset`, which must lie beyond the last record's and at most `i32::MAX` beyond the base offset.
    pub fn push_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BatchFull> {
        assert!(
            offset >= self.next_offset(),
            "offset {offset} does not follow {}",
            self.next_offset() - 1
        );
        assert!(timestamp >= NO_TIMESTAMP, "{timestamp} is not a timestamp");
        let offset_delta = i32::try_from(offset - self.header.base_offset).expect("offset deltas fit 32 bits");
        let base_timestamp = self.base_timestamp_for(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let body_size = body_size(offset_delta, timestamp_delta, key, value, headers);
        let size = self.buffer.len() + size_of_size(body_size) + body_size;
        if size > self.limit {
            return Err(BatchFull {
                size,
                limit: self.limit,
            });
        }

        let out = &mut self.buffer;
        out.reserve(size - out.len());
        write_varint(out, body_size as i32);
        out.push(RECORD_ATTRIBUTES);
        write_varlong(out, timestamp_delta);
        write_varint(out, offset_delta);
        write_nullable(out, key);
        write_nullable(out, value);
        write_varint(out, headers.len() as i32);
        for header in headers {
            write_nullable(out, Some(header.key));
            write_nullable(out, header.value);
        }
        debug_assert_eq!(out.len(), size);

        self.header.base_timestamp = base_timestamp;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.records_count += 1;
        Ok(())
    }

    /// Adds a control record of this type; the batch must have been made one of control records.
    pub fn push_control(
        &mut self,
        timestamp: i64,
        record_type: ControlRecordType,
        value: &[u8],
    ) -> Result<i64, BatchFull> {
        assert!(
            self.header.attributes.is_control(),
            "control records stand in control batches"
        );
        self.push(timestamp, Some(&record_type.key()), Some(value), &[])
    }

    /// Whether [`push`](Self::push) would take this record.
    pub fn has_room_for(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> bool {
        let offset_delta = self.header.last_offset_delta.saturating_add(1);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp_for(timestamp));
        let body_size = body_size(offset_delta, timestamp_delta, key, value, headers);
        self.buffer.len() + size_of_size(body_size) + body_size <= self.limit
    }

    /// Records so far.
    pub fn len(&self) -> usize {
        self.header.records_count as usize
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.header.records_count == 0
    }

    /// Offset of the next record that [`push`](Self::push) takes.
    pub fn next_offset(&self) -> i64 {
        self.header.next_offset()
    }

    /// Bytes of the batch as it is now, header included, before compression: exact without a codec, else an upper
    /// bound for everything but incompressible data.
    pub fn size_estimate(&self) -> usize {
        self.buffer.len()
    }

    /// The batch; empty if there are no records.
    pub fn build(self) -> Bytes {
        self.build_with(&mut Scratch::new())
    }

    /// As [`build`](Self::build), with the compressor's memory kept in `scratch` from batch to batch.
    pub fn build_with(mut self, scratch: &mut Scratch) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        if let Some(log_append_time) = self.log_append_time {
            self.header.max_timestamp = log_append_time;
        }
        let buffer = if self.codec.compression() == Compression::None {
            self.buffer
        } else {
            let mut compressed = vec![0; BATCH_OVERHEAD];
            compress(self.codec, &self.buffer[BATCH_OVERHEAD..], scratch, &mut compressed);
            compressed
        };
        finish(self.header, buffer)
    }

    fn base_timestamp_for(&self, timestamp: i64) -> i64 {
        if self.is_empty() && !self.header.attributes.has_delete_horizon() {
            timestamp
        } else {
            self.header.base_timestamp
        }
    }
}

/// Puts `header` with right length and checksum in front of the records in `buffer`.
pub(crate) fn finish(mut header: BatchHeader, mut buffer: Vec<u8>) -> Bytes {
    header.batch_length = i32::try_from(buffer.len() - LOG_OVERHEAD).expect("a batch is smaller than 2 GiB");
    header.write(&mut buffer);
    seal(&mut buffer);
    Bytes::from(buffer)
}

fn body_size(
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> usize {
    let fixed = 1 + size_of_varlong(timestamp_delta) + size_of_varint(offset_delta) + size_of_size(headers.len());
    let headers: usize = headers
        .iter()
        .map(|header| nullable_size(Some(header.key)) + nullable_size(header.value))
        .sum();
    fixed + nullable_size(key) + nullable_size(value) + headers
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => size_of_size(bytes.len()) + bytes.len(),
        None => size_of_varint(-1),
    }
}

/// Bytes of a length field. Lengths beyond `i32::MAX` never get written: the limit refuses them.
fn size_of_size(size: usize) -> usize {
    size_of_varint(i32::try_from(size).unwrap_or(i32::MAX))
}

fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            write_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
        None => write_varint(out, -1),
    }
}
