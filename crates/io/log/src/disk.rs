//! Every touch of the file system goes through here, so that a fake disk can take its place.
//!
//! [`Disk`] and [`DiskFile`] are what an operating system offers, as little of it as the log needs; the functions below make
//! of them what the log asks for: whole reads and writes, errors that name the file, files that are replaced atomically.
//!
//! What a disk promises, and what the log may therefore not assume: a write is in other handles' sight at once, but survives
//! a power cut only after `sync` of its file; a creation, rename or removal survives only after `sync` of the directory
//! that the name is in. Without that any subset of them may survive, in any order.
use std::cell::Cell;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::error::{Result, StorageError};

mod os;

pub use os::OsDisk;

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Opens an existing file to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a directory and its missing parents; one that exists is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory, over a file that is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a directory to make durable what happens to the names in it.
    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn DiskDir>>;
    /// Lists a directory, unsorted. Names that are not UTF-8 are none of Kafka's and are left out.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Looks at a file that may not be open.
    fn inspect(&self, path: &Path) -> io::Result<Inspected>;
    /// Locks a directory for one owner until what is returned is dropped; [`io::ErrorKind::ResourceBusy`] when another has it.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>>;
    /// Size of the file system that holds `path` and what of it is free for the node, in bytes, if that can be told.
    fn space(&self, path: &Path) -> Option<Space>;
    /// The file system that holds `path`, to be synced as a whole; `None` where that is less than a sync of each file and
    /// directory, or can't be told to have failed.
    fn file_system(&self, _path: &Path) -> Option<Box<dyn FileSystem>> {
        None
    }
}

/// A file system, held from before the writes on whose failures are to be told.
pub trait FileSystem: Debug + Send + Sync {
    /// Makes all that was written durable, bytes and names, whoever wrote it. Fails if anything could not be written since the
    /// last time, be it in the background.
    fn sync(&self) -> io::Result<()>;
}

/// An open file, to read and write at positions.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads up to the buffer's length; 0 only at the end of the file. See [`may_wait`].
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes some of the bytes, the first ones; a gap before `position` becomes zeros.
    fn write_at(&self, bytes: &[IoSlice<'_>], position: u64) -> io::Result<usize>;
    /// Makes the file's bytes and length durable. After a failure the kernel may have dropped what it could not write.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file or lengthens it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Gives the file another time of its last change, in milliseconds since the epoch.
    fn set_modified(&self, modified_ms: i64) -> io::Result<()>;
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// The operating system's file behind it, to send from without reading it; `None` of a fake disk.
    fn os_file(&self) -> Option<Arc<File>>;
}

/// An open directory.
pub trait DiskDir: Debug + Send + Sync {
    /// Makes creations, renames and removals in the directory durable.
    fn sync(&self) -> io::Result<()>;
}

/// A directory is locked while this lives.
pub trait Lock: Debug + Send + Sync {}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// Free for the node.
    pub usable_bytes: u64,
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Without the directory.
    pub name: String,
    /// A directory, not a file.
    pub is_dir: bool,
}

/// A file from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change, in milliseconds since the epoch.
    pub modified_ms: i64,
}

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// Runs `read` so that, on this thread, [`DiskFile::read_at`] fails with [`io::ErrorKind::WouldBlock`] where bytes would have
/// to come from the device. For threads that serve others meanwhile.
pub(crate) fn without_waiting<T>(read: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_WAIT.set(self.0);
        }
    }
    let _before = Before(MAY_WAIT.replace(false));
    read()
}

/// Whether a read on this thread may wait for the device. A disk that can't tell where bytes come from need not ask.
pub fn may_wait() -> bool {
    MAY_WAIT.get()
}

/// What a read on a thread that may not wait says when it would have to.
pub(crate) fn would_wait(path: &Path) -> StorageError {
    StorageError::io("read", path, io::ErrorKind::WouldBlock.into())
}

/// Locks what may be held by somebody who waits for the disk; fails on a thread that may not wait, too, as a read does.
pub(crate) fn lock<T>(mutex: &Mutex<T>, path: impl Fn() -> PathBuf) -> Result<MutexGuard<'_, T>> {
    let result = match may_wait() {
        true => mutex.lock().map_err(TryLockError::Poisoned),
        false => mutex.try_lock(),
    };
    match result {
        Ok(guard) => Ok(guard),
        Err(TryLockError::WouldBlock) => Err(would_wait(&path())),
        Err(TryLockError::Poisoned(_)) => panic!("no panic while a file's state is changed"),
    }
}

pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>> {
    disk.open(path).map_err(|e| StorageError::io("open", path, e))
}

