//! Log cleaner: compaction of logs by key.

use crate::key::Importance::Medium;
use crate::key::{ConfigKey, boolean, double, int, long};

pub(super) const KEYS: &[ConfigKey] = &[
    boolean("log.cleaner.enable", Medium)
        .default("true")
        .deprecated()
        .effective()
        .doc("Whether logs with the policy `compact` are compacted."),
    int("log.cleaner.threads", Medium)
        .default("1")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Threads that compact logs."),
    double("log.cleaner.io.max.bytes.per.second", Medium)
        .default("1.7976931348623157E308")
        .cluster_wide()
        .effective()
        .doc("Bytes a second the cleaner may read and write, all threads together."),
    long("log.cleaner.dedupe.buffer.size", Medium)
        .default("134217728")
        .cluster_wide()
        .effective()
        .doc("Bytes for the cleaner's key tables, all threads together."),
    int("log.cleaner.io.buffer.size", Medium)
        .default("524288")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Bytes for the cleaner's read and write buffers, all threads together."),
    double("log.cleaner.io.buffer.load.factor", Medium)
        .default("0.9")
        .cluster_wide()
        .effective()
        .doc("How full the key table may get, from 0 to 1; fuller means fewer passes and more collisions."),
    long("log.cleaner.backoff.ms", Medium)
        .default("15000")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Milliseconds the cleaner sleeps when no log needs it."),
    double("log.cleaner.min.cleanable.ratio", Medium)
        .default("0.5")
        .between(0.0, 1.0)
        .cluster_wide()
        .effective()
        .doc("Share of a log that must be uncompacted before the cleaner takes it up."),
    long("log.cleaner.delete.retention.ms", Medium)
        .default("86400000")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Milliseconds a tombstone is kept in a compacted log."),
    long("log.cleaner.min.compaction.lag.ms", Medium)
        .default("0")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Milliseconds a record stays out of the cleaner's reach."),
    long("log.cleaner.max.compaction.lag.ms", Medium)
        .default("9223372036854775807")
        .at_least(1)
        .cluster_wide()
        .effective()
        .doc("Milliseconds after which a record must have been considered for compaction."),
];
