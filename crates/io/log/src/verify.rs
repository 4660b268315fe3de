//! Checking every file of a stopped node's log directory, and telling what a start would do with it. Nothing is written.
//!
//! Two passes, both through an `Overlay` that keeps to itself whatever is written: one reads every byte and
//! compares each file with what the batches say; the other is a start of [`LogManager`] itself.
mod files;
mod overlay;
mod partition;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, fcntl_lock};

use self::overlay::Overlay;
use crate::checkpoint::{Shutdown, read_clean_shutdown};
use crate::config::{LogConfig, ManagerConfig};
use crate::dir_lock::LockError;
use crate::disk;
use crate::error::StorageError;
use crate::manager::LogManager;
use crate::meta_properties::MetaProperties;
use crate::names::PartitionDir;
use crate::recovery::{Cause, RecoveryEvent};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong: what a stop or a crash leaves, and files that are none of Kafka's.
    Note,
    /// A start mends it, and nothing that was flushed is lost.
    Repair,
    /// Records can't be read or are missing, or a start fails.
    Damage,
}

/// Something about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or directory.
    pub path: PathBuf,
    /// The byte of the file where it is, if it is somewhere.
    pub position: Option<u64>,
    /// What it is.
    pub problem: String,
}

/// What was looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Partitions' directories.
    pub partitions: usize,
    /// Segments in them.
    pub segments: usize,
    /// Bytes of the segments' `.log` files.
    pub bytes: u64,
    /// The same, of those still to come too.
    pub bytes_total: u64,
    /// Batches, and records in them.
    pub batches: u64,
    /// Records in the batches.
    pub records: u64,
}

/// What a start of the node would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartPlan {
    /// Logs that would open.
    pub logs: usize,
    /// Bytes above recovery points that would be checked.
    pub bytes_checked: u64,
    /// Records that would be lost with damage in front of them, or are missing at a log's end.
    pub records_lost: u64,
    /// Bytes cut off.
    pub bytes_cut: u64,
    /// Files that would be written, the directory's own not counted.
    pub files_written: Vec<PathBuf>,
    /// Files that would be removed.
    pub files_removed: Vec<PathBuf>,
}

/// What there is to say of a log directory.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The directory.
    pub dir: PathBuf,
    /// Whose it is; `None` if that can't be read.
    pub meta: Option<MetaProperties>,
    /// How it was left.
    pub shutdown: Shutdown,
    /// What was looked at.
    pub looked: Looked,
    /// What was found, directory by directory.
    pub findings: Vec<Finding>,
    /// What a start would do; `None` if it would fail.
    pub start: Option<StartPlan>,
}

impl VerifyReport {
    /// The worst of the findings.
    pub fn worst(&self) -> Severity {
        let all = self.findings.iter().map(|finding| finding.severity);
        all.max().unwrap_or(Severity::Note)
    }
}

/// Why a directory could not be checked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// A node has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Checks the log directory `dir` of a stopped node. `progress` is told now and then what was looked at.
pub fn verify(dir: &Path, now_ms: i64, progress: &mut dyn FnMut(&Looked)) -> Result<VerifyReport, VerifyError> {
    let _lock = lock_to_read(dir)?;
    let mut check = Check {
        disk: Overlay::default(),
        looked: Looked::default(),
        findings: Vec::new(),
        progress,
    };
    let meta = check.meta(dir);
    let shutdown = read_clean_shutdown(&check.disk, dir)?;
    let names = check.partitions(dir)?;
    check.count(dir, &names)?;
    let offsets = files::Checkpoints::read(&mut check, dir, shutdown)?;
    for name in names {
        check.partition_dir(&dir.join(&name), &name, &offsets)?;
        check.disk.forget_reads();
    }
    offsets.without_directory(&mut check, dir);
    let start = meta.as_ref().and_then(|meta| check.start(dir, meta, now_ms));
    let mut findings = check.findings;
    findings.sort_by(|a, b| (&a.path, a.position).cmp(&(&b.path, b.position)));
    Ok(VerifyReport {
        dir: dir.to_owned(),
        meta,
        shutdown,
        looked: check.looked,
        findings,
        start,
    })
}

/// Keeps nodes from starting while the directory is read. Without a `.lock` there never was one.
fn lock_to_read(dir: &Path) -> Result<Option<File>, LockError> {
    let path = dir.join(".lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("open", &path, error).into()),
    };
    let in_use = || LockError::InUse { dir: dir.to_owned() };
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(in_use()),
        Err(std::fs::TryLockError::Error(error)) => return Err(StorageError::io("lock", &path, error).into()),
    }
    match fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Err(in_use()),
        Err(error) => Err(StorageError::io("lock", &path, error.into()).into()),
    }
}

/// A check under way.
struct Check<'a> {
    disk: Overlay,
    looked: Looked,
    findings: Vec<Finding>,
    progress: &'a mut dyn FnMut(&Looked),
}

