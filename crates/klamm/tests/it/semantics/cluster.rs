//! What describes the cluster, and its features.

use klamm_protocol::messages::*;

use super::TOPIC;
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

#[tokio::test]
async fn cluster_requests_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("t");
    let id = node.create(&t, 2).await;
    let mut answers = Answers::to("cluster");

    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 1,
            ..Default::default()
        })
        .await;
    let said = format!(
        "{} {} controller {}",
        reply.error_code.name(),
        reply.brokers.len(),
        reply.controller_id
    );
    answers.row("DescribeCluster", said, "NONE 1 controller 1");
    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 2,
            ..Default::default()
        })
        .await;
    answers.row(
        "DescribeCluster: controllers",
        reply.error_code.name(),
        "MISMATCHED_ENDPOINT_TYPE",
    );
    let reply = node
        .call(&DescribeClusterRequest {
            endpoint_type: 9,
            ..Default::default()
        })
        .await;
    answers.row(
        "DescribeCluster: an unknown type",
        reply.error_code.name(),
        "UNSUPPORTED_ENDPOINT_TYPE",
    );

    let described = |names: &[&str], limit| DescribeTopicPartitionsRequest {
        topics: names
            .iter()
            .map(|&name| describe_topic_partitions_request::TopicRequest {
                name: name.to_owned(),
                ..Default::default()
            })
            .collect(),
        response_partition_limit: limit,
        ..Default::default()
    };
    let reply = node.call(&described(&[&t], 2000)).await;
    let topic = &reply.topics[0];
    let said = format!(
        "{} {} {}",
        topic.error_code.name(),
        topic.partitions.len(),
        topic.topic_id == id
    );
    answers.row("DescribeTopicPartitions", said, "NONE 2 true");
    let reply = node.call(&described(&[&t], 1)).await;
    let cursor = reply
        .next_cursor
        .as_ref()
        .map(|cursor| (cursor.topic_name == t, cursor.partition_index));
    let said = format!("{} {cursor:?}", reply.topics[0].partitions.len());
    answers.row("DescribeTopicPartitions: the first", said, "1 Some((true, 1))");
    let reply = node.call(&described(&["nowhere"], 2000)).await;
    answers.row(
        "DescribeTopicPartitions: unknown",
        reply.topics[0].error_code.name(),
        "UNKNOWN_TOPIC_OR_PARTITION",
    );

    let quorum = |name: &str, partition_index| DescribeQuorumRequest {
        topics: vec![describe_quorum_request::TopicData {
            topic_name: name.to_owned(),
            partitions: vec![describe_quorum_request::PartitionData {
                partition_index,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let reply = node.call(&quorum("__cluster_metadata", 0)).await;
    let partition = &reply.topics[0].partitions[0];
    let said = format!(
        "{} leader {} of {}",
        partition.error_code.name(),
        partition.leader_id,
        partition.current_voters.len()
    );
    answers.row("DescribeQuorum", said, "NONE leader 1 of 1");
    let reply = node.call(&quorum(&t, 0)).await;
    let error = reply.topics.first().map(|topic| topic.partitions[0].error_code.name());
    answers.row(
        "DescribeQuorum: another topic",
        format!("{} {error:?}", reply.error_code.name()),
        "NONE Some(\"UNKNOWN_TOPIC_OR_PARTITION\")",
    );

    let reply = node
        .call(&DescribeLogDirsRequest {
            topics: None,
            ..Default::default()
        })
        .await;
    let found = reply.results[0].topics.iter().find(|topic| topic.name == t);
    let partitions = found.map(|topic| topic.partitions.len());
    answers.row(
        "DescribeLogDirs",
        format!("{} {partitions:?}", reply.error_code.name()),
        "NONE Some(2)",
    );
    let nowhere = describe_log_dirs_request::DescribableLogDirTopic {
        topic: "nowhere".to_owned(),
        partitions: vec![0],
        ..Default::default()
    };
    let reply = node
        .call(&DescribeLogDirsRequest {
            topics: Some(vec![nowhere]),
            ..Default::default()
        })
        .await;
    let said = format!("{} {}", reply.results.len(), reply.results[0].topics.len());
    answers.row("DescribeLogDirs: unknown topic", said, "1 0");

    let update = |feature: &str, level| UpdateFeaturesRequest {
        timeout_ms: 10_000,
        feature_updates: vec![update_features_request::FeatureUpdateKey {
            feature: feature.to_owned(),
            max_version_level: level,
            upgrade_type: 1,
            ..Default::default()
        }],
        validate_only: true,
        ..Default::default()
    };
    for (feature, level, kafka) in [
        ("metadata.version", 33, "NONE"),
        ("metadata.version", 99, "INVALID_UPDATE_VERSION"),
        ("metadata.version", 20, "INVALID_UPDATE_VERSION"),
        ("no.such.feature", 1, "INVALID_UPDATE_VERSION"),
        ("group.version", -1, "INVALID_UPDATE_VERSION"),
        ("", 1, "INVALID_UPDATE_VERSION"),
    ] {
        let reply = node.call(&update(feature, level)).await;
        answers.row(
            &format!("UpdateFeatures {feature:?} to {level}"),
            reply.error_code.name(),
            kafka,
        );
    }

    let reply = node
        .call(&ListConfigResourcesRequest {
            resource_types: vec![TOPIC],
            ..Default::default()
        })
        .await;
    let listed = reply
        .config_resources
        .iter()
        .any(|resource| resource.resource_name == t);
    answers.row(
        "ListConfigResources",
        format!("{} {listed}", reply.error_code.name()),
        "NONE true",
    );
    let reply = node
        .call(&ListConfigResourcesRequest {
            resource_types: vec![77],
            ..Default::default()
        })
        .await;
    answers.row(
        "ListConfigResources: an unknown type",
        reply.error_code.name(),
        "UNSUPPORTED_VERSION",
    );
    answers.done();
}
