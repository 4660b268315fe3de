use super::*;
use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_records::{BatchBuilder, Codec, Compression};

use crate::consumer::fetched::Reading;

const NODE: i32 = 1;

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

/// A state with two partitions at the beginning, of which ten records each are fetched.
fn filled() -> State {
    let mut state = State::new(Instant::now());
    state.add([partition(0), partition(1)]);
    for index in [0, 1] {
        state.seek(&partition(index), Position::at(0)).unwrap();
        fetch(&mut state, index, ten_records(0));
    }
    state
}

fn ten_records(base_offset: i64) -> Bytes {
    ten_records_in(Compression::None, base_offset)
}

fn ten_records_in(compression: Compression, base_offset: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::from(compression)).base_offset(base_offset);
    for _ in 0..10 {
        builder.push(1000, None, Some(&[7; 100]), &[]).unwrap();
    }
    builder.build()
}

fn fetch(state: &mut State, index: i32, bytes: Bytes) {
    let reading = Reading {
        committed: false,
        check_crcs: true,
    };
    let asked = state.partitions[&partition(index)].fetch;
    let stamp = state.partitions[&partition(index)].stamp;
    let (fetched, end) = Fetched::new(partition(index), stamp, reading, asked, bytes, &[]).unwrap();
    state.partitions.get_mut(&partition(index)).unwrap().fetch = end;
    state.push(NODE, fetched);
}

fn take(state: &mut State, limit: usize) -> Vec<(i32, i64)> {
    let (records, _) = state.take(limit).unwrap();
    records
        .iter()
        .map(|record| (record.partition(), record.offset()))
        .collect()
}

fn position(state: &State, index: i32) -> i64 {
    state.partitions[&partition(index)].position.offset
}

#[test]
fn a_poll_goes_from_one_partition_to_the_next() {
    let mut state = filled();
    assert!(state.waiting_bytes(NODE) > 2000);
    assert_eq!(
        take(&mut state, 8),
        (0..8).map(|offset| (0, offset)).collect::<Vec<_>>()
    );
    assert_eq!(take(&mut state, 4), [(0, 8), (0, 9), (1, 0), (1, 1)]);
    assert_eq!((position(&state, 0), position(&state, 1)), (10, 2));
    assert_eq!(take(&mut state, 100).len(), 8);
    assert_eq!(state.waiting_bytes(NODE), 0);
    assert!(take(&mut state, 100).is_empty());
}

#[test]
fn only_what_the_user_came_back_from_is_done_with() {
    let mut state = filled();
    state.acknowledge(Instant::now());
    take(&mut state, 5);
    assert!(state.is_outstanding);
    assert_eq!(state.uncommitted(|_| true)[&partition(0)].offset, 0);
    state.acknowledge(Instant::now());
    assert!(!state.is_outstanding);
    assert_eq!(state.uncommitted(|_| true)[&partition(0)].offset, 5);
    state.committed([(&partition(0), 5), (&partition(1), 0)]);
    assert!(state.uncommitted(|_| true).is_empty());
}

#[test]
fn a_paused_partition_keeps_its_records() {
    let mut state = filled();
    state.partitions.get_mut(&partition(0)).unwrap().paused = true;
    let half = state.waiting_bytes(NODE);
    assert_eq!(
        take(&mut state, 100),
        (0..10).map(|offset| (1, offset)).collect::<Vec<_>>()
    );
    assert_eq!((state.waiting_bytes(NODE), position(&state, 0)), (0, 0));
    state.partitions.get_mut(&partition(0)).unwrap().paused = false;
    assert_eq!(state.waiting_bytes(NODE), half);
    assert_eq!(take(&mut state, 1), [(0, 0)]);
}

#[test]
fn a_seek_makes_what_was_fetched_worthless() {
    let mut state = filled();
    state.seek(&partition(0), Position::at(40)).unwrap();
    assert_eq!(take(&mut state, 100).len(), 10);
    assert_eq!((state.waiting_bytes(NODE), position(&state, 0)), (0, 40));
    fetch(&mut state, 0, ten_records(40));
    assert_eq!(take(&mut state, 1), [(0, 40)]);
    assert!(matches!(
        state.seek(&partition(9), Position::at(0)),
        Err(ConsumerError::NotAssigned { .. })
    ));
}

