//! Keys of topics; `server` names the broker keys that give the default.

use crate::key::Importance::Medium;
use crate::key::{ConfigKey, boolean, double, hours, int, list, long, minutes, same, string};
use crate::validator::Validator;

pub(super) const KEYS: &[ConfigKey] = &[
    list("cleanup.policy", Medium)
        .default("delete")
        .each_of(&["compact", "delete"])
        .server(&[same("log.cleanup.policy")])
        .effective()
        .doc(
            "What happens to old segments: `delete` removes them, `compact` keeps the latest record of each key, \
             both does both, empty keeps all.",
        ),
    string("compression.type", Medium)
        .default("producer")
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .server(&[same("compression.type")])
        .effective()
        .doc("Codec of stored batches; `producer` keeps what the producer chose."),
    int("compression.gzip.level", Medium)
        .default("-1")
        .validator(Validator::RangeOr { min: 1, max: 9, or: -1 })
        .server(&[same("compression.gzip.level")])
        .effective()
        .doc("Level of gzip when the broker itself compresses; -1 is the library's own default."),
    int("compression.lz4.level", Medium)
        .default("9")
        .between(1.0, 17.0)
        .server(&[same("compression.lz4.level")])
        .effective()
        .doc("Level of lz4 when the broker itself compresses."),
    int("compression.zstd.level", Medium)
        .default("3")
        .between(-131072.0, 22.0)
        .server(&[same("compression.zstd.level")])
        .effective()
        .doc("Level of zstd when the broker itself compresses."),
    long("delete.retention.ms", Medium)
        .default("86400000")
        .at_least(0)
        .server(&[same("log.cleaner.delete.retention.ms")])
        .effective()
        .doc("Milliseconds a tombstone is kept when the topic is compacted."),
    boolean("errors.deadletterqueue.group.enable", Medium)
        .default("false")
        .doc("Whether share groups may write undeliverable records to this topic."),
    long("file.delete.delay.ms", Medium)
        .default("60000")
        .at_least(0)
        .server(&[same("log.segment.delete.delay.ms")])
        .effective()
        .doc("Milliseconds between taking a segment out of a log and removing its files."),
    long("flush.messages", Medium)
        .default("9223372036854775807")
        .at_least(1)
        .server(&[same("log.flush.interval.messages")])
        .effective()
        .doc("Records a partition gathers before it is forced to disk."),
    long("flush.ms", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .server(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")])
        .effective()
        .doc("Milliseconds a record may stay in memory before it is forced to disk."),
    list("follower.replication.throttled.replicas", Medium)
        .default("")
        .validator(Validator::ThrottledReplicas)
        .doc("Replicas whose fetching is throttled, as `partition:broker` pairs, or `*` for all."),
    int("index.interval.bytes", Medium)
        .default("4096")
        .at_least(0)
        .server(&[same("log.index.interval.bytes")])
        .effective()
        .doc("Bytes of records between two entries of the offset index."),
    int("internal.segment.bytes", Medium)
        .internal()
        .doc("Segment size in tests, below the least one allowed otherwise."),
    list("leader.replication.throttled.replicas", Medium)
        .default("")
        .validator(Validator::ThrottledReplicas)
        .doc("Replicas whose sending is throttled, as `partition:broker` pairs, or `*` for all."),
    long("local.retention.bytes", Medium)
        .default("-2")
        .at_least(-2)
        .server(&[same("log.local.retention.bytes")])
        .doc("Bytes of a partition kept locally once copied to remote storage; -2 takes `retention.bytes`."),
    long("local.retention.ms", Medium)
        .default("-2")
        .at_least(-2)
        .server(&[same("log.local.retention.ms")])
        .doc("Milliseconds a segment is kept locally once copied to remote storage; -2 takes `retention.ms`."),
    long("max.compaction.lag.ms", Medium)
        .default("9223372036854775807")
        .at_least(1)
        .server(&[same("log.cleaner.max.compaction.lag.ms")])
        .effective()
        .doc("Milliseconds after which a record must have been considered for compaction."),
    int("max.decompressed.message.bytes", Medium)
        .default("2147483639")
        .between(1.0, 2147483639.0)
        .server(&[same("max.decompressed.message.bytes")])
        .effective()
        .doc("Most bytes one record batch may unpack to when the broker has to look inside."),
    int("max.message.bytes", Medium)
        .default("1048588")
        .at_least(0)
        .server(&[same("message.max.bytes")])
        .effective()
        .doc("Largest record batch, compressed, that the topic takes."),
    long("message.timestamp.after.max.ms", Medium)
        .default("3600000")
        .at_least(0)
        .server(&[same("log.message.timestamp.after.max.ms")])
        .effective()
        .doc("Most milliseconds a record's time may lie after the broker's; records further ahead are refused."),
    long("message.timestamp.before.max.ms", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .server(&[same("log.message.timestamp.before.max.ms")])
        .effective()
        .doc("Most milliseconds a record's time may lie before the broker's; records further back are refused."),
    string("message.timestamp.type", Medium)
        .default("CreateTime")
        .one_of(&["CreateTime", "LogAppendTime"])
        .server(&[same("log.message.timestamp.type")])
        .effective()
        .doc(
            "Whether records keep their producer's time (`CreateTime`) or get the time of arrival \
             (`LogAppendTime`).",
        ),
    double("min.cleanable.dirty.ratio", Medium)
        .default("0.5")
        .between(0.0, 1.0)
        .server(&[same("log.cleaner.min.cleanable.ratio")])
        .effective()
        .doc("Share of a log that must be uncompacted before the cleaner takes it up."),
    long("min.compaction.lag.ms", Medium)
        .default("0")
        .at_least(0)
        .server(&[same("log.cleaner.min.compaction.lag.ms")])
        .effective()
        .doc("Milliseconds a record stays out of the cleaner's reach."),
    int("min.insync.replicas", Medium)
        .default("1")
        .at_least(1)
        .server(&[same("min.insync.replicas")])
        .effective()
        .doc("In-sync replicas that must hold a record before `acks=all` is answered."),
    boolean("preallocate", Medium)
        .default("false")
        .server(&[same("log.preallocate")])
        .doc("Whether a new segment file is given its full size at once."),
    long("remote.copy.lag.bytes", Medium)
        .default("-1")
        .at_least(-1)
        .server(&[same("log.remote.copy.lag.bytes")])
        .doc("Bytes of a partition that stay local before older ones are copied; -1 takes the local retention."),
    long("remote.copy.lag.ms", Medium)
        .default("0")
        .at_least(-1)
        .server(&[same("log.remote.copy.lag.ms")])
        .doc("Milliseconds a segment waits before it is copied to remote storage; -1 takes the local retention."),
    boolean("remote.log.copy.disable", Medium)
        .default("false")
        .doc("Whether copying to remote storage stops while what is there stays readable."),
    boolean("remote.log.delete.on.disable", Medium)
        .default("false")
        .doc("Whether switching tiered storage off deletes what is remote."),
    boolean("remote.storage.enable", Medium).default("false").doc(
        "Whether the topic's old segments go to remote storage. Tiered storage is not there yet: `true` is \
             refused.",
    ),
    long("retention.bytes", Medium)
        .default("-1")
        .server(&[same("log.retention.bytes")])
        .effective()
        .doc("Bytes of a partition above which its oldest segments go; -1 sets no limit."),
    long("retention.ms", Medium)
        .default("604800000")
        .at_least(-1)
        .server(&[
            same("log.retention.ms"),
            minutes("log.retention.minutes"),
            hours("log.retention.hours"),
        ])
        .effective()
        .doc("Milliseconds a segment is kept; -1 keeps it for good."),
    int("segment.bytes", Medium)
        .default("1073741824")
        .at_least(1048576)
        .server(&[same("log.segment.bytes")])
        .effective()
        .doc("Size at which a log starts a new segment file."),
    int("segment.index.bytes", Medium)
        .default("10485760")
        .at_least(4)
        .server(&[same("log.index.size.max.bytes")])
        .effective()
        .doc("Largest size of an offset index; the segment rolls when it is full."),
    long("segment.jitter.ms", Medium)
        .default("0")
        .at_least(0)
        .server(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")])
        .effective()
        .doc("Most milliseconds taken off the rolling time at random, so that logs do not all roll at once."),
    long("segment.ms", Medium)
        .default("604800000")
        .at_least(1)
        .server(&[same("log.roll.ms"), hours("log.roll.hours")])
        .effective()
        .doc("Milliseconds after which a log starts a new segment even if it is not full."),
    boolean("unclean.leader.election.enable", Medium)
        .default("false")
        .server(&[same("unclean.leader.election.enable")])
        .effective()
        .doc("Whether a replica outside the in-sync ones may lead when no other is left; may lose records."),
];
