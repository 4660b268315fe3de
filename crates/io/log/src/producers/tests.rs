use super::*;
use klamm_records::{Attributes, MAGIC_V2};

fn batch(producer_id: i64, epoch: i16, base_offset: i64, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset,
        batch_length: 100,
        partition_leader_epoch: 0,
        magic: MAGIC_V2,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: count - 1,
        base_timestamp: 1_000,
        max_timestamp: 1_000,
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        records_count: count,
    }
}

fn transactional(mut batch: BatchHeader) -> BatchHeader {
    batch.attributes = batch.attributes.with_transactional(true);
    batch
}

fn marker(producer_id: i64, epoch: i16, offset: i64) -> BatchHeader {
    let mut marker = transactional(batch(producer_id, epoch, offset, -1, 1));
    marker.attributes = marker.attributes.with_control(true);
    marker
}

fn end(coordinator_epoch: i32) -> EndMarker {
    EndMarker {
        coordinator_epoch,
        timestamp: 2_000,
    }
}

fn client(producers: &Producers, header: BatchHeader) -> Result<Admission, ProducerError> {
    producers.admit(&header, AppendOrigin::Client)
}

#[test]
fn the_last_five_batches_are_recognised() {
    let mut producers = Producers::new(0);
    for i in 0..6 {
        let header = batch(1, 0, i * 10, (i * 10) as i32, 10);
        assert_eq!(client(&producers, header), Ok(Admission::New));
        producers.update(&header, None);
    }
    for i in 1..6 {
        let Ok(Admission::Duplicate(seen)) = client(&producers, batch(1, 0, 0, i * 10, 10)) else {
            panic!("{i}")
        };
        assert_eq!(
            (seen.first_offset(), seen.last_offset),
            (i64::from(i) * 10, i64::from(i) * 10 + 9)
        );
    }
    let old = client(&producers, batch(1, 0, 0, 0, 10));
    let expected = ProducerError::OutOfOrderSequence {
        producer_id: 1,
        epoch: 0,
        sequence: 0,
        last_sequence: 59,
    };
    assert_eq!(old, Err(expected));
    assert!(
        client(&producers, batch(1, 0, 0, 50, 9)).is_err(),
        "same start, other length"
    );
    assert!(client(&producers, batch(1, 0, 0, 61, 1)).is_err(), "a gap");
    assert_eq!(client(&producers, batch(1, 0, 0, 60, 1)), Ok(Admission::New));
}

#[test]
fn sequences_wrap() {
    let mut producers = Producers::new(0);
    producers.update(&batch(1, 0, 0, i32::MAX - 1, 2), None);
    assert_eq!(client(&producers, batch(1, 0, 2, 0, 5)), Ok(Admission::New));
    assert!(client(&producers, batch(1, 0, 2, 1, 5)).is_err());
    let mut producers = Producers::new(0);
    producers.update(&batch(1, 0, 0, i32::MAX - 1, 4), None);
    assert_eq!(client(&producers, batch(1, 0, 4, 2, 1)), Ok(Admission::New));
    assert!(matches!(
        client(&producers, batch(1, 0, 4, i32::MAX - 1, 4)),
        Ok(Admission::Duplicate(_))
    ));
}

#[test]
fn an_unknown_producer_may_begin_anywhere_a_new_epoch_at_zero_and_an_old_epoch_not_at_all() {
    let mut producers = Producers::new(0);
    assert_eq!(client(&producers, batch(1, 3, 0, 77, 1)), Ok(Admission::New));
    producers.update(&batch(1, 3, 0, 77, 1), None);
    assert!(client(&producers, batch(1, 4, 1, 78, 1)).is_err());
    assert_eq!(client(&producers, batch(1, 4, 1, 0, 1)), Ok(Admission::New));
    let fenced = ProducerError::InvalidEpoch {
        producer_id: 1,
        epoch: 2,
        current_epoch: 3,
    };
    assert_eq!(client(&producers, batch(1, 2, 1, 78, 1)), Err(fenced));
    assert_eq!(client(&producers, batch(-1, -1, 1, -1, 1)), Ok(Admission::New));
    assert_eq!(
        producers.admit(&batch(1, 3, 1, 99, 1), AppendOrigin::Coordinator),
        Ok(Admission::New)
    );
}

#[test]
fn transactions_hold_the_first_unstable_offset_until_their_marker_is_replicated() {
    let mut producers = Producers::new(0);
    producers.update(&transactional(batch(1, 0, 10, 0, 5)), None);
    producers.update(&transactional(batch(2, 0, 15, 0, 5)), None);
    producers.update(&transactional(batch(1, 0, 20, 5, 5)), None);
    assert_eq!(producers.first_unstable_offset(), Some(10));
    let outside = client(&producers, batch(1, 0, 25, 10, 1));
    assert_eq!(outside, Err(ProducerError::OutsideTransaction { producer_id: 1 }));

    producers.update(&marker(1, 0, 25), Some(end(7)));
    assert_eq!(producers.first_unstable_offset(), Some(10));
    producers.on_high_watermark(25);
    assert_eq!(producers.first_unstable_offset(), Some(10));
    producers.on_high_watermark(26);
    assert_eq!(producers.first_unstable_offset(), Some(15));
    assert_eq!(producers.active()[0].coordinator_epoch, 7);
    assert_eq!(producers.active()[0].current_txn_start_offset, None);
    let fenced = producers.admit_marker(&marker(1, 0, 26), &end(6));
    assert_eq!(
        fenced,
        Err(ProducerError::CoordinatorFenced {
            producer_id: 1,
            epoch: 6,
            current_epoch: 7
        })
    );
    assert_eq!(producers.admit_marker(&marker(1, 0, 26), &end(7)), Ok(()));
}

#[test]
fn idle_producers_expire_unless_in_a_transaction() {
    let mut producers = Producers::new(0);
    producers.update(&batch(1, 0, 0, 0, 1), None);
    producers.update(&transactional(batch(2, 0, 1, 0, 1)), None);
    producers.remove_expired(1_999, 1_000);
    assert_eq!(producers.iter().len(), 2);
    producers.remove_expired(2_000, 1_000);
    assert_eq!(
        producers
            .active()
            .iter()
            .map(|producer| producer.producer_id)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn snapshots_keep_the_last_batch_and_no_damaged_one_is_read() {
    let mut producers = Producers::new(0);
    producers.update(&batch(1, 3, 0, 0, 4), None);
    producers.update(&batch(1, 3, 4, 4, 2), None);
    producers.update(&transactional(batch(9, 0, 6, 0, 1)), None);
    producers.update(&marker(5, 1, 7), Some(end(2)));
    let bytes = encode_snapshot(&producers);
    assert_eq!(bytes.len(), 10 + 3 * 46);
    assert_eq!(bytes[..2], [0, 1]);
    let read = decode_snapshot(&bytes, 8).expect("own snapshot");
    assert_eq!(read.end_offset, 8);
    assert_eq!(read.active(), producers.active());
    assert_eq!(read.first_unstable_offset(), Some(6));
    assert!(matches!(
        client(&read, batch(1, 3, 0, 4, 2)),
        Ok(Admission::Duplicate(_))
    ));
    for cut in 0..bytes.len() {
        assert!(decode_snapshot(&bytes[..cut], 8).is_none(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(decode_snapshot(&damaged, 8).is_none(), "flipped at {at}");
    }
}
