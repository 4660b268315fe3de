//! Fetch and its sessions, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers.

use klamm_protocol::messages::*;
use klamm_records::{BatchBuilder, Compression};

use super::NO_SUCH_ID;
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

#[tokio::test]
async fn fetch_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    let id = node.create(&t, 1).await;
    for value in ["0", "1", "2"] {
        node.append(&t, 0, &[value]).await;
    }
    let mut answers = Answers::to("Fetch");
    let said = |partition: &fetch_response::PartitionData| {
        let offsets: Vec<_> = records(&bytes(partition)).iter().map(|(offset, _)| *offset).collect();
        format!(
            "{} {offsets:?} up to {} {} from {}",
            partition.error_code.name(),
            partition.high_watermark,
            partition.last_stable_offset,
            partition.log_start_offset
        )
    };
    for (question, topic, partition, offset, kafka) in [
        ("the start", &t, 0, 0, "NONE [0, 1, 2] up to 3 3 from 0"),
        ("the middle", &t, 0, 1, "NONE [1, 2] up to 3 3 from 0"),
        ("the end", &t, 0, 3, "NONE [] up to 3 3 from 0"),
        ("beyond the end", &t, 0, 4, "OFFSET_OUT_OF_RANGE [] up to -1 -1 from -1"),
        (
            "a negative offset",
            &t,
            0,
            -1,
            "OFFSET_OUT_OF_RANGE [] up to -1 -1 from -1",
        ),
        (
            "an unknown partition",
            &t,
            1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
        (
            "a negative partition",
            &t,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
        (
            "an unknown topic",
            &nowhere,
            0,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION [] up to -1 -1 from -1",
        ),
    ] {
        answers.row(question, said(&node.fetch(topic, partition, offset).await), kafka);
    }
    for (epoch, kafka) in [
        (-1, "NONE [0, 1, 2] up to 3 3 from 0"),
        (0, "NONE [0, 1, 2] up to 3 3 from 0"),
        (1, "UNKNOWN_LEADER_EPOCH [] up to -1 -1 from -1"),
    ] {
        let mut request = fetch_request(&t, 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
        answers.row(&format!("leader epoch {epoch}"), said(&reply), kafka);
    }
    for (question, topic_id, kafka) in [
        ("a known id", id, "NONE [0, 1, 2] up to 3 3 from 0"),
        ("an unknown id", NO_SUCH_ID, "UNKNOWN_TOPIC_ID [] up to -1 -1 from -1"),
    ] {
        let mut request = fetch_request("", 0, 0);
        request.topics[0].topic_id = topic_id;
        answers.row(question, said(&only(node.call_version(&request, 17).await)), kafka);
    }
    let mut request = fetch_request(&t, 0, 0);
    request.isolation_level = 1;
    let reply = only(node.call_version(&request, FETCH_BY_NAME).await);
    answers.row("read_committed", said(&reply), "NONE [0, 1, 2] up to 3 3 from 0");
    answers.row(
        "aborted transactions",
        format!("{:?}", reply.aborted_transactions),
        "Some([])",
    );
    let reply = node.fetch(&t, 0, 0).await;
    answers.row(
        "read_uncommitted has none",
        format!("{:?}", reply.aborted_transactions),
        "None",
    );
    answers.row("preferred replica", reply.preferred_read_replica, "-1");
    answers.done();
}

#[tokio::test]
async fn fetch_sessions_answer_as_kafkas_do() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("session");
    node.create(&t, 3).await;
    let mut answers = Answers::to("fetch sessions");
    let partitions_of = |reply: &FetchResponse| {
        let mut partitions: Vec<_> = reply
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| (partition.partition_index, records(&bytes(partition)).len()))
            .collect();
        partitions.sort_unstable();
        format!("{} {partitions:?}", reply.error_code.name())
    };

    let mut request = fetch_request(&t, 0, 0);
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second.clone());
    (request.session_id, request.session_epoch) = (0, 0);
    let reply = node.call_version(&request, FETCH_BY_NAME).await;
    answers.row("all at first", partitions_of(&reply), "NONE [(0, 0), (1, 0)]");
    answers.row("a session", reply.session_id != 0, "true");
    let session = reply.session_id;

    let next = |epoch, topics| FetchRequest {
        session_id: session,
        session_epoch: epoch,
        topics,
        ..request.clone()
    };
    let reply = node.call_version(&next(1, Vec::new()), FETCH_BY_NAME).await;
    answers.row("nothing new", partitions_of(&reply), "NONE []");
    node.append(&t, 1, &["x"]).await;
    let reply = node.call_version(&next(2, Vec::new()), FETCH_BY_NAME).await;
    answers.row("what is new", partitions_of(&reply), "NONE [(1, 1)]");
    answers.row("the same session", reply.session_id == session, "true");
    let reply = node.call_version(&next(2, Vec::new()), FETCH_BY_NAME).await;
    answers.row(
        "an epoch twice",
        partitions_of(&reply),
        "INVALID_FETCH_SESSION_EPOCH []",
    );

    let mut moved = request.topics[0].clone();
    moved.partitions = vec![fetch_request::FetchPartition {
        fetch_offset: 1,
        ..second.clone()
    }];
    let reply = node.call_version(&next(3, vec![moved.clone()]), FETCH_BY_NAME).await;
    answers.row("a new offset", partitions_of(&reply), "NONE []");
    moved.partitions[0].partition = 2;
    moved.partitions[0].fetch_offset = 0;
    let reply = node.call_version(&next(4, vec![moved]), FETCH_BY_NAME).await;
    answers.row("one partition more", partitions_of(&reply), "NONE [(2, 0)]");
    let mut forgetting = next(5, Vec::new());
    forgetting.forgotten_topics_data = vec![fetch_request::ForgottenTopic {
        topic: t.clone(),
        partitions: vec![1],
        ..Default::default()
    }];
    let reply = node.call_version(&forgetting, FETCH_BY_NAME).await;
    answers.row("one less", partitions_of(&reply), "NONE []");
    node.append(&t, 1, &["x"]).await;
    node.append(&t, 2, &["x"]).await;
    let reply = node.call_version(&next(6, Vec::new()), FETCH_BY_NAME).await;
    answers.row("says no more of it", partitions_of(&reply), "NONE [(2, 1)]");

    let unknown = FetchRequest {
        session_id: session ^ 0x5555,
        session_epoch: 1,
        ..request.clone()
    };
    let reply = node.call_version(&unknown, FETCH_BY_NAME).await;
    answers.row(
        "an unknown session",
        partitions_of(&reply),
        "FETCH_SESSION_ID_NOT_FOUND []",
    );
    let closing = FetchRequest {
        session_id: session,
        session_epoch: -1,
        ..request.clone()
    };
    let reply = node.call_version(&closing, FETCH_BY_NAME).await;
    answers.row(
        "closing it",
        format!("{} {}", partitions_of(&reply), reply.session_id),
        "NONE [(0, 0), (1, 2)] 0",
    );
    let reply = node.call_version(&next(7, Vec::new()), FETCH_BY_NAME).await;
    answers.row("it is closed", partitions_of(&reply), "FETCH_SESSION_ID_NOT_FOUND []");
    answers.done();
}

