//! Logs that move between log directories.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use klamm_log::{
    CleanerConfig, Isolation, Log, LogConfig, LogManager, LogMove, ManagerConfig, MetaProperties, MoveError,
    OpenReport, StorageError, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::ControlRecordType::{Abort, Commit};
use klamm_records::{BatchBuilder, Compression};

use crate::clean::compacted;
use crate::disks::{Call, WatchedDisk, broken};
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
    disk: WatchedDisk,
    manager: Option<LogManager>,
    /// One of the directories cannot be read.
    is_spoiled: bool,
}

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

impl Node {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, id) in [("a", 1), ("b", 2), ("c", 3)] {
            let dir = root.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let meta = MetaProperties {
                cluster_id: "c".into(),
                node_id: 1,
                directory_id: Some(Uuid::from_u128(id)),
            };
            meta.write(&dir).unwrap();
        }
        let mut node = Self {
            root,
            disk: WatchedDisk::default(),
            manager: None,
            is_spoiled: false,
        };
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
            disk: Arc::new(self.disk.clone()),
            ..ManagerConfig::new(1, ["a", "b", "c"].map(|name| self.dir(name)).to_vec(), 5)
        };
        let (manager, report) = LogManager::open(config, |_| log_config(), NOW).unwrap();
        assert_eq!(report.failed.is_empty(), !self.is_spoiled);
        self.manager = Some(manager);
        report
    }

    /// As if the node had died between the two renames.
    fn died_at_the_change_of_places(&mut self, target: &str) {
        self.manager = None;
        let future = self.dir(target).join("t-0.0123456789abcdef0123456789abcdef-future");
        std::fs::rename(self.dir(target).join("t-0"), future).unwrap();
    }

    /// Makes the next start take the directory for one that cannot be read.
    fn spoil(&mut self, name: &str) {
        self.is_spoiled = true;
        let file = self.dir(name).join("meta.properties");
        std::fs::rename(&file, self.dir(name).join("away")).unwrap();
        std::fs::create_dir(&file).unwrap();
    }

    fn mend(&mut self, name: &str) {
        self.is_spoiled = false;
        let file = self.dir(name).join("meta.properties");
        std::fs::remove_dir(&file).unwrap();
        std::fs::rename(self.dir(name).join("away"), &file).unwrap();
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
        log.delete_records(12).unwrap(); // in the middle of a batch
        log.delete_old_segments(NOW).unwrap();
        log
    }

    fn begin(&self) -> LogMove {
        self.manager()
            .begin_move(&tp(), &self.dir("b"), NOW)
            .unwrap()
            .expect("it lies in the first directory")
    }

    /// Makes the copy take the log's place, checkpoints and all.
    fn finish(&self, moved: &LogMove) -> Arc<Log> {
        let log = self.manager().finish_move(moved, NOW).unwrap();
        self.manager().note_moved(moved);
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
    let nowhere = manager.begin_move(&tp(), &node.dir("d"), NOW);
    assert!(matches!(nowhere, Err(MoveError::NoSuchDirectory { .. })));
    let moved = node.begin();
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
    let reader = log.read(20, 1 << 20, Isolation::LogEnd, true).unwrap();
    let new = node.finish(&moved);
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
    let moved = node.begin();
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
    let moved = node.begin();
    node.finish(&moved);
    drop(moved);
    node.died_at_the_change_of_places("b");
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
    assert_eq!(report.completed_moves, [(tp(), node.dir("b"))]);
    let lines = std::fs::read_to_string(node.dir("b").join("recovery-point-offset-checkpoint")).unwrap();
    assert!(lines.contains("t 0 "), "{lines}");
    let log = node.manager().get(&tp()).unwrap();
    assert_eq!(&*log.dir(), node.dir("b").join("t-0"));
    log.update_high_watermark(log.log_end_offset());
    assert_eq!(told(&log), before);
}

#[test]
fn a_move_that_is_given_up_leaves_nothing() {
    let node = Node::new();
    let log = node.filled();
    let moved = node.begin();
    moved.copy(300, NOW).unwrap();
    node.manager().abandon_move(&moved, NOW);
    assert!(node.manager().future_logs().is_empty());
    node.manager().tick(NOW + 1_000);
    assert_eq!(names(&node.dir("b")), Vec::<String>::new());
    add(&log, 10);
    // A partition that was deleted meanwhile has no place to take.
    let moved = node.begin();
    node.manager().delete(&tp(), NOW).unwrap();
    assert!(matches!(
        node.manager().finish_move(&moved, NOW),
        Err(MoveError::Gone { .. })
    ));
}

