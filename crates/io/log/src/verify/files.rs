//! The small files: a directory's checkpoints, and what lies beside a partition's segments.
use std::collections::BTreeSet;
use std::path::Path;

use super::{Check, Severity};
use crate::checkpoint::{
    self, CLEANER_OFFSET_CHECKPOINT, EpochEntry, LOG_START_OFFSET_CHECKPOINT, Offsets, RECOVERY_POINT_CHECKPOINT,
    REPLICATION_OFFSET_CHECKPOINT, Shutdown,
};
use crate::disk;
use crate::error::StorageError;
use crate::names::TopicPartition;

/// The checkpoints of a log directory.
pub(super) struct Checkpoints {
    pub(super) recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    pub(super) cleaned: Offsets,
    pub(super) is_clean: bool,
    seen: std::cell::RefCell<BTreeSet<TopicPartition>>,
}

impl Checkpoints {
    pub(super) fn read(check: &mut Check<'_>, dir: &Path, shutdown: Shutdown) -> Result<Self, StorageError> {
        let mut read = |name: &str| match checkpoint::read_offsets(&check.disk, &dir.join(name)) {
            Err(error @ StorageError::Malformed { .. }) => {
                let what = format!("{error}; a start does without it");
                check.find(Severity::Repair, &dir.join(name), None, what);
                Ok(Offsets::new())
            }
            offsets => offsets,
        };
        Ok(Self {
            recovery_points: read(RECOVERY_POINT_CHECKPOINT)?,
            log_starts: read(LOG_START_OFFSET_CHECKPOINT)?,
            high_watermarks: read(REPLICATION_OFFSET_CHECKPOINT)?,
            cleaned: read(CLEANER_OFFSET_CHECKPOINT)?,
            is_clean: matches!(shutdown, Shutdown::Clean(_)),
            seen: Default::default(),
        })
    }

    /// What they say of a partition, whose log ends at `end` and begins at `first`.
    pub(super) fn compare(&self, check: &mut Check<'_>, dir: &Path, partition: &TopicPartition, end: i64) {
        self.seen.borrow_mut().insert(partition.clone());
        let of = |offsets: &Offsets| offsets.get(partition).copied().filter(|offset| *offset > end);
        if let Some(offset) = of(&self.recovery_points) {
            let what = format!("it ends at offset {end}, but all below {offset} was flushed (recovery point)");
            check.find(Severity::Damage, dir, None, what);
        }
        if let Some(offset) = of(&self.log_starts) {
            let what = format!("it ends at offset {end}, below its start {offset} (log-start-offset-checkpoint)");
            check.find(Severity::Damage, dir, None, what);
        }
        for (offsets, name) in [
            (&self.high_watermarks, REPLICATION_OFFSET_CHECKPOINT),
            (&self.cleaned, CLEANER_OFFSET_CHECKPOINT),
        ] {
            if let Some(offset) = of(offsets) {
                check.find(
                    Severity::Note,
                    dir,
                    None,
                    format!("it ends at offset {end}, {name} says {offset}"),
                );
            }
        }
    }

    /// Lines of partitions that are not there.
    pub(super) fn without_directory(&self, check: &mut Check<'_>, dir: &Path) {
        let seen = self.seen.borrow();
        for (offsets, name) in [
            (&self.recovery_points, RECOVERY_POINT_CHECKPOINT),
            (&self.log_starts, LOG_START_OFFSET_CHECKPOINT),
            (&self.high_watermarks, REPLICATION_OFFSET_CHECKPOINT),
            (&self.cleaned, CLEANER_OFFSET_CHECKPOINT),
        ] {
            let strangers: Vec<String> = offsets
                .keys()
                .filter(|tp| !seen.contains(tp))
                .map(ToString::to_string)
                .collect();
            if !strangers.is_empty() {
                let what = format!("tells of partitions that are not here: {}", strangers.join(", "));
                check.find(Severity::Note, &dir.join(name), None, what);
            }
        }
    }
}

/// The epochs in `leader-epoch-checkpoint`; `None` if they can't be read.
pub(super) fn leader_epochs(check: &mut Check<'_>, dir: &Path) -> Result<Option<Vec<EpochEntry>>, StorageError> {
    let path = dir.join("leader-epoch-checkpoint");
    let entries = match checkpoint::read_leader_epochs(&check.disk, dir) {
        Err(error @ StorageError::Malformed { .. }) => {
            check.find(Severity::Repair, &path, None, error.to_string());
            return Ok(None);
        }
        entries => entries?,
    };
    let ascends = |pair: &[EpochEntry]| pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset;
    if !entries.windows(2).all(ascends) {
        check.find(Severity::Repair, &path, None, "epochs or their offsets do not ascend");
    }
    Ok(Some(entries))
}

pub(super) fn partition_metadata(check: &mut Check<'_>, dir: &Path, is_needed: bool) -> Result<(), StorageError> {
    let path = dir.join("partition.metadata");
    match checkpoint::read_partition_metadata(&check.disk, dir) {
        Ok(None) if is_needed => check.find(
            Severity::Note,
            &path,
            None,
            "missing or empty: the topic's id is not known",
        ),
        Ok(_) => {}
        Err(error @ StorageError::Malformed { .. }) => {
            check.find(Severity::Damage, &path, None, error.to_string());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Of the metadata quorum: who leads and who was voted for.
pub(super) fn quorum_state(check: &mut Check<'_>, dir: &Path) -> Result<(), StorageError> {
    let path = dir.join("quorum-state");
    match disk::read_file(&check.disk, &path)? {
        None => check.find(
            Severity::Note,
            &path,
            None,
            "missing: the node has not taken part in a quorum yet",
        ),
        Some(bytes) => {
            let state = serde_json::from_slice::<serde_json::Value>(&bytes);
            let epoch = state.ok().and_then(|state| state.get("leaderEpoch")?.as_i64());
            if epoch.is_none() {
                check.find(Severity::Damage, &path, None, "not JSON with a `leaderEpoch`");
            }
        }
    }
    Ok(())
}
