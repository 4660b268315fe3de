//! What is written is read, whatever it is.

use klamm_records::{
    Batch, BatchBuilder, BatchFull, Codec, Compression, Header, MAX_RECORD_OVERHEAD, Scratch, TimestampType,
    ValidationError, crc32c, recompress, set_base_offset, set_max_timestamp, set_partition_leader_epoch,
    validate_records,
};
use proptest::prelude::*;

use crate::samples::{LIMIT, OwnedHeader, Sample, T, golden_records, push_all, read_all};

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..max)
}

fn headers() -> impl Strategy<Value = Vec<OwnedHeader>> {
    prop::collection::vec((bytes(8), prop::option::of(bytes(20))), 0..4)
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let timestamp = prop_oneof![Just(-1i64), Just(i64::MAX), 0..i64::MAX, T - 1000..T + 1000];
    let sample = (
        timestamp,
        prop::option::of(bytes(20)),
        prop::option::of(bytes(300)),
        headers(),
    )
        .prop_map(|(timestamp, key, value, headers)| Sample {
            timestamp,
            key,
            value,
            headers,
        });
    prop::collection::vec(sample, 1..30)
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(Compression::ALL.to_vec())
}

proptest! {
    #[test]
    fn batches_round_trip(
        samples in samples(),
        compression in compression(),
        other in compression(),
        base_offset in 0..i64::MAX - 100,
        epoch in -1..i32::MAX,
        (producer_id, producer_epoch, base_sequence) in (0..i64::MAX, 0..i16::MAX, 0..i32::MAX),
        transactional: bool,
    ) {
        let mut builder = BatchBuilder::new(compression)
            .base_offset(base_offset)
            .partition_leader_epoch(epoch)
            .producer(producer_id, producer_epoch, base_sequence);
        if transactional {
            builder = builder.transactional();
        }
        push_all(&mut builder, &samples);
        prop_assert_eq!(builder.len(), samples.len());
        prop_assert_eq!(builder.next_offset(), base_offset + samples.len() as i64);
        let estimate = builder.size_estimate();
        let bytes = builder.build();
        let batch = Batch::parse(&bytes).unwrap();
        batch.verify_crc().unwrap();
        if compression == Compression::None {
            prop_assert_eq!(bytes.len(), estimate);
        }
        prop_assert_eq!(batch.header.last_offset(), base_offset + samples.len() as i64 - 1);
        prop_assert_eq!(batch.header.max_timestamp, samples.iter().map(|sample| sample.timestamp).max().unwrap());
        prop_assert_eq!(batch.header.attributes.is_transactional(), transactional);
        prop_assert_eq!(read_all(&batch).unwrap(), samples.clone());

        let mut scratch = Scratch::new();
        let stats = validate_records(&batch, &mut scratch, LIMIT, |_, _| None::<()>, &mut Vec::new()).unwrap();
        prop_assert_eq!(stats.max_timestamp, batch.header.max_timestamp);
        prop_assert_eq!(stats.records_size, estimate - 61);

        let again = recompress(&batch, Codec::from(other), &mut scratch, LIMIT).unwrap();
        let again = Batch::parse(&again).unwrap();
        again.verify_crc().unwrap();
        prop_assert_eq!(read_all(&again).unwrap(), samples);
    }

    #[test]
    fn edits_keep_batches_valid(samples in samples(), base_offset: i64, epoch: i32, timestamp: i64) {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        push_all(&mut builder, &samples);
        let mut bytes = builder.build().to_vec();
        let crc = Batch::parse(&bytes).unwrap().header.crc;
        set_base_offset(&mut bytes, base_offset);
        set_partition_leader_epoch(&mut bytes, epoch);
        let header = Batch::parse(&bytes).unwrap().header;
        prop_assert_eq!((header.base_offset, header.partition_leader_epoch, header.crc), (base_offset, epoch, crc));
        for timestamp_type in [TimestampType::LogAppendTime, TimestampType::CreateTime] {
            set_max_timestamp(&mut bytes, timestamp_type, timestamp);
            let batch = Batch::parse(&bytes).unwrap();
            batch.verify_crc().unwrap();
            prop_assert_eq!(batch.header.max_timestamp, timestamp);
            prop_assert_eq!(batch.header.attributes.timestamp_type(), timestamp_type);
        }
        prop_assert_eq!(read_all(&Batch::parse(&bytes).unwrap()).unwrap(), samples);
    }

    #[test]
    fn the_limit_is_exact(samples in samples(), limit in 61..3000usize) {
        let mut builder = BatchBuilder::new(Compression::None).max_size(limit);
        let mut pushed = 0;
        for sample in &samples {
            let headers: Vec<_> =
                sample.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
            let (key, value) = (sample.key.as_deref(), sample.value.as_deref());
            let room = builder.has_room_for(sample.timestamp, key, value, &headers);
            let before = builder.size_estimate();
            match builder.push(sample.timestamp, key, value, &headers) {
                Ok(offset) => {
                    prop_assert!(room);
                    prop_assert_eq!(offset, pushed);
                    pushed += 1;
                    let payload: usize = sample.headers.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
                    let payload = payload + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                    let lengths = 5 * (3 + 2 * headers.len());
                    prop_assert!(builder.size_estimate() - before <= MAX_RECORD_OVERHEAD + lengths + payload);
                }
                Err(BatchFull { size, limit: reported }) => {
                    prop_assert!(!room && size > limit && reported == limit);
                    prop_assert_eq!(builder.size_estimate(), before, "a refused record leaves nothing behind");
                }
            }
        }
        let bytes = builder.build();
        prop_assert!(bytes.len() <= limit);
        if pushed > 0 {
            prop_assert_eq!(Batch::parse(&bytes).unwrap().header.records_count, pushed as i32);
        } else {
            prop_assert!(bytes.is_empty());
        }
    }
}

