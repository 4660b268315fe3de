//! Checking a stopped node's directory: each kind of damage is found, and nothing is touched.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use klamm_log::verify::{Finding, Severity, VerifyError, VerifyReport, verify};
use klamm_log::{LockError, LogConfig, LogManager, ManagerConfig, MetaProperties, Shutdown, TopicPartition};
use klamm_protocol::Uuid;
use klamm_records::ControlRecordType::{Abort, Commit};
use klamm_records::crc32c;

use crate::support::*;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 900,
        index_interval_bytes: 150,
        ..LogConfig::default()
    }
}

fn open(dir: &Path) -> LogManager {
    let manager = ManagerConfig {
        verifies_transactions: false,
        ..ManagerConfig::new(1, vec![dir.to_owned()], 1)
    };
    LogManager::open(manager, |_| config(), NOW).unwrap().0
}

/// A node's directory with transactions over several segments, and a log with one batch.
fn filled() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let meta = MetaProperties {
        cluster_id: "c".into(),
        node_id: 1,
        directory_id: Some(Uuid::from_u128(7)),
    };
    meta.write(root.path()).unwrap();
    let manager = open(root.path());
    let create = |topic: &str| {
        let id = Some(Uuid::from_u128(9));
        manager
            .get_or_create(&TopicPartition::new(topic, 0), id, None, config(), NOW)
            .unwrap()
    };
    let log = create("t");
    for round in 0..12 {
        let batch = from_producer(5, 0, round, 1);
        append(&log, &batch).unwrap();
        append(&log, &in_transaction(1, 0, round * 2, 2)).unwrap();
        end_transaction(&log, 1, 0, if round % 3 == 0 { Abort } else { Commit });
        append(&log, &batch_at(NOW + i64::from(round), "later")).unwrap();
    }
    append_values(&create("u"), &["a"]);
    manager.shutdown(3).unwrap();
    root
}

fn batch_at(timestamp: i64, value: &str) -> bytes::Bytes {
    batch(timestamp, &[value])
}

/// Every file and directory with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
            all.insert(path, Vec::new());
        } else {
            all.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    all
}

fn check(dir: &Path) -> VerifyReport {
    let before = content(dir);
    let report = verify(dir, NOW, &mut |_| {}).unwrap();
    assert_eq!(content(dir), before, "nothing is touched");
    report
}

/// The files of one ending in a directory, by name.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_directory_that_was_left_cleanly_has_nothing_to_say() {
    let root = filled();
    let mut last = None;
    let report = verify(root.path(), NOW, &mut |looked| last = Some(*looked)).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.worst(), Severity::Note);
    assert_eq!(report.shutdown, Shutdown::Clean(Some(3)));
    assert_eq!(report.meta.unwrap().cluster_id, "c");
    assert_eq!((report.looked.partitions, report.looked.records), (2, 61));
    assert!(report.looked.segments > 4 && report.looked.bytes == report.looked.bytes_total);
    assert_eq!(last, Some(report.looked));
    let start = report.start.unwrap();
    assert_eq!((start.logs, start.bytes_checked, start.bytes_cut), (2, 0, 0));
    assert_eq!((start.files_written, start.files_removed), (vec![], vec![]));
    check(root.path());
}

#[test]
fn a_directory_in_use_is_refused() {
    let root = filled();
    let manager = open(root.path());
    let refused = verify(root.path(), NOW, &mut |_| {});
    assert!(matches!(refused, Err(VerifyError::Lock(LockError::InUse { .. }))));
    drop(manager);
    check(root.path());
}

