//! A node's log directories: whose they are, what is in them, and how they are left.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use klamm_log::{
    AppendError, DirLock, Isolation, LockError, LogConfig, LogManager, ManagerConfig, MetaProperties, OpenError,
    OpenReport, ProducerError, ReadError, Shutdown, StorageError, TopicPartition,
};
use klamm_protocol::Uuid;

use crate::disks::{Call, WatchedDisk, broken, too_many_files};
use crate::support::*;

fn format(dir: &Path, node_id: i32, id: u128) {
    std::fs::create_dir_all(dir).unwrap();
    let meta = MetaProperties {
        cluster_id: "c".into(),
        node_id,
        directory_id: Some(Uuid::from_u128(id)),
    };
    meta.write(dir).unwrap();
}

fn config(dirs: &[PathBuf]) -> ManagerConfig {
    ManagerConfig::new(1, dirs.to_vec(), 42)
}

fn start_watched(dir: &Path) -> (LogManager, WatchedDisk) {
    let disk = WatchedDisk::default();
    let started = start_with(ManagerConfig {
        disk: Arc::new(disk.clone()),
        ..config(&[dir.to_owned()])
    });
    (started.unwrap().0, disk)
}

fn start_with(config: ManagerConfig) -> Result<(LogManager, OpenReport), OpenError> {
    LogManager::open(config, |_| LogConfig::default(), NOW)
}

fn start(dir: &Path) -> (LogManager, OpenReport) {
    start_with(config(&[dir.to_owned()])).unwrap()
}

fn stop(manager: LogManager, broker_epoch: i64) {
    manager.shutdown(broker_epoch).unwrap();
}

fn formatted() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    format(&dir, 1, 7);
    (root, dir)
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

const TOPIC_ID: Uuid = Uuid::from_u128(0x1234_5678);

fn create(manager: &LogManager, partition: &TopicPartition) -> Arc<klamm_log::Log> {
    manager
        .get_or_create(partition, Some(TOPIC_ID), None, LogConfig::default(), NOW)
        .unwrap()
}

#[test]
fn a_node_finds_everything_again_after_a_clean_shutdown() {
    let (_root, dir) = formatted();
    let (manager, report) = start(&dir);
    assert_eq!((report.logs, report.dirs[0].shutdown), (0, Shutdown::Unclean));
    for partition in 0..3 {
        let log = create(&manager, &tp("orders-eu", partition));
        append_values(&log, &["a", "b"]);
        log.maybe_increment_high_watermark(2);
    }
    create(&manager, &tp("empty", 0));
    manager.get(&tp("orders-eu", 1)).unwrap().delete_records(1).unwrap();
    stop(manager, 77);

    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read(".kafka_cleanshutdown"), r#"{"version":0,"brokerEpoch":77}"#);
    let lines = "empty 0 0\norders-eu 0 2\norders-eu 1 2\norders-eu 2 2\n";
    assert_eq!(read("recovery-point-offset-checkpoint"), format!("0\n4\n{lines}"));
    assert_eq!(read("replication-offset-checkpoint"), format!("0\n4\n{lines}"));
    assert_eq!(read("log-start-offset-checkpoint"), "0\n1\norders-eu 1 1\n");
    assert_eq!(
        read("orders-eu-0/partition.metadata"),
        format!("version: 0\ntopic_id: {TOPIC_ID}")
    );

    let (manager, report) = start(&dir);
    assert_eq!((report.logs, report.dirs[0].shutdown), (4, Shutdown::Clean(Some(77))));
    assert!(report.recovered.is_empty() && report.failed.is_empty());
    assert!(!dir.join(".kafka_cleanshutdown").exists(), "counts once");
    let log = manager.get(&tp("orders-eu", 1)).unwrap();
    assert_eq!(
        (log.log_start_offset(), log.high_watermark(), log.topic_id()),
        (1, 2, Some(TOPIC_ID))
    );
    assert_eq!(records(&log), [(1, "b".to_owned())]);
    assert!(
        !log.assign_topic_id(Uuid::from_u128(9)).unwrap(),
        "another incarnation's log"
    );
    assert_eq!(manager.log_dirs()[0].directory_id, Some(Uuid::from_u128(7)));
    assert!(manager.log_dirs()[0].total_bytes > manager.log_dirs()[0].usable_bytes);
}

#[test]
fn whoever_the_directory_does_not_belong_to_is_told_and_nothing_is_touched() {
    let (root, dir) = formatted();
    let unformatted = root.path().join("other");
    std::fs::create_dir(&unformatted).unwrap();
    assert!(matches!(
        start_with(config(std::slice::from_ref(&unformatted))),
        Err(OpenError::NotFormatted { .. })
    ));
    let other_node = ManagerConfig::new(2, vec![dir.clone()], 0);
    assert!(matches!(
        start_with(other_node),
        Err(OpenError::OtherNode {
            found: 1,
            expected: 2,
            ..
        })
    ));
    let other_cluster = ManagerConfig {
        cluster_id: Some("d".into()),
        ..config(std::slice::from_ref(&dir))
    };
    let error = start_with(other_cluster).unwrap_err();
    assert!(matches!(&error, OpenError::OtherCluster { found, expected, .. } if found == "c" && expected == "d"));
    assert_eq!(std::fs::read_dir(&unformatted).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "only meta.properties");

    let (manager, _) = start(&dir);
    let error = start_with(config(std::slice::from_ref(&dir))).unwrap_err();
    assert!(matches!(error, OpenError::Lock(LockError::InUse { .. })), "{error}");
    drop(manager);
    DirLock::acquire(&dir).unwrap();
    std::fs::write(dir.join("meta.properties"), "version=0\n").unwrap();
    let error = start_with(config(&[dir])).unwrap_err();
    assert!(error.to_string().contains("meta.properties` is malformed"), "{error}");
}

