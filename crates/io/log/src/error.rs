//! What can go wrong below the log: the disk, a file that makes no sense, a directory that was given up.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::names::TopicPartition;

/// A failure of storage. Kafka answers all of them with `KAFKA_STORAGE_ERROR`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused or failed an operation.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `sync`, ...
        operation: &'static str,
        /// The file or directory it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// A file is there but its content is not what this file may hold.
    #[error("`{}` is malformed: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The log directory was taken offline by an earlier failure (KIP-112); nothing in it is served until a restart.
    #[error("log directory `{}` is offline: {reason}", dir.display())]
    Offline {
        /// The log directory.
        dir: PathBuf,
        /// The failure that took it offline.
        reason: Arc<str>,
    },
    /// The log was closed, or its partition deleted.
    #[error("the log of {partition} is closed")]
    Closed {
        /// The partition.
        partition: TopicPartition,
    },
}

impl StorageError {
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// The disk or a quota is full: the same operation may succeed later, so the directory stays in service.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Malformed { .. } | Self::Offline { .. } | Self::Closed { .. } => false,
        }
    }

    /// The process or the machine has as many files open as it may: a flush closes some. Nothing was done.
    pub fn is_out_of_files(&self) -> bool {
        let errno = |source: &io::Error| rustix::io::Errno::from_io_error(source);
        match self {
            Self::Io { source, .. } => {
                matches!(errno(source), Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
            }
            Self::Malformed { .. } | Self::Offline { .. } | Self::Closed { .. } => false,
        }
    }

    /// The bytes are not in memory, and the thread may not wait for the disk ([`crate::disk::may_wait`]). Nothing is wrong.
    pub(crate) fn would_wait(&self) -> bool {
        matches!(self, Self::Io { operation: "read", source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// What makes no sense counts as not there: an index that contradicts its log, a batch that is none. A disk that can't be read
/// says nothing of what is on it and stays an error.
pub(crate) fn unless_malformed<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(StorageError::Malformed { .. }) => Ok(None),
        result => result.map(Some),
    }
}

/// Result of an operation on storage.
pub(crate) type Result<T, E = StorageError> = std::result::Result<T, E>;
