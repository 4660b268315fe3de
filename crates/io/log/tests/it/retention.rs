//! Old segments go, by age, by size, and when DeleteRecords says so.
use klamm_log::{CleanupPolicy, DeleteRecordsError, Isolation, LogConfig};

use crate::support::*;

/// Ten segments of two batches of one record; batch `i` has timestamp NOW + i.
fn ten_segments(config: LogConfig) -> Fixture {
    let size = batch(NOW, &["v"]).len() as u32;
    let f = fixture(LogConfig {
        segment_bytes: size * 2,
        ..config
    });
    (0..20).for_each(|i| {
        append(&f.log, &batch(NOW + i, &["v"])).unwrap();
    });
    assert_eq!(f.log.segment_base_offsets().len(), 10);
    f.log.maybe_increment_high_watermark(20);
    f
}

#[test]
fn by_age() {
    let f = ten_segments(LogConfig {
        retention_ms: 1_000,
        ..LogConfig::default()
    });
    assert_eq!(f.log.delete_old_segments(NOW + 1_001).unwrap(), 0);
    assert_eq!(
        f.log.delete_old_segments(NOW + 1_004).unwrap(),
        2,
        "the newest record of the second is at NOW + 3"
    );
    assert_eq!((f.log.log_start_offset(), records(&f.log).len()), (4, 16));
    f.log.update_config(LogConfig {
        retention_ms: 5,
        ..(*f.log.config()).clone()
    });
    assert_eq!(
        f.log.delete_old_segments(NOW + 1_004).unwrap(),
        8,
        "new settings hold at once"
    );
    assert_eq!(
        (
            f.log.log_start_offset(),
            f.log.log_end_offset(),
            f.log.segment_base_offsets()
        ),
        (20, 20, vec![20])
    );
    assert_eq!(append_values(&f.log, &["next"]).first_offset, 20);
}

#[test]
fn by_size_and_never_above_the_high_watermark() {
    let f = ten_segments(LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    });
    let size = f.log.size() as i64;
    f.log.update_config(LogConfig {
        retention_bytes: size / 2,
        ..(*f.log.config()).clone()
    });
    f.log.update_high_watermark(6);
    assert_eq!(f.log.delete_old_segments(NOW).unwrap(), 3);
    f.log.update_high_watermark(20);
    assert_eq!(f.log.delete_old_segments(NOW).unwrap(), 2);
    assert_eq!(f.log.log_start_offset(), 10);
}

#[test]
fn a_reader_finishes_what_it_began() {
    let f = ten_segments(LogConfig {
        retention_ms: 0,
        ..LogConfig::default()
    });
    let data = f.log.read(0, 1 << 20, Isolation::LogEnd, true).unwrap();
    f.log.delete_old_segments(NOW + 1_000).unwrap();
    assert!(f.file_names().iter().any(|name| name.ends_with(".log.deleted")));
    assert_eq!(data.region.unwrap().read().unwrap().len(), batch(NOW, &["v"]).len() * 2);
    assert!(f.log.read(0, 1, Isolation::LogEnd, true).is_err());
}

#[test]
fn delete_records_moves_the_start_and_drops_whole_segments() {
    let mut f = ten_segments(LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    });
    assert_eq!(f.log.delete_records(7).unwrap(), 7);
    assert_eq!(f.log.delete_records(3).unwrap(), 7, "never back");
    let error = f.log.delete_records(21).unwrap_err();
    assert!(matches!(
        error,
        DeleteRecordsError::BeyondHighWatermark {
            offset: 21,
            high_watermark: 20
        }
    ));
    assert_eq!(f.log.delete_old_segments(NOW).unwrap(), 3);
    assert_eq!((f.log.segment_base_offsets()[0], f.log.log_start_offset()), (6, 7));
    assert_eq!(records(&f.log)[0].0, 7);
    f.reopen();
    assert_eq!(
        f.log.log_start_offset(),
        6,
        "inside of a segment the checkpoint tells, which this log has not"
    );
}

#[test]
fn compacted_topics_keep_their_old_segments_unless_both_policies_are_set() {
    let compact = CleanupPolicy {
        compact: true,
        delete: false,
    };
    let f = ten_segments(LogConfig {
        retention_ms: 0,
        cleanup_policy: compact,
        ..LogConfig::default()
    });
    assert_eq!(f.log.delete_old_segments(NOW + 9_000).unwrap(), 0);
    let both = CleanupPolicy {
        compact: true,
        delete: true,
    };
    f.log.update_config(LogConfig {
        cleanup_policy: both,
        ..(*f.log.config()).clone()
    });
    assert_eq!(f.log.delete_old_segments(NOW + 9_000).unwrap(), 10);
}

#[test]
fn snapshots_and_epochs_below_the_start_go_too() {
    let f = ten_segments(LogConfig {
        retention_ms: 1_000,
        ..LogConfig::default()
    });
    f.log.delete_old_segments(NOW + 1_012).unwrap();
    let first = f.log.segment_base_offsets()[0];
    for name in f.file_names().iter().filter(|name| name.ends_with(".snapshot")) {
        assert!(
            name.split('.').next().unwrap().parse::<i64>().unwrap() >= first,
            "{name}"
        );
    }
    assert_eq!(f.log.leader_epochs()[0].start_offset, first);
}

#[test]
fn many_segments_go_in_steps() {
    let size = batch(NOW, &["v"]).len() as u32;
    let f = fixture(LogConfig {
        segment_bytes: size,
        retention_ms: 0,
        ..LogConfig::default()
    });
    (0..70).for_each(|_| {
        append_values(&f.log, &["v"]);
    });
    f.log.maybe_increment_high_watermark(70);
    let steps = [(); 4].map(|()| f.log.delete_old_segments(NOW + 1).unwrap());
    assert_eq!(steps, [32, 32, 6, 0]);
    assert_eq!(f.log.log_start_offset(), 70);
}
