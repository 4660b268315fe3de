//! What is left after a crash, whatever the crash left.
use klamm_log::{Cause, LogConfig, LogStart, Opened, RecoveryEvent};
use klamm_records::{BatchBuilder, Compression};

use crate::support::*;

const LOG: &str = "00000000000000000000.log";

/// Ten batches in one segment, and where each of them ends in the file.
fn ten_batches() -> (Fixture, Vec<u64>) {
    let f = fixture(LogConfig {
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    let mut ends = vec![0];
    for i in 0..10 {
        append(&f.log, &from_producer(1, 0, i * 2, 2)).unwrap();
        ends.push(f.log.size());
    }
    (f, ends)
}

/// Opens a copy of the directory with a changed `.log` file.
fn open_changed(f: &Fixture, recovery_point: i64, change: impl FnOnce(&mut Vec<u8>)) -> (Fixture, Opened) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t-0");
    copy_dir(&f.dir(), &dir);
    let mut bytes = std::fs::read(dir.join(LOG)).unwrap();
    change(&mut bytes);
    std::fs::write(dir.join(LOG), bytes).unwrap();
    let start = LogStart {
        recovery_point,
        ..LogStart::default()
    };
    let (log, opened) = open(&dir, f.config.clone(), start).unwrap();
    (
        Fixture {
            root,
            log,
            config: f.config.clone(),
        },
        opened,
    )
}

fn cause(opened: &Opened) -> Option<Cause> {
    opened.events.iter().find_map(|event| match event {
        RecoveryEvent::Cut { cause, .. } => Some(*cause),
        _ => None,
    })
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_batches() {
    let (f, ends) = ten_batches();
    let all = records(&f.log);
    let full = *ends.last().unwrap();
    for len in ends[7]..=full {
        let whole = ends.iter().filter(|end| **end <= len).count() - 1;
        let (copy, opened) = open_changed(&f, 4, |bytes| bytes.truncate(len as usize));
        assert_eq!(records(&copy.log), all[..whole * 2], "cut at {len}");
        assert_eq!(cause(&opened), (len > ends[whole]).then_some(Cause::TornTail));
        assert_eq!(copy.log.size(), ends[whole]);
        let next = append(&copy.log, &from_producer(1, 0, whole as i32 * 2, 2)).unwrap();
        assert!(!next.is_duplicate && next.first_offset == whole as i64 * 2);
    }
}

#[test]
fn a_flipped_bit_in_the_last_batch_is_a_torn_tail_and_before_it_a_loss_that_is_told() {
    let (f, ends) = ten_batches();
    let all = records(&f.log);
    for at in ends[8]..ends[10] {
        if (12..16).contains(&(at - ends[if at < ends[9] { 8 } else { 9 }])) {
            continue; // the leader epoch has no checksum
        }
        let (copy, opened) = open_changed(&f, 0, |bytes| bytes[at as usize] ^= 0x10);
        let damaged = if at < ends[9] { 8 } else { 9 };
        let is_offset = at - ends[damaged] < 8;
        let kept = copy.log.log_end_offset();
        if is_offset && kept != damaged as i64 * 2 {
            // Base offsets have no checksum either: one that is too large but fits is a gap, as compaction makes them.
            assert!(kept > 20, "at {at}: {kept}");
            continue;
        }
        assert_eq!(records(&copy.log), all[..damaged * 2], "at {at}");
        let expected = if damaged == 8 {
            Cause::CorruptMiddle
        } else {
            Cause::TornTail
        };
        assert_eq!(cause(&opened), Some(expected), "at {at}");
        if damaged == 8 {
            let lost = opened
                .events
                .iter()
                .any(|event| matches!(event, RecoveryEvent::Cut { records_lost: 2, .. }));
            assert!(lost, "{:?}", opened.events);
        }
    }
}

/// Offset, size, checksum, format v1, no attributes, a timestamp, no key, a value.
fn old_message(offset: i64) -> Vec<u8> {
    let mut covered = vec![1, 0];
    covered.extend_from_slice(&NOW.to_be_bytes());
    covered.extend_from_slice(&(-1_i32).to_be_bytes());
    covered.extend_from_slice(&3_i32.to_be_bytes());
    covered.extend_from_slice(b"old");
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &covered) as u32;
    let mut message = offset.to_be_bytes().to_vec();
    message.extend_from_slice(&(covered.len() as i32 + 4).to_be_bytes());
    message.extend_from_slice(&crc.to_be_bytes());
    message.extend_from_slice(&covered);
    message
}

#[test]
fn messages_of_an_old_format_are_not_taken_for_damage() {
    let (f, ends) = ten_batches();
    let path = f.dir().join(LOG);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.splice(ends[5] as usize..ends[5] as usize, old_message(10));
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&f.dir(), f.config.clone(), LogStart::default())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("format v0 or v1"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing is cut");
    // What only looks like one is damage as before.
    bytes[ends[5] as usize + 20] ^= 1;
    let (copy, opened) = open_changed(&f, 0, |old| *old = bytes);
    assert_eq!(cause(&opened), Some(Cause::CorruptMiddle));
    assert_eq!(copy.log.log_end_offset(), 10);
}

#[test]
fn closed_segments_without_timestamps_need_no_repair() {
    let mut f = fixture(LogConfig {
        index_interval_bytes: 100,
        segment_bytes: 500,
        ..LogConfig::default()
    });
    for _ in 0..20 {
        append(&f.log, &batch(-1, &["a"])).unwrap();
    }
    assert!(f.log.segment_base_offsets().len() > 2);
    let opened = f.reopen();
    assert_eq!(opened.events, []);
    assert_eq!(records(&f.log).len(), 20);
    // Where some record has one, an empty index is one that was begun anew.
    append(&f.log, &batch(-1, &["a"])).unwrap();
    append(&f.log, &batch(NOW, &["a"])).unwrap();
    f.log.roll(NOW).unwrap();
    append(&f.log, &batch(NOW, &["a"])).unwrap();
    let closed = f.log.segment_base_offsets().into_iter().rev().nth(1).unwrap();
    f.log.close().unwrap();
    for index in ["index", "timeindex"] {
        std::fs::write(f.dir().join(format!("{closed:020}.{index}")), "").unwrap();
    }
    let opened = f.reopen();
    let is_rebuilt = |event: &RecoveryEvent| matches!(event, RecoveryEvent::IndexesRebuilt { .. });
    assert!(opened.events.iter().any(is_rebuilt), "{:?}", opened.events);
    assert!(f.log.offset_for_timestamp(NOW).unwrap().is_some());
}

#[test]
fn zeros_at_the_end_are_a_torn_tail() {
    let (f, _) = ten_batches();
    let (copy, opened) = open_changed(&f, 0, |bytes| bytes.resize(bytes.len() + 3_000_000, 0));
    assert_eq!(cause(&opened), Some(Cause::TornTail));
    assert_eq!(records(&copy.log), records(&f.log));
}

#[test]
fn below_the_recovery_point_nothing_is_judged() {
    let (f, ends) = ten_batches();
    let flip = |bytes: &mut Vec<u8>| bytes[ends[3] as usize + 65] ^= 1;
    let (copy, opened) = open_changed(&f, 20, flip);
    assert_eq!((copy.log.log_end_offset(), cause(&opened)), (20, None));
    let (copy, opened) = open_changed(&f, 8, flip);
    assert_eq!((copy.log.log_end_offset(), cause(&opened)), (20, None));
    let (copy, opened) = open_changed(&f, 6, flip);
    assert_eq!(
        (copy.log.log_end_offset(), cause(&opened)),
        (6, Some(Cause::CorruptMiddle))
    );
    assert!(opened.bytes_checked < f.log.size());
}

#[test]
fn segments_behind_a_cut_are_dropped_and_told_of() {
    let mut f = fixture(LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    });
    (0..30).for_each(|i| {
        append(&f.log, &from_producer(1, 0, i, 1)).unwrap();
    });
    let bases = f.log.segment_base_offsets();
    assert!(bases.len() > 3);
    let second = f.dir().join(format!("{:020}.log", bases[1]));
    let len = std::fs::metadata(&second).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&second)
        .unwrap()
        .set_len(len - 1)
        .unwrap();
    let opened = f.crash(0);
    assert_eq!(f.log.log_end_offset(), bases[2] - 1);
    assert_eq!(f.log.segment_base_offsets(), bases[..2]);
    let lost: u64 = opened
        .events
        .iter()
        .map(|event| match event {
            RecoveryEvent::SegmentDropped { records_lost, .. } => *records_lost,
            _ => 0,
        })
        .sum();
    assert_eq!(lost as i64, 30 - bases[2]);
    assert_eq!(
        append(&f.log, &from_producer(1, 0, (bases[2] - 1) as i32, 1))
            .unwrap()
            .first_offset,
        bases[2] - 1
    );
    f.crash(0);
    assert_eq!(f.log.log_end_offset(), bases[2]);
}

