//! The machine's disk, with somebody who looks on and may say that a call fails.
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use klamm_log::disk::{DirEntry, Disk, DiskDir, DiskFile, FileSystem, Inspected, Lock, OsDisk, Space, may_wait};

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open(PathBuf),
    Create(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    OpenDir(PathBuf),
    SyncDir(PathBuf),
    List(PathBuf),
    /// By a thread that may not wait.
    Inspect(PathBuf),
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
        let counted = self.counted()?;
        Ok(Arc::new(WatchedFile {
            disk: self.clone(),
            file: open()?,
            _counted: counted,
        }))
    }

    /// Counts a file that is about to be opened, if there may be one more.
    fn counted(&self) -> io::Result<Counted> {
        let most = self.1.most.load(Ordering::Relaxed);
        if most > 0 && self.1.open.load(Ordering::Relaxed) >= most {
            return Err(too_many_files());
        }
        self.1.open.fetch_add(1, Ordering::Relaxed);
        Ok(Counted(self.1.clone()))
    }

    fn ask(&self, call: impl FnOnce() -> Call) -> io::Result<()> {
        let watcher = self.0.lock().unwrap().clone();
        watcher.map_or(Ok(()), |watcher| watcher(&call()))
    }
}

/// As where the process has as many files open as it may.
pub(crate) fn too_many_files() -> io::Error {
    io::Error::from_raw_os_error(24) // EMFILE
}

/// As a device fails.
pub(crate) fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.ask(|| Call::Open(path.to_owned()))?;
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

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn DiskDir>> {
        self.ask(|| Call::OpenDir(path.to_owned()))?;
        let counted = self.counted()?;
        Ok(Box::new(WatchedDir {
            disk: self.clone(),
            dir: OsDisk.open_dir(path)?,
            path: path.to_owned(),
            _counted: counted,
        }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.ask(|| Call::List(path.to_owned()))?;
        drop(self.counted()?);
        OsDisk.list(path)
    }

    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        if !may_wait() {
            self.ask(|| Call::Inspect(path.to_owned()))?;
        }
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

/// A file that counts as open while this lives.
#[derive(Debug)]
struct Counted(Arc<Files>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct WatchedDir {
    disk: WatchedDisk,
    dir: Box<dyn DiskDir>,
    path: PathBuf,
    _counted: Counted,
}

impl DiskDir for WatchedDir {
    fn sync(&self) -> io::Result<()> {
        self.disk.ask(|| Call::SyncDir(self.path.clone()))?;
        self.dir.sync()
    }
}

#[derive(Debug)]
struct WatchedFile {
    disk: WatchedDisk,
    file: Arc<dyn DiskFile>,
    _counted: Counted,
}

impl DiskFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.disk.ask(|| Call::Read)?;
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_modified(&self, modified_ms: i64) -> io::Result<()> {
        self.file.set_modified(modified_ms)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn os_file(&self) -> Option<Arc<File>> {
        self.file.os_file()
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
