//! Starting: lock the directories, check whose they are, open every log in them.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use klamm_protocol::Uuid;

use super::{Cleaner, Dir, Inner, LogManager, Schedule, UNPOISONED, Unopened, for_each_in_threads};
use crate::checkpoint::{
    self, CLEANER_OFFSET_CHECKPOINT, LOG_START_OFFSET_CHECKPOINT, Offsets, RECOVERY_POINT_CHECKPOINT,
    REPLICATION_OFFSET_CHECKPOINT, Shutdown,
};
use crate::config::{LogConfig, ManagerConfig};
use crate::dir_lock::{self, LockError};
use crate::disk::{self, Disk};
use crate::error::{Result, StorageError};
use crate::log::{Log, LogStart, Opened};
use crate::log_dir::{LogDir, Shared};
use crate::meta_properties::MetaProperties;
use crate::names::{CLUSTER_METADATA_TOPIC, PartitionDir, TopicPartition};
use crate::progress::OpenThread;

use report::log_recovery;
pub use report::{FailedLog, OpenDirReport, OpenError, OpenReport, OpenedLog};

mod report;

/// A partition's directory to be opened.
#[derive(Clone)]
struct Candidate {
    dir: usize,
    path: PathBuf,
    partition: TopicPartition,
    start: LogStart,
}

/// What is left of a deleted partition.
struct Deleted {
    dir: usize,
    path: PathBuf,
    partition: TopicPartition,
    start: LogStart,
}

/// A copy of a log, on its way from another directory.
struct Future {
    dir: usize,
    path: PathBuf,
    partition: TopicPartition,
    /// What the checkpoints tell of it, as they do before it takes the log's place.
    start: Option<LogStart>,
}

/// Offsets in the checkpoints of a log directory.
#[derive(Default)]
struct Checkpoints {
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    cleaned: Offsets,
}

impl LogManager {
    /// Opens all logs in the log directories, several at a time, and recovers those that were not closed. `config_of` gives
    /// a topic's settings, as far as they are known by then.
    pub fn open(
        config: ManagerConfig,
        config_of: impl Fn(&str) -> LogConfig + Sync,
        now_ms: i64,
    ) -> Result<(Self, OpenReport), OpenError> {
        let started = Instant::now();
        let shared = Shared::new(
            Arc::clone(&config.disk),
            (config.max_open_files, config.max_unsynced_files),
            config.background_flush_bytes,
            config.snapshot_bytes,
            config.producer_id_expiration_ms,
        );
        shared
            .verifies_transactions
            .store(config.verifies_transactions, Ordering::Relaxed);
        let random = AtomicU64::new(config.seed);
        let mut inner = Inner {
            dirs: Vec::new(),
            logs: RwLock::default(),
            changing: Mutex::new(()),
            is_shut: AtomicBool::new(false),
            moving: Mutex::default(),
            schedule: Mutex::new(Schedule::new(now_ms, config.initial_task_delay_ms)),
            cleaner: Cleaner::default(),
            shared,
            random,
            config,
        };
        inner.lock_dirs()?;
        let mut report = OpenReport {
            dirs: Vec::new(),
            recovered: Vec::new(),
            failed: Vec::new(),
            unfinished_moves: Vec::new(),
            completed_moves: Vec::new(),
            logs: 0,
            duration: Duration::ZERO,
        };
        let candidates = inner.find_logs(&config_of, &mut report, now_ms)?;
        inner.open_logs(candidates, &config_of, now_ms, &mut report);
        // The next start must know of them, however soon it comes: of a log that ends too early what is appended now would be
        // taken for synced.
        for dir in &inner.dirs {
            let has_come = |(_, to): &(TopicPartition, PathBuf)| *to == dir.dir.path;
            let ends_too_early = |log: &OpenedLog| {
                let logs = inner.logs.read().expect(UNPOISONED);
                log.opened.ends_too_early() && logs.get(&log.partition).is_some_and(|log| log.is_in(&dir.dir))
            };
            if (report.completed_moves.iter().any(has_come) || report.recovered.iter().any(ends_too_early))
                && let Err(error) = inner.write_checkpoints(dir)
            {
                tracing::warn!(dir = %dir.dir.path.display(), %error, "checkpoints not written after the logs were opened");
            }
        }
        report.logs = inner.logs.get_mut().expect(UNPOISONED).len();
        report.duration = started.elapsed();
        if inner.dirs.iter().all(|dir| dir.dir.check().is_err()) {
            inner.dirs.first().map_or(Ok(()), |first| first.dir.check())?;
        }
        let inner = Arc::new(inner);
        let manager = Self {
            flushers: Mutex::default(),
            inner,
        };
        if !manager.inner.config.flush_in_tick {
            for at in 0..manager.inner.dirs.len() {
                let flusher = start_flusher(&manager.inner, at)?;
                manager.flushers.lock().expect(UNPOISONED).push(flusher);
            }
        }
        Ok((manager, report))
    }
}

