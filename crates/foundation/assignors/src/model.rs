//! What an assignment is made of and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Index of the partition in its topic.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// As Kafka writes it: `orders-0`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What the leader of a group knows of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Topics subscribed to, whether they exist or not.
    pub topics: BTreeSet<Arc<str>>,
    /// Partitions that the member held when it joined: the cooperative protocol's word for it.
    pub owned: Vec<TopicPartition>,
    /// Generation in which it got them; members of older clients don't tell.
    pub generation: Option<i32>,
    /// `client.rack`.
    pub rack: Option<String>,
    /// `group.instance.id`.
    pub instance_id: Option<String>,
    /// What the member's assignor has to say, in a format of its own.
    pub user_data: Option<Bytes>,
}

/// The members of a group by member id.
pub type Members = BTreeMap<String, Member>;

/// The racks in which a partition has replicas.
pub type PartitionRacks = BTreeSet<String>;

/// The topics that exist, each with its partitions' racks by index. Topics without partitions count as missing.
pub type Topics = BTreeMap<Arc<str>, Vec<PartitionRacks>>;

/// Who gets what: each member of the group has an entry, its partitions in order of topic and index.
pub type Assigned = BTreeMap<String, Vec<TopicPartition>>;

/// Whether to look at racks at all: some member and some replica share one, and not every partition is in every rack.
pub(crate) fn racks_matter<'a>(
    member_racks: &BTreeSet<&str>,
    partitions: impl Iterator<Item = &'a PartitionRacks> + Clone,
) -> bool {
    let all: BTreeSet<&str> = partitions.clone().flatten().map(String::as_str).collect();
    !member_racks.is_disjoint(&all) && partitions.clone().any(|racks| racks.len() != all.len())
}

/// The rack of a member, if it names one.
pub(crate) fn rack_of(member: &Member) -> Option<&str> {
    member.rack.as_deref().filter(|rack| !rack.is_empty())
}
