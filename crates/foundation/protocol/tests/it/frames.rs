//! Whole frames: size, header, body.

use bytes::Bytes;
use klamm_protocol::frame::{
    RequestHeaderError, SIZE_PREFIX, decode_request_header, decode_response, encode_request, encode_response,
};
use klamm_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchResponse, HeartbeatRequest, HeartbeatResponse, fetch_response,
};
use klamm_protocol::{ApiKey, ErrorCode, Listener, Message, Reader, Records, VersionRange};

/// The frame after its size, which has to be right.
fn sized(frame: &Bytes) -> Bytes {
    let size = Reader::new(frame.clone()).i32().expect("a size");
    assert_eq!(size as usize, frame.len() - SIZE_PREFIX);
    frame.slice(SIZE_PREFIX..)
}

#[test]
fn a_request_goes_there_and_its_response_back() {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 4,
        member_id: "m".into(),
        ..Default::default()
    };
    for version in 0..=4 {
        for client_id in [None, Some(""), Some("me")] {
            let frame = encode_request(17, client_id, version, &request).expect("can be written");
            let mut reader = Reader::new(sized(&frame.bytes));
            let (key, header) = decode_request_header(&mut reader).expect("was just written");
            assert_eq!(
                (key, header.request_api_version, header.correlation_id),
                (ApiKey::Heartbeat, version, 17)
            );
            assert_eq!(header.client_id.as_deref(), client_id);
            assert_eq!(HeartbeatRequest::decode(&mut reader, version), Ok(request.clone()));
            assert_eq!(reader.remaining(), 0);
        }
        let response = HeartbeatResponse {
            error_code: ErrorCode::REBALANCE_IN_PROGRESS,
            ..Default::default()
        };
        let frame = encode_response(17, version, &response).expect("can be written");
        assert_eq!(decode_response(sized(&frame.bytes), version), Ok((17, response)));
    }
}

#[test]
fn a_request_is_laid_out_as_kafkas() {
    let request = ApiVersionsRequest {
        client_software_name: "k".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let frame = encode_request(7, Some("ab"), 3, &request).expect("can be written");
    let header = [0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'a', b'b', 0];
    assert_eq!(
        frame.bytes[..],
        [&[0, 0, 0, 18][..], &header, &[2, b'k', 2, b'1', 0]].concat()
    );
}

#[test]
fn the_header_of_an_api_versions_response_is_never_flexible() {
    for version in 0..=5 {
        let frame = encode_response(7, version, &ApiVersionsResponse::default()).expect("can be written");
        assert_eq!(
            frame.bytes[SIZE_PREFIX..SIZE_PREFIX + 6],
            [0, 0, 0, 7, 0, 0],
            "correlation id, then the error code"
        );
    }
    let frame = encode_response(7, 4, &HeartbeatResponse::default()).expect("can be written");
    assert_eq!(
        frame.bytes[SIZE_PREFIX..],
        [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
        "a tag section ends header and body"
    );
}

#[test]
fn an_unsupported_version_is_told_before_the_rest_of_the_header_is_read() {
    // ApiVersions 99 with a header that no version has.
    let mut reader = Reader::new(Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 5, 0xff]));
    let error = decode_request_header(&mut reader).expect_err("no such version");
    assert_eq!(
        error,
        RequestHeaderError::UnsupportedVersion {
            key: ApiKey::ApiVersions,
            version: 99,
            correlation_id: 5
        }
    );
    // Offered, for old librdkafka, but refused.
    let mut reader = Reader::new(Bytes::from_static(&[0, 0, 0, 2, 0, 0, 0, 5, 0, 0]));
    let error = decode_request_header(&mut reader).expect_err("no such version");
    assert_eq!(
        error,
        RequestHeaderError::UnsupportedVersion {
            key: ApiKey::Produce,
            version: 2,
            correlation_id: 5
        }
    );
    // Reserved numbers have no versions; other numbers are no APIs.
    let mut reader = Reader::new(Bytes::from_static(&[0, 4, 0, 0, 0, 0, 0, 5, 0, 0]));
    let error = decode_request_header(&mut reader).expect_err("gone");
    assert_eq!(
        error,
        RequestHeaderError::UnsupportedVersion {
            key: ApiKey::LeaderAndIsr,
            version: 0,
            correlation_id: 5
        }
    );
    for key in [[0, 95], [0xff, 0xff]] {
        let mut reader = Reader::new([&key[..], &[0, 0, 0, 0, 0, 5, 0, 0]].concat().into());
        let error = decode_request_header(&mut reader).expect_err("no such api");
        assert_eq!(
            error,
            RequestHeaderError::UnknownApiKey {
                key: i16::from_be_bytes(key),
                version: 0,
                correlation_id: 5
            }
        );
    }
    for end in 0..10 {
        let mut reader = Reader::new(Bytes::from_static(&[0, 12, 0, 0, 0, 0, 0, 5, 0, 1][..end]));
        let error = decode_request_header(&mut reader).expect_err("too short");
        assert!(matches!(error, RequestHeaderError::Malformed(_)), "{error}");
    }
}

