//! The disk of the operating system.
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::io::{Errno, ReadWriteFlags};

use super::{DirEntry, Disk, DiskDir, DiskFile, FileSystem, Inspected, Lock, Space};
use crate::dir_lock::DirLock;

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

#[derive(Debug)]
struct OsFile(Arc<File>);

#[derive(Debug)]
struct OsDir(File);

impl DiskDir for OsDir {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile(Arc::new(file))))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Readable too, for a file that is written and then read back through the same handle.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(OsFile(Arc::new(file))))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(OsDir(File::open(path)?)))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirEntry { name, is_dir });
            }
        }
        Ok(entries)
    }

    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        let metadata = fs::metadata(path)?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Inspected {
            len: metadata.len(),
            modified_ms: modified.map_or(0, |since| since.as_millis() as i64),
        })
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        Ok(Box::new(DirLock::acquire(dir)?))
    }

    fn space(&self, path: &Path) -> Option<Space> {
        let space = rustix::fs::statvfs(path).ok()?;
        Some(Space {
            total_bytes: space.f_blocks * space.f_frsize,
            usable_bytes: space.f_bavail * space.f_frsize,
        })
    }

    #[cfg(target_os = "linux")]
    fn file_system(&self, path: &Path) -> Option<Box<dyn FileSystem>> {
        let release = rustix::system::uname();
        let dir = File::open(path).ok()?;
        let kind = rustix::fs::fstatfs(&dir).ok()?.f_type;
        let is_known = SYNCED_AS_A_WHOLE.contains(&(kind as i64));
        (is_known && reports_failed_writes(release.release().to_str().ok()?))
            .then(|| Box::new(OsFileSystem(dir)) as Box<dyn FileSystem>)
    }
}

/// Of these `syncfs` is known to do at least what a sync of each file and directory does: ext4, XFS, Btrfs, F2FS, tmpfs.
/// Others, FUSE among them, may leave it at handing the bytes on.
#[cfg(target_os = "linux")]
const SYNCED_AS_A_WHOLE: [i64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

/// Whether `syncfs` of this Linux fails when something could not be written: since 5.8.
#[cfg(target_os = "linux")]
fn reports_failed_writes(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) >= (5, 8)
}

/// A handle tells each failure of a write since it was opened, or since it last told, once.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct OsFileSystem(File);

#[cfg(target_os = "linux")]
impl FileSystem for OsFileSystem {
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// Reads what is in the system's cache. A file system in memory, or one that can't tell, is read as always.
#[cfg(target_os = "linux")]
fn read_from_memory(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let buffers = &mut [IoSliceMut::new(buffer)];
    match rustix::io::preadv2(file, buffers, position, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => file.read_at(buffer, position),
        read => Ok(read?),
    }
}

impl DiskFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if !super::may_wait() {
            return read_from_memory(&self.0, buffer, position);
        }
        self.0.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&*self.0, bytes, position)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn set_modified(&self, modified_ms: i64) -> io::Result<()> {
        let since = Duration::from_millis(u64::try_from(modified_ms).unwrap_or(0));
        self.0.set_modified(UNIX_EPOCH + since)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn os_file(&self) -> Option<Arc<File>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::disk::{read_whole, without_waiting};

    #[test]
    fn releases_of_linux() {
        for release in ["5.8.0", "5.10.0-28-amd64", "6.1", "10.0-rc1"] {
            assert!(reports_failed_writes(release), "{release}");
        }
        for release in ["5.7.19", "4.18.0-553.el8.x86_64", "3.10", "", "five.8"] {
            assert!(!reports_failed_writes(release), "{release}");
        }
    }

    #[test]
    fn what_is_not_in_memory_is_read_by_those_who_may_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = OsDisk.create(&path).unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 4_096) as u8).collect();
        file.write_at(&[IoSlice::new(&bytes)], 0).unwrap();
        let mut read = vec![0; bytes.len()];
        let mut again = || read_whole(&*file, &mut read, 0);
        let is_whole_or_refused = |read: io::Result<usize>| match read {
            Ok(read) => read == bytes.len(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        assert!(is_whole_or_refused(without_waiting(&mut again)));
        file.sync().unwrap();
        let os_file = file.os_file().unwrap();
        rustix::fs::fadvise(&*os_file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let at_once = rustix::io::preadv2(&*os_file, &mut [IoSliceMut::new(&mut [0])], 0, ReadWriteFlags::NOWAIT);
        let refused = without_waiting(&mut again);
        assert!(refused.is_err() || at_once != Err(Errno::AGAIN), "it was waited for");
        assert!(is_whole_or_refused(refused));
        assert_eq!(again().unwrap(), 1_000_000);
        assert_eq!(read, bytes);
    }

    #[test]
    fn a_file_system_that_is_known_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        if let Some(file_system) = OsDisk.file_system(dir.path()) {
            file_system.sync().unwrap();
        }
        assert!(OsDisk.file_system(Path::new("/proc")).is_none());
        assert!(OsDisk.file_system(&dir.path().join("missing")).is_none());
    }
}
