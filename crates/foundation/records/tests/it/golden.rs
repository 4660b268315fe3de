//! Batches that Kafka's own encoder wrote: read right, and written again byte for byte.

use klamm_records::{
    Batch, BatchBuilder, BatchError, BatchHeader, Codec, Compression, ControlRecordType, NO_SEQUENCE, Scratch,
    TimestampType, batches, recompress, set_last_offset, set_log_append_time, set_partition_leader_epoch,
    validate_records,
};

use crate::samples::{BATCHES, LIMIT, Sample, T, golden, golden_records, large_text, push_all, read_all, sample};

fn parse(bytes: &[u8]) -> Batch<'_> {
    let batch = Batch::parse(bytes).unwrap();
    assert_eq!(batch.bytes.len(), bytes.len());
    batch.verify_crc().unwrap();
    batch
}

fn with_records(mut builder: BatchBuilder, records: &[Sample]) -> bytes::Bytes {
    push_all(&mut builder, records);
    builder.build()
}

fn builder(compression: Compression) -> BatchBuilder {
    BatchBuilder::new(compression)
        .base_offset(100)
        .partition_leader_epoch(7)
}

#[test]
fn all_fields_of_the_header() {
    for compression in Compression::ALL {
        let bytes = golden(&format!("records-{compression}.bin"));
        let header = parse(&bytes).header;
        let expected = BatchHeader {
            base_offset: 100,
            batch_length: bytes.len() as i32 - 12,
            partition_leader_epoch: 7,
            magic: 2,
            crc: header.crc,
            attributes: header.attributes,
            last_offset_delta: 4,
            base_timestamp: T,
            max_timestamp: T + 86_400_000,
            producer_id: 4711,
            producer_epoch: 3,
            base_sequence: i32::MAX - 1,
            records_count: 5,
        };
        assert_eq!(header, expected);
        assert_eq!(header.attributes.compression(), Ok(compression));
        assert_eq!(header.attributes.0, i16::from(compression.id()));
        assert_eq!(
            (header.last_offset(), header.next_offset(), header.last_sequence()),
            (104, 105, 2)
        );
        assert!(header.has_producer_id());
        assert_eq!(header.delete_horizon_ms(), None);
        let mut written = [0; 61];
        header.write(&mut written);
        assert_eq!(written, bytes[..61]);
    }
    assert_eq!(parse(&golden("records-none.bin")).header.crc, 1_725_401_658);
}

#[test]
fn records_of_every_codec() {
    for compression in Compression::ALL {
        let bytes = golden(&format!("records-{compression}.bin"));
        let batch = parse(&bytes);
        assert_eq!(read_all(&batch).unwrap(), golden_records(), "{compression}");

        let mut scratch = Scratch::new();
        let records: Vec<_> = batch
            .records(&mut scratch, LIMIT)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let places: Vec<_> = records
            .iter()
            .map(|record| (record.offset, record.offset_delta, record.sequence))
            .collect();
        let max = i32::MAX;
        assert_eq!(
            places,
            [(100, 0, max - 1), (101, 1, max), (102, 2, 0), (103, 3, 1), (104, 4, 2)]
        );

        let mut scratch = Scratch::new();
        let positions: Vec<_> = batch
            .positions(&mut scratch, LIMIT)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let positions: Vec<_> = positions
            .iter()
            .map(|position| (position.offset, position.timestamp))
            .collect();
        let day = T + 86_400_000;
        assert_eq!(
            positions,
            [(100, T), (101, T - 1000), (102, day), (103, T + 5), (104, day)]
        );
    }
}

#[test]
fn values_of_many_blocks() {
    for compression in &Compression::ALL[1..] {
        let bytes = golden(&format!("large-{compression}.bin"));
        let records = read_all(&parse(&bytes)).unwrap();
        assert_eq!(records.len(), 2, "{compression}");
        assert_eq!(
            (records[0].timestamp, records[0].key.as_deref()),
            (T, Some(&b"large"[..]))
        );
        assert!(records[0].value.as_deref() == Some(&large_text()), "{compression}");
        assert_eq!(records[1], sample(T + 1, Some("after"), Some("small")));
    }
}

