//! Every touch of the file system goes through here: about a dozen functions, so that a fake disk can take their place.
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, StorageError};

/// Opens an existing file to read and write.
pub(crate) fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| StorageError::io("open", path, e))
}

/// Creates an empty file, or empties the one that is there.
pub(crate) fn create(path: &Path) -> Result<()> {
    File::create(path)
        .map(drop)
        .map_err(|e| StorageError::io("create", path, e))
}

/// Creates a directory and its missing parents; one that exists is fine.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| StorageError::io("create directory", path, e))
}

/// Fills `buffer` from `position` on and says how much there was: less than asked for only at the end of the file.
pub(crate) fn read_at(file: &File, path: &Path, buffer: &mut [u8], position: u64) -> Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(StorageError::io("read", path, e)),
        }
    }
    Ok(done)
}

/// Writes `head` and then `body` at `position`, without joining them in memory first.
pub(crate) fn write_at(file: &File, path: &Path, head: &[u8], body: &[u8], position: u64) -> Result<()> {
    let total = head.len() + body.len();
    let mut done = 0;
    while done < total {
        let rest = if done < head.len() {
            [IoSlice::new(&head[done..]), IoSlice::new(body)]
        } else {
            [IoSlice::new(&body[done - head.len()..]), IoSlice::new(&[])]
        };
        match rustix::io::pwritev(file, &rest, position + done as u64) {
            Ok(0) => return Err(StorageError::io("write", path, io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(StorageError::io("write", path, e.into())),
        }
    }
    Ok(())
}

/// Makes a file's bytes durable. A failure means that the kernel may have dropped what it could not write.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_data().map_err(|e| StorageError::io("sync", path, e))
}

/// Makes creations, renames and removals in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| StorageError::io("sync", path, e))
}

/// Cuts a file or lengthens it with zeros.
pub(crate) fn set_len(file: &File, path: &Path, len: u64) -> Result<()> {
    file.set_len(len).map_err(|e| StorageError::io("truncate", path, e))
}

/// Length of an open file in bytes.
pub(crate) fn len(file: &File, path: &Path) -> Result<u64> {
    Ok(file.metadata().map_err(|e| StorageError::io("inspect", path, e))?.len())
}

/// Renames a file or directory; the directory above still needs [`sync_dir`].
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| StorageError::io("rename", from, e))
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Removes an empty directory; one that is gone already is fine.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// What a directory holds.
#[derive(Debug)]
pub(crate) struct DirEntry {
    pub(crate) name: String,
    pub(crate) is_dir: bool,
}

/// Lists a directory, unsorted. Names that are not UTF-8 are none of Kafka's and are left out.
pub(crate) fn list(path: &Path) -> Result<Vec<DirEntry>> {
    let failed = |e| StorageError::io("list", path, e);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_dir = entry.file_type().map_err(failed)?.is_dir();
        if let Ok(name) = entry.file_name().into_string() {
            entries.push(DirEntry { name, is_dir });
        }
    }
    Ok(entries)
}

/// Length in bytes and time of last change in milliseconds of a file that may not be open.
pub(crate) fn inspect(path: &Path) -> Result<(u64, i64)> {
    let metadata = fs::metadata(path).map_err(|e| StorageError::io("inspect", path, e))?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok((metadata.len(), modified.map_or(0, |since| since.as_millis() as i64)))
}

/// Reads a whole (small) file; `None` when there is none.
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StorageError::io("read", path, e)),
    }
}

/// Puts `bytes` in the place of the file at `path` so that a crash leaves either the old or the new content, whole:
/// write beside it (`.tmp`), sync, rename over it, sync the directory.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = write_beside(path, bytes, true)?;
    rename(&beside, path)?;
    sync_dir(path.parent().expect("a file inside a directory"))
}

/// As [`replace_file`] but without the syncs: atomic for other processes and for a killed one, not for a power cut.
/// Only for files whose content carries its own check and can be rebuilt.
pub(crate) fn replace_file_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = write_beside(path, bytes, false)?;
    rename(&beside, path)
}

fn write_beside(path: &Path, bytes: &[u8], sync: bool) -> Result<PathBuf> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let failed = |e| StorageError::io("write", &beside, e);
    let mut file = File::create(&beside).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    if sync {
        file.sync_all().map_err(|e| StorageError::io("sync", &beside, e))?;
    }
    Ok(beside)
}
