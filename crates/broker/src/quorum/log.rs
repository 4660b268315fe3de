//! The metadata log with its snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use klamm_config::Config;
use klamm_log::{CLUSTER_METADATA_TOPIC, CleanupPolicy, Isolation, Log, LogConfig, LogStart, TopicPartition, open_log};
use klamm_protocol::Uuid;
use klamm_raft::{Batch, ControlRecord, EpochStart, LogView, OffsetAndEpoch, parse_batches};

use super::batches::{self, DecodedBatch, MAX_BATCH_BYTES};
use super::checkpoint::{self, Checkpoint, CheckpointFile};
use super::{QuorumError, files};

/// How much of the log is read at a time.
const READ_BYTES: u32 = 1024 * 1024;

/// `__cluster_metadata-0`.
#[derive(Debug)]
pub(super) struct MetadataLog {
    log: Arc<Log>,
    dir: PathBuf,
    /// With their sizes in bytes.
    snapshots: BTreeMap<OffsetAndEpoch, u64>,
    retention_bytes: i64,
    retention_ms: i64,
}

impl MetadataLog {
    /// Opens the log, removes what crashes left of snapshots, and checks that snapshots and log join.
    pub(super) fn open(metadata_log_dir: &Path, config: &Config, now_ms: i64) -> Result<Self, QuorumError> {
        let partition = TopicPartition::new(CLUSTER_METADATA_TOPIC, 0);
        let dir = metadata_log_dir.join(partition.to_string());
        fs::create_dir_all(&dir).map_err(files::failed("create", &dir))?;
        let mut found = list_snapshots(&dir)?;
        // What a snapshot contains was committed, hence synced, so only the log behind the newest has to be checked.
        let newest = found.last().map_or(0, |id| id.offset);
        let start = LogStart {
            recovery_point: newest,
            ..LogStart::default()
        };
        let (log, opened) = open_log(&dir, partition, log_config(config), start, now_ms)?;
        for event in &opened.events {
            tracing::warn!(dir = %dir.display(), ?event, "repaired the metadata log");
        }
        if !log.assign_topic_id(Uuid::METADATA_TOPIC_ID)? {
            let problem = "it has another topic id than the metadata log".to_owned();
            return Err(QuorumError::Malformed {
                path: dir.join("partition.metadata"),
                problem,
            });
        }
        if newest > log.log_end_offset() {
            // A follower had fetched the snapshot and died before it could empty its log.
            log.truncate_fully_and_start_at(newest, now_ms)?;
        }
        let log_start_offset = log.log_start_offset();
        for id in found.extract_if(.., |id| id.offset < log_start_offset) {
            files::remove(&checkpoint::snapshot_path(&dir, id))?;
        }
        if log_start_offset > newest {
            return Err(QuorumError::MissingSnapshot {
                dir,
                log_start_offset,
                newest: found.last().copied(),
            });
        }
        let mut snapshots = BTreeMap::new();
        for id in found {
            let path = checkpoint::snapshot_path(&dir, id);
            snapshots.insert(id, fs::metadata(&path).map_err(files::failed("inspect", &path))?.len());
        }
        let retention_bytes = config.long("metadata.max.retention.bytes");
        let retention_ms = config.long("metadata.max.retention.ms");
        Ok(MetadataLog {
            log,
            dir,
            snapshots,
            retention_bytes,
            retention_ms,
        })
    }

    /// The file of the election state.
    pub(super) fn quorum_state_path(&self) -> PathBuf {
        self.dir.join("quorum-state")
    }