#[tokio::test]
async fn list_offsets_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, empty, nowhere) = (unique("t"), unique("empty"), unique("nowhere"));
    node.create(&t, 1).await;
    node.create(&empty, 1).await;
    let start = now_ms() - 100_000;
    // Two batches; the timestamps do not rise.
    for timestamps in [[100, 300, 200], [250, 400, 150]] {
        let mut builder = BatchBuilder::new(Compression::None);
        for timestamp in timestamps {
            builder.push(start + timestamp, None, Some(b"x"), &[]).unwrap();
        }
        node.produce(&t, 0, builder.build()).await;
    }
    let mut answers = Answers::to("ListOffsets");
    let said = |reply: &list_offsets_response::ListOffsetsPartitionResponse| {
        let timestamp = if reply.timestamp > 0 {
            reply.timestamp - start
        } else {
            reply.timestamp
        };
        format!(
            "{} {} at {timestamp} in epoch {}",
            reply.error_code.name(),
            reply.offset,
            reply.leader_epoch
        )
    };
    for (question, timestamp, kafka) in [
        ("latest", -1, "NONE 6 at -1 in epoch 0"),
        ("earliest", -2, "NONE 0 at -1 in epoch 0"),
        ("of the largest timestamp", -3, "NONE 4 at 400 in epoch 0"),
        ("earliest local", -4, "NONE 0 at -1 in epoch 0"),
        ("latest tiered", -5, "NONE -1 at -1 in epoch -1"),
        ("earliest pending upload", -6, "NONE -1 at -1 in epoch -1"),
        ("no such meaning", -7, "UNSUPPORTED_VERSION -1 at -1 in epoch -1"),
        ("before all", start, "NONE 0 at 100 in epoch 0"),
        ("the first", start + 100, "NONE 0 at 100 in epoch 0"),
        ("between", start + 150, "NONE 1 at 300 in epoch 0"),
        ("not in the first batch", start + 301, "NONE 4 at 400 in epoch 0"),
        ("the largest", start + 400, "NONE 4 at 400 in epoch 0"),
        ("after all", start + 401, "NONE -1 at -1 in epoch -1"),
        ("zero", 0, "NONE 0 at 100 in epoch 0"),
    ] {
        answers.row(question, said(&node.offset_at(&t, 0, timestamp).await), kafka);
    }
    for (timestamp, kafka) in [
        (-1, "NONE 0 at -1 in epoch 0"),
        (-2, "NONE 0 at -1 in epoch 0"),
        (-3, "NONE -1 at -1 in epoch -1"),
        (-4, "NONE 0 at -1 in epoch 0"),
        (0, "NONE -1 at -1 in epoch -1"),
    ] {
        answers.row(
            &format!("{timestamp} of an empty one"),
            said(&node.offset_at(&empty, 0, timestamp).await),
            kafka,
        );
    }
    let unknown = "UNKNOWN_TOPIC_OR_PARTITION -1 at -1 in epoch -1";
    answers.row(
        "an unknown topic",
        said(&node.offset_at(&nowhere, 0, -1).await),
        unknown,
    );
    answers.row("an unknown partition", said(&node.offset_at(&t, 1, -1).await), unknown);
    answers.row("a negative partition", said(&node.offset_at(&t, -1, -1).await), unknown);

    let request = |epoch, count| {
        let partition = list_offsets_request::ListOffsetsPartition {
            timestamp: -1,
            current_leader_epoch: epoch,
            ..Default::default()
        };
        let topic = list_offsets_request::ListOffsetsTopic {
            name: t.clone(),
            partitions: vec![partition; count],
            ..Default::default()
        };
        ListOffsetsRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        }
    };
    for (epoch, kafka) in [
        (0, "NONE 6 at -1 in epoch 0"),
        (1, "UNKNOWN_LEADER_EPOCH -1 at -1 in epoch -1"),
    ] {
        let reply = node.call(&request(epoch, 1)).await;
        answers.row(
            &format!("leader epoch {epoch}"),
            said(&reply.topics[0].partitions[0]),
            kafka,
        );
    }
    let reply = node.call(&request(-1, 2)).await;
    let errors: Vec<_> = reply.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code.name())
        .collect();
    answers.row("the same partition twice", errors.join(" "), "INVALID_REQUEST");
    let mut max_timestamp = request(-1, 1);
    max_timestamp.topics[0].partitions[0].timestamp = -3;
    let reply = node.call_version(&max_timestamp, 6).await;
    let old = "UNSUPPORTED_VERSION -1 at -1 in epoch -1";
    answers.row(
        "the largest timestamp before version 7",
        said(&reply.topics[0].partitions[0]),
        old,
    );
    answers.done();
}

