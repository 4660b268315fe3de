//! The assignors that Kafka's clients come with.

use bytes::Bytes;
use thiserror::Error;

use crate::model::{Assigned, Members, TopicPartition, Topics};
use crate::{range, round_robin, sticky};

/// A way of sharing out partitions. Members of one group must have one in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignor {
    /// Per topic, consecutive partitions to members in order; equal partition counts line up across topics.
    Range,
    /// All partitions of all topics dealt out in turn.
    RoundRobin,
    /// As balanced as can be, moving as little as can be (KIP-54); all members stop during a rebalance.
    Sticky,
    /// As [`Assignor::Sticky`], but only partitions that change hands stop: a member gives one up in a first
    /// rebalance and another takes it in a second (KIP-429).
    CooperativeSticky,
}

/// No assignor goes by this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no assignor is called {name:?}: there are range, roundrobin, sticky and cooperative-sticky")]
pub struct UnknownAssignor {
    /// The name given.
    pub name: String,
}

impl Assignor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    /// The name under which members propose it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The Java class that `partition.assignment.strategy` names.
    pub fn java_class(self) -> &'static str {
        match self {
            Self::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            Self::RoundRobin => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            Self::Sticky => "org.apache.kafka.clients.consumer.StickyAssignor",
            Self::CooperativeSticky => "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        }
    }

    /// The assignor with this name, short or Java's.
    pub fn from_name(name: &str) -> Result<Self, UnknownAssignor> {
        Self::ALL
            .into_iter()
            .find(|assignor| assignor.name() == name || assignor.java_class() == name)
            .ok_or_else(|| UnknownAssignor { name: name.to_owned() })
    }

    /// Whether members keep what they own through a rebalance.
    pub fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// Shares out the partitions of `topics` among `members`. With the cooperative assignor, partitions that change
    /// hands go to nobody yet.
    pub fn assign(self, members: &Members, topics: &Topics) -> Assigned {
        let mut assigned = match self {
            Self::Range => range::assign(members, topics),
            Self::RoundRobin => round_robin::assign(members, topics),
            Self::Sticky | Self::CooperativeSticky => sticky::assign(self, members, topics),
        };
        assigned.values_mut().for_each(|partitions| partitions.sort_unstable());
        assigned
    }

    /// What a member of `generation` (-1 before its first) tells its leader besides its subscription; `assigned` is
    /// what it got last, if anything.
    pub fn user_data(self, assigned: Option<&[TopicPartition]>, generation: i32) -> Option<Bytes> {
        match self {
            Self::Range | Self::RoundRobin => None,
            Self::Sticky => assigned.map(|assigned| sticky::write_sticky(assigned, generation)),
            Self::CooperativeSticky => Some(sticky::write_cooperative(generation)),
        }
    }
}
