use proptest::prelude::*;

use super::*;
use crate::builder::BatchBuilder;
use crate::record::Header;

#[derive(Clone, Debug, PartialEq)]
struct Plain {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: usize,
}

const BASE: i64 = 1_000;

fn builder(compression: Compression) -> BatchBuilder {
    BatchBuilder::new(compression)
        .base_offset(BASE)
        .partition_leader_epoch(3)
        .producer(9, 2, 77)
        .transactional()
}

fn push(builder: &mut BatchBuilder, record: &Plain) {
    let headers = [Header {
        key: b"h",
        value: Some(b"w"),
    }];
    let headers = &headers.repeat(record.headers);
    builder
        .push_at(
            record.offset,
            record.timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            headers,
        )
        .unwrap();
}

fn read(bytes: &[u8]) -> Vec<Plain> {
    let batch = Batch::parse(bytes).unwrap();
    batch.verify_crc().unwrap();
    let mut scratch = Scratch::new();
    let records = batch.records(&mut scratch, usize::MAX).unwrap();
    records
        .map(|record| {
            let record = record.unwrap();
            Plain {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers().len(),
            }
        })
        .collect()
}

fn plain() -> impl Strategy<Value = (Plain, bool)> {
    let bytes = || prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..40));
    (0..3i64, -1..100i64, bytes(), bytes(), 0..3usize, any::<bool>()).prop_map(
        |(gap, timestamp, key, value, headers, keep)| {
            let plain = Plain {
                offset: gap,
                timestamp,
                key,
                value,
                headers,
            };
            (plain, keep)
        },
    )
}

/// Asks for records one by one.
fn each(mut keep: impl FnMut(&RecordKey<'_>) -> bool) -> impl FnMut(&[RecordKey<'_>]) -> u32 {
    move |records| {
        assert!((1..=RECORDS_AT_ONCE).contains(&records.len()));
        let bits = records
            .iter()
            .enumerate()
            .map(|(at, record)| u32::from(keep(record)) << at);
        bits.sum()
    }
}

proptest! {
    #[test]
    fn what_stays_is_what_a_builder_would_have_written(
        mut records in prop::collection::vec(plain(), 1..12),
        codec in 0..5u8,
        had_horizon in prop::option::of(0..50i64),
        horizon in prop::option::of(0..50i64),
    ) {
        let mut next = BASE;
        for (record, _) in &mut records {
            record.offset += next;
            next = record.offset + 1;
        }
        let compression = Compression::from_id(codec).unwrap();
        let build = |horizon: Option<i64>, records: &mut dyn Iterator<Item = &Plain>| {
            let mut builder = builder(compression);
            if let Some(horizon) = horizon {
                builder = builder.delete_horizon_ms(horizon);
            }
            records.for_each(|record| push(&mut builder, record));
            builder.build()
        };
        let whole = build(had_horizon, &mut records.iter().map(|(record, _)| record));
        let batch = Batch::parse(&whole).unwrap();
        let mut out = b"before".to_vec();
        let mut asked = None;
        let keep = |record: &RecordKey<'_>| records.iter().any(|(kept, keep)| *keep && kept.offset == record.offset);
        let retained = retain_records(&batch, batch.keys(&mut Scratch::new(), usize::MAX).unwrap(), &mut Scratch::new(), each(keep), |tombstones| {
            asked = Some(tombstones);
            horizon
        }, &mut out).unwrap();
        let kept: Vec<_> = records.iter().filter(|(_, keep)| *keep).map(|(record, _)| record).collect();
        prop_assert_eq!(retained, Retained { read: records.len(), kept: kept.len() });
        let out = out.strip_prefix(b"before").unwrap();
        if kept.is_empty() {
            prop_assert_eq!((out, asked), (&[][..], None));
            return Ok(());
        }
        prop_assert_eq!(asked, Some(kept.iter().any(|record| record.value.is_none())));
        if kept.len() == records.len() && horizon == had_horizon {
            prop_assert_eq!(out, &whole[..]);
            return Ok(());
        }
        let found = read(out);
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), kept.clone());
        // Byte for byte what a builder makes of them, but for the last offset, which stays.
        let built = build(horizon, &mut kept.into_iter());
        let (old, new, built_header) = (batch.header, Batch::parse(out).unwrap().header, Batch::parse(&built).unwrap().header);
        prop_assert_eq!(new.last_offset(), old.last_offset());
        let same = BatchHeader { last_offset_delta: new.last_offset_delta, crc: new.crc, ..built_header };
        prop_assert_eq!(new, same);
        prop_assert_eq!(&out[BATCH_OVERHEAD..], &built[BATCH_OVERHEAD..]);
    }
}

