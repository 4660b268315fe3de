//! What a connection gets for what it sends, before any API is asked for anything.

use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_net::{CallError, Client};
use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use klamm_protocol::{ApiKey, ErrorCode, Listener, Message, Reader, frame};
use klamm_testkit::Cluster;

/// Header version 1: key, version, correlation id, client id.
fn header(key: i16, version: i16, correlation_id: i32, client_id: &[u8]) -> Vec<u8> {
    let fixed = [
        &key.to_be_bytes()[..],
        &version.to_be_bytes(),
        &correlation_id.to_be_bytes(),
    ]
    .concat();
    [&fixed[..], client_id].concat()
}

const NULL_CLIENT_ID: &[u8] = &[0xff, 0xff];

async fn assert_closed(client: &mut Client, why: &str) {
    match client.receive_frame().await {
        Err(CallError::Io(_)) => {}
        other => panic!("{why}: {other:?}"),
    }
}

#[tokio::test]
async fn every_version_of_api_versions_is_answered_in_its_version() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for version in ApiVersionsRequest::MIN_VERSION..=ApiVersionsRequest::MAX_VERSION {
        let request = ApiVersionsRequest {
            client_software_name: "klamm-test".to_owned(),
            client_software_version: "1.0-rc.1".to_owned(),
            ..Default::default()
        };
        let response = client.call(&request, version).await.unwrap();
        assert_eq!(response.error_code, ErrorCode::NONE, "v{version}");
        let offered = |key: ApiKey| response.api_keys.iter().find(|api| api.api_key == key.id());
        let produce = offered(ApiKey::Produce).unwrap();
        assert_eq!(
            (produce.min_version, produce.max_version),
            (0, 13),
            "from 0, though 0-2 are refused (KAFKA-18659)"
        );
        assert!(
            offered(ApiKey::AddOffsetsToTxn).is_none(),
            "what does not work is not offered"
        );
        assert!(
            offered(ApiKey::BrokerHeartbeat).is_none(),
            "nor what is the controller's"
        );
        if version >= 3 {
            let finalized = response
                .finalized_features
                .iter()
                .find(|feature| feature.name == "metadata.version");
            assert_eq!(finalized.unwrap().max_version_level, 33);
            let from_0 = response
                .supported_features
                .iter()
                .any(|feature| feature.min_version == 0);
            assert_eq!(
                from_0,
                version >= 4,
                "v3 clients can't read a lowest level of 0 (KAFKA-17492)"
            );
        }
    }
}

#[tokio::test]
async fn a_version_of_api_versions_from_the_future_is_answered_in_version_0_with_the_whole_list() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let known = client.call(&ApiVersionsRequest::default(), 0).await.unwrap();
    // What follows the correlation id is of no version that we know.
    client.send_frame(&header(18, 99, 4711, &[1, 2, 3])).await.unwrap();
    let (correlation_id, response) =
        frame::decode_response::<ApiVersionsResponse>(client.receive_frame().await.unwrap(), 0).unwrap();
    assert_eq!(correlation_id, 4711);
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(response.api_keys, known.api_keys);
    let again = client.call(&ApiVersionsRequest::default(), 0).await.unwrap();
    assert_eq!(again.error_code, ErrorCode::NONE, "the connection goes on");
}

#[tokio::test]
async fn software_names_that_are_none_and_other_nodes_are_refused() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for name in ["", "-x", "x-", "a b", "ä"] {
        let request = ApiVersionsRequest {
            client_software_name: name.to_owned(),
            client_software_version: "1".to_owned(),
            ..Default::default()
        };
        let response = client.call(&request, 3).await.unwrap();
        assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST, "{name:?}");
    }
    let named = ApiVersionsRequest {
        client_software_name: "x".to_owned(),
        client_software_version: "1".to_owned(),
        ..Default::default()
    };
    let cluster_id = Some(cluster.node().unwrap().cluster_id.clone());
    let half = ApiVersionsRequest {
        cluster_id: cluster_id.clone(),
        ..named.clone()
    };
    let response = client.call(&half, 5).await.unwrap();
    assert_eq!(
        response.error_code,
        ErrorCode::INVALID_REQUEST,
        "a cluster without a node"
    );
    let other_cluster = ApiVersionsRequest {
        cluster_id: Some("elsewhere".to_owned()),
        node_id: 1,
        ..named.clone()
    };
    assert_eq!(
        client.call(&other_cluster, 5).await.unwrap().error_code,
        ErrorCode::REBOOTSTRAP_REQUIRED
    );
    let other_node = ApiVersionsRequest {
        cluster_id: cluster_id.clone(),
        node_id: 77,
        ..named.clone()
    };
    assert_eq!(
        client.call(&other_node, 5).await.unwrap().error_code,
        ErrorCode::REBOOTSTRAP_REQUIRED
    );
    let this = ApiVersionsRequest {
        cluster_id,
        node_id: 1,
        ..named
    };
    assert_eq!(client.call(&this, 5).await.unwrap().error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn what_can_not_be_answered_closes_its_connection_and_no_other() {
    let cluster = Cluster::start().await.unwrap();
    let mut honest = cluster.client().await.unwrap();
    let requests: [(&str, Vec<u8>); 7] = [
        ("an unknown api", header(1_000, 0, 1, NULL_CLIENT_ID)),
        ("a negative api", header(-1, 0, 1, NULL_CLIENT_ID)),
        (
            "a version that is gone",
            header(ApiKey::Fetch.id(), 3, 1, NULL_CLIENT_ID),
        ),
        (
            "produce as of 0.8, though it is offered",
            header(ApiKey::Produce.id(), 0, 1, NULL_CLIENT_ID),
        ),
        (
            "an unstable version",
            header(ApiKey::InitProducerId.id(), 6, 1, NULL_CLIENT_ID),
        ),
        ("half a header", header(18, 0, 1, NULL_CLIENT_ID)[..5].to_vec()),
        ("half a body", [header(3, 1, 1, NULL_CLIENT_ID), vec![0, 0]].concat()),
    ];
    for (what, bytes) in requests {
        let mut client = cluster.client().await.unwrap();
        client.send_frame(&bytes).await.unwrap();
        assert_closed(&mut client, what).await;
        assert!(
            honest.call(&ApiVersionsRequest::default(), 0).await.is_ok(),
            "after {what}"
        );
    }
}

#[tokio::test]
async fn client_ids_may_be_null_or_empty() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for client_id in [NULL_CLIENT_ID, &[0, 0]] {
        client.send_frame(&header(18, 0, 9, client_id)).await.unwrap();
        let reply = client.receive_frame().await.unwrap();
        assert_eq!(frame::decode_response::<ApiVersionsResponse>(reply, 0).unwrap().0, 9);
    }
}

