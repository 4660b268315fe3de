//! Groups and offsets: consumer groups of the classic protocol, committed offsets, and what all kinds of groups share.

use crate::key::Importance::{High, Medium};
use crate::key::{ConfigKey, boolean, int, list, long, short, string};

pub(super) const KEYS: &[ConfigKey] = &[
    int("group.min.session.timeout.ms", Medium)
        .default("6000")
        .effective()
        .doc("Shortest session timeout a member may ask for, in milliseconds."),
    int("group.max.session.timeout.ms", Medium)
        .default("1800000")
        .effective()
        .doc("Longest session timeout a member may ask for, in milliseconds."),
    int("group.initial.rebalance.delay.ms", Medium)
        .default("3000")
        .effective()
        .doc("Milliseconds the first rebalance of an empty group waits for more members."),
    int("group.max.size", Medium)
        .default("2147483647")
        .at_least(1)
        .effective()
        .doc("Most members of one classic group."),
    list("group.coordinator.rebalance.protocols", Medium)
        .default("classic,consumer,streams")
        .each_of(&["consumer", "classic", "share", "streams"])
        .not_empty()
        .deprecated()
        .doc("Group protocols the broker offers; `classic` is always one. Klamm offers the classic one."),
    int("group.coordinator.threads", High)
        .default("4")
        .at_least(1)
        .effective()
        .doc("How many tasks drive the group coordinator's shards; they share the runtime's threads."),
    int("group.coordinator.background.threads", High)
        .default("2")
        .at_least(1)
        .doc("Threads for the coordinator's longer work, such as assignments."),
    int("group.coordinator.append.linger.ms", Medium)
        .default("-1")
        .at_least(-1)
        .doc(
            "Milliseconds the coordinator gathers records before it writes them; -1 lets it choose. Klamm writes \
             at once.",
        ),
    int("group.coordinator.cached.buffer.max.bytes", Medium)
        .default("1048588")
        .at_least(524288)
        .cluster_wide()
        .doc("Most bytes of a write buffer the coordinator keeps for the next write."),
    int("offset.metadata.max.bytes", High)
        .default("4096")
        .effective()
        .doc("Largest note a client may keep beside a committed offset."),
    int("offsets.load.buffer.size", High)
        .default("5242880")
        .at_least(1)
        .effective()
        .doc("Bytes read at a time when a partition of `__consumer_offsets` is loaded."),
    short("offsets.topic.replication.factor", High)
        .default("3")
        .at_least(1)
        .effective()
        .doc("Copies of `__consumer_offsets`; it is created once that many brokers are there."),
    int("offsets.topic.num.partitions", High)
        .default("50")
        .at_least(1)
        .effective()
        .doc("Partitions of `__consumer_offsets`; not to be changed later."),
    int("offsets.topic.segment.bytes", High)
        .default("104857600")
        .at_least(1)
        .effective()
        .doc("Segment size of `__consumer_offsets`."),
    int("offsets.topic.compression.codec", High)
        .default("0")
        .effective()
        .doc("Codec of `__consumer_offsets` as a number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."),
    int("offsets.retention.minutes", High)
        .default("10080")
        .at_least(1)
        .effective()
        .doc("Minutes committed offsets are kept once their group has no members."),
    long("offsets.retention.check.interval.ms", High)
        .default("600000")
        .at_least(1)
        .effective()
        .doc("Milliseconds between the looks for offsets that have expired."),
    int("offsets.commit.timeout.ms", High)
        .default("5000")
        .at_least(1)
        .effective()
        .doc("Milliseconds a commit of offsets may wait to be stored."),
    boolean("errors.deadletterqueue.auto.create.topics.enable", Medium)
        .default("false")
        .cluster_wide()
        .doc("Whether dead letter topics are created by themselves."),
    string("errors.deadletterqueue.topic.name.prefix", Medium)
        .default("dlq.")
        .cluster_wide()
        .doc("Beginning of the names of dead letter topics."),
];