#[test]
fn a_directory_without_an_id_gets_one_and_keeps_it() {
    let (_root, dir) = formatted();
    std::fs::write(dir.join("meta.properties"), "version=1\ncluster.id=c\nnode.id=1\n").unwrap();
    let (manager, _) = start(&dir);
    let id = manager.log_dirs()[0].directory_id.unwrap();
    drop(manager);
    assert_eq!(start(&dir).0.log_dirs()[0].directory_id, Some(id));
}

#[test]
fn the_metadata_log_and_foreign_directories_are_left_alone() {
    let (_root, dir) = formatted();
    std::fs::create_dir(dir.join("__cluster_metadata-0")).unwrap();
    std::fs::create_dir(dir.join("lost+found")).unwrap();
    std::fs::create_dir(dir.join("t-0.0123456789abcdef0123456789abcdef-stray")).unwrap();
    let (manager, report) = start(&dir);
    assert_eq!(
        (report.logs, &report.dirs[0].foreign[..]),
        (0, &["lost+found".to_owned()][..])
    );
    drop(manager);
    assert!(dir.join("__cluster_metadata-0").exists() && dir.join("lost+found").exists());
}

#[test]
fn deleted_partitions_are_renamed_and_removed_in_steps_also_over_a_restart() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    let gone = create(&manager, &tp("gone", 0));
    append_values(&gone, &["a"]);
    let data = gone.read(0, 1 << 20, Isolation::LogEnd, true).unwrap();
    assert!(manager.delete(&tp("gone", 0), NOW).unwrap());
    assert!(!manager.delete(&tp("gone", 0), NOW).unwrap());
    assert!(manager.get(&tp("gone", 0)).is_none() && !dir.join("gone-0").exists());
    assert!(append(&gone, &batch(NOW, &["b"])).is_err(), "closed");
    assert!(data.region.unwrap().read().unwrap().len() > 60, "a reader may finish");
    let doomed = || {
        let names = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("gone-0.") && name.ends_with("-delete"))
            .count()
    };
    assert_eq!(doomed(), 1);
    let again = create(&manager, &tp("gone", 0));
    assert_eq!(again.log_end_offset(), 0, "a new topic of the same name");
    manager.tick(NOW + 59_999);
    assert_eq!(doomed(), 1);
    stop(manager, 1);
    let (manager, _) = start(&dir);
    manager.tick(NOW + 59_999);
    assert_eq!(doomed(), 1);
    manager.tick(NOW + 60_000);
    assert_eq!(doomed(), 0);
    assert!(dir.join("gone-0").exists());
}

#[test]
fn ticks_remove_old_segments_and_then_their_files() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    let log = create(&manager, &tp("t", 0));
    append(&log, &batch(NOW - 8 * 86_400_000, &["old"])).unwrap();
    log.roll(NOW).unwrap();
    append_values(&log, &["new"]);
    log.maybe_increment_high_watermark(2);
    assert_eq!(manager.tick(NOW).segments_deleted, 0, "not right after start");
    assert_eq!(manager.tick(NOW + 30_000).segments_deleted, 1);
    assert_eq!(records(&log), [(1, "new".to_owned())]);
    let deleted = || {
        let names = std::fs::read_dir(dir.join("t-0"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".deleted")).count()
    };
    assert_eq!(deleted(), 3);
    manager.tick(NOW + 89_999);
    assert_eq!(deleted(), 3);
    manager.tick(NOW + 90_000);
    assert_eq!(deleted(), 0);
}

#[test]
fn what_is_dirty_for_long_is_flushed_in_the_background_and_bounds_recovery() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    let log = create(&manager, &tp("t", 0));
    append_values(&log, &["a"]);
    manager.tick(NOW + 4_999);
    assert_eq!(log.recovery_point(), 0);
    manager.tick(NOW + 5_000);
    wait_until(|| log.recovery_point() == 1);
    wait_until(|| {
        std::fs::read_to_string(dir.join("recovery-point-offset-checkpoint")).is_ok_and(|text| text.contains("t 0 1"))
    });
    append_values(&log, &["b"]);
    drop((log, manager)); // as killed
    let (manager, report) = start(&dir);
    assert_eq!(report.recovered.len(), 1);
    let one = batch(NOW, &["b"]).len() as u64;
    assert_eq!(
        report.recovered[0].opened.bytes_checked, one,
        "only what was not flushed"
    );
    assert_eq!(records(&manager.get(&tp("t", 0)).unwrap()).len(), 2);
}