#[tokio::test]
async fn offset_for_leader_epoch_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    node.append(&t, 0, &["a", "b"]).await;
    let mut answers = Answers::to("OffsetForLeaderEpoch");
    for (question, topic, partition, current_leader_epoch, leader_epoch, kafka) in [
        ("the current epoch", &t, 0, -1, 0, "NONE epoch 0 ends at 2"),
        ("with a check", &t, 0, 0, 0, "NONE epoch 0 ends at 2"),
        ("a later epoch", &t, 0, -1, 1, "NONE epoch -1 ends at -1"),
        ("no epoch", &t, 0, -1, -1, "NONE epoch -1 ends at -1"),
        (
            "a leader not yet known",
            &t,
            0,
            1,
            0,
            "UNKNOWN_LEADER_EPOCH epoch -1 ends at -1",
        ),
        (
            "an unknown partition",
            &t,
            1,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION epoch -1 ends at -1",
        ),
        (
            "an unknown topic",
            &nowhere,
            0,
            -1,
            0,
            "UNKNOWN_TOPIC_OR_PARTITION epoch -1 ends at -1",
        ),
    ] {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition {
            partition,
            current_leader_epoch,
            leader_epoch,
            ..Default::default()
        };
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: topic.clone(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let reply = &node.call(&request).await.topics[0].partitions[0];
        let answer = format!(
            "{} epoch {} ends at {}",
            reply.error_code.name(),
            reply.leader_epoch,
            reply.end_offset
        );
        answers.row(question, answer, kafka);
    }
    answers.done();
}