/// Starts the thread that flushes the logs of one directory.
fn start_flusher(inner: &Arc<Inner>, dir: usize) -> Result<JoinHandle<()>> {
    let inner = Arc::clone(inner);
    std::thread::Builder::new()
        .name("klamm-flush".into())
        .spawn(move || {
            let dir = &inner.dirs[dir];
            inner.flusher(dir).run(|| inner.on_flushed(dir));
        })
        .map_err(|error| StorageError::io("start a thread for", Path::new("flushing"), error))
}

impl Inner {
    /// A directory that can't be read, locked or given an id is offline, for lack of files or of room, too: what is not known to
    /// be there could be overwritten.
    fn lock_dirs(&mut self) -> Result<(), OpenError> {
        let mut cluster_id = self.config.cluster_id.clone();
        let disk = &*Arc::clone(&self.config.disk);
        let mut found = Vec::new();
        // Look at all of them before anything is written, be it a lock.
        for path in &self.config.log_dirs {
            let meta = match MetaProperties::read_on(disk, path) {
                Ok(None) => return Err(OpenError::NotFormatted { dir: path.clone() }),
                Ok(Some(meta)) => {
                    let expected = cluster_id.get_or_insert_with(|| meta.cluster_id.clone());
                    check_identity(path, &meta, expected, self.config.node_id)?;
                    Ok(meta)
                }
                Err(error) => Err(error),
            };
            found.push((path.clone(), meta));
        }
        let mut locked = Vec::new();
        for (path, meta) in found {
            let meta = match meta.map(|meta| (meta, dir_lock::lock(disk, &path))) {
                Ok((meta, Ok(lock))) => Ok((meta, lock)),
                Ok((_, Err(LockError::Storage(error)))) | Err(error) => Err(error),
                Ok((_, Err(error))) => return Err(error.into()),
            };
            locked.push((path, meta));
        }
        for (path, locked) in locked {
            let dir = LogDir::new(path, Arc::clone(&self.shared));
            let opened = locked.and_then(|(meta, lock)| Ok((self.directory_id(&dir, meta)?, lock)));
            let (directory_id, lock) = dir.fail_on(opened).ok().unzip();
            // Before anything is written there: it tells of failures from then on.
            let file_system = lock.as_ref().and_then(|_| disk.file_system(&dir.path));
            self.dirs.push(Dir {
                dir,
                directory_id,
                file_system,
                _lock: lock,
                unopened: Mutex::default(),
                gone: Mutex::default(),
                arriving: Mutex::default(),
                writing: Mutex::default(),
                recovery_points_written: Mutex::new(None),
                recovery_points_stale: AtomicBool::new(false),
                cleaned_stale: AtomicBool::new(true),
            });
        }
        Ok(())
    }

    /// The directory's id; gives it one if it is older than those.
    fn directory_id(&self, dir: &LogDir, mut meta: MetaProperties) -> Result<Uuid> {
        if let Some(id) = meta.directory_id {
            return Ok(id);
        }
        let id = Uuid::random(&mut || self.random());
        meta.directory_id = Some(id);
        meta.write_on(dir.disk(), &dir.path)?;
        Ok(id)
    }

