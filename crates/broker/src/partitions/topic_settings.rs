//! What a topic is configured with, in the forms that its logs and partitions take.

use klamm_config::{Config, Overrides, topic_config};
use klamm_log::{CleanupPolicy, LogConfig};
use klamm_records::{Codec, Compression, TimestampType};
use tracing::warn;

/// The settings of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicSettings {
    /// Those of its logs.
    pub(crate) log: LogConfig,
    /// `min.insync.replicas`.
    pub(crate) min_insync_replicas: usize,
}

impl TopicSettings {
    /// What holds for `topic`, given the values in force at this broker and the topic's own.
    pub(crate) fn of(topic: &str, broker: &Config, overrides: &Overrides) -> Self {
        let (config, invalid) = topic_config(broker, overrides);
        for problem in invalid {
            warn!("topic `{topic}`: {problem}; the broker's value is used");
        }
        let policies = config.list("cleanup.policy");
        let has = |policy: &str| policies.iter().any(|set| set == policy);
        let size = |key| config.int(key).unsigned_abs();
        let log = LogConfig {
            segment_bytes: size("segment.bytes"),
            segment_ms: config.long("segment.ms"),
            segment_jitter_ms: config.long("segment.jitter.ms"),
            segment_index_bytes: size("segment.index.bytes"),
            index_interval_bytes: size("index.interval.bytes"),
            flush_messages: config.long("flush.messages"),
            flush_ms: config.long("flush.ms"),
            retention_bytes: config.long("retention.bytes"),
            retention_ms: config.long("retention.ms"),
            max_message_bytes: size("max.message.bytes"),
            max_decompressed_message_bytes: size("max.decompressed.message.bytes") as usize,
            file_delete_delay_ms: config.long("file.delete.delay.ms"),
            cleanup_policy: CleanupPolicy {
                compact: has("compact"),
                delete: has("delete"),
            },
            min_cleanable_dirty_ratio: config.double("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: config.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: config.long("max.compaction.lag.ms"),
            delete_retention_ms: config.long("delete.retention.ms"),
            compression: codec(&config),
            message_timestamp_type: match config.string("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: config.long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: config.long("message.timestamp.after.max.ms"),
        };
        let min_insync_replicas = usize::try_from(config.int("min.insync.replicas")).unwrap_or(1).max(1);
        Self {
            log,
            min_insync_replicas,
        }
    }

    /// Whether appends wait until so many records are synced (`flush.messages`).
    pub(crate) fn syncs_appends(&self) -> bool {
        self.log.flush_messages < i64::MAX
    }
}

/// `compression.type` with its level; `None` keeps what the producer chose.
fn codec(config: &Config) -> Option<Codec> {
    let compression = match config.string("compression.type") {
        "producer" => return None,
        "uncompressed" => Compression::None,
        name => Compression::from_name(name)?,
    };
    let level = match compression {
        Compression::Gzip => config.int("compression.gzip.level"),
        Compression::Lz4 => config.int("compression.lz4.level"),
        Compression::Zstd => config.int("compression.zstd.level"),
        Compression::None | Compression::Snappy => return Some(compression.into()),
    };
    Codec::with_level(compression, level).ok()
}

#[cfg(test)]
mod tests {
    use klamm_config::broker_keys;

    use super::*;

    fn settings(overrides: &[(&str, &str)]) -> TopicSettings {
        let overrides = overrides
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        TopicSettings::of("t", &Config::defaults(broker_keys()), &overrides)
    }

    #[test]
    fn without_settings_the_defaults_are_those_of_the_log() {
        assert_eq!(
            settings(&[]),
            TopicSettings {
                log: LogConfig::default(),
                min_insync_replicas: 1
            }
        );
    }

    #[test]
    fn a_topic_has_its_own() {
        let own = settings(&[
            ("cleanup.policy", "compact,delete"),
            ("compression.type", "gzip"),
            ("compression.gzip.level", "3"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "2"),
            ("max.message.bytes", "7"),
        ]);
        assert_eq!(
            own.log.cleanup_policy,
            CleanupPolicy {
                compact: true,
                delete: true
            }
        );
        assert_eq!(own.log.compression, Codec::with_level(Compression::Gzip, 3).ok());
        assert_eq!(own.log.message_timestamp_type, TimestampType::LogAppendTime);
        assert_eq!((own.min_insync_replicas, own.log.max_message_bytes), (2, 7));
    }

    #[test]
    fn an_unreadable_value_is_left_to_the_broker() {
        assert_eq!(settings(&[("retention.ms", "soon")]), settings(&[]));
    }
}
