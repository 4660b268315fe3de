//! Who a replica is, and where it can be reached.

use std::collections::BTreeMap;

use crate::Uuid;

/// A replica: its node id and, once the quorum knows directory ids (kraft.version 1), the id of its metadata directory.
///
/// A node that lost its disk comes back with another directory id and must not be taken for the voter it was (KIP-853).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaKey {
    /// `node.id`.
    pub id: i32,
    /// `directory.id` of the directory that holds `__cluster_metadata-0`; none where it is not known.
    pub directory_id: Option<Uuid>,
}

impl ReplicaKey {
    /// A key from the wire or a file, where the zero id stands for "unknown".
    pub fn of(id: i32, directory_id: Uuid) -> Self {
        ReplicaKey {
            id,
            directory_id: (directory_id != Uuid::ZERO).then_some(directory_id),
        }
    }

    /// The directory id as the wire and files write it.
    pub fn directory_id_or_zero(&self) -> Uuid {
        self.directory_id.unwrap_or(Uuid::ZERO)
    }

    /// Whether `other` is the replica that this key names: a key without directory id names every replica of that node.
    pub fn names(&self, other: &ReplicaKey) -> bool {
        self.id == other.id && (self.directory_id.is_none() || self.directory_id == other.directory_id)
    }
}

/// Host and port of one listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address, as configured.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// The endpoints of one replica, by listener name.
pub type Endpoints = BTreeMap<String, Endpoint>;

/// Where a request goes to. Bootstrap servers, whose ids are not known yet, have ids from -2 downwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Node id, or a negative stand-in.
    pub id: i32,
    /// Its endpoint on the controller listener.
    pub endpoint: Endpoint,
}
