//! `.lock`: one process per log directory.
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::error::StorageError;

/// Why a directory could not be locked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another node in this one, has it.
    #[error("log directory `{}` is in use by another node", dir.display())]
    InUse {
        /// The log directory.
        dir: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Holds a log directory for this node; gives it back when dropped.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks `dir` or says that somebody else has.
    ///
    /// Two locks are taken: one that other nodes in this process see (`flock`), and the one that Java takes (`fcntl`), so
    /// that a Kafka broker and this node refuse each other too.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(".lock");
        let failed = |error: io::Error| StorageError::io("lock", &path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let in_use = || LockError::InUse { dir: dir.to_owned() };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Err(in_use()),
            Err(error) => Err(failed(error.into()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        assert!(matches!(DirLock::acquire(dir.path()), Err(LockError::InUse { .. })));
        drop(first);
        DirLock::acquire(dir.path()).unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(
            DirLock::acquire(&missing),
            Err(LockError::Storage(StorageError::Io { .. }))
        ));
    }
}