    fn find_logs(
        &mut self,
        config_of: &impl Fn(&str) -> LogConfig,
        report: &mut OpenReport,
        now_ms: i64,
    ) -> Result<Vec<Candidate>, OpenError> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut seen: BTreeMap<TopicPartition, usize> = BTreeMap::new();
        let (mut futures, mut deleted) = (Vec::new(), Vec::new());
        for (at, dir) in self.dirs.iter().enumerate() {
            let disk = dir.dir.disk();
            let found = dir
                .dir
                .check()
                .and_then(|()| dir.dir.fail_on(read_dir(disk, &dir.dir.path)));
            let Ok((shutdown, checkpoints, entries)) = found else {
                continue;
            };
            let mut gone = checkpoints.partitions();
            let mut foreign = Vec::new();
            for name in entries {
                match PartitionDir::parse(&name) {
                    Some(PartitionDir::Current(partition)) if &*partition.topic == CLUSTER_METADATA_TOPIC => {}
                    Some(PartitionDir::Current(partition)) => {
                        if let Some(other) = seen.insert(partition.clone(), at) {
                            let dirs = [self.dirs[other].dir.path.clone(), dir.dir.path.clone()];
                            return Err(OpenError::Duplicate { partition, dirs });
                        }
                        let start = checkpoints.start_of(&partition, shutdown);
                        gone.remove(&partition);
                        candidates.push(Candidate {
                            dir: at,
                            path: dir.dir.path.join(name),
                            partition,
                            start,
                        });
                    }
                    Some(PartitionDir::Delete(partition)) => {
                        let start = checkpoints.start_of(&partition, shutdown);
                        deleted.push(Deleted {
                            dir: at,
                            path: dir.dir.path.join(name),
                            partition,
                            start,
                        });
                    }
                    Some(PartitionDir::Future(partition)) => {
                        let start = checkpoints.announced(&partition);
                        futures.push(Future {
                            dir: at,
                            path: dir.dir.path.join(name),
                            partition,
                            start,
                        });
                    }
                    Some(PartitionDir::Stray(_)) => {}
                    None => foreign.push(name),
                }
            }
            *dir.gone.lock().expect(UNPOISONED) = gone;
            report.dirs.push(OpenDirReport {
                path: dir.dir.path.clone(),
                shutdown,
                foreign,
            });
        }
        // Nothing is changed before it is known that the node starts.
        for dir in &self.dirs {
            let was_clean = |found: &OpenDirReport| found.path == dir.dir.path && found.shutdown != Shutdown::Unclean;
            if report.dirs.iter().any(was_clean) {
                // A failure takes the directory offline, and its logs don't open: the mark would still be there after a kill.
                let _failed = dir
                    .dir
                    .fail_on(checkpoint::remove_clean_shutdown(dir.dir.disk(), &dir.dir.path));
            }
        }
        let all_are_read = || self.dirs.iter().try_for_each(|dir| dir.dir.check());
        let mut kept = BTreeSet::new();
        for future in futures {
            let Future {
                dir: at,
                path,
                partition,
                start,
            } = future;
            let dir = &self.dirs[at].dir;
            if dir.check().is_err() {
                continue;
            }
            let is_here = seen.contains_key(&partition);
            let old = self.old_log(at, &partition, &path, &deleted);
            // What is left of a deleted log may be of a move before this one, and the log itself where nothing can be read.
            let known = old.and_then(|old| all_are_read().map(|()| old));
            let old = match known {
                Err(error) if !is_here => {
                    tracing::error!(%partition, copy = %path.display(), %error, "nobody knows whether the copy of a log is complete");
                    kept.insert(partition.clone());
                    let start = start.unwrap_or_default();
                    self.note_unopened(at, partition, Unopened { path, start, error }, report);
                    continue;
                }
                known => known.ok().flatten().filter(|_| !is_here),
            };
            let Some(old) = old else {
                // It is copied anew; what there is of the copy goes.
                report.unfinished_moves.push((partition, dir.path.clone()));
                dir.doom(path, now_ms);
                continue;
            };
            let settled = dir.path.join(partition.to_string());
            let renamed = dir.names().and_then(|names| {
                disk::rename(dir.disk(), &path, &settled)?;
                names.sync()
            });
            if dir.fail_on(renamed).is_ok() {
                tracing::info!(%partition, dir = %dir.path.display(), "the log's move is completed");
                seen.insert(partition.clone(), at);
                self.dirs[at].gone.lock().expect(UNPOISONED).remove(&partition);
                report.completed_moves.push((partition.clone(), dir.path.clone()));
                candidates.push(Candidate {
                    dir: at,
                    path: settled,
                    partition,
                    start: LogStart {
                        recovery_point: 0,
                        clean: false,
                        ..start.unwrap_or(old)
                    },
                });
            }
        }
        // What is left of a log tells that its copy, which may lie in a directory that is offline, is complete.
        if all_are_read().is_ok() {
            deleted.retain(|deleted| !kept.contains(&deleted.partition));
            for Deleted {
                dir, path, partition, ..
            } in deleted
            {
                tracing::info!(%partition, dir = %path.display(), "will remove what is left of a deleted partition");
                let delay_ms = config_of(&partition.topic).file_delete_delay_ms;
                self.dirs[dir].dir.doom(path, now_ms.saturating_add(delay_ms));
            }
        }
        Ok(candidates)
    }

    /// Where the log began whose place a copy was about to take: the log was renamed for its removal already, and so the copy
    /// complete, when the node died. Fails when the topic of the one or the other can't be read.
    fn old_log(
        &self,
        dir: usize,
        partition: &TopicPartition,
        future: &Path,
        deleted: &[Deleted],
    ) -> Result<Option<LogStart>> {
        let id_of = |dir: usize, path: &Path| {
            let dir = &self.dirs[dir].dir;
            dir.watch(checkpoint::read_partition_metadata(dir.disk(), path))
        };
        let id = id_of(dir, future)?;
        for old in deleted.iter().filter(|deleted| deleted.partition == *partition) {
            let id_of_old = id_of(old.dir, &old.path)?;
            if id.is_some() && id_of_old == id {
                return Ok(Some(old.start));
            }
        }
        Ok(None)
    }

    fn note_unopened(&self, dir: usize, partition: TopicPartition, unopened: Unopened, report: &mut OpenReport) {
        let error = unopened.error.clone();
        let mut of_dir = self.dirs[dir].unopened.lock().expect(UNPOISONED);
        of_dir.insert(partition.clone(), unopened);
        report.failed.push(FailedLog { partition, error });
    }

    fn open_logs(
        &mut self,
        candidates: Vec<Candidate>,
        config_of: &(impl Fn(&str) -> LogConfig + Sync),
        now_ms: i64,
        report: &mut OpenReport,
    ) {
        let results = Mutex::new(Vec::with_capacity(candidates.len()));
        let open = |candidate: &Candidate, thread: &OpenThread| {
            let opened = self.open_log(candidate, config_of(&candidate.partition.topic), now_ms, thread);
            results.lock().expect(UNPOISONED).push((candidate.clone(), opened));
            thread.end_log();
        };
        self.in_threads_of_each_dir(candidates, open);
        for (candidate, opened) in results.into_inner().expect(UNPOISONED) {
            let Candidate {
                dir,
                path,
                partition,
                start,
            } = candidate;
            match opened {
                Ok((log, opened)) => {
                    if opened.bytes_checked > 0 || !opened.events.is_empty() {
                        log_recovery(&partition, &opened);
                        let (records, bytes) = opened.lost();
                        self.config.progress.note_lost(records, bytes);
                        report.recovered.push(OpenedLog {
                            partition: partition.clone(),
                            opened,
                        });
                    }
                    self.logs.get_mut().expect(UNPOISONED).insert(partition, log);
                }
                Err(error) => {
                    tracing::error!(%partition, %error, "the log cannot be opened");
                    self.note_unopened(dir, partition, Unopened { path, start, error }, report);
                }
            }
        }
        report.recovered.sort_by(|a, b| a.partition.cmp(&b.partition));
    }
}

