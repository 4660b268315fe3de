//! The records of `__consumer_offsets`, as Kafka writes them.

use bytes::Bytes;
use klamm_coordinator::{EncodedRecord, RecordError};
use klamm_protocol::coordinator::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetCommitKey,
    OffsetCommitValue,
};
use klamm_protocol::{Message, Reader, Writer};
use std::sync::Arc;

/// Kinds of keys that other group types write; the group id is the first field of all of them.
const FOREIGN_KEYS: std::ops::RangeInclusive<i16> = 3..=23;
/// Of these, the ones whose value says that the group exists: of consumer, share and streams groups.
const FOREIGN_GROUP_KEYS: [i16; 3] = [3, 11, 17];

const LEGACY_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;

/// Kafka writes the highest version that is not flexible, at every `metadata.version` that Kafka 4 knows.
const GROUP_METADATA_VALUE_VERSION: i16 = 3;
const OFFSET_COMMIT_VALUE_VERSION: i16 = 3;
/// The one version that has an expiry timestamp.
const OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: i16 = 1;

/// A record of `__consumer_offsets`. A value of none is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRecord {
    /// A group's generation and members.
    GroupMetadata {
        /// Group id.
        group: String,
        /// What the group is from here on.
        value: Option<Arc<GroupMetadataValue>>,
    },
    /// A committed offset.
    OffsetCommit {
        /// Group, topic and partition.
        key: OffsetCommitKey,
        /// The offset.
        value: Option<OffsetCommitValue>,
    },
    /// Something of a group of another type.
    Foreign {
        /// Group id.
        group: String,
        /// Says whether the group exists; none if the record doesn't tell.
        exists: Option<bool>,
    },
    /// A kind of key nobody here knows.
    Unknown {
        /// The int16 the key starts with.
        key_type: i16,
    },
}

impl GroupRecord {
    /// A committed offset.
    pub(crate) fn offset_commit(group: &str, topic: &str, partition: i32, value: OffsetCommitValue) -> Self {
        Self::OffsetCommit {
            key: offset_key(group, topic, partition),
            value: Some(value),
        }
    }

    /// The end of a committed offset.
    pub(crate) fn offset_tombstone(group: &str, topic: &str, partition: i32) -> Self {
        Self::OffsetCommit {
            key: offset_key(group, topic, partition),
            value: None,
        }
    }

    /// A group without members and without a generation.
    pub(crate) fn empty_group(group: &str, now_ms: i64) -> Self {
        let value = GroupMetadataValue {
            protocol: None,
            leader: None,
            current_state_timestamp: now_ms,
            ..GroupMetadataValue::default()
        };
        Self::GroupMetadata {
            group: group.to_owned(),
            value: Some(Arc::new(value)),
        }
    }

    /// The end of a group.
    pub(crate) fn group_tombstone(group: &str) -> Self {
        Self::GroupMetadata {
            group: group.to_owned(),
            value: None,
        }
    }

    /// Decodes a record; the bytes are copied once, fields share that copy.
    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Bytes::copy_from_slice(key));
        let bad_key = |error| RecordError(format!("key: {error}"));
        let key_type = reader.i16().map_err(bad_key)?;
        match key_type {
            LEGACY_OFFSET_COMMIT_KEY => {
                let key = LegacyOffsetCommitKey::decode(&mut reader, 0).map_err(bad_key)?;
                let value = value.map(decode_value::<LegacyOffsetCommitValue>).transpose()?;
                Ok(Self::OffsetCommit {
                    key: offset_key(&key.group, &key.topic, key.partition),
                    value: value.map(|value| OffsetCommitValue {
                        offset: value.offset,
                        metadata: value.metadata,
                        commit_timestamp: value.commit_timestamp,
                        ..OffsetCommitValue::default()
                    }),
                })
            }
            OFFSET_COMMIT_KEY => Ok(Self::OffsetCommit {
                key: OffsetCommitKey::decode(&mut reader, 0).map_err(bad_key)?,
                value: value.map(decode_value).transpose()?,
            }),
            GROUP_METADATA_KEY => Ok(Self::GroupMetadata {
                group: GroupMetadataKey::decode(&mut reader, 0).map_err(bad_key)?.group,
                value: value.map(decode_value).transpose()?.map(Arc::new),
            }),
            foreign if FOREIGN_KEYS.contains(&foreign) => Ok(Self::Foreign {
                group: reader.string(false).map_err(bad_key)?,
                exists: FOREIGN_GROUP_KEYS.contains(&foreign).then_some(value.is_some()),
            }),
            key_type => Ok(Self::Unknown { key_type }),
        }
    }

    /// Encodes a record of ours.
    ///
    /// # Panics
    /// For a record of another group type: these are read, never written.
    pub(crate) fn encode(&self) -> EncodedRecord {
        match self {
            Self::GroupMetadata { group, value } => EncodedRecord {
                key: encode(GROUP_METADATA_KEY, &GroupMetadataKey { group: group.clone() }, 0),
                value: value
                    .as_deref()
                    .map(|value| encode(GROUP_METADATA_VALUE_VERSION, value, GROUP_METADATA_VALUE_VERSION)),
            },
            Self::OffsetCommit { key, value } => EncodedRecord {
                key: encode(OFFSET_COMMIT_KEY, key, 0),
                value: value.as_ref().map(|value| {
                    let version = match value.expire_timestamp {
                        -1 => OFFSET_COMMIT_VALUE_VERSION,
                        _ => OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY,
                    };
                    encode(version, value, version)
                }),
            },
            Self::Foreign { .. } | Self::Unknown { .. } => panic!("{self:?} is not ours to write"),
        }
    }
}