/// Sets a header field and the checksum.
fn with_field(bytes: &[u8], at: usize, value: i32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn validation_error(bytes: &[u8]) -> ValidationError {
    let batch = Batch::parse(bytes).unwrap();
    batch.verify_crc().unwrap();
    validate_records(&batch, &mut Scratch::new(), LIMIT, |_, _| None::<()>, &mut Vec::new()).unwrap_err()
}

#[test]
fn header_and_records_that_disagree_are_refused() {
    const LAST_OFFSET_DELTA: usize = 23;
    const RECORDS_COUNT: usize = 57;
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(compression);
        push_all(&mut builder, &golden_records());
        let good = builder.build();

        for (at, value) in [
            (RECORDS_COUNT, 4),
            (RECORDS_COUNT, 0),
            (RECORDS_COUNT, -1),
            (LAST_OFFSET_DELTA, 9),
            (LAST_OFFSET_DELTA, -1),
        ] {
            let error = validation_error(&with_field(&good, at, value));
            assert!(matches!(error, ValidationError::InconsistentCount { .. }), "{error}");
        }
        for (count, expected) in [
            (4, "bytes remain after the batch's 4 records"),
            (6, "record 5 of the batch is invalid"),
        ] {
            let bytes = with_field(&with_field(&good, RECORDS_COUNT, count), LAST_OFFSET_DELTA, count - 1);
            let error = validation_error(&bytes).to_string();
            assert!(error.contains(expected), "{error}");
        }

        let mut builder = BatchBuilder::new(compression);
        for offset in [0, 1, 3] {
            builder.push_at(offset, T, None, Some(b"v"), &[]).unwrap();
        }
        let gap = with_field(&builder.build(), LAST_OFFSET_DELTA, 2);
        assert_eq!(
            validation_error(&gap),
            ValidationError::OffsetDelta {
                index: 2,
                offset_delta: 3
            }
        );
    }
}

#[test]
fn unassigned_codecs_are_refused() {
    let mut builder = BatchBuilder::new(Compression::None);
    push_all(&mut builder, &golden_records());
    let mut bytes = builder.build().to_vec();
    bytes[22] |= 6;
    let batch = Batch::parse(&bytes).unwrap();
    let error = batch.records(&mut Scratch::new(), LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "unknown compression type id 6");
}

#[test]
fn a_scratch_can_move_between_threads() {
    fn movable<T: Send + 'static>(_: T) {}
    movable(Scratch::new());
}
