//! Short words for logs, batches and what a log holds.
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use klamm_log::{
    AppendError, AppendInfo, AppendOrigin, Isolation, Log, LogConfig, LogStart, Opened, TopicPartition, open_log,
};
use klamm_records::{BatchBuilder, Compression, ControlRecordType, Scratch, batches};
use tempfile::TempDir;

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A log in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) root: TempDir,
    pub(crate) log: Arc<Log>,
    pub(crate) config: LogConfig,
}

pub(crate) fn fixture(config: LogConfig) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let (log, opened) = open(&root.path().join("t-0"), config.clone(), LogStart::default()).unwrap();
    assert_eq!(opened, Opened::default());
    Fixture { root, log, config }
}

pub(crate) fn open(
    dir: &Path,
    config: LogConfig,
    start: LogStart,
) -> Result<(Arc<Log>, Opened), klamm_log::StorageError> {
    open_log(dir, TopicPartition::new("t", 0), config, start, NOW)
}

impl Fixture {
    pub(crate) fn dir(&self) -> std::path::PathBuf {
        self.root.path().join("t-0")
    }

    /// Opens the directory again as after a crash, with this recovery point.
    pub(crate) fn crash(&mut self, recovery_point: i64) -> Opened {
        let start = LogStart {
            recovery_point,
            ..LogStart::default()
        };
        let (log, opened) = open(&self.dir(), self.config.clone(), start).unwrap();
        self.log = log;
        opened
    }

    /// Closes the log and opens it again.
    pub(crate) fn reopen(&mut self) -> Opened {
        self.log.close().unwrap();
        let start = LogStart {
            recovery_point: self.log.recovery_point(),
            clean: true,
            ..LogStart::default()
        };
        let (log, opened) = open(&self.dir(), self.config.clone(), start).unwrap();
        self.log = log;
        opened
    }

    pub(crate) fn file_names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A batch of these values with this timestamp.
pub(crate) fn batch(timestamp: i64, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder
            .push(timestamp, Some(b"k"), Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build()
}

/// A batch with `count` records from an idempotent producer.
pub(crate) fn from_producer(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).producer(producer_id, epoch, sequence);
    for i in 0..count {
        builder
            .push(NOW, None, Some(format!("{producer_id}/{sequence}+{i}").as_bytes()), &[])
            .unwrap();
    }
    builder.build()
}

/// A batch of a transaction with `count` records.
pub(crate) fn in_transaction(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None)
        .producer(producer_id, epoch, sequence)
        .transactional();
    for i in 0..count {
        let value = format!("{producer_id}/{sequence}+{i}");
        builder.push(NOW, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build()
}

/// Appends an end marker as a coordinator does; its offset.
pub(crate) fn end_transaction(log: &Log, producer_id: i64, epoch: i16, end: ControlRecordType) -> i64 {
    let mut marker = BatchBuilder::new(Compression::None)
        .producer(producer_id, epoch, -1)
        .transactional()
        .control();
    marker.push_control(NOW, end, &[0, 0, 0, 0, 0, 4]).unwrap();
    log.append_as_leader(&marker.build(), 0, AppendOrigin::Coordinator, NOW)
        .unwrap()
        .first_offset
}

pub(crate) fn append(log: &Log, records: &Bytes) -> Result<AppendInfo, AppendError> {
    log.append_as_leader(records, 0, AppendOrigin::Client, NOW)
}

pub(crate) fn append_values(log: &Log, values: &[&str]) -> AppendInfo {
    append(log, &batch(NOW, values)).unwrap()
}

/// All records from `start` to the log end: offset and value.
pub(crate) fn records_from(log: &Log, start: i64) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut offset = start;
    loop {
        let data = log.read(offset, 1 << 20, Isolation::LogEnd, true).unwrap();
        let Some(region) = data.region else { return all };
        let bytes = region.read().unwrap();
        let mut scratch = Scratch::new();
        for batch in batches(&bytes) {
            let Ok(batch) = batch else { break };
            batch.verify_crc().unwrap();
            for record in batch.records(&mut scratch, usize::MAX).unwrap() {
                let record = record.unwrap();
                if record.offset >= offset {
                    all.push((
                        record.offset,
                        String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap(),
                    ));
                }
            }
            offset = batch.header.next_offset();
        }
    }
}

pub(crate) fn records(log: &Log) -> Vec<(i64, String)> {
    records_from(log, log.log_start_offset())
}

/// Copies a directory as a crash would leave it: what is in the files now.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