/// The window is that between the renames and whatever follows them, for which the disk takes its time.
#[test]
fn whoever_reads_while_the_directories_change_their_names_finds_what_was_there() {
    let mut node = Node::new();
    node.filled();
    node.manager().shutdown(1).unwrap();
    node.start(); // nothing is open, and nothing known of any file
    let log = node.manager().get(&tp()).unwrap();
    log.update_high_watermark(log.log_end_offset());
    let moved = node.begin();
    while moved.copy(1 << 20, NOW).unwrap() > 0 {}
    let (dir, reader, reads) = (node.dir("a"), log.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = reads.clone();
    node.disk.watch(move |call| {
        if *call == Call::SyncDir(dir.clone()) && counted.fetch_add(1, Ordering::Relaxed) == 0 {
            let found = reader.read(15, 1 << 20, Isolation::LastStableOffset, true).unwrap();
            assert!(found.region.unwrap().read().unwrap().len() > 100);
            assert!(!found.aborted.is_empty(), "transactions were aborted there");
            assert_eq!(records(&reader).len(), 38);
        }
        Ok(())
    });
    node.finish(&moved);
    node.disk.let_be();
    assert!(reads.load(Ordering::Relaxed) > 0);
    assert_eq!(node.manager().offline_directories(), []);
    // Whoever still holds the old one when its files are gone does its directory no harm.
    node.manager().tick(NOW + 1_000);
    for read in [
        log.offset_for_timestamp(NOW).map(drop),
        log.read(15, 1 << 20, Isolation::LastStableOffset, true).map(drop),
    ] {
        let closed = matches!(read, Err(klamm_log::ReadError::Storage(StorageError::Closed { .. })));
        assert!(closed, "{read:?}");
    }
    assert_eq!(node.manager().offline_directories(), []);
}

#[test]
fn settings_that_change_meanwhile_are_the_copys_too_and_so_is_what_the_cleaner_knows() {
    let node = Node::new();
    let log = node.filled();
    let moved = node.begin();
    let changed = LogConfig {
        retention_ms: 5,
        ..log_config()
    };
    log.update_config(changed.clone());
    assert_eq!(*node.finish(&moved).config(), changed);
    assert!(node.dir("b").join("cleaner-offset-checkpoint").exists());
}

#[test]
fn a_log_that_ends_behind_its_last_batch_moves_with_its_end() {
    let mut node = Node::new();
    let log = node.filled();
    log.roll(NOW).unwrap();
    let end = log.log_end_offset();
    let last = log.segment_base_offsets()[log.segment_base_offsets().len() - 2];
    node.manager().shutdown(1).unwrap();
    // As if compaction had taken the last batch, an end marker.
    let path = log.dir().join(format!("{last:020}.log"));
    let bytes = std::fs::read(&path).unwrap();
    let sizes: Vec<usize> = klamm_records::batches(&bytes)
        .map(|batch| batch.unwrap().bytes.len())
        .collect();
    let kept: usize = sizes[..sizes.len() - 1].iter().sum();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(kept as u64)
        .unwrap();
    drop(log);
    node.start();
    let moved = node.begin();
    let new = node.finish(&moved);
    assert_eq!(new.log_end_offset(), end);
    assert_eq!(append_values(&new, &["next"]).first_offset, end);
    node.manager().shutdown(1).unwrap();
    node.start();
    let log = node.manager().get(&tp()).unwrap();
    assert_eq!((log.log_end_offset(), records(&log).last().unwrap().0), (end + 1, end));
}

#[test]
fn a_new_directory_that_fails_at_the_change_of_places_leaves_the_log_in_service() {
    let node = Node::new();
    let log = node.filled();
    let before = told(&log);
    let moved = node.begin();
    let settled = node.dir("b").join("t-0");
    node.disk.watch(move |call| match call {
        Call::Rename { to, .. } if *to == settled => Err(broken()),
        _ => Ok(()),
    });
    let failed = node.manager().finish_move(&moved, NOW);
    assert!(matches!(failed, Err(MoveError::Storage(StorageError::Io { .. }))));
    node.manager().abandon_move(&moved, NOW);
    assert_eq!(node.manager().offline_directories(), [Uuid::from_u128(2)]);
    assert!(Arc::ptr_eq(&node.manager().get(&tp()).unwrap(), &log));
    assert_eq!((&*log.dir(), told(&log)), (&*node.dir("a").join("t-0"), before));
    append_values(&log, &["goes on"]);
    node.manager().tick(NOW + 10_000);
    assert_eq!(names(&node.dir("a")), ["t-0"], "and nothing of it is removed");
    log.flush().unwrap();
}

#[test]
fn an_old_directory_that_fails_at_the_change_of_places_leaves_the_copy_for_the_next_start() {
    let mut node = Node::new();
    let log = node.filled();
    let moved = node.begin();
    let old = node.dir("a").join("t-0");
    node.disk.watch(move |call| match call {
        Call::Rename { from, .. } if *from == old => Err(broken()),
        _ => Ok(()),
    });
    let failed = node.manager().finish_move(&moved, NOW);
    assert!(matches!(failed, Err(MoveError::Interrupted(_))));
    assert!(node.manager().get(&tp()).is_none() && node.manager().future_logs().is_empty());
    node.disk.let_be();
    drop((log, moved));
    // As long as the old one cannot be read nobody knows which one counts.
    node.spoil("a");
    let report = node.start();
    assert_eq!(report.unfinished_moves, []);
    node.manager().tick(NOW + 10_000);
    assert!(names(&node.dir("b")).iter().all(|name| name.ends_with("-future")));
    assert_eq!(names(&node.dir("b")).len(), 1);
    node.mend("a");
    let report = node.start();
    assert_eq!(report.unfinished_moves, [(tp(), node.dir("b"))]);
    assert_eq!(records_from(&node.manager().get(&tp()).unwrap(), 12).len(), 38);
}

#[test]
fn what_an_earlier_move_left_tells_nothing_of_a_copy_while_a_directory_cannot_be_read() {
    let mut node = Node::new();
    node.filled();
    let moved = node.begin();
    node.finish(&moved); // the first directory has what is left of the log
    let again = node.manager().begin_move(&tp(), &node.dir("c"), NOW).unwrap();
    let again = again.expect("it lies in the second directory");
    again.copy(300, NOW).unwrap();
    drop((moved, again));
    node.spoil("b");
    let report = node.start();
    assert_eq!((report.completed_moves, report.unfinished_moves), (vec![], vec![]));
    node.manager().tick(NOW + 10_000);
    assert!(node.manager().get(&tp()).is_none());
    assert!(matches!(&*names(&node.dir("c")), [copy] if copy.ends_with("-future")));
    node.mend("b");
    let report = node.start();
    assert_eq!(report.unfinished_moves, [(tp(), node.dir("c"))]);
    assert_eq!(records_from(&node.manager().get(&tp()).unwrap(), 12).len(), 38);
}

#[test]
fn a_copy_and_what_is_left_of_the_log_stay_where_nobody_can_tell_whose_they_are() {
    for spoilt in ["a", "b"] {
        let mut node = Node::new();
        node.filled();
        let moved = node.begin();
        node.finish(&moved);
        drop(moved);
        node.died_at_the_change_of_places("b");
        let dir = |name: &str| node.dir(name).join(&names(&node.dir(name))[0]);
        let metadata = dir(spoilt).join("partition.metadata");
        let intact = std::fs::read(&metadata).unwrap();
        std::fs::write(&metadata, "version: 7\n").unwrap();
        node.is_spoiled = true;
        let report = node.start();
        assert_eq!((report.completed_moves, report.unfinished_moves), (vec![], vec![]));
        node.manager().tick(NOW + 10_000);
        let begun = node
            .manager()
            .get_or_create(&tp(), Some(TOPIC_ID), None, log_config(), NOW);
        assert!(begun.is_err(), "no second log is begun");
        node.manager().shutdown(1).unwrap();
        std::fs::write(&metadata, intact).unwrap();
        node.is_spoiled = false;
        let report = node.start();
        assert_eq!(report.completed_moves, [(tp(), node.dir("b"))], "{spoilt}");
        let log = node.manager().get(&tp()).unwrap();
        assert_eq!((log.log_start_offset(), records_from(&log, 12).len()), (12, 38));
    }
}

#[test]
fn a_move_that_a_start_completes_begins_where_its_own_log_began() {
    let mut node = Node::new();
    let log = node.filled();
    let before = told(&log);
    let moved = node.begin();
    node.finish(&moved); // what is left of it in the first directory knows of no deleted records
    let again = node.manager().begin_move(&tp(), &node.dir("c"), NOW).unwrap();
    let again = again.expect("it lies in the second directory");
    node.finish(&again);
    drop((moved, again, log));
    node.died_at_the_change_of_places("c");
    let report = node.start();
    assert_eq!(report.completed_moves, [(tp(), node.dir("c"))]);
    let log = node.manager().get(&tp()).unwrap();
    log.update_high_watermark(log.log_end_offset());
    assert_eq!(told(&log), before);
}

#[test]
fn what_waits_for_its_removal_in_the_copy_is_removed_after_the_change_of_places() {
    let node = Node::new();
    let log = node.filled();
    let moved = node.begin();
    while moved.copy(1 << 20, NOW).unwrap() > 0 {}
    // Retention is faster: the copy begins anew.
    add(&log, 10);
    log.update_high_watermark(log.log_end_offset());
    log.delete_records(log.log_end_offset()).unwrap();
    assert_eq!(moved.copy(1 << 20, NOW).unwrap(), 0);
    let new = node.finish(&moved);
    let left = || std::fs::read_dir(new.dir()).unwrap().map(|entry| entry.unwrap().path());
    let waits = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deleted");
    assert!(left().filter(waits).count() > 0);
    // A directory of somebody's is no reason to give up on a whole disk.
    let somebodys = names(&node.dir("a")).remove(0);
    std::fs::create_dir(node.dir("a").join(somebodys).join("notes")).unwrap();
    node.manager().tick(NOW + 1_000);
    assert_eq!(left().filter(waits).count(), 0);
    assert_eq!(names(&node.dir("a")), Vec::<String>::new());
    assert_eq!(node.manager().offline_directories(), []);
}

/// Has the disk fail at the `nth` call of a change of places, or from there on, and starts the node again. Says whether there
/// were so many calls.
fn fails_at(nth: usize, and_then_dies: bool) -> bool {
    let mut node = Node::new();
    let log = node.filled();
    let moved = node.begin();
    while moved.copy(1 << 20, NOW).unwrap() > 0 {}
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    node.disk.watch(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        at if at == nth || at > nth && and_then_dies => Err(broken()),
        _ => Ok(()),
    });
    let finished = node.manager().finish_move(&moved, NOW);
    if finished.is_ok() {
        node.manager().note_moved(&moved);
    }
    let was_reached = calls.load(Ordering::Relaxed) > nth;
    if !and_then_dies {
        node.disk.let_be();
        if matches!(&finished, Err(error) if !matches!(error, MoveError::Interrupted(_))) {
            node.manager().abandon_move(&moved, NOW);
        }
        if let Some(log) = node.manager().get(&tp()).filter(|log| log.check_online().is_ok()) {
            assert_eq!(records(&log).len(), 38, "{nth}");
            append_values(&log, &["goes on"]);
            log.flush().unwrap();
            node.manager().tick(NOW + 10_000);
        }
    }
    drop((log, moved, finished));
    node.manager = None;
    node.disk.let_be();
    node.start();
    let in_both = [node.dir("a"), node.dir("b")].map(|dir| names(&dir));
    let in_service = in_both.iter().flatten().filter(|name| *name == "t-0").count();
    assert_eq!(in_service, 1, "{nth}: {in_both:?}");
    let log = node.manager().get(&tp()).unwrap();
    let found = records_from(&log, 12);
    assert!(found.len() == 38 || found.len() == 39 && !and_then_dies, "{nth}");
    append_values(&log, &["and on"]);
    was_reached
}

