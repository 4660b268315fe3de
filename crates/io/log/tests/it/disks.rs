//! The machine's disk, with somebody who looks on and may say that a call fails.
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use klamm_log::disk::{DirEntry, Disk, DiskFile, FileSystem, Inspected, Lock, OsDisk, Space};

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Create(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    SyncDir(PathBuf),
    RemoveFile(PathBuf),
    SyncFileSystem(PathBuf),
    /// Of an open file.
    Read,
}

type Watcher = Arc<dyn Fn(&Call) -> io::Result<()> + Send + Sync>;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct WatchedDisk(Arc<Mutex<Option<Watcher>>>, Arc<Files>);

/// Open files, and how many there may be; 0 for any number.
#[derive(Debug, Default)]
struct Files {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl fmt::Debug for WatchedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedDisk")
    }
}

impl WatchedDisk {
    /// Has `watcher` asked before each call from now on.
    pub(crate) fn watch(&self, watcher: impl Fn(&Call) -> io::Result<()> + Send + Sync + 'static) {
        *self.0.lock().unwrap() = Some(Arc::new(watcher));
    }

    pub(crate) fn let_be(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// From now on no more files than so many may be open.
    pub(crate) fn allow_files(&self, most: usize) {
        self.1.most.store(most, Ordering::Relaxed);
    }

    fn opened(&self, open: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        let most = self.1.most.load(Ordering::Relaxed);
        if most > 0 && self.1.open.load(Ordering::Relaxed) >= most {
            return Err(io::Error::from_raw_os_error(24)); // EMFILE
        }
        let file = open()?;
        self.1.open.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(WatchedFile(self.clone(), file)))
    }

    fn ask(&self, call: impl FnOnce() -> Call) -> io::Result<()> {
        let watcher = self.0.lock().unwrap().clone();
        watcher.map_or(Ok(()), |watcher| watcher(&call()))
    }
}

/// As a device fails.
pub(crate) fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.ask(|| Call::Open)?;
        self.opened(|| OsDisk.open(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.ask(|| Call::Create(path.to_owned()))?;
        self.opened(|| OsDisk.create(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(|| Call::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        })?;
        OsDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.ask(|| Call::RemoveFile(path.to_owned()))?;
        OsDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(|| Call::SyncDir(path.to_owned()))?;
        OsDisk.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(path)
    }

    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        OsDisk.inspect(path)
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        OsDisk.lock(dir)
    }

    fn space(&self, path: &Path) -> Option<Space> {
        OsDisk.space(path)
    }

    fn file_system(&self, path: &Path) -> Option<Box<dyn FileSystem>> {
        Some(Box::new(Watched(self.clone(), path.to_owned())))
    }
}

#[derive(Debug)]
struct WatchedFile(WatchedDisk, Arc<dyn DiskFile>);

impl Drop for WatchedFile {
    fn drop(&mut self) {
        self.0.1.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DiskFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.ask(|| Call::Read)?;
        self.1.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.1.write_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.1.set_len(len)
    }

    fn set_modified(&self, modified_ms: i64) -> io::Result<()> {
        self.1.set_modified(modified_ms)
    }

    fn size(&self) -> io::Result<u64> {
        self.1.size()
    }

    fn os_file(&self) -> Option<Arc<File>> {
        self.1.os_file()
    }
}

/// That the system can sync it as a whole is tested elsewhere; here the calls count.
#[derive(Debug)]
struct Watched(WatchedDisk, PathBuf);

impl FileSystem for Watched {
    fn sync(&self) -> io::Result<()> {
        self.0.ask(|| Call::SyncFileSystem(self.1.clone()))
    }
}
