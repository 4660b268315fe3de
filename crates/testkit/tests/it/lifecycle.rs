//! Nodes start, stop, die and come back.

use std::time::{Duration, Instant};

use klamm_net::Client;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::{
    ApiVersionsRequest, BrokerHeartbeatRequest, CreateTopicsRequest, FetchRequest, MetadataRequest,
};
use klamm_testkit::{Cluster, TestkitError};

async fn create(client: &mut Client, name: &str) {
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let response = client.call_newest(&request).await.unwrap();
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::NONE,
        "{:?}",
        response.topics[0].error_message
    );
}

/// Names of all topics, each of which has to have leaders for all its partitions.
async fn topics(cluster: &Cluster) -> Vec<String> {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let response = cluster.client().await.unwrap().call_newest(&request).await.unwrap();
    for topic in &response.topics {
        assert!(
            topic.partitions.iter().all(|partition| partition.leader_id == 1),
            "{topic:?}"
        );
    }
    response.topics.into_iter().filter_map(|topic| topic.name).collect()
}

#[tokio::test]
async fn topics_outlive_clean_and_unclean_ends() {
    let patient = Cluster::builder().set("broker.session.timeout.ms", "120000");
    let mut cluster = patient.start().await.unwrap();
    let id = cluster.node().unwrap().cluster_id.clone();
    let mut expected = Vec::new();
    for round in 0..6 {
        let name = format!("topic-{round}");
        create(&mut cluster.client().await.unwrap(), &name).await;
        expected.push(name);
        if round % 2 == 0 {
            cluster.kill().await;
        }
        let before = Instant::now();
        cluster.restart().await.unwrap();
        assert!(
            before.elapsed() < Duration::from_secs(60),
            "a former self's session is not waited out"
        );
        assert_eq!(topics(&cluster).await, expected);
    }
    assert_eq!(cluster.node().unwrap().cluster_id, id);
}

#[tokio::test]
async fn a_stopped_node_refuses_connections_and_its_port_is_free() {
    let mut cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    assert!(client.call(&ApiVersionsRequest::default(), 0).await.is_ok());
    cluster.stop().await.unwrap();
    assert!(client.call(&ApiVersionsRequest::default(), 0).await.is_err());
    assert!(cluster.client().await.is_err());
    std::net::TcpListener::bind(cluster.address()).unwrap();
}

#[tokio::test]
async fn a_parked_request_does_not_hold_up_the_end() {
    let mut cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    create(&mut client, "quiet").await;
    let topic_id = cluster.node().unwrap().image().topics().by_name("quiet").unwrap().id;
    use klamm_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    let partition = FetchPartition {
        partition: 0,
        partition_max_bytes: 1_000,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic_id,
        partitions: vec![partition],
        ..Default::default()
    };
    let fetch = FetchRequest {
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1_000,
        topics: vec![topic],
        ..Default::default()
    };
    client.send(&fetch, 13).await.unwrap();
    // The next connection's answer shows that the node had time to read the fetch.
    cluster
        .client()
        .await
        .unwrap()
        .call(&ApiVersionsRequest::default(), 0)
        .await
        .unwrap();
    let before = Instant::now();
    cluster.stop().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(30), "{:?}", before.elapsed());
}

#[tokio::test]
async fn nodes_side_by_side_do_not_meet() {
    let (one, two) = tokio::join!(Cluster::start(), Cluster::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    create(&mut one.client().await.unwrap(), "mine").await;
    assert_eq!(topics(&one).await, ["mine"]);
    assert!(topics(&two).await.is_empty());
    assert_ne!(one.node().unwrap().cluster_id, two.node().unwrap().cluster_id);
}

#[tokio::test]
async fn settings_that_contradict_are_told_before_anything_starts() {
    let refused = Cluster::builder().set("num.partitions", "0").start().await;
    assert!(matches!(refused, Err(TestkitError::Config(_))), "{refused:?}");
    let refused = Cluster::builder().set("process.roles", "controller").start().await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_broker_that_is_not_registered_has_no_say() {
    let cluster = Cluster::start().await.unwrap();
    let mut controller = Client::connect(cluster.controller_address().unwrap()).await.unwrap();
    let stranger = BrokerHeartbeatRequest {
        broker_id: 5,
        broker_epoch: 1,
        ..Default::default()
    };
    let response = controller.call(&stranger, 1).await.unwrap();
    assert_eq!(response.error_code, ErrorCode::STALE_BROKER_EPOCH);
    let impostor = BrokerHeartbeatRequest {
        broker_id: 1,
        broker_epoch: 0,
        want_shut_down: true,
        ..Default::default()
    };
    let response = controller.call(&impostor, 1).await.unwrap();
    assert_eq!(response.error_code, ErrorCode::STALE_BROKER_EPOCH);
}