pub(crate) fn create(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>> {
    disk.create(path).map_err(|e| StorageError::io("create", path, e))
}

pub(crate) fn create_dir(disk: &dyn Disk, path: &Path) -> Result<()> {
    disk.create_dir(path)
        .map_err(|e| StorageError::io("create directory", path, e))
}

/// Fills `buffer` from `position` on and says how much there was: less than asked for only at the end of the file.
pub(crate) fn read_at(file: &dyn DiskFile, path: &Path, buffer: &mut [u8], position: u64) -> Result<usize> {
    read_whole(file, buffer, position).map_err(|e| StorageError::io("read", path, e))
}

/// As [`read_at`], for those who only make the file's name when it fails.
pub(crate) fn read_whole(file: &dyn DiskFile, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes `head` and then `body` at `position`, without joining them in memory first.
pub(crate) fn write_at(file: &dyn DiskFile, path: &Path, head: &[u8], body: &[u8], position: u64) -> Result<()> {
    write_whole(file, head, body, position).map_err(|e| StorageError::io("write", path, e))
}

/// As [`write_at`], for those who only make the file's name when it fails.
pub(crate) fn write_whole(file: &dyn DiskFile, head: &[u8], body: &[u8], position: u64) -> io::Result<()> {
    let total = head.len() + body.len();
    let mut done = 0;
    while done < total {
        let rest = if done < head.len() {
            [IoSlice::new(&head[done..]), IoSlice::new(body)]
        } else {
            [IoSlice::new(&body[done - head.len()..]), IoSlice::new(&[])]
        };
        match file.write_at(&rest, position + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Makes a file's bytes durable. A failure means that the kernel may have dropped what it could not write.
pub(crate) fn sync(file: &dyn DiskFile, path: &Path) -> Result<()> {
    file.sync().map_err(|e| StorageError::io("sync", path, e))
}

/// An open directory. Who must not stop between a rename and the sync behind it opens it before: the process may have as many
/// files open as it may.
#[derive(Debug)]
pub(crate) struct OpenDir {
    path: PathBuf,
    dir: Box<dyn DiskDir>,
}

impl OpenDir {
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let dir = disk.open_dir(path).map_err(|e| StorageError::io("open", path, e))?;
        let path = path.to_owned();
        Ok(Self { path, dir })
    }

    /// Makes durable what happened to the names in it.
    pub(crate) fn sync(&self) -> Result<()> {
        self.dir.sync().map_err(|e| StorageError::io("sync", &self.path, e))
    }
}

/// As [`OpenDir::sync`], for those who can try again if it can't be opened.
pub(crate) fn sync_dir(disk: &dyn Disk, path: &Path) -> Result<()> {
    OpenDir::open(disk, path)?.sync()
}

pub(crate) fn set_len(file: &dyn DiskFile, path: &Path, len: u64) -> Result<()> {
    file.set_len(len).map_err(|e| StorageError::io("truncate", path, e))
}

pub(crate) fn set_modified(file: &dyn DiskFile, path: &Path, modified_ms: i64) -> Result<()> {
    file.set_modified(modified_ms)
        .map_err(|e| StorageError::io("set the time of", path, e))
}

pub(crate) fn len(file: &dyn DiskFile, path: &Path) -> Result<u64> {
    file.size().map_err(|e| StorageError::io("inspect", path, e))
}

/// Renames a file or directory; the directory above still needs [`sync_dir`].
pub(crate) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<()> {
    disk.rename(from, to).map_err(|e| StorageError::io("rename", from, e))
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove_file(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Removes an empty directory; one that is gone already is fine.
pub(crate) fn remove_dir(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.remove_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path, e)),
        _ => Ok(()),
    }
}

pub(crate) fn list(disk: &dyn Disk, path: &Path) -> Result<Vec<DirEntry>> {
    disk.list(path).map_err(|e| StorageError::io("list", path, e))
}

pub(crate) fn inspect(disk: &dyn Disk, path: &Path) -> Result<Inspected> {
    disk.inspect(path).map_err(|e| StorageError::io("inspect", path, e))
}

/// Reads a whole (small) file; `None` when there is none.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| StorageError::io("read", path, e))?,
    };
    let mut bytes = vec![0; len(&*file, path)? as usize];
    let read = read_at(&*file, path, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Puts `bytes` in the place of the file at `path` so that a crash leaves either the old or the new content, whole:
/// write beside it (`.tmp`), sync, rename over it, sync the directory.
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = OpenDir::open(disk, path.parent().expect("a file inside a directory"))?;
    let (beside, file) = write_beside(disk, path, bytes)?;
    sync(&*file, &beside)?;
    rename(disk, &beside, path)?;
    dir.sync()
}

/// As [`replace_file`] but without the syncs: atomic for other processes and for a killed one, not for a power cut.
/// Only for files whose content carries its own check and can be rebuilt.
pub(crate) fn replace_file_unsynced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let (beside, _) = write_beside(disk, path, bytes)?;
    rename(disk, &beside, path)
}

/// The first half of replacing a file: writes `bytes` beside it, under the name that is returned.
pub(crate) fn write_beside(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(PathBuf, Arc<dyn DiskFile>)> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let file = disk
        .create(&beside)
        .map_err(|e| StorageError::io("write", &beside, e))?;
    write_at(&*file, &beside, bytes, &[], 0)?;
    Ok((beside, file))
}
