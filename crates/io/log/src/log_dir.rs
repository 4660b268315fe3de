//! One log directory (one entry of `log.dirs`) as its logs see it: in service or offline, and what they share.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use klamm_records::Scratch;

use crate::disk::{self, Disk, OpenDir};
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::file_cache::FileCache;
use crate::flusher::FlushQueue;

/// Decompression buffers kept between appends, and how large they may stay.
const SCRATCHES: usize = 16;
const SCRATCH_BYTES: usize = 4 << 20;

/// What all logs of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) files: Arc<FileCache>,
    /// Unflushed bytes at which a log asks for a flush.
    pub(crate) background_flush_bytes: u64,
    /// Bytes in a segment behind which a flush leaves a snapshot of the producers' state.
    pub(crate) snapshot_bytes: u32,
    pub(crate) producer_id_expiration_ms: AtomicI64,
    /// Whether a transactional batch has to be part of a transaction that was verified (KIP-890).
    pub(crate) verifies_transactions: AtomicBool,
    scratches: Mutex<Vec<Scratch>>,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        (max_open_files, max_unsynced_files): (usize, usize),
        background_flush_bytes: u64,
        snapshot_bytes: u32,
        producer_id_expiration_ms: i64,
    ) -> Arc<Self> {
        Arc::new(Self {
            files: FileCache::new(disk, max_open_files, max_unsynced_files),
            background_flush_bytes,
            snapshot_bytes,
            producer_id_expiration_ms: AtomicI64::new(producer_id_expiration_ms),
            verifies_transactions: AtomicBool::new(false),
            scratches: Mutex::default(),
        })
    }

    /// After how long idle producers are forgotten, in milliseconds.
    pub(crate) fn producer_id_expiration_ms(&self) -> i64 {
        self.producer_id_expiration_ms.load(Ordering::Relaxed)
    }

    /// Lends a buffer for compressed batches.
    pub(crate) fn with_scratch<T>(&self, f: impl FnOnce(&mut Scratch) -> T) -> T {
        let pool = || self.scratches.lock().expect("no panic while a buffer is taken");
        let mut scratch = pool().pop().unwrap_or_default();
        let result = f(&mut scratch);
        scratch.shrink_to(SCRATCH_BYTES);
        let mut pool = pool();
        if pool.len() < SCRATCHES {
            pool.push(scratch);
        }
        result
    }
}

/// A log directory. Once offline it stays so until a restart (KIP-112): after a failed write or sync nobody knows what
/// the disk holds, and trying again could report as durable what is not.
#[derive(Debug)]
pub(crate) struct LogDir {
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    /// Its logs that want to be flushed.
    pub(crate) flush_queue: FlushQueue,
    /// Itself, kept open to make durable what happens to the names in it: what was renamed can't wait until fewer files are
    /// open.
    names: OnceLock<OpenDir>,
    offline: OnceLock<Arc<str>>,
    /// Partitions' directories created so far, and how many of them the last sync of this directory covered.
    created: AtomicU64,
    synced: AtomicU64,
    /// That it is full, or too many files are open, was logged since the last [`remove_doomed`](Self::remove_doomed).
    told_shortage: AtomicBool,
    /// Files and directories that wait for their removal, in the order of their time.
    doomed: Mutex<VecDeque<Doomed>>,
}

#[derive(Debug)]
struct Doomed {
    at_ms: i64,
    path: PathBuf,
}

impl LogDir {
    pub(crate) fn new(path: PathBuf, shared: Arc<Shared>) -> Arc<Self> {
        // Whoever needs it tries again, and is told why it can't be opened.
        let names = OpenDir::open(shared.files.disk(), &path);
        Arc::new(Self {
            path,
            shared,
            flush_queue: FlushQueue::default(),
            names: names.map_or_else(|_| OnceLock::new(), OnceLock::from),
            offline: OnceLock::new(),
            created: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            told_shortage: AtomicBool::new(false),
            doomed: Mutex::default(),
        })
    }

    /// The disk that the directory is on.
    pub(crate) fn disk(&self) -> &dyn Disk {
        self.shared.files.disk()
    }

