//! Transactions in the log: which were aborted, what committed readers see, and what recovery makes of it.
use std::path::Path;

use klamm_log::{
    AppendError, AppendOrigin, Isolation, Log, LogConfig, LogManager, ManagerConfig, MetaProperties, ProducerError,
    RecoveryEvent, TopicPartition, TransactionContext,
};
use klamm_records::ControlRecordType::{Abort, Commit};
use klamm_records::{Scratch, batches};

use crate::support::*;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 900,
        index_interval_bytes: 150,
        ..LogConfig::default()
    }
}

/// Transactions of three producers, one inside the other, over several segments. The last one is left open.
fn fill(log: &Log) {
    for round in 0..12 {
        append(log, &in_transaction(1, 0, round * 2, 2)).unwrap();
        append(log, &in_transaction(2, 0, round, 1)).unwrap();
        append_values(log, &["plain"]);
        end_transaction(log, 2, 0, if round % 2 == 0 { Abort } else { Commit });
        end_transaction(log, 1, 0, if round % 3 == 0 { Abort } else { Commit });
    }
    append(log, &in_transaction(3, 0, 0, 1)).unwrap();
    log.update_high_watermark(log.log_end_offset());
}

/// What a consumer with `read_committed` gets, as Kafka's does it: the log's words on what was aborted, read by read.
fn committed(log: &Log, max_bytes: u32) -> Vec<String> {
    let mut found = Vec::new();
    let mut offset = log.log_start_offset();
    loop {
        let data = log.read(offset, max_bytes, Isolation::LastStableOffset, true).unwrap();
        let Some(region) = data.region else { return found };
        let mut aborted = data.aborted;
        assert!(aborted.len() < 10, "not all there are");
        aborted.sort_by_key(|aborted| aborted.first_offset);
        let mut aborted = aborted.into_iter().peekable();
        let mut open = std::collections::BTreeSet::new();
        let bytes = region.read().unwrap();
        for batch in batches(&bytes) {
            let Ok(batch) = batch else { break };
            let header = &batch.header;
            offset = header.next_offset();
            open.extend(std::iter::from_fn(|| {
                aborted
                    .next_if(|next| next.first_offset <= header.last_offset())
                    .map(|next| next.producer_id)
            }));
            if header.attributes.is_control() {
                open.remove(&header.producer_id);
                continue;
            }
            if header.attributes.is_transactional() && open.contains(&header.producer_id) {
                continue;
            }
            for record in batch.records(&mut Scratch::new(), usize::MAX).unwrap() {
                found.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
    }
}

fn expected() -> Vec<String> {
    let mut expected = Vec::new();
    for round in 0..12 {
        if round % 3 != 0 {
            expected.extend((0..2).map(|i| format!("1/{}+{i}", round * 2)));
        }
        if round % 2 != 0 {
            expected.push(format!("2/{round}+0"));
        }
        expected.push("plain".to_owned());
    }
    expected
}

/// All entries of all index files: producer, first, last and last stable offset.
fn entries(dir: &Path) -> Vec<[i64; 4]> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txnindex"));
    let bytes: Vec<u8> = files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(bytes.len() % 34, 0);
    let entry = |entry: &[u8]| {
        assert_eq!(entry[..2], [0, 0], "the version");
        [2, 10, 18, 26].map(|at| i64::from_be_bytes(entry[at..at + 8].try_into().unwrap()))
    };
    bytes.chunks(34).map(entry).collect()
}

#[test]
fn committed_readers_are_told_what_was_aborted_and_little_more() {
    let f = fixture(config());
    fill(&f.log);
    assert!(f.log.segment_base_offsets().len() > 4);
    for max_bytes in [1, 200, 700, 1 << 20] {
        assert_eq!(committed(&f.log, max_bytes), expected(), "{max_bytes} bytes at a time");
    }
    assert_eq!(
        f.log.last_stable_offset(),
        f.log.log_end_offset() - 1,
        "the last one is open"
    );
    // Six offsets a round: two of producer 1, one of producer 2, a plain one, the two markers.
    let found = entries(&f.dir());
    assert_eq!(found.len(), 6 + 4);
    assert_eq!(found[..3], [[2, 2, 4, 0], [1, 0, 5, 6], [2, 14, 16, 12]]);
    let uncommitted = f.log.read(0, 1 << 20, Isolation::HighWatermark, true).unwrap();
    assert_eq!(uncommitted.aborted, []);
    let bases = f.log.segment_base_offsets();
    for name in f.file_names().iter().filter(|name| name.ends_with(".txnindex")) {
        assert!(bases.contains(&name[..20].parse().unwrap()), "beside its segment");
    }
}

#[test]
fn an_index_that_a_crash_has_spoiled_says_again_what_the_log_says() {
    type Damage = fn(&Path);
    let damages: &[(&str, Damage)] = &[
        ("nothing", |_| {}),
        ("missing", |path| std::fs::remove_file(path).unwrap()),
        ("empty", |path| std::fs::write(path, b"").unwrap()),
        ("torn", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
        }),
        ("too long", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.extend_from_slice(&[0, 0]);
            for field in [9, 1_000i64, 1_001, 1_002] {
                bytes.extend_from_slice(&field.to_be_bytes());
            }
            std::fs::write(path, &bytes).unwrap();
        }),
        ("another log's", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[9] ^= 1;
            std::fs::write(path, &bytes).unwrap();
        }),
        ("zeros", |path| std::fs::write(path, [0; 68]).unwrap()),
        ("rubbish", |path| std::fs::write(path, [7; 50]).unwrap()),
    ];
    for (name, damage) in damages {
        for flushed in [false, true] {
            let mut f = fixture(config());
            fill(&f.log);
            let before = entries(&f.dir());
            let recovery_point = if flushed {
                let half = f.log.flush().unwrap();
                for round in 12..15 {
                    append(&f.log, &in_transaction(1, 0, round * 2, 2)).unwrap();
                    end_transaction(&f.log, 1, 0, Abort);
                }
                half
            } else {
                0
            };
            let all = entries(&f.dir());
            assert!(all.len() > before.len() || !flushed);
            let newest = f
                .file_names()
                .into_iter()
                .rfind(|name| name.ends_with(".txnindex"))
                .unwrap();
            damage(&f.dir().join(newest));
            let producers = f.log.active_producers();
            let opened = f.crash(recovery_point);
            assert_eq!(entries(&f.dir()), all, "{name}, flushed: {flushed}");
            assert_eq!(f.log.active_producers(), producers, "{name}");
            let rebuilt = opened
                .events
                .iter()
                .any(|event| matches!(event, RecoveryEvent::TxnIndexRebuilt { .. }));
            assert_eq!(rebuilt, *name != "nothing", "{name}, flushed: {flushed}: {opened:?}");
            f.log.update_high_watermark(f.log.log_end_offset());
            assert_eq!(committed(&f.log, 300)[..expected().len()], expected());
            // And it goes on from there.
            end_transaction(&f.log, 3, 0, Abort);
            assert_eq!(entries(&f.dir()).len(), all.len() + 1);
        }
    }
}

