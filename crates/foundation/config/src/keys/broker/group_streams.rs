//! Streams groups. Groups of Kafka Streams applications (KIP-1071). They are not there yet; the settings are kept for them.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, boolean, class, int, list, long};

pub(super) const KEYS: &[ConfigKey] = &[
    int("group.streams.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    int("group.streams.min.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Shortest session timeout a group may set, in milliseconds."),
    int("group.streams.max.session.timeout.ms", Medium)
        .default("60000")
        .at_least(1)
        .doc("Longest session timeout a group may set, in milliseconds."),
    int("group.streams.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Milliseconds between the heartbeats members are told to send."),
    int("group.streams.min.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Shortest heartbeat interval a group may set, in milliseconds."),
    int("group.streams.max.heartbeat.interval.ms", Medium)
        .default("15000")
        .at_least(1)
        .doc("Longest heartbeat interval a group may set, in milliseconds."),
    int("group.streams.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .cluster_wide()
        .doc("Least milliseconds between two new assignments of a group."),
    int("group.streams.min.assignment.interval.ms", Medium)
        .default("0")
        .at_least(0)
        .doc("Shortest assignment interval a group may set, in milliseconds."),
    int("group.streams.max.assignment.interval.ms", Medium)
        .default("15000")
        .at_least(0)
        .doc("Longest assignment interval a group may set, in milliseconds."),
    boolean("group.streams.assignor.offload.enable", Medium)
        .default("true")
        .cluster_wide()
        .internal()
        .doc("Whether assignments are computed on background threads."),
    list("group.streams.assignors", Medium)
        .default("sticky")
        .distinct()
        .not_empty()
        .doc("Assignors the broker offers; the first is the default."),
    int("group.streams.initial.rebalance.delay.ms", Medium)
        .default("3000")
        .at_least(0)
        .doc("Milliseconds the first rebalance of an empty group waits for more members."),
    int("group.streams.max.size", Medium)
        .default("2147483647")
        .at_least(1)
        .doc("Most members of one group."),
    int("group.streams.num.standby.replicas", Medium)
        .default("0")
        .at_least(0)
        .doc("Standby copies of each task's state."),
    int("group.streams.max.standby.replicas", Medium)
        .default("2")
        .at_least(0)
        .doc("Greatest number of standby copies a group may set."),
    int("group.streams.num.warmup.replicas", Medium)
        .default("2")
        .at_least(0)
        .internal()
        .doc("Extra copies that may warm up at a time while tasks move."),
    int("group.streams.max.warmup.replicas", Medium)
        .default("20")
        .at_least(0)
        .internal()
        .doc("Greatest number of such copies a group may set."),
    long("group.streams.acceptable.recovery.lag", Medium)
        .default("10000")
        .at_least(0)
        .internal()
        .doc("Records a copy may lag and still count as caught up."),
    int("group.streams.task.offset.interval.ms", Medium)
        .default("60000")
        .at_least(1)
        .internal()
        .doc("Milliseconds between members' reports of how far their tasks are."),
    int("group.streams.min.task.offset.interval.ms", Medium)
        .default("15000")
        .at_least(1)
        .internal()
        .doc("Shortest such interval a group may set, in milliseconds."),
    list("group.streams.rack.aware.assignment.tags", Low)
        .default("")
        .distinct()
        .doc("Client tags by which standby copies are spread."),
    class("group.streams.topology.description.plugin.class", Medium)
        .doc("Java class that keeps descriptions of topologies."),
];
