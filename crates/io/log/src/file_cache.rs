//! Keeps the number of open files in check: a log opens its files when they are asked for and may lose them when idle.
//!
//! [`Slot`] is one file that may be open. All slots of a log manager share a [`FileCache`], which closes the handles
//! that were not used lately once more than its limit are open (the CLOCK rule: a used mark buys one more round).
//! A file with unsynced writes keeps its handle, because an error of writeback is reported to handles that were open when
//! it happened, and a handle opened later may never hear of it. Where it was not this process that wrote, or a handle that
//! is gone, there is nothing to keep: thousands of logs are opened after a crash, and none of them may hold a file for that.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::disk::{self, Disk, DiskFile};
use crate::error::Result;

/// Files looked at for closing whenever one is opened above the limit.
const LOOKS_PER_OPEN: usize = 8;

/// The shared limit of open files.
#[derive(Debug)]
pub(crate) struct FileCache {
    /// Where the files are.
    disk: Arc<dyn Disk>,
    limit: usize,
    crowded_above: usize,
    open: AtomicUsize,
    clock: Mutex<VecDeque<Weak<Slot>>>,
}

/// A file that may be open. It may be renamed while it is: whoever opens it later finds the same file.
#[derive(Debug)]
pub(crate) struct Slot {
    cache: Arc<FileCache>,
    handle: Mutex<Handle>,
    used: AtomicBool,
    /// It is in the cache's clock. Changed under its lock.
    queued: AtomicBool,
    /// Writes so far, and how many of them the last sync covered.
    written: AtomicU64,
    synced: AtomicU64,
    /// Others may have written what no sync covers.
    unsure: AtomicBool,
}

#[derive(Debug)]
struct Handle {
    file: Option<Arc<dyn DiskFile>>,
    /// What follows the name that the owner knows.
    suffix: &'static str,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while a handle is swapped")
}

impl FileCache {
    /// A cache that closes what it may above `limit` files. Above `crowded_above`, which is more, files should be synced, so
    /// that it may close them.
    pub(crate) fn new(disk: Arc<dyn Disk>, limit: usize, crowded_above: usize) -> Arc<Self> {
        Arc::new(Self {
            disk,
            limit,
            crowded_above,
            open: AtomicUsize::new(0),
            clock: Mutex::default(),
        })
    }

    /// A file whose name ends with `suffix` behind what its owner says.
    pub(crate) fn slot(self: &Arc<Self>, suffix: &'static str) -> Arc<Slot> {
        Arc::new(Slot {
            cache: Arc::clone(self),
            handle: Mutex::new(Handle { file: None, suffix }),
            used: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            unsure: AtomicBool::new(false),
        })
    }

    /// Where the files are.
    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// How many handles are open now.
    pub(crate) fn open_files(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether so many files are open that those with unsynced writes should not wait any longer.
    pub(crate) fn is_crowded(&self) -> bool {
        self.open_files() > self.crowded_above
    }

    fn opened(&self, slot: &Arc<Slot>) {
        let mut clock = locked(&self.clock);
        if !slot.queued.swap(true, Ordering::Relaxed) {
            clock.push_back(Arc::downgrade(slot));
        }
        // The first look takes the used mark, the next one finds a file unused. A few looks per open keep up with the opens;
        // where all files are dirty there is nothing to find.
        for _ in 0..LOOKS_PER_OPEN {
            if self.open_files() <= self.limit {
                break;
            }
            let Some(oldest) = clock.pop_front() else { break };
            let Some(candidate) = oldest.upgrade() else { continue };
            if Arc::ptr_eq(&candidate, slot) || !candidate.try_evict() {
                clock.push_back(oldest);
            } else {
                candidate.queued.store(false, Ordering::Relaxed);
            }
        }
        // Slots closed by their owners leave dead entries; they must not pile up.
        if clock.len() > 64 && clock.len() > self.open_files().saturating_mul(2) {
            let stays = |slot: Arc<Slot>| {
                let is_open = slot.is_open();
                slot.queued.store(is_open, Ordering::Relaxed);
                is_open
            };
            clock.retain(|slot| slot.upgrade().is_some_and(stays));
        }
    }
}

impl Slot {
    /// The open file; `path` is asked for only when it has to be opened, which a thread that may not wait leaves to others. A
    /// missing file is an error: whoever begins a file creates it, so that a reader that comes late never brings a removed one
    /// back.
    pub(crate) fn file(self: &Arc<Self>, path: impl Fn() -> PathBuf) -> Result<Arc<dyn DiskFile>> {
        self.used.store(true, Ordering::Relaxed);
        let opened = {
            let mut handle = disk::lock(&self.handle, &path)?;
            if let Some(file) = &handle.file {
                return Ok(Arc::clone(file));
            }
            if !disk::may_wait() {
                return Err(disk::would_wait(&path())); // the directory may have to be read
            }
            let suffix = handle.suffix;
            let opened = wherever_it_is(
                || with_suffix(path(), suffix),
                |path| disk::open(&*self.cache.disk, path),
            )?;
            handle.file = Some(Arc::clone(&opened));
            self.cache.open.fetch_add(1, Ordering::Relaxed);
            opened
        };
        self.cache.opened(self);
        Ok(opened)
    }

