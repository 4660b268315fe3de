//! Produce, idempotent producers, producer ids.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Records};
use klamm_records::{BatchBuilder, Compression, ControlRecordType};

use super::NO_SUCH_ID;
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

fn outcome(reply: &produce_response::PartitionProduceResponse) -> String {
    format!("{} at {}", reply.error_code.name(), reply.base_offset)
}

fn one(value: &[u8]) -> BatchBuilder {
    with_record(BatchBuilder::new(Compression::None), now_ms(), None, Some(value))
}

fn with_record(mut builder: BatchBuilder, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> BatchBuilder {
    builder.push(timestamp, key, value, &[]).unwrap();
    builder
}

fn changed(bytes: &Bytes, at: usize, to: &[u8]) -> Bytes {
    let mut changed = bytes.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed.into()
}

/// `changed`, with a checksum that fits.
fn forged(bytes: &Bytes, at: usize, to: &[u8]) -> Bytes {
    let changed = changed(bytes, at, to);
    let crc = klamm_records::crc32c(&changed[21..]);
    self::changed(&changed, 17, &crc.to_be_bytes())
}

#[tokio::test]
async fn produce_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (plain, compacted, nowhere) = (unique("plain"), unique("compacted"), unique("nowhere"));
    let id = node.create(&plain, 2).await;
    node.create_with(&compacted, 1, &[("cleanup.policy", "compact")]).await;
    let mut answers = Answers::to("Produce");

    let good = one(b"good").build();
    let two_batches = Bytes::from([good.clone(), good.clone()].concat());
    let cut = good.slice(..good.len() - 3);
    let control = {
        let mut builder = BatchBuilder::new(Compression::None).control();
        builder
            .push_control(now_ms(), ControlRecordType::Commit, &[0; 6])
            .unwrap();
        builder.build()
    };
    let message = |magic: i8| {
        // Offset, size, checksum, magic, attributes, [timestamp], key, value: checksums are not looked at.
        let body_size = if magic == 0 { 14 } else { 22 };
        let mut bytes = 0i64.to_be_bytes().to_vec();
        bytes.extend((body_size as i32).to_be_bytes());
        bytes.extend([0, 0, 0, 0, magic as u8]);
        bytes.resize(12 + body_size, 0);
        Bytes::from(bytes)
    };
    let later = with_record(
        BatchBuilder::new(Compression::None),
        now_ms() + 7_200_000,
        None,
        Some(b"x"),
    )
    .build();
    let negative = with_record(BatchBuilder::new(Compression::None), -1, None, Some(b"x")).build();
    let transactional = with_record(
        BatchBuilder::new(Compression::None)
            .producer(4711, 0, 0)
            .transactional(),
        now_ms(),
        None,
        Some(b"x"),
    );

    for (question, topic, partition, records, kafka) in [
        (
            "an unknown topic",
            &nowhere,
            0,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        (
            "an unknown partition",
            &plain,
            2,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        (
            "a negative partition",
            &plain,
            -1,
            good.clone(),
            "UNKNOWN_TOPIC_OR_PARTITION at -1",
        ),
        ("no bytes", &plain, 0, Bytes::new(), "INVALID_RECORD at -1"),
        ("two batches", &plain, 0, two_batches, "INVALID_RECORD at -1"),
        ("a batch that is cut", &plain, 0, cut, "INVALID_RECORD at -1"),
        ("a control batch", &plain, 0, control, "INVALID_RECORD at -1"),
        ("magic 0", &plain, 0, message(0), "INVALID_RECORD at -1"),
        ("magic 1", &plain, 0, message(1), "INVALID_RECORD at -1"),
        ("magic 3", &plain, 0, changed(&good, 16, &[3]), "CORRUPT_MESSAGE at -1"),
        (
            "a flipped byte",
            &plain,
            0,
            changed(&good, 70, &[0xff]),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a wrong checksum",
            &plain,
            0,
            changed(&good, 17, &[1, 2, 3, 4]),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a batch length of 1",
            &plain,
            0,
            changed(&good, 8, &1i32.to_be_bytes()),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a negative batch length",
            &plain,
            0,
            changed(&good, 8, &(-5i32).to_be_bytes()),
            "CORRUPT_MESSAGE at -1",
        ),
        (
            "a count of 2 in one of 1",
            &plain,
            0,
            forged(&good, 57, &2i32.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a negative count",
            &plain,
            0,
            forged(&good, 57, &(-1i32).to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a last offset delta of 5",
            &plain,
            0,
            forged(&good, 23, &5i32.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        (
            "a base offset of its own",
            &plain,
            0,
            changed(&good, 0, &9i64.to_be_bytes()),
            "INVALID_RECORD at -1",
        ),
        ("two hours in the future", &plain, 0, later, "INVALID_TIMESTAMP at -1"),
        ("no timestamp", &plain, 0, negative, "NONE at 0"),
        (
            "no key in a compacted topic",
            &compacted,
            0,
            good.clone(),
            "INVALID_RECORD at -1",
        ),
        (
            "a key in a compacted topic",
            &compacted,
            0,
            with_record(BatchBuilder::new(Compression::None), now_ms(), Some(b"k"), None).build(),
            "NONE at 0",
        ),
        (
            "more than max.message.bytes",
            &plain,
            0,
            one(&vec![0; 1_048_588]).build(),
            "MESSAGE_TOO_LARGE at -1",
        ),
        (
            "more than max.message.bytes before compression",
            &plain,
            1,
            with_record(
                BatchBuilder::new(Compression::Zstd),
                now_ms(),
                None,
                Some(&vec![0; 2 << 20]),
            )
            .build(),
            "NONE at 0",
        ),
        ("good", &plain, 0, good.clone(), "NONE at 1"),
    ] {
        answers.row(question, outcome(&node.produce(topic, partition, records).await), kafka);
    }

    for (acks, kafka) in [
        (2, "INVALID_REQUIRED_ACKS at -1"),
        (-2, "INVALID_REQUIRED_ACKS at -1"),
        (1, "NONE at 2"),
        (-1, "NONE at 3"),
    ] {
        let request = produce_request(&plain, 0, acks, good.clone());
        let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
        answers.row(
            &format!("acks={acks}"),
            outcome(&reply.responses[0].partition_responses[0]),
            kafka,
        );
    }

    let mut request = produce_request("", 0, -1, good.clone());
    request.topic_data[0].topic_id = NO_SUCH_ID;
    let reply = node.call_version(&request, 13).await;
    answers.row(
        "an unknown id",
        outcome(&reply.responses[0].partition_responses[0]),
        "UNKNOWN_TOPIC_ID at -1",
    );
    request.topic_data[0].topic_id = id;
    let reply = node.call_version(&request, 13).await;
    answers.row(
        "a known id",
        outcome(&reply.responses[0].partition_responses[0]),
        "NONE at 4",
    );

    let zstd = with_record(BatchBuilder::new(Compression::Zstd), now_ms(), None, Some(b"x")).build();
    let reply = node.call_version(&produce_request(&plain, 0, -1, zstd), 6).await;
    let answer = outcome(&reply.responses[0].partition_responses[0]);
    answers.row("zstd before version 7", answer, "UNSUPPORTED_COMPRESSION_TYPE at -1");

    let mut request = produce_request(&plain, 0, -1, good.clone());
    let other = produce_request::PartitionProduceData {
        index: 9,
        records: Some(Records::Bytes(good.clone())),
        ..Default::default()
    };
    request.topic_data[0].partition_data.push(other);
    let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
    let mut partitions: Vec<_> = reply
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .map(outcome)
        .collect();
    partitions.sort();
    answers.row(
        "a good and a bad partition",
        partitions.join(", "),
        "NONE at 5, UNKNOWN_TOPIC_OR_PARTITION at -1",
    );

    if broker.is_ours() {
        // Apache Kafka throws: UNKNOWN_SERVER_ERROR, which idempotent producers can't get over (KAFKA-14034).
        let reply = node.produce(&plain, 0, forged(&good, 21, &7i16.to_be_bytes())).await;
        answers.row("codec 7", outcome(&reply), "INVALID_RECORD at -1");
        // Here it throws too, and never answers.
        let mut request = produce_request(&plain, 0, -1, good.clone());
        request.topic_data[0].partition_data[0].records = None;
        let reply = node.call_version(&request, PRODUCE_BY_NAME).await;
        answers.row(
            "null records",
            outcome(&reply.responses[0].partition_responses[0]),
            "INVALID_RECORD at -1",
        );
        // There is no transaction that this could belong to; Apache Kafka says so when it verifies them.
        let reply = node.produce(&plain, 0, transactional.build()).await;
        assert_ne!(reply.error_code, ErrorCode::NONE);
    }
    let keyless = node.produce(&compacted, 0, good).await;
    let places: Vec<_> = keyless.record_errors.iter().map(|error| error.batch_index).collect();
    answers.row(
        "which record of a compacted topic has no key",
        format!("{places:?}"),
        "[0]",
    );
    answers.row("and it is said in words", keyless.error_message.is_some(), "true");
    answers.done();
}

#[tokio::test]
async fn idempotent_producers_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("idempotent");
    node.create(&t, 2).await;
    let producer @ (id, epoch) = node.producer_id().await;
    let newer = (id, epoch + 1);
    let mut answers = Answers::to("sequence numbers");
    for (question, producer, sequence, count, kafka) in [
        ("the first batch", producer, 0, 2, "NONE at 0"),
        ("the same again", producer, 0, 2, "NONE at 0"),
        ("the next", producer, 2, 1, "NONE at 2"),
        ("a gap", producer, 4, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER at -1"),
        ("the next after a gap", producer, 3, 1, "NONE at 3"),
        ("the last but one again", producer, 2, 1, "NONE at 2"),
        (
            "an old sequence in another batch",
            producer,
            1,
            1,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("4", producer, 4, 1, "NONE at 4"),
        ("5", producer, 5, 1, "NONE at 5"),
        ("6", producer, 6, 1, "NONE at 6"),
        ("7", producer, 7, 1, "NONE at 7"),
        (
            "older than the last five",
            producer,
            0,
            2,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("the fifth last", producer, 3, 1, "NONE at 3"),
        (
            "a newer epoch in the middle",
            newer,
            8,
            1,
            "OUT_OF_ORDER_SEQUENCE_NUMBER at -1",
        ),
        ("a newer epoch from the start", newer, 0, 1, "NONE at 8"),
        ("the old epoch", producer, 8, 1, "INVALID_PRODUCER_EPOCH at -1"),
        (
            "the old epoch, a batch that is there",
            producer,
            7,
            1,
            "INVALID_PRODUCER_EPOCH at -1",
        ),
        (
            "an unknown producer in the middle",
            (id + 1_000_000, 0),
            7,
            1,
            "NONE at 9",
        ),
        ("no sequence", (id, epoch + 1), -1, 1, "INVALID_RECORD at -1"),
    ] {
        let values = vec!["x"; count];
        let reply = node.produce(&t, 0, idempotent_batch(producer, sequence, &values)).await;
        answers.row(question, outcome(&reply), kafka);
    }
    let wrap = (id + 2_000_000, 0);
    for (question, sequence, kafka) in [
        ("the last numbers", i32::MAX, "NONE at 10"),
        ("wrap to the first", 1, "NONE at 12"),
    ] {
        let reply = node.produce(&t, 0, idempotent_batch(wrap, sequence, &["x", "y"])).await;
        answers.row(question, outcome(&reply), kafka);
    }
    answers.done();
}

#[tokio::test]
async fn init_producer_id_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let mut answers = Answers::to("InitProducerId");
    let (first, epoch) = node.producer_id().await;
    let (second, _) = node.producer_id().await;
    answers.row("a new id each time", second != first, "true");
    answers.row("epoch", epoch, "0");
    for (question, transactional_id, producer_id, producer_epoch, kafka) in [
        ("an empty transactional id", Some(""), -1, -1, "INVALID_REQUEST"),
        ("an id without an epoch", None, 5, -1, "INVALID_REQUEST"),
        ("an epoch without an id", None, -1, 5, "INVALID_REQUEST"),
        ("an id that it has", None, first, 0, "NONE"),
    ] {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(str::to_owned),
            transaction_timeout_ms: 60_000,
            producer_id,
            producer_epoch,
            ..Default::default()
        };
        answers.row(question, node.call(&request).await.error_code.name(), kafka);
    }
    answers.done();
}
