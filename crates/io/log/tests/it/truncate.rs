//! Truncation from the end, and beginning anew: what followers and the metadata quorum do.
use klamm_log::{Isolation, LogConfig};

use crate::support::*;

fn thirty() -> Fixture {
    let f = fixture(LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    for i in 0..30 {
        append(&f.log, &from_producer(1, 0, i * 2, 2)).unwrap();
    }
    f
}

#[test]
fn the_end_goes_and_the_rest_is_as_if_nothing_had_been_appended() {
    for target in [0, 1, 2, 7, 14, 30, 31, 58, 59] {
        let mut f = thirty();
        f.log.update_high_watermark(60);
        f.log.flush().unwrap();
        let all = records(&f.log);
        assert!(f.log.truncate_to(target, NOW).unwrap());
        let end = target / 2 * 2;
        let offsets = f.log.offsets();
        assert_eq!(
            (offsets.log_end_offset, offsets.high_watermark, f.log.recovery_point()),
            (end, end, end),
            "{target}"
        );
        assert_eq!(records(&f.log), all[..end as usize]);
        let last = f
            .log
            .active_producers()
            .first()
            .map_or(-1, |producer| producer.last_sequence);
        assert_eq!(i64::from(last), end - 1);
        append(&f.log, &from_producer(1, 0, end as i32, 2)).unwrap();
        assert_eq!(f.log.log_end_offset(), end + 2);
        let kept = records(&f.log);
        f.crash(end);
        assert_eq!(records(&f.log), kept, "{target}");
        f.reopen();
        assert_eq!(records(&f.log), kept, "{target}");
    }
    let f = thirty();
    assert!(!f.log.truncate_to(60, NOW).unwrap());
    assert_eq!(f.log.log_end_offset(), 60);
}

#[test]
fn epochs_go_with_the_end() {
    let f = fixture(LogConfig::default());
    for epoch in [1, 1, 4, 6] {
        let origin = klamm_log::AppendOrigin::Client;
        f.log.append_as_leader(&batch(NOW, &["v"]), epoch, origin, NOW).unwrap();
    }
    f.log.truncate_to(2, NOW).unwrap();
    assert_eq!(f.log.latest_epoch(), Some(1));
    f.log.maybe_assign_epoch_start_offset(7, 2);
    assert_eq!(f.log.end_offset_for_epoch(1).unwrap().end_offset, 2);
    assert!(!f.log.truncate_to(2, NOW).unwrap());
    assert_eq!(
        f.log.latest_epoch(),
        Some(1),
        "a leader that appended nothing is forgotten"
    );
}

#[test]
fn a_log_begins_anew_where_a_snapshot_ends() {
    let mut f = thirty();
    f.log.truncate_fully_and_start_at(1_000, NOW).unwrap();
    let offsets = f.log.offsets();
    assert_eq!(
        (offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset),
        (1_000, 1_000, 1_000)
    );
    assert!(f.log.read(999, 1, Isolation::LogEnd, true).is_err());
    assert!(f.log.active_producers().is_empty());
    assert_eq!(append_values(&f.log, &["a"]).first_offset, 1_000);
    f.crash(0);
    assert_eq!(records(&f.log), [(1_000, "a".to_owned())]);
    f.reopen();
    assert_eq!(records(&f.log), [(1_000, "a".to_owned())]);
}

#[test]
fn truncation_below_the_first_segment_begins_anew() {
    let f = fixture(LogConfig::default());
    f.log.truncate_fully_and_start_at(50, NOW).unwrap();
    append_values(&f.log, &["a"]);
    assert!(f.log.truncate_to(20, NOW).unwrap());
    assert_eq!((f.log.log_start_offset(), f.log.log_end_offset()), (20, 20));
    assert_eq!(append_values(&f.log, &["b"]).first_offset, 20);
}