#[test]
fn written_byte_for_byte() {
    let records = golden_records();
    let none = Compression::None;
    let producer = builder(none).producer(4711, 3, i32::MAX - 1);
    assert_eq!(with_records(producer, &records), golden("records-none.bin"));
    assert_eq!(with_records(builder(none), &records), golden("create-time.bin"));
    assert_eq!(
        with_records(builder(none).log_append_time(T + 999), &records),
        golden("log-append-time.bin")
    );

    let mut horizon = builder(none).delete_horizon_ms(T + 60_000);
    horizon.push_at(100, T, Some(b"a"), Some(b"1"), &[]).unwrap();
    horizon.push_at(107, T + 1, Some(b"b"), None, &[]).unwrap();
    assert_eq!(horizon.build(), golden("delete-horizon.bin"));

    let marker = [0, 0, 0, 0, 0, 9];
    for (kind, name) in [
        (ControlRecordType::Commit, "commit"),
        (ControlRecordType::Abort, "abort"),
    ] {
        let mut control = builder(none)
            .base_offset(200)
            .producer(4711, 3, NO_SEQUENCE)
            .transactional()
            .control();
        control.push_control(T, kind, &marker).unwrap();
        assert_eq!(control.build(), golden(&format!("control-{name}.bin")));
    }
    let read = golden("control-leader-change.bin");
    let value = read_all(&parse(&read)).unwrap()[0].value.clone().unwrap();
    let mut control = builder(none).base_offset(200).control();
    control
        .push_control(T, ControlRecordType::LeaderChange, &value)
        .unwrap();
    assert_eq!(control.build(), read);
}

