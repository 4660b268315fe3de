//! Batches in a slice of bytes.

use std::iter::FusedIterator;

use thiserror::Error;

use crate::compression::{Scratch, decompress};
use crate::header::{ATTRIBUTES_AT, BATCH_OVERHEAD, BatchHeader};
use crate::record::{RecordIter, RecordKeys, RecordPositions, RecordsError};

/// Why the bytes at some position are not a whole batch of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end inside the batch: a fetch that was cut at its limit, or a torn write.
    #[error("the batch needs {needed} bytes, {available} are there")]
    Truncated {
        /// Bytes of the batch, or as many as are needed to learn its size.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The length field is less than a header takes.
    #[error("the batch's length field is {batch_length}, less than {minimum}")]
    TooSmall {
        /// Length field found.
        batch_length: i32,
        /// Least value it may have.
        minimum: i32,
    },
    /// A message of the formats before Kafka 0.11, which Kafka 4 does not read either (KIP-724).
    #[error("message format magic {magic} at offset {offset} is not supported")]
    UnsupportedMagic {
        /// 0 or 1.
        magic: i8,
        /// Offset field of the message.
        offset: i64,
        /// Length field of the message, bytes.
        batch_length: i32,
    },
    /// Not a magic of any format.
    #[error("invalid magic {magic}")]
    InvalidMagic {
        /// Magic found.
        magic: i8,
    },
    /// The checksum does not fit the bytes.
    #[error("the batch at offset {base_offset} is corrupt: stored crc {stored:#010x}, computed crc {computed:#010x}")]
    CorruptCrc {
        /// Base offset field of the batch.
        base_offset: i64,
        /// Checksum in the header.
        stored: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
}

/// CRC-32C (Castagnoli) of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// One whole batch: its parsed header and all its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The header as parsed from `bytes`.
    pub header: BatchHeader,
    /// Header and records, exactly [`BatchHeader::size_in_bytes`] long.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the front of `bytes`; what follows it is left out. The checksum is not verified.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size_in_bytes();
        let bytes = bytes.get(..needed).ok_or(BatchError::Truncated {
            needed,
            available: bytes.len(),
        })?;
        Ok(Self { header, bytes })
    }

    /// Compares the checksum in the header with that of the bytes.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.header.crc, crc32c(&self.bytes[ATTRIBUTES_AT..]));
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::CorruptCrc {
                base_offset: self.header.base_offset,
                stored,
                computed,
            })
        }
    }

    /// The bytes after the header: the records, compressed if the attributes say so.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[BATCH_OVERHEAD..]
    }

    /// The records' bytes, decompressed into `scratch` if need be; at most `limit` bytes of them.
    pub fn decompressed<'s>(&self, scratch: &'s mut Scratch, limit: usize) -> Result<&'s [u8], RecordsError>
    where
        'a: 's,
    {
        let compression = self.header.attributes.compression()?;
        Ok(decompress(compression, self.payload(), scratch, limit)?)
    }

    /// Iterates over the records. They borrow from the batch or, if it is compressed, from `scratch`; nothing is
    /// allocated per record. Fails if the batch decompresses to more than `limit` bytes.
    pub fn records<'s>(&self, scratch: &'s mut Scratch, limit: usize) -> Result<RecordIter<'s>, RecordsError>
    where
        'a: 's,
    {
        RecordIter::new(&self.header, self.decompressed(scratch, limit)?)
    }

    /// Iterates over the records' keys; values and headers are skipped unread.
    pub fn keys<'s>(&self, scratch: &'s mut Scratch, limit: usize) -> Result<RecordKeys<'s>, RecordsError>
    where
        'a: 's,
    {
        RecordKeys::new(&self.header, self.decompressed(scratch, limit)?)
    }

    /// Iterates over the records' offsets and timestamps alone; keys, values and headers are skipped unread.
    pub fn positions<'s>(&self, scratch: &'s mut Scratch, limit: usize) -> Result<RecordPositions<'s>, RecordsError>
    where
        'a: 's,
    {
        RecordPositions::new(&self.header, self.decompressed(scratch, limit)?)
    }
}

/// Iterates over the batches that `bytes` consist of.
///
/// After the last whole batch comes `None`, or one error if bytes are left that are not a batch; a partial batch at the
/// end is [`BatchError::Truncated`]. Checksums are not verified here.
#[inline]
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches {
        bytes,
        position: 0,
        failed: false,
    }
}

/// See [`batches`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl Batches<'_> {
    /// Bytes of the batches returned so far: where the next one begins, or where the error is.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.position..];
        if self.failed || rest.is_empty() {
            return None;
        }
        let batch = Batch::parse(rest);
        match &batch {
            Ok(batch) => self.position += batch.bytes.len(),
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}

impl FusedIterator for Batches<'_> {}
