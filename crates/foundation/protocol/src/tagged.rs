//! Tagged fields that this code does not know (KIP-482).

use bytes::Bytes;

/// A tagged field kept as it was read, so that it survives a round trip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTaggedField {
    /// Its number.
    pub tag: u32,
    /// Its value as written.
    pub data: Bytes,
}
