use std::sync::Arc;
use std::time::Duration;

use klamm_protocol::Reader;
use klamm_protocol::headers::RequestHeader;
use klamm_protocol::messages::api_versions_response::ApiVersion;
use klamm_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use tokio::io::DuplexStream;

use super::*;
use crate::connection::backoff::Backoff;
use crate::connection::dial::SocketOptions;

fn options() -> ConnectionOptions {
    let second = Duration::from_secs(1);
    ConnectionOptions {
        client_id: Arc::from("test"),
        socket: SocketOptions {
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            setup: Backoff::new(second, second),
        },
        request_timeout: second,
        max_idle: None,
        max_reply_bytes: 1 << 20,
    }
}

fn offered(error_code: ErrorCode, ranges: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
    let api_keys = ranges.iter().map(|(key, min_version, max_version)| ApiVersion {
        api_key: key.id(),
        min_version: *min_version,
        max_version: *max_version,
        ..Default::default()
    });
    ApiVersionsResponse {
        error_code,
        api_keys: api_keys.collect(),
        ..Default::default()
    }
}

/// Reads a request and answers its header, and the request if it is one that can be read.
async fn asked(stream: &mut DuplexStream) -> (RequestHeader, ApiVersionsRequest) {
    let size = stream.read_i32().await.expect("a request");
    let mut bytes = vec![0; size as usize];
    stream.read_exact(&mut bytes).await.expect("a request");
    let mut reader = Reader::new(bytes.into());
    let (key, header) = frame::decode_request_header(&mut reader).expect("a header");
    assert_eq!(key, ApiKey::ApiVersions);
    let request = ApiVersionsRequest::decode(&mut reader, header.request_api_version).expect("a request");
    (header, request)
}

async fn answer(stream: &mut DuplexStream, id: i32, version: i16, response: &ApiVersionsResponse) {
    let encoded = frame::encode_response(id, version, response).expect("it can be written");
    stream.write_all(&encoded.bytes).await.expect("the pipe is open");
}

async fn negotiated(far: impl AsyncFnOnce(&mut DuplexStream)) -> Result<NodeVersions, Error> {
    let (mut near, mut other) = tokio::io::duplex(1 << 16);
    let expected = Expected {
        cluster_id: Some("cluster".to_owned()),
        node: Some(3),
    };
    let options = options();
    let ours = negotiate(&mut near, "a:1", &expected, &options);
    let theirs = async {
        far(&mut other).await;
        drop(other);
    };
    tokio::join!(ours, theirs).0
}

#[tokio::test]
async fn the_newest_version_is_tried_first_and_tells_who_is_expected() {
    let versions = negotiated(async |stream| {
        let (header, request) = asked(stream).await;
        assert_eq!(header.request_api_version, ApiVersionsRequest::MAX_VERSION);
        assert_eq!((request.cluster_id.as_deref(), request.node_id), (Some("cluster"), 3));
        assert_eq!(request.client_software_name, "klamm-client");
        let response = offered(ErrorCode::NONE, &[(ApiKey::Metadata, 0, 9)]);
        answer(stream, header.correlation_id, header.request_api_version, &response).await;
    });
    assert_eq!(
        versions.await.expect("negotiated").pick::<MetadataRequest>(i16::MAX),
        Ok(9)
    );
}

#[tokio::test]
async fn an_older_broker_is_asked_in_the_version_that_it_names() {
    let versions = negotiated(async |stream| {
        let (header, _) = asked(stream).await;
        let refused = offered(ErrorCode::UNSUPPORTED_VERSION, &[(ApiKey::ApiVersions, 0, 2)]);
        answer(stream, header.correlation_id, 0, &refused).await;
        let (header, _) = asked(stream).await;
        assert_eq!(header.request_api_version, 2);
        let response = offered(ErrorCode::NONE, &[(ApiKey::Metadata, 0, 5)]);
        answer(stream, header.correlation_id, 2, &response).await;
    });
    assert_eq!(
        versions.await.expect("negotiated").pick::<MetadataRequest>(i16::MAX),
        Ok(5)
    );
}

