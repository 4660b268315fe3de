//! What every generated message offers.

use std::fmt::Debug;

use crate::schema::Field;
use crate::{ApiKey, DecodeError, DecodeErrorKind, EncodeError, Reader, VersionRange, Wire, Writer};

/// A message with versions: a request, a response, a header or a record.
pub trait Message: Wire + Default + Clone + Debug + PartialEq {
    /// Kafka's name.
    const NAME: &'static str;
    /// Lowest version that can be read and written.
    const MIN_VERSION: i16;
    /// Highest version that can be read and written.
    const MAX_VERSION: i16;
    /// First flexible version, or `i16::MAX`.
    const FLEXIBLE_FROM: i16;
    /// Its fields, as data.
    const FIELDS: &'static [Field];
    /// The versions that can be read and written.
    const VERSIONS: VersionRange = VersionRange {
        min: Self::MIN_VERSION,
        max: Self::MAX_VERSION,
    };

    /// Reads the message in `version`. Bytes after it are left in the reader: Kafka tolerates them in requests.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(version) {
            let kind = DecodeErrorKind::UnsupportedVersion {
                message: Self::NAME,
                version,
            };
            return Err(DecodeError { at: r.position(), kind });
        }
        Self::read(r, version >= Self::FLEXIBLE_FROM, version)
    }

    /// Writes the message in `version`. A set field that the version lacks is an error, unless it may be ignored.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(EncodeError::UnsupportedVersion {
                message: Self::NAME,
                version,
            });
        }
        self.write(w, version >= Self::FLEXIBLE_FROM, version)
    }
}

/// A request, which knows its response.
pub trait Request: Message {
    /// The api it calls.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response: Response;
}

/// A response.
pub trait Response: Message {
    /// The api it answers.
    const KEY: ApiKey;
}

/// Fails when a field that a version lacks, and that may not be dropped, is set.
pub(crate) fn require_default(is_default: bool, field: &'static str, version: i16) -> Result<(), EncodeError> {
    if is_default {
        Ok(())
    } else {
        Err(EncodeError::FieldNotInVersion { field, version })
    }
}
