//! Keys of groups; `server` names the broker key that gives the default.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, boolean, int, list, long, same, string};
use crate::validator::Validator;

pub(super) const KEYS: &[ConfigKey] = &[
    int("consumer.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .server(&[same("group.consumer.assignment.interval.ms")])
        .doc("Least milliseconds between two new assignments of the group."),
    boolean("consumer.assignor.offload.enable", Medium)
        .default("true")
        .internal()
        .server(&[same("group.consumer.assignor.offload.enable")])
        .doc("Whether assignments are computed on background threads."),
    int("consumer.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .server(&[same("group.consumer.heartbeat.interval.ms")])
        .doc("Milliseconds between the heartbeats members are told to send."),
    int("consumer.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .server(&[same("group.consumer.session.timeout.ms")])
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    boolean("errors.deadletterqueue.copy.record.enable", Medium)
        .default("false")
        .doc("Whether a dead letter carries the record itself or only says where it was."),
    string("errors.deadletterqueue.topic.name", Medium)
        .default("")
        .doc("Topic for records that cannot be delivered; empty drops them. May not begin with `__`."),
    int("share.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .server(&[same("group.share.assignment.interval.ms")])
        .doc("Least milliseconds between two new assignments of the group."),
    boolean("share.assignor.offload.enable", Medium)
        .default("true")
        .internal()
        .server(&[same("group.share.assignor.offload.enable")])
        .doc("Whether assignments are computed on background threads."),
    string("share.auto.offset.reset", Medium)
        .default("latest")
        .validator(Validator::ShareOffsetReset)
        .doc(
            "Where a new share partition starts: `latest`, `earliest` or `by_duration:` with a length of time \
             such as `PT1H`.",
        ),
    int("share.delivery.count.limit", Medium)
        .default("5")
        .at_least(2)
        .server(&[same("group.share.delivery.count.limit")])
        .doc("Times a record is handed out before it counts as undeliverable."),
    int("share.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .server(&[same("group.share.heartbeat.interval.ms")])
        .doc("Milliseconds between the heartbeats members are told to send."),
    string("share.isolation.level", Medium)
        .default("read_uncommitted")
        .one_of(&["read_committed", "read_uncommitted"])
        .doc("Whether members see records of transactions before those are committed."),
    int("share.partition.max.record.locks", Medium)
        .default("2000")
        .at_least(100)
        .server(&[same("group.share.partition.max.record.locks")])
        .doc("Records of one share partition that may be in delivery at a time."),
    int("share.record.lock.duration.ms", Medium)
        .default("30000")
        .at_least(1000)
        .server(&[same("group.share.record.lock.duration.ms")])
        .doc("Milliseconds a record stays with the member it was handed to."),
    boolean("share.renew.acknowledge.enable", Medium)
        .default("true")
        .doc("Whether a member may ask to keep a record longer."),
    int("share.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .server(&[same("group.share.session.timeout.ms")])
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    long("streams.acceptable.recovery.lag", Medium)
        .default("10000")
        .at_least(0)
        .internal()
        .server(&[same("group.streams.acceptable.recovery.lag")])
        .doc("Records a copy may lag and still count as caught up."),
    int("streams.assignment.interval.ms", Medium)
        .default("1000")
        .at_least(0)
        .server(&[same("group.streams.assignment.interval.ms")])
        .doc("Least milliseconds between two new assignments of the group."),
    string("streams.assignor.name", Medium)
        .server(&[same("group.streams.assignors")])
        .doc("Assignor of the group; unset takes the broker's first."),
    boolean("streams.assignor.offload.enable", Medium)
        .default("true")
        .internal()
        .server(&[same("group.streams.assignor.offload.enable")])
        .doc("Whether assignments are computed on background threads."),
    int("streams.heartbeat.interval.ms", Medium)
        .default("5000")
        .at_least(1)
        .server(&[same("group.streams.heartbeat.interval.ms")])
        .doc("Milliseconds between the heartbeats members are told to send."),
    int("streams.initial.rebalance.delay.ms", Medium)
        .default("3000")
        .at_least(0)
        .server(&[same("group.streams.initial.rebalance.delay.ms")])
        .doc("Milliseconds the first rebalance of an empty group waits for more members."),
    int("streams.num.standby.replicas", Medium)
        .default("0")
        .at_least(0)
        .server(&[same("group.streams.num.standby.replicas")])
        .doc("Standby copies of each task's state."),
    int("streams.num.warmup.replicas", Medium)
        .default("2")
        .at_least(0)
        .internal()
        .server(&[same("group.streams.num.warmup.replicas")])
        .doc("Extra copies that may warm up at a time while tasks move."),
    list("streams.rack.aware.assignment.tags", Low)
        .default("")
        .distinct()
        .server(&[same("group.streams.rack.aware.assignment.tags")])
        .doc("Client tags by which standby copies are spread."),
    int("streams.session.timeout.ms", Medium)
        .default("45000")
        .at_least(1)
        .server(&[same("group.streams.session.timeout.ms")])
        .doc("Milliseconds without a heartbeat after which a member is taken out."),
    int("streams.task.offset.interval.ms", Medium)
        .default("60000")
        .at_least(1)
        .internal()
        .server(&[same("group.streams.task.offset.interval.ms")])
        .doc("Milliseconds between members' reports of how far their tasks are."),
];
