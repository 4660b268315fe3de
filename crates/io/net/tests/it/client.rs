//! The client's end against a server that answers as told.

use std::time::Duration;

use bytes::Bytes;
use klamm_net::{CallError, Client, ClientOptions, Connection, ConnectionOptions, Segment, assemble};
use klamm_protocol::headers::RequestHeader;
use klamm_protocol::messages::api_versions_response::ApiVersion;
use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest};
use klamm_protocol::{ApiKey, Message, Reader, frame};

use crate::server::{listener, no_limits, within};

/// Serves one connection; each request's header and body are answered with what `answer` says.
async fn serve(
    answer: impl Fn(RequestHeader, Reader) -> Option<Vec<Segment>> + Send + 'static,
) -> std::net::SocketAddr {
    let listener = listener();
    let address = listener.address();
    tokio::spawn(async move {
        let mut connection =
            Connection::new(listener.accept(&no_limits(), false).await, ConnectionOptions::default()).unwrap();
        while let Ok(Some(frame)) = connection.read_frame().await {
            let mut reader = Reader::new(frame.bytes);
            let header = RequestHeader::decode(&mut reader, 1).unwrap();
            if let Some(segments) = answer(header, reader) {
                connection.write(segments).await.unwrap();
            }
        }
    });
    address
}

fn api_versions(correlation_id: i32) -> Vec<Segment> {
    let heartbeat = ApiVersion {
        api_key: ApiKey::Heartbeat.id(),
        min_version: 1,
        max_version: 3,
        ..Default::default()
    };
    let body = ApiVersionsResponse {
        api_keys: vec![heartbeat],
        ..Default::default()
    };
    assemble(frame::encode_response(correlation_id, 0, &body).unwrap(), |_| {
        Vec::new()
    })
}

#[tokio::test]
async fn a_call_gets_its_reply_and_versions_are_negotiated() {
    let address = serve(|header, _| Some(api_versions(header.correlation_id))).await;
    let mut client = Client::connect(address).await.unwrap();
    let reply = within(client.call(&ApiVersionsRequest::default(), 0)).await.unwrap();
    assert_eq!(reply.api_keys[0].api_key, ApiKey::Heartbeat.id());
    assert_eq!(within(client.newest_version::<HeartbeatRequest>()).await.unwrap(), 3);
    match within(client.newest_version::<ApiVersionsRequest>()).await {
        Err(CallError::Unsupported(ApiKey::ApiVersions)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reply_to_another_request_breaks_the_connection() {
    let address = serve(|header, _| Some(api_versions(header.correlation_id + 1))).await;
    let mut client = Client::connect(address).await.unwrap();
    match within(client.call(&ApiVersionsRequest::default(), 0)).await {
        Err(CallError::Correlation { expected: 1, actual: 2 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        client.call(&ApiVersionsRequest::default(), 0).await,
        Err(CallError::Broken)
    ));
}

#[tokio::test]
async fn silence_is_an_error_after_the_timeout() {
    let address = serve(|_, _| None).await;
    let options = ClientOptions {
        timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let mut client = Client::connect_with(address, options).await.unwrap();
    assert!(matches!(
        within(client.call(&ApiVersionsRequest::default(), 0)).await,
        Err(CallError::TimedOut(_))
    ));
    assert!(matches!(
        client.call(&ApiVersionsRequest::default(), 0).await,
        Err(CallError::Broken)
    ));
}

#[tokio::test]
async fn bytes_after_the_reply_and_absurd_sizes_are_errors() {
    let address = serve(|header, _| {
        let mut reply = api_versions(header.correlation_id);
        let Segment::Bytes(frame) = reply.remove(0) else {
            panic!("in memory")
        };
        let body = [&frame[4..], b"x"].concat();
        Some(vec![Segment::Bytes(Bytes::from(crate::server::frame(&body)))])
    })
    .await;
    let mut client = Client::connect(address).await.unwrap();
    match within(client.call(&ApiVersionsRequest::default(), 0)).await {
        Err(CallError::Trailing(1)) => {}
        other => panic!("{other:?}"),
    }
    let address = serve(|_, _| Some(vec![Segment::Bytes(Bytes::copy_from_slice(&(-4i32).to_be_bytes()))])).await;
    let mut client = Client::connect(address).await.unwrap();
    assert!(matches!(
        within(client.call(&ApiVersionsRequest::default(), 0)).await,
        Err(CallError::InvalidSize(-4))
    ));
}
