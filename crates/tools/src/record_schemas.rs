//! Which messages the records of Kafka's internal topics hold, and their JSON: for whoever shows such topics.

use bytes::Bytes;
use klamm_protocol::{Reader, Schema, Value, coordinator, data, metadata};

use crate::output::constant;

/// A type of record of a coordinator's topic: the number that starts its keys, and what its key and value hold.
pub(crate) type RecordType = (i16, Schema, Schema);

macro_rules! record_types {
    ($($id:literal $key:ident $value:ident)*) => {
        &[$(($id, Schema::of::<coordinator::$key>(), Schema::of::<coordinator::$value>())),*]
    };
}

/// Records of `__consumer_offsets`.
pub(crate) const OFFSETS: &[RecordType] = record_types! {
    0 LegacyOffsetCommitKey LegacyOffsetCommitValue
    1 OffsetCommitKey OffsetCommitValue
    2 GroupMetadataKey GroupMetadataValue
    3 ConsumerGroupMetadataKey ConsumerGroupMetadataValue
    4 ConsumerGroupPartitionMetadataKey ConsumerGroupPartitionMetadataValue
    5 ConsumerGroupMemberMetadataKey ConsumerGroupMemberMetadataValue
    6 ConsumerGroupTargetAssignmentMetadataKey ConsumerGroupTargetAssignmentMetadataValue
    7 ConsumerGroupTargetAssignmentMemberKey ConsumerGroupTargetAssignmentMemberValue
    8 ConsumerGroupCurrentMemberAssignmentKey ConsumerGroupCurrentMemberAssignmentValue
    10 ShareGroupMemberMetadataKey ShareGroupMemberMetadataValue
    11 ShareGroupMetadataKey ShareGroupMetadataValue
    12 ShareGroupTargetAssignmentMetadataKey ShareGroupTargetAssignmentMetadataValue
    13 ShareGroupTargetAssignmentMemberKey ShareGroupTargetAssignmentMemberValue
    14 ShareGroupCurrentMemberAssignmentKey ShareGroupCurrentMemberAssignmentValue
    15 ShareGroupStatePartitionMetadataKey ShareGroupStatePartitionMetadataValue
    16 ConsumerGroupRegularExpressionKey ConsumerGroupRegularExpressionValue
    17 StreamsGroupMetadataKey StreamsGroupMetadataValue
    19 StreamsGroupMemberMetadataKey StreamsGroupMemberMetadataValue
    20 StreamsGroupTargetAssignmentMetadataKey StreamsGroupTargetAssignmentMetadataValue
    21 StreamsGroupTargetAssignmentMemberKey StreamsGroupTargetAssignmentMemberValue
    22 StreamsGroupCurrentMemberAssignmentKey StreamsGroupCurrentMemberAssignmentValue
    23 StreamsGroupTopologyKey StreamsGroupTopologyValue
};

/// Records of `__transaction_state`.
pub(crate) const TRANSACTIONS: &[RecordType] = record_types! {
    0 TransactionLogKey TransactionLogValue
};

/// Records of `__share_group_state`.
pub(crate) const SHARE_STATE: &[RecordType] = record_types! {
    0 ShareSnapshotKey ShareSnapshotValue
    1 ShareUpdateKey ShareUpdateValue
};

macro_rules! metadata_types {
    ($($id:literal $record:ident)*) => {
        &[$(($id, Schema::of::<metadata::$record>())),*]
    };
}

/// Records of `__cluster_metadata`, by type.
const METADATA: &[(u32, Schema)] = metadata_types! {
    0 RegisterBrokerRecord
    1 UnregisterBrokerRecord
    2 TopicRecord
    3 PartitionRecord
    4 ConfigRecord
    5 PartitionChangeRecord
    7 FenceBrokerRecord
    8 UnfenceBrokerRecord
    9 RemoveTopicRecord
    10 DelegationTokenRecord
    11 UserScramCredentialRecord
    12 FeatureLevelRecord
    14 ClientQuotaRecord
    15 ProducerIdsRecord
    17 BrokerRegistrationChangeRecord
    18 AccessControlEntryRecord
    19 RemoveAccessControlEntryRecord
    20 NoOpRecord
    21 ZkMigrationStateRecord
    22 RemoveUserScramCredentialRecord
    23 BeginTransactionRecord
    24 EndTransactionRecord
    25 AbortTransactionRecord
    26 RemoveDelegationTokenRecord
    27 RegisterControllerRecord
    28 ClearElrRecord
    29 UnregisterControllerRecord
};

