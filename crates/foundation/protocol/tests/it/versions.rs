//! What may be written in which version.

use bytes::Bytes;
use klamm_protocol::coordinator::ConsumerGroupMemberMetadataValue;
use klamm_protocol::messages::{
    ApiVersionsResponse, DescribeGroupsResponse, FetchRequest, FetchResponse, FetchSnapshotResponse, HeartbeatRequest,
    MetadataRequest, fetch_response, fetch_snapshot_response, metadata_request,
};
use klamm_protocol::{DecodeErrorKind, EncodeError, Message, RawTaggedField, Reader, Records, Writer};

use crate::entry::encode;

fn recode<M: Message>(message: &M, version: i16) -> M {
    M::decode(
        &mut Reader::new(encode(message, version).expect("can be written")),
        version,
    )
    .expect("was just written")
}

#[test]
fn versions_outside_the_range_are_refused() {
    for version in [3, 19, -1] {
        let error =
            FetchRequest::decode(&mut Reader::new(Bytes::from(vec![0; 100])), version).expect_err("no such version");
        assert_eq!(
            error.kind,
            DecodeErrorKind::UnsupportedVersion {
                message: "FetchRequest",
                version
            }
        );
        let error = encode(&FetchRequest::default(), version).expect_err("no such version");
        assert_eq!(
            error,
            EncodeError::UnsupportedVersion {
                message: "FetchRequest",
                version
            }
        );
    }
}

#[test]
fn a_set_field_that_the_version_lacks_is_refused() {
    let request = HeartbeatRequest {
        group_instance_id: Some("a".into()),
        ..Default::default()
    };
    assert_eq!(
        encode(&request, 2),
        Err(EncodeError::FieldNotInVersion {
            field: "group_instance_id",
            version: 2
        })
    );
    assert_eq!(recode(&request, 3), request);
    // Also one that would be tagged.
    let request = FetchRequest {
        replica_state: Default::default(),
        replica_id: 3,
        ..Default::default()
    };
    assert_eq!(recode(&request, 14).replica_id, 3);
    assert_eq!(
        encode(&request, 15),
        Err(EncodeError::FieldNotInVersion {
            field: "replica_id",
            version: 15
        })
    );
    let mut request = FetchRequest::default();
    request.replica_state.replica_id = 3;
    assert_eq!(
        encode(&request, 14),
        Err(EncodeError::FieldNotInVersion {
            field: "replica_state",
            version: 14
        })
    );
}

#[test]
fn an_ignorable_field_is_dropped_where_the_version_lacks_it() {
    let response = ApiVersionsResponse {
        throttle_time_ms: 7,
        finalized_features_epoch: 9,
        ..Default::default()
    };
    assert_eq!(recode(&response, 0), ApiVersionsResponse::default());
    assert_eq!(recode(&response, 3), response);
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    assert_eq!(recode(&request, 1), request);
    assert_eq!(
        encode(&request, 0),
        Err(EncodeError::UnexpectedNull { field: "topics" })
    );
    let topic = metadata_request::MetadataRequestTopic {
        name: None,
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        ..Default::default()
    };
    assert_eq!(recode(&request, 10), request);
    assert_eq!(encode(&request, 9), Err(EncodeError::UnexpectedNull { field: "name" }));
    // Records are never null in a snapshot.
    let partition = fetch_snapshot_response::PartitionSnapshot::default();
    let topic = fetch_snapshot_response::TopicSnapshot {
        partitions: vec![partition],
        ..Default::default()
    };
    let response = FetchSnapshotResponse {
        topics: vec![topic],
        ..Default::default()
    };
    assert_eq!(
        encode(&response, 0),
        Err(EncodeError::UnexpectedNull {
            field: "unaligned_records"
        })
    );
}