    /// What the quorum has to know.
    pub(super) fn view(&self) -> LogView {
        let epochs = self.log.leader_epochs().into_iter();
        let epochs = epochs
            .map(|entry| EpochStart {
                epoch: entry.epoch,
                start_offset: entry.start_offset,
            })
            .collect();
        let snapshots = self.snapshots.iter().map(|(id, size)| (*id, *size));
        LogView::new(
            self.log.log_start_offset(),
            self.log.log_end_offset(),
            epochs,
            snapshots,
        )
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    pub(super) fn append(&self, batches: &[Batch], now_ms: i64) -> Result<(), QuorumError> {
        let bytes = match batches {
            [one] => one.bytes.clone(),
            many => many.iter().flat_map(|batch| batch.bytes.iter().copied()).collect(),
        };
        self.log.append_as_follower(&bytes, now_ms)?;
        Ok(())
    }

    /// Syncs the log; says up to where.
    pub(super) fn flush(&self) -> Result<i64, QuorumError> {
        Ok(self.log.flush()?)
    }

    pub(super) fn committed(&self, offset: i64) {
        self.log.update_high_watermark(offset);
    }

    /// The newest snapshot with content.
    pub(super) fn latest_snapshot(&self) -> Result<Option<(OffsetAndEpoch, Checkpoint)>, QuorumError> {
        let Some(id) = self.snapshots.keys().next_back() else {
            return Ok(None);
        };
        let path = checkpoint::snapshot_path(&self.dir, *id);
        let checkpoint = checkpoint::read(&path)?;
        let gone = || QuorumError::Malformed {
            path,
            problem: "it has just been removed".to_owned(),
        };
        Ok(Some((*id, checkpoint.ok_or_else(gone)?)))
    }

    /// Control records behind `start_offset`, with their offsets.
    pub(super) fn control_records(&self, start_offset: i64) -> Result<Vec<(i64, ControlRecord)>, QuorumError> {
        let mut found = Vec::new();
        let mut next_offset = start_offset;
        while let Some(bytes) = self.read_bytes(next_offset)? {
            let parsed = parse_batches(&bytes).map_err(|fault| QuorumError::Batch {
                path: self.dir.clone(),
                fault,
            })?;
            for batch in parsed {
                found.extend((batch.base_offset..).zip(batch.control));
                next_offset = batch.last_offset + 1;
            }
        }
        Ok(found)
    }

    /// The next batches from `start_offset` on, as many as are read at a time; none at the end of the log.
    pub(super) fn read(&self, start_offset: i64) -> Result<Vec<DecodedBatch>, QuorumError> {
        match self.read_bytes(start_offset)? {
            Some(bytes) => batches::decode(&bytes, &self.dir),
            None => Ok(Vec::new()),
        }
    }

    /// Whole batches from `start_offset` on.
    fn read_bytes(&self, start_offset: i64) -> Result<Option<Bytes>, QuorumError> {
        if start_offset >= self.end_offset() {
            return Ok(None);
        }
        let Some(region) = self.log.read(start_offset, READ_BYTES, Isolation::LogEnd, true)?.region else {
            return Ok(None);
        };
        let bytes = region.read()?;
        // The last batch may be cut by the limit.
        let mut whole = klamm_records::batches(&bytes);
        while whole.next().is_some_and(|batch| batch.is_ok()) {}
        let end = whole.position();
        Ok(Some(bytes.slice(..end)).filter(|bytes| !bytes.is_empty()))
    }

    /// Where a new snapshot goes.
    pub(super) fn snapshot_path(&self, id: OffsetAndEpoch) -> PathBuf {
        checkpoint::snapshot_path(&self.dir, id)
    }

    /// Takes note of a snapshot that was written.
    pub(super) fn add_snapshot(&mut self, id: OffsetAndEpoch, size: u64) {
        self.snapshots.insert(id, size);
    }

    /// End offset of the newest snapshot.
    pub(super) fn latest_snapshot_offset(&self) -> i64 {
        self.snapshots.keys().next_back().map_or(0, |id| id.offset)
    }

    /// Whether [`clean`](Self::clean) may ever find something: there is an older snapshot than the newest.
    pub(super) fn can_be_cleaned(&self) -> bool {
        self.snapshots.len() > 1
    }

    /// Deletes the oldest snapshots, and the log that they stand for, while what is kept is too much or they are too old. The
    /// newest stays. Returns the oldest that is left if any went. Segments that went last time are removed for good.
    pub(super) fn clean(&mut self, now_ms: i64) -> Result<Option<OffsetAndEpoch>, QuorumError> {
        self.remove_deleted_segments()?;
        let mut oldest = None;
        while let Some((id, next)) = self.oldest_two() {
            let path = checkpoint::snapshot_path(&self.dir, id);
            let snapshots: u64 = self.snapshots.values().sum();
            let is_too_much =
                u64::try_from(self.retention_bytes).is_ok_and(|limit| self.log.size() + snapshots > limit);
            let limit_ms = self.retention_ms;
            let is_too_old = || Ok::<bool, QuorumError>(limit_ms >= 0 && now_ms - header_timestamp(&path)? > limit_ms);
            if !is_too_much && !is_too_old()? {
                break;
            }
            self.log.delete_records(next.offset)?;
            self.log.delete_old_segments(now_ms)?;
            files::remove(&path)?;
            self.snapshots.remove(&id);
            oldest = Some(next);
        }
        Ok(oldest)
    }

    /// The log only renames them, for those who may still be reading.
    fn remove_deleted_segments(&self) -> Result<(), QuorumError> {
        for entry in fs::read_dir(&self.dir).map_err(files::failed("list", &self.dir))? {
            let path = entry.map_err(files::failed("list", &self.dir))?.path();
            if path.extension().is_some_and(|extension| extension == "deleted") {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    fn oldest_two(&self) -> Option<(OffsetAndEpoch, OffsetAndEpoch)> {
        let mut ids = self.snapshots.keys();
        Some((*ids.next()?, *ids.next()?))
    }

    pub(super) fn close(&self) -> Result<(), QuorumError> {
        Ok(self.log.close()?)
    }
}

/// Snapshots in the directory, in order. What is left of others is removed.
fn list_snapshots(dir: &Path) -> Result<BTreeSet<OffsetAndEpoch>, QuorumError> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(files::failed("list", dir))? {
        let entry = entry.map_err(files::failed("list", dir))?;
        match entry.file_name().to_str().and_then(CheckpointFile::parse) {
            Some(CheckpointFile::Complete(id)) => {
                found.insert(id);
            }
            Some(CheckpointFile::Leftover) => files::remove(&entry.path())?,
            None => {}
        }
    }
    Ok(found)
}

fn header_timestamp(path: &Path) -> Result<i64, QuorumError> {
    Ok(checkpoint::read(path)?.map_or(i64::MAX, |checkpoint| checkpoint.last_contained_log_timestamp))
}

/// Retention is that of snapshots: the log itself only loses what lies before its start.
fn log_config(config: &Config) -> LogConfig {
    LogConfig {
        segment_bytes: config.int("metadata.log.segment.bytes").unsigned_abs(),
        segment_ms: config.long("metadata.log.segment.ms"),
        max_message_bytes: u32::try_from(MAX_BATCH_BYTES).expect("8 MiB"),
        retention_bytes: -1,
        retention_ms: -1,
        cleanup_policy: CleanupPolicy {
            compact: false,
            delete: true,
        },
        ..LogConfig::default()
    }
}
