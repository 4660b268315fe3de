use super::*;
use crate::{Properties, Uuid};
use klamm_protocol::ErrorCode;

fn options(entries: &[(&str, &str)]) -> ProducerOptions {
    let properties: Properties = entries.iter().copied().collect();
    ProducerOptions::read(&properties).unwrap()
}

fn topic(partitions: i32) -> TopicMetadata {
    let partition = |index| crate::PartitionMetadata {
        index,
        error: ErrorCode::NONE,
        leader: Some(1),
        leader_epoch: Some(0),
        replicas: vec![1],
        isr: vec![1],
        offline_replicas: Vec::new(),
    };
    TopicMetadata {
        name: "t".into(),
        id: Uuid::ZERO,
        is_internal: false,
        error: ErrorCode::NONE,
        partitions: (0..partitions).map(partition).collect(),
        as_of: Instant::now(),
    }
}

fn with_topic(options: &ProducerOptions, partitions: i32) -> Accumulator {
    let accumulator = Accumulator::new(options);
    accumulator.lock().add(&topic(partitions));
    accumulator
}

fn append(accumulator: &Accumulator, options: &ProducerOptions, record: &Record<'_>) -> Option<Delivery> {
    let room = accumulator.try_reserve(record.size_bound())?;
    match accumulator.append(record, 1, &room, options) {
        Append::Done(delivery) => {
            room.keep();
            Some(delivery)
        }
        Append::Unknown | Append::Closed => None,
    }
}

#[test]
fn records_fill_one_batch_after_the_other() {
    let options = options(&[("batch.size", "1000")]);
    let accumulator = with_topic(&options, 1);
    let value = [7; 100];
    for _ in 0..30 {
        append(&accumulator, &options, &Record::to("t").value(&value)).expect("room");
    }
    let mut state = accumulator.lock();
    let place = Place { topic: 0, partition: 0 };
    assert_eq!(state.active, [place]);
    let sizes: Vec<_> = std::iter::from_fn(|| state.pop(place))
        .map(|batch| (batch.records(), batch.size()))
        .collect();
    assert_eq!(sizes.iter().map(|(records, _)| records).sum::<u32>(), 30);
    assert!(sizes.iter().all(|(_, size)| *size <= 1000));
    assert!(
        sizes[..sizes.len() - 1].iter().all(|(_, size)| *size > 850),
        "{sizes:?}"
    );
    state.retain_active();
    assert!(state.active.is_empty());
}

#[test]
fn a_record_larger_than_a_batch_has_its_own() {
    let options = options(&[("batch.size", "100")]);
    let accumulator = with_topic(&options, 1);
    let value = vec![7; 5000];
    for _ in 0..3 {
        append(&accumulator, &options, &Record::to("t").value(&value)).expect("room");
    }
    let mut state = accumulator.lock();
    let place = Place { topic: 0, partition: 0 };
    assert_eq!(
        std::iter::from_fn(|| state.pop(place))
            .map(|batch| batch.records())
            .collect::<Vec<_>>(),
        [1, 1, 1]
    );
}

#[test]
fn room_is_bounded_by_bytes_and_comes_back() {
    let options = options(&[("buffer.memory", "10000")]);
    let accumulator = with_topic(&options, 3);
    let value = [7; 100];
    let record = Record::to("t").value(&value);
    let mut taken = 0;
    while append(&accumulator, &options, &record).is_some() {
        taken += 1;
    }
    let bound = record.size_bound();
    assert!((10_000 / (bound + UNIT)..=10_000 / bound).contains(&taken), "{taken}");
    assert!(append(&accumulator, &options, &Record::to("unknown")).is_none());
    let batches: Vec<_> = {
        let mut state = accumulator.lock();
        let places = state.active.clone();
        places.into_iter().filter_map(|place| state.pop(place)).collect()
    };
    for batch in &batches {
        accumulator.release(batch.units, batch.records());
        accumulator.finish(batch.number);
    }
    assert!(append(&accumulator, &options, &record).is_some());
}

#[test]
fn room_is_bounded_by_records() {
    let mut options = options(&[]);
    options.buffer_records = 3;
    let accumulator = with_topic(&options, 1);
    let record = Record::to("t").value("v");
    let taken = (0..10)
        .filter(|_| append(&accumulator, &options, &record).is_some())
        .count();
    assert_eq!(taken, 3);
    accumulator.release(1, 1);
    assert!(append(&accumulator, &options, &record).is_some());
}

#[test]
fn unknown_topics_and_partitions_keep_no_room() {
    let options = options(&[("buffer.memory", "1000")]);
    let accumulator = with_topic(&options, 2);
    for _ in 0..100 {
        assert!(append(&accumulator, &options, &Record::to("other").value(&[0; 100])).is_none());
        assert!(append(&accumulator, &options, &Record::to("t").partition(2)).is_none());
    }
    assert!(append(&accumulator, &options, &Record::to("t").partition(1)).is_some());
}

