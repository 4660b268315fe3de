//! Records inside a batch, read without copying.

use std::iter::FusedIterator;

use thiserror::Error;

use crate::attributes::{TimestampType, UnknownCompression};
use crate::compression::DecompressError;
use crate::header::{BatchHeader, NO_SEQUENCE};
use crate::sequence::increment_sequence;
use crate::varint::{VarintError, read_varint, read_varlong};

/// Most bytes that a record takes besides key, value and headers: length, attributes, timestamp and offset deltas.
pub const MAX_RECORD_OVERHEAD: usize = 21;

/// Why a batch's records could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordsError {
    /// The attributes name a codec that does not exist.
    #[error(transparent)]
    UnknownCompression(#[from] UnknownCompression),
    /// The records' bytes could not be decompressed within the limit.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The header says that there are fewer than no records.
    #[error("the batch's records count is {count}")]
    NegativeCount {
        /// Count found.
        count: i32,
    },
    /// A record's bytes do not make sense.
    #[error("record {index} of the batch is invalid: {fault}")]
    InvalidRecord {
        /// Index of the record in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// All records of the header's count are read and bytes remain.
    #[error("{remaining} bytes remain after the batch's {count} records")]
    TrailingBytes {
        /// Count in the header.
        count: i32,
        /// Bytes that remain.
        remaining: usize,
    },
}

/// What is wrong with a record's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// A number that does not end.
    #[error(transparent)]
    Varint(#[from] VarintError),
    /// The record's length is negative or more than there is.
    #[error("its size is {size} bytes, {available} are there")]
    Size {
        /// Length field.
        size: i32,
        /// Bytes left in the batch.
        available: usize,
    },
    /// Key, value or header says that it is longer than what is left of the record.
    #[error("its {field} has {size} bytes, {available} are left in the record")]
    Field {
        /// Which field.
        field: &'static str,
        /// Length field.
        size: i32,
        /// Bytes left in the record.
        available: usize,
    },
    /// Negative, or more headers than bytes.
    #[error("it has {count} headers in {available} bytes")]
    HeadersCount {
        /// Count found.
        count: i32,
        /// Bytes left in the record.
        available: usize,
    },
    /// The fields end before the record does.
    #[error("{remaining} bytes remain after its last field")]
    Remaining {
        /// Bytes that remain.
        remaining: usize,
    },
}

/// A header of a record: application data beside key and value (KIP-82). Keys are text by convention, not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Key, UTF-8 by convention.
    pub key: &'a [u8],
    /// Value, may be null.
    pub value: Option<&'a [u8]>,
}

/// One record, borrowing from the (decompressed) batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch: the producer's, or the batch's time of append.
    pub timestamp: i64,
    /// Producer's sequence number, or -1.
    pub sequence: i32,
    /// Offset less the batch's base offset, as the record says it.
    pub offset_delta: i32,
    /// Key, may be null.
    pub key: Option<&'a [u8]>,
    /// Value; null is a tombstone in compacted topics.
    pub value: Option<&'a [u8]>,
    /// Bytes of the record, its length field included.
    pub size_in_bytes: usize,
    headers: Headers<'a>,
}

impl<'a> RecordRef<'a> {
    /// The headers, in the producer's order.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    #[inline(always)]
    fn parse(input: &mut &'a [u8], base: &Base) -> Result<Self, RecordFault> {
        let before = input.len();
        let mut body = split_record(input)?;
        let (position, offset_delta) = base.position(&mut body)?;
        let key = read_nullable(&mut body, "key")?;
        let value = read_nullable(&mut body, "value")?;
        let headers = Headers::parse(&mut body)?;
        if !body.is_empty() {
            return Err(RecordFault::Remaining { remaining: body.len() });
        }
        Ok(Self {
            offset: position.offset,
            timestamp: position.timestamp,
            sequence: base.sequence(offset_delta),
            offset_delta,
            key,
            value,
            size_in_bytes: before - input.len(),
            headers,
        })
    }
}