#[test]
fn much_unflushed_is_flushed_at_once_in_the_background() {
    let (_root, dir) = formatted();
    let (manager, _) = start_with(ManagerConfig {
        background_flush_bytes: 1_000,
        ..config(&[dir])
    })
    .unwrap();
    let log = create(&manager, &tp("t", 0));
    (0..20).for_each(|_| {
        append_values(&log, &["x".repeat(80).as_str()]);
    });
    wait_until(|| log.recovery_point() > 0);
    let every = LogConfig {
        flush_messages: 1,
        ..LogConfig::default()
    };
    log.update_config(every);
    append_values(&log, &["now"]);
    assert_eq!(log.recovery_point(), log.log_end_offset(), "flush.messages waits");
}

/// A client takes the success of a later batch for that of all before it.
#[test]
fn of_a_new_producer_nothing_is_taken_before_what_the_disk_had_no_room_for() {
    let (_root, dir) = formatted();
    let (manager, disk) = start_watched(&dir);
    let log = create(&manager, &tp("t", 0));
    log.update_config(LogConfig {
        segment_bytes: 300,
        ..LogConfig::default()
    });
    append_values(&log, &["x".repeat(200).as_str()]);
    disk.watch(|call| match call {
        Call::Create(path) if path.extension().is_some_and(|it| it == "log") => {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    });
    let no_room = append(&log, &from_producer(1, 0, 0, 3)).unwrap_err();
    assert!(matches!(no_room, AppendError::Storage(error) if error.is_out_of_space()));
    disk.let_be();
    for later in [from_producer(1, 0, 3, 1), from_producer(1, 0, 4, 1)] {
        let early = append(&log, &later).unwrap_err();
        assert!(matches!(
            early,
            AppendError::Producer(ProducerError::OutOfOrderSequence { .. })
        ));
    }
    append(&log, &from_producer(2, 0, 7, 1)).unwrap(); // unknown, and nothing of it was refused
    append(&log, &from_producer(1, 0, 0, 3)).unwrap();
    append(&log, &from_producer(1, 0, 3, 1)).unwrap();
    assert_eq!(log.log_end_offset(), 6);
}

/// What is refused may not stay: an idempotent producer would send it again in a new epoch.
#[test]
fn records_that_are_durable_are_acknowledged_though_there_is_no_room_for_a_whole_flush() {
    let (_root, dir) = formatted();
    let (manager, disk) = start_watched(&dir);
    let log = create(&manager, &tp("t", 0));
    let every = LogConfig {
        flush_messages: 1,
        ..LogConfig::default()
    };
    log.update_config(every);
    let synced = Arc::new(AtomicUsize::new(0));
    let of_log = Arc::clone(&synced);
    disk.watch(move |call| match call {
        Call::Create(path) if path.ends_with("leader-epoch-checkpoint.tmp") => {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        Call::SyncDir(path) if path.ends_with("t-0") => {
            of_log.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        _ => Ok(()),
    });
    append_values(&log, &["a"]);
    assert_eq!((log.log_end_offset(), log.recovery_point()), (1, 0));
    assert!(synced.load(Ordering::Relaxed) > 0);
    disk.let_be();
    append_values(&log, &["b"]);
    assert_eq!(log.recovery_point(), 2);
}

/// Apache Kafka removes one at the beginning of a log, where there is nothing to know.
#[test]
fn a_log_without_records_has_no_snapshot() {
    let (_root, dir) = formatted();
    let settings = ManagerConfig {
        snapshot_bytes: 0,
        ..config(std::slice::from_ref(&dir))
    };
    let (manager, _) = start_with(settings).unwrap();
    let log = create(&manager, &tp("t", 0));
    log.flush().unwrap();
    log.close().unwrap();
    let is_snapshot = |name: std::ffi::OsString| name.to_string_lossy().ends_with(".snapshot");
    let mut files = std::fs::read_dir(dir.join("t-0")).unwrap();
    assert!(!files.any(|entry| is_snapshot(entry.unwrap().file_name())));
}

#[test]
fn a_flush_leaves_a_snapshot_where_it_spares_recovery_much() {
    let (_root, dir) = formatted();
    let size = from_producer(1, 0, 0, 1).len() as u32;
    let settings = ManagerConfig {
        snapshot_bytes: 4 * size,
        ..config(std::slice::from_ref(&dir))
    };
    let snapshots = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.join("t-0"))
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.ends_with(".snapshot"))
            .collect();
        names.sort();
        names
    };
    let (manager, _) = start_with(settings.clone()).unwrap();
    let log = create(&manager, &tp("t", 0));
    let mut seen = Vec::new();
    for i in 0..10 {
        append(&log, &from_producer(1, 0, i, 1)).unwrap();
        log.flush().unwrap();
        seen.push(snapshots());
    }
    let name = |offset: i64| vec![format!("{offset:020}.snapshot")];
    assert_eq!(seen[..3], [const { Vec::<String>::new() }; 3]);
    assert_eq!(seen[3..7], vec![name(4); 4]);
    assert_eq!(seen[7..], vec![name(8); 3], "one at a time");
    log.roll(NOW).unwrap();
    append(&log, &from_producer(1, 0, 10, 1)).unwrap();
    log.flush().unwrap();
    let of_roll = [name(8), name(10)].concat();
    assert_eq!(snapshots(), of_roll, "it counts from the segment's beginning");
    drop((log, manager)); // not shut down

    let (manager, _) = start_with(settings).unwrap();
    let log = manager.get(&tp("t", 0)).unwrap();
    assert_eq!(log.active_producers()[0].last_sequence, 10);
}

