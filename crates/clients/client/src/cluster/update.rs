//! From one picture of the cluster to the next.

use std::sync::Arc;

use klamm_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use klamm_protocol::messages::{DescribeClusterResponse, MetadataResponse};
use klamm_protocol::{ErrorCode, Uuid};
use tokio::time::Instant;

use super::metadata::{Broker, ClusterMetadata, PartitionMetadata, TopicMetadata};

/// What a reply of Produce or Fetch tells of a partition that has moved (KIP-951).
#[derive(Clone, Debug)]
pub(crate) struct NewLeader {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

impl ClusterMetadata {
    /// The picture after a reply that was asked for at `asked`. With `all`, topics that are not in it are gone.
    pub(super) fn after(&self, response: MetadataResponse, asked: Instant, all: bool) -> ClusterMetadata {
        let same_cluster =
            self.cluster_id.is_none() || response.cluster_id.is_none() || self.cluster_id == response.cluster_id;
        if !same_cluster {
            tracing::warn!(before = ?self.cluster_id, now = ?response.cluster_id, "another cluster is at these addresses now");
        }
        let mut next = ClusterMetadata {
            cluster_id: response.cluster_id.or_else(|| self.cluster_id.clone()),
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers: response
                .brokers
                .into_iter()
                .filter_map(broker)
                .map(|broker| (broker.id, broker))
                .collect(),
            as_of: Some(asked),
            all_as_of: if all { Some(asked) } else { self.all_as_of },
            ..ClusterMetadata::default()
        };
        if same_cluster && !all {
            next.topics = self.topics.clone();
        }
        for topic in response.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            let known = self.topics.get(name).filter(|_| same_cluster);
            let topic = updated(known, topic, asked);
            next.topics.insert(topic.name.clone(), Arc::new(topic));
        }
        next.index_names();
        next
    }

    /// The picture after a controller's description of the quorum's nodes.
    pub(super) fn after_description(&self, response: DescribeClusterResponse, asked: Instant) -> ClusterMetadata {
        let nodes = response.brokers.into_iter().filter_map(|node| {
            Some(Broker {
                id: node.broker_id,
                host: node.host,
                port: u16::try_from(node.port).ok()?,
                rack: node.rack,
            })
        });
        ClusterMetadata {
            cluster_id: Some(response.cluster_id),
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers: nodes.map(|node| (node.id, node)).collect(),
            as_of: Some(asked),
            ..ClusterMetadata::default()
        }
    }

    /// The picture with newer leaders; `None` when none of them is newer.
    pub(super) fn with_leaders(&self, leaders: &[NewLeader], nodes: &[Broker]) -> Option<ClusterMetadata> {
        let mut next = None;
        for new in leaders {
            let Some(known) = self.partition(&new.topic, new.partition) else {
                continue;
            };
            if known.leader_epoch.is_some_and(|epoch| epoch >= new.leader_epoch) {
                continue;
            }
            let next = next.get_or_insert_with(|| self.clone());
            let topic = next.topics.get_mut(&new.topic).map(Arc::make_mut);
            let partitions = topic.into_iter().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|partition| partition.index == new.partition) {
                partition.leader = Some(new.leader);
                partition.leader_epoch = Some(new.leader_epoch);
                partition.error = ErrorCode::NONE;
            }
        }
        if let Some(next) = &mut next {
            next.brokers.extend(nodes.iter().map(|node| (node.id, node.clone())));
        }
        next
    }

    fn index_names(&mut self) {
        let known = self.topics.values().filter(|topic| topic.id != Uuid::ZERO);
        self.names = known.map(|topic| (*topic.id.as_bytes(), topic.name.clone())).collect();
    }
}

fn broker(broker: MetadataResponseBroker) -> Option<Broker> {
    Some(Broker {
        id: broker.node_id,
        host: broker.host,
        port: u16::try_from(broker.port).ok()?,
        rack: broker.rack,
    })
}

fn updated(known: Option<&Arc<TopicMetadata>>, topic: MetadataResponseTopic, asked: Instant) -> TopicMetadata {
    let name = topic.name.unwrap_or_default();
    // A topic that was deleted and created again starts over with its epochs.
    let known = known.filter(|known| known.id == topic.topic_id);
    let newer = |partition: MetadataResponsePartition| {
        let known = known.and_then(|known| known.partition(partition.partition_index));
        newer(known, partition)
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(newer).collect();
    partitions.sort_unstable_by_key(|partition| partition.index);
    TopicMetadata {
        name: known.map_or_else(|| Arc::from(name), |known| known.name.clone()),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        error: topic.error_code,
        partitions,
        as_of: asked,
    }
}

/// A broker that lags behind may tell of a leader that has been replaced since: what is known already counts then
/// (KIP-320).
fn newer(known: Option<&PartitionMetadata>, told: MetadataResponsePartition) -> PartitionMetadata {
    let leader_epoch = Some(told.leader_epoch).filter(|epoch| *epoch >= 0);
    if let (Some(known), Some(told)) = (known, leader_epoch)
        && known.leader_epoch.is_some_and(|epoch| epoch > told)
    {
        return known.clone();
    }
    PartitionMetadata {
        index: told.partition_index,
        error: told.error_code,
        leader: Some(told.leader_id).filter(|id| *id >= 0),
        leader_epoch,
        replicas: told.replica_nodes,
        isr: told.isr_nodes,
        offline_replicas: told.offline_replicas,
    }
}

#[cfg(test)]
mod tests;
