//! Requests and batches as clients send them, small ones: what is counted is what is done for each, not copies or checksums of many
//! bytes, which take as many instructions as the processor has features.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{Records, Request, frame};
use klamm_records::{BatchBuilder, Compression};

pub(crate) const TOPIC: &str = "guarded";

/// As large as a record is in them.
const VALUE: [u8; 100] = [b'v'; 100];

/// A batch of so many records of 100 bytes.
pub(crate) fn batch(records: usize, now_ms: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder
            .push(now_ms, Some(b"key"), Some(&VALUE), &[])
            .expect("a batch has room for them");
    }
    builder.build()
}

/// The last version that names topics.
pub(crate) const PRODUCE: i16 = 12;
/// The same.
pub(crate) const FETCH: i16 = 12;
pub(crate) const METADATA: i16 = 12;

pub(crate) fn produce(acks: i16, partitions: i32, records: &Bytes) -> ProduceRequest {
    let partition = |index| produce_request::PartitionProduceData {
        index,
        records: Some(Records::Bytes(records.clone())),
        ..Default::default()
    };
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![produce_request::TopicProduceData {
            name: TOPIC.to_owned(),
            partition_data: (0..partitions).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Asks for one batch of each partition.
pub(crate) fn fetch(partitions: i32) -> FetchRequest {
    let partition = |partition| fetch_request::FetchPartition {
        partition,
        fetch_offset: 0,
        partition_max_bytes: 1,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![fetch_request::FetchTopic {
            topic: TOPIC.to_owned(),
            partitions: (0..partitions).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(crate) fn metadata() -> MetadataRequest {
    MetadataRequest {
        topics: None,
        ..Default::default()
    }
}

/// What Metadata answers of a topic.
pub(crate) fn metadata_response(partitions: i32) -> MetadataResponse {
    let partition = |partition_index| metadata_response::MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..Default::default()
    };
    MetadataResponse {
        topics: vec![metadata_response::MetadataResponseTopic {
            name: Some(TOPIC.to_owned()),
            partitions: (0..partitions).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The request as it goes over the wire.
pub(crate) fn frame<R: Request>(request: &R, version: i16) -> Bytes {
    let frame = frame::encode_request(7, Some("guard"), version, request);
    frame.expect("it fits its version").bytes
}
