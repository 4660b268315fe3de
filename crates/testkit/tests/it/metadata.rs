//! Metadata: who is there, what topics there are, and topics that come because they are asked for.

use std::time::{Duration, Instant};

use klamm_net::Client;
use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::metadata_response::MetadataResponseTopic;
use klamm_protocol::messages::{MetadataRequest, MetadataResponse};
use klamm_protocol::{ErrorCode, Message, Uuid};
use klamm_testkit::Cluster;

fn named(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic {
        name: Some((*name).to_owned()),
        ..Default::default()
    };
    MetadataRequest {
        topics: Some(names.iter().map(topic).collect()),
        ..Default::default()
    }
}

fn only_look(request: MetadataRequest) -> MetadataRequest {
    MetadataRequest {
        allow_auto_topic_creation: false,
        ..request
    }
}

/// Asks until the topic is there.
async fn topic(client: &mut Client, name: &str) -> MetadataResponseTopic {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut response = client.call(&named(&[name]), 13).await.unwrap();
        let topic = response.topics.remove(0);
        match topic.error_code {
            ErrorCode::NONE => return topic,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => assert!(Instant::now() < deadline, "{topic:?}"),
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn errors(response: &MetadataResponse) -> Vec<(Option<&str>, ErrorCode)> {
    let mut rows: Vec<_> = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_deref(), topic.error_code))
        .collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_topic_asked_for_is_created_and_shown_in_every_version() {
    let cluster = Cluster::builder().set("num.partitions", "3").start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let first = client.call(&named(&["orders"]), 12).await.unwrap();
    assert_eq!(
        errors(&first),
        [(Some("orders"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]
    );
    let orders = topic(&mut client, "orders").await;
    assert_eq!(orders.partitions.len(), 3);
    for version in 0..=MetadataRequest::MAX_VERSION {
        let response = client.call(&named(&["orders"]), version).await.unwrap();
        let broker = &response.brokers[0];
        assert_eq!((broker.node_id, broker.host.as_str()), (1, "127.0.0.1"), "v{version}");
        assert_eq!(broker.port, i32::from(cluster.address().port()));
        let topic = &response.topics[0];
        assert_eq!(topic.name.as_deref(), Some("orders"));
        assert_eq!(topic.topic_id, if version >= 10 { orders.topic_id } else { Uuid::ZERO });
        for partition in &topic.partitions {
            assert_eq!(
                (partition.error_code, partition.leader_id),
                (ErrorCode::NONE, 1),
                "v{version}"
            );
            assert_eq!(
                (&partition.replica_nodes[..], &partition.isr_nodes[..]),
                (&[1][..], &[1][..])
            );
            assert!(partition.offline_replicas.is_empty());
        }
        if version >= 1 {
            assert_eq!(response.controller_id, 1);
        }
        if version >= 2 {
            assert_eq!(
                response.cluster_id.as_deref(),
                Some(cluster.node().unwrap().cluster_id.as_str())
            );
        }
    }
}

#[tokio::test]
async fn no_topics_and_all_topics_are_told_apart() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for name in ["a", "b"] {
        topic(&mut client, name).await;
    }
    let all = vec![(Some("a"), ErrorCode::NONE), (Some("b"), ErrorCode::NONE)];
    for version in 1..=MetadataRequest::MAX_VERSION {
        let response = client
            .call(
                &MetadataRequest {
                    topics: None,
                    ..Default::default()
                },
                version,
            )
            .await
            .unwrap();
        assert_eq!(errors(&response), all, "v{version}");
        let response = client.call(&named(&[]), version).await.unwrap();
        assert_eq!(errors(&response), [], "v{version}");
    }
    assert_eq!(
        errors(&client.call(&named(&[]), 0).await.unwrap()),
        all,
        "v0 has no null"
    );
}

#[tokio::test]
async fn nothing_is_created_when_client_or_broker_does_not_want_it() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let unknown = [(Some("nope"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)];
    assert_eq!(
        errors(&client.call(&only_look(named(&["nope"])), 4).await.unwrap()),
        unknown
    );
    // Another topic's creation comes after, and shows that there was none before it.
    topic(&mut client, "other").await;
    assert_eq!(
        errors(&client.call(&only_look(named(&["nope"])), 4).await.unwrap()),
        unknown
    );

    let cluster = Cluster::builder()
        .set("auto.create.topics.enable", "false")
        .start()
        .await
        .unwrap();
    let mut client = cluster.client().await.unwrap();
    for _ in 0..3 {
        assert_eq!(errors(&client.call(&named(&["nope"]), 12).await.unwrap()), unknown);
    }
}

#[tokio::test]
async fn a_coordinators_topic_comes_with_what_it_needs_and_only_if_the_coordinator_works() {
    let cluster = Cluster::builder()
        .set("offsets.topic.num.partitions", "7")
        .start()
        .await
        .unwrap();
    let mut client = cluster.client().await.unwrap();
    assert_eq!(
        errors(&client.call(&named(&["__transaction_state"]), 12).await.unwrap()),
        [(Some("__transaction_state"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]
    );
    let offsets = topic(&mut client, "__consumer_offsets").await;
    assert!(offsets.is_internal);
    assert_eq!(offsets.partitions.len(), 7);
    let image = cluster.node().unwrap().image();
    assert!(image.topics().by_name("__transaction_state").is_none());
}

#[tokio::test]
async fn names_that_no_topic_can_have_are_told_apart() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", long.as_str()] {
        let response = client.call(&named(&[name]), 12).await.unwrap();
        assert_eq!(errors(&response), [(Some(name), ErrorCode::INVALID_TOPIC_EXCEPTION)]);
    }
}

#[tokio::test]
async fn topics_are_found_by_their_ids() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let orders = topic(&mut client, "orders").await;
    let by_id = |topic_id, name: Option<&str>| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id,
            name: name.map(str::to_owned),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let response = client.call(&by_id(orders.topic_id, None), 12).await.unwrap();
    assert_eq!(errors(&response), [(Some("orders"), ErrorCode::NONE)]);
    let unknown = Uuid([9; 16]);
    let response = client.call(&by_id(unknown, None), 12).await.unwrap();
    assert_eq!(errors(&response), [(None, ErrorCode::UNKNOWN_TOPIC_ID)]);
    assert_eq!(response.topics[0].topic_id, unknown);
    for version in [10, 11] {
        let response = client
            .call(&by_id(orders.topic_id, Some("orders")), version)
            .await
            .unwrap();
        assert_eq!(errors(&response), [(Some("orders"), ErrorCode::INVALID_REQUEST)]);
    }
}

#[tokio::test]
async fn without_an_authorizer_everything_is_allowed() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    topic(&mut client, "orders").await;
    let request = MetadataRequest {
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..named(&["orders"])
    };
    let response = client.call(&request, 10).await.unwrap();
    let bits = |operations: &[i32]| operations.iter().fold(0, |bits, operation| bits | 1 << operation);
    assert_eq!(response.cluster_authorized_operations, bits(&[5, 7, 8, 9, 10, 11, 12]));
    assert_eq!(
        response.topics[0].topic_authorized_operations,
        bits(&[3, 4, 5, 6, 7, 8, 10, 11])
    );
    let silent = client.call(&named(&["orders"]), 10).await.unwrap();
    assert_eq!(silent.topics[0].topic_authorized_operations, i32::MIN);
}
