//! What a start came to: what was found and done, or why there is none.
use std::path::PathBuf;
use std::time::Duration;

use crate::checkpoint::Shutdown;
use crate::dir_lock::LockError;
use crate::error::StorageError;
use crate::log::Opened;
use crate::names::TopicPartition;
use crate::recovery::{Cause, RecoveryEvent};

/// Why the node cannot start with its log directories. Nothing in them was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// No `meta.properties`: `klamm storage format` was not run, or this is not a log directory.
    #[error("log directory `{}` is not formatted", dir.display())]
    NotFormatted {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory belongs to another cluster, or to another one than its neighbours.
    #[error("log directory `{}` belongs to cluster `{found}`, this node to `{expected}`", dir.display())]
    OtherCluster {
        /// The directory.
        dir: PathBuf,
        /// The cluster in its `meta.properties`.
        found: String,
        /// The node's cluster.
        expected: String,
    },
    /// The directory belongs to another node.
    #[error("log directory `{}` belongs to node {found}, this is node {expected}", dir.display())]
    OtherNode {
        /// The directory.
        dir: PathBuf,
        /// The node in its `meta.properties`.
        found: i32,
        /// This node.
        expected: i32,
    },
    /// Another node runs on the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A partition lies in two directories.
    #[error("the log of {partition} is both in `{}` and in `{}`", dirs[0].display(), dirs[1].display())]
    Duplicate {
        /// The partition.
        partition: TopicPartition,
        /// The two log directories.
        dirs: [PathBuf; 2],
    },
    /// None of the directories can be used; the failure of the first.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What starting has found and done.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// Per log directory.
    pub dirs: Vec<OpenDirReport>,
    /// The logs that needed more than a look: unclean bytes checked or repairs made.
    pub recovered: Vec<OpenedLog>,
    /// Logs that could not be opened; they are not served.
    pub failed: Vec<FailedLog>,
    /// Moves into other log directories that a stop has interrupted: the partition, and where it was going.
    pub unfinished_moves: Vec<(TopicPartition, PathBuf)>,
    /// Moves that a stop has interrupted at the change of places, and that are completed now.
    pub completed_moves: Vec<(TopicPartition, PathBuf)>,
    /// Logs opened.
    pub logs: usize,
    /// Time it took.
    pub duration: Duration,
}

/// A log directory at start.
#[derive(Clone, Debug)]
pub struct OpenDirReport {
    /// The directory.
    pub path: PathBuf,
    /// How it was left.
    pub shutdown: Shutdown,
    /// Directories in it whose names are none of Kafka's; left alone.
    pub foreign: Vec<String>,
}

/// A log that was recovered.
#[derive(Clone, Debug)]
pub struct OpenedLog {
    /// The partition.
    pub partition: TopicPartition,
    /// What was done.
    pub opened: Opened,
}

/// A log that could not be opened.
#[derive(Clone, Debug)]
pub struct FailedLog {
    /// The partition.
    pub partition: TopicPartition,
    /// Why.
    pub error: StorageError,
}

/// What an operator should know: a torn end is what a crash leaves, anything else is loss.
pub(super) fn log_recovery(partition: &TopicPartition, opened: &Opened) {
    for event in &opened.events {
        match event {
            RecoveryEvent::Cut {
                cause: Cause::CorruptMiddle,
                ..
            }
            | RecoveryEvent::SegmentDropped { .. } => {
                tracing::error!(%partition, ?event, "valid records were lost behind damage");
            }
            RecoveryEvent::EndsTooEarly { .. } => {
                tracing::error!(%partition, ?event, "records that were flushed are not there any more");
            }
            RecoveryEvent::Restarted { .. } | RecoveryEvent::LeaderEpochsRebuilt => {
                tracing::warn!(%partition, ?event, "log repaired");
            }
            RecoveryEvent::Cut {
                cause: Cause::TornTail, ..
            }
            | RecoveryEvent::IndexesRebuilt { .. }
            | RecoveryEvent::TxnIndexRebuilt { .. }
            | RecoveryEvent::ProducersRebuilt { .. }
            | RecoveryEvent::SwapCompleted { .. } => tracing::info!(%partition, ?event, "log recovered"),
        }
    }
}
