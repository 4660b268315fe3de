//! Idempotent producers over appends, restarts and crashes.
use klamm_log::{AppendError, AppendOrigin, Isolation, LogConfig, ProducerError, RecoveryEvent};
use klamm_records::{BatchBuilder, Compression, ControlRecordType};

use crate::support::*;

#[test]
fn a_batch_sent_again_is_answered_with_its_first_offsets() {
    let f = fixture(LogConfig::default());
    append_values(&f.log, &["x"]);
    let first = append(&f.log, &from_producer(1, 0, 0, 3)).unwrap();
    let second = append(&f.log, &from_producer(1, 0, 3, 2)).unwrap();
    let again = append(&f.log, &from_producer(1, 0, 0, 3)).unwrap();
    assert!(again.is_duplicate && !first.is_duplicate);
    assert_eq!(
        (again.first_offset, again.last_offset),
        (first.first_offset, first.last_offset)
    );
    assert_eq!(f.log.log_end_offset(), second.last_offset + 1);
    let gap = append(&f.log, &from_producer(1, 0, 9, 1)).unwrap_err();
    let expected = ProducerError::OutOfOrderSequence {
        producer_id: 1,
        epoch: 0,
        sequence: 9,
        last_sequence: 4,
    };
    assert!(matches!(gap, AppendError::Producer(error) if error == expected));
    append(&f.log, &from_producer(1, 1, 0, 1)).unwrap();
    let fenced = append(&f.log, &from_producer(1, 0, 5, 1)).unwrap_err();
    assert!(matches!(
        fenced,
        AppendError::Producer(ProducerError::InvalidEpoch { current_epoch: 1, .. })
    ));
}

#[test]
fn the_state_survives_restart_crash_and_lost_snapshots() {
    let mut f = fixture(LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    });
    for i in 0..20 {
        append(&f.log, &from_producer(1, 0, i * 2, 2)).unwrap();
        append(&f.log, &from_producer(2, 5, i, 1)).unwrap();
        if i == 12 {
            f.log.flush().unwrap();
        }
    }
    let expected = f.log.active_producers();
    assert_eq!(expected.len(), 2);
    assert_eq!((expected[0].last_sequence, expected[1].last_sequence), (39, 19));
    f.crash(0);
    assert_eq!(f.log.active_producers(), expected, "after a crash");
    assert_eq!(f.reopen().events, []);
    assert_eq!(f.log.active_producers(), expected, "after a restart");
    assert!(append(&f.log, &from_producer(1, 0, 38, 2)).unwrap().is_duplicate);

    f.log.close().unwrap();
    for name in f.file_names().iter().filter(|name| name.ends_with(".snapshot")) {
        std::fs::remove_file(f.dir().join(name)).unwrap();
    }
    let events = f.reopen().events;
    assert_eq!(events, [RecoveryEvent::ProducersRebuilt { from_offset: 0 }]);
    assert_eq!(f.log.active_producers(), expected, "after the snapshots were lost");

    f.log.close().unwrap();
    let newest = f
        .file_names()
        .into_iter()
        .rfind(|name| name.ends_with(".snapshot"))
        .unwrap();
    std::fs::write(f.dir().join(newest), b"torn").unwrap();
    let events = f.reopen().events;
    assert!(
        matches!(events[..], [RecoveryEvent::ProducersRebuilt { .. }]),
        "{events:?}"
    );
    assert_eq!(f.log.active_producers(), expected, "after a snapshot was torn");
}

#[test]
fn a_log_by_itself_has_no_snapshots_between_segments() {
    let mut f = fixture(LogConfig::default());
    for i in 0..5 {
        append(&f.log, &from_producer(1, 0, i, 1)).unwrap();
        f.log.flush().unwrap();
    }
    assert!(
        !f.file_names().iter().any(|name| name.ends_with(".snapshot")),
        "flushed after each batch, they would cost more than the batches"
    );
    f.crash(5);
    assert_eq!(f.log.active_producers()[0].last_sequence, 4);
}

#[test]
fn an_open_transaction_holds_back_committed_readers_until_its_marker() {
    let mut f = fixture(LogConfig::default());
    append_values(&f.log, &["plain"]);
    let mut open = BatchBuilder::new(Compression::None).producer(9, 0, 0).transactional();
    open.push(NOW, None, Some(b"maybe"), &[]).unwrap();
    append(&f.log, &open.build()).unwrap();
    append_values(&f.log, &["later"]);
    f.log.maybe_increment_high_watermark(3);
    assert_eq!((f.log.high_watermark(), f.log.last_stable_offset()), (3, 1));
    f.crash(0);
    f.log.update_high_watermark(3);
    assert_eq!(f.log.last_stable_offset(), 1, "known again after a crash");
    assert_eq!(f.log.active_producers()[0].current_txn_start_offset, Some(1));
    let plain = f.log.read(0, 1 << 20, Isolation::LastStableOffset, true).unwrap();
    assert_eq!(plain.size() as usize, batch(NOW, &["plain"]).len());

    let mut marker = BatchBuilder::new(Compression::None)
        .producer(9, 0, -1)
        .transactional()
        .control();
    marker
        .push_control(NOW, ControlRecordType::Commit, &[0, 0, 0, 0, 0, 4])
        .unwrap();
    f.log
        .append_as_leader(&marker.build(), 0, AppendOrigin::Coordinator, NOW)
        .unwrap();
    assert_eq!(f.log.last_stable_offset(), 1, "the marker is not replicated yet");
    f.log.maybe_increment_high_watermark(4);
    assert_eq!(f.log.last_stable_offset(), 4);
    assert_eq!(f.log.active_producers()[0].coordinator_epoch, 4);
}
