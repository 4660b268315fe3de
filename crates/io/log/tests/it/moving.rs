//! Logs that move between log directories.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use klamm_log::{Log, LogConfig, LogManager, ManagerConfig, MetaProperties, MoveError, OpenReport, TopicPartition};
use klamm_protocol::Uuid;
use klamm_records::ControlRecordType::{Abort, Commit};

use crate::support::*;

const TOPIC_ID: Uuid = Uuid::from_u128(77);

fn log_config() -> LogConfig {
    LogConfig {
        segment_bytes: 900,
        index_interval_bytes: 150,
        file_delete_delay_ms: 1_000,
        ..LogConfig::default()
    }
}

struct Node {
    root: tempfile::TempDir,
    manager: Option<LogManager>,
}

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

impl Node {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, id) in [("a", 1), ("b", 2)] {
            let dir = root.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let meta = MetaProperties {
                cluster_id: "c".into(),
                node_id: 1,
                directory_id: Some(Uuid::from_u128(id)),
            };
            meta.write(&dir).unwrap();
        }
        let mut node = Self { root, manager: None };
        node.start();
        node
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn start(&mut self) -> OpenReport {
        self.manager = None;
        let config = ManagerConfig {
            verifies_transactions: false,
            ..ManagerConfig::new(1, vec![self.dir("a"), self.dir("b")], 5)
        };
        let (manager, report) = LogManager::open(config, |_| log_config(), NOW).unwrap();
        assert!(report.failed.is_empty());
        self.manager = Some(manager);
        report
    }

    fn manager(&self) -> &LogManager {
        self.manager.as_ref().unwrap()
    }

    /// A log in the first directory, with transactions, producers and epochs over several segments.
    fn filled(&self) -> Arc<Log> {
        let log = self
            .manager()
            .get_or_create(&tp(), Some(TOPIC_ID), Some(Uuid::from_u128(1)), log_config(), NOW)
            .unwrap();
        for round in 0..10 {
            add(&log, round);
        }
        log.update_high_watermark(log.log_end_offset());
        log.delete_records(13).unwrap();
        log.delete_old_segments(NOW).unwrap();
        log
    }
}

fn add(log: &Log, round: i32) {
    append(log, &from_producer(5, 0, round, 1)).unwrap();
    append(log, &in_transaction(1, 0, round * 2, 2)).unwrap();
    append_values(log, &["plain"]);
    end_transaction(log, 1, 0, if round % 3 == 0 { Abort } else { Commit });
}

/// All that has to be the same in the copy.
fn told(log: &Log) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        records(log),
        log.offsets(),
        log.leader_epochs(),
        log.active_producers(),
        log.topic_id(),
        log.offset_of_max_timestamp().unwrap()
    )
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_log_moves_while_it_is_written_to_and_everything_with_it() {
    let mut node = Node::new();
    let log = node.filled();
    let manager = node.manager();
    assert!(
        manager.begin_move(&tp(), &node.dir("a"), NOW).unwrap().is_none(),
        "it is there"
    );
    let nowhere = manager.begin_move(&tp(), &node.dir("c"), NOW);
    assert!(matches!(nowhere, Err(MoveError::NoSuchDirectory { .. })));
    let moved = manager.begin_move(&tp(), &node.dir("b"), NOW).unwrap().unwrap();
    let mut round = 10;
    while moved.lag() > 5 {
        assert!(moved.copy(200, NOW).unwrap() > 0);
        if round < 13 {
            add(&log, round);
            round += 1;
        }
        let future = &manager.future_logs()[0];
        assert_eq!((&future.partition, &future.dir), (&tp(), &node.dir("b")));
        assert_eq!(log.log_end_offset() - future.log_end_offset, moved.lag());
    }
    log.update_high_watermark(log.log_end_offset());
    log.maybe_assign_epoch_start_offset(9, log.log_end_offset());
    let before = told(&log);
    let reader = log.read(20, 1 << 20, klamm_log::Isolation::LogEnd, true).unwrap();
    let new = manager.finish_move(&moved, NOW).unwrap();
    assert_eq!(told(&new), before);
    assert!(manager.future_logs().is_empty());
    assert_eq!(
        (new.log_dir(), &*new.dir()),
        (&*node.dir("b"), &*node.dir("b").join("t-0"))
    );
    assert!(Arc::ptr_eq(&manager.get(&tp()).unwrap(), &new));
    assert!(
        append(&log, &batch(NOW, &["late"])).is_err(),
        "the old one is out of service"
    );
    assert!(
        reader.region.unwrap().read().unwrap().len() > 100,
        "and read to the end"
    );
    assert!(names(&node.dir("a")).iter().all(|name| name.ends_with("-delete")));
    let refused = manager.finish_move(&moved, NOW);
    assert!(matches!(refused, Err(MoveError::Gone { .. })));

    manager.tick(NOW + 1_000);
    assert_eq!(names(&node.dir("a")), Vec::<String>::new());
    for clean in [true, false] {
        if clean {
            node.manager().shutdown(1).unwrap();
        }
        let report = node.start();
        assert_eq!(report.unfinished_moves, []);
        let log = node.manager().get(&tp()).unwrap();
        log.update_high_watermark(log.log_end_offset());
        log.maybe_assign_epoch_start_offset(9, log.log_end_offset());
        assert_eq!(told(&log), before, "clean: {clean}");
        assert_eq!(log.log_dir(), node.dir("b"));
    }
}

