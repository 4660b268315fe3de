//! Settings: [`LogConfig`] per topic, changeable at any time; [`ManagerConfig`] for all logs of a node.
use std::path::PathBuf;
use std::sync::Arc;

use klamm_records::{Codec, Compression, TimestampType};

use crate::disk::{Disk, OsDisk};
use crate::progress::RecoveryProgress;

/// `cleanup.policy`: what happens to old records. Both may be set; neither keeps everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Keep the latest record of each key.
    pub compact: bool,
    /// Drop segments by age, by size of the log, and below the log start offset.
    pub delete: bool,
}

/// The settings of one topic's logs, named as the topic configs they come from.
///
/// The defaults are Kafka 4.4's. A running log takes a new set with [`Log::update_config`](crate::Log::update_config).
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// Most bytes of a segment's `.log` file.
    pub segment_bytes: u32,
    /// Age of a segment, by its first batch's timestamp, at which the next append rolls.
    pub segment_ms: i64,
    /// Up to how much earlier than `segment_ms` a segment may roll, so that not all do at once.
    pub segment_jitter_ms: i64,
    /// Most bytes of each index file.
    pub segment_index_bytes: u32,
    /// Bytes of log between two index entries.
    pub index_interval_bytes: u32,
    /// Records after which an append waits for its flush.
    pub flush_messages: i64,
    /// Age of unflushed records that makes the next tick flush.
    pub flush_ms: i64,
    /// Size of a partition's log above which old segments go; negative is unlimited.
    pub retention_bytes: i64,
    /// Age of a segment's newest record at which it goes; negative is unlimited.
    pub retention_ms: i64,
    /// Most bytes of one batch.
    pub max_message_bytes: u32,
    /// Most bytes that a batch's records may decompress to.
    pub max_decompressed_message_bytes: usize,
    /// How long a removed segment's files stay, so that readers can finish.
    pub file_delete_delay_ms: i64,
    /// What happens to old records.
    pub cleanup_policy: CleanupPolicy,
    /// Share of a compacted log that must be dirty before it is cleaned, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// Age that a record has to reach before it is cleaned.
    pub min_compaction_lag_ms: i64,
    /// Age of a dirty record at which its log is cleaned, however little of it is dirty.
    pub max_compaction_lag_ms: i64,
    /// How long tombstones and transaction markers stay once a cleaning has found them ready to go.
    pub delete_retention_ms: i64,
    /// `compression.type`: the codec batches are stored with; `None` keeps the producer's.
    pub compression: Option<Codec>,
    /// Whose clock the timestamps come from.
    pub message_timestamp_type: TimestampType,
    /// How far behind the broker's clock a record's timestamp may be (CreateTime only).
    pub message_timestamp_before_max_ms: i64,
    /// How far ahead of the broker's clock a record's timestamp may be (CreateTime only).
    pub message_timestamp_after_max_ms: i64,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_bytes: -1,
            retention_ms: 7 * DAY_MS,
            max_message_bytes: (1 << 20) + 12,
            max_decompressed_message_bytes: i32::MAX as usize - 8,
            file_delete_delay_ms: 60_000,
            cleanup_policy: CleanupPolicy {
                compact: false,
                delete: true,
            },
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            compression: None,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
        }
    }
}

impl LogConfig {
    /// Age of a segment at which the next append rolls: the active segment is not cleaned, so in a compacted log it may not
    /// be older than what has to be.
    pub(crate) fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }

    /// The codec to store a batch with that came with `source`, and whether that changes it.
    pub(crate) fn target_codec(&self, source: Compression) -> Option<Codec> {
        self.compression.filter(|target| target.compression() != source)
    }
}

/// Settings of all logs of a node.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// `log.dirs`, each formatted for this node.
    pub log_dirs: Vec<PathBuf>,
    /// `node.id`: must be the one in every directory's `meta.properties`.
    pub node_id: i32,
    /// Cluster the node believes to be in; `None` takes the directories' word for it.
    pub cluster_id: Option<String>,
    /// `num.recovery.threads.per.data.dir`: logs opened at the same time at start.
    pub recovery_threads_per_data_dir: usize,
    /// `log.initial.task.delay.ms`: no retention and no checkpoints before this has passed since the start.
    pub initial_task_delay_ms: i64,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms` and `log.flush.start.offset.checkpoint.interval.ms`.
    pub checkpoint_interval_ms: i64,
    /// `producer.id.expiration.ms`: idle idempotent producers are forgotten after this.
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable`: a transactional batch is only appended when its transaction is open or was
    /// verified with its coordinator (KIP-890).
    pub verifies_transactions: bool,
    /// Unflushed bytes of one log at which it is flushed in the background. Bounds recovery after a crash.
    pub background_flush_bytes: u64,
    /// Age of a log's unflushed records at which it is flushed in the background.
    pub background_flush_ms: i64,
    /// Bytes since the last snapshot of a log's producers' state at which a flush leaves another one, 0 for each flush of
    /// anything new. Kafka leaves one per segment; more of them spare recovery most of reading what was flushed. They are a
    /// proof, too: ext4 that is just turning read-only lets `fdatasync` succeed for bytes that it never wrote (seen on Linux
    /// 6.18), but not the creation of a file after that.
    pub snapshot_bytes: u32,
    /// Logs of one directory due for a background flush from which on they are synced together, with all their file system.
    pub sync_together_from: usize,
    /// Files kept open besides those with unflushed writes.
    pub max_open_files: usize,
    /// Files that may be open, which those with unflushed writes have to be, before logs are flushed for that reason alone:
    /// in the background when they were appended to, at once when they are recovered or closed.
    pub max_unsynced_files: usize,
    /// Where the random ids of directories come from.
    pub seed: u64,
    /// The disk that the directories are on.
    pub disk: Arc<dyn Disk>,
    /// Where opening the logs notes how far it has come.
    pub progress: Arc<RecoveryProgress>,
    /// Background flushes are part of [`LogManager::tick`](crate::LogManager::tick) instead of having a thread: for
    /// simulations, in which everything happens in the order of the calls.
    pub flush_in_tick: bool,
}

impl ManagerConfig {
    /// Kafka's defaults for a node whose data lies in `log_dirs`; `seed` should be another one at each start.
    pub fn new(node_id: i32, log_dirs: Vec<PathBuf>, seed: u64) -> Self {
        Self {
            log_dirs,
            node_id,
            cluster_id: None,
            recovery_threads_per_data_dir: 2,
            initial_task_delay_ms: 30_000,
            retention_check_interval_ms: 300_000,
            checkpoint_interval_ms: 60_000,
            producer_id_expiration_ms: DAY_MS,
            verifies_transactions: true,
            background_flush_bytes: 64 << 20,
            background_flush_ms: 5_000,
            snapshot_bytes: 0,
            sync_together_from: 32,
            max_open_files: 1_000,
            max_unsynced_files: 10_000,
            seed,
            disk: Arc::new(OsDisk),
            progress: Arc::default(),
            flush_in_tick: false,
        }
    }
}