fn gappy(node: &Node, segment_bytes: u32) -> Arc<Log> {
    let config = LogConfig {
        segment_bytes,
        ..compacted()
    };
    let of_node = Some(Uuid::from_u128(1));
    let log = node
        .manager()
        .get_or_create(&tp(), Some(TOPIC_ID), of_node, config, NOW)
        .unwrap();
    for i in 0..20 {
        let key = if i % 3 == 0 {
            format!("key-{i}")
        } else {
            "same".to_owned()
        };
        let mut batch = BatchBuilder::new(Compression::None);
        batch.push(NOW, Some(key.as_bytes()), Some(b"value"), &[]).unwrap();
        append(&log, &batch.build()).unwrap();
    }
    log.roll(NOW).unwrap();
    log.update_high_watermark(log.log_end_offset());
    let stop = AtomicBool::new(false);
    assert!(node.manager().clean(0, &CleanerConfig::default(), NOW, &stop).is_some());
    assert_eq!(records(&log).len(), 8);
    log
}

/// Settings of topics are not known when logs are opened, so only the checkpoints tell that the gaps are no damage.
#[test]
fn a_compacted_log_loses_nothing_when_its_process_dies_at_any_call_of_the_change_of_places() {
    let dies_at = |nth: usize| {
        let mut node = Node::new();
        let log = gappy(&node, 100);
        let before = records(&log);
        let moved = node.begin();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        node.disk
            .watch(move |_| match counted.fetch_add(1, Ordering::Relaxed) >= nth {
                true => Err(broken()),
                false => Ok(()),
            });
        if node.manager().finish_move(&moved, NOW).is_ok() {
            node.manager().note_moved(&moved);
        }
        node.disk.let_be();
        drop((log, moved));
        // And once more, before anything was written to a checkpoint.
        for _ in 0..2 {
            node.manager = None;
            node.start();
            assert_eq!(records(&node.manager().get(&tp()).unwrap()), before, "{nth}");
        }
        calls.load(Ordering::Relaxed) > nth
    };
    let calls = (0..).find(|nth| !dies_at(*nth)).unwrap();
    assert!(calls > 10, "{calls}");
}