/// A manager that syncs from three logs on together, and nothing but in ticks; its disk, and how often what was synced.
fn that_syncs_together(dir: &Path) -> (LogManager, WatchedDisk) {
    let disk = WatchedDisk::default();
    let settings = ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        sync_together_from: 3,
        ..config(&[dir.to_owned()])
    };
    (start_with(settings).unwrap().0, disk)
}

#[test]
fn many_logs_are_synced_together() {
    let (_root, dir) = formatted();
    let (manager, disk) = that_syncs_together(&dir);
    let logs: Vec<_> = (0..5).map(|partition| create(&manager, &tp("t", partition))).collect();
    let synced = Arc::new(Mutex::new((0, 0)));
    let counts = Arc::clone(&synced);
    disk.watch(move |call| {
        let mut counts = counts.lock().unwrap();
        match call {
            Call::SyncFileSystem(_) => counts.0 += 1,
            Call::SyncDir(path) => counts.1 += u32::from(path.file_name().is_some_and(|name| name != "data")),
            _ => {}
        }
        Ok(())
    });
    let counted = || std::mem::take(&mut *synced.lock().unwrap());
    let later = |round: i64| NOW + round * 10_000;

    logs.iter()
        .for_each(|log| assert!(!append_values(log, &["a"]).is_duplicate));
    manager.tick(later(1));
    assert_eq!(counted(), (2, 0), "once, and once more for the epochs' checkpoints");
    assert!(logs.iter().all(|log| log.recovery_point() == 1));
    let epochs = std::fs::read_to_string(dir.join("t-4/leader-epoch-checkpoint")).unwrap();
    assert_eq!(epochs, "0\n1\n0 0\n");

    logs.iter()
        .for_each(|log| assert!(!append_values(log, &["b"]).is_duplicate));
    manager.tick(later(2));
    assert_eq!(counted(), (1, 0), "they are as they were");
    logs[..2]
        .iter()
        .for_each(|log| assert!(!append_values(log, &["c"]).is_duplicate));
    manager.tick(later(3));
    assert_eq!(counted(), (0, 0), "of two logs each file");
    assert!(logs.iter().map(|log| log.recovery_point()).eq([3, 3, 2, 2, 2]));
    manager.tick(later(4));
    assert_eq!(counted(), (0, 0), "nothing is left to do");

    logs.iter()
        .for_each(|log| assert!(!append_values(log, &["d"]).is_duplicate));
    manager.shutdown(1).unwrap();
    assert_eq!(counted(), (1, 0), "at the end too");
    disk.let_be();
    drop((logs, manager));
    let (manager, report) = start(&dir);
    assert_eq!(
        (report.dirs[0].shutdown, report.recovered.len()),
        (Shutdown::Clean(Some(1)), 0)
    );
    let ends = (0..5).map(|partition| manager.get(&tp("t", partition)).unwrap().log_end_offset());
    assert!(ends.eq([4, 4, 3, 3, 3]));
}

#[test]
fn a_failed_sync_of_many_takes_their_directory_offline() {
    let (_root, dir) = formatted();
    let (manager, disk) = that_syncs_together(&dir);
    let logs: Vec<_> = (0..3).map(|partition| create(&manager, &tp("t", partition))).collect();
    logs.iter()
        .for_each(|log| assert!(!append_values(log, &["a"]).is_duplicate));
    disk.watch(|call| match call {
        Call::SyncFileSystem(_) => Err(broken()),
        _ => Ok(()),
    });
    manager.tick(NOW + 10_000);
    disk.let_be();
    assert!(!manager.is_online());
    assert!(logs.iter().all(|log| log.recovery_point() == 0));
    manager.tick(NOW + 20_000);
    assert!(
        logs.iter().all(|log| log.recovery_point() == 0),
        "it is not tried again"
    );
    logs[0].flush().unwrap_err();
}

#[test]
fn each_directory_has_a_flush_thread_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let dirs = ["slow", "other"].map(|name| root.path().join(name));
    (7..).zip(&dirs).for_each(|(id, dir)| format(dir, 1, id));
    let disk = WatchedDisk::default();
    let settings = ManagerConfig {
        disk: Arc::new(disk.clone()),
        background_flush_bytes: 1,
        ..config(&dirs)
    };
    let (manager, _) = start_with(settings).unwrap();
    let in_dir = |partition: i32, id: u128| {
        let id = Some(Uuid::from_u128(id));
        manager
            .get_or_create(&tp("t", partition), Some(TOPIC_ID), id, LogConfig::default(), NOW)
            .unwrap()
    };
    let (slow, other) = (in_dir(0, 7), in_dir(1, 8));
    let (go, hold) = std::sync::mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    disk.watch(move |call| match call {
        Call::SyncDir(path) if path.ends_with("t-0") => {
            hold.lock().unwrap().recv().unwrap();
            Ok(())
        }
        _ => Ok(()),
    });
    append_values(&slow, &["a"]);
    append_values(&other, &["a"]);
    wait_until(|| other.recovery_point() == 1);
    assert_eq!(slow.recovery_point(), 0);
    // Its names, and those of its checkpoint of epochs.
    (0..2).for_each(|_| go.send(()).unwrap());
    wait_until(|| slow.recovery_point() == 1);
    disk.let_be();
}

