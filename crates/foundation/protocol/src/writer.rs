//! Writes primitives into a growing buffer.

use bytes::Bytes;

use crate::{EncodeError, ErrorCode, RawTaggedField, Records, Uuid, Wire};

/// Longest string in bytes, in any version.
const MAX_STRING: usize = i16::MAX as usize;

/// Collects an encoded message. Records that lie elsewhere leave a cut instead of bytes.
#[derive(Debug, Default)]
pub struct Writer {
    buf: Vec<u8>,
    external: Vec<ExternalCut>,
}

/// A message as bytes, with the places where bytes from elsewhere belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Everything but the external records.
    pub bytes: Bytes,
    /// Where external records belong, in rising order of `at`.
    pub external: Vec<ExternalCut>,
}

impl EncodedFrame {
    /// Bytes on the wire, external records included.
    pub fn wire_len(&self) -> usize {
        self.bytes.len() + self.external.iter().map(|cut| cut.len as usize).sum::<usize>()
    }
}

/// Records that whoever sends the frame splices in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalCut {
    /// Position in [`EncodedFrame::bytes`] before which the records belong.
    pub at: usize,
    /// The id given in [`Records::External`].
    pub id: u32,
    /// Their length in bytes.
    pub len: u32,
}

macro_rules! integers {
    ($($name:ident $doc:literal)*) => {$(
        #[doc = $doc]
        #[inline]
        pub fn $name(&mut self, value: $name) {
            self.buf.extend_from_slice(&value.to_be_bytes());
        }
    )*};
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buf: Vec::with_capacity(capacity),
            external: Vec::new(),
        }
    }

    /// Bytes written so far, external records not counted.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// What has been written, with its cuts.
    pub fn into_frame(self) -> EncodedFrame {
        EncodedFrame {
            bytes: self.buf.into(),
            external: self.external,
        }
    }

    /// What has been written.
    ///
    /// # Panics
    /// When external records were written: they have no bytes here.
    pub fn into_bytes(self) -> Bytes {
        assert!(
            self.external.is_empty(),
            "external records can only leave by into_frame"
        );
        self.buf.into()
    }

    /// Fills in the size that the first four bytes were left for; it counts external records and not itself.
    pub(crate) fn into_sized_frame(mut self) -> Result<EncodedFrame, EncodeError> {
        let external: usize = self.external.iter().map(|cut| cut.len as usize).sum();
        let length = self.buf.len() - size_of::<i32>() + external;
        let size = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        self.buf[..size_of::<i32>()].copy_from_slice(&size.to_be_bytes());
        Ok(self.into_frame())
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

    /// One byte, 0 or 1.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.buf.push(u8::from(value));
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.buf.extend_from_slice(&value.0);
    }

    /// An error code as i16.
    pub fn error_code(&mut self, value: ErrorCode) {
        self.i16(value.0);
    }

    /// An unsigned varint.
    pub fn unsigned_varint(&mut self, value: u32) {
        let (bytes, length) = varint(value);
        self.buf.extend_from_slice(&bytes[..length]);
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// A string.
    pub fn string(&mut self, flexible: bool, value: &str) -> Result<(), EncodeError> {
        let length = value.len();
        if length > MAX_STRING {
            return Err(EncodeError::StringTooLong { length });
        }
        if flexible {
            self.unsigned_varint(length as u32 + 1);
        } else {
            self.i16(length as i16);
        }
        self.raw(value.as_bytes());
        Ok(())
    }

    /// A string or, when `nullable`, null.
    pub fn opt_string(
        &mut self,
        flexible: bool,
        nullable: bool,
        field: &'static str,
        value: &Option<String>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => return self.string(flexible, value),
            None if !nullable => return Err(EncodeError::UnexpectedNull { field }),
            None if flexible => self.unsigned_varint(0),
            None => self.i16(-1),
        }
        Ok(())
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, flexible: bool, value: &[u8]) -> Result<(), EncodeError> {
        self.length(flexible, value.len())?;
        self.raw(value);
        Ok(())
    }

    /// Bytes or, when `nullable`, null.
    pub fn opt_bytes(
        &mut self,
        flexible: bool,
        nullable: bool,
        field: &'static str,
        value: &Option<Bytes>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(flexible, value),
            None => self.null(flexible, nullable, field),
        }
    }

    /// Records or, when `nullable`, null. External ones are written as a length and leave a cut.
    pub fn opt_records(
        &mut self,
        flexible: bool,
        nullable: bool,
        field: &'static str,
        value: &Option<Records>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(Records::Bytes(bytes)) => self.bytes(flexible, bytes),
            Some(Records::External { id, len }) => {
                self.length(flexible, *len as usize)?;
                self.external.push(ExternalCut {
                    at: self.buf.len(),
                    id: *id,
                    len: *len,
                });
                Ok(())
            }
            None => self.null(flexible, nullable, field),
        }
    }

    /// An array.
    pub fn array<T: Wire>(&mut self, flexible: bool, version: i16, value: &[T]) -> Result<(), EncodeError> {
        self.length(flexible, value.len())?;
        value
            .iter()
            .try_for_each(|element| element.write(self, flexible, version))
    }

    /// An array or, when `nullable`, null.
    pub fn opt_array<T: Wire>(
        &mut self,
        flexible: bool,
        version: i16,
        nullable: bool,
        field: &'static str,
        value: &Option<Vec<T>>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.array(flexible, version, value),
            None => self.null(flexible, nullable, field),
        }
    }

    /// A struct that can be null: with a presence byte in front when `nullable`.
    pub fn opt_struct<T: Wire>(
        &mut self,
        flexible: bool,
        version: i16,
        nullable: bool,
        field: &'static str,
        value: &Option<T>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => {
                if nullable {
                    self.i8(1);
                }
                value.write(self, flexible, version)
            }
            None if nullable => {
                self.i8(-1);
                Ok(())
            }
            None => Err(EncodeError::UnexpectedNull { field }),
        }
    }

    /// A nullable struct in a tagged field, where a varint says whether it is there.
    pub fn opt_tagged_struct<T: Wire>(
        &mut self,
        flexible: bool,
        version: i16,
        value: &Option<T>,
    ) -> Result<(), EncodeError> {
        self.unsigned_varint(u32::from(value.is_some()));
        value
            .as_ref()
            .map_or(Ok(()), |value| value.write(self, flexible, version))
    }

    /// Ends a struct that has no tagged fields of its own.
    pub fn unknown_tags(&mut self, flexible: bool, unknown: &[RawTaggedField]) -> Result<(), EncodeError> {
        self.tagged_fields(flexible, unknown)?.finish()
    }

    /// Starts the tagged fields that end a struct; `unknown` ones are merged in by their tags.
    pub fn tagged_fields<'a>(
        &'a mut self,
        flexible: bool,
        unknown: &'a [RawTaggedField],
    ) -> Result<TaggedFields<'a>, EncodeError> {
        if !flexible && !unknown.is_empty() {
            return Err(EncodeError::TagsNotSupported);
        }
        let start = self.buf.len();
        Ok(TaggedFields {
            writer: self,
            flexible,
            unknown,
            start,
            count: 0,
            last: None,
        })
    }

    /// The length in front of bytes, records and arrays.
    fn length(&mut self, flexible: bool, length: usize) -> Result<(), EncodeError> {
        let value = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        if flexible {
            self.unsigned_varint(value as u32 + 1);
        } else {
            self.i32(value);
        }
        Ok(())
    }

    fn null(&mut self, flexible: bool, nullable: bool, field: &'static str) -> Result<(), EncodeError> {
        match (nullable, flexible) {
            (false, _) => return Err(EncodeError::UnexpectedNull { field }),
            (true, true) => self.unsigned_varint(0),
            (true, false) => self.i32(-1),
        }
        Ok(())
    }

    /// Puts `value` as varint before everything that was written since `start`.
    fn insert_varint(&mut self, start: usize, value: u32) {
        let (bytes, length) = varint(value);
        let end = self.buf.len();
        self.buf.resize(end + length, 0);
        self.buf.copy_within(start..end, start + length);
        self.buf[start..start + length].copy_from_slice(&bytes[..length]);
    }
}

