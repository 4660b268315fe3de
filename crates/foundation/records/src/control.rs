//! Control records: a key that names the type, and a value whose schema the type decides.

use thiserror::Error;

/// Version written into the keys of control records.
const CURRENT_KEY_VERSION: i16 = 0;

/// What a control record says. The values' schemas belong to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum ControlRecordType {
    /// The transaction was aborted.
    Abort = 0,
    /// The transaction was committed.
    Commit = 1,
    /// A leader of the metadata quorum took office (KIP-595).
    LeaderChange = 2,
    /// First record of a snapshot (KIP-630).
    SnapshotHeader = 3,
    /// Last record of a snapshot.
    SnapshotFooter = 4,
    /// The quorum's protocol version (KIP-853).
    KRaftVersion = 5,
    /// The quorum's voters (KIP-853).
    KRaftVoters = 6,
}

/// Why a control record's key could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlKeyError {
    /// A control record without a key.
    #[error("a control record has no key")]
    Missing,
    /// Fewer than the four bytes that version and type take.
    #[error("the key of a control record has {size} bytes, it needs 4")]
    TooShort {
        /// Bytes found.
        size: usize,
    },
    /// Versions are never negative.
    #[error("the key of a control record has version {version}")]
    NegativeVersion {
        /// Version found.
        version: i16,
    },
}

impl ControlRecordType {
    /// The type with this id; `None` for one that this version does not know and that readers skip.
    pub fn from_id(id: i16) -> Option<Self> {
        Some(match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KRaftVersion,
            6 => Self::KRaftVoters,
            _ => return None,
        })
    }

    /// The id as it stands in keys.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// The key of a control record of this type.
    pub fn key(self) -> [u8; 4] {
        let [a, b] = CURRENT_KEY_VERSION.to_be_bytes();
        let [c, d] = self.id().to_be_bytes();
        [a, b, c, d]
    }

    /// Reads a control record's key. Later key versions only add fields, so their type is read all the same.
    /// `Ok(None)` is a type that this version does not know.
    pub fn parse(key: Option<&[u8]>) -> Result<Option<Self>, ControlKeyError> {
        let key = key.ok_or(ControlKeyError::Missing)?;
        let &[a, b, c, d, ..] = key else {
            return Err(ControlKeyError::TooShort { size: key.len() });
        };
        let version = i16::from_be_bytes([a, b]);
        if version < 0 {
            return Err(ControlKeyError::NegativeVersion { version });
        }
        Ok(Self::from_id(i16::from_be_bytes([c, d])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        for id in 0..7 {
            let kind = ControlRecordType::from_id(id).unwrap();
            assert_eq!(kind.id(), id);
            assert_eq!(ControlRecordType::parse(Some(&kind.key())), Ok(Some(kind)));
        }
        assert_eq!(ControlRecordType::LeaderChange.key(), [0, 0, 0, 2]);
    }

    #[test]
    fn unknown_types_and_later_versions_are_tolerated() {
        assert_eq!(ControlRecordType::parse(Some(&[0, 0, 0, 7])), Ok(None));
        assert_eq!(ControlRecordType::parse(Some(&[0, 0, 0xff, 0xff])), Ok(None));
        assert_eq!(
            ControlRecordType::parse(Some(&[0, 9, 0, 1, 42])),
            Ok(Some(ControlRecordType::Commit))
        );
    }

    #[test]
    fn broken_keys_are_refused() {
        assert_eq!(ControlRecordType::parse(None), Err(ControlKeyError::Missing));
        assert_eq!(
            ControlRecordType::parse(Some(&[0, 0, 0])),
            Err(ControlKeyError::TooShort { size: 3 })
        );
        assert_eq!(
            ControlRecordType::parse(Some(&[0xff, 0xff, 0, 1])),
            Err(ControlKeyError::NegativeVersion { version: -1 })
        );
    }
}