#[test]
fn partitions_that_are_given_up_leave_nothing_behind() {
    let mut state = filled();
    take(&mut state, 3);
    state.retain(|key| key.partition == 1);
    state.acknowledge(Instant::now());
    assert_eq!(state.owned(), [partition(1)]);
    assert!(take(&mut state, 100).iter().all(|(index, _)| *index == 1));
    assert_eq!(state.waiting_bytes(NODE), 0);
}

#[test]
fn nothing_is_given_out_behind_the_gate() {
    let mut state = filled();
    state.is_gated = true;
    assert!(take(&mut state, 100).is_empty() && !state.is_outstanding);
    state.is_gated = false;
    assert_eq!(take(&mut state, 100).len(), 20);
}

#[test]
fn the_fetcher_hears_once_that_a_node_has_run_low() {
    let mut state = filled();
    let half = state.waiting_bytes(NODE) / 2;
    state.watch(NODE, half);
    assert!(!state.take(9).unwrap().1);
    assert!(state.take(9).unwrap().1);
    assert!(!state.take(1).unwrap().1);
}

#[test]
fn errors_come_before_records_and_one_at_a_time() {
    let mut state = filled();
    for index in [0, 1] {
        let partition = partition(index);
        state.report(ConsumerError::NoOffset { partition });
    }
    assert!(state.take(1).is_err() && state.take(1).is_err());
    assert_eq!(take(&mut state, 1), [(0, 0)]);
}

#[test]
fn what_a_stream_puts_back_comes_again() {
    let mut state = filled();
    let stamp = state.partitions[&partition(0)].stamp;
    take(&mut state, 10);
    state.put_back(&partition(0), stamp, 4, -1);
    assert_eq!(
        (position(&state, 0), state.partitions[&partition(0)].fetch.offset),
        (4, 4)
    );
    state.put_back(&partition(0), stamp, 2, -1);
    assert_eq!(position(&state, 0), 4, "the stamp is of an earlier seek");
}

#[test]
fn a_poll_may_stop_inside_of_a_compressed_batch() {
    let mut state = State::new(Instant::now());
    state.add([partition(0)]);
    state.seek(&partition(0), Position::at(0)).unwrap();
    fetch(&mut state, 0, ten_records_in(Compression::Lz4, 0));
    let compressed = state.waiting_bytes(NODE);
    assert_eq!(take(&mut state, 1), [(0, 0)]);
    assert!(state.waiting_bytes(NODE) > compressed, "decompressed it is larger");
    assert_eq!(take(&mut state, 9).len(), 9);
    assert!(take(&mut state, 1).is_empty());
    assert_eq!(state.waiting_bytes(NODE), 0);
}

#[test]
fn what_is_paused_does_not_keep_a_node_from_running_low() {
    let mut state = filled();
    let half = state.waiting_bytes(NODE) / 2;
    state.partitions.get_mut(&partition(0)).unwrap().paused = true;
    state.watch(NODE, half);
    assert!(state.take(1).unwrap().1, "one of the other partition's records is gone");
    assert!(!state.take(1).unwrap().1);
}

#[test]
fn of_the_errors_of_a_partition_the_latest_is_told_and_none_after_a_seek() {
    let mut state = filled();
    let refused = |index, code| ConsumerError::Refused {
        partition: partition(index),
        code,
    };
    for code in [ErrorCode::TOPIC_AUTHORIZATION_FAILED, ErrorCode::CORRUPT_MESSAGE] {
        state.report(refused(0, code));
        state.report(refused(1, code));
    }
    assert_eq!(state.take(1).unwrap_err().code(), Some(ErrorCode::CORRUPT_MESSAGE));
    state.seek(&partition(1), Position::at(0)).unwrap();
    assert_eq!(take(&mut state, 1), [(0, 0)]);
    state.report(refused(0, ErrorCode::CORRUPT_MESSAGE));
    state.report(refused(1, ErrorCode::CORRUPT_MESSAGE));
    state.retain(|key| key.partition == 1);
    state.seek_to(&partition(1), -1).unwrap();
    for _ in 0..2 {
        let to = "commit";
        state.report(ConsumerError::NoGroup { to });
    }
    assert!(state.take(1).is_err());
    assert!(take(&mut state, 1).is_empty());
}