#[tokio::test]
async fn delete_records_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, compacted, nowhere) = (unique("t"), unique("compacted"), unique("nowhere"));
    let endless = unique("endless");
    node.create(&t, 1).await;
    node.create_with(&endless, 1, &[("cleanup.policy", "")]).await;
    node.create_with(&compacted, 1, &[("cleanup.policy", "compact")]).await;
    for _ in 0..3 {
        node.append(&t, 0, &["x", "y"]).await;
    }
    let mut answers = Answers::to("DeleteRecords");
    for (question, topic, partition, offset, kafka) in [
        ("beyond the high watermark", &t, 0, 7, "OFFSET_OUT_OF_RANGE -1"),
        ("a negative offset", &t, 0, -2, "OFFSET_OUT_OF_RANGE -1"),
        ("nothing", &t, 0, 0, "NONE 0"),
        ("inside of a batch", &t, 0, 3, "NONE 3"),
        ("what is gone already", &t, 0, 1, "NONE 3"),
        ("an unknown partition", &t, 1, 0, "UNKNOWN_TOPIC_OR_PARTITION -1"),
        ("an unknown topic", &nowhere, 0, 0, "UNKNOWN_TOPIC_OR_PARTITION -1"),
        ("a compacted topic", &compacted, 0, 0, "POLICY_VIOLATION -1"),
        ("a topic without a cleanup policy", &endless, 0, 0, "NONE 0"),
    ] {
        answers.row(
            question,
            delete_records(&mut node, topic, partition, offset).await,
            kafka,
        );
    }
    let earliest = node.offset_at(&t, 0, -2).await.offset;
    answers.row("the earliest offset now", earliest, "3");
    answers.row(
        "fetch below it",
        node.fetch(&t, 0, 2).await.error_code.name(),
        "OFFSET_OUT_OF_RANGE",
    );
    let offsets: Vec<_> = records(&bytes(&node.fetch(&t, 0, 3).await))
        .iter()
        .map(|(offset, _)| *offset)
        .collect();
    answers.row("fetch from it, whole batches", format!("{offsets:?}"), "[2, 3, 4, 5]");
    answers.row("all", delete_records(&mut node, &t, 0, -1).await, "NONE 6");
    let ends = (
        node.offset_at(&t, 0, -2).await.offset,
        node.offset_at(&t, 0, -1).await.offset,
    );
    answers.row("earliest and latest then", format!("{ends:?}"), "(6, 6)");
    answers.done();
}

async fn delete_records(connection: &mut Connection, topic: &str, partition: i32, offset: i64) -> String {
    let partition = delete_records_request::DeleteRecordsPartition {
        partition_index: partition,
        offset,
        ..Default::default()
    };
    let topic = delete_records_request::DeleteRecordsTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = DeleteRecordsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let reply = connection.call(&request).await;
    let partition = &reply.topics[0].partitions[0];
    format!("{} {}", partition.error_code.name(), partition.low_watermark)
}

#[tokio::test]
async fn describe_producers_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    let producer = node.producer_id().await;
    node.produce(&t, 0, idempotent_batch(producer, 0, &["a", "b"])).await;
    let mut answers = Answers::to("DescribeProducers");
    for (question, topic, partition, kafka) in [
        ("a producer", &t, 0, "NONE [(true, 0, 1, -1)]"),
        ("an unknown partition", &t, 1, "UNKNOWN_TOPIC_OR_PARTITION []"),
        ("an unknown topic", &nowhere, 0, "UNKNOWN_TOPIC_OR_PARTITION []"),
    ] {
        let topic = describe_producers_request::TopicRequest {
            name: topic.clone(),
            partition_indexes: vec![partition],
            ..Default::default()
        };
        let reply = node
            .call(&DescribeProducersRequest {
                topics: vec![topic],
                ..Default::default()
            })
            .await;
        let partition = &reply.topics[0].partitions[0];
        let producers: Vec<_> = partition
            .active_producers
            .iter()
            .map(|state| {
                let ours = state.producer_id == producer.0;
                (
                    ours,
                    state.producer_epoch,
                    state.last_sequence,
                    state.current_txn_start_offset,
                )
            })
            .collect();
        answers.row(
            question,
            format!("{} {producers:?}", partition.error_code.name()),
            kafka,
        );
    }
    answers.done();
}
