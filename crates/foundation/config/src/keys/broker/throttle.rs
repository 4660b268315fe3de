//! Rates of replication: set by `kafka-configs` while the cluster runs, never in `server.properties`.

use crate::key::Importance::Medium;
use crate::key::{ConfigKey, long};

pub(super) const KEYS: &[ConfigKey] = &[
    long("leader.replication.throttled.rate", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .cluster_wide()
        .doc("Bytes a second this broker, leading, sends for throttled replicas."),
    long("follower.replication.throttled.rate", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .cluster_wide()
        .doc("Bytes a second this broker, following, fetches for throttled replicas."),
    long("replica.alter.log.dirs.io.max.bytes.per.second", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Bytes a second for moving replicas between log directories."),
];
