use bytes::Bytes;

use super::*;

fn key(partition: i32) -> Key {
    Key {
        topic: "t".into(),
        topic_id: Uuid::ZERO,
        partition,
    }
}

fn ask(fetch_offset: i64) -> Ask {
    Ask {
        fetch_offset,
        max_bytes: 1000,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn data(partition: i32, high_watermark: i64, records: &'static [u8]) -> (Key, PartitionData) {
    let records = Some(Records::Bytes(Bytes::from_static(records)));
    let data = PartitionData {
        partition_index: partition,
        high_watermark,
        log_start_offset: 0,
        records,
        ..Default::default()
    };
    (key(partition), data)
}

fn request(id: i32, epoch: i32) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        by_topic_id: false,
    }
}

/// A session of partitions 0 and 1, both at high watermark 5; its id.
fn open(sessions: &FetchSessions, now_ms: i64) -> i32 {
    let context = sessions.begin(request(0, 0), vec![(key(0), ask(0)), (key(1), ask(0))], &[], now_ms);
    let mut responses = vec![data(0, 5, b"abc"), data(1, 5, b"")];
    let id = sessions
        .finish(context.expect("a full fetch"), &mut responses, now_ms)
        .expect("a session");
    assert_eq!(responses.len(), 2, "a full fetch is answered in full");
    id
}

#[test]
fn a_session_is_answered_with_what_changed() {
    let sessions = FetchSessions::new(10, 1);
    let id = open(&sessions, 0);
    assert_ne!(id, NO_SESSION);
    let context = sessions
        .begin(request(id, 1), vec![(key(0), ask(5))], &[], 1)
        .expect("the next epoch");
    assert_eq!(context.asks, [(key(0), ask(5)), (key(1), ask(0))]);
    let mut responses = vec![data(0, 5, b""), data(1, 6, b"")];
    assert_eq!(sessions.finish(context, &mut responses, 1), Ok(id));
    assert_eq!(responses, [data(1, 6, b"")], "only partition 1 has news");
}

#[test]
fn a_partition_that_gave_records_is_served_last_next_time() {
    let sessions = FetchSessions::new(10, 1);
    let id = open(&sessions, 0);
    let context = sessions.begin(request(id, 1), vec![], &[], 1).expect("the next epoch");
    let mut responses = vec![data(0, 6, b"x"), data(1, 5, b"")];
    sessions.finish(context, &mut responses, 1).expect("a response");
    let context = sessions.begin(request(id, 2), vec![], &[], 2).expect("the next epoch");
    assert_eq!(
        context.asks.iter().map(|(key, _)| key.partition).collect::<Vec<_>>(),
        [1, 0]
    );
}

#[test]
fn an_error_and_its_end_are_both_news() {
    let sessions = FetchSessions::new(10, 1);
    let id = open(&sessions, 0);
    let mut failed = data(0, -1, b"");
    failed.1.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    let context = sessions.begin(request(id, 1), vec![], &[], 1).expect("the next epoch");
    let mut responses = vec![failed, data(1, 5, b"")];
    sessions.finish(context, &mut responses, 1).expect("a response");
    assert_eq!(responses.len(), 1);
    let context = sessions.begin(request(id, 2), vec![], &[], 2).expect("the next epoch");
    let mut responses = vec![data(0, 5, b""), data(1, 5, b"")];
    sessions.finish(context, &mut responses, 2).expect("a response");
    assert_eq!(responses, [data(0, 5, b"")]);
}

#[test]
fn wrong_ids_and_epochs_are_refused() {
    let sessions = FetchSessions::new(10, 1);
    let id = open(&sessions, 0);
    let begin = |request| {
        sessions
            .begin(request, vec![], &[], 1)
            .map(|context| context.asks.len())
    };
    assert_eq!(begin(request(id + 1, 1)), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert_eq!(begin(request(id, 2)), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    let by_id = SessionRequest {
        id,
        epoch: 1,
        by_topic_id: true,
    };
    assert_eq!(begin(by_id), Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    assert_eq!(begin(request(id, -1)), Ok(0), "the session is closed");
    assert_eq!(begin(request(id, 1)), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn a_session_without_partitions_ends() {
    let sessions = FetchSessions::new(10, 1);
    let id = open(&sessions, 0);
    let context = sessions
        .begin(request(id, 1), vec![], &[key(0), key(1)], 1)
        .expect("the next epoch");
    assert!(context.asks.is_empty());
    assert_eq!(sessions.finish(context, &mut vec![], 1), Ok(NO_SESSION));
}

#[test]
fn a_full_cache_gives_way_to_larger_sessions_and_for_stale_ones() {
    let sessions = FetchSessions::new(1, 1);
    let first = open(&sessions, 0);
    assert_eq!(open(&sessions, 1), NO_SESSION, "of the same size");
    let asks: Vec<_> = (0..3).map(|partition| (key(partition), ask(0))).collect();
    let context = sessions.begin(request(0, 0), asks, &[], 2).expect("a full fetch");
    let mut responses = (0..3).map(|partition| data(partition, 1, b"")).collect();
    let larger = sessions.finish(context, &mut responses, 2).expect("a session");
    assert_ne!(larger, NO_SESSION);
    assert!(
        sessions.begin(request(first, 1), vec![], &[], 3).is_err(),
        "the first is gone"
    );
    assert_ne!(open(&sessions, 3 + EVICTION_MS), NO_SESSION, "the larger one is stale");
}
