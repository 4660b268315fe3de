use super::*;
use crate::producer::accumulator::{Accumulator, Append};
use crate::producer::metrics::Counters;
use crate::producer::options::ProducerOptions;
use crate::producer::sequences::Verdict;
use crate::producer::{Delivery, Record};
use crate::{Client, PartitionMetadata, Properties, TopicMetadata, Uuid};

/// A sender whose broker is never reached, with a topic `t`.
fn sender(entries: &[(&str, &str)]) -> Sender {
    let properties: Properties = entries.iter().copied().collect();
    let options = ProducerOptions::read(&properties).unwrap();
    let shared = Shared {
        client: Client::builder("127.0.0.1:1").build().unwrap(),
        accumulator: Accumulator::new(&options),
        options,
        metrics: Counters::default(),
        on_delivery: None,
    };
    Sender::new(Arc::new(shared))
}

fn topic(partitions: i32) -> TopicMetadata {
    let partition = |index| PartitionMetadata {
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

fn append(sender: &Sender, partition: i32) -> Delivery {
    let shared = &sender.shared;
    let record = Record::to("t").partition(partition).value("v");
    let room = shared.accumulator.try_reserve(record.size_bound()).expect("room");
    match shared.accumulator.append(&record, 1, &room, &shared.options) {
        Append::Done(delivery) => {
            room.keep();
            delivery
        }
        Append::Unknown | Append::Closed => panic!("the partition is known"),
    }
}

#[tokio::test]
async fn a_partition_that_needs_an_identity_leaves_the_others_theirs() {
    for turn in 0..2 {
        let mut sender = sender(&[("linger.ms", "0")]);
        sender.turn = turn;
        sender.shared.accumulator.lock().add(&topic(2));
        let identity = Identity { id: 7, epoch: i16::MAX };
        sender.identity = IdentitySource::having(identity);
        let places = [0, 1].map(|partition| Place { topic: 0, partition });
        // Partition 0 is to begin anew, but there is no epoch left.
        append(&sender, 0);
        let given_up = sender.shared.accumulator.lock().pop(places[0]).expect("one");
        sender.shared.accumulator.lock().retain_active();
        let mut sequences = Sequences::new(Some(identity));
        let ticket = sequences.take(given_up, 1, 1);
        sequences.judge(ticket, Verdict::OutOfOrder { not_before_ms: 0 });
        sequences.expire(|_| true);
        sender.partitions.insert(places[0], sequences);
        let _deliveries = [append(&sender, 0), append(&sender, 1)];
        assert!(sender.look());
        assert_eq!(sender.identity.current(), None, "another is wanted");
        assert!(sender.identity.due().is_some());
        let stamp = sender.partitions[&places[1]].next_stamp();
        assert_eq!(stamp.map(|stamp| stamp.identity), Some(identity));
        let waits = sender.shared.accumulator.lock().topics[0].queues[0].batches.len();
        assert_eq!(waits, 1, "until there is another identity");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_a_partition_that_is_gone_time_out_and_say_why() {
    let mut sender = sender(&[("enable.idempotence", "false"), ("delivery.timeout.ms", "40000")]);
    sender.shared.accumulator.lock().add(&topic(2));
    let delivery = append(&sender, 1);
    sender.shared.accumulator.lock().add(&topic(1));
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    assert!(!sender.look(), "nobody leads it");
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    assert!(!sender.look());
    let failed = delivery.await.unwrap_err();
    let SendError::TimedOut { last: Some(last), .. } = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(last.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}