#[tokio::test]
async fn a_broker_that_names_no_version_is_asked_in_version_0() {
    let versions = negotiated(async |stream| {
        let (header, _) = asked(stream).await;
        answer(
            stream,
            header.correlation_id,
            0,
            &offered(ErrorCode::UNSUPPORTED_VERSION, &[]),
        )
        .await;
        let (header, _) = asked(stream).await;
        assert_eq!(header.request_api_version, 0);
        let response = offered(ErrorCode::NONE, &[(ApiKey::Metadata, 0, 1)]);
        answer(stream, header.correlation_id, 0, &response).await;
    });
    assert_eq!(
        versions.await.expect("negotiated").pick::<MetadataRequest>(i16::MAX),
        Ok(1)
    );
}

#[tokio::test]
async fn a_broker_that_refuses_every_version_does_not_go_on_for_ever() {
    let error = negotiated(async |stream| {
        for _ in 0..2 {
            let (header, _) = asked(stream).await;
            answer(
                stream,
                header.correlation_id,
                0,
                &offered(ErrorCode::UNSUPPORTED_VERSION, &[]),
            )
            .await;
        }
    });
    assert_eq!(
        error.await.expect_err("refused").code(),
        Some(ErrorCode::UNSUPPORTED_VERSION)
    );
}

#[tokio::test]
async fn what_is_no_kafka_is_told() {
    let tls_alert = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46];
    let error = negotiated(async |stream| stream.write_all(&tls_alert).await.expect("the pipe is open"));
    let error = error.await.expect_err("no Kafka").to_string();
    assert!(error.contains("is this a Kafka listener without TLS?"), "{error}");

    let error = negotiated(async |_| {}).await.expect_err("closed");
    assert_eq!(
        error.to_string(),
        "a:1: the connection was closed before the broker said its versions"
    );

    let error = negotiated(async |stream| {
        let (header, _) = asked(stream).await;
        let response = offered(ErrorCode::NONE, &[]);
        answer(stream, header.correlation_id + 1, header.request_api_version, &response).await;
    });
    let error = error.await.expect_err("somebody else's reply").to_string();
    assert_eq!(error, "unreadable reply from a:1: correlation id 1 instead of 0");

    let error = negotiated(async |stream| stream.write_all(&[0, 0, 0, 5, 0, 0, 0, 0, 0]).await.expect("open"));
    assert!(matches!(error.await, Err(Error::Protocol { .. })));
}

#[test]
fn the_highest_common_version_is_picked() {
    let versions = NodeVersions::new(offered(
        ErrorCode::NONE,
        &[
            (ApiKey::Metadata, 0, 99),
            (ApiKey::Fetch, 50, 60),
            (ApiKey::Produce, 0, 2),
        ],
    ));
    assert_eq!(
        versions.pick::<MetadataRequest>(i16::MAX),
        Ok(MetadataRequest::MAX_VERSION)
    );
    assert_eq!(versions.pick::<MetadataRequest>(4), Ok(4));
    let newer = versions.pick::<FetchRequest>(i16::MAX).expect_err("nothing in common");
    assert!(newer.starts_with("the broker has versions 50-60"), "{newer}");
    let older = versions
        .pick::<ProduceRequest>(i16::MAX)
        .expect_err("nothing in common");
    assert!(older.starts_with("the broker has versions 0-2, 3-"), "{older}");
    let nothing = versions.pick::<ApiVersionsRequest>(i16::MAX);
    assert_eq!(nothing, Err("the broker does not offer it".to_owned()));
    assert_eq!(
        (versions.highest(ApiKey::Metadata), versions.highest(ApiKey::ListGroups)),
        (Some(99), None)
    );
}