fn offset_key(group: &str, topic: &str, partition: i32) -> OffsetCommitKey {
    OffsetCommitKey {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
    }
}

/// A value starts with its version.
fn decode_value<M: Message>(value: &[u8]) -> Result<M, RecordError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value));
    let bad_value = |error| RecordError(format!("{}: {error}", M::NAME));
    let version = reader.i16().map_err(bad_value)?;
    M::decode(&mut reader, version).map_err(bad_value)
}

/// The kind of a key or the version of a value, then the message.
fn encode<M: Message>(prefix: i16, message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    writer.i16(prefix);
    message
        .encode(&mut writer, version)
        .expect("strings come from requests, whose strings are no longer than a record's");
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::GroupRecord;
    use hex_literal::hex;
    use klamm_protocol::coordinator::OffsetCommitValue;

    #[test]
    fn a_commit_is_written_with_these_bytes() {
        let value = OffsetCommitValue {
            offset: 42,
            leader_epoch: 7,
            metadata: "m".to_owned(),
            commit_timestamp: 1_000,
            ..OffsetCommitValue::default()
        };
        let record = GroupRecord::offset_commit("g", "orders", 3, value);
        let encoded = record.encode();
        assert_eq!(encoded.key[..], hex!("0001 0001 67 0006 6f7264657273 00000003"));
        //                                type group   topic            partition
        assert_eq!(
            encoded.value.as_deref(),
            Some(&hex!("0003 000000000000002a 00000007 0001 6d 00000000000003e8")[..])
        );
        //                                               version offset        epoch    metadata commit timestamp
        assert_eq!(GroupRecord::decode(&encoded.key, encoded.value.as_deref()), Ok(record));
    }

    #[test]
    fn an_expiring_commit_is_written_in_version_1() {
        let value = OffsetCommitValue {
            offset: 1,
            commit_timestamp: 2,
            expire_timestamp: 3,
            ..OffsetCommitValue::default()
        };
        let record = GroupRecord::offset_commit("g", "t", 0, value);
        let encoded = record.encode();
        assert_eq!(
            encoded.value.as_deref(),
            Some(&hex!("0001 0000000000000001 0000 0000000000000002 0000000000000003")[..])
        );
        assert_eq!(GroupRecord::decode(&encoded.key, encoded.value.as_deref()), Ok(record));
    }

    #[test]
    fn the_flexible_version_and_the_legacy_key_are_read_too() {
        let key = hex!("0001 0001 67 0001 74 00000000");
        let flexible = hex!("0004 0000000000000005 ffffffff 01 0000000000000006 00");
        let value = OffsetCommitValue {
            offset: 5,
            commit_timestamp: 6,
            ..OffsetCommitValue::default()
        };
        let expected = GroupRecord::offset_commit("g", "t", 0, value.clone());
        assert_eq!(GroupRecord::decode(&key, Some(&flexible)), Ok(expected.clone()));
        let legacy_key = hex!("0000 0001 67 0001 74 00000000");
        let legacy = hex!("0000 0000000000000005 0000 0000000000000006");
        assert_eq!(GroupRecord::decode(&legacy_key, Some(&legacy)), Ok(expected));
    }

    #[test]
    fn records_of_other_group_types_tell_their_group() {
        let consumer = GroupRecord::decode(&hex!("0003 0001 67"), Some(&hex!("0000 00000001 00")));
        assert_eq!(
            consumer,
            Ok(GroupRecord::Foreign {
                group: "g".to_owned(),
                exists: Some(true)
            })
        );
        let member = GroupRecord::decode(&hex!("0005 0001 67 0001 6d"), None);
        assert_eq!(
            member,
            Ok(GroupRecord::Foreign {
                group: "g".to_owned(),
                exists: None
            })
        );
        assert_eq!(
            GroupRecord::decode(&hex!("0063 01"), None),
            Ok(GroupRecord::Unknown { key_type: 99 })
        );
    }

    #[test]
    fn torn_records_are_refused() {
        let whole = GroupRecord::offset_commit("g", "t", 0, OffsetCommitValue::default()).encode();
        let value = whole.value.expect("a commit has a value");
        for cut in 0..value.len() {
            assert!(
                GroupRecord::decode(&whole.key, Some(&value[..cut])).is_err(),
                "value cut at {cut}"
            );
        }
        for cut in 0..whole.key.len() {
            assert!(
                GroupRecord::decode(&whole.key[..cut], Some(&value)).is_err(),
                "key cut at {cut}"
            );
        }
    }
}
