//! Compaction of logs on files: what is cleaned and when, what readers and others meet meanwhile, what a start finds.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use klamm_log::verify::{Severity, verify};
use klamm_log::{
    AppendOrigin, CleanedLog, CleanerConfig, CleanupPolicy, Isolation, Log, LogConfig, LogManager, ManagerConfig,
    MetaProperties, OpenReport, RecoveryEvent, RoundEnd, StorageError, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::{BatchBuilder, Compression, Scratch, batches};

use crate::support::{NOW, copy_dir};

/// A node's log directory.
pub(crate) struct Node {
    pub(crate) root: tempfile::TempDir,
    pub(crate) logs: LogManager,
    pub(crate) config: LogConfig,
    pub(crate) now_ms: i64,
}

/// A record: offset, key, value.
pub(crate) type Plain = (i64, String, Option<String>);

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

pub(crate) fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        index_interval_bytes: 200,
        min_cleanable_dirty_ratio: 0.0,
        cleanup_policy: CleanupPolicy {
            compact: true,
            delete: false,
        },
        ..LogConfig::default()
    }
}

fn start(dir: &Path, config: &LogConfig, now_ms: i64) -> (LogManager, OpenReport) {
    // What topics set themselves is not known yet when logs are opened.
    let (logs, report) = LogManager::open(
        ManagerConfig::new(1, vec![dir.to_owned()], 42),
        |_| LogConfig::default(),
        now_ms,
    )
    .unwrap();
    let log = logs
        .get_or_create(&partition(), None, None, config.clone(), now_ms)
        .unwrap();
    log.update_config(config.clone());
    log.update_high_watermark(log.log_end_offset());
    (logs, report)
}