#[test]
fn defaults_are_not_written_as_tagged_fields() {
    // librdkafka up to 2.2 reads a tagged -1 as a huge length.
    let response = FetchResponse {
        responses: vec![fetch_response::FetchableTopicResponse {
            partitions: vec![fetch_response::PartitionData::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let bytes = encode(&response, 12).expect("can be written");
    assert_eq!(
        bytes.last_chunk(),
        Some(&[0, 0, 0]),
        "no tags in partition, topic and response"
    );
}

/// Kafka's schema says `default: null` without quotes there, which its generator takes for "none given".
#[test]
fn a_nullable_field_without_default_is_empty() {
    assert!(
        ConsumerGroupMemberMetadataValue::default()
            .classic_member_metadata
            .is_some()
    );
    let null = ConsumerGroupMemberMetadataValue {
        classic_member_metadata: None,
        ..Default::default()
    };
    assert_eq!(recode(&null, 0), null);
    assert_eq!(MetadataRequest::default().topics, Some(Vec::new()));
}

#[test]
fn unknown_tagged_fields_survive_and_are_merged_by_tag() {
    let mut response = ApiVersionsResponse {
        finalized_features_epoch: 5,
        ..Default::default()
    };
    let unknown = |tag, data: &'static [u8]| RawTaggedField {
        tag,
        data: Bytes::from_static(data),
    };
    response.unknown_tagged_fields = vec![unknown(200, b"zz"), unknown(70_000, b"")];
    assert_eq!(recode(&response, 3), response);
    // Not in a version that is not flexible, not out of order, and not with the tag of a known field.
    assert_eq!(encode(&response, 2), Err(EncodeError::TagsNotSupported));
    response.unknown_tagged_fields.reverse();
    assert_eq!(encode(&response, 3), Err(EncodeError::TagOrder { tag: 200 }));
    response.unknown_tagged_fields = vec![unknown(1, b"z")];
    assert_eq!(encode(&response, 3), Err(EncodeError::TagOrder { tag: 1 }));
}

#[test]
fn a_tagged_field_has_to_fill_its_size() {
    // error_code, no api_keys, throttle_time_ms, one tagged field: finalized_features_epoch of nine bytes.
    let frame = [&[0, 0, 1, 0, 0, 0, 0, 1, 1, 9][..], &[0; 9]].concat();
    let error = ApiVersionsResponse::decode(&mut Reader::new(frame.into()), 3).expect_err("eight bytes are an i64");
    assert_eq!(error.kind, DecodeErrorKind::TagSize { tag: 1, left: 1 });
    let frame = [&[0, 0, 1, 0, 0, 0, 0, 1, 1, 7][..], &[0; 9]].concat();
    let error = ApiVersionsResponse::decode(&mut Reader::new(frame.into()), 3).expect_err("seven are none");
    assert_eq!(
        error.kind,
        DecodeErrorKind::Truncated {
            needed: 8,
            remaining: 7
        }
    );
}

#[test]
fn bytes_after_a_message_are_left_alone() {
    let mut reader = Reader::new(Bytes::from(vec![0; 30]));
    HeartbeatRequest::decode(&mut reader, 0).expect("zeros are a heartbeat");
    assert_eq!((reader.position(), reader.remaining()), (8, 22));
}

#[test]
fn text_that_is_not_utf8_is_read_as_java_does() {
    let mut writer = Writer::new();
    writer.raw(&[0, 3, b'a', 0xff, b'b', 0, 0, 0, 1, 0, 0]);
    let request = HeartbeatRequest::decode(&mut Reader::new(writer.into_bytes()), 0).expect("is read");
    assert_eq!(request.group_id, "a\u{fffd}b");
}

/// Whatever is read can be written again: into a reply, or into a record.
#[test]
fn text_that_grows_too_long_to_be_written_is_refused() {
    let mut writer = Writer::new();
    writer.i16(20_000);
    writer.raw(&[0xff; 20_000]);
    writer.raw(&[0; 6]);
    let error = HeartbeatRequest::decode(&mut Reader::new(writer.into_bytes()), 0).expect_err("60,000 bytes of U+FFFD");
    assert_eq!(error.kind, DecodeErrorKind::StringTooLong { length: 60_000 });
}

#[test]
fn strings_that_are_too_long_are_refused() {
    let request = HeartbeatRequest {
        group_id: "x".repeat(0x8000),
        ..Default::default()
    };
    for version in [0, 4] {
        assert_eq!(
            encode(&request, version),
            Err(EncodeError::StringTooLong { length: 0x8000 })
        );
    }
}

#[test]
fn more_than_127_tagged_bytes_and_fields_get_longer_varints() {
    let response = DescribeGroupsResponse {
        unknown_tagged_fields: (0..300)
            .map(|tag| RawTaggedField {
                tag,
                data: vec![tag as u8; tag as usize].into(),
            })
            .collect(),
        ..Default::default()
    };
    assert_eq!(recode(&response, 5), response);
}

#[test]
fn external_records_leave_a_cut() {
    let partition = |records| fetch_response::PartitionData {
        records: Some(records),
        ..Default::default()
    };
    let response = |records: [Records; 2]| FetchResponse {
        responses: vec![fetch_response::FetchableTopicResponse {
            partitions: records.map(partition).into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let inner = |byte: u8, len: u32| Records::Bytes(vec![byte; len as usize].into());
    let expected = encode(&response([inner(1, 500), inner(2, 3)]), 16).expect("can be written");

    let mut writer = Writer::new();
    let external = response([
        Records::External { id: 1, len: 500 },
        Records::External { id: 2, len: 3 },
    ]);
    external.encode(&mut writer, 16).expect("can be written");
    let frame = writer.into_frame();
    assert_eq!(frame.wire_len(), expected.len());
    let mut spliced = Vec::new();
    let mut from = 0;
    for cut in &frame.external {
        spliced.extend_from_slice(&frame.bytes[from..cut.at]);
        spliced.extend(vec![cut.id as u8; cut.len as usize]);
        from = cut.at;
    }
    spliced.extend_from_slice(&frame.bytes[from..]);
    assert_eq!(spliced, expected);
}