#[test]
fn after_a_clean_stop_an_index_that_makes_no_sense_is_made_anew() {
    let mut f = fixture(config());
    fill(&f.log);
    let all = entries(&f.dir());
    assert_eq!(f.reopen().events, []);
    f.log.close().unwrap();
    let oldest = f
        .file_names()
        .into_iter()
        .find(|name| name.ends_with(".txnindex"))
        .unwrap();
    std::fs::write(f.dir().join(&oldest), [3; 20]).unwrap();
    let file = f.dir().join(oldest.replace("txnindex", "log"));
    assert_eq!(f.reopen().events, [RecoveryEvent::TxnIndexRebuilt { file }]);
    assert_eq!(entries(&f.dir()), all);
    // With the other indexes lost it is not relied on either.
    f.log.close().unwrap();
    std::fs::remove_file(f.dir().join(oldest.replace("txnindex", "timeindex"))).unwrap();
    std::fs::remove_file(f.dir().join(&oldest)).unwrap();
    f.reopen();
    assert_eq!(entries(&f.dir()), all);
    assert_eq!(f.reopen().events, []);
}

#[test]
fn what_is_cut_off_the_log_goes_from_the_index_and_what_is_deleted_with_it() {
    let f = fixture(config());
    fill(&f.log);
    let all = entries(&f.dir());
    for end in [60, 41, 40, 5, 4] {
        f.log.truncate_to(end, NOW).unwrap();
        let kept: Vec<_> = all.iter().filter(|entry| entry[2] < end).copied().collect();
        assert_eq!(entries(&f.dir()), kept, "{end}");
    }
    assert_eq!(
        f.log.active_producers()[1].current_txn_start_offset,
        Some(2),
        "open again"
    );
    end_transaction(&f.log, 2, 0, Commit);
    end_transaction(&f.log, 1, 0, Abort);
    assert_eq!(entries(&f.dir()), [[1, 0, 5, 6]]);

    let f = fixture(config());
    fill(&f.log);
    f.log.delete_records(f.log.last_stable_offset()).unwrap();
    f.log.delete_old_segments(NOW).unwrap();
    let first = f.log.segment_base_offsets()[0];
    assert!(first > 30);
    assert!(entries(&f.dir()).iter().all(|entry| entry[2] >= first));
    assert_eq!(committed(&f.log, 1 << 20), Vec::<String>::new());
}

