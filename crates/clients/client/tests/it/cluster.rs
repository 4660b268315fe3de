//! The client and what it knows of its cluster.

use std::time::Duration;

use klamm_client::{Client, Error, ErrorCode, MetadataTopics};
use klamm_protocol::messages::MetadataRequest;

use crate::bed::{Bed, fresh};

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn brokers_and_topics_are_told() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let known = assert_send(client.metadata(MetadataTopics::All)).await.expect("told");
    assert_eq!(known.brokers().len(), 1);
    assert!(known.cluster_id().is_some());
    let missing = fresh("missing");
    let known = client.metadata(MetadataTopics::names([&missing])).await.expect("told");
    let topic = known.topic(&missing).expect("an answer to every name");
    assert_eq!(
        (topic.error, topic.partitions.len()),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0)
    );
}

#[tokio::test]
async fn requests_go_where_they_are_sent() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let any = assert_send(client.call_any(&request)).await.expect("an answer");
    let node = any.brokers[0].node_id;
    assert_eq!(
        assert_send(client.call_broker(node, &request))
            .await
            .expect("an answer")
            .brokers,
        any.brokers
    );
    assert_eq!(
        assert_send(client.call_controller(&request))
            .await
            .expect("an answer")
            .brokers,
        any.brokers
    );
    let versions = client.versions(node).await.expect("an answer");
    assert!(versions.api_keys.iter().any(|api| api.api_key == 3));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_a_timeout_with_its_cause() {
    let client = Client::builder("127.0.0.1:1")
        .api_timeout(Duration::from_millis(200))
        .build()
        .expect("well formed");
    let error = client
        .metadata(MetadataTopics::Brokers)
        .await
        .expect_err("nobody is there");
    assert_eq!(
        error.to_string(),
        "Metadata timed out after 200 ms: 127.0.0.1:1: connection refused"
    );
    assert!(matches!(error, Error::TimedOut { .. }));
}
