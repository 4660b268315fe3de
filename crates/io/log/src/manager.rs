//! All logs of a node: its log directories, the partitions in them, and the work in their background.
mod cleaning;
mod moving;
mod open;
mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use klamm_protocol::Uuid;

use crate::checkpoint::{
    self, CLEANER_OFFSET_CHECKPOINT, LOG_START_OFFSET_CHECKPOINT, Offsets, RECOVERY_POINT_CHECKPOINT,
    REPLICATION_OFFSET_CHECKPOINT,
};
use crate::config::{LogConfig, ManagerConfig};
use crate::disk::{self, FileSystem, Lock};
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::log::{Log, LogStart};
use crate::log_dir::{LogDir, Shared};
use crate::names::{TopicPartition, delete_dir_name};
use crate::progress::{OpenThread, RecoveryProgress};

use cleaning::Cleaner;
pub use cleaning::{CleanedLog, RoundEnd};
pub use moving::{FutureLog, LogMove, MoveError};
pub use open::{FailedLog, OpenDirReport, OpenError, OpenReport, OpenedLog};
use tick::Schedule;
pub use tick::TickReport;

/// The logs of a node.
///
/// Holds the lock on its log directories. Its owner calls [`tick`](Self::tick) about every second, and
/// [`shutdown`](Self::shutdown) at the end; dropped without that, the next start is an unclean one.
#[derive(Debug)]
pub struct LogManager {
    inner: Arc<Inner>,
    /// One for each log directory.
    flushers: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner {
    config: ManagerConfig,
    shared: Arc<Shared>,
    dirs: Vec<Dir>,
    logs: RwLock<BTreeMap<TopicPartition, Arc<Log>>>,
    /// Held while a log is created or deleted.
    changing: Mutex<()>,
    /// No log is created or opened any more. Set with `changing` held.
    is_shut: AtomicBool,
    /// Copies of logs on their way into other directories.
    moving: Mutex<BTreeMap<TopicPartition, Arc<Log>>>,
    schedule: Mutex<Schedule>,
    cleaner: Cleaner,
    random: AtomicU64,
}

/// A log directory and what belongs to the manager alone.
#[derive(Debug)]
struct Dir {
    dir: Arc<LogDir>,
    directory_id: Option<Uuid>,
    /// What it is on, if that can be synced as a whole.
    file_system: Option<Box<dyn FileSystem>>,
    /// `None`: could not be locked or read at start; offline.
    _lock: Option<Box<dyn Lock>>,
    /// Logs that could not be opened: what is there of them is not touched.
    unopened: Mutex<BTreeMap<TopicPartition, Unopened>>,
    /// Partitions that are not here any more but perhaps still in the checkpoints on disk: a new log of that name must not
    /// be taken for the old one, whose offsets were others.
    gone: Mutex<BTreeSet<TopicPartition>>,
    /// Copies that are about to take a log's place: the checkpoints tell of them before they do.
    arriving: Mutex<Vec<Arc<Log>>>,
    /// Held while a checkpoint of this directory is written.
    writing: Mutex<()>,
    /// When the recovery points were last written.
    recovery_points_written: Mutex<Option<Instant>>,
    /// Flushes have moved recovery points since.
    recovery_points_stale: AtomicBool,
    /// The cleaner's checkpoint is not what the logs say.
    cleaned_stale: AtomicBool,
}

/// A log that could not be opened.
#[derive(Debug)]
struct Unopened {
    path: PathBuf,
    /// Its lines of the checkpoints, which must still be there when it can be opened.
    start: LogStart,
    error: StorageError,
}

/// A log directory as DescribeLogDirs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirInfo {
    /// The directory.
    pub path: PathBuf,
    /// Its id (KIP-858).
    pub directory_id: Option<Uuid>,
    /// Why it is offline, if it is.
    pub offline: Option<String>,
    /// Size of its file system in bytes, if that can be told.
    pub total_bytes: Option<u64>,
    /// Bytes free for the node.
    pub usable_bytes: Option<u64>,
}

const UNPOISONED: &str = "no panic while the list of logs is changed";
/// Logs that are flushed and closed together, at least, while many files are open. Each has some open until then.
const CLOSED_TOGETHER: usize = 64;

