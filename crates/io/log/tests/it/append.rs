//! What a leader accepts, how it stores it, when it rolls.
use bytes::Bytes;
use klamm_log::{AppendError, AppendOrigin, CleanupPolicy, InvalidBatch, LogConfig};
use klamm_records::{BatchBuilder, BatchHeader, Compression, TimestampType};

use crate::support::*;

fn invalid(result: Result<klamm_log::AppendInfo, AppendError>) -> InvalidBatch {
    match result {
        Err(AppendError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_get_consecutive_offsets_and_the_leaders_epoch_and_stay_what_they_were() {
    let f = fixture(LogConfig::default());
    let sent = batch(NOW, &["a", "b", "c"]);
    let first = f.log.append_as_leader(&sent, 7, AppendOrigin::Client, NOW).unwrap();
    assert_eq!(
        (first.first_offset, first.last_offset, first.log_append_time_ms),
        (0, 2, -1)
    );
    let second = f.log.append_as_leader(&sent, 7, AppendOrigin::Client, NOW).unwrap();
    assert_eq!((second.first_offset, second.last_offset), (3, 5));
    let file = std::fs::read(f.dir().join("00000000000000000000.log")).unwrap();
    let (one, two) = file.split_at(sent.len());
    assert_eq!(one[16..], sent[16..]);
    assert_eq!(two[16..], sent[16..]);
    let header = BatchHeader::parse(two).unwrap();
    assert_eq!((header.base_offset, header.partition_leader_epoch), (3, 7));
    assert_eq!(f.log.latest_epoch(), Some(7));
    assert_eq!(records(&f.log).len(), 6);
}

#[test]
fn sizes_are_limited() {
    let small = LogConfig {
        max_message_bytes: 200,
        max_decompressed_message_bytes: 1_000,
        ..LogConfig::default()
    };
    let f = fixture(small);
    let sent = batch(NOW, &["x".repeat(200).as_str()]);
    let error = invalid(append(&f.log, &sent));
    assert_eq!(
        error,
        InvalidBatch::TooLarge {
            size: sent.len(),
            max: 200
        }
    );
    let mut bomb = BatchBuilder::new(Compression::Gzip);
    bomb.push(NOW, None, Some(&[0; 2_000]), &[]).unwrap();
    assert_eq!(
        invalid(append(&f.log, &bomb.build())),
        InvalidBatch::DecompressedTooLarge { max: 1_000 }
    );
    f.log.update_config(LogConfig {
        segment_bytes: 100,
        ..LogConfig::default()
    });
    let error = append(&f.log, &sent);
    assert!(
        matches!(error, Err(AppendError::LargerThanSegment { segment_bytes: 100, .. })),
        "{error:?}"
    );
    assert_eq!(f.log.log_end_offset(), 0);
}

#[test]
fn damaged_batches_are_refused_at_every_byte() {
    let f = fixture(LogConfig::default());
    let sent = batch(NOW, &["a", "b"]);
    for at in 0..sent.len() {
        if (12..16).contains(&at) {
            continue; // the leader epoch is not the client's to set
        }
        let mut damaged = sent.to_vec();
        damaged[at] ^= 0x40;
        invalid(append(&f.log, &damaged.into()));
    }
    for cut in 0..sent.len() {
        invalid(append(&f.log, &sent.slice(..cut)));
    }
    assert_eq!(f.log.log_end_offset(), 0);
}

#[test]
fn exactly_one_batch_of_data_from_offset_zero() {
    let f = fixture(LogConfig::default());
    let one = batch(NOW, &["a"]);
    let two = [&one[..], &one[..]].concat();
    assert!(matches!(
        invalid(append(&f.log, &two.into())),
        InvalidBatch::Invalid { .. }
    ));
    let mut elsewhere = BatchBuilder::new(Compression::None).base_offset(5);
    elsewhere.push(NOW, None, None, &[]).unwrap();
    assert!(matches!(
        invalid(append(&f.log, &elsewhere.build())),
        InvalidBatch::Invalid { .. }
    ));
    let mut control = BatchBuilder::new(Compression::None).control().producer(1, 0, -1);
    control.push(NOW, Some(&[0, 0, 0, 1]), Some(&[0; 6]), &[]).unwrap();
    assert!(matches!(
        invalid(append(&f.log, &control.build())),
        InvalidBatch::Invalid { .. }
    ));
    let mut no_sequence = BatchBuilder::new(Compression::None).producer(1, 0, -1);
    no_sequence.push(NOW, None, None, &[]).unwrap();
    assert!(matches!(
        invalid(append(&f.log, &no_sequence.build())),
        InvalidBatch::Invalid { .. }
    ));
    // A rest that is no whole batch is left out.
    let with_rest = [&one[..], &one[..20]].concat();
    append(&f.log, &with_rest.into()).unwrap();
    assert_eq!(f.log.size(), one.len() as u64);
}

#[test]
fn a_compacted_topic_wants_keys_and_names_the_records_without() {
    let policy = CleanupPolicy {
        compact: true,
        delete: false,
    };
    let f = fixture(LogConfig {
        cleanup_policy: policy,
        ..LogConfig::default()
    });
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for key in [Some(&b"k"[..]), None, Some(b"k"), None] {
        builder.push(NOW, key, Some(b"v"), &[]).unwrap();
    }
    let InvalidBatch::Invalid { record_errors, .. } = invalid(append(&f.log, &builder.build())) else {
        panic!()
    };
    assert_eq!(
        record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(),
        [1, 3]
    );
}

#[test]
fn timestamps_must_be_near_the_clock() {
    let limits = LogConfig {
        message_timestamp_before_max_ms: 1_000,
        message_timestamp_after_max_ms: 500,
        ..LogConfig::default()
    };
    let f = fixture(limits);
    for (timestamp, fine) in [(-1_000, true), (-1_001, false), (500, true), (501, false)] {
        let result = append(&f.log, &batch(NOW + timestamp, &["a"]));
        if fine {
            result.unwrap();
        } else {
            let InvalidBatch::InvalidTimestamp { record_errors } = invalid(result) else {
                panic!("{timestamp}")
            };
            assert_eq!(record_errors[0].batch_index, 0);
        }
    }
    append(&f.log, &batch(-1, &["no timestamp"])).unwrap();
    let f = fixture(LogConfig::default());
    assert!(matches!(
        invalid(append(&f.log, &batch(NOW + 3_600_001, &["a"]))),
        InvalidBatch::InvalidTimestamp { .. }
    ));
    append(&f.log, &batch(0, &["from the seventies"])).unwrap();
}

#[test]
fn log_append_time_is_the_brokers() {
    let config = LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let f = fixture(config);
    let info = f
        .log
        .append_as_leader(&batch(5, &["a"]), 0, AppendOrigin::Client, NOW + 9)
        .unwrap();
    assert_eq!(info.log_append_time_ms, NOW + 9);
    let bytes = std::fs::read(f.dir().join("00000000000000000000.log")).unwrap();
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(
        (header.attributes.timestamp_type(), header.max_timestamp),
        (TimestampType::LogAppendTime, NOW + 9)
    );
    assert_eq!(records(&f.log), [(0, "a".to_owned())], "with a valid checksum");
    assert_eq!(
        f.log.offset_for_timestamp(NOW + 9).unwrap().map(|found| found.offset),
        Some(0)
    );
}

#[test]
fn the_topics_codec_wins() {
    for target in Compression::ALL {
        let f = fixture(LogConfig {
            compression: Some(target.into()),
            ..LogConfig::default()
        });
        for source in Compression::ALL {
            let mut builder = BatchBuilder::new(source);
            (0..50).for_each(|i| {
                builder
                    .push(NOW, None, Some(format!("value {i}").as_bytes()), &[])
                    .unwrap();
            });
            append(&f.log, &builder.build()).unwrap();
        }
        let bytes = Bytes::from(std::fs::read(f.dir().join("00000000000000000000.log")).unwrap());
        for batch in klamm_records::batches(&bytes) {
            assert_eq!(batch.unwrap().header.attributes.compression(), Ok(target));
        }
        let all = records(&f.log);
        assert_eq!(all.len(), 250);
        assert_eq!(all[249], (249, "value 49".to_owned()));
    }
}

#[test]
fn segments_roll_by_size_and_their_names_are_their_offsets() {
    let one = batch(NOW, &["a", "b"]).len() as u32;
    let f = fixture(LogConfig {
        segment_bytes: one * 3,
        ..LogConfig::default()
    });
    (0..7).for_each(|_| {
        append_values(&f.log, &["a", "b"]);
    });
    assert_eq!(f.log.segment_base_offsets(), [0, 6, 12]);
    let names = f.file_names();
    for name in [
        "00000000000000000006.log",
        "00000000000000000006.index",
        "00000000000000000006.timeindex",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(names.contains(&"00000000000000000006.snapshot".to_owned()));
    assert_eq!(records(&f.log).len(), 14);
}

#[test]
fn segments_roll_by_time_index_size_and_offset_distance() {
    let f = fixture(LogConfig {
        segment_ms: 1_000,
        ..LogConfig::default()
    });
    append(&f.log, &batch(NOW - 5_000, &["a"])).unwrap();
    append(&f.log, &batch(NOW - 4_000, &["a"])).unwrap();
    append(&f.log, &batch(NOW - 3_999, &["a"])).unwrap();
    assert_eq!(f.log.segment_base_offsets(), [0, 2]);

    let f = fixture(LogConfig {
        segment_index_bytes: 40,
        index_interval_bytes: 0,
        ..LogConfig::default()
    });
    (0..6).for_each(|i| {
        append(&f.log, &batch(NOW + i, &["a"])).unwrap();
    });
    assert_eq!(
        f.log.segment_base_offsets(),
        [0, 3],
        "the third time index entry would be the last"
    );

    let f = fixture(LogConfig::default());
    for base_offset in [0, i64::from(i32::MAX), i64::from(i32::MAX) + 1] {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(base_offset)
            .partition_leader_epoch(2);
        builder.push(NOW, None, Some(b"v"), &[]).unwrap();
        f.log.append_as_follower(&builder.build(), NOW).unwrap();
    }
    assert_eq!(f.log.segment_base_offsets(), [0, i64::from(i32::MAX) + 1]);
    assert_eq!(records(&f.log).len(), 3);
}

#[test]
fn jitter_is_shorter_than_a_segments_age() {
    let f = fixture(LogConfig {
        segment_ms: 1_000,
        segment_jitter_ms: i64::from(u32::MAX),
        ..LogConfig::default()
    });
    for _ in 0..10 {
        append(&f.log, &batch(NOW, &["a"])).unwrap();
    }
    assert_eq!(f.log.segment_base_offsets(), [0], "of the same moment");
    append(&f.log, &batch(NOW + 1_001, &["a"])).unwrap();
    assert_eq!(f.log.segment_base_offsets(), [0, 10]);
}

#[test]
fn followers_take_offsets_and_epochs_as_they_come() {
    let f = fixture(LogConfig::default());
    let build = |base_offset, epoch| {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(base_offset)
            .partition_leader_epoch(epoch);
        (0..2).for_each(|_| {
            builder.push(NOW, None, Some(b"v"), &[]).unwrap();
        });
        builder.build()
    };
    let three = [
        &build(0, 1)[..],
        &build(2, 1)[..],
        &build(10, 3)[..],
        &build(12, 3)[..30],
    ]
    .concat();
    let info = f.log.append_as_follower(&three.into(), NOW).unwrap().unwrap();
    assert_eq!((info.first_offset, info.last_offset), (0, 11));
    assert_eq!(f.log.log_end_offset(), 12);
    assert_eq!(f.log.epoch_for_offset(3), Some(1));
    assert_eq!(f.log.end_offset_for_epoch(1).unwrap().end_offset, 10);
    assert_eq!(f.log.end_offset_for_epoch(3).unwrap().end_offset, 12);
    assert_eq!(f.log.end_offset_for_epoch(2).unwrap().epoch, 1);
    let back = f.log.append_as_follower(&build(11, 3), NOW);
    assert!(matches!(
        back,
        Err(AppendError::UnexpectedOffset {
            base_offset: 11,
            log_end_offset: 12
        })
    ));
    let mut damaged = build(12, 3).to_vec();
    damaged[70] ^= 1;
    assert!(f.log.append_as_follower(&damaged.into(), NOW).is_err());
    assert_eq!(f.log.log_end_offset(), 12);
}

#[test]
fn the_high_watermark_moves_forward_within_the_log() {
    let f = fixture(LogConfig::default());
    append_values(&f.log, &["a", "b", "c"]);
    assert_eq!(f.log.high_watermark(), 0);
    assert_eq!(f.log.maybe_increment_high_watermark(2), Some(0));
    assert_eq!(f.log.maybe_increment_high_watermark(1), None);
    assert_eq!(f.log.maybe_increment_high_watermark(99), Some(2));
    assert_eq!((f.log.high_watermark(), f.log.last_stable_offset()), (3, 3));
    assert_eq!(f.log.update_high_watermark(1), 1);
}
