//! A picture of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::{ErrorCode, Uuid};
use tokio::time::Instant;

use crate::connection::Address;

/// What brokers told of the cluster: themselves, the controller, and the topics that were asked for. Never changes;
/// [`crate::Client::metadata`] gives newer ones.
#[derive(Clone, Debug, Default)]
pub struct ClusterMetadata {
    pub(super) cluster_id: Option<String>,
    pub(super) controller: Option<i32>,
    pub(super) brokers: BTreeMap<i32, Broker>,
    pub(super) topics: BTreeMap<Arc<str>, Arc<TopicMetadata>>,
    pub(super) names: BTreeMap<[u8; 16], Arc<str>>,
    /// When the request for the brokers was sent, and that for all topics.
    pub(super) as_of: Option<Instant>,
    pub(super) all_as_of: Option<Instant>,
}

/// A broker, or a controller for a client of controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; zero from a broker that does not know ids (before 2.8).
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Why there are no partitions, such as UNKNOWN_TOPIC_OR_PARTITION.
    pub error: ErrorCode,
    /// Its partitions by rising index.
    pub partitions: Vec<PartitionMetadata>,
    pub(crate) as_of: Instant,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionMetadata {
    /// Its number.
    pub index: i32,
    /// Why it can't be used now, such as LEADER_NOT_AVAILABLE.
    pub error: ErrorCode,
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// The epoch of that leader, if the broker told (since 2.1).
    pub leader_epoch: Option<i32>,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those of them that are offline.
    pub offline_replicas: Vec<i32>,
}

impl ClusterMetadata {
    /// The cluster's id, once a broker has told it.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The node that takes requests for the controller: a broker that passes them on, or the active controller itself for
    /// a client of controllers.
    pub fn controller(&self) -> Option<i32> {
        self.controller
    }

    /// The brokers that are alive, by id. For a client of controllers, the controllers.
    pub fn brokers(&self) -> &BTreeMap<i32, Broker> {
        &self.brokers
    }

    /// The topics that have been asked for, by name; also those that don't exist, with an error.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicMetadata>> {
        self.topics.values()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(self.names.get(id.as_bytes())?)
    }

    /// A partition.
    pub fn partition(&self, topic: &str, index: i32) -> Option<&PartitionMetadata> {
        self.topic(topic)?.partition(index)
    }

    /// The leader of a partition.
    pub fn leader(&self, topic: &str, index: i32) -> Option<i32> {
        self.partition(topic, index)?.leader
    }

    pub(crate) fn address(&self, node: i32) -> Option<Address> {
        let broker = self.brokers.get(&node)?;
        Some(broker.address())
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (i32, Address)> {
        self.brokers.values().map(|broker| (broker.id, broker.address()))
    }
}

impl Broker {
    fn address(&self) -> Address {
        Address {
            host: self.host.clone(),
            port: self.port,
        }
    }
}

impl TopicMetadata {
    /// A partition, which usually stands at its index.
    pub fn partition(&self, index: i32) -> Option<&PartitionMetadata> {
        let place = usize::try_from(index).ok()?;
        match self.partitions.get(place) {
            Some(partition) if partition.index == index => Some(partition),
            _ => self.partitions.iter().find(|partition| partition.index == index),
        }
    }
}