impl Inner {
    /// Tries again with a log that could not be opened for lack of room or of files; `None` where that is not why, or what is
    /// there is a copy that nobody knows to be complete.
    pub(super) fn open_again(
        &self,
        at: usize,
        partition: &TopicPartition,
        config: &LogConfig,
        now_ms: i64,
    ) -> Option<Result<Arc<Log>>> {
        let dir = &self.dirs[at];
        let candidate = {
            let unopened = dir.unopened.lock().expect(UNPOISONED);
            let Unopened { path, start, error } = unopened.get(partition)?;
            let may_do = error.is_out_of_space() || error.is_out_of_files();
            if !may_do || *path != dir.dir.path.join(partition.to_string()) {
                return None;
            }
            Candidate {
                dir: at,
                path: path.clone(),
                partition: partition.clone(),
                start: *start,
            }
        };
        let opened = self.open_log(&candidate, config.clone(), now_ms, &OpenThread::default());
        Some(opened.map(|(log, opened)| {
            log_recovery(partition, &opened);
            let (records, bytes) = opened.lost();
            self.config.progress.note_lost(records, bytes);
            log
        }))
    }

    fn open_log(
        &self,
        candidate: &Candidate,
        config: LogConfig,
        now_ms: i64,
        thread: &OpenThread,
    ) -> Result<(Arc<Log>, Opened)> {
        let dir = &self.dirs[candidate.dir].dir;
        dir.check()?;
        let (log, opened) = dir.watch(Log::open(
            Arc::clone(dir),
            candidate.path.clone(),
            candidate.partition.clone(),
            config,
            candidate.start,
            now_ms,
            thread,
        ))?;
        // What recovery writes keeps its file open until it is synced. The first logs leave that to the background; thousands
        // would take more files than a process may have.
        if self.shared.files.is_crowded() {
            log.flush()?;
            log.release_if_idle();
        }
        Ok((log, opened))
    }

