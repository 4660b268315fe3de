//! Settings that bound what clients can do, on a whole node.

use std::time::{Duration, Instant};

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;

use crate::client::*;
use crate::node::Node;

/// Whether the node has closed the connection. Waits for it, within bounds.
async fn is_closed_soon(connection: &mut Connection) -> bool {
    match tokio::time::timeout(Duration::from_secs(30), connection.client.receive_frame()).await {
        Ok(Err(error)) => is_closed(&error),
        _ => false,
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let node = Node::start_with(&["connections.max.idle.ms=2500"]).await;
    let mut idle = node.connect().await;
    let mut busy = node.connect().await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(4000) {
        busy.call(&MetadataRequest::default()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_closed_soon(&mut idle).await);
    // One that waits for its reply is not idle.
    busy.create("t", 1).await;
    let request = FetchRequest {
        max_wait_ms: 4000,
        ..fetch_request("t", 0, 0)
    };
    assert_eq!(
        only(busy.call_version(&request, FETCH_BY_NAME).await).error_code,
        ErrorCode::NONE
    );
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_a_free_place_is_given_away() {
    let node = Node::start_with(&["max.connections.per.ip=3"]).await;
    let mut first = Vec::new();
    while first.len() < 3 {
        let mut connection = node.connect().await;
        // The one that waited for the start may still count.
        if connection.client.call(&MetadataRequest::default(), 9).await.is_ok() {
            first.push(connection);
        }
    }
    assert!(is_closed_soon(&mut node.connect().await).await);
    for connection in &mut first {
        connection.call(&MetadataRequest::default()).await;
    }
    first.pop();
    for _ in 0..500 {
        let mut again = node.connect().await;
        if again.client.call(&MetadataRequest::default(), 9).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place is not given away");
}

#[tokio::test]
async fn requests_and_records_have_the_sizes_that_are_set() {
    let node = Node::start_with(&["socket.request.max.bytes=20000", "message.max.bytes=5000"]).await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    let fits = connection.produce("t", 0, batch(&["x".repeat(4000)])).await;
    assert_eq!(fits.error_code, ErrorCode::NONE);
    let large = connection.produce("t", 0, batch(&["x".repeat(6000)])).await;
    assert_eq!(large.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let request = produce_request("t", 0, -1, batch(&["x".repeat(30_000)]));
    let refused = connection.client.call(&request, PRODUCE_BY_NAME).await;
    assert!(is_closed(&refused.unwrap_err()));
}

#[tokio::test]
async fn little_memory_for_requests_slows_clients_down_and_serves_all() {
    // Room for one request at a time.
    let node = Node::start_with(&["socket.request.max.bytes=1000000", "queued.max.request.bytes=1000000"]).await;
    let mut connection = node.connect().await;
    connection.create("t", 8).await;
    let address = node.address();
    let producers = (0..8).map(|partition| {
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            for n in 0..20 {
                let offset = connection.append("t", partition, &["x".repeat(900_000)]).await;
                assert_eq!(offset, n);
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    assert!(node.resident_memory() < 192 << 20, "{}", node.resident_memory());
}

#[tokio::test]
async fn topics_are_made_as_the_broker_says() {
    let node = Node::start_with(&["auto.create.topics.enable=false", "num.partitions=5"]).await;
    let mut connection = node.connect().await;
    let name = Some("auto".to_owned());
    let topics = Some(vec![metadata_request::MetadataRequestTopic {
        name,
        ..Default::default()
    }]);
    let request = MetadataRequest {
        topics,
        allow_auto_topic_creation: true,
        ..Default::default()
    };
    for _ in 0..3 {
        let reply = connection.call(&request).await;
        assert_eq!(reply.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let topics = vec![creatable("t", -1, &[])];
    let reply = connection
        .call(&CreateTopicsRequest {
            topics,
            ..Default::default()
        })
        .await;
    assert_eq!(
        (reply.topics[0].error_code, reply.topics[0].num_partitions),
        (ErrorCode::NONE, 5)
    );
}

#[tokio::test]
async fn old_records_go_away() {
    let node = Node::start_with(&["log.retention.check.interval.ms=100", "log.initial.task.delay.ms=100"]).await;
    let mut connection = node.connect().await;
    connection
        .create_with("old", 1, &[("retention.ms", "200"), ("segment.ms", "100")])
        .await;
    connection
        .create_with(
            "large",
            1,
            &[("retention.bytes", "3000000"), ("segment.bytes", "1048576")],
        )
        .await;
    connection.append("old", 0, &["x"]).await;
    for _ in 0..8 {
        connection.append("large", 0, &["x".repeat(900_000)]).await;
    }
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let old = connection.offset_at("old", 0, -2).await.offset;
        let large = connection.offset_at("large", 0, -2).await.offset;
        if old == 1 && (3..=5).contains(&large) {
            break;
        }
        assert!(Instant::now() < give_up, "the logs start at {old} and {large}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connection.append("old", 0, &["y"]).await, 1);
}
