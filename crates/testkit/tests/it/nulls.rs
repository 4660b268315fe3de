//! Texts that are null and texts that are empty, each where Kafka 4.4 has it so.

use std::time::{Duration, Instant};

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;
use klamm_testkit::Cluster;

#[tokio::test]
async fn a_group_without_a_protocol_has_a_null_for_it_where_that_can_be() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for (version, expected) in [(6, Some(String::new())), (7, None), (9, None)] {
        let request = JoinGroupRequest {
            member_id: "nobody".to_owned(),
            protocol_type: "consumer".to_owned(),
            ..Default::default()
        };
        let response = client.call(&request, version).await.unwrap();
        assert!(response.error_code.is_err(), "v{version}");
        assert_eq!(response.protocol_name, expected, "v{version}");
    }
}

#[tokio::test]
async fn what_went_well_says_so_in_as_many_words_as_in_kafka() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let (empty, none) = (Some(String::new()), Some("NONE".to_owned()));

    use describe_configs_request::DescribeConfigsResource;
    let broker = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".to_owned(),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![broker],
        ..Default::default()
    };
    let response = client.call(&request, 4).await.unwrap();
    assert_eq!(response.results[0].error_code, ErrorCode::NONE);
    assert_eq!(response.results[0].error_message, empty);

    use describe_quorum_request::{PartitionData, TopicData};
    let request = DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: "__cluster_metadata".to_owned(),
            partitions: vec![PartitionData::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client.call(&request, 2).await.unwrap();
    let partition = &response.topics[0].partitions[0];
    assert_eq!(
        (response.error_code, partition.error_code),
        (ErrorCode::NONE, ErrorCode::NONE)
    );
    assert_eq!((&response.error_message, &partition.error_message), (&empty, &empty));

    use update_features_request::FeatureUpdateKey;
    let level = cluster
        .node()
        .unwrap()
        .image()
        .features()
        .metadata_version()
        .unwrap()
        .level();
    let request = UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: "metadata.version".to_owned(),
            max_version_level: level,
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client.call(&request, 1).await.unwrap();
    assert_eq!((response.error_code, &response.error_message), (ErrorCode::NONE, &None));
    assert_eq!(response.results[0].error_message, none);

    let of_one = FindCoordinatorRequest {
        key: "g".to_owned(),
        ..Default::default()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let response = client.call(&of_one, 3).await.unwrap();
        if response.error_code.is_none() {
            assert_eq!(response.error_message, none);
            break;
        }
        assert!(Instant::now() < deadline, "{response:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let of_several = FindCoordinatorRequest {
        coordinator_keys: vec!["g".to_owned()],
        ..Default::default()
    };
    let response = client.call(&of_several, 4).await.unwrap();
    assert_eq!(response.coordinators[0].error_message, empty);
}
