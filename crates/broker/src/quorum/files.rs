//! Files that are replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::QuorumError;

/// Puts `bytes` in the place of `path`, so that a crash leaves the old file or the new one, whole: written beside it under
/// `suffix`, synced, renamed, and the directory synced.
pub(crate) fn replace(path: &Path, suffix: &str, bytes: &[u8]) -> Result<(), QuorumError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    let beside = PathBuf::from(beside);
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("rename", &beside))?;
    let dir = path.parent().expect("a file lies in a directory");
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("sync", dir))
}

/// Reads a whole file; none, if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, QuorumError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Removes a file, which may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), QuorumError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Turns an error of the operating system into ours.
pub(crate) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QuorumError {
    let path = path.to_owned();
    move |source| QuorumError::File {
        operation,
        path,
        source,
    }
}
