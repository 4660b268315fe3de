//! Share groups. Groups whose members share partitions (KIP-932). They are not there yet; the settings are kept for them.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, boolean, int, list, string};

pub(super) const KEYS: &[ConfigKey] = &[
    int("group.share.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    int("group.share.min.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .doc("Shortest session timeout a group may set, in milliseconds."),
    int("group.share.max.session.timeout.ms", Medium)
        .default("60000")
        .at_least(1)
        .doc("Longest session timeout a group may set, in milliseconds."),
    int("group.share.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Milliseconds between the heartbeats members are told to send."),
    int("group.share.min.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .doc("Shortest heartbeat interval a group may set, in milliseconds."),
    int("group.share.max.heartbeat.interval.ms", Medium)
        .default("15000")
        .at_least(1)
        .doc("Longest heartbeat interval a group may set, in milliseconds."),
    int("group.share.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .cluster_wide()
        .doc("Least milliseconds between two new assignments of a group."),
    int("group.share.min.assignment.interval.ms", Medium)
        .default("0")
        .at_least(0)
        .doc("Shortest assignment interval a group may set, in milliseconds."),
    int("group.share.max.assignment.interval.ms", Medium)
        .default("15000")
        .at_least(0)
        .doc("Longest assignment interval a group may set, in milliseconds."),
    boolean("group.share.assignor.offload.enable", Medium)
        .default("true")
        .cluster_wide()
        .internal()
        .doc("Whether assignments are computed on background threads."),
    list("group.share.assignors", Medium)
        .default("simple")
        .distinct()
        .not_empty()
        .doc("Assignors the broker offers; the first is the default."),
    int("group.share.initialize.retry.interval.ms", Low)
        .default("30000")
        .at_least(1)
        .internal()
        .doc("Milliseconds between tries to initialize a share partition."),
    int("group.share.max.size", Medium)
        .default("200")
        .between(1.0, 1000.0)
        .doc("Most members of one group."),
    int("group.share.delivery.count.limit", Medium)
        .default("5")
        .between(2.0, 10.0)
        .doc("Times a record is handed out before it counts as undeliverable."),
    int("group.share.min.delivery.count.limit", Medium)
        .default("2")
        .between(2.0, 5.0)
        .doc("Least delivery limit a group may set."),
    int("group.share.max.delivery.count.limit", Medium)
        .default("10")
        .between(5.0, 25.0)
        .doc("Greatest delivery limit a group may set."),
    int("group.share.partition.max.record.locks", Medium)
        .default("2000")
        .between(100.0, 10000.0)
        .doc("Records of one share partition that may be in delivery at a time."),
    int("group.share.min.partition.max.record.locks", Medium)
        .default("100")
        .between(100.0, 2000.0)
        .doc("Least number of such records a group may set."),
    int("group.share.max.partition.max.record.locks", Medium)
        .default("4000")
        .between(2000.0, 10000.0)
        .doc("Greatest number of such records a group may set."),
    int("group.share.record.lock.duration.ms", Medium)
        .default("30000")
        .between(1000.0, 3600000.0)
        .doc("Milliseconds a record stays with the member it was handed to."),
    int("group.share.min.record.lock.duration.ms", Medium)
        .default("15000")
        .between(1000.0, 30000.0)
        .doc("Shortest such time a group may set, in milliseconds."),
    int("group.share.max.record.lock.duration.ms", Medium)
        .default("60000")
        .between(30000.0, 3600000.0)
        .doc("Longest such time a group may set, in milliseconds."),
    int("group.share.max.share.sessions", Medium)
        .default("2000")
        .at_least(1)
        .doc("Most share sessions of one broker."),
    string("group.share.persister.class.name", Medium)
        .default("org.apache.kafka.server.share.persister.DefaultStatePersister")
        .internal()
        .doc("Java class that stores the state of share groups."),
    string("group.share.dlq.manager.class.name", Medium)
        .default("org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager")
        .internal()
        .doc("Java class that writes undeliverable records to a dead letter topic."),
    int("share.fetch.purgatory.purge.interval.requests", Medium)
        .default("1000")
        .doc("Requests between clean-ups of waiting share fetches."),
];