    /// Renames the file from the suffix that it has to another one. Handles stay good, and nobody opens another file that
    /// takes the old name meanwhile.
    pub(crate) fn rename(&self, path: PathBuf, suffix: &'static str) -> Result<()> {
        let mut handle = locked(&self.handle);
        if handle.suffix == suffix {
            return Ok(());
        }
        let from = with_suffix(path.clone(), handle.suffix);
        disk::rename(&*self.cache.disk, &from, &with_suffix(path, suffix))?;
        handle.suffix = suffix;
        Ok(())
    }

    /// What the file's name ends with.
    pub(crate) fn suffix(&self) -> &'static str {
        locked(&self.handle).suffix
    }

    /// Where the file is.
    pub(crate) fn disk(&self) -> &dyn Disk {
        self.cache.disk()
    }

    /// Tells of a write, before it is made: from now to the next sync the handle is not closed by the cache. What is returned
    /// is dropped when it is made: a sync that began before that may not cover it.
    #[must_use]
    pub(crate) fn writes(&self) -> Writing<'_> {
        self.written.fetch_add(1, Ordering::AcqRel);
        Writing(self)
    }

    /// Has the next sync reach the disk, whatever was written through the handle.
    pub(crate) fn assume_unsynced(&self) {
        self.unsure.store(true, Ordering::Release);
    }

    /// Makes durable what was written; without a system call when that is nothing.
    pub(crate) fn sync(self: &Arc<Self>, path: impl Fn() -> PathBuf) -> Result<()> {
        let written = self.written.load(Ordering::Acquire);
        let unsure = self.unsure.swap(false, Ordering::AcqRel);
        if unsure || self.synced.load(Ordering::Acquire) < written {
            let synced = self.file(&path).and_then(|file| disk::sync(&*file, &path()));
            self.unsure.fetch_or(unsure && synced.is_err(), Ordering::AcqRel);
            synced?;
            self.synced.fetch_max(written, Ordering::AcqRel);
        }
        Ok(())
    }

    /// What [`sync`](Self::sync) would make durable, for whoever syncs it in another way; `None` if there is nothing.
    pub(crate) fn begin_sync(self: &Arc<Self>) -> Option<Unsynced> {
        let written = self.written.load(Ordering::Acquire);
        let unsure = self.unsure.swap(false, Ordering::AcqRel);
        (unsure || self.synced.load(Ordering::Acquire) < written).then(|| Unsynced {
            slot: Arc::clone(self),
            written,
            unsure,
        })
    }

    /// Closes the handle; whoever still reads through it keeps it alive until done.
    fn close(&self) {
        let mut handle = locked(&self.handle);
        if handle.file.take().is_some() {
            self.cache.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Closes the handle of a file that is not used for now, unless it has unsynced writes.
    pub(crate) fn release(&self) {
        if !self.must_stay_open() {
            self.close();
        }
    }

    /// Whether there are writes that no sync covers yet, or may be.
    pub(crate) fn is_dirty(&self) -> bool {
        self.unsure.load(Ordering::Acquire) || self.must_stay_open()
    }

    fn must_stay_open(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.written.load(Ordering::Acquire)
    }

    fn is_open(&self) -> bool {
        locked(&self.handle).file.is_some()
    }

    /// Closes the handle unless the file is dirty or was used since the last look.
    fn try_evict(&self) -> bool {
        if self.must_stay_open() || self.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.close();
        true
    }
}

/// A write that is being made.
#[derive(Debug)]
pub(crate) struct Writing<'a>(&'a Slot);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.written.fetch_add(1, Ordering::AcqRel);
    }
}

/// Writes to a file that a sync is about to cover. Dropped without [`synced`](Self::synced) they stay unsynced.
#[derive(Debug)]
pub(crate) struct Unsynced {
    slot: Arc<Slot>,
    written: u64,
    unsure: bool,
}

impl Unsynced {
    /// They are durable.
    pub(crate) fn synced(mut self) {
        self.unsure = false;
        self.slot.synced.fetch_max(self.written, Ordering::AcqRel);
    }
}

impl Drop for Unsynced {
    fn drop(&mut self) {
        self.slot.unsure.fetch_or(self.unsure, Ordering::AcqRel);
    }
}

/// Does something with the file at `path`, and once more where it is not found there because it was renamed meanwhile.
pub(crate) fn wherever_it_is<T>(path: impl Fn() -> PathBuf, act: impl Fn(&Path) -> Result<T>) -> Result<T> {
    let mut tried = path();
    loop {
        match act(&tried) {
            Err(error) if error.is_not_found() => {
                let now = path();
                if now == tried {
                    return Err(error);
                }
                tried = now;
            }
            done => return done,
        }
    }
}

