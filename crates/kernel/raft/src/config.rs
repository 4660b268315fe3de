//! The settings of one replica.

use crate::{Endpoint, Endpoints, ReplicaKey, Uuid};

/// Who this replica is and how patient it is. All times are in milliseconds.
#[derive(Clone, Debug)]
pub struct RaftConfig {
    /// `cluster.id`; requests of another cluster are refused.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id` of the metadata log directory.
    pub directory_id: Uuid,
    /// This node's own controller listeners; what it tells others about itself.
    pub listeners: Endpoints,
    /// The listener that controllers talk to each other on: the first of `controller.listener.names`.
    pub listener: String,
    /// `controller.quorum.bootstrap.servers`: whom an observer asks for the leader.
    pub bootstrap_servers: Vec<Endpoint>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i64,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i64,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i64,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: i64,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// `controller.quorum.fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `controller.quorum.fetch.snapshot.max.bytes`.
    pub fetch_snapshot_max_bytes: i32,
    /// How long a leader may hold back an answer to a Fetch that finds nothing new.
    pub fetch_max_wait_ms: i32,
}

impl RaftConfig {
    /// Kafka's defaults for a node with one controller listener.
    pub fn new(cluster_id: String, node_id: i32, directory_id: Uuid, listener: &str, endpoint: Endpoint) -> Self {
        RaftConfig {
            cluster_id,
            node_id,
            directory_id,
            listeners: Endpoints::from([(listener.to_owned(), endpoint)]),
            listener: listener.to_owned(),
            bootstrap_servers: Vec::new(),
            election_timeout_ms: 1_000,
            election_backoff_max_ms: 1_000,
            fetch_timeout_ms: 2_000,
            request_timeout_ms: 2_000,
            retry_backoff_ms: 20,
            fetch_max_bytes: 1_048_576,
            fetch_snapshot_max_bytes: 1_048_576,
            fetch_max_wait_ms: 500,
        }
    }

    pub(crate) fn local_key(&self) -> ReplicaKey {
        ReplicaKey {
            id: self.node_id,
            directory_id: Some(self.directory_id),
        }
    }
}
