//! Reads that fail one after the other, wherever there is one.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use klamm_log::disk::Disk;
use klamm_log::{
    AppendOrigin, CleanerConfig, CleanupPolicy, Isolation, Log, LogConfig, LogManager, ManagerConfig, MetaProperties,
    OpenError, RoundEnd, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::{BatchBuilder, Compression, Scratch, batches};
use klamm_simulator::{Crash, Failure, Random, SimDisk};

const NOW: i64 = 1_700_000_000_000;

fn formatted(dirs: &[&str]) -> SimDisk {
    let disk = SimDisk::default();
    for (at, dir) in dirs.iter().enumerate() {
        disk.create_dir(Path::new(dir)).unwrap();
        disk.open_dir(Path::new("/")).unwrap().sync().unwrap();
        let meta = MetaProperties {
            cluster_id: "simulated".to_owned(),
            node_id: 1,
            directory_id: Some(Uuid::from_u128(7 + at as u128)),
        };
        meta.write_on(&disk, Path::new(dir)).unwrap();
    }
    disk
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2_000,
        index_interval_bytes: 100,
        min_cleanable_dirty_ratio: 0.0,
        cleanup_policy: CleanupPolicy {
            compact: true,
            delete: false,
        },
        ..LogConfig::default()
    }
}

fn open(disk: &SimDisk, dirs: &[&str]) -> Result<LogManager, OpenError> {
    let config = ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        recovery_threads_per_data_dir: 1,
        max_open_files: 4,
        verifies_transactions: false,
        ..ManagerConfig::new(1, dirs.iter().map(PathBuf::from).collect(), 1)
    };
    LogManager::open(config, |_| self::config(), NOW).map(|(manager, _)| manager)
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn log(manager: &LogManager) -> Arc<Log> {
    manager
        .get_or_create(&partition(), Some(Uuid::from_u128(9)), None, config(), NOW)
        .unwrap()
}

/// Writes some keys several times over, into segments so small that a cleaning makes one of them.
fn fill(log: &Log, keys: &str) {
    for at in 0..24 {
        let mut batch = BatchBuilder::new(Compression::None);
        let (key, value) = (format!("{keys}-{}", at % 7), format!("value-{at}"));
        batch
            .push(NOW + at, Some(key.as_bytes()), Some(value.as_bytes()), &[])
            .unwrap();
        log.append_as_leader(&batch.build(), 0, AppendOrigin::Client, NOW)
            .unwrap();
        if at % 4 == 3 {
            log.roll(NOW).unwrap();
        }
    }
    log.update_high_watermark(log.log_end_offset());
}

fn clean(manager: &LogManager) -> Option<RoundEnd> {
    // With little memory it reads more often, and what stays goes by way of a file.
    let config = CleanerConfig {
        io_buffer_bytes: 1,
        ..CleanerConfig::default()
    };
    let cleaned = manager.clean(0, &config, NOW, &AtomicBool::new(false));
    cleaned.map(|cleaned| cleaned.end)
}

/// Offset, key and value of all records.
fn records(log: &Log) -> Vec<(i64, String, String)> {
    let (mut found, mut offset) = (Vec::new(), log.log_start_offset());
    let mut scratch = Scratch::new();
    while let Some(region) = log.read(offset, 1_000, Isolation::LogEnd, true).unwrap().region {
        for batch in batches(&region.read().unwrap()).map_while(Result::ok) {
            for record in batch.records(&mut scratch, usize::MAX).unwrap() {
                let record = record.unwrap();
                let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                found.push((record.offset, text(record.key), text(record.value)));
            }
            offset = batch.header.next_offset();
        }
    }
    found
}

/// The last record of each key, by offset.
fn last_of_each_key(log: &Log) -> Vec<(i64, String, String)> {
    let all = records(log);
    let is_last = |at: usize| all[at + 1..].iter().all(|later| later.1 != all[at].1);
    let last = (0..all.len()).filter(|at| is_last(*at));
    last.map(|at| all[at].clone()).collect()
}

