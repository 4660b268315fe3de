//! The records at the start of partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use klamm_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::leaders::{LeaderCall, by_topic};
use super::{Admin, Each};
use crate::{Error, TopicPartition};

#[derive(Clone)]
struct DeleteRecords {
    before: Arc<BTreeMap<TopicPartition, i64>>,
    timeout_ms: i32,
}

impl LeaderCall for DeleteRecords {
    type Request = DeleteRecordsRequest;
    type Item = i64;
    const WHAT: &'static str = "DeleteRecords";

    fn request(&self, _: i16, partitions: &[TopicPartition]) -> DeleteRecordsRequest {
        let topics = by_topic(partitions).into_iter().map(|(name, indexes)| {
            let partitions = indexes.into_iter().map(|index| DeleteRecordsPartition {
                partition_index: index,
                offset: self.before[&TopicPartition::new(name.clone(), index)],
                ..Default::default()
            });
            DeleteRecordsTopic {
                partitions: partitions.collect(),
                name: name.to_string(),
                ..Default::default()
            }
        });
        DeleteRecordsRequest {
            topics: topics.collect(),
            timeout_ms: self.timeout_ms,
            ..Default::default()
        }
    }

    fn read(&self, _: i16, response: DeleteRecordsResponse) -> Vec<(TopicPartition, Result<i64, Error>)> {
        let topics = response.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = topic.name.into();
            topic.partitions.into_iter().map(move |partition| {
                let low_watermark = Error::check(partition.error_code).map(|()| partition.low_watermark);
                (
                    TopicPartition::new(name.clone(), partition.partition_index),
                    low_watermark,
                )
            })
        });
        topics.collect()
    }
}

impl Admin {
    /// Deletes the records of each partition that lie before an offset, and answers the low watermark: the first offset
    /// that is left on every replica. The offset -1 is the high watermark: everything. DeleteRecords 0-2 (KIP-107), sent
    /// to the partitions' leaders.
    ///
    /// # Errors
    /// Per partition: OFFSET_OUT_OF_RANGE for an offset beyond the high watermark, POLICY_VIOLATION for a topic that is
    /// only compacted, UNKNOWN_TOPIC_OR_PARTITION.
    pub async fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<Each<TopicPartition, i64>, Error> {
        let call = DeleteRecords {
            before: Arc::new(before.iter().cloned().collect()),
            timeout_ms: self.timeout_ms(),
        };
        let partitions: Vec<_> = before.iter().map(|(partition, _)| partition.clone()).collect();
        self.ask_leaders(&call, &partitions).await
    }
}
