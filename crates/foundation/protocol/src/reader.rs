//! Reads primitives off a frame. Every length is checked against what is left before anything is allocated.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::{ErrorCode, MAX_ARRAY_ELEMENTS, MAX_TAGGED_FIELDS, RawTaggedField, Records, Uuid, Wire};

/// Longest string in bytes, in any version.
const MAX_STRING: usize = i16::MAX as usize;

/// An array may reserve this many times the bytes that are left; beyond that it grows as elements are really there.
const RESERVE_FACTOR: usize = 8;

/// A cursor over a frame. Byte fields that it yields are slices of the frame, not copies.
#[derive(Clone, Debug)]
pub struct Reader {
    buf: Bytes,
    pos: usize,
    end: usize,
}

macro_rules! integers {
    ($($name:ident $doc:literal)*) => {$(
        #[doc = $doc]
        #[inline]
        pub fn $name(&mut self) -> Result<$name, DecodeError> {
            Ok($name::from_be_bytes(self.fixed()?))
        }
    )*};
}

impl Reader {
    /// Starts at the first byte of `buf`.
    pub fn new(buf: Bytes) -> Self {
        let end = buf.len();
        Self { buf, pos: 0, end }
    }

    /// Bytes not read yet.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.end - self.pos
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Everything not read yet, as a slice of the frame.
    pub fn rest(&mut self) -> Bytes {
        let rest = self.buf.slice(self.pos..self.end);
        self.pos = self.end;
        rest
    }

    integers! {
        i8 "One byte, signed."
        i16 "Two bytes, big-endian, signed."
        u16 "Two bytes, big-endian."
        i32 "Four bytes, big-endian, signed."
        u32 "Four bytes, big-endian."
        i64 "Eight bytes, big-endian, signed."
        f64 "Eight bytes, IEEE 754, big-endian."
    }

