//! What is consumed: records, and the lot of them that one poll returns.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use klamm_records::{Header, Headers, RecordRef, TimestampType};

/// What the records of one batch share.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) leader_epoch: i32,
    pub(super) timestamp_type: TimestampType,
    /// The records, decompressed; for a batch that was not compressed a slice of the broker's reply.
    pub(super) bytes: Bytes,
}

/// A place in a batch's bytes.
#[derive(Clone, Copy)]
struct Place {
    at: u32,
    size: u32,
}

impl Place {
    /// For null.
    const NONE: Place = Place { at: u32::MAX, size: 0 };

    /// `part` lies within `whole`.
    fn of(whole: &[u8], part: &[u8]) -> Place {
        Place {
            at: (part.as_ptr() as usize - whole.as_ptr() as usize) as u32,
            size: part.len() as u32,
        }
    }

    fn range(self) -> Option<Range<usize>> {
        (self.at != u32::MAX).then(|| self.at as usize..(self.at + self.size) as usize)
    }
}

/// A record as a consumer gets it.
///
/// It keeps the bytes of its whole batch in memory; what is kept for long is better copied out.
#[derive(Clone)]
pub struct ConsumerRecord {
    batch: Arc<Batch>,
    offset: i64,
    timestamp: i64,
    key: Place,
    value: Place,
    headers: Place,
    headers_count: u32,
}

impl ConsumerRecord {
    /// `record` was read from the bytes of `batch`.
    #[inline]
    pub(super) fn new(batch: &Arc<Batch>, record: &RecordRef<'_>) -> Self {
        let place = |part: Option<&[u8]>| part.map_or(Place::NONE, |part| Place::of(&batch.bytes, part));
        let headers = record.headers();
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            key: place(record.key),
            value: place(record.value),
            headers: place(Some(headers.as_bytes())),
            headers_count: headers.len() as u32,
            batch: batch.clone(),
        }
    }

    /// The topic that it was read from.
    pub fn topic(&self) -> &str {
        &self.batch.topic
    }

    /// The topic's name, shared.
    pub fn shared_topic(&self) -> Arc<str> {
        self.batch.topic.clone()
    }

    /// The partition that it was read from.
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// Its offset in the partition.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since the Unix epoch, of the kind that [`ConsumerRecord::timestamp_type`] says; -1 if it has none.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whose time [`ConsumerRecord::timestamp`] is: the producer's or the broker's.
    pub fn timestamp_type(&self) -> TimestampType {
        self.batch.timestamp_type
    }

    /// The epoch of the leader that took the record, if it is known.
    pub fn leader_epoch(&self) -> Option<i32> {
        (self.batch.leader_epoch >= 0).then_some(self.batch.leader_epoch)
    }

    /// The key; `None` is null.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        Some(&self.batch.bytes[self.key.range()?])
    }

    /// The value; `None` is null, a tombstone in compacted topics.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        Some(&self.batch.bytes[self.value.range()?])
    }

    /// The key, sharing the batch's memory.
    pub fn key_bytes(&self) -> Option<Bytes> {
        Some(self.batch.bytes.slice(self.key.range()?))
    }

    /// The value, sharing the batch's memory.
    pub fn value_bytes(&self) -> Option<Bytes> {
        Some(self.batch.bytes.slice(self.value.range()?))
    }

    /// The headers in the producer's order. Read as they are asked for.
    pub fn headers(&self) -> Headers<'_> {
        let range = self.headers.range().unwrap_or_default();
        Headers::from_bytes(&self.batch.bytes[range], self.headers_count as usize)
    }

    /// The value of the last header with this key, as Java's `lastHeader`; the inner `None` is null.
    pub fn header(&self, key: &str) -> Option<Option<&[u8]>> {
        let same = |header: &Header<'_>| header.key == key.as_bytes();
        self.headers().filter(same).last().map(|header| header.value)
    }

    /// Bytes of the key; -1 if it is null, as Java says it.
    pub fn serialized_key_size(&self) -> i32 {
        self.key().map_or(-1, |key| key.len() as i32)
    }

    /// Bytes of the value; -1 if it is null, as Java says it.
    pub fn serialized_value_size(&self) -> i32 {
        self.value().map_or(-1, |value| value.len() as i32)
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.batch, &other.batch)
            || (self.batch.partition == other.batch.partition && self.batch.topic == other.batch.topic)
    }
}

impl fmt::Debug for ConsumerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerRecord")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key", &self.key_bytes())
            .field("value", &self.value_bytes())
            .field("headers", &self.headers_count)
            .finish_non_exhaustive()
    }
}

/// The records that one poll returned: those of a partition together and in order.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(super) records: Vec<ConsumerRecord>,
}

impl Records {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the poll ended without any.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All records.
    pub fn iter(&self) -> std::slice::Iter<'_, ConsumerRecord> {
        self.records.iter()
    }

    /// The records by partition; each slice is of one partition and not empty.
    pub fn by_partition(&self) -> impl Iterator<Item = &[ConsumerRecord]> {
        self.records.chunk_by(ConsumerRecord::is_of)
    }
}

impl IntoIterator for Records {
    type Item = ConsumerRecord;
    type IntoIter = std::vec::IntoIter<ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = &'a ConsumerRecord;
    type IntoIter = std::slice::Iter<'a, ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.iter()
    }
}
