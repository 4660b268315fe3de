//! Variable-length integers as records use them: base-128, least significant group first, zigzag for signed values.
//!
//! An `i32` takes 1 to 5 bytes, an `i64` 1 to 10. Longer encodings are refused. Bits of the last byte that lie beyond
//! the type's width are dropped, as Kafka's reader does.

use thiserror::Error;

/// Why a variable-length integer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VarintError {
    /// The bytes end before the integer does.
    #[error("the bytes end inside a variable-length integer")]
    Truncated,
    /// The last permitted byte still says that another one follows.
    #[error("a variable-length integer is longer than {max_bytes} bytes")]
    TooLong {
        /// 5 for 32-bit values, 10 for 64-bit values.
        max_bytes: usize,
    },
}

/// Reads an unsigned 32-bit integer from the front of `input` and moves `input` past it.
#[inline]
pub fn read_unsigned_varint(input: &mut &[u8]) -> Result<u32, VarintError> {
    match **input {
        [byte, ref rest @ ..] if byte < 0x80 => {
            *input = rest;
            Ok(u32::from(byte))
        }
        // Lengths and offsets of records are mostly of two bytes.
        [low, high, ref rest @ ..] if high < 0x80 => {
            *input = rest;
            Ok(u32::from(low & 0x7f) | u32::from(high) << 7)
        }
        _ => read_long_form::<5>(input).map(|value| value as u32),
    }
}

/// Reads an unsigned 64-bit integer from the front of `input` and moves `input` past it.
#[inline]
pub fn read_unsigned_varlong(input: &mut &[u8]) -> Result<u64, VarintError> {
    match **input {
        [byte, ref rest @ ..] if byte < 0x80 => {
            *input = rest;
            Ok(u64::from(byte))
        }
        // Lengths and offsets of records are mostly of two bytes.
        [low, high, ref rest @ ..] if high < 0x80 => {
            *input = rest;
            Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
        }
        _ => read_long_form::<10>(input),
    }
}

/// Reads a zigzag-encoded `i32` from the front of `input` and moves `input` past it.
#[inline]
pub fn read_varint(input: &mut &[u8]) -> Result<i32, VarintError> {
    let raw = read_unsigned_varint(input)?;
    Ok(((raw >> 1) as i32) ^ -((raw & 1) as i32))
}

/// Reads a zigzag-encoded `i64` from the front of `input` and moves `input` past it.
#[inline]
pub fn read_varlong(input: &mut &[u8]) -> Result<i64, VarintError> {
    let raw = read_unsigned_varlong(input)?;
    Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
}

fn read_long_form<const MAX_BYTES: usize>(input: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for (index, &byte) in input.iter().take(MAX_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *input = &input[index + 1..];
            return Ok(value);
        }
    }
    Err(if input.len() < MAX_BYTES {
        VarintError::Truncated
    } else {
        VarintError::TooLong { max_bytes: MAX_BYTES }
    })
}

/// Appends an unsigned 32-bit integer.
#[inline]
pub fn write_unsigned_varint(out: &mut Vec<u8>, value: u32) {
    write_unsigned_varlong(out, u64::from(value));
}

/// Appends an unsigned 64-bit integer.
#[inline]
pub fn write_unsigned_varlong(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an `i32` in zigzag encoding.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_unsigned_varint(out, zigzag(value));
}

/// Appends an `i64` in zigzag encoding.
#[inline]
pub fn write_varlong(out: &mut Vec<u8>, value: i64) {
    write_unsigned_varlong(out, zigzag_long(value));
}

/// Bytes an unsigned 32-bit integer takes, 1 to 5.
#[inline]
pub fn size_of_unsigned_varint(value: u32) -> usize {
    size_of_unsigned_varlong(u64::from(value))
}

/// Bytes an unsigned 64-bit integer takes, 1 to 10.
#[inline]
pub fn size_of_unsigned_varlong(value: u64) -> usize {
    // One byte for each begun group of seven significant bits; zero has one group too.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes an `i32` takes in zigzag encoding, 1 to 5.
#[inline]
pub fn size_of_varint(value: i32) -> usize {
    size_of_unsigned_varint(zigzag(value))
}

/// Bytes an `i64` takes in zigzag encoding, 1 to 10.
#[inline]
pub fn size_of_varlong(value: i64) -> usize {
    size_of_unsigned_varlong(zigzag_long(value))
}

#[inline]
fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (8191, &[0xfe, 0x7f]),
            (-8193, &[0x81, 0x80, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
        let mut out = Vec::new();
        write_varlong(&mut out, i64::MIN);
        assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    #[test]
    fn longer_than_the_type_is_refused() {
        assert_eq!(
            read_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]),
            Err(VarintError::TooLong { max_bytes: 5 })
        );
        assert_eq!(
            read_varlong(&mut &[0xff; 11][..]),
            Err(VarintError::TooLong { max_bytes: 10 })
        );
        assert_eq!(read_varlong(&mut &[0xff; 9][..]), Err(VarintError::Truncated));
        assert_eq!(read_varint(&mut &[][..]), Err(VarintError::Truncated));
    }

    #[test]
    fn bits_beyond_the_type_are_dropped() {
        assert_eq!(
            read_unsigned_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x7f][..]),
            Ok(u32::MAX)
        );
        assert_eq!(
            read_unsigned_varlong(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..]),
            Ok(u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn ints_round_trip(value: i32, tail: u8) {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            prop_assert_eq!(out.len(), size_of_varint(value));
            for cut in 0..out.len() {
                prop_assert_eq!(read_varint(&mut &out[..cut]), Err(VarintError::Truncated));
            }
            out.push(tail);
            let mut input = &out[..];
            prop_assert_eq!(read_varint(&mut input), Ok(value));
            prop_assert_eq!(input, &[tail][..]);
        }

        #[test]
        fn longs_round_trip(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            write_varlong(&mut out, value);
            prop_assert_eq!(out.len(), size_of_varlong(value));
            for cut in 0..out.len() {
                prop_assert_eq!(read_varlong(&mut &out[..cut]), Err(VarintError::Truncated));
            }
            prop_assert_eq!(read_varlong(&mut &out[..]), Ok(value));
        }
    }
}
