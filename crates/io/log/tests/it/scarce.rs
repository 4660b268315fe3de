//! Where the process has as many files open as it may, or a thread must not wait for the disk: what can't be done now is left
//! for later, and nothing stops half-way.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use klamm_log::{
    CleanedLog, CleanerConfig, Isolation, Log, LogConfig, LogManager, ManagerConfig, MetaProperties, OpenReport,
    RecoveryEvent, RoundEnd, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::ControlRecordType::Abort;

use crate::clean::compacted;
use crate::disks::{Call, WatchedDisk, too_many_files};
use crate::support::*;

/// A node with two log directories.
struct Node {
    root: tempfile::TempDir,
    disk: WatchedDisk,
    logs: Option<LogManager>,
}

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

impl Node {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, id) in [("a", 1), ("b", 2)] {
            std::fs::create_dir(root.path().join(name)).unwrap();
            let meta = MetaProperties {
                cluster_id: "c".into(),
                node_id: 1,
                directory_id: Some(Uuid::from_u128(id)),
            };
            meta.write(&root.path().join(name)).unwrap();
        }
        let mut node = Self {
            root,
            disk: WatchedDisk::default(),
            logs: None,
        };
        node.start();
        node
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Starts the node, after a kill if it runs.
    fn start(&mut self) -> OpenReport {
        self.logs = None;
        let config = ManagerConfig {
            verifies_transactions: false,
            disk: Arc::new(self.disk.clone()),
            ..ManagerConfig::new(1, ["a", "b"].map(|name| self.dir(name)).to_vec(), 5)
        };
        let (logs, report) = LogManager::open(config, |_| LogConfig::default(), NOW).unwrap();
        self.logs = Some(logs);
        report
    }

    fn logs(&self) -> &LogManager {
        self.logs.as_ref().unwrap()
    }

    /// The partition's log, in the first directory.
    fn log(&self, config: LogConfig) -> Arc<Log> {
        let first = Some(Uuid::from_u128(1));
        let topic = Some(Uuid::from_u128(7));
        self.logs().get_or_create(&tp(), topic, first, config, NOW).unwrap()
    }

    fn clean(&self) -> CleanedLog {
        let stop = AtomicBool::new(false);
        let cleaned = self.logs().clean(0, &CleanerConfig::default(), NOW, &stop);
        cleaned.expect("it is dirty")
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn partitions(dir: &Path) -> Vec<String> {
    let mut names = names(dir);
    names.retain(|name| dir.join(name).is_dir());
    names
}

#[test]
fn a_round_of_cleaning_that_lacks_a_file_is_taken_up_again() {
    for nth in 0.. {
        let node = Node::new();
        let log = node.log(compacted());
        for round in 0..20 {
            append_values(&log, &[&format!("{round}")]);
        }
        log.roll(NOW).unwrap();
        log.update_high_watermark(20);
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = opened.clone();
        node.disk.watch(move |call| match call {
            Call::OpenDir(path) if path.ends_with("t-0") => match counted.fetch_add(1, Ordering::Relaxed) == nth {
                true => Err(too_many_files()),
                false => Ok(()),
            },
            _ => Ok(()),
        });
        let first = node.clean();
        node.disk.let_be();
        assert_eq!(node.logs().offline_directories(), []);
        let was_reached = opened.load(Ordering::Relaxed) > nth;
        if was_reached {
            assert!(
                matches!(&first.end, RoundEnd::Failed(error) if error.is_out_of_files()),
                "{nth}: {:?}",
                first.end
            );
            let left = names(&log.dir());
            let is_left = |name: &String| name.ends_with(".cleaned") || name.ends_with(".swap");
            assert!(!left.iter().any(is_left), "{nth}: {left:?}");
            assert_eq!(records(&log).last(), Some(&(19, "19".to_owned())));
        }
        let last = if was_reached { node.clean() } else { first };
        assert!(
            matches!(last.end, RoundEnd::Cleaned { next_dirty_offset: 20 }),
            "{nth}: {:?}",
            last.end
        );
        assert_eq!(records(&log), [(19, "19".to_owned())]);
        if !was_reached {
            assert!(nth > 1, "for the producers' state, and for the swap");
            break;
        }
    }
}

#[test]
fn a_partition_is_deleted_without_a_file_and_removed_when_its_directory_can_be_read() {
    let node = Node::new();
    append_values(&node.log(LogConfig::default()), &["a"]);
    node.disk.watch(|call| match call {
        Call::Open(_) | Call::Create(_) | Call::OpenDir(_) | Call::List(_) => Err(too_many_files()),
        _ => Ok(()),
    });
    assert!(node.logs().delete(&tp(), NOW).unwrap());
    let left = partitions(&node.dir("a"));
    assert!(matches!(&left[..], [name] if name.ends_with("-delete")), "{left:?}");
    let later = NOW + LogConfig::default().file_delete_delay_ms;
    node.logs().tick(later);
    assert_eq!(partitions(&node.dir("a")), left);
    node.disk.let_be();
    node.logs().tick(later);
    assert_eq!(partitions(&node.dir("a")), Vec::<String>::new());
    assert_eq!(node.logs().offline_directories(), []);
}

#[test]
fn what_could_not_be_opened_is_deleted_without_a_file_too() {
    let mut node = Node::new();
    let log = node.log(LogConfig::default());
    append_values(&log, &["a"]);
    node.logs().shutdown(1).unwrap();
    let metadata = log.dir().join("partition.metadata");
    std::fs::write(metadata, "version: 7\n").unwrap();
    assert_eq!(node.start().failed.len(), 1);
    node.disk.watch(|call| match call {
        Call::OpenDir(_) => Err(too_many_files()),
        _ => Ok(()),
    });
    assert!(node.logs().delete(&tp(), NOW).unwrap());
    node.disk.let_be();
    node.logs().tick(NOW + LogConfig::default().file_delete_delay_ms);
    assert_eq!(partitions(&node.dir("a")), Vec::<String>::new());
}

#[test]
fn a_log_that_has_begun_to_change_places_needs_no_more_files() {
    let node = Node::new();
    let log = node.log(LogConfig::default());
    append_values(&log, &["a", "b"]);
    let moved = node.logs().begin_move(&tp(), &node.dir("b"), NOW).unwrap();
    let moved = moved.expect("it lies in the first directory");
    while moved.copy(1 << 20, NOW).unwrap() > 0 {}
    let has_begun = AtomicBool::new(false);
    let old = node.dir("a").join("t-0");
    node.disk.watch(move |call| match call {
        Call::Rename { from, .. } if *from == old => {
            has_begun.store(true, Ordering::Relaxed);
            Ok(())
        }
        Call::Open(_) | Call::Create(_) | Call::OpenDir(_) if has_begun.load(Ordering::Relaxed) => {
            Err(too_many_files())
        }
        _ => Ok(()),
    });
    let new = node.logs().finish_move(&moved, NOW).unwrap();
    node.disk.let_be();
    node.logs().note_moved(&moved);
    assert_eq!(new.log_dir(), node.dir("b"));
    assert_eq!(partitions(&node.dir("b")), ["t-0"]);
    assert_eq!(records(&new).len(), 2);
}

#[test]
fn a_thread_that_may_not_wait_does_not_look_for_the_index_of_aborted_transactions() {
    let mut node = Node::new();
    let log = node.log(LogConfig::default());
    append(&log, &in_transaction(1, 0, 0, 2)).unwrap();
    end_transaction(&log, 1, 0, Abort);
    node.logs().shutdown(1).unwrap();
    node.start();
    let log = node.log(LogConfig::default());
    log.update_high_watermark(3);
    // Opens all but that index.
    let uncommitted = log.read(0, 1_000, Isolation::HighWatermark, true).unwrap();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    node.disk.watch(move |call| {
        let is_look = matches!(call, Call::Inspect(_) | Call::Open(_)) && !klamm_log::disk::may_wait();
        counted.fetch_add(usize::from(is_look), Ordering::Relaxed);
        Ok(())
    });
    let from_memory = || log.read_from_memory(0, 1_000, Isolation::LastStableOffset, true);
    assert!(from_memory().is_none());
    let found = log.read(0, 1_000, Isolation::LastStableOffset, true).unwrap();
    assert_eq!((found.aborted.len(), found.size()), (1, uncommitted.size()));
    assert!(from_memory().is_none_or(|again| again.unwrap().aborted == found.aborted));
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

#[test]
fn flushed_records_that_are_gone_are_told_of_once_and_what_comes_instead_is_not_taken_for_flushed() {
    for clean in [true, false] {
        let mut node = Node::new();
        let log = node.log(LogConfig::default());
        for _ in 0..10 {
            append_values(&log, &["a"]);
        }
        let batch_size = log.size() / 10;
        node.logs().shutdown(1).unwrap();
        let segment = log.dir().join("00000000000000000000.log");
        drop(log);
        let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
        file.set_len(batch_size * 7).unwrap();
        if !clean {
            std::fs::remove_file(node.dir("a").join(".kafka_cleanshutdown")).unwrap();
        }
        let report = node.start();
        let told = |report: &OpenReport| {
            let events = report.recovered.iter().flat_map(|log| &log.opened.events);
            let ends: Vec<_> = events
                .filter(|event| matches!(event, RecoveryEvent::EndsTooEarly { .. }))
                .cloned()
                .collect();
            ends
        };
        let event = RecoveryEvent::EndsTooEarly {
            end_offset: 7,
            recovery_point: 10,
        };
        assert_eq!(told(&report), [event], "clean: {clean}");
        assert_eq!(node.logs().recovery_progress().lost(), (3, 0));
        let log = node.log(LogConfig::default());
        assert_eq!(append_values(&log, &["b", "b"]).first_offset, 7);
        drop(log);
        // As a power cut may leave the end that no flush has covered.
        file.set_len(batch_size * 7 + 20).unwrap();
        let report = node.start();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert_eq!(told(&report), []);
        assert_eq!(node.log(LogConfig::default()).log_end_offset(), 7);
    }
}
