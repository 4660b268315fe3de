//! Quotas and metrics: limits of clients and what the node reports of itself. They are not there yet.

use crate::key::Importance::Low;
use crate::key::{ConfigKey, class, int, list, long, string};

pub(super) const KEYS: &[ConfigKey] = &[
    class("client.quota.callback.class", Low).doc("Java class that decides on quotas."),
    int("quota.window.num", Low)
        .default("11")
        .at_least(1)
        .doc("Samples kept for clients' quotas."),
    int("quota.window.size.seconds", Low)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    int("replication.quota.window.num", Low)
        .default("11")
        .at_least(1)
        .doc("Samples kept for quotas of replication."),
    int("replication.quota.window.size.seconds", Low)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    int("alter.log.dirs.replication.quota.window.num", Low)
        .default("11")
        .at_least(1)
        .doc("Samples kept for quotas of moves between log directories."),
    int("alter.log.dirs.replication.quota.window.size.seconds", Low)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    int("controller.quota.window.num", Low)
        .default("11")
        .at_least(1)
        .doc("Samples kept for quotas of changes of topics and partitions."),
    int("controller.quota.window.size.seconds", Low)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    list("metric.reporters", Low)
        .default("org.apache.kafka.common.metrics.JmxReporter")
        .distinct()
        .cluster_wide()
        .doc("Java classes that publish metrics."),
    list("kafka.metrics.reporters", Low)
        .default("")
        .distinct()
        .doc("Java classes that publish the older kind of metrics."),
    int("kafka.metrics.polling.interval.secs", Low)
        .default("10")
        .at_least(1)
        .doc("Seconds between the polls of those classes."),
    int("metrics.num.samples", Low)
        .default("2")
        .at_least(1)
        .doc("Samples a metric is computed from."),
    string("metrics.recording.level", Low)
        .default("INFO")
        .doc("How much is recorded: `INFO`, `DEBUG` or `TRACE`."),
    long("metrics.sample.window.ms", Low)
        .default("30000")
        .at_least(1)
        .doc("Milliseconds of one sample."),
    int("telemetry.max.bytes", Low)
        .default("1048576")
        .at_least(1)
        .doc("Largest report of metrics a client may push."),
];
