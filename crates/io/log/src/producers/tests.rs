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
        is_abort: true,
    }
}

fn client(producers: &Producers, header: BatchHeader) -> Result<Admission, ProducerError> {
    producers.admit(&header, AppendOrigin::Client, None)
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
        producers.admit(&batch(1, 3, 1, 99, 1), AppendOrigin::Coordinator, None),
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
    let fenced = producers.admit_marker(&marker(1, 0, 26), &end(6), 1);
    assert_eq!(
        fenced,
        Err(ProducerError::CoordinatorFenced {
            producer_id: 1,
            epoch: 6,
            current_epoch: 7
        })
    );
    assert_eq!(producers.admit_marker(&marker(1, 0, 26), &end(7), 1), Ok(()));
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

#[test]
fn an_abort_says_where_the_last_stable_offset_is_when_its_marker_is_written() {
    let mut producers = Producers::new(0);
    producers.update(&transactional(batch(1, 0, 10, 0, 5)), None);
    producers.update(&transactional(batch(2, 0, 15, 0, 5)), None);
    let aborts = |producers: &Producers, header| producers.aborts(&header, Some(end(0)));
    let second = aborts(&producers, marker(2, 0, 20)).unwrap();
    assert_eq!(
        (second.first_offset, second.last_offset, second.last_stable_offset),
        (15, 20, 10)
    );
    producers.update(&marker(2, 0, 20), Some(end(0)));
    let first = aborts(&producers, marker(1, 0, 21)).unwrap();
    assert_eq!(
        (first.first_offset, first.last_offset, first.last_stable_offset),
        (10, 21, 22)
    );
    let commit = EndMarker {
        is_abort: false,
        ..end(0)
    };
    assert_eq!(producers.aborts(&marker(1, 0, 21), Some(commit)), None);
    assert_eq!(
        aborts(&producers, marker(2, 0, 21)),
        None,
        "a transaction without records"
    );
    assert_eq!(aborts(&producers, marker(9, 0, 21)), None, "a producer without records");
}

#[test]
fn markers_of_version_two_raise_the_epoch_but_for_those_that_come_again() {
    let mut producers = Producers::new(0);
    producers.update(&transactional(batch(1, 5, 10, 0, 5)), None);
    let fenced = ProducerError::InvalidEpoch {
        producer_id: 1,
        epoch: 5,
        current_epoch: 5,
    };
    assert_eq!(producers.admit_marker(&marker(1, 5, 15), &end(0), 2), Err(fenced));
    assert_eq!(producers.admit_marker(&marker(1, 5, 15), &end(0), 1), Ok(()));
    assert_eq!(producers.admit_marker(&marker(1, 6, 15), &end(0), 2), Ok(()));
    producers.update(&marker(1, 6, 15), Some(end(0)));
    assert_eq!(producers.admit_marker(&marker(1, 6, 16), &end(0), 2), Ok(()), "again");
    assert!(producers.admit_marker(&marker(1, 5, 16), &end(0), 2).is_err());
    // There is no higher one.
    producers.update(&transactional(batch(2, i16::MAX, 20, 0, 1)), None);
    assert_eq!(producers.admit_marker(&marker(2, i16::MAX, 21), &end(0), 2), Ok(()));
}

#[test]
fn a_transaction_that_was_not_verified_since_its_last_marker_is_refused() {
    let mut producers = Producers::new(0);
    let admit = |producers: &Producers, header, guard| producers.admit(&header, AppendOrigin::Client, Some(guard));
    let none = VerificationGuard::default();
    let first = transactional(batch(1, 0, 10, 0, 5));
    let refused = Err(ProducerError::NotVerified { producer_id: 1 });
    assert_eq!(admit(&producers, first, none), refused);
    assert_eq!(
        admit(&producers, batch(1, 0, 10, 0, 5), none),
        Ok(Admission::New),
        "not of a transaction"
    );
    let guard = producers.start_verification(1, 0, 0, false, 1_000).unwrap();
    assert_eq!(
        producers.start_verification(1, 0, 0, false, 1_001),
        Ok(guard),
        "the same while it goes on"
    );
    assert_eq!(admit(&producers, first, none), refused);
    assert_eq!(admit(&producers, first, guard), Ok(Admission::New));
    assert!(
        producers.admit(&first, AppendOrigin::Client, None).is_ok(),
        "where nothing is verified"
    );

    // The marker of the transaction before comes first.
    producers.update(&marker(1, 0, 10), Some(end(0)));
    assert_eq!(admit(&producers, first, guard), refused);
    let guard = producers.start_verification(1, 0, 0, false, 1_000).unwrap();
    assert_eq!(admit(&producers, first, guard), Ok(Admission::New));
    producers.update(&first, None);
    assert_eq!(
        producers.start_verification(1, 5, 0, false, 1_000),
        Ok(none),
        "it is known to be open"
    );
    assert_eq!(
        admit(&producers, transactional(batch(1, 0, 15, 5, 1)), none),
        Ok(Admission::New)
    );
    assert!(producers.has_ongoing_transaction(1, 0) && !producers.has_ongoing_transaction(1, 1));
    let fenced = producers.start_verification(1, 0, -1, false, 1_000);
    assert!(matches!(fenced, Err(ProducerError::InvalidEpoch { .. })));

    producers.start_verification(2, 0, 0, false, 1_000).unwrap();
    producers.remove_expired(1_999, 1_000);
    let again = producers.start_verification(2, 0, 0, false, 1_999).unwrap();
    producers.remove_expired(2_000, 1_000);
    assert_ne!(
        producers.start_verification(2, 0, 0, false, 2_000),
        Ok(again),
        "forgotten meanwhile"
    );
}

#[test]
fn of_batches_that_are_verified_together_the_first_comes_first() {
    let mut producers = Producers::new(0);
    let guard = producers.start_verification(1, 7, 0, false, 0).unwrap();
    assert_eq!(producers.start_verification(1, 2, 0, false, 0), Ok(guard));
    let admit = |producers: &Producers, sequence, guard| {
        producers.admit(
            &transactional(batch(1, 0, 0, sequence, 5)),
            AppendOrigin::Client,
            Some(guard),
        )
    };
    assert!(matches!(
        admit(&producers, 7, guard),
        Err(ProducerError::OutOfOrderSequence { .. })
    ));
    assert_eq!(admit(&producers, 2, guard), Ok(Admission::New));
    // Of a new epoch with each transaction the first sequence is 0.
    let guard = producers.start_verification(3, 4, 0, true, 0).unwrap();
    let admit = |sequence| {
        producers.admit(
            &transactional(batch(3, 0, 0, sequence, 1)),
            AppendOrigin::Client,
            Some(guard),
        )
    };
    assert!(matches!(admit(4), Err(ProducerError::OutOfOrderSequence { .. })));
    assert_eq!(admit(0), Ok(Admission::New));
}
