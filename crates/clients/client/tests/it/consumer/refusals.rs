//! Brokers that refuse for a while.

use klamm_client::{Consumer, TopicPartition};
use klamm_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use klamm_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use klamm_protocol::messages::{ListOffsetsResponse, MetadataResponse};
use klamm_protocol::{ApiKey, ErrorCode};

use crate::fake::{Doing, Fake, metadata};

fn topics(brokers: MetadataResponse) -> MetadataResponse {
    let partition = MetadataResponsePartition {
        leader_id: 1,
        leader_epoch: 0,
        ..MetadataResponsePartition::default()
    };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![partition],
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        topics: vec![topic],
        ..brokers
    }
}

fn offsets(error_code: ErrorCode, offset: i64) -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse {
        error_code,
        offset,
        ..ListOffsetsPartitionResponse::default()
    };
    ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse {
            name: "t".into(),
            partitions: vec![partition],
            ..ListOffsetsTopicResponse::default()
        }],
        ..ListOffsetsResponse::default()
    }
}

#[tokio::test]
async fn a_partition_whose_offsets_were_refused_comes_back_without_a_seek() {
    let fake = Fake::start(|asked| match (asked.key, asked.before) {
        (ApiKey::Metadata, _) => Some(asked.reply(&topics(metadata(&[(1, asked.address)])))),
        (ApiKey::ListOffsets, 0) => Some(asked.reply(&offsets(ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1))),
        (ApiKey::ListOffsets, _) => Some(asked.reply(&offsets(ErrorCode::NONE, 7))),
        (ApiKey::Fetch, _) => Some(Doing::Nothing),
        _ => None,
    })
    .await;
    let partition = TopicPartition::new("t", 0);
    let consumer = Consumer::builder(fake.address()).assign([partition.clone()]);
    let consumer = consumer.build().await.unwrap();
    let error = consumer.position(&partition).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(consumer.position(&partition).await.unwrap(), 7);
}
