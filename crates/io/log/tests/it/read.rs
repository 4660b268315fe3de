//! Reading by offset and looking up by timestamp.
use klamm_log::{AppendOrigin, Isolation, LogConfig, ReadError};
use klamm_records::BatchHeader;

use crate::support::*;

/// 100 batches of 3 records, batch `i` at timestamp NOW + i * 10, several per segment, many index entries.
fn hundred_batches() -> Fixture {
    let config = LogConfig {
        segment_bytes: 3_000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    };
    let f = fixture(config);
    for i in 0..100 {
        let values = [0, 1, 2].map(|j| format!("v{}", i * 3 + j));
        append(&f.log, &batch(NOW + i * 10, &values.each_ref().map(String::as_str))).unwrap();
    }
    assert!(f.log.segment_base_offsets().len() > 2);
    f
}

#[test]
fn every_offset_is_found_and_the_batch_comes_whole() {
    let mut f = hundred_batches();
    for _ in 0..2 {
        for offset in 0..300 {
            let data = f.log.read(offset, 1, Isolation::LogEnd, true).unwrap();
            let bytes = data.region.unwrap().read().unwrap();
            let header = BatchHeader::parse(&bytes).unwrap();
            assert_eq!(header.base_offset, offset / 3 * 3);
            assert_eq!(header.size_in_bytes(), bytes.len());
            assert!(!data.first_entry_incomplete);
        }
        let all: Vec<_> = (0..300).map(|i| (i, format!("v{i}"))).collect();
        assert_eq!(records(&f.log), all);
        assert_eq!(records_from(&f.log, 151), all[151..]);
        f.reopen(); // and again from the files
    }
}

#[test]
fn limits_are_kept_unless_the_first_batch_is_larger() {
    let f = hundred_batches();
    let size = batch(NOW, &["v0", "v1", "v2"]).len() as u32;
    let read = |max, min_one| f.log.read(0, max, Isolation::LogEnd, min_one).unwrap();
    assert_eq!(read(size * 2 + 5, true).size(), size * 2 + 5);
    assert_eq!(read(10, true).size(), size);
    let cut = read(10, false);
    assert_eq!((cut.size(), cut.first_entry_incomplete), (10, true));
    assert!(read(0, false).region.is_none());
}

#[test]
fn consumers_see_up_to_the_high_watermark() {
    let f = hundred_batches();
    let size = |offset, isolation| f.log.read(offset, 1 << 20, isolation, true).unwrap().size();
    assert_eq!(size(0, Isolation::HighWatermark), 0);
    f.log.maybe_increment_high_watermark(6);
    let one = batch(NOW, &["v0", "v1", "v2"]).len() as u32;
    assert_eq!(size(0, Isolation::HighWatermark), one * 2);
    assert_eq!(size(0, Isolation::LastStableOffset), one * 2);
    assert_eq!(size(6, Isolation::HighWatermark), 0);
    f.log.maybe_increment_high_watermark(8);
    assert_eq!(
        size(6, Isolation::HighWatermark),
        0,
        "inside of a batch counts as before it"
    );
    f.log.maybe_increment_high_watermark(300);
    assert!(size(297, Isolation::HighWatermark) > 0);
    assert_eq!(size(300, Isolation::HighWatermark), 0);
    let offsets = f.log.read(0, 1, Isolation::LogEnd, true).unwrap().offsets;
    assert_eq!(
        (offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset),
        (0, 300, 300)
    );
}

#[test]
fn outside_of_the_log_is_out_of_range() {
    let f = hundred_batches();
    for offset in [-1, 301, i64::MAX] {
        let error = f.log.read(offset, 1, Isolation::LogEnd, true).unwrap_err();
        assert!(
            matches!(
                error,
                ReadError::OffsetOutOfRange {
                    log_start_offset: 0,
                    log_end_offset: 300,
                    ..
                }
            ),
            "{error}"
        );
    }
    f.log.maybe_increment_high_watermark(300);
    f.log.delete_records(10).unwrap();
    assert!(f.log.read(9, 1, Isolation::LogEnd, true).is_err());
    assert!(f.log.read(10, 1, Isolation::LogEnd, true).unwrap().size() > 0);
}