/// A file's name with a suffix behind it.
pub(crate) fn with_suffix(path: PathBuf, suffix: &str) -> PathBuf {
    let mut path = path.into_os_string();
    path.push(suffix);
    path.into()
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn no_more_than_the_limit_stay_open_and_closed_ones_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 3, usize::MAX);
        let slots: Vec<_> = (0..10).map(|_| cache.slot("")).collect();
        assert!(slots[0].file(|| dir.path().join("0")).unwrap_err().is_not_found());
        (0..10).for_each(|i| drop(disk::create(&OsDisk, &dir.path().join(format!("{i}"))).unwrap()));
        for round in 0..3 {
            for (i, slot) in slots.iter().enumerate() {
                let file = slot.file(|| dir.path().join(format!("{i}"))).unwrap();
                disk::write_at(&*file, dir.path(), &[round], &[], u64::from(round)).unwrap();
                assert!(cache.open_files() <= 3);
            }
        }
        assert_eq!(std::fs::read(dir.path().join("7")).unwrap(), [0, 1, 2]);
        drop(slots);
        assert_eq!(cache.open_files(), 0);
    }

    #[test]
    fn a_file_that_comes_and_goes_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 100, usize::MAX);
        let slots: Vec<_> = (0..50).map(|_| cache.slot("")).collect();
        let path = || dir.path().join("f");
        std::fs::write(path(), "").unwrap();
        for _ in 0..20 {
            for slot in &slots {
                slot.file(path).unwrap();
            }
            slots[1..].iter().for_each(|slot| slot.release());
        }
        assert_eq!(cache.open_files(), 1);
        assert!(locked(&cache.clock).len() <= 64, "{}", locked(&cache.clock).len());
    }

    #[test]
    fn a_path_that_changes_is_followed_until_the_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("new"), "").unwrap();
        let asked = std::cell::Cell::new(0);
        let path = || {
            asked.set(asked.get() + 1);
            dir.path().join(if asked.get() == 1 { "old" } else { "new" })
        };
        FileCache::new(Arc::new(OsDisk), 1, usize::MAX)
            .slot("")
            .file(path)
            .unwrap();
        assert_eq!(asked.get(), 2);
        std::fs::remove_file(dir.path().join("new")).unwrap();
        let missing = FileCache::new(Arc::new(OsDisk), 1, usize::MAX).slot("").file(path);
        assert!(missing.unwrap_err().is_not_found());
    }

    #[test]
    fn a_renamed_file_is_found_again_and_what_takes_its_name_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("f");
        std::fs::write(path(), "old").unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 3, usize::MAX);
        let slot = cache.slot("");
        slot.rename(path(), ".gone").unwrap();
        std::fs::write(path(), "new").unwrap();
        assert_eq!(slot.suffix(), ".gone");
        let read = |slot: &Arc<Slot>| disk::read_at(&*slot.file(path).unwrap(), &path(), &mut [0; 8], 0).unwrap();
        assert_eq!(read(&slot), 3);
        slot.release();
        std::fs::write(dir.path().join("f.gone"), "older").unwrap();
        assert_eq!(read(&slot), 5);
        std::fs::remove_file(path()).unwrap();
        slot.rename(path(), "").unwrap();
        assert_eq!(std::fs::read(path()).unwrap(), b"older");
    }

    #[test]
    fn a_file_with_unsynced_writes_is_not_closed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 1, usize::MAX);
        let (dirty, other) = (cache.slot(""), cache.slot(""));
        for name in ["dirty", "other", "third"] {
            disk::create(&OsDisk, &dir.path().join(name)).unwrap();
        }
        dirty.file(|| dir.path().join("dirty")).unwrap();
        drop(dirty.writes());
        other.file(|| dir.path().join("other")).unwrap();
        assert!(dirty.is_open());
        dirty.sync(|| dir.path().join("dirty")).unwrap();
        other.release();
        other.file(|| dir.path().join("other")).unwrap();
        other.file(|| dir.path().join("other")).unwrap();
        cache.slot("").file(|| dir.path().join("third")).unwrap();
        assert!(!dirty.is_open());
    }

    #[test]
    fn a_write_that_a_sync_may_have_missed_is_left_to_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("f");
        disk::create(&OsDisk, &path()).unwrap();
        let slot = FileCache::new(Arc::new(OsDisk), 1, usize::MAX).slot("");
        let writing = slot.writes();
        slot.sync(path).unwrap();
        drop(writing);
        assert!(slot.is_dirty());

        let begun = slot.begin_sync().unwrap();
        let writing = slot.writes();
        begun.synced();
        drop(writing);
        assert!(slot.is_dirty());

        slot.assume_unsynced();
        drop(slot.begin_sync().unwrap()); // it failed
        slot.begin_sync().unwrap().synced();
        assert!(!slot.is_dirty());
        assert!(slot.begin_sync().is_none());
    }
}