impl Node {
    pub(crate) fn new(config: LogConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("data");
        std::fs::create_dir_all(&dir).unwrap();
        let meta = MetaProperties {
            cluster_id: "c".into(),
            node_id: 1,
            directory_id: Some(Uuid::from_u128(7)),
        };
        meta.write(&dir).unwrap();
        let (logs, _) = start(&dir, &config, NOW);
        Self {
            root,
            logs,
            config,
            now_ms: NOW,
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub(crate) fn log(&self) -> Arc<Log> {
        self.logs.get(&partition()).unwrap()
    }

    /// Appends a batch of keys and values.
    pub(crate) fn put(&self, records: &[(&str, Option<&str>)]) -> i64 {
        self.put_as(BatchBuilder::new(Compression::None), records)
    }

    pub(crate) fn put_as(&self, mut builder: BatchBuilder, records: &[(&str, Option<&str>)]) -> i64 {
        for (key, value) in records {
            let value = value.map(str::as_bytes);
            builder.push(self.now_ms, Some(key.as_bytes()), value, &[]).unwrap();
        }
        let log = self.log();
        let appended = log
            .append_as_leader(&builder.build(), 0, AppendOrigin::Client, self.now_ms)
            .unwrap();
        log.maybe_increment_high_watermark(log.log_end_offset());
        appended.first_offset
    }

    pub(crate) fn clean(&self) -> Option<CleanedLog> {
        let stop = AtomicBool::new(false);
        self.logs.clean(0, &CleanerConfig::default(), self.now_ms, &stop)
    }

    /// Rolls and cleans; says where the next round begins.
    pub(crate) fn roll_and_clean(&self) -> i64 {
        self.log().roll(self.now_ms).unwrap();
        match self.clean().expect("it is dirty").end {
            RoundEnd::Cleaned { next_dirty_offset } => next_dirty_offset,
            other => panic!("{other:?}"),
        }
    }

    /// Ends the process, cleanly or not, and starts it again.
    pub(crate) fn restart(&mut self, clean: bool) -> OpenReport {
        if clean {
            self.logs.shutdown(1).unwrap();
        }
        let files = copied(&self.dir());
        let elsewhere = tempfile::tempdir().unwrap();
        let other = elsewhere.path().join("data");
        copy_dir(files.path(), &other);
        let (logs, report) = start(&other, &self.config, self.now_ms);
        (self.root, self.logs) = (elsewhere, logs);
        report
    }

    fn checkpoint(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir().join("t-0")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The files as they are now, but for the lock.
fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir, copy.path());
    std::fs::remove_file(copy.path().join(".lock")).unwrap();
    copy
}

/// What a reader gets from the log start on.
pub(crate) fn records(log: &Log, isolation: Isolation) -> Vec<Plain> {
    let mut found: Vec<Plain> = Vec::new();
    let mut offset = log.log_start_offset();
    loop {
        let data = log.read(offset, 500, isolation, true).unwrap();
        let end = match isolation {
            Isolation::LogEnd => data.offsets.log_end_offset,
            Isolation::HighWatermark => data.offsets.high_watermark,
            Isolation::LastStableOffset => data.offsets.last_stable_offset,
        };
        let Some(region) = data.region else {
            // Everything below an older end may have been superseded by what lies above it.
            if offset < end && end < log.high_watermark() {
                continue;
            }
            assert!(offset >= end, "nothing at {offset}, below {end}");
            return found;
        };
        let bytes = region.read().unwrap();
        let mut scratch = Scratch::new();
        for batch in batches(&bytes) {
            let Ok(batch) = batch else { break };
            batch.verify_crc().unwrap();
            assert!(batch.header.last_offset() >= offset);
            for record in batch.records(&mut scratch, usize::MAX).unwrap() {
                let record = record.unwrap();
                assert!(found.last().is_none_or(|(before, ..)| *before < record.offset));
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                found.push((
                    record.offset,
                    record.key.map(text).unwrap_or_default(),
                    record.value.map(text),
                ));
            }
            offset = batch.header.next_offset();
        }
    }
}

fn plain(records: &[(i64, &str, Option<&str>)]) -> Vec<Plain> {
    let owned = |(offset, key, value): &(i64, &str, Option<&str>)| (*offset, (*key).into(), value.map(Into::into));
    records.iter().map(owned).collect()
}

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    let mut node = Node::new(compacted());
    for round in 0..20 {
        let value = format!("{round}-{}", "x".repeat(60));
        node.put(&[("a", Some(&value)), ("b", Some(&value))]);
    }
    node.put(&[("a", None), ("c", Some("1"))]);
    let segments = node.log().segment_base_offsets().len();
    assert!(segments > 5);
    assert_eq!(node.roll_and_clean(), 42);
    let expected = plain(&[
        (39, "b", Some(&format!("19-{}", "x".repeat(60)))),
        (40, "a", None),
        (41, "c", Some("1")),
    ]);
    assert_eq!(records(&node.log(), Isolation::HighWatermark), expected);
    assert_eq!(node.checkpoint("cleaner-offset-checkpoint"), "0\n1\nt 0 42\n");
    assert!(node.clean().is_none(), "nothing is dirty");
    assert_eq!(records(&node.log(), Isolation::LogEnd), expected);
    // Every offset can still be read from, and the positions are what they were.
    for offset in 0..=42 {
        let found = node.log().read(offset, 1, Isolation::HighWatermark, true).unwrap();
        assert_eq!(found.region.is_some(), offset < 42);
    }
    for clean in [true, false] {
        assert!(node.restart(clean).failed.is_empty());
        assert_eq!(records(&node.log(), Isolation::HighWatermark), expected);
        assert_eq!(
            (node.log().log_end_offset(), node.log().cleaned_offset()),
            (42, Some(42))
        );
    }
    // Tombstones stay for `delete.retention.ms`.
    node.put(&[("d", Some("1"))]);
    node.now_ms += node.config.delete_retention_ms;
    node.roll_and_clean();
    assert_eq!(records(&node.log(), Isolation::HighWatermark)[1].1, "c");
    assert_eq!(node.log().segment_base_offsets(), [0, 43], "small segments are joined");
}

#[test]
fn old_files_go_after_a_while_and_readers_of_them_finish() {
    let node = Node::new(compacted());
    for round in 0..10 {
        node.put(&[("a", Some(&format!("{round}{}", "y".repeat(100))))]);
    }
    let before = node.log().read(0, 300, Isolation::HighWatermark, true).unwrap();
    let bytes = before.region.as_ref().unwrap().read().unwrap();
    node.roll_and_clean();
    assert!(node.names().iter().any(|name| name.ends_with(".log.deleted")));
    assert!(
        !node
            .names()
            .iter()
            .any(|name| name.ends_with(".cleaned") || name.ends_with(".swap"))
    );
    node.logs.tick(node.now_ms + 60_000);
    assert!(!node.names().iter().any(|name| name.ends_with(".deleted")));
    assert_eq!(before.region.unwrap().read().unwrap(), bytes);
    assert_eq!(records(&node.log(), Isolation::HighWatermark).len(), 1);
}

#[test]
fn readers_beside_a_cleaning_miss_nothing() {
    let node = Node::new(LogConfig {
        file_delete_delay_ms: 0,
        ..compacted()
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !done.load(Ordering::Relaxed) || reads < 3 {
                        // The last value of each key is always there: the keys of the newest rounds at least.
                        let end = node.log().high_watermark();
                        let found = records(&node.log(), Isolation::HighWatermark);
                        let keys: std::collections::BTreeSet<_> = found.iter().map(|(_, key, _)| key.clone()).collect();
                        assert!(end < 40 || keys.len() == 4, "{keys:?}");
                        reads += 1;
                    }
                })
            })
            .collect();
        for round in 0..40 {
            for key in ["a", "b", "c", "d"] {
                node.put(&[(key, Some(&format!("{round}{}", "z".repeat(90))))]);
            }
            if round % 4 == 3 {
                node.roll_and_clean();
                node.logs.tick(node.now_ms);
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn the_active_segment_and_what_is_young_are_left_alone() {
    let mut node = Node::new(LogConfig {
        min_compaction_lag_ms: 1_000,
        ..compacted()
    });
    node.put(&[("a", Some("1"))]);
    node.put(&[("a", Some("2"))]);
    assert!(node.clean().is_none());
    node.log().roll(node.now_ms).unwrap();
    assert!(node.clean().is_none(), "young");
    node.now_ms += 1_000;
    node.put(&[("a", Some("3"))]);
    assert!(matches!(
        node.clean().unwrap().end,
        RoundEnd::Cleaned { next_dirty_offset: 2 }
    ));
    let expected = plain(&[(1, "a", Some("2")), (2, "a", Some("3"))]);
    assert_eq!(records(&node.log(), Isolation::LogEnd), expected);
}

#[test]
fn the_dirtiest_log_comes_first_and_only_when_it_is_due() {
    let node = Node::new(LogConfig {
        min_cleanable_dirty_ratio: 0.5,
        ..compacted()
    });
    let value = "v".repeat(400);
    for key in ["a", "b", "c", "d"] {
        node.put(&[(key, Some(&value))]);
    }
    assert_eq!(node.roll_and_clean(), 4, "all of it is dirty");
    node.put(&[("a", Some(&value))]);
    node.log().roll(NOW).unwrap();
    assert!(node.clean().is_none(), "a fifth");
    assert!((node.logs.cleaner_status(NOW).max_dirty_ratio - 0.2).abs() < 0.01);
    let other = TopicPartition::new("u", 3);
    let log = node
        .logs
        .get_or_create(&other, None, None, node.config.clone(), NOW)
        .unwrap();
    for _ in 0..2 {
        let mut batch = BatchBuilder::new(Compression::None);
        batch.push(NOW, Some(b"k"), Some(b"v"), &[]).unwrap();
        log.append_as_leader(&batch.build(), 0, AppendOrigin::Client, NOW)
            .unwrap();
    }
    log.roll(NOW).unwrap();
    assert!(node.clean().is_none(), "not below the high watermark");
    log.update_high_watermark(2);
    assert_eq!(node.clean().unwrap().partition, other);
    assert_eq!(node.checkpoint("cleaner-offset-checkpoint"), "0\n2\nt 0 4\nu 3 2\n");
    // Whatever the share, when it has waited for too long. The lag also rolls the active segment.
    node.log().update_config(LogConfig {
        max_compaction_lag_ms: 5_000,
        ..node.config.clone()
    });
    assert!(node.clean().is_none());
    let stop = AtomicBool::new(false);
    let late = node
        .logs
        .clean(1, &CleanerConfig::default(), NOW + 5_001, &stop)
        .unwrap();
    assert!(matches!(late.end, RoundEnd::Cleaned { next_dirty_offset: 5 }));
    let status = node.logs.cleaner_status(NOW);
    assert_eq!((status.rounds, status.last_rounds.len()), (3, 2));
    assert_eq!(status.max_compaction_delay_ms, 1);
}

#[test]
fn a_log_that_makes_no_sense_is_given_up_until_the_next_start() {
    let mut node = Node::new(compacted());
    for round in 0..10 {
        node.put(&[("a", Some(&format!("{round}{}", "y".repeat(100))))]);
    }
    node.log().roll(NOW).unwrap();
    node.log().flush().unwrap();
    let path = node.dir().join("t-0/00000000000000000000.log");
    let whole = std::fs::read(&path).unwrap();
    let mut rotten = whole.clone();
    rotten[200] ^= 1;
    std::fs::write(&path, &rotten).unwrap();
    let RoundEnd::Uncleanable(StorageError::Malformed { path: named, .. }) = node.clean().unwrap().end else {
        panic!("a wrong checksum is not copied");
    };
    assert_eq!(named, path);
    assert!(node.clean().is_none(), "given up");
    let status = node.logs.cleaner_status(NOW);
    assert_eq!(
        (status.uncleanable.len(), status.uncleanable[0].bytes),
        (1, node.log().size())
    );
    assert!(status.in_progress.is_empty());
    assert!(!node.names().iter().any(|name| name.ends_with(".cleaned")));
    std::fs::write(&path, &whole).unwrap();
    node.restart(true);
    assert_eq!(node.roll_and_clean(), 10);
    // A partition of the same name that comes later is another one.
    assert!(node.logs.cleaner_status(NOW).uncleanable.is_empty());
}

/// Little memory for keys, and for what is read and written.
fn small() -> CleanerConfig {
    CleanerConfig {
        dedupe_buffer_bytes: 16 * 100,
        io_buffer_bytes: 1,
        ..CleanerConfig::default()
    }
}

impl Node {
    fn clean_with(&self, config: &CleanerConfig) -> Option<CleanedLog> {
        self.logs.clean(0, config, self.now_ms, &AtomicBool::new(false))
    }

    /// So many keys, with the same value.
    fn put_keys(&self, count: usize, value: &str) {
        for key in 0..count {
            self.put(&[(&format!("key-{key}"), Some(value))]);
        }
    }
}

#[test]
fn little_memory_takes_several_rounds() {
    let node = Node::new(compacted());
    let count = 200;
    node.put_keys(count, "0");
    node.put_keys(count, "1");
    node.log().roll(NOW).unwrap();
    let mut ends = Vec::new();
    while let Some(cleaned) = node.clean_with(&small()) {
        assert_eq!(cleaned.first_dirty_offset, 0);
        assert!(cleaned.stats.buffer_utilization <= 0.9);
        ends.push(match cleaned.end {
            RoundEnd::Partly { clean_from } => {
                assert_eq!(node.log().cleaned_offset(), Some(0), "not all of it is clean");
                clean_from
            }
            RoundEnd::Cleaned { next_dirty_offset } => next_dirty_offset,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(ends.pop(), Some(400), "the end of the first of them");
    assert!(
        (2..5).contains(&ends.len()) && ends.is_sorted_by(|a, b| a > b),
        "{ends:?}"
    );
    let found = records(&node.log(), Isolation::LogEnd);
    assert_eq!(found.len(), count);
    assert!(found.iter().all(|(_, _, value)| value.as_deref() == Some("1")));
}

#[test]
fn what_is_left_to_do_goes_on_behind_it_and_is_forgotten_with_what_it_was_about() {
    let mut node = Node::new(compacted());
    let partly = |node: &Node| match node.clean_with(&small()).unwrap().end {
        RoundEnd::Partly { clean_from } => clean_from,
        other => panic!("{other:?}"),
    };
    let rounds = |node: &Node| {
        let mut rounds = 0;
        while let Some(cleaned) = node.clean_with(&small()) {
            assert!(matches!(
                cleaned.end,
                RoundEnd::Cleaned { .. } | RoundEnd::Partly { .. }
            ));
            rounds += 1;
        }
        rounds
    };
    node.put_keys(100, "0");
    node.log().roll(NOW).unwrap();
    assert!((1..100).contains(&partly(&node)));
    // Its end is where the first round ended, not where the log has got to meanwhile.
    node.put_keys(100, "1");
    node.log().roll(NOW).unwrap();
    assert!(matches!(
        node.clean_with(&small()).unwrap().end,
        RoundEnd::Cleaned { next_dirty_offset: 100 }
    ));
    assert_eq!(rounds(&node), 2);
    assert_eq!(node.log().cleaned_offset(), Some(200));
    assert_eq!(records(&node.log(), Isolation::LogEnd).len(), 100);
    // A start knows nothing of it, and cleans once more.
    node.put_keys(100, "2");
    node.log().roll(NOW).unwrap();
    assert!((201..300).contains(&partly(&node)));
    assert!(node.restart(true).failed.is_empty());
    assert!((201..300).contains(&partly(&node)));
    // What comes in the place of what was cut off is another history.
    let cut = node.log().segment_base_offsets();
    let cut = *cut.iter().rev().nth(1).unwrap();
    assert!(node.logs.truncate_to(&node.log(), cut, NOW).unwrap());
    for _ in 0..200 {
        node.put(&[("new", Some("3"))]);
    }
    node.log().roll(NOW).unwrap();
    assert!((201..cut).contains(&partly(&node)), "it begins at the end");
    assert_eq!(rounds(&node), 1);
    let found = records(&node.log(), Isolation::LogEnd);
    let keys: std::collections::BTreeSet<_> = found.iter().map(|(_, key, _)| key.clone()).collect();
    assert_eq!(keys.len(), found.len(), "{found:?}");
    assert!(keys.contains("new"));
}

/// Whoever has read an older value has that long to learn that the key is gone, from when the older value is gone itself.
#[test]
fn a_tombstone_stays_as_long_behind_rounds_that_were_not_whole() {
    let mut node = Node::new(compacted());
    node.put(&[("gone", Some("old"))]);
    node.put(&[("gone", None)]);
    node.put_keys(150, "0");
    node.log().roll(NOW).unwrap();
    let partly = node.clean_with(&small()).unwrap();
    assert!(matches!(partly.end, RoundEnd::Partly { clean_from } if clean_from > 1));
    let is_there = |node: &Node, offset: i64| records(&node.log(), Isolation::LogEnd).iter().any(|it| it.0 == offset);
    assert!(is_there(&node, 0) && is_there(&node, 1));

    node.now_ms += node.config.delete_retention_ms * 2;
    while let RoundEnd::Partly { .. } = node.clean_with(&small()).unwrap().end {}
    assert!(!is_there(&node, 0) && is_there(&node, 1));
    node.put(&[("more", Some("1"))]);
    node.roll_and_clean();
    assert!(is_there(&node, 1), "its older value has just gone");

    node.now_ms += node.config.delete_retention_ms;
    node.put(&[("more", Some("2"))]);
    node.roll_and_clean();
    assert!(!is_there(&node, 1));
}

#[test]
fn the_size_of_the_buffer_changes_nothing() {
    let nodes = [1, 3_000, 512 << 10].map(|io_buffer_bytes| {
        let node = Node::new(LogConfig {
            segment_bytes: 40_000,
            index_interval_bytes: 1_000,
            ..compacted()
        });
        for round in 0..600usize {
            let value = "v".repeat(round * 37 % 400 + if round % 50 == 7 { 5_000 } else { 0 });
            let codec = Compression::from_id((round % 5) as u8).unwrap();
            let keys = [round % 17, round % 101, round].map(|key| format!("key-{key}"));
            let records = keys.each_ref().map(|key| (key.as_str(), Some(value.as_str())));
            node.put_as(BatchBuilder::new(codec), &records);
        }
        node.log().roll(NOW).unwrap();
        let config = CleanerConfig {
            io_buffer_bytes,
            ..CleanerConfig::default()
        };
        let cleaned = node.clean_with(&config).unwrap();
        assert!(matches!(
            cleaned.end,
            RoundEnd::Cleaned {
                next_dirty_offset: 1_800
            }
        ));
        let stats = cleaned.stats;
        assert_eq!(stats.bytes_surveyed, stats.bytes_read);
        assert!(
            stats.bytes_written > 10_000 && stats.records_written == 600,
            "{stats:?}"
        );
        node.logs.tick(NOW + 60_000);
        assert!(!node.names().iter().any(|name| name.ends_with(".tmp")));
        node
    });
    let files = |node: &Node| -> Vec<_> {
        let of = |name: String| {
            let bytes = std::fs::read(node.dir().join("t-0").join(&name)).unwrap();
            (name, bytes)
        };
        let names = node.names().into_iter().filter(|name| !name.ends_with("metadata"));
        names.map(of).collect()
    };
    let expected = files(&nodes[0]);
    assert!(nodes.iter().all(|node| files(node) == expected));
}

#[test]
fn a_round_gives_way_to_whoever_takes_segments_away() {
    let node = Node::new(compacted());
    for round in 0..400 {
        node.put(&[("a", Some(&format!("{round}{}", "y".repeat(100))))]);
    }
    node.log().roll(NOW).unwrap();
    let slow = CleanerConfig {
        io_max_bytes_per_second: 1_000.0, // minutes for the whole log
        ..CleanerConfig::default()
    };
    let stop = AtomicBool::new(false);
    let interrupted = |by: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| node.logs.clean(0, &slow, NOW, &stop));
            while node.logs.cleaner_status(NOW).in_progress.is_empty() {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(20));
            let began = Instant::now();
            by();
            let end = cleaning.join().unwrap().unwrap().end;
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
            assert!(matches!(end, RoundEnd::Aborted), "{end:?}");
        });
        assert!(!node.dir().exists() || !node.names().iter().any(|name| name.ends_with(".cleaned")));
    };
    interrupted(&|| assert!(node.logs.truncate_to(&node.log(), 300, NOW).unwrap()));
    assert_eq!(node.log().log_end_offset(), 300);
    let snapshots: Vec<_> = node
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".snapshot"))
        .collect();
    assert!(
        snapshots
            .last()
            .is_none_or(|last| *last <= format!("{:020}.snapshot", 300)),
        "{snapshots:?}"
    );
    node.log().roll(NOW).unwrap();
    interrupted(&|| stop.store(true, Ordering::Relaxed));
    stop.store(false, Ordering::Relaxed);
    let compacted = node.log().config();
    let kept = LogConfig {
        cleanup_policy: CleanupPolicy {
            compact: false,
            delete: true,
        },
        ..(*compacted).clone()
    };
    interrupted(&|| node.log().update_config(kept.clone()));
    node.log().update_config((*compacted).clone());
    let log = node.log();
    std::thread::scope(|scope| {
        let cleaning = scope.spawn(|| node.logs.clean(0, &slow, NOW, &stop));
        while node.logs.cleaner_status(NOW).in_progress.is_empty() {
            std::thread::yield_now();
        }
        assert!(node.logs.delete(&partition(), NOW).unwrap());
        assert!(matches!(cleaning.join().unwrap().unwrap().end, RoundEnd::Aborted));
    });
    while node.logs.tick(NOW + 60_000).more {}
    assert!(!log.dir().exists(), "all of it is removed");
    assert!(node.clean().is_none());
}