    /// The directory itself, open. To be asked for before what is to be made durable is done.
    pub(crate) fn names(&self) -> Result<&OpenDir> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let opened = OpenDir::open(self.disk(), &self.path)?;
        Ok(self.names.get_or_init(|| opened))
    }

    /// Fails when the directory is offline.
    pub(crate) fn check(&self) -> Result<()> {
        match self.offline.get() {
            None => Ok(()),
            Some(reason) => Err(StorageError::Offline {
                dir: self.path.clone(),
                reason: Arc::clone(reason),
            }),
        }
    }

    /// Why the directory is offline, if it is.
    pub(crate) fn offline_reason(&self) -> Option<&str> {
        self.offline.get().map(|reason| &**reason)
    }

    /// Passes a result on and takes the directory offline if it is a failure of the disk. A full disk is not one: what was
    /// written last is outside of what the log counts as its own, and the next append overwrites it. Nor is a file that could
    /// not be opened because too many are. A failed sync always is: what the kernel could not write it may have dropped, and a
    /// second sync would report success over the loss.
    pub(crate) fn watch<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error @ StorageError::Io { operation, .. }) = &result
            && (disk::may_wait() || !error.would_wait() || faults::is_on(Fault::FailOnWait))
        {
            let what = match (error.is_out_of_files(), error.is_out_of_space() && *operation != "sync") {
                (true, _) => "too many files are open: records are refused until some are closed (`ulimit -n`)",
                (_, true) => "log directory is full: records are refused until there is room",
                (false, false) => {
                    self.take_offline(error);
                    return result;
                }
            };
            if !self.told_shortage.swap(true, Ordering::Relaxed) {
                tracing::error!(dir = %self.path.display(), %error, "{what}");
            }
        }
        result
    }

    /// Passes a result on and takes the directory offline whatever the failure: of what must not stop half-way.
    pub(crate) fn fail_on<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.take_offline(error))
    }

    /// Tells that a partition's directory was created.
    pub(crate) fn has_new_partition(&self) {
        self.created.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes the partitions' directories durable, if one was created since the last time.
    pub(crate) fn sync_new_partitions(&self) -> Result<()> {
        let created = self.new_partitions();
        if self.synced.load(Ordering::Acquire) < created {
            self.names()?.sync()?;
            self.new_partitions_synced(created);
        }
        Ok(())
    }

    /// How many partitions' directories were created so far, for whoever syncs them in another way than by
    /// [`sync_new_partitions`](Self::sync_new_partitions).
    pub(crate) fn new_partitions(&self) -> u64 {
        self.created.load(Ordering::Acquire)
    }

    /// The first so many partitions' directories are durable.
    pub(crate) fn new_partitions_synced(&self, created: u64) {
        self.synced.fetch_max(created, Ordering::AcqRel);
    }

    fn take_offline(&self, error: &StorageError) {
        if self.offline.set(error.to_string().into()).is_ok() {
            tracing::error!(dir = %self.path.display(), %error, "log directory goes offline");
        }
    }

    /// Has a file or directory removed by [`remove_doomed`](Self::remove_doomed) at `at_ms` or later.
    pub(crate) fn doom(&self, path: PathBuf, at_ms: i64) {
        let mut doomed = self.doomed.lock().expect("no panic while the list is changed");
        let at = doomed.partition_point(|other| other.at_ms <= at_ms);
        doomed.insert(at, Doomed { at_ms, path });
    }

    /// A partition's directory has another name now: so have the files in it that wait for their removal.
    pub(crate) fn follow_rename(&self, from: &Path, to: &Path) {
        let mut doomed = self.doomed.lock().expect("no panic while the list is changed");
        for Doomed { path, .. } in doomed.iter_mut() {
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
                && parent == from
            {
                *path = to.join(name);
            }
        }
    }

    /// Removes up to `budget` files whose time has come. Says whether more are due.
    pub(crate) fn remove_doomed(&self, now_ms: i64, mut budget: usize) -> Result<bool> {
        self.told_shortage.store(false, Ordering::Relaxed);
        loop {
            let due = {
                let mut doomed = self.doomed.lock().expect("no panic while the list is changed");
                match doomed.front() {
                    Some(first) if first.at_ms <= now_ms && budget == 0 => return Ok(true),
                    Some(first) if first.at_ms <= now_ms => doomed.pop_front().expect("just seen"),
                    _ => return Ok(false),
                }
            };
            budget -= 1;
            let is_file = due.path.extension().is_some_and(|extension| extension == "deleted");
            let removed = self.watch(match is_file {
                true => disk::remove_file(self.disk(), &due.path).map(|()| true),
                false => remove_some(self.disk(), &due.path, &mut budget),
            });
            if !matches!(removed, Ok(true)) {
                self.doom(due.path, due.at_ms);
            }
            removed?;
        }
    }
}

/// Removes files of a directory, and the directory when it is empty; `false` when files are left.
fn remove_some(disk: &dyn Disk, dir: &Path, budget: &mut usize) -> Result<bool> {
    let entries = match disk::list(disk, dir) {
        Err(error) if error.is_not_found() => return Ok(true),
        entries => entries?,
    };
    for entry in &entries {
        if *budget == 0 {
            return Ok(false);
        }
        *budget -= 1;
        let path = dir.join(&entry.name);
        // None of Kafka's, but nothing that a log directory should fail of.
        if entry.is_dir {
            if !remove_some(disk, &path, budget)? {
                return Ok(false);
            }
        } else {
            disk::remove_file(disk, &path)?;
        }
    }
    disk::remove_dir(disk, dir)?;
    Ok(true)
}
