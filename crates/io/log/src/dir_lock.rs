//! `.lock`: one process per log directory.
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::disk::{Disk, Lock};
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
    /// Locks `dir`; [`io::ErrorKind::ResourceBusy`] when somebody else has.
    ///
    /// Two locks are taken: one that other nodes in this process see (`flock`), and the one that Java takes (`fcntl`), so
    /// that a Kafka broker and this node refuse each other too.
    pub fn acquire(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(".lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Lock for DirLock {}

/// Locks a directory of `disk`.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>, LockError> {
    disk.lock(dir).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => LockError::InUse { dir: dir.to_owned() },
        _ => StorageError::io("lock", &dir.join(".lock"), error).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        assert!(matches!(lock(&OsDisk, dir.path()), Err(LockError::InUse { .. })));
        drop(first);
        DirLock::acquire(dir.path()).unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(
            lock(&OsDisk, &missing),
            Err(LockError::Storage(StorageError::Io { .. }))
        ));
    }
}