/// Waits for another thread, for ten seconds at most.
fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("waited in vain");
}

#[test]
fn idle_logs_hold_no_files() {
    let (_root, dir) = formatted();
    let (manager, _) = start_with(ManagerConfig {
        max_open_files: 10,
        ..config(std::slice::from_ref(&dir))
    })
    .unwrap();
    for partition in 0..40 {
        let log = create(&manager, &tp("t", partition));
        append_values(&log, &["a"]);
        log.flush().unwrap();
    }
    assert!(manager.open_files() <= 10, "{}", manager.open_files());
    manager.tick(NOW + 30_000);
    manager.tick(NOW + 60_000);
    assert_eq!(manager.open_files(), 0);
    assert!(
        manager.logs().iter().all(|log| records(log).len() == 1),
        "and all are still readable"
    );
    stop(manager, 1);
    let (manager, _) = start(&dir);
    assert!(manager.open_files() <= 120);
}

#[test]
fn after_a_crash_logs_hold_no_files_either() {
    let (_root, dir) = formatted();
    let few = || ManagerConfig {
        max_open_files: 10,
        max_unsynced_files: 10,
        ..config(std::slice::from_ref(&dir))
    };
    let many = ManagerConfig {
        max_unsynced_files: 1_000,
        ..few()
    };
    let (manager, _) = start_with(many).unwrap();
    for partition in 0..60 {
        let log = create(&manager, &tp("t", partition));
        for _ in 0..100 * (partition % 3) {
            append_values(&log, &["x".repeat(100).as_str()]); // enough for entries in the indexes
        }
        if partition % 3 == 1 {
            log.flush().unwrap();
        }
    }
    let open = manager.open_files();
    assert!((20..=30).contains(&open), "one of each that is written to: {open}");
    drop(manager); // as killed
    let (manager, report) = start_with(few()).unwrap();
    assert_eq!((report.logs, report.failed.len()), (60, 0));
    assert!(manager.open_files() <= 13, "{}", manager.open_files());
    for (partition, log) in manager.logs().iter().enumerate() {
        assert_eq!(
            records(log).len(),
            100 * (log.topic_partition().partition % 3) as usize,
            "{partition}"
        );
    }
}

#[test]
fn new_logs_go_where_the_fewest_are_or_where_they_are_told() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    format(&dirs[0], 1, 1);
    format(&dirs[1], 1, 2);
    let (manager, _) = start_with(config(&dirs)).unwrap();
    (0..4).for_each(|partition| {
        create(&manager, &tp("t", partition));
    });
    for dir in &dirs {
        assert_eq!(manager.logs().iter().filter(|log| log.log_dir() == dir).count(), 2);
    }
    let told = manager
        .get_or_create(&tp("u", 0), None, Some(Uuid::from_u128(2)), LogConfig::default(), NOW)
        .unwrap();
    assert_eq!(told.log_dir(), dirs[1]);
    stop(manager, 1);
    std::fs::rename(dirs[0].join("t-0"), dirs[0].join("u-0")).unwrap();
    assert!(matches!(start_with(config(&dirs)), Err(OpenError::Duplicate { .. })));
    for dir in &dirs {
        assert!(dir.join(".kafka_cleanshutdown").exists(), "nothing was changed");
    }
}

#[test]
fn a_failing_disk_takes_its_directory_offline_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    format(&dirs[0], 1, 1);
    format(&dirs[1], 1, 2);
    let (manager, _) = start_with(config(&dirs)).unwrap();
    (0..4).for_each(|partition| {
        append_values(&create(&manager, &tp("t", partition)), &["a"]);
    });
    let logs = manager.logs();
    let (broken, sound): (Vec<_>, Vec<_>) = logs.iter().partition(|log| log.log_dir() == dirs[0]);
    let gone = broken[0].dir();
    std::fs::rename(&gone, root.path().join("gone")).unwrap();
    assert!(matches!(broken[0].roll(NOW), Err(StorageError::Io { .. })));
    std::fs::rename(root.path().join("gone"), &gone).unwrap();
    for log in &broken {
        let offline = append(log, &batch(NOW, &["b"])).unwrap_err();
        assert!(offline.to_string().contains("offline"), "{offline}");
        assert!(log.read(0, 1, Isolation::LogEnd, true).is_err() && log.flush().is_err());
    }
    sound.iter().for_each(|log| {
        append_values(log, &["b"]);
    });
    assert!(manager.log_dirs()[0].offline.is_some() && manager.log_dirs()[1].offline.is_none());
    let elsewhere = manager
        .get_or_create(&tp("u", 0), None, None, LogConfig::default(), NOW)
        .unwrap();
    assert_eq!(elsewhere.log_dir(), dirs[1]);
    assert!(manager.is_online());
    assert!(matches!(manager.shutdown(1), Err(StorageError::Offline { .. })));
    assert!(!dirs[0].join(".kafka_cleanshutdown").exists() && dirs[1].join(".kafka_cleanshutdown").exists());
}

