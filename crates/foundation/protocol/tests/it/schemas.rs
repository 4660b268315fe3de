//! Messages read by their schema as data, beside the generated code; and their JSON.

use bytes::Bytes;
use klamm_protocol::coordinator::{OffsetCommitKey, OffsetCommitValue};
use klamm_protocol::data::VotersRecord;
use klamm_protocol::messages::FetchRequest;
use klamm_protocol::metadata::{ClientQuotaRecord, PartitionChangeRecord, PartitionRecord, UserScramCredentialRecord};
use klamm_protocol::{DecodeErrorKind, Message, Reader, Schema, Uuid};

use crate::entry::{Entry, encode};
use crate::golden::goldens;
use crate::hostile::mutate;
use crate::random_wire::Random;

/// Mutations of each golden message.
const MUTATIONS: u64 = 40;

/// Bytes read by the schema, or nothing when they are no message.
fn read_by_schema(message: &Entry, bytes: Bytes, version: i16) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    let value = message.schema.read(&mut reader, version).ok()?;
    assert!(!value.to_string().is_empty());
    Some(reader.position())
}

#[test]
fn schemas_read_what_the_generated_code_reads() {
    for golden in goldens() {
        let (message, version, bytes) = (golden.message, golden.version, golden.bytes);
        let what = format!("{} {version} {}", message.name, golden.content);
        assert_eq!(
            read_by_schema(message, bytes.clone(), version),
            Some(bytes.len()),
            "{what}"
        );
        for seed in 0..MUTATIONS {
            let frame = Bytes::from(mutate(&bytes, &mut Random(seed)));
            let read = (message.decode)(frame.clone(), version).ok();
            assert_eq!(read_by_schema(message, frame, version), read, "{what} seed {seed}");
        }
    }
}

fn json<M: Message>(message: &M, version: i16) -> String {
    let bytes = encode(message, version).expect("it can be written");
    let value = Schema::of::<M>().read(&mut Reader::new(bytes), version);
    value.expect("it can be read").to_string()
}

#[test]
fn json_is_what_kafkas_converters_write() {
    let key = OffsetCommitKey {
        group: "classic-group".into(),
        topic: "load".into(),
        partition: 1,
    };
    assert_eq!(
        json(&key, 0),
        r#"{"group":"classic-group","topic":"load","partition":1}"#
    );
    let value = OffsetCommitValue {
        offset: 18,
        leader_epoch: 0,
        commit_timestamp: 1_700_000_000_000,
        topic_id: Uuid::METADATA_TOPIC_ID,
        ..Default::default()
    };
    assert_eq!(
        json(&value, 4),
        r#"{"offset":18,"leaderEpoch":0,"metadata":"","commitTimestamp":1700000000000,"topicId":"AAAAAAAAAAAAAAAAAAAAAQ"}"#
    );
    assert_eq!(
        json(&value, 3),
        r#"{"offset":18,"leaderEpoch":0,"metadata":"","commitTimestamp":1700000000000}"#
    );
    assert_eq!(
        json(&VotersRecord::default(), 0),
        r#"{"version":0,"voters":[]}"#,
        "an array in every version is shown when it is empty"
    );
}

#[test]
fn tagged_fields_stand_where_the_schema_has_them_and_only_when_set() {
    let plain = PartitionChangeRecord::default();
    assert_eq!(
        json(&plain, 2),
        r#"{"partitionId":-1,"topicId":"AAAAAAAAAAAAAAAAAAAAAA"}"#
    );
    let set = PartitionChangeRecord {
        isr: Some(vec![]),
        leader: 3,
        directories: Some(vec![Uuid::ZERO]),
        last_known_elr: Some(vec![1]),
        ..Default::default()
    };
    assert_eq!(
        json(&set, 2),
        r#"{"partitionId":-1,"topicId":"AAAAAAAAAAAAAAAAAAAAAA","isr":[],"leader":3,"directories":["AAAAAAAAAAAAAAAAAAAAAA"],"lastKnownElr":[1]}"#
    );
    // A tag that is there but holds the default is left out, as an object with the default would be.
    let mut bytes = encode(&PartitionRecord::default(), 0)
        .expect("it can be written")
        .to_vec();
    assert_eq!(bytes.pop(), Some(0), "no tags");
    bytes.extend([1, 0, 1, 0]);
    let value = Schema::of::<PartitionRecord>().read(&mut Reader::new(bytes.into()), 0);
    assert_eq!(
        value.expect("it can be read").get("leaderRecoveryState"),
        None,
        "tag 0 holds 0"
    );
}

#[test]
fn bytes_and_doubles_have_their_text() {
    let credential = UserScramCredentialRecord {
        salt: Bytes::from_static(b"salt"),
        ..Default::default()
    };
    assert_eq!(
        json(&credential, 0),
        r#"{"name":"","mechanism":0,"salt":"c2FsdA==","storedKey":"","serverKey":"","iterations":0}"#
    );
    let quota = ClientQuotaRecord {
        key: "consumer_byte_rate".into(),
        value: 1e7,
        ..Default::default()
    };
    assert_eq!(
        json(&quota, 0),
        r#"{"entity":[],"key":"consumer_byte_rate","value":1.0E7,"remove":false}"#
    );
}

#[test]
fn versions_that_a_message_lacks_are_refused() {
    let schema = Schema::of::<FetchRequest>();
    for version in [FetchRequest::MIN_VERSION - 1, FetchRequest::MAX_VERSION + 1, -1] {
        let error = schema
            .read(&mut Reader::new(Bytes::new()), version)
            .expect_err("no such version");
        assert_eq!(
            error.kind,
            DecodeErrorKind::UnsupportedVersion {
                message: "FetchRequest",
                version
            }
        );
    }
}