/// Headers of one record. They were checked when the record was read, so iterating cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Headers<'a> {
    /// The headers as they lie in the record: what [`Headers::from_bytes`] reads again.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Headers that were read before, from their bytes and their number, for those who keep a record's place rather than
    /// the record. Iterating panics if they are not what [`Headers::as_bytes`] and `len` said.
    #[inline]
    pub fn from_bytes(bytes: &'a [u8], count: usize) -> Self {
        Self { bytes, count }
    }

    #[inline]
    fn parse(body: &mut &'a [u8]) -> Result<Self, RecordFault> {
        let count = read_varint(body)?;
        // A header takes two bytes at least, so this also bounds the loop.
        if count < 0 || count as usize > body.len() {
            return Err(RecordFault::HeadersCount {
                count,
                available: body.len(),
            });
        }
        let bytes = *body;
        for _ in 0..count {
            read_header(body)?;
        }
        Ok(Self {
            bytes: &bytes[..bytes.len() - body.len()],
            count: count as usize,
        })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        Some(read_header(&mut self.bytes).expect("headers are checked when their record is read"))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}
impl FusedIterator for Headers<'_> {}

/// Where a record stands in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPosition {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
}

/// A record as compaction sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordKey<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch: the producer's, or the batch's time of append.
    pub timestamp: i64,
    /// Key, may be null.
    pub key: Option<&'a [u8]>,
    /// Whether there is a value: a record without one is a tombstone.
    pub has_value: bool,
    /// Key, value and headers as they lie in the record.
    pub(crate) fields: &'a [u8],
}

/// What the records of a batch count from.
#[derive(Debug, Clone)]
struct Base {
    offset: i64,
    timestamp: i64,
    sequence: i32,
    log_append_time: Option<i64>,
}

impl Base {
    fn of(header: &BatchHeader) -> Self {
        Self {
            offset: header.base_offset,
            timestamp: header.base_timestamp,
            sequence: header.base_sequence,
            log_append_time: (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
        }
    }

    /// Reads a record's attributes, timestamp delta and offset delta. Record attributes have no meaning yet.
    #[inline(always)]
    fn position(&self, body: &mut &[u8]) -> Result<(RecordPosition, i32), RecordFault> {
        let Some((_attributes, rest)) = body.split_first() else {
            return Err(RecordFault::Varint(VarintError::Truncated));
        };
        *body = rest;
        let timestamp_delta = read_varlong(body)?;
        let offset_delta = read_varint(body)?;
        let position = RecordPosition {
            offset: self.offset.wrapping_add(i64::from(offset_delta)),
            timestamp: self
                .log_append_time
                .unwrap_or_else(|| self.timestamp.wrapping_add(timestamp_delta)),
        };
        Ok((position, offset_delta))
    }

    #[inline]
    fn sequence(&self, offset_delta: i32) -> i32 {
        if self.sequence >= 0 {
            increment_sequence(self.sequence, offset_delta)
        } else {
            NO_SEQUENCE
        }
    }
}

/// How far through a batch's records a reader is.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    base: Base,
    rest: &'a [u8],
    index: i32,
    count: i32,
}

impl<'a> Cursor<'a> {
    fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, RecordsError> {
        let count = header.records_count;
        if count < 0 {
            return Err(RecordsError::NegativeCount { count });
        }
        Ok(Self {
            base: Base::of(header),
            rest: bytes,
            index: 0,
            count,
        })
    }

    /// Reads the next record with `read`; after the last one nothing may remain.
    // Always: a record that is handed over in memory costs as much again as reading it.
    #[inline(always)]
    fn next_with<T>(
        &mut self,
        read: impl FnOnce(&mut &'a [u8], &Base) -> Result<T, RecordFault>,
    ) -> Option<Result<T, RecordsError>> {
        if self.index >= self.count {
            return None;
        }
        let index = self.index;
        self.index += 1;
        let result = match read(&mut self.rest, &self.base) {
            Ok(_) if self.index == self.count && !self.rest.is_empty() => Err(RecordsError::TrailingBytes {
                count: self.count,
                remaining: self.rest.len(),
            }),
            Ok(record) => return Some(Ok(record)),
            Err(fault) => Err(RecordsError::InvalidRecord { index, fault }),
        };
        self.index = self.count;
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The count is the sender's word: nobody should allocate by it.
        (0, Some((self.count - self.index) as usize))
    }
}

/// Iterates over the records of a batch. Ends after the first error.
#[derive(Debug, Clone)]
pub struct RecordIter<'a>(Cursor<'a>);