impl LogManager {
    /// The log of a partition, if the node has it.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.inner.logs.read().expect(UNPOISONED).get(partition).cloned()
    }

    /// All logs, by topic and partition.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.inner.all_logs()
    }

    /// The log of a partition; creates it when missing, in the directory with this id or else in the one with the fewest
    /// logs. A log that is there keeps its settings and its id. With an id that is not known here nothing is created while a
    /// directory is offline, and where a log of this topic could not be opened none is begun in its place.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        directory: Option<Uuid>,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<Arc<Log>, StorageError> {
        if let Some(log) = self.get(partition) {
            return Ok(log);
        }
        let _changing = self.inner.changing.lock().expect(UNPOISONED);
        if let Some(log) = self.get(partition) {
            return Ok(log);
        }
        if self.inner.is_shut.load(Ordering::Acquire) {
            return Err(StorageError::Closed {
                partition: partition.clone(),
            });
        }
        let found = self.inner.find_unopened(partition, topic_id, &config, now_ms)?;
        let was_unopened = found.is_some();
        let log = match found {
            Some(log) => log,
            None => self.inner.create(partition, directory, config, now_ms)?,
        };
        if let Some(topic_id) = topic_id
            && !log.assign_topic_id(topic_id)?
        {
            let problem = format!("there is a log of another topic, not of {topic_id}");
            return Err(StorageError::malformed(&log.dir(), problem));
        }
        self.inner
            .logs
            .write()
            .expect(UNPOISONED)
            .insert(partition.clone(), Arc::clone(&log));
        // Not before: a checkpoint that is written meanwhile has its lines from the one or the other.
        for dir in &self.inner.dirs {
            dir.unopened.lock().expect(UNPOISONED).remove(partition);
        }
        // Its recovery point may be lower now: what is appended is not to be taken for synced.
        if was_unopened
            && let Some(dir) = self.inner.dir_of(&log)
            && let Err(error) = self.inner.write_checkpoints(dir)
        {
            tracing::warn!(%partition, %error, "checkpoints not written, which is tried again");
            dir.recovery_points_stale.store(true, Ordering::Relaxed);
        }
        Ok(log)
    }

    /// Takes a partition's log out of service and has its directory removed after `file.delete.delay.ms`. `false`: the node
    /// does not have it.
    pub fn delete(&self, partition: &TopicPartition, now_ms: i64) -> Result<bool, StorageError> {
        let _changing = self.inner.changing.lock().expect(UNPOISONED);
        match self.inner.take(partition) {
            Some(log) => {
                self.inner.note_gone(&log);
                log.delete(self.inner.unique(), now_ms).map(|()| true)
            }
            None => self.inner.delete_unopened(partition, now_ms),
        }
    }

    /// Takes a log out of service that is not the cluster's, and leaves its records under a name of their own, with `-stray`
    /// at the end, for people to look at. `false`: the node does not have it.
    pub fn set_aside(&self, partition: &TopicPartition) -> Result<bool, StorageError> {
        let _changing = self.inner.changing.lock().expect(UNPOISONED);
        match self.inner.take(partition) {
            Some(log) => {
                self.inner.note_gone(&log);
                log.set_aside(self.inner.unique()).map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Truncates a log, once the lower recovery point and log start are on disk.
    pub fn truncate_to(&self, log: &Log, offset: i64, now_ms: i64) -> Result<bool, StorageError> {
        log.truncate_prepared(offset, now_ms, || self.inner.write_lower_offsets(log))
    }

    /// The log directories, in the order of the settings.
    pub fn log_dirs(&self) -> Vec<LogDirInfo> {
        self.inner.dirs.iter().map(Dir::info).collect()
    }

    /// The ids of the log directories, as far as they could be read.
    pub fn directory_ids(&self) -> Vec<(PathBuf, Uuid)> {
        let dirs = self.inner.dirs.iter();
        dirs.filter_map(|dir| Some((dir.dir.path.clone(), dir.directory_id?)))
            .collect()
    }

    /// The ids of the log directories that are out of service.
    pub fn offline_directories(&self) -> Vec<Uuid> {
        let offline = self.inner.dirs.iter().filter(|dir| dir.dir.check().is_err());
        offline.filter_map(|dir| dir.directory_id).collect()
    }

    /// Whether any log directory is in service.
    pub fn is_online(&self) -> bool {
        self.inner.dirs.iter().any(|dir| dir.dir.check().is_ok())
    }

    /// Puts new values of `producer.id.expiration.ms` and `transaction.partition.verification.enable` in force.
    pub fn update_producer_settings(&self, expiration_ms: i64, verifies_transactions: bool) {
        let shared = &self.inner.shared;
        shared.producer_id_expiration_ms.store(expiration_ms, Ordering::Relaxed);
        shared
            .verifies_transactions
            .store(verifies_transactions, Ordering::Relaxed);
    }

    /// How far opening the logs has come, and what was lost then.
    pub fn recovery_progress(&self) -> &Arc<RecoveryProgress> {
        &self.inner.config.progress
    }

    /// Files open now.
    pub fn open_files(&self) -> usize {
        self.inner.shared.files.open_files()
    }

    /// Flushes and closes all logs and marks the directories as cleanly left (KIP-966: with the broker's epoch). Returns the
    /// first failure; directories without one are clean all the same. Nothing is appended afterwards.
    pub fn shutdown(&self, broker_epoch: i64) -> Result<(), StorageError> {
        {
            let _changing = self.inner.changing.lock().expect(UNPOISONED);
            self.inner.is_shut.store(true, Ordering::Release);
        }
        self.stop_flushers();
        let mut first_failure = Ok(());
        for dir in &self.inner.dirs {
            let result = self.inner.close_dir(dir, broker_epoch);
            if let Err(error) = &result {
                tracing::error!(dir = %dir.dir.path.display(), %error, "log directory was not left cleanly");
            }
            first_failure = first_failure.and(result);
        }
        first_failure
    }

    fn stop_flushers(&self) {
        for dir in &self.inner.dirs {
            dir.dir.flush_queue.stop();
        }
        for flusher in self.flushers.lock().expect(UNPOISONED).drain(..) {
            if flusher.join().is_err() {
                tracing::error!("a flush thread panicked");
            }
        }
    }
}

impl Drop for LogManager {
    fn drop(&mut self) {
        self.stop_flushers();
    }
}

impl Dir {
    fn info(&self) -> LogDirInfo {
        let space = self.dir.disk().space(&self.dir.path);
        LogDirInfo {
            path: self.dir.path.clone(),
            directory_id: self.directory_id,
            offline: self.dir.offline_reason().map(str::to_owned),
            total_bytes: space.map(|space| space.total_bytes),
            usable_bytes: space.map(|space| space.usable_bytes),
        }
    }
}

impl Inner {
    fn all_logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().expect(UNPOISONED).values().cloned().collect()
    }

    fn logs_in(&self, dir: &Dir) -> Vec<Arc<Log>> {
        let logs = self.logs.read().expect(UNPOISONED);
        logs.values().filter(|log| log.is_in(&dir.dir)).cloned().collect()
    }

    fn count_in(&self, dir: &Dir) -> usize {
        let logs = self.logs.read().expect(UNPOISONED);
        logs.values().filter(|log| log.is_in(&dir.dir)).count()
    }

    /// The directory of a log of this manager.
    fn dir_of(&self, log: &Log) -> Option<&Dir> {
        self.dirs.iter().find(|dir| log.is_in(&dir.dir))
    }

    fn take(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.write().expect(UNPOISONED).remove(partition)
    }

    fn unique(&self) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }

    fn random(&self) -> u64 {
        // SplitMix64.
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Makes the log of a new partition.
    fn create(
        &self,
        partition: &TopicPartition,
        directory: Option<Uuid>,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<Arc<Log>> {
        let dir = self.directory_for_new_log(directory)?;
        if dir.gone.lock().expect(UNPOISONED).contains(partition) && !faults::is_on(Fault::InheritCheckpoints) {
            self.write_checkpoints(dir)?;
        }
        let path = dir.dir.path.join(partition.to_string());
        let created = disk::create_dir(dir.dir.disk(), &path).and_then(|()| {
            Log::open(
                Arc::clone(&dir.dir),
                path,
                partition.clone(),
                config,
                LogStart::default(),
                now_ms,
                &OpenThread::default(),
            )
        });
        dir.dir.watch(created).map(|(log, _)| log)
    }

    /// The log of a partition that is there and could not be opened for lack of room or of files, if it can be now; fails where
    /// it can't. One of another topic makes room.
    fn find_unopened(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Option<Arc<Log>>> {
        for (at, dir) in self.dirs.iter().enumerate() {
            let (path, error) = match dir.unopened.lock().expect(UNPOISONED).get(partition) {
                Some(unopened) => (unopened.path.clone(), unopened.error.clone()),
                None => continue,
            };
            let found = checkpoint::read_partition_metadata(dir.dir.disk(), &path);
            match (found.ok().flatten(), topic_id) {
                (Some(found), Some(topic_id)) if found != topic_id => {
                    self.delete_unopened(partition, now_ms)?;
                }
                _ => {
                    return self
                        .open_again(at, partition, config, now_ms)
                        .unwrap_or(Err(error))
                        .map(Some);
                }
            }
        }
        Ok(None)
    }

    /// As [`Log::delete`], for one that could not be opened; `false` if there is none.
    fn delete_unopened(&self, partition: &TopicPartition, now_ms: i64) -> Result<bool> {
        for Dir {
            dir, unopened, gone, ..
        } in &self.dirs
        {
            let mut unopened = unopened.lock().expect(UNPOISONED);
            let Some(Unopened { path, .. }) = unopened.get(partition) else {
                continue;
            };
            dir.check()?;
            let doomed = dir.path.join(delete_dir_name(partition, self.unique()));
            let renamed = dir.names().and_then(|names| {
                disk::rename(dir.disk(), path, &doomed)?;
                names.sync()
            });
            dir.watch(renamed)?;
            unopened.remove(partition);
            gone.lock().expect(UNPOISONED).insert(partition.clone());
            let delay_ms = LogConfig::default().file_delete_delay_ms;
            dir.doom(doomed, now_ms.saturating_add(delay_ms));
            return Ok(true);
        }
        Ok(false)
    }

    /// A directory that nobody here knows may be one that could not be read, with the log in it: as long as there is one, no
    /// second log is begun elsewhere.
    fn directory_for_new_log(&self, wanted: Option<Uuid>) -> Result<&Dir> {
        let is_known = |id: &Uuid| self.dirs.iter().any(|dir| dir.directory_id == Some(*id));
        if wanted.is_some_and(|id| !is_known(&id)) {
            self.dirs.iter().try_for_each(|dir| dir.dir.check())?;
        }
        let wanted = wanted.filter(is_known);
        let candidates = self
            .dirs
            .iter()
            .filter(|dir| wanted.is_none() || dir.directory_id == wanted);
        let (online, offline): (Vec<_>, Vec<_>) = candidates.partition(|dir| dir.dir.check().is_ok());
        let fewest = match online[..] {
            [only] => Some(only),
            _ => online.into_iter().min_by_key(|dir| self.count_in(dir)),
        };
        match fewest {
            Some(dir) => Ok(dir),
            None => Err(offline
                .first()
                .expect("a node has log directories")
                .dir
                .check()
                .expect_err("it is offline")),
        }
    }

    fn write_offsets(
        &self,
        dir: &Dir,
        name: &str,
        offset: impl Fn(&Log) -> Option<i64>,
        unopened: impl Fn(&LogStart) -> Option<i64>,
    ) -> Result<()> {
        dir.dir.check()?;
        let _writing = dir.writing.lock().expect(UNPOISONED);
        let mut offsets: Offsets = {
            let all = dir.unopened.lock().expect(UNPOISONED);
            let lines = all
                .iter()
                .filter_map(|(tp, log)| Some((tp.clone(), unopened(&log.start)?)));
            lines.collect()
        };
        // First those that arrive, which are among the others before they are not here any more.
        let mut logs = dir.arriving.lock().expect(UNPOISONED).clone();
        logs.extend(self.logs_in(dir));
        for log in logs {
            if let Some(offset) = offset(&log) {
                offsets.insert(log.topic_partition().clone(), offset);
            }
        }
        dir.dir.watch(checkpoint::write_offsets(
            dir.dir.disk(),
            &dir.dir.path.join(name),
            &offsets,
        ))
    }

    fn write_recovery_points(&self, dir: &Dir) -> Result<()> {
        let mut written = dir.recovery_points_written.lock().expect(UNPOISONED);
        dir.recovery_points_stale.store(false, Ordering::Relaxed);
        let point = |log: &Log| Some(log.recovery_point());
        let unopened = |start: &LogStart| Some(start.recovery_point);
        self.write_offsets(dir, RECOVERY_POINT_CHECKPOINT, point, unopened)?;
        *written = Some(Instant::now());
        Ok(())
    }

    /// Writes all checkpoints, which then know of the logs that are there and of no others.
    fn write_checkpoints(&self, dir: &Dir) -> Result<()> {
        let gone = dir.gone.lock().expect(UNPOISONED).clone();
        self.write_recovery_points(dir)?;
        self.write_other_checkpoints(dir)?;
        dir.gone
            .lock()
            .expect(UNPOISONED)
            .retain(|partition| !gone.contains(partition));
        Ok(())
    }

    fn note_gone(&self, log: &Log) {
        if let Some(dir) = self.dir_of(log) {
            dir.gone.lock().expect(UNPOISONED).insert(log.topic_partition().clone());
            if log.cleaned_offset().is_some() {
                dir.cleaned_stale.store(true, Ordering::Release);
            }
        }
    }

    fn write_log_starts(&self, dir: &Dir) -> Result<()> {
        self.write_offsets(dir, LOG_START_OFFSET_CHECKPOINT, Log::log_start_to_keep, |start| {
            Some(start.log_start_offset)
        })
    }

    fn write_lower_offsets(&self, log: &Log) -> Result<()> {
        let Some(dir) = self.dir_of(log) else {
            return Ok(());
        };
        if !faults::is_on(Fault::KeepRecoveryPoint) {
            self.write_recovery_points(dir)?;
        }
        self.write_log_starts(dir)?;
        match log.cleaned_offset() {
            Some(_) => self.write_cleaned_offsets(dir),
            None => Ok(()),
        }
    }

    fn write_cleaned_offsets(&self, dir: &Dir) -> Result<()> {
        dir.cleaned_stale.store(false, Ordering::Release);
        self.write_offsets(dir, CLEANER_OFFSET_CHECKPOINT, Log::cleaned_offset, |start| {
            start.cleaned_offset
        })
        .inspect_err(|_| dir.cleaned_stale.store(true, Ordering::Release))
    }

    fn write_other_checkpoints(&self, dir: &Dir) -> Result<()> {
        self.write_log_starts(dir)?;
        let high_watermark = |log: &Log| Some(log.high_watermark());
        self.write_offsets(dir, REPLICATION_OFFSET_CHECKPOINT, high_watermark, |start| {
            Some(start.high_watermark)
        })?;
        if dir.cleaned_stale.load(Ordering::Acquire) {
            self.write_cleaned_offsets(dir)?;
        }
        Ok(())
    }

    fn close_dir(&self, dir: &Dir, broker_epoch: i64) -> Result<()> {
        dir.dir.check()?;
        let logs = self.logs_in(dir);
        let (mut unflushed, mut closed) = (Vec::new(), 0);
        for (at, log) in logs.iter().enumerate() {
            if log.prepare_close()? {
                unflushed.push(Arc::clone(log));
            }
            // What was completed stays open until it is synced: all logs at once may be more than there may be files.
            let are_enough = unflushed.len() >= CLOSED_TOGETHER && self.shared.files.is_crowded();
            if at + 1 == logs.len() || are_enough {
                // What is left is flushed where it is closed.
                self.flusher(dir).flush_many(std::mem::take(&mut unflushed));
                let threads = self.config.recovery_threads_per_data_dir;
                for_each_in_threads(threads, &logs[closed..=at], |_, log| log.close())?;
                closed = at + 1;
            }
        }
        self.write_checkpoints(dir)?;
        if dir.unopened.lock().expect(UNPOISONED).is_empty() {
            dir.dir.watch(checkpoint::write_clean_shutdown(
                dir.dir.disk(),
                &dir.dir.path,
                broker_epoch,
            ))?;
        }
        Ok(())
    }
}

/// Works through `items` in some threads, which `work` is told the number of; the first error ends it.
fn for_each_in_threads<T: Sync, E: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let run = &|thread| {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(thread, item) {
                next.store(items.len(), Ordering::Relaxed);
                failure.lock().expect(UNPOISONED).get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 1..threads.min(items.len()) {
            scope.spawn(move || run(thread));
        }
        run(0);
    });
    failure.into_inner().expect(UNPOISONED).map_or(Ok(()), Err)
}
