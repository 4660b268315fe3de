//! Keys of `server.properties`, area by area; names, types and defaults are Apache Kafka 4.4's.

mod cleaner;
mod group;
mod group_consumer;
mod group_share;
mod group_streams;
mod klamm;
mod log;
mod metadata_log;
mod node;
mod oauth;
mod quorum;
mod quota;
mod remote;
mod replication;
mod sasl;
mod share_coordinator;
mod socket;
mod ssl;
mod throttle;
mod transaction;

use super::Area;

/// Every key of brokers and controllers.
pub(super) const AREAS: &[Area] = &[
    Area {
        title: "Node, roles and start",
        about: "Who this node is, what it does and how it starts and stops.",
        keys: node::KEYS,
    },
    Area {
        title: "Listeners and connections",
        about: "Where the node listens and what one client may take of it.",
        keys: socket::KEYS,
    },
    Area {
        title: "Logs",
        about: "Where and how records are stored, and how long they stay.",
        keys: log::KEYS,
    },
    Area {
        title: "Log cleaner",
        about: "Compaction of logs by key. It is not there yet; the settings are kept for it.",
        keys: cleaner::KEYS,
    },
    Area {
        title: "Replication",
        about: "Copies of partitions on other brokers, leaders and their election.",
        keys: replication::KEYS,
    },
    Area {
        title: "Controller quorum",
        about: "The controllers and how they agree.",
        keys: quorum::KEYS,
    },
    Area {
        title: "Metadata log",
        about: "The cluster's metadata on disk.",
        keys: metadata_log::KEYS,
    },
    Area {
        title: "Groups and offsets",
        about: "Consumer groups of the classic protocol, committed offsets, and what all kinds of groups share.",
        keys: group::KEYS,
    },
    Area {
        title: "Consumer groups",
        about: "Groups of the consumer protocol (KIP-848). It is not there yet; the settings are kept for it.",
        keys: group_consumer::KEYS,
    },
    Area {
        title: "Share groups",
        about: "Groups whose members share partitions (KIP-932). They are not there yet; the settings are kept for them.",
        keys: group_share::KEYS,
    },
    Area {
        title: "Streams groups",
        about: "Groups of Kafka Streams applications (KIP-1071). They are not there yet; the settings are kept for them.",
        keys: group_streams::KEYS,
    },
    Area {
        title: "Share coordinator",
        about: "State of share groups in `__share_group_state`. It is not there yet; the settings are kept for it.",
        keys: share_coordinator::KEYS,
    },
    Area {
        title: "Producers and transactions",
        about: "Idempotent producers, and transactions, which are not there yet.",
        keys: transaction::KEYS,
    },
    Area {
        title: "Quotas and metrics",
        about: "Limits of clients and what the node reports of itself. They are not there yet.",
        keys: quota::KEYS,
    },
    Area {
        title: "Tiered storage",
        about: "Old segments in remote storage. It is not there yet; switching it on refuses to start.",
        keys: remote::KEYS,
    },
    Area {
        title: "TLS",
        about: "Encryption of connections. It is not there yet: settings that ask for it refuse to start.",
        keys: ssl::KEYS,
    },
    Area {
        title: "Authentication",
        about: "Who a client is. SASL is not there yet: settings that ask for it refuse to start.",
        keys: sasl::KEYS,
    },
    Area {
        title: "OAUTHBEARER",
        about: "Authentication by tokens. It is not there yet; the settings are kept for it.",
        keys: oauth::KEYS,
    },
    Area {
        title: "Klamm",
        about: "Keys that Apache Kafka does not have, and takes no notice of. DescribeConfigs shows them where they are set.",
        keys: klamm::KEYS,
    },
];

/// Keys that only `kafka-configs` sets.
pub(super) const DYNAMIC_ONLY: &[Area] = &[Area {
    title: "Throttles",
    about: "Set by `kafka-configs` while the cluster runs, never in `server.properties`.",
    keys: throttle::KEYS,
}];
