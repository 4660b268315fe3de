use super::*;
use klamm_protocol::Records;
use klamm_records::{BatchBuilder, Compression};

const INTAKE: Intake = Intake {
    reading: Reading {
        committed: false,
        check_crcs: true,
    },
    max_age: Duration::from_secs(300),
};

fn key() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// What a broker sends of the records from `base_offset` to `end`.
fn answer(base_offset: i64, end: i64) -> PartitionData {
    let mut builder = BatchBuilder::new(Compression::None).base_offset(base_offset);
    for _ in base_offset..end {
        builder.push(1000, None, Some(b"v"), &[]).unwrap();
    }
    PartitionData {
        high_watermark: end,
        records: Some(Records::from(builder.build())),
        preferred_read_replica: -1,
        ..PartitionData::default()
    }
}

fn refusal(error_code: ErrorCode) -> PartitionData {
    PartitionData {
        error_code,
        ..PartitionData::default()
    }
}

/// A state with one partition at an offset, and what is asked for it.
fn at(offset: i64) -> (State, (u64, Position)) {
    let mut state = State::new(Instant::now());
    state.add([key()]);
    state.seek(&key(), Position::at(offset)).unwrap();
    let asked = (state.partitions[&key()].stamp, Position::at(offset));
    (state, asked)
}

fn take(state: &mut State) -> Vec<i64> {
    let (records, _) = state.take(100).unwrap();
    records.iter().map(|record| record.offset()).collect()
}

#[test]
fn an_earlier_leaders_answer_that_comes_late_is_dropped() {
    let (mut state, asked) = at(0);
    assert!(INTAKE.take_in(&mut state, 2, key(), asked, answer(0, 5)));
    assert!(INTAKE.take_in(&mut state, 1, key(), asked, answer(0, 3)));
    assert_eq!(take(&mut state), [0, 1, 2, 3, 4]);
    assert!(INTAKE.take_in(&mut state, 1, key(), asked, answer(0, 3)));
    assert!(INTAKE.take_in(&mut state, 1, key(), asked, refusal(ErrorCode::OFFSET_OUT_OF_RANGE)));
    assert!(take(&mut state).is_empty());
    let partition = &state.partitions[&key()];
    assert_eq!((partition.position.offset, partition.fetch.offset), (5, 5));
    assert!(!partition.out_of_range && partition.high_watermark == Some(5));
}

#[test]
fn an_answer_from_before_a_look_up_is_dropped() {
    let (mut state, asked) = at(0);
    state.partition(&key()).unwrap().phase = Phase::Resetting { timestamp: LATEST };
    assert!(INTAKE.take_in(&mut state, 1, key(), asked, answer(0, 5)));
    state.partition(&key()).unwrap().locate(Position::at(5));
    assert!(take(&mut state).is_empty());
}

#[test]
fn a_refusal_is_forgotten_once_the_partition_is_served() {
    let (mut state, asked) = at(0);
    for _ in 0..2 {
        INTAKE.take_in(
            &mut state,
            1,
            key(),
            asked,
            refusal(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        );
    }
    assert_eq!(state.errors.len(), 1);
    INTAKE.take_in(&mut state, 1, key(), asked, answer(0, 2));
    assert_eq!(take(&mut state), [0, 1]);
}
