//! All metrics: names, what they mean, where their values come from.

use std::fmt::Write as _;
use std::time::Duration;

use klamm_log::{CleaningStats, Log};

use super::counters::{Counter, Metrics};
use super::scrape::{NodeScrape, Scrape};
use super::text::{
    Kind::{self, Counter as Total, Gauge},
    Samples, Text,
};

/// One metric.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// Kafka's MBean of that value, without the attributes that the labels stand for; empty: it is only ours.
    pub(super) mbean: &'static str,
    pub(super) help: &'static str,
    pub(super) values: Values,
}

/// Where the values of a metric come from.
pub(super) enum Values {
    /// How far opening the logs has come: told from the beginning.
    Early(fn(&Scrape, &mut Samples<'_>)),
    /// The node, when its logs are open.
    OfNode(fn(&NodeScrape, &mut Samples<'_>)),
    /// Each log: a value for a topic and partition.
    PerLog(fn(&Log) -> i64),
    /// The last round of each thread of the cleaner, when there was one.
    LastRounds(fn(&[CleaningStats]) -> u64),
    /// A counter of the node.
    Count(fn(&Metrics) -> &Counter),
}

use Values::{Count, Early, LastRounds, OfNode, PerLog};

const DIR: &[&str] = &["logDirectory"];
const PARTITION: &[&str] = &["topic", "partition"];

/// Every metric, in the order of the page.
pub(super) const TABLE: &[Metric] = &[
    // Opening the logs.
    Metric {
        name: "kafka_log_logmanager_remaininglogstorecover",
        kind: Gauge,
        labels: &["dir"],
        mbean: "kafka.log:type=LogManager,name=remainingLogsToRecover",
        help: "Logs of the directory that a start has still to open.",
        values: Early(|scrape, samples| {
            for dir in &scrape.recovery {
                samples.add(&[&dir.path.display()], dir.logs_remaining);
            }
        }),
    },
    Metric {
        name: "kafka_log_logmanager_remainingsegmentstorecover",
        kind: Gauge,
        labels: &["dir", "threadNum"],
        mbean: "kafka.log:type=LogManager,name=remainingSegmentsToRecover",
        help: "Segments with unflushed records that the thread has still to look at in the log that it opens.",
        values: Early(|scrape, samples| {
            for dir in &scrape.recovery {
                for (thread, remaining) in dir.segments_remaining.iter().enumerate() {
                    samples.add(&[&dir.path.display(), &thread], remaining);
                }
            }
        }),
    },
    Metric {
        name: "klamm_log_recovery_checked_bytes_total",
        kind: Total,
        labels: &["dir"],
        mbean: "",
        help: "Bytes above recovery points that the start has checked.",
        values: Early(|scrape, samples| {
            for dir in &scrape.recovery {
                samples.add(&[&dir.path.display()], dir.bytes_checked);
            }
        }),
    },
    Metric {
        name: "klamm_log_recovery_lost_records_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Records that the start had to cut off because they lay behind damage, and those that were flushed and are missing at the ends of logs. A crash alone leaves none; the log tells where.",
        values: Early(|scrape, samples| samples.add(&[], scrape.lost.0)),
    },
    Metric {
        name: "klamm_log_recovery_lost_bytes_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Bytes that the start cut off, the torn ends that a crash leaves included.",
        values: Early(|scrape, samples| samples.add(&[], scrape.lost.1)),
    },
    // Log directories.
    Metric {
        name: "kafka_log_logmanager_offlinelogdirectorycount",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogManager,name=OfflineLogDirectoryCount",
        help: "Log directories that have failed and are out of service until the next start.",
        values: OfNode(|node, samples| {
            let offline = node.dirs.iter().filter(|dir| dir.offline.is_some());
            samples.add(&[], offline.count());
        }),
    },
    Metric {
        name: "kafka_log_logmanager_logdirectoryoffline",
        kind: Gauge,
        labels: DIR,
        mbean: "kafka.log:type=LogManager,name=LogDirectoryOffline",
        help: "1 if the directory is out of service, else 0.",
        values: OfNode(|node, samples| {
            for dir in &node.dirs {
                samples.add(&[&dir.path.display()], u8::from(dir.offline.is_some()));
            }
        }),
    },
    // Logs.
    Metric {
        name: "kafka_log_log_size",
        kind: Gauge,
        labels: PARTITION,
        mbean: "kafka.log:type=Log,name=Size",
        help: "Bytes of the partition's segments.",
        values: PerLog(|log| log.size().try_into().unwrap_or(i64::MAX)),
    },
    Metric {
        name: "kafka_log_log_numlogsegments",
        kind: Gauge,
        labels: PARTITION,
        mbean: "kafka.log:type=Log,name=NumLogSegments",
        help: "Segments of the partition.",
        values: PerLog(|log| log.segment_base_offsets().len().try_into().unwrap_or(i64::MAX)),
    },
    Metric {
        name: "kafka_log_log_logstartoffset",
        kind: Gauge,
        labels: PARTITION,
        mbean: "kafka.log:type=Log,name=LogStartOffset",
        help: "First offset that can be read.",
        values: PerLog(Log::log_start_offset),
    },
    Metric {
        name: "kafka_log_log_logendoffset",
        kind: Gauge,
        labels: PARTITION,
        mbean: "kafka.log:type=Log,name=LogEndOffset",
        help: "Offset that the next record gets.",
        values: PerLog(Log::log_end_offset),
    },
    // The cleaner.
    Metric {
        name: "kafka_log_logcleanermanager_uncleanable_partitions_count",
        kind: Gauge,
        labels: DIR,
        mbean: "kafka.log:type=LogCleanerManager,name=uncleanable-partitions-count",
        help: "Compacted partitions of the directory that are not cleaned any more before the next start. The log tells why.",
        values: OfNode(|node, samples| of_uncleanable(node, samples, |_| 1)),
    },
    Metric {
        name: "kafka_log_logcleanermanager_uncleanable_bytes",
        kind: Gauge,
        labels: DIR,
        mbean: "kafka.log:type=LogCleanerManager,name=uncleanable-bytes",
        help: "Bytes that wait in those partitions to be cleaned.",
        values: OfNode(|node, samples| of_uncleanable(node, samples, |bytes| bytes)),
    },
    Metric {
        name: "kafka_log_logcleanermanager_max_dirty_percent",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleanerManager,name=max-dirty-percent",
        help: "Dirty share of the dirtiest log when a thread last looked for one to clean.",
        values: OfNode(|node, samples| samples.add(&[], percent(node.cleaner.max_dirty_ratio))),
    },
    Metric {
        name: "kafka_log_logcleanermanager_time_since_last_run_ms",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleanerManager,name=time-since-last-run-ms",
        help: "Milliseconds since a thread last looked for a log to clean.",
        values: OfNode(|node, samples| {
            if let Some(last) = node.cleaner.last_run_ms {
                samples.add(&[], node.now_ms.saturating_sub(last).max(0));
            }
        }),
    },
    Metric {
        name: "kafka_log_logcleaner_max_compaction_delay_secs",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleaner,name=max-compaction-delay-secs",
        help: "Seconds by which a log's oldest dirty records exceed `max.compaction.lag.ms`.",
        values: OfNode(|node, samples| samples.add(&[], node.cleaner.max_compaction_delay_ms.max(0) / 1_000)),
    },
    Metric {
        name: "kafka_log_logcleaner_max_clean_time_secs",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleaner,name=max-clean-time-secs",
        help: "Seconds of the longest of the threads' last rounds.",
        values: LastRounds(|rounds| {
            let longest = rounds.iter().map(|round| round.time).max();
            longest.unwrap_or(Duration::ZERO).as_secs()
        }),
    },
    Metric {
        name: "kafka_log_logcleaner_max_buffer_utilization_percent",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleaner,name=max-buffer-utilization-percent",
        help: "How full the fullest set of keys got in the threads' last rounds.",
        values: LastRounds(|rounds| {
            rounds
                .iter()
                .map(|round| percent(round.buffer_utilization))
                .max()
                .unwrap_or(0)
        }),
    },
    Metric {
        name: "kafka_log_logcleaner_cleaner_recopy_percent",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.log:type=LogCleaner,name=cleaner-recopy-percent",
        help: "Share of the bytes read in the threads' last rounds that was written again.",
        values: LastRounds(|rounds| {
            let read: u64 = rounds.iter().map(|round| round.bytes_read).sum();
            let written: u64 = rounds.iter().map(|round| round.bytes_written).sum();
            written.saturating_mul(100) / read.max(1)
        }),
    },
    Metric {
        name: "klamm_log_cleaner_rounds_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Rounds of the log cleaner that got to their end.",
        values: OfNode(|node, samples| samples.add(&[], node.cleaner.rounds)),
    },
    // Replicas.
    Metric {
        name: "kafka_server_replicamanager_partitioncount",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.server:type=ReplicaManager,name=PartitionCount",
        help: "Partitions of which this broker has a replica in service.",
        values: OfNode(|node, samples| samples.add(&[], node.partitions.len())),
    },
    Metric {
        name: "kafka_server_replicamanager_leadercount",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.server:type=ReplicaManager,name=LeaderCount",
        help: "Partitions that this broker leads.",
        values: OfNode(|node, samples| {
            let leads = |partition: &&_| crate::partitions::Partition::leader(partition).0 == node.node.id;
            samples.add(
                &[],
                node.partitions
                    .iter()
                    .map(|partition| &**partition)
                    .filter(leads)
                    .count(),
            );
        }),
    },
    Metric {
        name: "kafka_server_replicamanager_offlinereplicacount",
        kind: Gauge,
        labels: &[],
        mbean: "kafka.server:type=ReplicaManager,name=OfflineReplicaCount",
        help: "Replicas out of service because their log does not open or their directory has failed.",
        values: OfNode(|node, samples| samples.add(&[], node.node.partitions.offline_count())),
    },
    // Connections and requests.
    Metric {
        name: "klamm_connections_accepted_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Connections accepted, on all listeners.",
        values: Count(|metrics| &metrics.connections),
    },
    Metric {
        name: "klamm_requests_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Requests read, whatever came of them.",
        values: Count(|metrics| &metrics.requests),
    },
    Metric {
        name: "klamm_request_bytes_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Bytes of requests.",
        values: Count(|metrics| &metrics.bytes_in),
    },
    Metric {
        name: "klamm_response_bytes_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Bytes of responses.",
        values: Count(|metrics| &metrics.bytes_out),
    },
    Metric {
        name: "klamm_protocol_errors_total",
        kind: Total,
        labels: &[],
        mbean: "",
        help: "Connections closed because of what they sent.",
        values: Count(|metrics| &metrics.protocol_errors),
    },
];

/// All metrics in Prometheus' text format.
pub(super) fn render(scrape: &Scrape) -> Vec<u8> {
    let mut text = Text::default();
    for metric in TABLE {
        let mut samples = text.metric(metric.name, metric.kind, metric.help, metric.labels);
        match (&metric.values, &scrape.node) {
            (Early(values), _) => values(scrape, &mut samples),
            (OfNode(values), Some(node)) => values(node, &mut samples),
            (PerLog(value), Some(node)) => {
                for log in &node.logs {
                    let name = log.topic_partition();
                    samples.add(&[&name.topic, &name.partition], value(log));
                }
            }
            (LastRounds(value), Some(node)) => {
                let rounds: Vec<_> = node.cleaner.last_rounds.iter().map(|(_, round)| *round).collect();
                samples.add(&[], value(&rounds));
            }
            (Count(counter), Some(node)) => samples.add(&[], counter(&node.node.metrics).get()),
            (OfNode(_) | PerLog(_) | LastRounds(_) | Count(_), None) => {}
        }
    }
    text.into_bytes()
}

/// A number for each directory: the sum over its partitions that are given up.
fn of_uncleanable(node: &NodeScrape, samples: &mut Samples<'_>, number: fn(u64) -> u64) {
    let logs = node.node.partitions.logs();
    for dir in &node.dirs {
        let here = node.cleaner.uncleanable.iter().filter(|uncleanable| {
            let log = logs.get(&uncleanable.partition);
            log.is_some_and(|log| log.log_dir() == dir.path)
        });
        samples.add(
            &[&dir.path.display()],
            here.map(|uncleanable| number(uncleanable.bytes)).sum::<u64>(),
        );
    }
}

/// Of a share of 1, as Kafka rounds it.
fn percent(share: f64) -> u64 {
    (share * 100.0) as u64
}

/// `docs/reference/metrics.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics reference\n\n\
         <!-- Generated from the table of crates/broker/src/metrics: `cargo xtask docs` writes this file. -->\n\n\
         What a node tells Prometheus at `GET /metrics`, if [`klamm.metrics.listener`](configuration.md#klamm) is set\n\
         ([how to](../operations.md#metrics)). Names are those that Apache Kafka's MBeans have behind Prometheus' JMX exporter with\n\
         Strimzi's rules; names with `klamm_` have no counterpart there. What concerns opening the logs is told from the\n\
         beginning of the start on, the rest when the logs are open. Metrics of requests are not there yet.\n\n\
         | Metric | Type | Labels | What it is | Apache Kafka's MBean |\n|---|---|---|---|---|\n",
    );
    for metric in TABLE {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let mbean = match metric.mbean {
            "" => "–".to_owned(),
            mbean => format!("`{mbean}`"),
        };
        let (name, kind, labels, help) = (metric.name, metric.kind.name(), labels.join(", "), metric.help);
        let _ = writeln!(out, "| `{name}` | {kind} | {labels} | {help} | {mbean} |");
    }
    out
}