type Damage = (&'static str, fn(&Path), Severity, &'static str, &'static str);

/// What is done to the directory, and what has to be said: how bad, of which file, in which words.
const DAMAGES: &[Damage] = &[
    (
        "a flipped bit in a batch",
        |dir| edit(&files(&dir.join("t-0"), ".log")[1], |bytes| bytes[100] ^= 1),
        Severity::Damage,
        ".log",
        "behind offset",
    ),
    (
        "a torn end of what was flushed",
        |dir| {
            let logs = files(&dir.join("t-0"), ".log");
            edit(&logs[logs.len() - 1], |bytes| bytes.truncate(bytes.len() - 3));
        },
        Severity::Damage,
        ".log",
        "of which",
    ),
    (
        "a batch that is gone",
        |dir| {
            let logs = files(&dir.join("t-0"), ".log");
            edit(&logs[logs.len() - 1], |bytes| {
                let size = klamm_records::BatchHeader::parse(bytes).unwrap().size_in_bytes();
                bytes.drain(..size);
            });
        },
        Severity::Damage,
        ".log",
        "are missing",
    ),
    (
        "a segment that is gone",
        |dir| {
            let gone = &files(&dir.join("t-0"), ".log")[1];
            for ending in ["log", "index", "timeindex"] {
                std::fs::remove_file(gone.with_extension(ending)).unwrap();
            }
        },
        Severity::Damage,
        ".log",
        "are missing",
    ),
    (
        "a gap that a compaction may have left that did not get to tell",
        |dir| {
            std::fs::write(dir.join("cleaner-offset-checkpoint"), "0\n1\nt 0 1\n").unwrap();
            let gone = &files(&dir.join("t-0"), ".log")[1];
            for ending in ["log", "index", "timeindex", "txnindex"] {
                std::fs::remove_file(gone.with_extension(ending)).unwrap();
            }
        },
        Severity::Note,
        ".log",
        "of a compaction",
    ),
    (
        "an offset index that is gone",
        |dir| std::fs::remove_file(&files(&dir.join("t-0"), ".index")[0]).unwrap(),
        Severity::Repair,
        ".index",
        "missing",
    ),
    (
        "an offset index that points between batches",
        |dir| edit(&files(&dir.join("t-0"), ".index")[0], |bytes| bytes[7] ^= 1),
        Severity::Repair,
        ".index",
        "no such batch",
    ),
    (
        "a time index with a time that no record has",
        |dir| edit(&files(&dir.join("t-0"), ".timeindex")[0], |bytes| bytes[1] ^= 1),
        Severity::Repair,
        ".timeindex",
        "no batch has",
    ),
    (
        "a time index with a lone entry of the beginning of 1970",
        |dir| std::fs::write(&files(&dir.join("t-0"), ".timeindex")[0], [0; 12]).unwrap(),
        Severity::Repair,
        ".timeindex",
        "a batch has",
    ),
    (
        "half an entry",
        |dir| edit(&files(&dir.join("t-0"), ".timeindex")[0], |bytes| bytes.extend([1; 5])),
        Severity::Repair,
        ".timeindex",
        "behind the last whole entry",
    ),
    (
        "an index of aborted transactions that is gone",
        |dir| std::fs::remove_file(&files(&dir.join("t-0"), ".txnindex")[0]).unwrap(),
        Severity::Damage,
        ".txnindex",
        "lacks",
    ),
    (
        "one that is torn",
        |dir| edit(&files(&dir.join("t-0"), ".txnindex")[0], |bytes| bytes.truncate(30)),
        Severity::Repair,
        ".txnindex",
        "whole entry",
    ),
    (
        "one with too much in it",
        |dir| {
            edit(&files(&dir.join("t-0"), ".txnindex")[0], |bytes| {
                let mut more = bytes[bytes.len() - 34..].to_vec();
                more[17] += 1;
                more[25] += 1;
                bytes.extend(more);
            })
        },
        Severity::Damage,
        ".txnindex",
        "does not have",
    ),
    (
        "a producer snapshot that is torn",
        |dir| {
            let snapshots = files(&dir.join("t-0"), ".snapshot");
            edit(&snapshots[snapshots.len() - 1], |bytes| bytes.truncate(20));
        },
        Severity::Repair,
        ".snapshot",
        "torn",
    ),
    (
        "a producer snapshot that tells of something else",
        |dir| {
            let snapshots = files(&dir.join("t-0"), ".snapshot");
            edit(&snapshots[snapshots.len() - 1], |bytes| {
                bytes[10 + 13] ^= 1; // the last sequence number of the first producer
                let crc = crc32c(&bytes[6..]);
                bytes[2..6].copy_from_slice(&crc.to_be_bytes());
            });
        },
        Severity::Damage,
        ".snapshot",
        "says of producer",
    ),
    (
        "epochs that make no sense",
        |dir| std::fs::write(dir.join("t-0/leader-epoch-checkpoint"), "0\nx\n").unwrap(),
        Severity::Repair,
        "leader-epoch-checkpoint",
        "count",
    ),
    (
        "epochs that are others",
        |dir| std::fs::write(dir.join("t-0/leader-epoch-checkpoint"), "0\n1\n4 0\n").unwrap(),
        Severity::Repair,
        "leader-epoch-checkpoint",
        "is of epoch 0",
    ),
    (
        "another kind of partition.metadata",
        |dir| std::fs::write(dir.join("u-0/partition.metadata"), "version: 7\n").unwrap(),
        Severity::Damage,
        "partition.metadata",
        "malformed",
    ),
    (
        "a checkpoint that makes no sense",
        |dir| std::fs::write(dir.join("log-start-offset-checkpoint"), "7\n").unwrap(),
        Severity::Repair,
        "log-start-offset-checkpoint",
        "version",
    ),
    (
        "flushed records that are not there",
        |dir| std::fs::write(dir.join("recovery-point-offset-checkpoint"), "0\n1\nu 0 5\n").unwrap(),
        Severity::Damage,
        "u-0",
        "was flushed",
    ),
    (
        "a last batch that is gone",
        |dir| edit(&files(&dir.join("u-0"), ".log")[0], Vec::clear),
        Severity::Damage,
        "u-0",
        "a start goes on at offset 0",
    ),
    (
        "a log start behind the end",
        |dir| std::fs::write(dir.join("log-start-offset-checkpoint"), "0\n1\nu 0 5\n").unwrap(),
        Severity::Damage,
        "u-0",
        "below its start",
    ),
    (
        "a high watermark behind the end",
        |dir| std::fs::write(dir.join("replication-offset-checkpoint"), "0\n1\nu 0 5\n").unwrap(),
        Severity::Note,
        "u-0",
        "replication-offset-checkpoint says 5",
    ),
    (
        "a line of no partition",
        |dir| std::fs::write(dir.join("cleaner-offset-checkpoint"), "0\n1\nx 0 5\n").unwrap(),
        Severity::Note,
        "cleaner-offset-checkpoint",
        "not here: x-0",
    ),
    (
        "no meta.properties",
        |dir| std::fs::remove_file(dir.join("meta.properties")).unwrap(),
        Severity::Damage,
        "meta.properties",
        "not formatted",
    ),
    (
        "what a deletion and a cleaning left",
        |dir| std::fs::write(dir.join("u-0/00000000000000000000.log.deleted"), "x").unwrap(),
        Severity::Note,
        ".log.deleted",
        "left over",
    ),
    (
        "a deleted partition",
        |dir| std::fs::create_dir(dir.join("u-0.0123456789abcdef-delete")).unwrap(),
        Severity::Note,
        "-delete",
        "deleted",
    ),
    (
        "somebody's file",
        |dir| std::fs::write(dir.join("u-0/notes.txt"), "x").unwrap(),
        Severity::Note,
        "notes.txt",
        "none of Kafka's",
    ),
    (
        "a damaged snapshot of the metadata",
        |dir| {
            let metadata = dir.join("__cluster_metadata-0");
            std::fs::create_dir(&metadata).unwrap();
            std::fs::write(metadata.join("quorum-state"), r#"{"leaderEpoch":1}"#).unwrap();
            std::fs::write(metadata.join("00000000000000000000-0000000000.checkpoint"), [1; 90]).unwrap();
        },
        Severity::Damage,
        ".checkpoint",
        "",
    ),
    (
        "a quorum state that makes no sense",
        |dir| {
            let metadata = dir.join("__cluster_metadata-0");
            std::fs::create_dir(&metadata).unwrap();
            std::fs::write(metadata.join("quorum-state"), "{").unwrap();
        },
        Severity::Damage,
        "quorum-state",
        "JSON",
    ),
];

#[test]
fn each_kind_of_damage_is_found_and_how_bad_it_is() {
    for (name, damage, severity, file, words) in DAMAGES {
        let root = filled();
        damage(root.path());
        let report = check(root.path());
        let is_it = |finding: &&Finding| {
            finding.severity == *severity
                && finding.path.to_string_lossy().ends_with(file)
                && finding.problem.contains(words)
        };
        assert!(
            report.findings.iter().any(|finding| is_it(&finding)),
            "{name}: {:#?}",
            report.findings
        );
        assert_eq!(report.worst(), *severity, "{name}: {:#?}", report.findings);
    }
}

#[test]
fn after_a_crash_the_torn_end_is_no_damage_and_what_a_start_does_is_told() {
    let root = filled();
    std::fs::remove_file(root.path().join(".kafka_cleanshutdown")).unwrap();
    let logs = files(&root.path().join("t-0"), ".log");
    let last = &logs[logs.len() - 1];
    std::fs::write(root.path().join("recovery-point-offset-checkpoint"), "0\n1\nt 0 40\n").unwrap();
    edit(last, |bytes| bytes.truncate(bytes.len() - 10));
    std::fs::remove_file(last.with_extension("timeindex")).unwrap();
    let report = check(root.path());
    assert_eq!(report.shutdown, Shutdown::Unclean);
    let start = report.start.as_ref().unwrap();
    assert!(start.bytes_checked > 0 && start.bytes_cut > 0 && start.records_lost == 0);
    assert!(start.files_written.contains(last), "{start:#?}");
    assert!(start.files_written.contains(&last.with_extension("timeindex")));
    let cut = report
        .findings
        .iter()
        .find(|finding| finding.problem.starts_with("a start cuts"))
        .unwrap();
    assert_eq!((cut.severity, &cut.path), (Severity::Note, last));
    // And so it does.
    let size = cut.position.unwrap();
    drop(open(root.path()));
    assert_eq!(std::fs::metadata(last).unwrap().len(), size);
    let after = check(root.path());
    assert!(
        after.findings.iter().all(|finding| !finding.problem.contains("cuts")),
        "{:#?}",
        after.findings
    );
}