#[test]
fn the_size_counts_external_records() {
    let partition = fetch_response::PartitionData {
        records: Some(Records::External { id: 0, len: 5000 }),
        ..Default::default()
    };
    let topic = fetch_response::FetchableTopicResponse {
        partitions: vec![partition],
        ..Default::default()
    };
    let frame = encode_response(
        1,
        12,
        &FetchResponse {
            responses: vec![topic],
            ..Default::default()
        },
    )
    .expect("can be written");
    let size = Reader::new(frame.bytes.clone()).i32().expect("a size");
    assert_eq!(size as usize, frame.bytes.len() - SIZE_PREFIX + 5000);
    assert_eq!(frame.wire_len(), size as usize + SIZE_PREFIX);
    assert_eq!(frame.external.len(), 1);
}

#[test]
fn the_table_of_apis_is_kafkas() {
    let range = |min, max| Some(VersionRange { min, max });
    assert_eq!(ApiKey::all().count(), 95);
    for (id, key) in (0..).zip(ApiKey::all()) {
        assert_eq!((key.id(), ApiKey::try_from(id)), (id, Ok(key)));
    }
    assert_eq!(ApiKey::Produce.info().versions, range(3, 13));
    assert_eq!(ApiKey::Produce.advertised(Listener::Broker, false), range(0, 13));
    assert_eq!(ApiKey::Produce.advertised(Listener::Controller, false), None);
    assert_eq!(ApiKey::InitProducerId.advertised(Listener::Broker, false), range(0, 5));
    assert_eq!(ApiKey::InitProducerId.advertised(Listener::Broker, true), range(0, 6));
    assert_eq!(ApiKey::Vote.advertised(Listener::Broker, false), None);
    assert_eq!(ApiKey::Vote.advertised(Listener::Controller, false), range(0, 2));
    assert_eq!(ApiKey::StopReplica.info().versions, None);
    assert!(ApiKey::CreateTopics.info().forwardable && !ApiKey::Fetch.info().forwardable);
    assert!(ApiKey::AlterPartition.info().cluster_action && ApiKey::Produce.info().delayed_allocation);
    let unstable: Vec<_> = ApiKey::all().filter(|key| key.info().latest_version_unstable).collect();
    assert_eq!(unstable, [ApiKey::InitProducerId]);
    // What is offered can be read, Produce aside.
    for key in ApiKey::all().filter(|key| *key != ApiKey::Produce) {
        for range in [Listener::Broker, Listener::Controller]
            .into_iter()
            .filter_map(|listener| key.advertised(listener, true))
        {
            assert_eq!(Some(range), key.info().versions, "{key}");
        }
    }
}

#[test]
fn header_versions_follow_flexibility() {
    assert_eq!(
        (
            ApiKey::Fetch.request_header_version(11),
            ApiKey::Fetch.request_header_version(12)
        ),
        (1, 2)
    );
    assert_eq!(
        (
            ApiKey::Fetch.response_header_version(11),
            ApiKey::Fetch.response_header_version(12)
        ),
        (0, 1)
    );
    assert_eq!(
        (
            ApiKey::ApiVersions.request_header_version(3),
            ApiKey::ApiVersions.response_header_version(3)
        ),
        (2, 0)
    );
    assert_eq!(
        (
            ApiKey::SaslHandshake.request_header_version(1),
            ApiKey::SaslHandshake.response_header_version(1)
        ),
        (1, 0)
    );
    assert_eq!(
        (
            ApiKey::ShareFetch.request_header_version(1),
            ApiKey::ShareFetch.response_header_version(1)
        ),
        (2, 1)
    );
}
