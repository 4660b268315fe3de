//! What a client knows of its cluster.

mod coordinators;
mod metadata;
mod refresh;
mod update;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

pub use coordinators::CoordinatorKind;
pub(crate) use coordinators::Coordinators;
pub use metadata::{Broker, ClusterMetadata, PartitionMetadata, TopicMetadata};
pub(crate) use update::NewLeader;

/// Which part of the cluster is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataTopics {
    /// The brokers and the controller, no topic.
    Brokers,
    /// Every topic, internal ones too.
    All,
    /// Topics by name.
    Names(Vec<String>),
}

impl MetadataTopics {
    /// Topics by name.
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> MetadataTopics {
        MetadataTopics::Names(names.into_iter().map(Into::into).collect())
    }
}

/// The newest picture of the cluster, and the requests for a newer one.
pub(crate) struct Cluster {
    current: watch::Sender<Arc<ClusterMetadata>>,
    brokers: Flight,
    all: Flight,
    named: Flight,
    creating: Flight,
}

/// One request at a time for a part of the picture; whoever comes meanwhile shares the next one.
#[derive(Default)]
struct Flight {
    names: Mutex<BTreeSet<String>>,
    turn: tokio::sync::Mutex<()>,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster {
            current: watch::Sender::new(Arc::default()),
            brokers: Flight::default(),
            all: Flight::default(),
            named: Flight::default(),
            creating: Flight::default(),
        }
    }
}

impl Cluster {
    pub(crate) fn current(&self) -> Arc<ClusterMetadata> {
        self.current.borrow().clone()
    }

    /// Tells of every newer picture.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<ClusterMetadata>> {
        self.current.subscribe()
    }
}
