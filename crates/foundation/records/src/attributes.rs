//! The 16 attribute bits of a batch.

use thiserror::Error;

use crate::compression::Compression;

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// Whose clock a batch's timestamps come from (KIP-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's: every record has its own timestamp.
    #[default]
    CreateTime,
    /// The broker's: every record has the batch's max timestamp.
    LogAppendTime,
}

/// The attributes name a codec that does not exist; ids 5 to 7 are unassigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown compression type id {id}")]
pub struct UnknownCompression {
    /// The id found, 0 to 7.
    pub id: u8,
}

/// Attributes of a batch: compression (bits 0-2), timestamp type (3), transactional (4, KIP-98), control (5),
/// delete horizon (6, KIP-534). Bits 7-15 are unused and kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec of the records' bytes.
    #[inline]
    pub fn compression(self) -> Result<Compression, UnknownCompression> {
        let id = (self.0 & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(UnknownCompression { id })
    }

    /// Whether the records' bytes are compressed, by a codec known or not.
    #[inline]
    pub fn is_compressed(self) -> bool {
        self.0 & COMPRESSION_MASK != 0
    }

    /// Whose clock the timestamps come from.
    #[inline]
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & TIMESTAMP_TYPE == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[inline]
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records, which are not handed to applications.
    #[inline]
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether the base timestamp field is the delete horizon that the cleaner set.
    #[inline]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// The same attributes with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !COMPRESSION_MASK) | i16::from(compression.id()))
    }

    /// The same attributes with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(TIMESTAMP_TYPE, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same attributes with the transactional bit set or cleared.
    #[must_use]
    pub fn with_transactional(self, transactional: bool) -> Self {
        self.with(TRANSACTIONAL, transactional)
    }

    /// The same attributes with the control bit set or cleared.
    #[must_use]
    pub fn with_control(self, control: bool) -> Self {
        self.with(CONTROL, control)
    }

    /// The same attributes with the delete horizon bit set or cleared.
    #[must_use]
    pub fn with_delete_horizon(self, delete_horizon: bool) -> Self {
        self.with(DELETE_HORIZON, delete_horizon)
    }

    fn with(self, mask: i16, set: bool) -> Self {
        Self(if set { self.0 | mask } else { self.0 & !mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_stands_alone() {
        let all = Attributes::default()
            .with_compression(Compression::Zstd)
            .with_timestamp_type(TimestampType::LogAppendTime)
            .with_transactional(true)
            .with_control(true)
            .with_delete_horizon(true);
        assert_eq!(all, Attributes(0x7c));
        assert_eq!(all.compression(), Ok(Compression::Zstd));
        assert!(all.is_compressed() && all.is_transactional() && all.is_control() && all.has_delete_horizon());
        assert_eq!(all.timestamp_type(), TimestampType::LogAppendTime);
        let none = all
            .with_compression(Compression::None)
            .with_timestamp_type(TimestampType::CreateTime)
            .with_transactional(false)
            .with_control(false)
            .with_delete_horizon(false);
        assert_eq!(none, Attributes(0));
        assert_eq!(
            Attributes(!0x7f).with_control(true),
            Attributes(!0x7f | 0x20),
            "unused bits are kept"
        );
    }

    #[test]
    fn unassigned_codecs_are_refused() {
        for id in 5..8u8 {
            let attributes = Attributes(i16::from(id));
            assert_eq!(attributes.compression(), Err(UnknownCompression { id }));
            assert!(attributes.is_compressed());
        }
    }
}