/// Why a key or a value can't be shown.
#[derive(Debug, PartialEq)]
pub(crate) enum Unreadable {
    /// No record of the topic has this type.
    UnknownType(i16),
    /// In the words of Kafka's tools.
    Damaged(String),
}

/// A record of a coordinator's topic: the type and the message of its key, and unless it is a tombstone the version and the
/// message of its value.
pub(crate) type Decoded = ((i16, Value), Option<(i16, Value)>);

/// Reads a record of a coordinator's topic.
pub(crate) fn decode(types: &[RecordType], key: &[u8], value: Option<&[u8]>) -> Result<Decoded, Unreadable> {
    let mut key = Reader::new(Bytes::copy_from_slice(key));
    let id = version(&mut key, "key")?;
    let (_, key_schema, value_schema) = types
        .iter()
        .find(|(candidate, ..)| *candidate == id)
        .ok_or(Unreadable::UnknownType(id))?;
    let key = message(key_schema, &mut key, 0, id, "key")?;
    let Some(value) = value else {
        return Ok(((id, key), None));
    };
    let mut value = Reader::new(Bytes::copy_from_slice(value));
    let version = version(&mut value, "value")?;
    let value = message(value_schema, &mut value, version, version, "value")?;
    Ok(((id, key), Some((version, value))))
}

fn version(r: &mut Reader, part: &str) -> Result<i16, Unreadable> {
    r.i16()
        .map_err(|_| Unreadable::Damaged(format!("Could not read version from {part}'s buffer.")))
}

fn message(schema: &Schema, r: &mut Reader, version: i16, shown: i16, part: &str) -> Result<Value, Unreadable> {
    schema.read(r, version).map_err(|error| {
        Unreadable::Damaged(format!(
            "Could not read record with version {shown} from {part}'s buffer due to: {error}."
        ))
    })
}

/// Shows what the consumers of a classic group left in its metadata as what it means, where it can be read.
pub(crate) fn expand_group_metadata(value: &mut Value) {
    if value.get("protocolType") != Some(&Value::Text("consumer".to_owned())) {
        return;
    }
    let Some(Value::Array(members)) = value.get_mut("members") else {
        return;
    };
    for member in members {
        for (field, schema) in [
            ("subscription", Schema::of::<data::ConsumerProtocolSubscription>()),
            ("assignment", Schema::of::<data::ConsumerProtocolAssignment>()),
        ] {
            if let Some(value) = member.get_mut(field)
                && let Value::Bytes(bytes) = value
                && let Some(expanded) = embedded(&schema, bytes.clone())
            {
                *value = expanded;
            }
        }
    }
}

/// A message of the consumers' protocol behind its version. A later version is read as the newest that is known, as they do.
fn embedded(schema: &Schema, bytes: Bytes) -> Option<Value> {
    let mut r = Reader::new(bytes);
    let version = r.i16().ok()?.min(schema.versions.1);
    schema.read(&mut r, version).ok()
}

/// The number of a framed record's type, its version, and what is left to read.
pub(crate) fn unframe(bytes: &[u8]) -> Result<(u32, i16, Reader), String> {
    let mut r = Reader::new(Bytes::copy_from_slice(bytes));
    let mut next = |what: &str| r.unsigned_varint().map_err(|_| format!("Error while reading {what}"));
    match next("frame version")? {
        1 => {}
        0 => {
            return Err("Could not deserialize metadata record with frame version 0. Note that upgrades from the preview release \
                        of KRaft in 2.8 to newer versions are not supported."
                .to_owned());
        }
        version => {
            return Err(format!(
                "Could not deserialize metadata record due to unknown frame version {version}(only frame version 1 is supported)"
            ));
        }
    }
    let id = next("type")?;
    let version = next("version")?;
    let version = i16::try_from(version).map_err(|_| format!("Value for version {version} was too large"))?;
    Ok((id, version, r))
}

/// A record of `__cluster_metadata`, as JSON.
pub(crate) fn metadata_record(bytes: &[u8]) -> Result<String, String> {
    let (id, version, mut r) = unframe(bytes)?;
    let (_, schema) = METADATA
        .iter()
        .find(|(candidate, _)| *candidate == id)
        .ok_or_else(|| format!("Unknown metadata id {id}"))?;
    let value = schema
        .read(&mut r, version)
        .map_err(|error| format!("Failed to deserialize record with type {id}: {error}"))?;
    if r.remaining() > 0 {
        return Err(format!("Found {} byte(s) of garbage after {id}", r.remaining()));
    }
    let name = constant(schema.name);
    Ok(format!(
        "{{\"type\":\"{name}\",\"version\":{version},\"data\":{value}}}"
    ))
}