#[test]
fn indexes_may_be_lost_short_padded_or_another_logs() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 6] = [
        ("no offset index", |dir| {
            std::fs::remove_file(dir.join("00000000000000000000.index")).unwrap()
        }),
        ("no time index", |dir| {
            std::fs::remove_file(dir.join("00000000000000000000.timeindex")).unwrap()
        }),
        ("empty", |dir| {
            std::fs::write(dir.join("00000000000000000000.index"), b"").unwrap()
        }),
        ("half an entry", |dir| {
            let path = dir.join("00000000000000000000.index");
            let len = std::fs::metadata(&path).unwrap().len();
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(len - 3)
                .unwrap();
        }),
        ("padded", |dir| {
            for name in ["00000000000000000000.index", "00000000000000000000.timeindex"] {
                let file = std::fs::File::options().write(true).open(dir.join(name)).unwrap();
                file.set_len(10 << 20).unwrap();
            }
        }),
        ("rubbish", |dir| {
            std::fs::write(dir.join("00000000000000000000.index"), [7; 80]).unwrap()
        }),
    ];
    for (name, damage) in damages {
        for clean in [true, false] {
            for recovery_point in [0, 6, 20] {
                let (f, _) = ten_batches();
                let all = records(&f.log);
                f.log.close().unwrap();
                damage(&f.dir());
                let start = LogStart {
                    recovery_point,
                    clean,
                    ..LogStart::default()
                };
                let (log, _) = open(&f.dir(), f.config.clone(), start).unwrap();
                assert_eq!(records(&log), all, "{name}");
                for offset in 0..20 {
                    assert_eq!(records_from(&log, offset)[0].0, offset, "{name}");
                }
                assert_eq!(log.offset_for_timestamp(NOW).unwrap().unwrap().offset, 0, "{name}");
                append(&log, &from_producer(1, 0, 20, 2)).unwrap();
                assert_eq!(records(&log).len(), 22, "{name}");
            }
        }
    }
}