    /// Each log directory has threads of its own (`num.recovery.threads.per.data.dir`), so that one slow disk does not keep
    /// the others waiting.
    fn in_threads_of_each_dir(&self, candidates: Vec<Candidate>, open: impl Fn(&Candidate, &OpenThread) + Sync) {
        let threads = self.config.recovery_threads_per_data_dir;
        let mut of_dirs: Vec<Vec<Candidate>> = self.dirs.iter().map(|_| Vec::new()).collect();
        for candidate in candidates {
            of_dirs[candidate.dir].push(candidate);
        }
        let begin = |(dir, candidates): (&Dir, &Vec<Candidate>)| {
            let progress = &self.config.progress;
            progress.begin(&dir.dir.path, candidates.len(), threads)
        };
        let progress: Vec<_> = self.dirs.iter().zip(&of_dirs).map(begin).collect();
        let work = &|at: usize, candidates: &[Candidate]| {
            let progress = &progress[at];
            let never_fails: Result<(), std::convert::Infallible> =
                for_each_in_threads(threads, candidates, |thread, candidate| {
                    open(candidate, &progress.thread(thread));
                    Ok(())
                });
            never_fails.expect("nothing that fails");
        };
        std::thread::scope(|scope| {
            for (at, candidates) in of_dirs.iter().enumerate().skip(1) {
                scope.spawn(move || work(at, candidates));
            }
            work(0, &of_dirs[0]);
        });
    }
}

fn check_identity(dir: &Path, meta: &MetaProperties, cluster_id: &str, node_id: i32) -> Result<(), OpenError> {
    let dir = dir.to_owned();
    if meta.cluster_id != cluster_id {
        return Err(OpenError::OtherCluster {
            dir,
            found: meta.cluster_id.clone(),
            expected: cluster_id.to_owned(),
        });
    }
    if meta.node_id != node_id {
        return Err(OpenError::OtherNode {
            dir,
            found: meta.node_id,
            expected: node_id,
        });
    }
    Ok(())
}

fn read_dir(disk: &dyn Disk, path: &Path) -> Result<(Shutdown, Checkpoints, Vec<String>)> {
    let entries = disk::list(disk, path)?
        .into_iter()
        .filter(|entry| entry.is_dir)
        .map(|entry| entry.name)
        .collect();
    let checkpoints = Checkpoints {
        recovery_points: read_or_default(disk, path, RECOVERY_POINT_CHECKPOINT)?,
        log_starts: read_or_default(disk, path, LOG_START_OFFSET_CHECKPOINT)?,
        high_watermarks: read_or_default(disk, path, REPLICATION_OFFSET_CHECKPOINT)?,
        cleaned: read_or_default(disk, path, CLEANER_OFFSET_CHECKPOINT)?,
    };
    Ok((checkpoint::read_clean_shutdown(disk, path)?, checkpoints, entries))
}

/// A checkpoint that makes no sense counts as none: more is recovered then.
fn read_or_default(disk: &dyn Disk, path: &Path, name: &str) -> Result<Offsets> {
    match checkpoint::read_offsets(disk, &path.join(name)) {
        Err(error @ StorageError::Malformed { .. }) => {
            tracing::warn!(%error, "checkpoint ignored");
            Ok(Offsets::new())
        }
        offsets => offsets,
    }
}

impl Checkpoints {
    fn partitions(&self) -> BTreeSet<TopicPartition> {
        let all = [
            &self.recovery_points,
            &self.log_starts,
            &self.high_watermarks,
            &self.cleaned,
        ];
        all.into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// What is told of a partition that is not here yet.
    fn announced(&self, partition: &TopicPartition) -> Option<LogStart> {
        let is_known = self.recovery_points.contains_key(partition);
        is_known.then(|| self.start_of(partition, Shutdown::Unclean))
    }

    fn start_of(&self, partition: &TopicPartition, shutdown: Shutdown) -> LogStart {
        let of = |offsets: &Offsets| offsets.get(partition).copied().unwrap_or(0).max(0);
        LogStart {
            log_start_offset: of(&self.log_starts),
            recovery_point: of(&self.recovery_points),
            high_watermark: of(&self.high_watermarks),
            cleaned_offset: self.cleaned.get(partition).copied(),
            clean: matches!(shutdown, Shutdown::Clean(_)),
        }
    }
}
