//! The records of `__cluster_metadata` and the frame around each.

use bytes::Bytes;
use klamm_protocol::metadata::{
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord, BrokerRegistrationChangeRecord,
    ClearElrRecord, ClientQuotaRecord, ConfigRecord, DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord,
    FenceBrokerRecord, NoOpRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord, RemoveTopicRecord,
    RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord, UserScramCredentialRecord, ZkMigrationStateRecord,
};
use klamm_protocol::{DecodeError, EncodeError, Message, Reader, Writer};

use crate::metadata_version::MetadataVersion;

/// The only frame version there is; 0 was KRaft's preview.
const FRAME_VERSION: u32 = 1;

/// Why bytes are not a metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordDecodeError {
    /// A frame of another version.
    #[error("metadata record with unknown frame version {0}, only 1 is known")]
    FrameVersion(u32),
    /// A kind of record that is not known.
    #[error("metadata record of unknown type {0}")]
    UnknownType(u32),
    /// A version of the record that is not known.
    #[error("{record} of unknown version {version}")]
    UnknownVersion {
        /// The record's name.
        record: &'static str,
        /// The version as written.
        version: u32,
    },
    /// Bytes that are not the record they claim to be.
    #[error("metadata record: {0}")]
    Malformed(#[from] DecodeError),
    /// Bytes left over behind the record.
    #[error("{bytes} bytes left over behind {record}")]
    LeftOver {
        /// The record's name.
        record: &'static str,
        /// How many bytes.
        bytes: usize,
    },
}

macro_rules! metadata_records {
    ($($variant:ident($record:ident) = $key:literal,)*) => {
        /// One record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $(#[doc = concat!("`", stringify!($record), "`, type ", stringify!($key), ".")] $variant($record),)*
        }

        impl MetadataRecord {
            /// The id of the record's type.
            pub fn key(&self) -> u32 {
                match self { $(Self::$variant(_) => $key,)* }
            }

            /// The name of the record's type.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $record::NAME,)* }
            }

            fn encode_body(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
                match self { $(Self::$variant(record) => record.encode(w, version),)* }
            }

            fn decode_body(key: u32, version: u32, r: &mut Reader) -> Result<Self, RecordDecodeError> {
                match key {
                    $($key => decode_versioned::<$record>(version, r).map(Self::$variant),)*
                    other => Err(RecordDecodeError::UnknownType(other)),
                }
            }
        }

        $(impl From<$record> for MetadataRecord {
            fn from(record: $record) -> Self {
                Self::$variant(record)
            }
        })*
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord) = 0,
    UnregisterBroker(UnregisterBrokerRecord) = 1,
    Topic(TopicRecord) = 2,
    Partition(PartitionRecord) = 3,
    Config(ConfigRecord) = 4,
    PartitionChange(PartitionChangeRecord) = 5,
    FenceBroker(FenceBrokerRecord) = 7,
    UnfenceBroker(UnfenceBrokerRecord) = 8,
    RemoveTopic(RemoveTopicRecord) = 9,
    DelegationToken(DelegationTokenRecord) = 10,
    UserScramCredential(UserScramCredentialRecord) = 11,
    FeatureLevel(FeatureLevelRecord) = 12,
    ClientQuota(ClientQuotaRecord) = 14,
    ProducerIds(ProducerIdsRecord) = 15,
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17,
    AccessControlEntry(AccessControlEntryRecord) = 18,
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19,
    NoOp(NoOpRecord) = 20,
    ZkMigrationState(ZkMigrationStateRecord) = 21,
    RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22,
    BeginTransaction(BeginTransactionRecord) = 23,
    EndTransaction(EndTransactionRecord) = 24,
    AbortTransaction(AbortTransactionRecord) = 25,
    RemoveDelegationToken(RemoveDelegationTokenRecord) = 26,
    RegisterController(RegisterControllerRecord) = 27,
    ClearElr(ClearElrRecord) = 28,
    UnregisterController(UnregisterControllerRecord) = 29,
}

impl MetadataRecord {
    /// Reads a record with its frame. The whole of `bytes` must be the record.
    pub fn decode(bytes: Bytes) -> Result<Self, RecordDecodeError> {
        let mut r = Reader::new(bytes);
        let frame_version = r.unsigned_varint()?;
        if frame_version != FRAME_VERSION {
            return Err(RecordDecodeError::FrameVersion(frame_version));
        }
        let key = r.unsigned_varint()?;
        let version = r.unsigned_varint()?;
        let record = Self::decode_body(key, version, &mut r)?;
        match r.remaining() {
            0 => Ok(record),
            bytes => Err(RecordDecodeError::LeftOver {
                record: record.name(),
                bytes,
            }),
        }
    }

    /// Writes the record with its frame, in the version that a log at `metadata_version` holds.
    ///
    /// Fails when the record says what that version can't.
    pub fn encode(&self, metadata_version: MetadataVersion) -> Result<Bytes, EncodeError> {
        let version = self.version_at(metadata_version);
        let mut w = Writer::new();
        w.unsigned_varint(FRAME_VERSION);
        w.unsigned_varint(self.key());
        w.unsigned_varint(u32::from(version.unsigned_abs()));
        self.encode_body(&mut w, version)?;
        Ok(w.into_bytes())
    }

    /// The version that the record is written in at `metadata_version`.
    pub fn version_at(&self, metadata_version: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) => metadata_version.register_broker_record_version(),
            Self::Partition(_) => metadata_version.partition_record_version(),
            Self::PartitionChange(_) => metadata_version.partition_change_record_version(),
            Self::BrokerRegistrationChange(record) => lowest_version(record),
            _ => 0,
        }
    }
}

/// The lowest version that can say what the record says: each version came with one more field, and Kafka's controller
/// writes each change in the version its field came with.
fn lowest_version(record: &BrokerRegistrationChangeRecord) -> i16 {
    if record.cordoned_log_dirs.is_some() {
        3
    } else if !record.log_dirs.is_empty() {
        2
    } else if record.in_controlled_shutdown != 0 {
        1
    } else {
        0
    }
}

fn decode_versioned<M: Message>(version: u32, r: &mut Reader) -> Result<M, RecordDecodeError> {
    let known = i16::try_from(version)
        .ok()
        .filter(|version| (M::MIN_VERSION..=M::MAX_VERSION).contains(version));
    match known {
        Some(version) => Ok(M::decode(r, version)?),
        None => Err(RecordDecodeError::UnknownVersion {
            record: M::NAME,
            version,
        }),
    }
}