#[test]
fn a_stop_in_the_middle_begins_the_copy_anew_and_one_at_the_change_of_places_completes_it() {
    let mut node = Node::new();
    let log = node.filled();
    let before = told(&log);
    let moved = node.manager().begin_move(&tp(), &node.dir("b"), NOW).unwrap().unwrap();
    moved.copy(300, NOW).unwrap();
    node.manager().shutdown(1).unwrap();
    drop((moved, log));
    let report = node.start();
    assert_eq!(report.unfinished_moves, [(tp(), node.dir("b"))]);
    node.manager().tick(NOW);
    assert_eq!(names(&node.dir("b")), Vec::<String>::new());
    let log = node.manager().get(&tp()).unwrap();
    assert_eq!(log.log_dir(), node.dir("a"));

    node.manager().shutdown(1).unwrap(); // puts the log start on disk
    node.start();
    let checkpoint = std::fs::read(node.dir("a").join("log-start-offset-checkpoint")).unwrap();
    let moved = node.manager().begin_move(&tp(), &node.dir("b"), NOW).unwrap().unwrap();
    node.manager().finish_move(&moved, NOW).unwrap();
    drop(moved);
    // As if the node had died between the two renames.
    node.manager = None;
    let future = node.dir("b").join("t-0.0123456789abcdef0123456789abcdef-future");
    std::fs::rename(node.dir("b").join("t-0"), future).unwrap();
    for name in [
        "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint",
        "replication-offset-checkpoint",
    ] {
        std::fs::remove_file(node.dir("b").join(name)).unwrap();
    }
    std::fs::write(node.dir("a").join("log-start-offset-checkpoint"), checkpoint).unwrap();
    let report = node.start();
    assert_eq!(report.unfinished_moves, []);
    let log = node.manager().get(&tp()).unwrap();
    assert_eq!(&*log.dir(), node.dir("b").join("t-0"));
    log.update_high_watermark(log.log_end_offset());
    assert_eq!(told(&log), before);
}

#[test]
fn a_move_that_is_given_up_leaves_nothing() {
    let node = Node::new();
    let log = node.filled();
    let moved = node.manager().begin_move(&tp(), &node.dir("b"), NOW).unwrap().unwrap();
    moved.copy(300, NOW).unwrap();
    node.manager().abandon_move(&moved, NOW);
    assert!(node.manager().future_logs().is_empty());
    node.manager().tick(NOW + 1_000);
    assert_eq!(names(&node.dir("b")), Vec::<String>::new());
    add(&log, 10);
    // A partition that was deleted meanwhile has no place to take.
    let moved = node.manager().begin_move(&tp(), &node.dir("b"), NOW).unwrap().unwrap();
    node.manager().delete(&tp(), NOW).unwrap();
    assert!(matches!(
        node.manager().finish_move(&moved, NOW),
        Err(MoveError::Gone { .. })
    ));
}
