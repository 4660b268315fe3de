use super::*;
use klamm_records::{BatchBuilder, Codec, Compression, NO_SEQUENCE};

const READING: Reading = Reading {
    committed: false,
    check_crcs: true,
};
const COMMITTED: Reading = Reading {
    committed: true,
    check_crcs: true,
};

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn builder(codec: Compression, base_offset: i64) -> BatchBuilder {
    BatchBuilder::new(Codec::from(codec))
        .base_offset(base_offset)
        .partition_leader_epoch(5)
}

/// A batch whose records have their offsets as values.
fn batch(codec: Compression, offsets: std::ops::Range<i64>) -> Vec<u8> {
    fill(builder(codec, offsets.start), offsets)
}

fn fill(mut builder: BatchBuilder, offsets: std::ops::Range<i64>) -> Vec<u8> {
    for offset in offsets {
        builder
            .push(1000 + offset, None, Some(offset.to_string().as_bytes()), &[])
            .unwrap();
    }
    builder.build().to_vec()
}

fn transactional(producer: i64, offsets: std::ops::Range<i64>) -> Vec<u8> {
    let builder = builder(Compression::None, offsets.start)
        .producer(producer, 0, 0)
        .transactional();
    fill(builder, offsets)
}

fn marker(producer: i64, offset: i64, kind: ControlRecordType) -> Vec<u8> {
    let mut builder = builder(Compression::None, offset)
        .producer(producer, 0, NO_SEQUENCE)
        .transactional()
        .control();
    builder.push_control(1000, kind, &[0; 6]).unwrap();
    builder.build().to_vec()
}

fn fetched(reading: Reading, from: i64, bytes: Vec<u8>, aborted: &[(i64, i64)]) -> (Fetched, Position) {
    let aborted: Vec<AbortedTransaction> = aborted
        .iter()
        .map(|&(producer_id, first_offset)| AbortedTransaction {
            producer_id,
            first_offset,
            ..AbortedTransaction::default()
        })
        .collect();
    Fetched::new(partition(), 1, reading, Position::at(from), bytes.into(), &aborted).unwrap()
}

fn read(fetched: &mut Fetched, limit: usize) -> Result<Vec<i64>, Unreadable> {
    let mut out = Vec::new();
    fetched.read(limit, &mut out, &mut Scratch::new())?;
    for record in &out {
        assert_eq!(record.value(), Some(record.offset().to_string().as_bytes()));
        assert_eq!(
            (record.timestamp(), record.leader_epoch()),
            (1000 + record.offset(), Some(5))
        );
    }
    Ok(out.iter().map(ConsumerRecord::offset).collect())
}

#[test]
fn reading_begins_at_the_position_and_ends_with_the_last_whole_batch() {
    for codec in Compression::ALL {
        let mut bytes = batch(codec, 0..10);
        bytes.extend(batch(Compression::None, 10..20));
        let whole = bytes.len();
        bytes.extend(&batch(codec, 20..30)[..70]);
        let (mut fetched, end) = fetched(READING, 7, bytes, &[]);
        let expected = Position {
            offset: 20,
            leader_epoch: 5,
        };
        assert_eq!(end, expected);
        assert_eq!(fetched.remaining(), whole);
        assert_eq!(read(&mut fetched, 2), Ok(vec![7, 8]));
        assert_eq!(fetched.next().offset, 9);
        assert_eq!(read(&mut fetched, 5), Ok(vec![9, 10, 11, 12, 13]));
        assert_eq!(read(&mut fetched, 100), Ok((14..20).collect()));
        assert_eq!((fetched.next(), fetched.remaining()), (expected, 0));
    }
}

#[test]
fn a_reply_that_holds_no_whole_batch_is_unreadable() {
    let cut = batch(Compression::None, 3..9)[..70].to_vec();
    let unreadable = Fetched::new(partition(), 1, READING, Position::at(3), cut.into(), &[]).unwrap_err();
    assert_eq!(unreadable.offset, 3);
}

#[test]
fn bytes_that_changed_are_told_with_their_offset() {
    let mut bytes = batch(Compression::None, 0..3);
    let good = bytes.len();
    bytes.extend(batch(Compression::None, 3..6));
    bytes[good + 30] ^= 1; // of a timestamp: only the checksum tells
    let (mut checked, _) = fetched(READING, 0, bytes.clone(), &[]);
    assert_eq!(read(&mut checked, 3), Ok(vec![0, 1, 2]));
    assert_eq!(read(&mut checked, 3).unwrap_err().offset, 3);
    let unchecked = Reading {
        check_crcs: false,
        ..READING
    };
    let (mut trusted, _) = fetched(unchecked, 0, bytes, &[]);
    let mut out = Vec::new();
    trusted.read(10, &mut out, &mut Scratch::new()).unwrap();
    assert_eq!(out.len(), 6);
}

#[test]
fn aborted_transactions_are_for_nobody_and_markers_for_us() {
    let bytes = [
        transactional(1, 0..2), // aborted
        transactional(2, 2..4), // committed
        batch(Compression::None, 4..5),
        marker(1, 5, ControlRecordType::Abort),
        transactional(1, 6..7), // committed, after the abort
        marker(2, 7, ControlRecordType::Commit),
        marker(1, 8, ControlRecordType::Commit),
    ]
    .concat();
    let (mut all, _) = fetched(READING, 0, bytes.clone(), &[(1, 0)]);
    assert_eq!(read(&mut all, 100), Ok(vec![0, 1, 2, 3, 4, 6]));
    assert_eq!(all.next().offset, 9);
    let (mut committed, end) = fetched(COMMITTED, 0, bytes, &[(1, 0)]);
    assert_eq!(read(&mut committed, 100), Ok(vec![2, 3, 4, 6]));
    assert_eq!((committed.next().offset, end.offset), (9, 9));
}

#[test]
fn what_compaction_took_away_is_passed_over() {
    let mut sparse = builder(Compression::None, 10);
    for offset in [12, 15] {
        let value = offset.to_string();
        sparse
            .push_at(offset, 1000 + offset, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    let (mut fetched, end) = fetched(READING, 11, sparse.build().to_vec(), &[]);
    assert_eq!(read(&mut fetched, 10), Ok(vec![12, 15]));
    assert_eq!((fetched.next().offset, end.offset), (16, 16));
}

#[test]
fn records_before_an_unreadable_one_count() {
    let mut bytes = batch(Compression::None, 0..4);
    // The last record's own length: it goes beyond the batch.
    let last = bytes.len() - 8;
    assert_eq!(bytes[last], 14);
    bytes[last] = 0x7e;
    let unchecked = Reading {
        check_crcs: false,
        ..READING
    };
    let (mut fetched, _) = fetched(unchecked, 0, bytes, &[]);
    let mut out = Vec::new();
    let error = fetched.read(10, &mut out, &mut Scratch::new()).unwrap_err();
    assert_eq!(out.iter().map(ConsumerRecord::offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((fetched.next().offset, error.offset), (3, 3));
    assert_eq!(read(&mut fetched, 10).unwrap_err().offset, 3);
}