#[test]
fn too_many_open_files_are_no_failure_of_the_disk() {
    let (_root, dir) = formatted();
    let (manager, disk) = start_watched(&dir);
    let log = create(&manager, &tp("t", 0));
    append_values(&log, &["a"]);
    for (round, failing) in [".log", ".timeindex", "t-0", "data"].into_iter().enumerate() {
        disk.watch(move |call| match call {
            Call::Create(path) | Call::SyncDir(path) if path.to_string_lossy().ends_with(failing) => {
                Err(std::io::Error::from_raw_os_error(24))
            }
            _ => Ok(()),
        });
        let refused = log.roll(NOW).err().or_else(|| log.flush().err());
        assert!(refused.unwrap().is_out_of_files(), "{failing}");
        assert!(manager.is_online());
        disk.let_be();
        append_values(&log, &["b"]);
        log.flush().unwrap();
        assert_eq!(records(&log).len(), round + 2);
        create(&manager, &tp("t", round as i32 + 1));
    }
    stop(manager, 1);
    assert_eq!(records(&start(&dir).0.get(&tp("t", 0)).unwrap()).len(), 5);
}

#[test]
fn of_a_directory_that_has_failed_nothing_is_touched_any_more() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    format(&dirs[0], 1, 1);
    format(&dirs[1], 1, 2);
    let disk = WatchedDisk::default();
    let (manager, _) = start_with(ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        ..config(&dirs)
    })
    .unwrap();
    for partition in 0..4 {
        let log = create(&manager, &tp("t", partition));
        append(&log, &batch(NOW - 8 * 86_400_000, &["old"])).unwrap();
        log.roll(NOW).unwrap();
        append_values(&log, &["new"]);
        log.maybe_increment_high_watermark(2);
    }
    manager.delete(&tp("t", 3), NOW).unwrap();
    let a = dirs[0].clone();
    disk.watch(move |call| match call {
        Call::SyncDir(dir) if dir.starts_with(&a) => Err(broken()),
        _ => Ok(()),
    });
    let lost: Vec<_> = manager
        .logs()
        .into_iter()
        .filter(|log| log.log_dir() == dirs[0])
        .collect();
    assert!(lost[0].flush().is_err() && manager.offline_directories().len() == 1);
    let (touched, a) = (Arc::new(Mutex::new(Vec::new())), dirs[0].clone());
    let seen = touched.clone();
    disk.watch(move |call| {
        let (Call::Create(path)
        | Call::SyncDir(path)
        | Call::SyncFileSystem(path)
        | Call::RemoveFile(path)
        | Call::Rename { from: path, .. }) = call
        else {
            return Ok(()); // to read is no touch
        };
        if path.starts_with(&a) {
            seen.lock().unwrap().push(call.clone());
        }
        Ok(())
    });
    for ms in [1_000, 6_000, 70_000, 400_000, 800_000] {
        manager.tick(NOW + ms);
    }
    assert_eq!(*touched.lock().unwrap(), []);
    assert!(
        manager
            .logs()
            .iter()
            .all(|log| lost.iter().any(|lost| lost.log_dir() == log.log_dir())
                || log.recovery_point() == 2 && log.log_start_offset() == 1)
    );
}

#[test]
fn a_log_that_may_lie_in_a_directory_that_cannot_be_read_is_not_begun_anew_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    format(&dirs[0], 1, 1);
    std::fs::create_dir_all(dirs[1].join("meta.properties")).unwrap();
    let (manager, _) = start_with(config(&dirs)).unwrap();
    assert!(manager.log_dirs()[0].offline.is_none() && manager.log_dirs()[1].offline.is_some());
    let create = |id: Option<u128>| {
        let directory = id.map(Uuid::from_u128);
        manager.get_or_create(&tp("t", 0), None, directory, LogConfig::default(), NOW)
    };
    assert!(matches!(create(Some(2)), Err(StorageError::Offline { .. })));
    assert!(manager.logs().is_empty() && !dirs[0].join("t-0").exists());
    assert_eq!(create(None).unwrap().log_dir(), dirs[0]);
}

#[test]
fn a_log_damaged_below_its_recovery_point_is_not_served_and_the_others_are() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    for partition in 0..2 {
        append_values(&create(&manager, &tp("t", partition)), &["a", "b"]);
    }
    stop(manager, 1);
    let path = dir.join("t-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[16] = 9; // no magic
    std::fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let (manager, report) = start(&dir);
        assert_eq!((report.logs, report.failed.len()), (1, 1));
        assert!(
            report.failed[0].error.to_string().contains("00000000000000000000.log"),
            "{}",
            report.failed[0].error
        );
        let begun = manager.get_or_create(&tp("t", 0), Some(TOPIC_ID), None, LogConfig::default(), NOW);
        assert!(matches!(begun, Err(StorageError::Malformed { .. })), "{begun:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "and left as it is");
        assert_eq!(records(&manager.get(&tp("t", 1)).unwrap()).len(), 2);
        stop(manager, 1);
        assert!(!dir.join(".kafka_cleanshutdown").exists());
    }
    // A topic that was created anew needs the place, and one that was deleted does not.
    let (manager, _) = start(&dir);
    let other = Some(Uuid::from_u128(5));
    let log = manager.get_or_create(&tp("t", 0), other, None, LogConfig::default(), NOW);
    assert_eq!(log.unwrap().log_end_offset(), 0);
    manager.tick(NOW + 60_000);
    stop(manager, 1);
    assert!(dir.join(".kafka_cleanshutdown").exists());
    let damaged = dir.join("t-1/00000000000000000000.log");
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[16] = 9;
    std::fs::write(&damaged, &bytes).unwrap();
    let (manager, report) = start(&dir);
    assert_eq!(report.failed.len(), 1);
    assert!(manager.delete(&tp("t", 1), NOW).unwrap());
    assert!(!dir.join("t-1").exists() && !manager.delete(&tp("t", 1), NOW).unwrap());
    stop(manager, 1);
    assert!(dir.join(".kafka_cleanshutdown").exists());
}