#[test]
fn a_topic_made_again_with_fewer_partitions_has_fewer() {
    let options = options(&[]);
    let accumulator = with_topic(&options, 50);
    let waits = append(&accumulator, &options, &Record::to("t").partition(40)).expect("there are 50");
    let keys: Vec<_> = (0..100).map(|n| format!("key {n}")).collect();
    let partition_of = |key: &String| {
        let delivery = append(&accumulator, &options, &Record::to("t").key(key.as_str()).value("v"));
        delivery.expect("there is such a partition").partition()
    };
    assert!(keys.iter().map(partition_of).any(|partition| partition >= 3));
    accumulator.lock().add(&topic(3));
    assert!(keys.iter().map(partition_of).all(|partition| partition < 3));
    for _ in 0..100 {
        let keyless = append(&accumulator, &options, &Record::to("t").value(&[7; 1000])).expect("room");
        assert!(keyless.partition() < 3);
    }
    assert!(append(&accumulator, &options, &Record::to("t").partition(3)).is_none());
    let leaders = |accumulator: &Accumulator| -> Vec<usize> {
        let state = accumulator.lock();
        let queues = state.topics[0].queues.iter().enumerate();
        queues
            .filter(|(_, queue)| queue.leader.is_some())
            .map(|(n, _)| n)
            .collect()
    };
    assert_eq!(leaders(&accumulator), [0, 1, 2]);
    // The record that waits may still be sent if the partition comes back.
    accumulator.lock().add(&topic(41));
    assert_eq!(leaders(&accumulator).len(), 41);
    assert_eq!(accumulator.lock().topics[0].queues[40].batches.len(), 1);
    drop(waits);
}

#[test]
fn keyless_records_stick_for_a_batch() {
    let options = options(&[("batch.size", "1000")]);
    let accumulator = with_topic(&options, 50);
    let value = [7; 100];
    let at: Vec<_> = (0..200)
        .map(|_| {
            append(&accumulator, &options, &Record::to("t").value(&value))
                .expect("room")
                .partition()
        })
        .collect();
    let moves = at.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((10..40).contains(&moves), "{moves} moves in 22 kB");
}

#[test]
fn only_news_wakes_the_sender() {
    let options = options(&[("batch.size", "1000"), ("linger.ms", "100")]);
    let accumulator = with_topic(&options, 1);
    let woken = |accumulator: &Accumulator| std::mem::take(&mut accumulator.lock().woken);
    let record = Record::to("t").value(&[7; 100]);
    append(&accumulator, &options, &record).expect("room");
    assert!(woken(&accumulator), "the first of its batch");
    accumulator.lock().looks_at = Some(Instant::now() + Duration::from_millis(50));
    append(&accumulator, &options, &record).expect("room");
    assert!(!woken(&accumulator), "the sender comes anyway");
    for _ in 0..8 {
        append(&accumulator, &options, &record).expect("room");
    }
    assert!(woken(&accumulator), "a batch is full");
    let mut state = accumulator.lock();
    state.topics[0].queues[0].blocked = true;
    drop(state);
    append(&accumulator, &options, &record).expect("room");
    assert!(!woken(&accumulator), "the sender waits for a reply");
    let place = Place { topic: 0, partition: 0 };
    accumulator.lock().begin_look();
    while accumulator.lock().pop(place).is_some() {}
    accumulator.lock().retain_active();
    append(&accumulator, &options, &record).expect("room");
    assert!(woken(&accumulator), "what it waited for is gone");
}

#[tokio::test]
async fn flushing_waits_for_what_was_there() {
    let options = options(&[]);
    let accumulator = with_topic(&options, 1);
    accumulator.flush().await;
    append(&accumulator, &options, &Record::to("t").value("v")).expect("room");
    let flush = accumulator.flush();
    tokio::pin!(flush);
    assert!(futures_pending(flush.as_mut()).await);
    assert!(accumulator.is_pressed(&accumulator.lock()));
    let batch = accumulator.lock().pop(Place { topic: 0, partition: 0 }).expect("one");
    append(&accumulator, &options, &Record::to("t").value("later")).expect("room");
    accumulator.split(batch.number, 2);
    accumulator.finish(batch.number);
    assert!(futures_pending(flush.as_mut()).await, "one piece is left");
    accumulator.finish(batch.number);
    flush.await;
}

#[tokio::test]
async fn those_who_wait_for_room_are_told_of_the_end() {
    let options = options(&[("buffer.memory", "112")]);
    let accumulator = with_topic(&options, 1);
    let room = accumulator.try_reserve(112).expect("empty");
    let full = accumulator.reserve(50, Duration::from_millis(5)).await;
    assert!(matches!(full, Err(SendError::Full { .. })));
    let waiting = accumulator.reserve(50, Duration::from_secs(60));
    tokio::pin!(waiting);
    assert!(futures_pending(waiting.as_mut()).await);
    accumulator.close();
    assert!(matches!(waiting.await, Err(SendError::Closed)));
    drop(room);
}

/// Whether the future is not done after one look.
async fn futures_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
