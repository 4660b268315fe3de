//! Share coordinator: state of share groups in `__share_group_state`. It is not there yet; the settings are kept for it.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, int, short};

pub(super) const KEYS: &[ConfigKey] = &[
    int("share.coordinator.append.linger.ms", Medium)
        .default("-1")
        .at_least(-1)
        .doc("Milliseconds the coordinator gathers records before it writes them; -1 lets it choose."),
    int("share.coordinator.cached.buffer.max.bytes", Medium)
        .default("1048588")
        .at_least(524288)
        .cluster_wide()
        .doc("Most bytes of a write buffer the coordinator keeps for the next write."),
    int("share.coordinator.cold.partition.snapshot.interval.ms", Low)
        .default("300000")
        .at_least(1)
        .internal()
        .doc("Milliseconds after which the state of an unused share partition is written whole."),
    int("share.coordinator.load.buffer.size", High)
        .default("5242880")
        .at_least(1)
        .doc("Bytes read at a time when a partition of the state topic is loaded."),
    int("share.coordinator.snapshot.update.records.per.snapshot", Medium)
        .default("500")
        .between(0.0, 500.0)
        .doc("Changes written before the state is written whole again."),
    int("share.coordinator.state.topic.compression.codec", High)
        .default("0")
        .doc("Codec of the state topic as a number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."),
    short("share.coordinator.state.topic.min.isr", High)
        .default("2")
        .at_least(1)
        .doc("In-sync replicas the state topic needs to take a write."),
    int("share.coordinator.state.topic.num.partitions", High)
        .default("50")
        .at_least(1)
        .doc("Partitions of the state topic; not to be changed later."),
    int("share.coordinator.state.topic.prune.interval.ms", Low)
        .default("300000")
        .at_least(1)
        .internal()
        .doc("Milliseconds between removals of state that is no longer needed."),
    short("share.coordinator.state.topic.replication.factor", High)
        .default("3")
        .at_least(1)
        .doc("Copies of the state topic."),
    int("share.coordinator.state.topic.segment.bytes", High)
        .default("104857600")
        .at_least(1)
        .doc("Segment size of the state topic."),
    int("share.coordinator.threads", Medium)
        .default("1")
        .at_least(1)
        .doc("Threads of the share coordinator."),
    int("share.coordinator.write.timeout.ms", High)
        .default("5000")
        .at_least(1)
        .doc("Milliseconds a write of share state may take."),
];