#[test]
fn a_copy_taken_at_any_time_opens_to_a_prefix_with_all_that_was_flushed() {
    let mut f = fixture(LogConfig {
        segment_bytes: 2_000,
        index_interval_bytes: 150,
        ..LogConfig::default()
    });
    f.config.segment_bytes = 2_000;
    for i in 0..120 {
        append(&f.log, &from_producer(1, 0, i, 1)).unwrap();
        if i % 17 == 0 {
            f.log.flush().unwrap();
        }
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("t-0");
        copy_dir(&f.dir(), &dir);
        let start = LogStart {
            recovery_point: f.log.recovery_point(),
            ..LogStart::default()
        };
        let (copy, opened) = open(&dir, f.config.clone(), start).unwrap();
        assert_eq!(records(&copy), records(&f.log), "a killed process loses nothing");
        assert_eq!(copy.active_producers(), f.log.active_producers());
        assert_eq!(cause(&opened), None);
    }
}

#[test]
fn leftovers_are_removed_and_an_interrupted_swap_is_completed() {
    let mut f = fixture(LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    });
    (0..30).for_each(|i| {
        append(&f.log, &from_producer(1, 0, i, 1)).unwrap();
    });
    let all = records(&f.log);
    let bases = f.log.segment_base_offsets();
    f.log.close().unwrap();
    for leftover in [
        "00000000000000000099.log.deleted",
        "leader-epoch-checkpoint.tmp",
        "00000000000000000099.log.cleaned",
        "00000000000000000099.index",
    ] {
        std::fs::write(f.dir().join(leftover), b"x").unwrap();
    }
    // The first two segments as a cleaner would have joined them.
    let file = |base: i64, ending: &str| f.dir().join(format!("{base:020}.{ending}"));
    let joined = [
        std::fs::read(file(bases[0], "log")).unwrap(),
        std::fs::read(file(bases[1], "log")).unwrap(),
    ]
    .concat();
    std::fs::write(file(bases[0], "log.swap"), joined).unwrap();
    std::fs::remove_file(file(bases[0], "log")).unwrap(); // the originals are on their way out
    let events = f.reopen().events;
    assert!(
        events.contains(&RecoveryEvent::SwapCompleted { base_offset: 0 }),
        "{events:?}"
    );
    assert_eq!(records(&f.log), all);
    let left = f.file_names();
    assert!(
        !left
            .iter()
            .any(|name| name.contains("99") || name.ends_with(".tmp") || name.ends_with(".swap")),
        "{left:?}"
    );
    assert_eq!(f.log.segment_base_offsets().len(), bases.len() - 1);
}

