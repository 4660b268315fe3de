//! The tables of keys: brokers and controllers, topics, groups, client metrics subscriptions.

mod broker;
mod client_metrics;
mod group;
mod topic;

use crate::key::ConfigKey;

/// Keys that belong together.
#[derive(Debug)]
pub struct Area {
    /// Heading in the reference.
    pub title: &'static str,
    /// What they have in common, in a line.
    pub about: &'static str,
    /// The keys.
    pub keys: &'static [ConfigKey],
}

/// All keys of one kind of resource.
#[derive(Debug)]
pub struct Table {
    /// The keys, area by area.
    pub areas: &'static [Area],
}

impl Table {
    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &'static ConfigKey> + use<> {
        self.areas.iter().flat_map(|area| area.keys)
    }

    /// The key of this name.
    pub fn get(&self, name: &str) -> Option<&'static ConfigKey> {
        self.iter().find(|key| key.name == name)
    }
}

/// Keys of `server.properties`.
pub fn broker_keys() -> &'static Table {
    static TABLE: Table = Table { areas: broker::AREAS };
    &TABLE
}

/// Keys of brokers that only the cluster's dynamic configuration sets.
pub fn dynamic_only_broker_keys() -> &'static Table {
    static TABLE: Table = Table {
        areas: broker::DYNAMIC_ONLY,
    };
    &TABLE
}

/// Keys of topics.
pub fn topic_keys() -> &'static Table {
    static TABLE: Table = Table {
        areas: &[Area {
            title: "Topics",
            about: "Set for one topic, when it is created or later.",
            keys: topic::KEYS,
        }],
    };
    &TABLE
}

/// Keys of groups.
pub fn group_keys() -> &'static Table {
    static TABLE: Table = Table {
        areas: &[Area {
            title: "Groups",
            about: "Set for one group of the newer protocols.",
            keys: group::KEYS,
        }],
    };
    &TABLE
}

/// Keys of client metrics subscriptions.
pub fn client_metrics_keys() -> &'static Table {
    static TABLE: Table = Table {
        areas: &[Area {
            title: "Client metrics",
            about: "Set for one subscription to clients' metrics (KIP-714).",
            keys: client_metrics::KEYS,
        }],
    };
    &TABLE
}
