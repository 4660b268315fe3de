//! DescribeQuorum (key 55), v0-2, flexible. KIP-595, KIP-836 (timestamps, v1), KIP-853 (directories and nodes, v2).
//! Tells the leader of the metadata quorum, its voters and its observers. Only partition 0 of `__cluster_metadata` has one.
//! Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER.

use klamm_metadata::MetadataImage;
use klamm_protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use klamm_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use klamm_protocol::{ErrorCode, Uuid};
use klamm_raft::{QuorumDescription, ReplicaDescription};

use crate::request::RequestContext;

const CLUSTER_METADATA_TOPIC_NAME: &str = "__cluster_metadata";

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let tells_directories_and_nodes = cx.api_version >= 2;
    let only_metadata = request.topics.len() == 1
        && request.topics.iter().all(|topic| {
            topic.topic_name == CLUSTER_METADATA_TOPIC_NAME
                && topic.partitions.len() == 1
                && topic.partitions.iter().all(|partition| partition.partition_index == 0)
        });
    if !only_metadata {
        return failed(&request, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let Some(quorum) = cx.node.controller.describe_quorum().await else {
        return failed(&request, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    };
    let replicas = |replicas: &[ReplicaDescription]| {
        let state = |replica| replica_state(replica, tells_directories_and_nodes);
        replicas.iter().map(state).collect()
    };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: quorum.leader.leader_id.unwrap_or(-1),
        leader_epoch: quorum.leader.epoch,
        high_watermark: quorum.high_watermark,
        current_voters: replicas(&quorum.voters),
        observers: replicas(&quorum.observers),
        ..Default::default()
    };
    DescribeQuorumResponse {
        topics: vec![TopicData {
            topic_name: CLUSTER_METADATA_TOPIC_NAME.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        nodes: match tells_directories_and_nodes {
            true => nodes(&quorum, &cx.image),
            false => Vec::new(),
        },
        ..Default::default()
    }
}

fn replica_state(replica: &ReplicaDescription, tells_directory: bool) -> ReplicaState {
    let directory = replica.key.directory_id.filter(|_| tells_directory);
    ReplicaState {
        replica_id: replica.key.id,
        replica_directory_id: directory.unwrap_or(Uuid::ZERO),
        log_end_offset: replica.log_end_offset,
        last_fetch_timestamp: replica.last_fetch_timestamp_ms,
        last_caught_up_timestamp: replica.last_caught_up_timestamp_ms,
        ..Default::default()
    }
}

/// Where the voters can be reached, as they registered.
fn nodes(quorum: &QuorumDescription, image: &MetadataImage) -> Vec<Node> {
    let listeners = |id: i32| {
        let controller = image.cluster().controllers().get(&id);
        let endpoints = controller
            .map(|controller| controller.listeners.as_slice())
            .unwrap_or_default();
        let listener = |endpoint: &klamm_metadata::Endpoint| Listener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            ..Default::default()
        };
        endpoints.iter().map(listener).collect()
    };
    let node = |voter: &ReplicaDescription| Node {
        node_id: voter.key.id,
        listeners: listeners(voter.key.id),
        ..Default::default()
    };
    quorum.voters.iter().map(node).collect()
}

/// The same error for all that was asked.
fn failed(request: &DescribeQuorumRequest, error_code: ErrorCode) -> DescribeQuorumResponse {
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition_index,
                error_code,
                error_message: Some(error_code.message().to_owned()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    DescribeQuorumResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