#[test]
fn each_directory_tells_how_far_opening_its_logs_has_come_and_what_was_lost() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    dirs.iter().zip(1..).for_each(|(dir, id)| format(dir, 1, id));
    let (manager, _) = start_with(config(&dirs)).unwrap();
    for partition in 0..4 {
        let log = create(&manager, &tp("t", partition));
        (0..5).for_each(|_| {
            append_values(&log, &["a", "b"]);
        });
    }
    let damaged = manager.get(&tp("t", 0)).unwrap().dir().join("00000000000000000000.log");
    drop(manager);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let size = bytes.len() / 5;
    bytes[size + 70] ^= 1; // in the second of five batches
    std::fs::write(&damaged, &bytes).unwrap();

    let config = config(&dirs);
    let progress = Arc::clone(&config.progress);
    assert_eq!(progress.dirs(), []);
    let (manager, report) = start_with(config).unwrap();
    let all = progress.dirs();
    assert_eq!(
        all.iter().map(|dir| &dir.path).collect::<Vec<_>>(),
        [&dirs[0], &dirs[1]]
    );
    for dir in &all {
        assert_eq!(
            (dir.logs, dir.logs_remaining, &dir.segments_remaining[..]),
            (2, 0, &[0, 0][..])
        );
        assert_eq!(dir.bytes_checked, 2 * 5 * size as u64);
    }
    assert_eq!(
        progress.lost(),
        (6, 4 * size as u64),
        "three whole batches and a damaged one"
    );
    assert_eq!(manager.recovery_progress().lost(), progress.lost());
    assert_eq!(report.recovered.len(), 4);
}

#[test]
fn a_reader_that_must_not_wait_is_told_what_the_disk_would_have_to_be_asked_for() {
    let (_root, dir) = formatted();
    let disk = WatchedDisk::default();
    let settings = ManagerConfig {
        disk: Arc::new(disk.clone()),
        ..config(std::slice::from_ref(&dir))
    };
    let (manager, _) = start_with(settings).unwrap();
    let log = create(&manager, &tp("t", 0));
    append_values(&log, &["a", "b"]);
    log.maybe_increment_high_watermark(2);
    let read = |isolation| log.read_from_memory(1, 1_000, isolation, true);
    let found = |isolation| read(isolation).map(|found| found.unwrap().size());
    let isolations = [Isolation::LogEnd, Isolation::HighWatermark, Isolation::LastStableOffset];
    log.read(1, 1_000, Isolation::LogEnd, true).unwrap(); // opens the index
    let sizes = isolations.map(found);
    assert!(sizes.iter().all(|size| size.is_some_and(|size| size > 0)), "{sizes:?}");

    disk.watch(|call| match call {
        Call::Read if !klamm_log::disk::may_wait() => Err(std::io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    });
    assert_eq!(isolations.map(found), [None; 3]);
    assert!(
        manager.log_dirs()[0].offline.is_none(),
        "nothing is wrong with the disk"
    );
    let waited = isolations.map(|isolation| Some(log.read(1, 1_000, isolation, true).unwrap().size()));
    assert_eq!(waited, sizes);
    let beyond = log.read_from_memory(3, 1_000, Isolation::LogEnd, true).unwrap();
    assert!(matches!(beyond, Err(ReadError::OffsetOutOfRange { .. })));

    disk.let_be();
    assert_eq!(isolations.map(found), sizes);
}

/// Whoever may wait holds locks while the disk opens and reads; nobody else waits for these.
#[test]
fn a_thread_that_may_not_wait_opens_no_file_and_waits_for_nobody_who_does() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    append_values(&create(&manager, &tp("t", 0)), &["a", "b"]);
    stop(manager, 1);
    let (manager, disk) = start_watched(&dir); // nothing is open
    let log = manager.get(&tp("t", 0)).unwrap();
    log.maybe_increment_high_watermark(2);
    let (reader, waited_for) = (log.clone(), Arc::new(Mutex::new(Vec::new())));
    let calls = waited_for.clone();
    disk.watch(move |call| match call {
        Call::Open(_) | Call::Read if klamm_log::disk::may_wait() => {
            assert!(reader.read_from_memory(1, 1_000, Isolation::LogEnd, true).is_none());
            calls.lock().unwrap().push(format!("{call:?}"));
            Ok(())
        }
        Call::Read => Err(std::io::ErrorKind::WouldBlock.into()),
        Call::Open(_) => panic!("a thread that may not wait opens a file"),
        _ => Ok(()),
    });
    assert!(log.read_from_memory(1, 1_000, Isolation::LogEnd, true).is_none());
    assert_eq!(waited_for.lock().unwrap().len(), 0);
    assert!(log.read(1, 1_000, Isolation::LogEnd, true).unwrap().size() > 0);
    let calls = waited_for.lock().unwrap().clone();
    assert!(
        calls.iter().any(|call| call.starts_with("Open")) && calls.iter().any(|call| call == "Read"),
        "{calls:?}"
    );
    disk.let_be();
    assert!(log.read_from_memory(1, 1_000, Isolation::LogEnd, true).is_some());
}