#[test]
fn both_policies_at_once() {
    let mut config = compacted();
    config.cleanup_policy.delete = true;
    config.retention_ms = 10_000;
    let mut node = Node::new(config);
    for round in 0..5 {
        node.put(&[("a", Some(&round.to_string())), (&format!("k{round}"), Some("v"))]);
        node.log().roll(node.now_ms).unwrap();
        node.now_ms += 4_000;
    }
    node.put(&[("z", Some("v"))]);
    node.roll_and_clean();
    assert_eq!(records(&node.log(), Isolation::LogEnd).len(), 7);
    node.now_ms += 400_000;
    node.put(&[("now", Some("v"))]);
    node.logs.tick(node.now_ms);
    let expected = plain(&[(11, "now", Some("v"))]);
    assert_eq!(records(&node.log(), Isolation::LogEnd), expected);
    // The checkpoint lies before the log start now, which is as it should be.
    node.put(&[("now", Some("w"))]);
    assert_eq!(node.roll_and_clean(), 13);
    assert_eq!(
        records(&node.log(), Isolation::LogEnd),
        plain(&[(12, "now", Some("w"))])
    );
}

#[test]
fn what_a_producer_did_last_stays_known() {
    let mut node = Node::new(compacted());
    let producer = |id, sequence| BatchBuilder::new(Compression::Lz4).producer(id, 3, sequence);
    for sequence in 0..5 {
        node.put_as(producer(1, sequence), &[("a", Some("x"))]);
        node.put_as(producer(2, sequence * 2), &[("a", Some("y")), ("b", Some("y"))]);
    }
    node.put(&[("a", Some("z")), ("b", Some("z"))]);
    let before = node.log().active_producers();
    node.roll_and_clean();
    let expected = plain(&[(15, "a", Some("z")), (16, "b", Some("z"))]);
    assert_eq!(records(&node.log(), Isolation::LogEnd), expected);
    assert_eq!(node.log().active_producers(), before);
    // Also when nothing but the batches tell of it.
    node.log().flush().unwrap();
    for name in node.names().iter().filter(|name| name.ends_with(".snapshot")) {
        std::fs::remove_file(node.dir().join("t-0").join(name)).unwrap();
    }
    node.restart(false);
    assert_eq!(node.log().active_producers(), before);
    let again = node.put_as(producer(2, 8), &[("a", Some("y")), ("b", Some("y"))]);
    assert_eq!(again, 13, "known");
    assert_eq!(records(&node.log(), Isolation::LogEnd), expected);
}

