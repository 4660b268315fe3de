//! What one request asks for again and again is answered so often and no more.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::messages::{DescribeConfigsRequest, DescribeGroupsRequest};
use klamm_testkit::Cluster;

const MOST: usize = 1_000;

#[tokio::test]
async fn settings() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let resource = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".to_owned(),
        configuration_keys: Some(vec!["node.id".to_owned()]),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource; MOST + 5],
        ..Default::default()
    };
    let results = client.call(&request, 4).await.unwrap().results;
    assert_eq!(results.len(), MOST + 5);
    assert!(results[..MOST].iter().all(|result| result.configs.len() == 1));
    let refused = |result: &_| refusal(result) == (ErrorCode::INVALID_REQUEST, 0);
    assert!(results[MOST..].iter().all(refused), "{:?}", results[MOST]);
}

fn refusal(result: &klamm_protocol::messages::describe_configs_response::DescribeConfigsResult) -> (ErrorCode, usize) {
    (result.error_code, result.configs.len())
}

#[tokio::test]
async fn groups() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let request = DescribeGroupsRequest {
        groups: vec!["none".to_owned(); MOST + 3],
        ..Default::default()
    };
    let groups = client.call(&request, 6).await.unwrap().groups;
    let refused: Vec<usize> = (0..groups.len())
        .filter(|n| groups[*n].error_code == ErrorCode::INVALID_REQUEST)
        .collect();
    assert_eq!(refused, [MOST + 1, MOST + 2]);
}
