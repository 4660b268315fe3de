//! Metadata log: the cluster's metadata on disk.

use crate::key::Importance::{High, Low};
use crate::key::{ConfigKey, int, long, string};

pub(super) const KEYS: &[ConfigKey] = &[
    string("metadata.log.dir", High)
        .effective()
        .doc("Directory of the metadata log; unset takes the first of `log.dirs`."),
    int("metadata.log.segment.bytes", High)
        .default("1073741824")
        .at_least(8388608)
        .effective()
        .doc("Size at which the metadata log starts a new segment file."),
    long("metadata.log.segment.ms", High)
        .default("604800000")
        .effective()
        .doc("Milliseconds after which the metadata log starts a new segment."),
    long("metadata.log.max.record.bytes.between.snapshots", High)
        .default("20971520")
        .at_least(1)
        .effective()
        .doc("Bytes of metadata records after which a snapshot is taken."),
    long("metadata.log.max.snapshot.interval.ms", High)
        .default("3600000")
        .at_least(0)
        .effective()
        .doc("Milliseconds after which a snapshot is taken if anything changed; 0 takes none by time."),
    long("metadata.max.retention.bytes", High)
        .default("104857600")
        .effective()
        .doc("Bytes of metadata log and snapshots above which the oldest go."),
    long("metadata.max.retention.ms", High)
        .default("604800000")
        .effective()
        .doc("Milliseconds metadata log and snapshots are kept."),
    int("metadata.max.idle.interval.ms", Low)
        .default("500")
        .at_least(0)
        .effective()
        .doc("Milliseconds after which an idle controller writes a no-op record; 0 writes none."),
    int("internal.metadata.log.segment.bytes", Low)
        .internal()
        .doc("Segment size of the metadata log in tests, below the least one allowed otherwise."),
    int("internal.metadata.max.batch.size.in.bytes", Low)
        .default("8388608")
        .internal()
        .doc("Largest batch of the metadata log."),
    long("internal.metadata.delete.delay.millis", Low)
        .default("60000")
        .internal()
        .doc("Milliseconds before removed files of the metadata log are deleted."),
];