#[test]
fn the_time_of_append_stays_that_of_all_records() {
    let mut builder = builder(Compression::None).log_append_time(500);
    for (offset, timestamp) in [(BASE, 10), (BASE + 1, 30), (BASE + 2, 20)] {
        push(
            &mut builder,
            &Plain {
                offset,
                timestamp,
                key: Some(vec![1]),
                value: None,
                headers: 0,
            },
        );
    }
    let whole = builder.build();
    let batch = Batch::parse(&whole).unwrap();
    for horizon in [None, Some(9_000)] {
        let mut out = Vec::new();
        let keep = |record: &RecordKey<'_>| record.offset > BASE;
        retain_records(
            &batch,
            batch.keys(&mut Scratch::new(), usize::MAX).unwrap(),
            &mut Scratch::new(),
            each(keep),
            |_| horizon,
            &mut out,
        )
        .unwrap();
        let header = Batch::parse(&out).unwrap().header;
        assert_eq!(header.base_timestamp, horizon.unwrap_or(500));
        assert_eq!((header.max_timestamp, header.delete_horizon_ms()), (500, horizon));
        assert!(read(&out).iter().all(|record| record.timestamp == 500));
    }
}

#[test]
fn an_empty_batch_tells_of_offsets_and_producer() {
    let mut builder = builder(Compression::Zstd).delete_horizon_ms(700);
    push(
        &mut builder,
        &Plain {
            offset: BASE + 4,
            timestamp: 10,
            key: None,
            value: None,
            headers: 0,
        },
    );
    let whole = builder.build();
    let mut out = Vec::new();
    write_empty(&Batch::parse(&whole).unwrap().header, &mut out);
    let empty = Batch::parse(&out).unwrap();
    empty.verify_crc().unwrap();
    assert_eq!((out.len(), empty.header.records_count), (BATCH_OVERHEAD, 0));
    assert_eq!((empty.header.base_offset, empty.header.last_offset()), (BASE, BASE + 4));
    assert_eq!((empty.header.producer_id, empty.header.last_sequence()), (9, 81));
    assert_eq!(
        (empty.header.base_timestamp, empty.header.max_timestamp),
        (NO_TIMESTAMP, 10)
    );
    assert_eq!(empty.header.attributes.0, 0x10, "transactional and nothing else");
    assert_eq!(read(&out), []);
}

#[test]
fn unreadable_records_leave_nothing_behind() {
    let mut builder = builder(Compression::None);
    for offset in BASE..BASE + 3 {
        push(
            &mut builder,
            &Plain {
                offset,
                timestamp: 1,
                key: Some(vec![7; 9]),
                value: Some(vec![8; 9]),
                headers: 1,
            },
        );
    }
    let mut whole = builder.build().to_vec();
    let last = whole.len() - 30;
    whole[last..].fill(0xff);
    let batch = Batch::parse(&whole).unwrap();
    let mut out = vec![1];
    let outcome = retain_records(
        &batch,
        batch.keys(&mut Scratch::new(), usize::MAX).unwrap(),
        &mut Scratch::new(),
        each(|_| true),
        |_| Some(5),
        &mut out,
    );
    assert!(matches!(
        outcome,
        Err(RecordsError::InvalidRecord { .. } | RecordsError::TrailingBytes { .. })
    ));
    assert_eq!(out, [1]);
}
