//! One face for all messages.

use bytes::Bytes;
use klamm_protocol::{DecodeError, EncodeError, Message, Reader, Schema, VersionRange, Writer};

/// A message type, without its type.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) versions: VersionRange,
    pub(crate) schema: Schema,
    /// Reads bytes, drops the result and says how many it read.
    pub(crate) decode: fn(Bytes, i16) -> Result<usize, DecodeError>,
    /// Reads bytes, which have to be read to the end, and writes them again; what that gives reads as the same value.
    pub(crate) recode: fn(Bytes, i16) -> Result<Bytes, DecodeError>,
    /// Writes the default value.
    pub(crate) encode_default: fn(i16) -> Result<Bytes, EncodeError>,
}

pub(crate) const fn entry<M: Message>() -> Entry {
    Entry {
        name: M::NAME,
        versions: M::VERSIONS,
        schema: Schema::of::<M>(),
        decode: |bytes, version| {
            let mut reader = Reader::new(bytes);
            M::decode(&mut reader, version).map(|_| reader.position())
        },
        recode: recode::<M>,
        encode_default: |version| encode(&M::default(), version),
    }
}

/// The entry of a name.
pub(crate) fn named(name: &str) -> &'static Entry {
    let found = crate::all_messages::ALL.iter().find(|entry| entry.name == name);
    found.unwrap_or_else(|| panic!("no message {name}"))
}

pub(crate) fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

fn recode<M: Message>(bytes: Bytes, version: i16) -> Result<Bytes, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version)?;
    assert_eq!(reader.remaining(), 0, "{} {version}: bytes left", M::NAME);
    let encoded = encode(&message, version).unwrap_or_else(|error| panic!("{} {version}: {error}", M::NAME));
    let again = M::decode(&mut Reader::new(encoded.clone()), version)?;
    assert_eq!(message, again, "{} {version}", M::NAME);
    Ok(encoded)
}