#[tokio::test]
async fn replies_leave_in_the_order_of_their_requests() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for round in 0..50 {
        match round % 2 {
            0 => client.send(&ApiVersionsRequest::default(), 0).await.unwrap(),
            _ => client.send(&MetadataRequest::default(), 12).await.unwrap(),
        }
    }
    for round in 0..50 {
        let reply = client.receive_frame().await.unwrap();
        let correlation_id = i32::from_be_bytes(*reply.first_chunk().unwrap());
        assert_eq!(correlation_id, round + 1);
    }
}

#[tokio::test]
async fn limits_of_size_and_of_idleness_hold() {
    let builder = Cluster::builder()
        .set("socket.request.max.bytes", "1000")
        .set("connections.max.idle.ms", "300");
    let cluster = builder.start().await.unwrap();
    let mut large = cluster.client().await.unwrap();
    large.send_raw(&1_001u32.to_be_bytes()).await.unwrap();
    assert_closed(&mut large, "a frame beyond the limit").await;
    let mut idle = cluster.client().await.unwrap();
    assert!(idle.call(&ApiVersionsRequest::default(), 0).await.is_ok());
    let before = Instant::now();
    assert_closed(&mut idle, "an idle connection").await;
    let took = before.elapsed();
    assert!(
        took >= Duration::from_millis(250) && took < Duration::from_secs(60),
        "{took:?}"
    );
}

#[tokio::test]
async fn an_address_may_have_as_many_connections_as_configured() {
    let cluster = Cluster::builder()
        .set("max.connections.per.ip", "2")
        .start()
        .await
        .unwrap();
    let mut first = cluster.client().await.unwrap();
    let mut second = cluster.client().await.unwrap();
    assert!(first.call(&ApiVersionsRequest::default(), 0).await.is_ok());
    assert!(second.call(&ApiVersionsRequest::default(), 0).await.is_ok());
    let mut third = cluster.client().await.unwrap();
    assert!(third.call(&ApiVersionsRequest::default(), 0).await.is_err());
    assert!(
        first.call(&ApiVersionsRequest::default(), 0).await.is_ok(),
        "those that are there go on"
    );
}

#[tokio::test]
async fn the_controllers_listener_offers_what_is_the_controllers() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = Client::connect(cluster.controller_address().unwrap()).await.unwrap();
    let response = client.call(&ApiVersionsRequest::default(), 0).await.unwrap();
    let offers = |key: ApiKey| response.api_keys.iter().any(|api| api.api_key == key.id());
    assert!(
        offers(ApiKey::BrokerRegistration) && offers(ApiKey::BrokerHeartbeat) && offers(ApiKey::AllocateProducerIds)
    );
    assert!(!offers(ApiKey::Produce) && !offers(ApiKey::Metadata));
    for api in &response.api_keys {
        let range = ApiKey::try_from(api.api_key)
            .unwrap()
            .advertised(Listener::Controller, false)
            .unwrap();
        assert_eq!((range.min, range.max), (api.min_version, api.max_version));
    }
}

#[tokio::test]
async fn bytes_after_a_request_are_left_unread() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let request = [header(18, 0, 5, NULL_CLIENT_ID), vec![7; 20]].concat();
    client.send_frame(&request).await.unwrap();
    let mut reply = Reader::new(Bytes::copy_from_slice(&client.receive_frame().await.unwrap()));
    assert_eq!(reply.i32().unwrap(), 5);
}

#[tokio::test]
async fn limits_can_be_changed_while_the_node_runs() {
    use klamm_protocol::messages::IncrementalAlterConfigsRequest;
    use klamm_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let cluster = Cluster::start().await.unwrap();
    let mut first = cluster.client().await.unwrap();
    let config = AlterableConfig {
        name: "max.connections.per.ip".to_owned(),
        value: Some("1".to_owned()),
        ..Default::default()
    };
    let all_brokers = AlterConfigsResource {
        resource_type: 4,
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![all_brokers],
        ..Default::default()
    };
    let response = first.call(&request, 1).await.unwrap();
    assert_eq!(
        response.responses[0].error_code,
        ErrorCode::NONE,
        "{:?}",
        response.responses[0].error_message
    );
    let mut second = cluster.client().await.unwrap();
    assert!(second.call(&ApiVersionsRequest::default(), 0).await.is_err());
    assert!(first.call(&ApiVersionsRequest::default(), 0).await.is_ok());
}
