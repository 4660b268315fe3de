//! Calls that look after a cluster: one file per noun.

mod cluster;
mod configs;
mod fan_out;
mod features;
mod group_members;
mod group_offsets;
mod groups;
mod leaders;
mod list_offsets;
mod log_dirs;
mod partitions;
mod producers;
mod quorum;
mod records;
mod topics;

use std::time::Duration;

use crate::{Client, Error};

pub use cluster::{ClusterDescription, NodeDescription};
pub use configs::{
    AlterConfig, AlterConfigOp, ConfigEntry, ConfigResource, ConfigResourceKind, ConfigSource, ConfigSynonym,
    ConfigType, DescribeConfigs,
};
pub use features::{FeatureUpdate, FeatureUpgrade, Features, VersionLevels};
pub use group_members::MemberToRemove;
pub use group_offsets::{CommittedOffset, GroupOffsets};
pub use groups::{GroupDescription, GroupListing, GroupState, GroupType, ListGroups, ListedGroups, MemberDescription};
pub use list_offsets::{IsolationLevel, ListedOffset, OffsetSpec};
pub use log_dirs::{LogDirDescription, ReplicaInfo};
pub use partitions::{ElectionType, NewPartitions, PartitionReassignment};
pub use producers::ProducerState;
pub use quorum::{QuorumInfo, QuorumNode, ReplicaState};
pub use topics::{
    CreatedTopic, NewTopic, PartitionDescription, ReplicaPlacement, TopicDescription, TopicListing, TopicRef,
};

/// What came of each thing that was asked for, in the order of the asking.
pub type Each<K, T = ()> = Vec<(K, Result<T, Error>)>;

/// The admin calls of a [`Client`].
///
/// A call answers for each thing that it was asked about: the outer error means that there is no answer at all, the inner
/// ones what the brokers said to each thing. Requests go to the nodes that can answer them, are repeated while
/// connections fail, leaders move and coordinators load, and end with [`Error::TimedOut`] after
/// `default.api.timeout.ms`. What a broker has no API for is [`Error::Unsupported`].
///
/// Any call can be dropped: what has been sent by then may still happen.
///
/// ```
/// # klamm_testkit::run(async |cluster| {
/// use klamm_client::{Client, NewTopic};
///
/// let admin = Client::connect(cluster.bootstrap()).await?.admin();
/// for (name, created) in admin.create_topics(&[NewTopic::new("orders").partitions(3)], false).await? {
///     println!("{name}: {} partitions", created?.partitions);
/// }
/// assert_eq!(admin.list_topics().await?[0].name, "orders");
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Admin {
        Admin { client }
    }

    /// The same calls with another time for each, in place of `default.api.timeout.ms`.
    pub fn with_timeout(&self, timeout: Duration) -> Admin {
        Admin::new(self.client.with_api_timeout(timeout))
    }

    /// The client whose calls these are.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How long a broker may take over a request, for the requests that say so.
    fn timeout_ms(&self) -> i32 {
        let timeout = self.client.timeouts.request.min(self.client.timeouts.api);
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

/// Puts answers into the order of the questions; what was left out of a reply is an error.
fn in_order<K: Ord + Clone, T>(
    asked: impl IntoIterator<Item = K>,
    mut answers: std::collections::BTreeMap<K, Result<T, Error>>,
) -> Each<K, T> {
    let asked = asked.into_iter();
    asked
        .map(|key| {
            let answer = answers.remove(&key).unwrap_or_else(|| Err(left_out()));
            (key, answer)
        })
        .collect()
}

fn left_out() -> Error {
    Error::Protocol {
        address: "the cluster".to_owned(),
        reason: "the reply has no result for it".to_owned(),
    }
}
