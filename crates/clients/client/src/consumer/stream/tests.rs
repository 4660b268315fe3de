use super::*;
use bytes::Bytes;
use klamm_records::{BatchBuilder, Compression};

use crate::consumer::fetched::{Fetched, Reading};

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

fn position(state: &State, index: i32) -> i64 {
    state.partitions[&partition(index)].position.offset
}

fn two_records(base_offset: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).base_offset(base_offset);
    for _ in 0..2 {
        builder.push(1000, None, Some(b"v"), &[]).unwrap();
    }
    builder.build()
}

/// Fetched of two partitions by turns, and all of it polled.
fn polled(state: &mut State) -> Records {
    state.add([partition(0), partition(1)]);
    for index in [0, 1] {
        state.seek(&partition(index), Position::at(0)).unwrap();
    }
    for base_offset in [0, 2] {
        for index in [0, 1] {
            let reading = Reading {
                committed: false,
                check_crcs: true,
            };
            let stamp = state.partitions[&partition(index)].stamp;
            let (from, bytes) = (Position::at(base_offset), two_records(base_offset));
            let (fetched, end) = Fetched::new(partition(index), stamp, reading, from, bytes, &[]).unwrap();
            state.partition(&partition(index)).unwrap().fetch = end;
            state.push(1, fetched);
        }
    }
    let (records, _) = state.take(100).unwrap();
    Records { records }
}

#[test]
fn positions_never_go_backwards_when_a_poll_comes_to_a_partition_twice() {
    let mut state = State::new(Instant::now());
    let records = polled(&mut state);
    let mut held = Held::default();
    held.hold(&mut state, records);
    assert_eq!((position(&state, 0), position(&state, 1)), (0, 0));
    let mut given = Vec::new();
    while let Some(record) = held.next(&mut state) {
        assert_eq!(position(&state, record.partition()), record.offset() + 1);
        given.push((record.partition(), record.offset()));
    }
    assert_eq!(given, [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]);
}

#[test]
fn what_is_put_back_begins_with_the_first_of_each_partition() {
    let mut state = State::new(Instant::now());
    let records = polled(&mut state);
    let mut held = Held::default();
    held.hold(&mut state, records);
    for _ in 0..3 {
        held.next(&mut state).unwrap();
    }
    held.put_back(&mut state);
    assert_eq!((position(&state, 0), position(&state, 1)), (2, 1));
    assert!(held.next(&mut state).is_none());
}