impl Check<'_> {
    fn find(&mut self, severity: Severity, path: &Path, position: Option<u64>, problem: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            path: path.to_owned(),
            position,
            problem: problem.into(),
        });
    }

    fn meta(&mut self, dir: &Path) -> Option<MetaProperties> {
        let path = dir.join("meta.properties");
        match MetaProperties::read_on(&self.disk, dir) {
            Ok(Some(meta)) => return Some(meta),
            Ok(None) => self.find(Severity::Damage, &path, None, "missing: the directory is not formatted"),
            Err(error) => self.find(Severity::Damage, &path, None, error.to_string()),
        }
        None
    }

    /// The names of the directories inside.
    fn partitions(&mut self, dir: &Path) -> Result<Vec<String>, StorageError> {
        let entries = disk::list(&self.disk, dir)?.into_iter().filter(|entry| entry.is_dir);
        let mut names: Vec<String> = entries.map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }

    /// How much there is to read.
    fn count(&mut self, dir: &Path, names: &[String]) -> Result<(), StorageError> {
        for name in names.iter().filter(|name| is_read(name)) {
            for entry in disk::list(&self.disk, &dir.join(name))? {
                if entry.name.ends_with(".log") {
                    self.looked.bytes_total += disk::inspect(&self.disk, &dir.join(name).join(entry.name))?.len;
                }
            }
        }
        Ok(())
    }

    fn partition_dir(&mut self, path: &Path, name: &str, offsets: &files::Checkpoints) -> Result<(), StorageError> {
        match PartitionDir::parse(name) {
            Some(PartitionDir::Current(partition)) => partition::check(self, path, &partition, offsets)?,
            Some(PartitionDir::Delete(partition)) => {
                let what = format!("what is left of {partition}, which was deleted; a start removes it");
                self.find(Severity::Note, path, None, what);
            }
            Some(PartitionDir::Stray(partition)) => {
                let what = format!("a log of {partition} that was not this node's; nobody reads it");
                self.find(Severity::Note, path, None, what);
            }
            Some(PartitionDir::Future(partition)) => {
                let what = format!("a copy of {partition} that is on its way from another log directory");
                self.find(Severity::Note, path, None, what);
            }
            None => self.find(Severity::Note, path, None, "none of Kafka's directories"),
        }
        Ok(())
    }

    /// Has the node's own code open the directory, on the overlay.
    fn start(&mut self, dir: &Path, meta: &MetaProperties, now_ms: i64) -> Option<StartPlan> {
        let config = ManagerConfig {
            disk: Arc::new(self.disk.clone()),
            flush_in_tick: true,
            ..ManagerConfig::new(meta.node_id, vec![dir.to_owned()], 1)
        };
        let (manager, report) = match LogManager::open(config, |_| LogConfig::default(), now_ms) {
            Ok(opened) => opened,
            Err(error) => {
                self.find(Severity::Damage, dir, None, format!("a start fails: {error}"));
                return None;
            }
        };
        for failed in &report.failed {
            let path = dir.join(failed.partition.to_string());
            self.find(
                Severity::Damage,
                &path,
                None,
                format!("a start does not open it: {}", failed.error),
            );
        }
        let clean = report.dirs.iter().all(|dir| matches!(dir.shutdown, Shutdown::Clean(_)));
        let mut plan = StartPlan {
            logs: report.logs,
            ..StartPlan::default()
        };
        for recovered in &report.recovered {
            let path = dir.join(recovered.partition.to_string());
            let (records, bytes) = recovered.opened.lost();
            plan.records_lost += records;
            plan.bytes_cut += bytes;
            plan.bytes_checked += recovered.opened.bytes_checked;
            for event in &recovered.opened.events {
                self.event(&path, event, clean);
            }
        }
        drop(manager);
        (plan.files_written, plan.files_removed) = self.disk.changes();
        let is_own = |path: &PathBuf| path.parent() == Some(dir);
        plan.files_written.retain(|path| !is_own(path));
        plan.files_removed.retain(|path| !is_own(path));
        Some(plan)
    }

    fn event(&mut self, dir: &Path, event: &RecoveryEvent, clean: bool) {
        match event {
            RecoveryEvent::Cut {
                file,
                position,
                bytes,
                records_lost,
                cause,
            } => {
                let severity = match cause {
                    Cause::TornTail if !clean => Severity::Note,
                    Cause::TornTail | Cause::CorruptMiddle => Severity::Damage,
                };
                let what = format!("a start cuts {bytes} bytes off the end, with {records_lost} readable records");
                self.find(severity, file, Some((*position).into()), what);
            }
            RecoveryEvent::SegmentDropped {
                file,
                bytes,
                records_lost,
            } => {
                let what = format!("a start removes it: {bytes} bytes, with {records_lost} readable records");
                self.find(Severity::Damage, file, None, what);
            }
            RecoveryEvent::IndexesRebuilt { file } => {
                self.find(Severity::Repair, file, None, "a start makes its indexes anew");
            }
            RecoveryEvent::TxnIndexRebuilt { file } => {
                let what = "a start makes its index of aborted transactions anew";
                self.find(Severity::Repair, file, None, what);
            }
            RecoveryEvent::ProducersRebuilt { from_offset } => {
                let what = format!("a start reads the producers' state from the batches, from offset {from_offset} on");
                self.find(Severity::Repair, dir, None, what);
            }
            RecoveryEvent::LeaderEpochsRebuilt => {
                let what = "a start makes leader-epoch-checkpoint anew from the batches";
                self.find(Severity::Repair, dir, None, what);
            }
            RecoveryEvent::Restarted { at_offset } => {
                let what = format!("all ends below the log start: a start begins it anew at offset {at_offset}");
                self.find(Severity::Damage, dir, None, what);
            }
            RecoveryEvent::EndsTooEarly {
                end_offset,
                recovery_point,
            } => {
                let what =
                    format!("a start goes on at offset {end_offset}, and gives those below {recovery_point} again");
                self.find(Severity::Damage, dir, None, what);
            }
            RecoveryEvent::SwapCompleted { base_offset } => {
                let what = format!("a start completes the cleaning of the segment at offset {base_offset}");
                self.find(Severity::Note, dir, None, what);
            }
        }
    }
}

/// Whether the segments of a directory with this name are read.
fn is_read(name: &str) -> bool {
    matches!(PartitionDir::parse(name), Some(PartitionDir::Current(_)))
}
