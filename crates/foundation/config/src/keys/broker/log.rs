//! Logs: where and how records are stored, and how long they stay.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, boolean, class, int, list, long, string};

pub(super) const KEYS: &[ConfigKey] = &[
    list("log.dir", High)
        .default("/tmp/kafka-logs")
        .distinct()
        .not_empty()
        .effective()
        .doc("Directories of the data, used when `log.dirs` is not set."),
    list("log.dirs", High)
        .distinct()
        .not_empty()
        .effective()
        .doc("Directories of the data, separated by commas."),
    list("cordoned.log.dirs", Medium)
        .default("")
        .distinct()
        .per_broker()
        .doc("Log directories that get no new replicas; `*` means all of them."),
    int("log.segment.bytes", High)
        .default("1073741824")
        .at_least(1048576)
        .cluster_wide()
        .effective()
        .doc("Size at which a log starts a new segment file."),
    long("log.roll.ms", High).cluster_wide().effective().doc(
        "Milliseconds after which a log starts a new segment even if it is not full; comes before \
             `log.roll.hours`.",
    ),
    int("log.roll.hours", High)
        .default("168")
        .at_least(1)
        .effective()
        .doc("Hours after which a log starts a new segment, used when `log.roll.ms` is not set."),
    long("log.roll.jitter.ms", High).cluster_wide().effective().doc(
        "Most milliseconds taken off the rolling time at random, so that logs do not all roll at once; comes \
             before `log.roll.jitter.hours`.",
    ),
    int("log.roll.jitter.hours", High)
        .default("0")
        .at_least(0)
        .effective()
        .doc("Most hours taken off the rolling time at random, used when `log.roll.jitter.ms` is not set."),
    long("log.retention.ms", High)
        .cluster_wide()
        .effective()
        .doc("Milliseconds a segment is kept; -1 keeps it for good. Comes before the minutes and the hours."),
    int("log.retention.minutes", High)
        .effective()
        .doc("Minutes a segment is kept, used when `log.retention.ms` is not set."),
    int("log.retention.hours", High)
        .default("168")
        .effective()
        .doc("Hours a segment is kept, used when neither `log.retention.ms` nor `log.retention.minutes` is set."),
    long("log.retention.bytes", High)
        .default("-1")
        .cluster_wide()
        .effective()
        .doc("Bytes of a partition above which its oldest segments go; -1 sets no limit."),
    long("log.retention.check.interval.ms", Medium)
        .default("300000")
        .at_least(1)
        .effective()
        .doc("Milliseconds between the looks for segments that are due to go."),
    list("log.cleanup.policy", Medium)
        .default("delete")
        .each_of(&["compact", "delete"])
        .cluster_wide()
        .effective()
        .doc(
            "What happens to old segments: `delete` removes them, `compact` keeps the latest record of each key, \
             both does both, empty keeps all.",
        ),
    int("log.index.size.max.bytes", Medium)
        .default("10485760")
        .at_least(4)
        .cluster_wide()
        .effective()
        .doc("Largest size of an offset index; the segment rolls when it is full."),
    int("log.index.interval.bytes", Medium)
        .default("4096")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Bytes of records between two entries of the offset index."),
    long("log.flush.interval.messages", High)
        .default("9223372036854775807")
        .at_least(1)
        .cluster_wide()
        .effective()
        .doc("Records a partition gathers before it is forced to disk."),
    long("log.flush.interval.ms", High).cluster_wide().effective().doc(
        "Milliseconds a record may stay in memory before it is forced to disk; unset takes \
             `log.flush.scheduler.interval.ms`.",
    ),
    long("log.flush.scheduler.interval.ms", High)
        .default("9223372036854775807")
        .effective()
        .doc("Milliseconds between the looks for logs that are due to be forced to disk."),
    int("log.flush.offset.checkpoint.interval.ms", High)
        .default("60000")
        .at_least(0)
        .effective()
        .doc("Milliseconds between writes of the checkpoint that says how far logs need no recovery."),
    int("log.flush.start.offset.checkpoint.interval.ms", High)
        .default("60000")
        .at_least(0)
        .effective()
        .doc("Milliseconds between writes of the checkpoint of log start offsets."),
    long("log.segment.delete.delay.ms", High)
        .default("60000")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Milliseconds between taking a segment out of a log and removing its files."),
    boolean("log.preallocate", Medium)
        .default("false")
        .cluster_wide()
        .doc("Whether a new segment file is given its full size at once."),
    string("log.message.timestamp.type", Medium)
        .default("CreateTime")
        .one_of(&["CreateTime", "LogAppendTime"])
        .cluster_wide()
        .effective()
        .doc(
            "Whether records keep their producer's time (`CreateTime`) or get the time of arrival \
             (`LogAppendTime`).",
        ),
    long("log.message.timestamp.before.max.ms", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Most milliseconds a record's time may lie before the broker's; records further back are refused."),
    long("log.message.timestamp.after.max.ms", Medium)
        .default("3600000")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Most milliseconds a record's time may lie after the broker's; records further ahead are refused."),
    long("log.dir.failure.timeout.ms", Low)
        .default("30000")
        .at_least(1)
        .doc("Milliseconds a failed directory may stay unknown to the controller before the broker shuts down."),
    long("log.initial.task.delay.ms", Low)
        .default("30000")
        .at_least(0)
        .internal()
        .effective()
        .doc("Milliseconds after start before retention, flushing and checkpoints begin."),
    int("num.recovery.threads.per.data.dir", High)
        .default("2")
        .at_least(1)
        .cluster_wide()
        .effective()
        .doc("Threads for each directory that open and recover logs at start and flush them at the end."),
    int("num.partitions", Medium)
        .default("1")
        .at_least(1)
        .effective()
        .doc("Partitions of a topic whose creator does not say how many."),
    boolean("auto.create.topics.enable", High)
        .default("true")
        .effective()
        .doc("Whether asking for a topic that does not exist creates it."),
    int("min.insync.replicas", High)
        .default("1")
        .at_least(1)
        .cluster_wide()
        .effective()
        .doc("In-sync replicas that must hold a record before `acks=all` is answered."),
    class("create.topic.policy.class.name", Low)
        .refused()
        .doc("Java class that may refuse topics. Classes cannot be loaded, so setting it refuses to start."),
    class("alter.config.policy.class.name", Low).refused().doc(
        "Java class that may refuse changes of configuration. Classes cannot be loaded, so setting it refuses \
             to start.",
    ),
];