    /// One byte; everything but 0 is true, as in Kafka.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.fixed()?))
    }

    /// An i16 as error code.
    pub fn error_code(&mut self) -> Result<ErrorCode, DecodeError> {
        Ok(ErrorCode(self.i16()?))
    }

    /// An unsigned varint of at most 32 bits.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = u8::from_be_bytes(self.fixed()?);
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeErrorKind::VarintTooLong))
    }

    /// The next `length` bytes as a slice of the frame.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.need(length)?;
        let taken = self.buf.slice(self.pos..self.pos + length);
        self.pos += length;
        Ok(taken)
    }

    /// A string that cannot be null. Bytes that are not UTF-8 become U+FFFD, as in Java.
    pub fn string(&mut self, flexible: bool) -> Result<String, DecodeError> {
        self.opt_string(flexible, false)?.ok_or_else(|| self.null())
    }

    /// A string that can be null when `nullable`.
    pub fn opt_string(&mut self, flexible: bool, nullable: bool) -> Result<Option<String>, DecodeError> {
        let length = if flexible {
            self.compact_length()?
        } else {
            usize::try_from(self.i16()?).ok()
        };
        let Some(length) = self.allow_null(length, nullable)? else {
            return Ok(None);
        };
        if length > MAX_STRING {
            return Err(self.error(DecodeErrorKind::StringTooLong { length }));
        }
        self.need(length)?;
        let text = String::from_utf8_lossy(&self.buf[self.pos..self.pos + length]).into_owned();
        // U+FFFD is longer than the byte that it stands for; and what was read has to be possible to write.
        if text.len() > MAX_STRING {
            return Err(self.error(DecodeErrorKind::StringTooLong { length: text.len() }));
        }
        self.pos += length;
        Ok(Some(text))
    }

    /// Bytes that cannot be null, as a slice of the frame.
    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes, DecodeError> {
        self.opt_bytes(flexible, false)?.ok_or_else(|| self.null())
    }

    /// Bytes that can be null when `nullable`, as a slice of the frame.
    pub fn opt_bytes(&mut self, flexible: bool, nullable: bool) -> Result<Option<Bytes>, DecodeError> {
        let length = self.length(flexible)?;
        let length = self.allow_null(length, nullable)?;
        length.map(|length| self.take(length)).transpose()
    }

    /// Record batches, null when `nullable`, as a slice of the frame.
    pub fn opt_records(&mut self, flexible: bool, nullable: bool) -> Result<Option<Records>, DecodeError> {
        Ok(self.opt_bytes(flexible, nullable)?.map(Records::Bytes))
    }

    /// An array that cannot be null.
    pub fn array<T: Wire>(&mut self, flexible: bool, version: i16) -> Result<Vec<T>, DecodeError> {
        self.opt_array(flexible, version, false)?.ok_or_else(|| self.null())
    }

    /// An array that can be null when `nullable`.
    pub fn opt_array<T: Wire>(
        &mut self,
        flexible: bool,
        version: i16,
        nullable: bool,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.array_length(flexible, nullable, T::MIN_SIZE)? else {
            return Ok(None);
        };
        let affordable = self.remaining() * RESERVE_FACTOR / size_of::<T>().max(1);
        let mut elements = Vec::with_capacity(count.min(affordable));
        for _ in 0..count {
            if elements.len() == elements.capacity() {
                // Doubles, but never beyond the count.
                elements.reserve_exact((count - elements.len()).min(elements.len().max(1)));
            }
            elements.push(T::read(self, flexible, version)?);
        }
        Ok(Some(elements))
    }

    /// A struct with a presence byte in front: negative means null.
    pub fn opt_struct<T: Wire>(
        &mut self,
        flexible: bool,
        version: i16,
        nullable: bool,
    ) -> Result<Option<T>, DecodeError> {
        if nullable && self.i8()? < 0 {
            return Ok(None);
        }
        T::read(self, flexible, version).map(Some)
    }

    /// A nullable struct in a tagged field, where a varint says whether it is there.
    pub fn opt_tagged_struct<T: Wire>(&mut self, flexible: bool, version: i16) -> Result<Option<T>, DecodeError> {
        match self.unsigned_varint()? {
            0 => Ok(None),
            _ => T::read(self, flexible, version).map(Some),
        }
    }

    /// The tagged fields that end a struct of a flexible version. `known` reads the tags it knows and answers
    /// whether it did; the others are returned as they are.
    pub fn tagged_fields(
        &mut self,
        flexible: bool,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<Vec<RawTaggedField>, DecodeError> {
        let mut unknown = Vec::new();
        if !flexible {
            return Ok(unknown);
        }
        let count = self.unsigned_varint()? as usize;
        if count > MAX_TAGGED_FIELDS {
            return Err(self.error(DecodeErrorKind::TooManyTaggedFields { count }));
        }
        let mut previous = None;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            if let Some(previous) = previous.replace(tag).filter(|previous| *previous >= tag) {
                return Err(self.error(DecodeErrorKind::TagOrder { tag, previous }));
            }
            let size = self.unsigned_varint()? as usize;
            self.need(size)?;
            let (outer_end, start) = (self.end, self.pos);
            self.end = start + size;
            if known(self, tag)? {
                if self.pos != self.end {
                    let left = self.remaining();
                    return Err(self.error(DecodeErrorKind::TagSize { tag, left }));
                }
            } else {
                unknown.push(RawTaggedField { tag, data: self.rest() });
            }
            self.end = outer_end;
        }
        Ok(unknown)
    }

    /// As [`Reader::tagged_fields`] for a struct that has none of its own.
    pub fn unknown_tags(&mut self, flexible: bool) -> Result<Vec<RawTaggedField>, DecodeError> {
        self.tagged_fields(flexible, |_, _| Ok(false))
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.buf[self.pos..self.end].first_chunk() {
            Some(chunk) => {
                self.pos += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    fn need(&self, needed: usize) -> Result<(), DecodeError> {
        if needed > self.remaining() {
            Err(self.truncated(needed))
        } else {
            Ok(())
        }
    }

    /// A varint holding the length plus one; `None` is null.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.unsigned_varint()? as usize).checked_sub(1))
    }

    /// The length in front of bytes, records and arrays; `None` is null.
    fn length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        if flexible {
            self.compact_length()
        } else {
            Ok(usize::try_from(self.i32()?).ok())
        }
    }

    /// How many elements follow; no more than fit what is left when each takes `min_size` bytes. `None` is null.
    pub(crate) fn array_length(
        &mut self,
        flexible: bool,
        nullable: bool,
        min_size: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let count = self.length(flexible)?;
        let Some(count) = self.allow_null(count, nullable)? else {
            return Ok(None);
        };
        if count > MAX_ARRAY_ELEMENTS {
            return Err(self.error(DecodeErrorKind::TooManyElements { count }));
        }
        if count > self.remaining() / min_size {
            let remaining = self.remaining();
            return Err(self.error(DecodeErrorKind::ArrayTooLong { count, remaining }));
        }
        Ok(Some(count))
    }

    fn allow_null(&self, length: Option<usize>, nullable: bool) -> Result<Option<usize>, DecodeError> {
        if length.is_none() && !nullable {
            Err(self.null())
        } else {
            Ok(length)
        }
    }

    #[cold]
    fn null(&self) -> DecodeError {
        self.error(DecodeErrorKind::UnexpectedNull)
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        self.error(DecodeErrorKind::Truncated {
            needed,
            remaining: self.remaining(),
        })
    }

    #[cold]
    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { at: self.pos, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;

    #[test]
    fn varints() {
        for (value, bytes) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (0x3fff, &[0xff, 0x7f]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut writer = Writer::new();
            writer.unsigned_varint(value);
            let written = writer.into_bytes();
            assert_eq!(written, bytes);
            assert_eq!(Reader::new(written).unsigned_varint(), Ok(value));
        }
    }

    #[test]
    fn varints_beyond_32_bits_are_refused() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff, 0x10][..],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            let result = Reader::new(Bytes::from_static(bytes)).unsigned_varint();
            assert_eq!(result.map_err(|error| error.kind), Err(DecodeErrorKind::VarintTooLong));
        }
    }

    #[test]
    fn numbers_are_big_endian() {
        let mut reader = Reader::new(Bytes::from_static(&[
            0xff, 0xfe, 1, 2, 0xff, 0xff, 0xff, 0xfd, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0,
        ]));
        assert_eq!(
            (reader.i16(), reader.u16(), reader.i32(), reader.f64()),
            (Ok(-2), Ok(0x0102), Ok(-3), Ok(1.5))
        );
        let error = reader.i8().expect_err("nothing is left");
        assert_eq!(
            (error.at, error.kind),
            (
                16,
                DecodeErrorKind::Truncated {
                    needed: 1,
                    remaining: 0
                }
            )
        );
    }

    #[test]
    fn everything_but_zero_is_true() {
        let mut reader = Reader::new(Bytes::from_static(&[0, 1, 0xff]));
        assert_eq!(
            (reader.bool(), reader.bool(), reader.bool()),
            (Ok(false), Ok(true), Ok(true))
        );
    }
}
