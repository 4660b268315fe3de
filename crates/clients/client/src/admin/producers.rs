//! Who writes to partitions.

use std::sync::Arc;

use klamm_protocol::messages::describe_producers_request::TopicRequest;
use klamm_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::leaders::{LeaderCall, by_topic};
use super::{Admin, Each};
use crate::{Error, TopicPartition};

/// An idempotent producer as a partition's leader remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record, -1 for none.
    pub last_sequence: i32,
    /// The timestamp of its last record, in milliseconds since the Unix epoch, -1 for none.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that last ended a transaction of it.
    pub coordinator_epoch: Option<i32>,
    /// Where the transaction begins that is open.
    pub current_transaction_start_offset: Option<i64>,
}

#[derive(Clone)]
struct DescribeProducers;

impl LeaderCall for DescribeProducers {
    type Request = DescribeProducersRequest;
    type Item = Vec<ProducerState>;
    const WHAT: &'static str = "DescribeProducers";

    fn request(&self, _: i16, partitions: &[TopicPartition]) -> DescribeProducersRequest {
        let topics = by_topic(partitions)
            .into_iter()
            .map(|(name, partition_indexes)| TopicRequest {
                name: name.to_string(),
                partition_indexes,
                ..Default::default()
            });
        DescribeProducersRequest {
            topics: topics.collect(),
            ..Default::default()
        }
    }

    fn read(
        &self,
        _: i16,
        response: DescribeProducersResponse,
    ) -> Vec<(TopicPartition, Result<Vec<ProducerState>, Error>)> {
        let topics = response.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = topic.name.into();
            topic.partitions.into_iter().map(move |partition| {
                let producers = partition.active_producers.into_iter().map(|producer| ProducerState {
                    producer_id: producer.producer_id,
                    producer_epoch: producer.producer_epoch,
                    last_sequence: producer.last_sequence,
                    last_timestamp: producer.last_timestamp,
                    coordinator_epoch: Some(producer.coordinator_epoch).filter(|epoch| *epoch >= 0),
                    current_transaction_start_offset: Some(producer.current_txn_start_offset).filter(|at| *at >= 0),
                });
                let checked = Error::check_with(partition.error_code, partition.error_message);
                let answer = checked.map(|()| producers.collect());
                (TopicPartition::new(name.clone(), partition.partition_index), answer)
            })
        });
        topics.collect()
    }
}

impl Admin {
    /// The idempotent producers that each partition's leader remembers. DescribeProducers 0 (KIP-664), sent to the leaders.
    ///
    /// # Errors
    /// Per partition: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, TOPIC_AUTHORIZATION_FAILED.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, Vec<ProducerState>>, Error> {
        self.ask_leaders(&DescribeProducers, partitions).await
    }
}