#[test]
fn a_damaged_epoch_checkpoint_is_made_anew_from_the_batches() {
    let mut f = fixture(LogConfig::default());
    for epoch in [1, 1, 4, 6] {
        f.log
            .append_as_leader(&batch(NOW, &["v"]), epoch, klamm_log::AppendOrigin::Client, NOW)
            .unwrap();
    }
    let expected = f.log.leader_epochs();
    f.log.close().unwrap();
    std::fs::write(f.dir().join("leader-epoch-checkpoint"), "0\nrubbish").unwrap();
    assert!(f.reopen().events.contains(&RecoveryEvent::LeaderEpochsRebuilt));
    assert_eq!(f.log.leader_epochs(), expected);
    f.reopen();
    assert_eq!(f.log.leader_epochs(), expected, "and written");
}

#[test]
fn epochs_above_the_recovery_point_are_found_in_the_batches() {
    let mut f = fixture(LogConfig::default());
    for epoch in [1, 1, 4, 6] {
        f.log
            .append_as_leader(&batch(NOW, &["v"]), epoch, klamm_log::AppendOrigin::Client, NOW)
            .unwrap();
    }
    let expected = f.log.leader_epochs();
    assert!(!f.dir().join("leader-epoch-checkpoint").exists());
    f.crash(0);
    assert_eq!(f.log.leader_epochs(), expected);
}

#[test]
fn a_log_that_ends_below_its_start_begins_anew() {
    let (f, _) = ten_batches();
    f.log.close().unwrap();
    let start = LogStart {
        log_start_offset: 500,
        recovery_point: 500,
        clean: false,
        ..LogStart::default()
    };
    let (log, opened) = open(&f.dir(), f.config.clone(), start).unwrap();
    assert!(
        opened.events.contains(&RecoveryEvent::Restarted { at_offset: 500 }),
        "{opened:?}"
    );
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (500, 500));
    assert_eq!(append_values(&log, &["a"]).first_offset, 500);
}

#[test]
fn closed_files_are_as_kafka_leaves_them() {
    let (f, ends) = ten_batches();
    f.log.close().unwrap();
    assert_eq!(
        f.file_names(),
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "00000000000000000020.snapshot",
            "leader-epoch-checkpoint",
        ]
    );
    let index = std::fs::read(f.dir().join("00000000000000000000.index")).unwrap();
    // More than the interval is in front of the third batch: its last offset, and where it begins.
    assert_eq!(index[..8], [[0, 0, 0, 5], (ends[2] as u32).to_be_bytes()].concat());
    let times = std::fs::read(f.dir().join("00000000000000000000.timeindex")).unwrap();
    assert_eq!(
        times,
        [&NOW.to_be_bytes()[..], &[0, 0, 0, 1]].concat(),
        "one timestamp, of the first batch"
    );
}