/// A cleaning stops at one change after the other, and each start after that at one read after the other: the swap that is to
/// be completed takes away what the cleaned segment stands for, and no more and no less.
#[test]
fn a_start_that_meets_a_failing_read_leaves_all_to_the_next_one() {
    let (mut expected, mut failed_starts) = (None, 0);
    for change in 0.. {
        let disk = formatted(&["/data"]);
        let manager = open(&disk, &["/data"]).unwrap();
        fill(&log(&manager), "key");
        let expected = expected.get_or_insert_with(|| last_of_each_key(&log(&manager)));
        disk.fail_after(Some((change, Failure::Io)));
        clean(&manager);
        let was_cut_short = !manager.is_online();
        drop(manager);
        disk.crash(Crash::Process, &mut Random::new(change));
        for read in 0.. {
            disk.fail_read_after(Some(read));
            let opened = open(&disk, &["/data"]);
            let failed = disk.read_failed();
            disk.fail_read_after(None);
            let Err(error) = opened else {
                assert!(!failed, "read {read} after change {change} failed, and nobody was told");
                break;
            };
            assert!(matches!(error, OpenError::Storage(_)), "{error}");
            assert!(failed, "{error}");
            failed_starts += 1;
        }
        let manager = open(&disk, &["/data"]).unwrap();
        let log = log(&manager);
        assert_eq!(last_of_each_key(&log), *expected, "after change {change}");
        let all = records(&log);
        assert!(all.is_sorted_by(|a, b| a.0 < b.0), "after change {change}: {all:?}");
        // No segment reaches into the next one, of which the next cleaning would make one that has records twice.
        fill(&log, "other");
        let cleaned = clean(&manager);
        assert!(
            matches!(cleaned, Some(RoundEnd::Cleaned { .. })),
            "after change {change}: {cleaned:?}"
        );
        let all = records(&log);
        assert!(all.is_sorted_by(|a, b| a.0 < b.0), "after change {change}: {all:?}");
        if !was_cut_short {
            break;
        }
    }
    assert!(failed_starts > 500, "{failed_starts}");
}

/// A read fails while the cleaner works, and then there is no room either.
#[test]
fn no_other_failure_hides_a_read_that_failed() {
    let mut seen = 0;
    for read in 0.. {
        let disk = formatted(&["/data"]);
        let manager = open(&disk, &["/data"]).unwrap();
        fill(&log(&manager), "key");
        let calls = disk.calls();
        disk.fail_read_after(Some(read));
        clean(&manager);
        if !disk.read_failed() {
            break;
        }
        // The last changes are those that come of the failure.
        let changes = disk.calls() - calls;
        for change in changes.saturating_sub(5)..changes {
            let disk = formatted(&["/data"]);
            let manager = open(&disk, &["/data"]).unwrap();
            fill(&log(&manager), "key");
            disk.fail_read_after(Some(read));
            disk.fail_after(Some((change, Failure::Full)));
            clean(&manager);
            assert!(
                !(disk.read_failed() && manager.is_online()),
                "read {read}, change {change}"
            );
            seen += u32::from(disk.read_failed());
        }
    }
    assert!(seen > 50, "{seen}");
}

/// The node died between the two renames that end a move. The next starts can't read this or that: the copy is the log, and
/// stays, also when what is left of the log where it came from could have been removed meanwhile.
#[test]
fn a_copy_that_cannot_be_read_is_not_given_up() {
    const DIRS: [&str; 2] = ["/a", "/b"];
    let disk = formatted(&DIRS);
    let manager = open(&disk, &["/a"]).unwrap();
    fill(&log(&manager), "key");
    manager.shutdown(1).unwrap();
    drop(manager);
    let manager = open(&disk, &["/b"]).unwrap();
    fill(&log(&manager), "key");
    let expected = records(&log(&manager));
    manager.shutdown(1).unwrap();
    drop(manager);
    let id = "0123456789abcdef0123456789abcdef";
    for (dir, end) in [("/a", "delete"), ("/b", "future")] {
        let dir = Path::new(dir);
        disk.rename(&dir.join("t-0"), &dir.join(format!("t-0.{id}-{end}")))
            .unwrap();
        disk.open_dir(dir).unwrap().sync().unwrap();
    }
    let mut failed_starts = 0;
    for read in 0.. {
        disk.fail_read_after(Some(read));
        let opened = open(&disk, &DIRS);
        let failed = disk.read_failed();
        disk.fail_read_after(None);
        let manager = opened.expect("one of the directories is in service");
        manager.tick(NOW + 600_000);
        let offline = manager.log_dirs().iter().filter(|dir| dir.offline.is_some()).count();
        assert_eq!(offline, usize::from(failed), "read {read}");
        drop(manager);
        disk.crash(Crash::Process, &mut Random::new(read));
        if !failed {
            break;
        }
        failed_starts += 1;
    }
    assert!(failed_starts > 10, "{failed_starts}");
    let manager = open(&disk, &DIRS).unwrap();
    let log = manager.get(&partition()).expect("the log that was moved");
    assert_eq!(log.log_dir(), Path::new("/b"));
    assert_eq!(records(&log), expected);
}
