//! What can be wrong with bytes that are read and with values that are written.

use thiserror::Error;

/// Bytes that are not a valid message, and where in the frame that showed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {at}: {kind}")]
pub struct DecodeError {
    /// Offset in the bytes given to the reader.
    pub at: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// The ways in which bytes fail to be a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    /// The message ends too early.
    #[error("{needed} bytes needed, {remaining} left")]
    Truncated {
        /// Bytes that the value takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// An unsigned varint of more than five bytes or more than 32 bits.
    #[error("varint does not fit 32 bits")]
    VarintTooLong,
    /// Null where this version allows none.
    #[error("null in a field that cannot be null")]
    UnexpectedNull,
    /// A string of more than 32,767 bytes.
    #[error("string of {length} bytes, at most 32767 are allowed")]
    StringTooLong {
        /// The length as written, or with U+FFFD in place of what is not UTF-8.
        length: usize,
    },
    /// More elements than the bytes that are left can hold.
    #[error("array of {count} elements in {remaining} bytes")]
    ArrayTooLong {
        /// The element count as written.
        count: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// More elements than [`crate::MAX_ARRAY_ELEMENTS`].
    #[error("array of {count} elements, at most 1000000 are allowed")]
    TooManyElements {
        /// The element count as written.
        count: usize,
    },
    /// More tagged fields than [`crate::MAX_TAGGED_FIELDS`].
    #[error("{count} tagged fields, at most 10000 are allowed")]
    TooManyTaggedFields {
        /// The count as written.
        count: usize,
    },
    /// Tags have to rise.
    #[error("tag {tag} comes after tag {previous}")]
    TagOrder {
        /// The tag that is out of order.
        tag: u32,
        /// The tag before it.
        previous: u32,
    },
    /// A known tagged field is shorter than the size in front of it says.
    #[error("tag {tag} has {left} bytes more than its value")]
    TagSize {
        /// The tag.
        tag: u32,
        /// Bytes left over.
        left: usize,
    },
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// Name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}

/// A value that cannot be written in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// Name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field that this version lacks is set, and may not be dropped silently.
    #[error("field {field} is set but not part of version {version}")]
    FieldNotInVersion {
        /// Name of the field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Null where this version allows none.
    #[error("field {field} is null but cannot be null in this version")]
    UnexpectedNull {
        /// Name of the field.
        field: &'static str,
    },
    /// A string of more than 32,767 bytes.
    #[error("string of {length} bytes, at most 32767 can be written")]
    StringTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Bytes or an array whose length does not fit an i32.
    #[error("length {length} does not fit 31 bits")]
    TooLong {
        /// The length.
        length: usize,
    },
    /// Unknown tagged fields in a version that is not flexible.
    #[error("tagged fields are set but this version is not flexible")]
    TagsNotSupported,
    /// Unknown tagged fields have to be sorted, and none may use the tag of a known field.
    #[error("tag {tag} is out of order or used twice")]
    TagOrder {
        /// The tag.
        tag: u32,
    },
}