#[test]
fn the_last_stable_offset_is_never_below_the_log_start() {
    let f = fixture(config());
    append(&f.log, &in_transaction(1, 0, 0, 3)).unwrap();
    append_values(&f.log, &["a", "b"]);
    f.log.update_high_watermark(5);
    assert_eq!(f.log.last_stable_offset(), 0);
    f.log.delete_records(4).unwrap();
    assert_eq!((f.log.log_start_offset(), f.log.last_stable_offset()), (4, 4));
    let read = f.log.read(4, 1 << 20, Isolation::LastStableOffset, true).unwrap();
    assert!(read.region.is_none(), "the transaction is open still");
    end_transaction(&f.log, 1, 0, Abort);
    f.log.update_high_watermark(6);
    assert_eq!(f.log.last_stable_offset(), 6);
}

#[test]
fn followers_come_to_the_same_index() {
    let leader = fixture(config());
    fill(&leader.log);
    let follower = fixture(config());
    for offset in 0..leader.log.log_end_offset() {
        if offset < follower.log.log_end_offset() {
            continue;
        }
        let data = leader.log.read(offset, 400, Isolation::LogEnd, true).unwrap();
        follower
            .log
            .append_as_follower(&data.region.unwrap().read().unwrap(), NOW)
            .unwrap();
    }
    assert_eq!(entries(&follower.dir()), entries(&leader.dir()));
    assert_eq!(follower.log.active_producers(), leader.log.active_producers());
}

#[test]
fn a_nodes_log_takes_only_transactions_that_were_verified() {
    let root = tempfile::tempdir().unwrap();
    let meta = MetaProperties {
        cluster_id: "c".into(),
        node_id: 1,
        directory_id: None,
    };
    meta.write(root.path()).unwrap();
    let config = ManagerConfig::new(1, vec![root.path().to_owned()], 1);
    let (manager, _) = LogManager::open(config, |_| LogConfig::default(), NOW).unwrap();
    let partition = TopicPartition::new("t", 0);
    let log = manager
        .get_or_create(&partition, None, None, LogConfig::default(), NOW)
        .unwrap();
    let refused = append(&log, &in_transaction(1, 0, 0, 1)).unwrap_err();
    assert!(matches!(
        refused,
        AppendError::Producer(ProducerError::NotVerified { producer_id: 1 })
    ));
    let guard = log.start_verification(1, 0, 0, false, NOW).unwrap();
    let context = TransactionContext {
        guard,
        transaction_version: 2,
    };
    let append_with = |records, context| log.append_in_transaction(&records, 0, AppendOrigin::Client, context, NOW);
    append_with(in_transaction(1, 0, 0, 1), context).unwrap();
    assert!(log.has_ongoing_transaction(1, 0));
    append(&log, &in_transaction(1, 0, 1, 1)).unwrap();
    end_transaction(&log, 1, 1, Commit);
    assert!(
        append_with(in_transaction(1, 1, 0, 1), context).is_err(),
        "the guard is of the one before"
    );
    assert!(log.start_verification(1, 0, 0, false, NOW).is_err(), "fenced");
    manager.update_producer_settings(1_000, false);
    append(&log, &in_transaction(1, 1, 0, 1)).unwrap();
}