/// The tagged fields of one struct while they are written; [`TaggedFields::finish`] must end it.
#[derive(Debug)]
#[must_use]
pub struct TaggedFields<'a> {
    writer: &'a mut Writer,
    flexible: bool,
    unknown: &'a [RawTaggedField],
    start: usize,
    count: u32,
    last: Option<u32>,
}

impl TaggedFields<'_> {
    /// Writes one known field, whose value is not its default. Tags have to come in rising order.
    pub fn field(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        while let Some((next, rest)) = self.unknown.split_first().filter(|(next, _)| next.tag < tag) {
            self.unknown = rest;
            self.raw_field(next)?;
        }
        self.header(tag)?;
        let start = self.writer.buf.len();
        write(self.writer)?;
        let size = length_u32(self.writer.buf.len() - start)?;
        self.writer.insert_varint(start, size);
        Ok(())
    }

    /// Writes the remaining unknown fields and the count in front.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        for next in std::mem::take(&mut self.unknown) {
            self.raw_field(next)?;
        }
        if self.flexible {
            self.writer.insert_varint(self.start, self.count);
        }
        Ok(())
    }

    fn raw_field(&mut self, field: &RawTaggedField) -> Result<(), EncodeError> {
        self.header(field.tag)?;
        self.writer.unsigned_varint(length_u32(field.data.len())?);
        self.writer.raw(&field.data);
        Ok(())
    }

    fn header(&mut self, tag: u32) -> Result<(), EncodeError> {
        if self.last.is_some_and(|last| last >= tag) {
            return Err(EncodeError::TagOrder { tag });
        }
        self.last = Some(tag);
        self.count += 1;
        self.writer.unsigned_varint(tag);
        Ok(())
    }
}

fn length_u32(length: usize) -> Result<u32, EncodeError> {
    i32::try_from(length)
        .map(|length| length as u32)
        .map_err(|_| EncodeError::TooLong { length })
}

/// The bytes of an unsigned varint and how many of them count.
fn varint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    while value > 0x7f {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}
