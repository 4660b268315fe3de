//! Consumer groups. Groups of the consumer protocol (KIP-848). It is not there yet; the settings are kept for it.

use crate::key::Importance::Medium;
use crate::key::{ConfigKey, boolean, int, list, string};

pub(super) const KEYS: &[ConfigKey] = &[
    int("group.consumer.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    int("group.consumer.min.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Shortest session timeout a group may set, in milliseconds."),
    int("group.consumer.max.session.timeout.ms", Medium)
        .default("60000")
        .at_least(1)
        .doc("Longest session timeout a group may set, in milliseconds."),
    int("group.consumer.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Milliseconds between the heartbeats members are told to send."),
    int("group.consumer.min.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Shortest heartbeat interval a group may set, in milliseconds."),
    int("group.consumer.max.heartbeat.interval.ms", Medium)
        .default("15000")
        .at_least(1)
        .doc("Longest heartbeat interval a group may set, in milliseconds."),
    int("group.consumer.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .cluster_wide()
        .doc("Least milliseconds between two new assignments of a group."),
    int("group.consumer.min.assignment.interval.ms", Medium)
        .default("0")
        .at_least(0)
        .doc("Shortest assignment interval a group may set, in milliseconds."),
    int("group.consumer.max.assignment.interval.ms", Medium)
        .default("15000")
        .at_least(0)
        .doc("Longest assignment interval a group may set, in milliseconds."),
    boolean("group.consumer.assignor.offload.enable", Medium)
        .default("true")
        .cluster_wide()
        .internal()
        .doc("Whether assignments are computed on background threads."),
    list("group.consumer.assignors", Medium)
        .default("uniform,range")
        .distinct()
        .not_empty()
        .doc("Assignors the broker offers; the first is the default."),
    int("group.consumer.max.size", Medium)
        .default("2147483647")
        .at_least(1)
        .doc("Most members of one group."),
    string("group.consumer.migration.policy", Medium)
        .default("bidirectional")
        .one_of_ignoring_case(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"])
        .doc("Which way groups may change between the classic and the consumer protocol while they run."),
    int("group.consumer.regex.refresh.interval.ms", Medium)
        .default("600000")
        .at_least(10000)
        .internal()
        .doc("Milliseconds after which subscriptions by pattern are looked up anew."),
];
