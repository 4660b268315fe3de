//! How far opening the logs of a node has come: told in its log now and then, and to be read by whoever waits or measures.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// How often the log tells.
const TOLD_EVERY: Duration = Duration::from_secs(5);
const UNPOISONED: &str = "no panic while progress is noted";

/// What is left to do in each log directory. All zeros when the logs are open.
#[derive(Debug, Default)]
pub struct RecoveryProgress {
    dirs: RwLock<Vec<Arc<DirProgress>>>,
    records_lost: AtomicU64,
    bytes_lost: AtomicU64,
}

/// A log directory whose logs are being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirRecovery {
    /// The directory.
    pub path: PathBuf,
    /// Logs in it.
    pub logs: usize,
    /// Those that are not open yet (`remainingLogsToRecover`).
    pub logs_remaining: usize,
    /// Segments with unflushed records that each thread has still to look at in its log (`remainingSegmentsToRecover`).
    pub segments_remaining: Vec<usize>,
    /// Bytes above recovery points that were checked.
    pub bytes_checked: u64,
}

#[derive(Debug)]
pub(crate) struct DirProgress {
    path: PathBuf,
    logs: usize,
    logs_remaining: AtomicUsize,
    segments_remaining: Vec<AtomicUsize>,
    bytes_checked: AtomicU64,
    begun: Instant,
    told: Mutex<Instant>,
}

/// One thread that opens logs; the default notes nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenThread {
    of: Option<(Arc<DirProgress>, usize)>,
}

impl RecoveryProgress {
    /// The log directories, in the order of the settings.
    pub fn dirs(&self) -> Vec<DirRecovery> {
        let dirs = self.dirs.read().expect(UNPOISONED);
        dirs.iter().map(|dir| dir.now()).collect()
    }

    /// Records that were lost with damage in the middle of unflushed parts of logs, and bytes cut off, torn ends included.
    pub fn lost(&self) -> (u64, u64) {
        (
            self.records_lost.load(Ordering::Relaxed),
            self.bytes_lost.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn note_lost(&self, records: u64, bytes: u64) {
        self.records_lost.fetch_add(records, Ordering::Relaxed);
        self.bytes_lost.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins with a directory.
    pub(crate) fn begin(&self, path: &Path, logs: usize, threads: usize) -> Arc<DirProgress> {
        let dir = Arc::new(DirProgress {
            path: path.to_owned(),
            logs,
            logs_remaining: AtomicUsize::new(logs),
            segments_remaining: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            bytes_checked: AtomicU64::new(0),
            begun: Instant::now(),
            told: Mutex::new(Instant::now()),
        });
        self.dirs.write().expect(UNPOISONED).push(Arc::clone(&dir));
        dir
    }
}

impl DirProgress {
    fn now(&self) -> DirRecovery {
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        DirRecovery {
            path: self.path.clone(),
            logs: self.logs,
            logs_remaining: load(&self.logs_remaining),
            segments_remaining: self.segments_remaining.iter().map(load).collect(),
            bytes_checked: self.bytes_checked.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn thread(self: &Arc<Self>, thread: usize) -> OpenThread {
        OpenThread {
            of: Some((Arc::clone(self), thread)),
        }
    }

    fn tell_now_and_then(&self) {
        let mut told = self.told.lock().expect(UNPOISONED);
        if told.elapsed() < TOLD_EVERY {
            return;
        }
        *told = Instant::now();
        let now = self.now();
        let seconds = self.begun.elapsed().as_secs_f64();
        tracing::info!(
            dir = %self.path.display(),
            logs = now.logs,
            remaining = now.logs_remaining,
            segments = now.segments_remaining.iter().sum::<usize>(),
            checked_mb = now.bytes_checked >> 20,
            mb_per_second = (now.bytes_checked as f64 / seconds / f64::from(1 << 20)) as u64,
            "opening logs"
        );
    }
}

impl OpenThread {
    /// The log that is being opened has so many segments to look at.
    pub(crate) fn begin_log(&self, segments: usize) {
        if let Some((dir, thread)) = &self.of {
            dir.segments_remaining[*thread].store(segments, Ordering::Relaxed);
        }
    }

    /// One of them is done, in which so many bytes were checked.
    pub(crate) fn end_segment(&self, bytes: u64) {
        if let Some((dir, thread)) = &self.of {
            dir.segments_remaining[*thread].fetch_sub(1, Ordering::Relaxed);
            dir.bytes_checked.fetch_add(bytes, Ordering::Relaxed);
            dir.tell_now_and_then();
        }
    }

    /// The log is open, or cannot be.
    pub(crate) fn end_log(&self) {
        if let Some((dir, thread)) = &self.of {
            dir.segments_remaining[*thread].store(0, Ordering::Relaxed);
            dir.logs_remaining.fetch_sub(1, Ordering::Relaxed);
            dir.tell_now_and_then();
        }
    }
}