#[test]
fn gaps_within_segments_tell_that_those_between_them_are_no_damage() {
    let mut node = Node::new();
    let log = gappy(&node, 500);
    let before = records(&log);
    assert!(log.segment_base_offsets().len() > 2);
    drop(log);
    node.manager = None;
    for name in ["recovery-point-offset-checkpoint", "cleaner-offset-checkpoint"] {
        std::fs::remove_file(node.dir("a").join(name)).unwrap();
    }
    node.start();
    assert_eq!(records(&node.manager().get(&tp()).unwrap()), before);
}

#[test]
fn a_process_that_dies_at_any_call_of_the_change_of_places_loses_nothing() {
    let calls = (0..).find(|nth| !fails_at(*nth, true)).unwrap();
    assert!(calls > 10, "{calls}");
}

#[test]
fn a_disk_that_fails_at_any_call_of_the_change_of_places_loses_nothing() {
    let calls = (0..).find(|nth| !fails_at(*nth, false)).unwrap();
    assert!(calls > 10, "{calls}");
}

/// What the cleaner takes from a log may be in the copy already, and what it took that for not yet.
#[test]
fn a_log_is_cleaned_before_and_after_its_move_and_not_meanwhile() {
    let node = Node::new();
    let log = node
        .manager()
        .get_or_create(&tp(), Some(TOPIC_ID), Some(Uuid::from_u128(1)), compacted(), NOW)
        .unwrap();
    let stop = AtomicBool::new(false);
    let clean = || node.manager().clean(0, &CleanerConfig::default(), NOW, &stop).is_some();
    let dirty = |log: &Log| {
        for _ in 0..10 {
            let mut batch = BatchBuilder::new(Compression::None);
            batch.push(NOW, Some(b"key"), Some(b"value"), &[]).unwrap();
            append(log, &batch.build()).unwrap();
        }
        log.roll(NOW).unwrap();
        log.update_high_watermark(log.log_end_offset());
    };
    dirty(&log);
    assert!(clean());
    dirty(&log);
    let moved = node.begin();
    assert!(!clean(), "it moves");
    let new = node.finish(&moved);
    assert!(clean());
    dirty(&new);
    assert!(clean());
}