#[test]
fn a_snapshot_that_tells_of_batches_that_are_gone_is_no_damage() {
    let node = Node::new(LogConfig {
        segment_bytes: 2_000,
        ..compacted()
    });
    let producer = |sequence| BatchBuilder::new(Compression::None).producer(1, 0, sequence);
    let large = "x".repeat(800);
    node.put_as(producer(0), &[("kept", Some(&large))]);
    node.put_as(producer(1), &[("a", Some("1"))]);
    node.put(&[("end", Some(&large))]);
    node.log().roll(NOW).unwrap();
    node.put_as(producer(2), &[("a", Some("2"))]);
    node.put(&[("more", Some(&large))]);
    node.roll_and_clean();
    let offsets: Vec<_> = records(&node.log(), Isolation::LogEnd).iter().map(|it| it.0).collect();
    assert_eq!(offsets, [0, 2, 3, 4]);
    assert!(node.names().contains(&"00000000000000000003.snapshot".to_owned()));
    node.logs.shutdown(1).unwrap();
    let findings = || verify(copied(&node.dir()).path(), NOW, &mut |_| {}).unwrap().findings;
    assert!(
        findings().iter().all(|finding| finding.severity == Severity::Note),
        "{:?}",
        findings()
    );
}

/// Every state that the swap's steps leave, in their order, is one of the two.
#[test]
fn a_swap_that_was_interrupted_is_taken_back_or_finished() {
    let mut node = Node::new(compacted());
    for round in 0..12 {
        node.put(&[
            ("a", Some(&format!("{round}{}", "y".repeat(100)))),
            (&format!("k{round}"), Some("v")),
        ]);
    }
    node.log().roll(NOW).unwrap();
    node.log().flush().unwrap();
    node.logs.shutdown(1).unwrap();
    let before = records(&reopened(&node).0, Isolation::LogEnd);
    let old = copied(&node.dir());
    node.config.segment_bytes = 100_000; // so that all are cleaned into one
    node.restart(true);
    node.roll_and_clean();
    node.logs.shutdown(1).unwrap();
    let after = records(&reopened(&node).0, Isolation::LogEnd);
    assert!(after.len() < before.len());
    let new = node.dir().join("t-0");

    let new_files: Vec<_> = ["log", "index", "timeindex"]
        .map(|ending| format!("{:020}.{ending}", 0))
        .into();
    let bases: Vec<_> = (0..24)
        .filter(|base| old.path().join(format!("t-0/{base:020}.log")).exists())
        .collect();
    assert!(bases.len() > 3, "{bases:?}");
    let closed = &bases[..bases.len() - 1];
    let names = |endings: &[&str]| -> Vec<String> {
        let of = |base: &i64| {
            endings
                .iter()
                .map(|ending| format!("{base:020}.{ending}"))
                .collect::<Vec<_>>()
        };
        closed.iter().flat_map(of).collect()
    };
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut rename = |files: &[String], from: &str, to: &str| {
        steps.extend(
            files
                .iter()
                .map(|file| (format!("{file}{from}"), format!("{file}{to}"))),
        );
    };
    rename(&new_files, ".cleaned", ".swap");
    let committed = new_files.len();
    rename(&names(&["log"]), "", ".deleted");
    rename(&names(&["index", "timeindex"]), "", ".deleted");
    rename(&new_files[..1], ".swap", "");
    rename(&new_files[1..], ".swap", "");

    for done in 0..=steps.len() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("data");
        copy_dir(old.path(), &dir);
        let at = dir.join("t-0");
        for name in &new_files {
            std::fs::copy(new.join(name), at.join(format!("{name}.cleaned"))).unwrap();
        }
        for (from, to) in &steps[..done] {
            std::fs::rename(at.join(from), at.join(to)).unwrap();
        }
        let (logs, report) = start(&dir, &node.config, NOW);
        assert!(report.failed.is_empty());
        let expected = if done < committed { &before } else { &after };
        let log = logs.get(&partition()).unwrap();
        assert_eq!(
            &records(&log, Isolation::LogEnd),
            expected,
            "after {:?}",
            steps[..done].last()
        );
        let events: Vec<_> = report
            .recovered
            .iter()
            .flat_map(|log| log.opened.events.clone())
            .collect();
        let finished = events.contains(&RecoveryEvent::SwapCompleted { base_offset: 0 });
        assert_eq!(finished, (committed..steps.len()).contains(&done), "{events:?}");
        let strange = std::fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let strange: Vec<_> = strange
            .filter(|name| name.contains(".swap") || name.contains(".cleaned"))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
}

fn reopened(node: &Node) -> (Arc<Log>, LogManager, tempfile::TempDir) {
    let copy = copied(&node.dir());
    let (logs, _) = start(copy.path(), &node.config, node.now_ms);
    (logs.get(&partition()).unwrap(), logs, copy)
}