#[test]
fn a_batch_that_is_longer_than_what_recovery_reads_at_once_is_judged_whole() {
    let f = fixture(LogConfig {
        max_message_bytes: 8 << 20,
        ..LogConfig::default()
    });
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1, None, Some(&vec![7; 3 << 20]), &[]).unwrap();
    append(&f.log, &builder.build()).unwrap();
    let (copy, opened) = open_changed(&f, 0, |_| ());
    assert_eq!((copy.log.log_end_offset(), cause(&opened)), (1, None));
    for at in [30, 1 << 20, 2_500_000] {
        let (copy, opened) = open_changed(&f, 0, |bytes| bytes[at] ^= 1);
        assert_eq!(
            (copy.log.log_end_offset(), cause(&opened)),
            (0, Some(Cause::TornTail)),
            "{at}"
        );
    }
}

/// Both indexes were made anew by a recovery, and of what no flush had synced a power cut kept the one and not the other.
#[test]
fn timestamps_are_found_that_only_the_offset_index_got_past() {
    let f = fixture(LogConfig {
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    for i in 0..10 {
        append(&f.log, &batch(5_000 - i, &["one", "two"])).unwrap();
    }
    assert_eq!(f.log.flush().unwrap(), 20);
    for recovery_point in [20, 16, 2] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("t-0");
        copy_dir(&f.dir(), &dir);
        let file = |name: &str| dir.join(LOG.replace("log", name));
        assert!(std::fs::metadata(file("index")).unwrap().len() > 8);
        std::fs::write(file("timeindex"), []).unwrap();
        let start = LogStart {
            recovery_point,
            ..LogStart::default()
        };
        let (log, _) = open(&dir, f.config.clone(), start).unwrap();
        let found = log.offset_for_timestamp(5_000).unwrap();
        assert_eq!(
            found.map(|found| found.offset),
            Some(0),
            "recovery point {recovery_point}"
        );
    }
}

#[test]
fn a_log_whose_last_segments_are_gone_tells_so_whatever_state_it_was_left_in() {
    let size = batch(NOW, &["v"]).len() as u32;
    for clean in [true, false] {
        for kept in [4, 2, 0] {
            let f = fixture(LogConfig {
                segment_bytes: size * 2,
                ..LogConfig::default()
            });
            for _ in 0..6 {
                append_values(&f.log, &["v"]);
            }
            f.log.close().unwrap();
            for base_offset in (kept..6).step_by(2) {
                std::fs::remove_file(f.dir().join(format!("{base_offset:020}.log"))).unwrap();
            }
            let start = LogStart {
                recovery_point: 6,
                clean,
                ..LogStart::default()
            };
            let (log, opened) = open(&f.dir(), f.config.clone(), start).unwrap();
            let event = RecoveryEvent::EndsTooEarly {
                end_offset: kept,
                recovery_point: 6,
            };
            assert!(opened.events.contains(&event), "{clean} {kept}: {:?}", opened.events);
            assert_eq!(opened.lost(), (6 - kept as u64, 0));
            assert_eq!((log.log_end_offset(), log.recovery_point()), (kept, kept));
        }
    }
}

#[test]
fn a_log_that_is_begun_anew_behind_its_end_has_lost_nothing_that_was_not_deleted() {
    let f = fixture(LogConfig::default());
    append_values(&f.log, &["a", "b"]);
    f.log.close().unwrap();
    let start = |recovery_point| LogStart {
        log_start_offset: 5,
        recovery_point,
        ..LogStart::default()
    };
    let (_, opened) = open(&f.dir(), f.config.clone(), start(2)).unwrap();
    assert_eq!(opened.events, [RecoveryEvent::Restarted { at_offset: 5 }]);
    let (_, opened) = open(&f.dir(), f.config.clone(), start(8)).unwrap();
    let event = RecoveryEvent::EndsTooEarly {
        end_offset: 5,
        recovery_point: 8,
    };
    assert_eq!(opened.events, [event]);
}