#[test]
fn edited_as_the_broker_does() {
    let mut bytes = golden("create-time.bin");
    set_log_append_time(&mut bytes, T + 999);
    set_last_offset(&mut bytes, 1_000_000_000_004);
    set_partition_leader_epoch(&mut bytes, 42);
    assert_eq!(bytes, golden("stamped.bin"));

    let batch = parse(&bytes);
    assert_eq!(batch.header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(
        (batch.header.base_offset, batch.header.partition_leader_epoch),
        (1_000_000_000_000, 42)
    );
    let timestamps: Vec<_> = read_all(&batch)
        .unwrap()
        .iter()
        .map(|record| record.timestamp)
        .collect();
    assert_eq!(timestamps, [T + 999; 5], "all records have the time of append");
}

#[test]
fn transactional_and_empty_batches() {
    let bytes = golden("transactional.bin");
    let batch = parse(&bytes);
    assert!(batch.header.attributes.is_transactional() && !batch.header.attributes.is_control());
    assert_eq!((batch.header.base_sequence, batch.header.last_sequence()), (0, 4));
    assert_eq!(read_all(&batch).unwrap(), golden_records());

    let bytes = golden("empty.bin");
    let batch = parse(&bytes);
    assert_eq!((batch.header.last_offset(), batch.header.last_sequence()), (119, 29));
    assert_eq!((batch.header.records_count, batch.header.max_timestamp), (0, T));
    assert_eq!(read_all(&batch).unwrap(), []);
}

#[test]
fn delete_horizon() {
    let bytes = golden("delete-horizon.bin");
    let batch = parse(&bytes);
    assert_eq!(batch.header.delete_horizon_ms(), Some(T + 60_000));
    assert_eq!(
        read_all(&batch).unwrap(),
        [sample(T, Some("a"), Some("1")), sample(T + 1, Some("b"), None)]
    );
    let mut scratch = Scratch::new();
    let offsets: Vec<_> = batch
        .records(&mut scratch, LIMIT)
        .unwrap()
        .map(|record| record.map(|record| record.offset).unwrap())
        .collect();
    assert_eq!(offsets, [100, 107]);
}

#[test]
fn control_records() {
    for (name, offset, kind) in [
        ("abort", 200, ControlRecordType::Abort),
        ("commit", 200, ControlRecordType::Commit),
        ("leader-change", 200, ControlRecordType::LeaderChange),
        ("snapshot-header", 0, ControlRecordType::SnapshotHeader),
        ("snapshot-footer", 9, ControlRecordType::SnapshotFooter),
        ("kraft-version", 1, ControlRecordType::KRaftVersion),
        ("voters", 2, ControlRecordType::KRaftVoters),
    ] {
        let bytes = golden(&format!("control-{name}.bin"));
        let batch = parse(&bytes);
        assert!(batch.header.attributes.is_control(), "{name}");
        assert_eq!(batch.header.base_offset, offset, "{name}");
        let records = read_all(&batch).unwrap();
        assert_eq!(records.len(), 1, "{name}");
        assert_eq!(ControlRecordType::parse(records[0].key.as_deref()), Ok(Some(kind)));
        assert_eq!(records[0].key.as_deref(), Some(&kind.key()[..]));
        assert_eq!(records[0].timestamp, T);
    }
}

#[test]
fn legacy_messages_are_told_apart() {
    for (name, magic) in [("legacy-magic-0.bin", 0), ("legacy-magic-1.bin", 1)] {
        let bytes = golden(name);
        let batch_length = bytes.len() as i32 - 12;
        let expected = BatchError::UnsupportedMagic {
            magic,
            offset: 0,
            batch_length,
        };
        assert_eq!(Batch::parse(&bytes).unwrap_err(), expected);
        let mut both = golden("records-none.bin");
        both.extend_from_slice(&bytes);
        let found: Vec<_> = batches(&both)
            .map(|batch| batch.map(|batch| batch.header.base_offset))
            .collect();
        assert_eq!(found, [Ok(100), Err(expected)]);
    }
}

#[test]
fn one_after_another() {
    let all: Vec<u8> = BATCHES.iter().flat_map(|name| golden(name)).collect();
    let mut iterator = batches(&all);
    for name in BATCHES {
        let start = iterator.position();
        let batch = iterator.next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.bytes, golden(name));
        assert_eq!(iterator.position(), start + batch.bytes.len());
    }
    assert!(iterator.next().is_none());
}

#[test]
fn validated_with_the_facts_that_a_log_needs() {
    for compression in Compression::ALL {
        let bytes = golden(&format!("records-{compression}.bin"));
        let mut errors = Vec::new();
        let stats = validate_records(
            &parse(&bytes),
            &mut Scratch::new(),
            LIMIT,
            |_, record| record.key.is_none().then_some("no key"),
            &mut errors,
        )
        .unwrap();
        assert_eq!(errors, [(1, "no key"), (3, "no key")]);
        assert_eq!((stats.min_timestamp, stats.max_timestamp), (T - 1000, T + 86_400_000));
        assert_eq!(
            stats.offset_of_max_timestamp, 102,
            "the first of two with the same timestamp"
        );
        assert_eq!(stats.records_size, golden("records-none.bin").len() - 61);
    }
}

#[test]
fn recompressed_with_nothing_else_changed() {
    let plain = golden("records-none.bin");
    let mut scratch = Scratch::new();
    for from in Compression::ALL {
        let source = golden(&format!("records-{from}.bin"));
        for to in Compression::ALL {
            let bytes = recompress(&parse(&source), Codec::from(to), &mut scratch, LIMIT).unwrap();
            let batch = parse(&bytes);
            let expected = BatchHeader {
                batch_length: batch.header.batch_length,
                crc: batch.header.crc,
                attributes: batch.header.attributes,
                ..parse(&plain).header
            };
            assert_eq!(batch.header, expected);
            assert_eq!(batch.header.attributes.compression(), Ok(to));
            assert_eq!(read_all(&batch).unwrap(), golden_records(), "{from} to {to}");
            if to == Compression::None {
                assert_eq!(bytes, plain);
            }
        }
    }
}