#[test]
fn timestamps_find_the_first_record_that_is_not_older() {
    let mut f = hundred_batches();
    for _ in 0..2 {
        for i in 0..100 {
            let exact = f.log.offset_for_timestamp(NOW + i * 10).unwrap().unwrap();
            assert_eq!(
                (exact.offset, exact.timestamp, exact.leader_epoch),
                (i * 3, NOW + i * 10, Some(0))
            );
            let before = f.log.offset_for_timestamp(NOW + i * 10 - 9).unwrap().unwrap();
            assert_eq!(before.offset, i * 3);
        }
        assert_eq!(f.log.offset_for_timestamp(0).unwrap().unwrap().offset, 0);
        assert_eq!(f.log.offset_for_timestamp(NOW + 991).unwrap(), None);
        assert_eq!(f.log.offset_of_max_timestamp().unwrap().unwrap().offset, 297);
        f.reopen();
    }
}

#[test]
fn timestamps_out_of_order() {
    let f = fixture(LogConfig {
        index_interval_bytes: 0,
        segment_bytes: 400,
        ..LogConfig::default()
    });
    assert_eq!(f.log.offset_of_max_timestamp().unwrap(), None);
    for timestamp in [50, 10, 90, 20, 90, -1, 30] {
        append(&f.log, &batch(timestamp, &["a", "b"])).unwrap();
    }
    let find = |timestamp| {
        f.log
            .offset_for_timestamp(timestamp)
            .unwrap()
            .map(|found| (found.offset, found.timestamp))
    };
    assert_eq!(find(5), Some((0, 50)));
    assert_eq!(find(50), Some((0, 50)));
    assert_eq!(find(51), Some((4, 90)));
    assert_eq!(find(91), None);
    assert_eq!(f.log.offset_of_max_timestamp().unwrap().unwrap().offset, 4);
    f.log.maybe_increment_high_watermark(14);
    f.log.delete_records(5).unwrap();
    assert_eq!(find(5), Some((5, 90)), "the start lies within the batch");
}

#[test]
fn readers_go_on_while_the_writer_appends() {
    let f = fixture(LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 300,
        ..LogConfig::default()
    });
    let log = &f.log;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..3_000 {
                let value = format!("v{i}");
                log.append_as_leader(&batch(NOW, &[&value]), 0, AppendOrigin::Client, NOW)
                    .unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 3_000 {
                    for (offset, value) in records_from(log, seen) {
                        assert_eq!((offset, value), (seen, format!("v{seen}")));
                        seen += 1;
                    }
                }
            });
        }
        scope.spawn(|| {
            while log.log_end_offset() < 3_000 {
                log.flush().unwrap();
            }
        });
        writer.join().unwrap();
    });
}

#[test]
fn the_largest_timestamp_is_that_of_a_record_which_is_served() {
    let f = fixture(LogConfig::default());
    let of = |timestamps: &[i64]| {
        let mut builder = klamm_records::BatchBuilder::new(klamm_records::Compression::Gzip);
        for timestamp in timestamps {
            builder.push(NOW + timestamp, None, Some(b"v"), &[]).unwrap();
        }
        builder.build()
    };
    append(&f.log, &of(&[5, 9, 3])).unwrap();
    append(&f.log, &of(&[4, 2])).unwrap();
    f.log.update_high_watermark(5);
    let mut found = Vec::new();
    for start in 0..=5 {
        f.log.delete_records(start).unwrap();
        found.push(
            f.log
                .offset_of_max_timestamp()
                .unwrap()
                .map(|found| (found.offset, found.timestamp - NOW)),
        );
    }
    let expected = [
        Some((1, 9)),
        Some((1, 9)),
        Some((3, 4)),
        Some((3, 4)),
        Some((4, 2)),
        None,
    ];
    assert_eq!(found, expected);
}

#[test]
fn records_of_the_beginning_of_1970_are_found_after_a_restart() {
    let mut f = fixture(LogConfig::default());
    for round in 1..4 {
        append(&f.log, &batch(0, &["v"])).unwrap();
        f.reopen();
        let length = std::fs::metadata(f.dir().join("00000000000000000000.timeindex"))
            .unwrap()
            .len();
        assert_eq!(length, 12, "{round}");
        let first = f.log.offset_for_timestamp(0).unwrap().unwrap();
        assert_eq!((first.timestamp, first.offset), (0, 0), "{round}");
        let newest = f.log.offset_of_max_timestamp().unwrap().unwrap();
        assert_eq!((newest.timestamp, newest.offset), (0, 0), "{round}");
    }
}