impl<'a> RecordIter<'a> {
    /// Reads `bytes`, the decompressed records of the batch with this header.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, RecordsError> {
        Cursor::new(header, bytes).map(Self)
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordRef<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(RecordRef::parse)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl FusedIterator for RecordIter<'_> {}

/// Iterates over the offsets and timestamps of a batch's records; their other fields are skipped unread and unchecked.
#[derive(Debug, Clone)]
pub struct RecordPositions<'a>(Cursor<'a>);

impl<'a> RecordPositions<'a> {
    /// Reads `bytes`, the decompressed records of the batch with this header.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, RecordsError> {
        Cursor::new(header, bytes).map(Self)
    }
}

impl Iterator for RecordPositions<'_> {
    type Item = Result<RecordPosition, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next_with(|input, base| Ok(base.position(&mut split_record(input)?)?.0))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl FusedIterator for RecordPositions<'_> {}

/// Iterates over the keys of a batch's records; values and headers are skipped unread and unchecked.
#[derive(Debug, Clone)]
pub struct RecordKeys<'a>(Cursor<'a>);

impl<'a> RecordKeys<'a> {
    /// Reads `bytes`, the decompressed records of the batch with this header.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, RecordsError> {
        Cursor::new(header, bytes).map(Self)
    }

    /// Reads `bytes`, some whole records out of those of the batch with this header; to be asked for as long as bytes remain.
    pub(crate) fn within(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self(Cursor {
            base: Base::of(header),
            rest: bytes,
            index: 0,
            count: i32::MAX,
        })
    }

    /// The bytes behind the last record that was read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0.rest
    }
}

impl<'a> Iterator for RecordKeys<'a> {
    type Item = Result<RecordKey<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(|input, base| {
            let mut body = split_record(input)?;
            let (position, _) = base.position(&mut body)?;
            let fields = body;
            let key = read_nullable(&mut body, "key")?;
            let has_value = read_varint(&mut body)? >= 0;
            Ok(RecordKey {
                offset: position.offset,
                timestamp: position.timestamp,
                key,
                has_value,
                fields,
            })
        })
    }
}

impl FusedIterator for RecordKeys<'_> {}

/// Cuts the record at the front off `input` and returns it without its length field.
#[inline]
fn split_record<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], RecordFault> {
    let size = read_varint(input)?;
    match usize::try_from(size).ok().and_then(|size| input.split_at_checked(size)) {
        Some((body, rest)) => {
            *input = rest;
            Ok(body)
        }
        None => Err(RecordFault::Size {
            size,
            available: input.len(),
        }),
    }
}

/// Reads a length and as many bytes; a negative length is null.
#[inline]
fn read_nullable<'a>(body: &mut &'a [u8], field: &'static str) -> Result<Option<&'a [u8]>, RecordFault> {
    let size = read_varint(body)?;
    if size < 0 {
        return Ok(None);
    }
    match body.split_at_checked(size as usize) {
        Some((bytes, rest)) => {
            *body = rest;
            Ok(Some(bytes))
        }
        None => Err(RecordFault::Field {
            field,
            size,
            available: body.len(),
        }),
    }
}

#[inline]
fn read_header<'a>(body: &mut &'a [u8]) -> Result<Header<'a>, RecordFault> {
    let Some(key) = read_nullable(body, "header key")? else {
        return Err(RecordFault::Field {
            field: "header key",
            size: -1,
            available: body.len(),
        });
    };
    let value = read_nullable(body, "header value")?;
    Ok(Header { key, value })
}
