//! What the broker's configuration says about coordinators.

use klamm_config::Config;
use klamm_coordinator::ShardConfig;
use klamm_group_coordinator::GroupConfig;
use klamm_records::Compression;

/// Settings of all shards of a broker.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) workers: usize,
    pub(super) configured_partitions: i32,
    pub(super) group: GroupConfig,
    pub(super) shard: ShardConfig,
    /// `offsets.topic.compression.codec`
    pub(super) compression: Compression,
    /// `offsets.load.buffer.size`
    pub(super) load_bytes: u32,
}

impl Settings {
    pub(super) fn of(config: &Config) -> Self {
        let group = GroupConfig {
            session_timeout_ms_min: config.int("group.min.session.timeout.ms"),
            session_timeout_ms_max: config.int("group.max.session.timeout.ms"),
            max_size: usize::try_from(config.int("group.max.size")).unwrap_or(usize::MAX),
            initial_rebalance_delay_ms: config.int("group.initial.rebalance.delay.ms"),
            offset_metadata_max_size: usize::try_from(config.int("offset.metadata.max.bytes")).unwrap_or(0),
            offsets_retention_ms: i64::from(config.int("offsets.retention.minutes")) * 60_000,
            offsets_retention_check_interval_ms: config.long("offsets.retention.check.interval.ms"),
            ..GroupConfig::default()
        };
        let shard = ShardConfig {
            write_timeout_ms: i64::from(config.int("offsets.commit.timeout.ms")),
            ..ShardConfig::default()
        };
        let codec = u8::try_from(config.int("offsets.topic.compression.codec"))
            .ok()
            .and_then(Compression::from_id);
        Self {
            workers: usize::try_from(config.int("group.coordinator.threads"))
                .unwrap_or(1)
                .max(1),
            configured_partitions: config.int("offsets.topic.num.partitions").max(1),
            group,
            shard,
            compression: codec.unwrap_or(Compression::None),
            load_bytes: config.int("offsets.load.buffer.size").unsigned_abs(),
        }
    }
}
