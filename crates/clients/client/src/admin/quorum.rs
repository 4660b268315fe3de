//! The quorum of controllers (KIP-595).

use std::collections::BTreeMap;

use klamm_protocol::Uuid;
use klamm_protocol::messages::DescribeQuorumRequest;
use klamm_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use klamm_protocol::messages::describe_quorum_response as wire;

use super::{Admin, left_out};
use crate::Error;

/// The topic of the cluster's metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumInfo {
    /// The active controller.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Up to where the metadata is committed.
    pub high_watermark: i64,
    /// The controllers that vote.
    pub voters: Vec<ReplicaState>,
    /// Brokers and controllers that only follow.
    pub observers: Vec<ReplicaState>,
    /// Where the voters listen (KIP-853); empty if the node did not tell.
    pub nodes: BTreeMap<i32, QuorumNode>,
}

/// How far a member of the quorum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaState {
    /// Its node id.
    pub replica_id: i32,
    /// The id of its log directory (KIP-853); zero if the node did not tell.
    pub replica_directory_id: Uuid,
    /// Where its log ends.
    pub log_end_offset: i64,
    /// When it last fetched, in milliseconds since the Unix epoch, if known (KIP-836).
    pub last_fetch_timestamp: Option<i64>,
    /// When it last had everything, in milliseconds since the Unix epoch, if known (KIP-836).
    pub last_caught_up_timestamp: Option<i64>,
}

/// Where a voter listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumNode {
    /// Its node id.
    pub id: i32,
    /// Its listeners: name, host, port.
    pub listeners: Vec<(String, String, u16)>,
}

impl Admin {
    /// Describes the quorum. DescribeQuorum 0-2, answered by the active controller.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER while there is no active controller.
    pub async fn describe_quorum(&self) -> Result<QuorumInfo, Error> {
        let make = |_| DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: METADATA_TOPIC.to_owned(),
                partitions: vec![PartitionData::default()],
                ..Default::default()
            }],
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check_with(response.error_code, response.error_message)?;
        let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
        let partition = partitions.into_iter().next().ok_or_else(left_out)?;
        Error::check_with(partition.error_code, partition.error_message)?;
        let nodes = response.nodes.into_iter().map(|node| {
            let listeners = node
                .listeners
                .into_iter()
                .map(|listener| (listener.name, listener.host, listener.port));
            let (id, listeners) = (node.node_id, listeners.collect());
            (id, QuorumNode { id, listeners })
        });
        Ok(QuorumInfo {
            leader_id: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: partition.current_voters.into_iter().map(state).collect(),
            observers: partition.observers.into_iter().map(state).collect(),
            nodes: nodes.collect(),
        })
    }
}

fn state(told: wire::ReplicaState) -> ReplicaState {
    ReplicaState {
        replica_id: told.replica_id,
        replica_directory_id: told.replica_directory_id,
        log_end_offset: told.log_end_offset,
        last_fetch_timestamp: Some(told.last_fetch_timestamp).filter(|at| *at >= 0),
        last_caught_up_timestamp: Some(told.last_caught_up_timestamp).filter(|at| *at >= 0),
    }
}