#[test]
fn a_directory_that_cannot_be_read_for_lack_of_files_is_not_taken_for_an_empty_one() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    append_values(&create(&manager, &tp("t", 0)), &["a", "b"]);
    stop(manager, 1);
    let names = [
        "meta.properties",
        ".kafka_cleanshutdown",
        "recovery-point-offset-checkpoint",
    ];
    for name in names {
        let disk = WatchedDisk::default();
        disk.watch(move |call| match call {
            Call::Open(path) if path.ends_with(name) => Err(too_many_files()),
            _ => Ok(()),
        });
        let started = start_with(ManagerConfig {
            disk: Arc::new(disk),
            ..config(std::slice::from_ref(&dir))
        });
        let error = started.map(|_| ()).expect_err("nothing of it is known");
        assert!(error.to_string().contains("offline"), "{name}: {error}");
    }
    let (manager, report) = start(&dir);
    assert_eq!((report.logs, report.recovered.len()), (1, 0));
    assert_eq!(records(&manager.get(&tp("t", 0)).unwrap()).len(), 2);
}

#[test]
fn a_log_that_could_not_be_opened_for_lack_of_files_is_opened_when_there_are_some() {
    let (_root, dir) = formatted();
    let (manager, _) = start(&dir);
    let log = create(&manager, &tp("t", 0));
    append_values(&log, &["a", "b"]);
    log.maybe_increment_high_watermark(2);
    log.delete_records(1).unwrap();
    stop(manager, 1);
    std::fs::remove_file(dir.join(".kafka_cleanshutdown")).unwrap();
    let disk = WatchedDisk::default();
    disk.watch(|call| match call {
        Call::Open(path) if path.extension().is_some_and(|extension| extension == "log") => Err(too_many_files()),
        _ => Ok(()),
    });
    let settings = ManagerConfig {
        disk: Arc::new(disk.clone()),
        ..config(std::slice::from_ref(&dir))
    };
    let (manager, report) = start_with(settings).unwrap();
    assert_eq!((report.logs, report.failed.len()), (0, 1));
    let open =
        |manager: &LogManager| manager.get_or_create(&tp("t", 0), Some(TOPIC_ID), None, LogConfig::default(), NOW);
    assert!(open(&manager).is_err());
    disk.let_be();
    let log = open(&manager).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (1, 2));
    append_values(&log, &["c"]);
    manager.shutdown(1).unwrap();
    let late = manager.get_or_create(&tp("t", 1), Some(TOPIC_ID), None, LogConfig::default(), NOW);
    assert!(
        matches!(late, Err(StorageError::Closed { .. })),
        "nothing is begun behind the mark"
    );
    drop((manager, log));
    assert!(dir.join(".kafka_cleanshutdown").exists(), "everything was closed");
    let (manager, _) = start(&dir);
    assert_eq!(records_from(&manager.get(&tp("t", 0)).unwrap(), 1).len(), 2);
}

#[test]
fn unsynced_logs_never_hold_more_files_than_there_may_be() {
    let (_root, dir) = formatted();
    let disk = WatchedDisk::default();
    let settings = ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        max_open_files: 10,
        max_unsynced_files: 60,
        ..config(std::slice::from_ref(&dir))
    };
    let (manager, _) = start_with(settings).unwrap();
    disk.allow_files(260);
    for partition in 0..300 {
        append_values(&create(&manager, &tp("t", partition)), &["a", "b"]);
        if partition % 50 == 49 {
            manager.tick(NOW); // long before the age at which they would be flushed
        }
    }
    let open = manager.open_files();
    assert!(open <= 70, "what was synced is closed: {open}");
    // Each has one file that is not synced, and gets another one when it is closed.
    manager.logs().iter().take(50).for_each(|log| {
        append_values(log, &["c"]);
    });
    stop(manager, 1);
    let (manager, report) = start(&dir);
    assert_eq!(report.recovered.len(), 0, "it was left cleanly");
    let records = manager.logs().iter().map(|log| records(log).len()).sum::<usize>();
    assert_eq!(records, 300 * 2 + 50);
}

#[test]
fn retention_of_many_logs_is_spread_over_ticks() {
    let (_root, dir) = formatted();
    let (manager, _) = start_with(config(std::slice::from_ref(&dir))).unwrap();
    let old = LogConfig {
        retention_ms: 1_000,
        ..LogConfig::default()
    };
    for partition in 0..250 {
        let log = manager
            .get_or_create(&tp("t", partition), None, None, old.clone(), NOW)
            .unwrap();
        append_values(&log, &["a"]);
        log.maybe_increment_high_watermark(1);
    }
    let ticks = [30, 330, 331]; // the next round begins where this one was, which came to no end
    let deleted = ticks.map(|second| manager.tick(NOW + second * 1_000).segments_deleted);
    assert_eq!(deleted, [200, 50, 0]);
}
