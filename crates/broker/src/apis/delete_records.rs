//! DeleteRecords (key 21), v0-2, flexible from v2. KIP-107.
//! Moves log start offsets forward and answers with each partition's low watermark: the least log start offset of its live
//! replicas. Segments that lie wholly below are deleted by retention.
//! Errors per partition: unknown, not leader, beyond the high watermark, internal or compact-only topic, storage.

use std::collections::BTreeMap;

use klamm_log::DeleteRecordsError;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::delete_records_request::DeleteRecordsTopic;
use klamm_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use klamm_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use tokio::task::spawn_blocking;

use super::partition_errors::{hosted, leader_code};
use crate::request::RequestContext;
use crate::topics::is_internal;

/// The offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    // Of a topic that is named twice the last mention counts.
    let asked: BTreeMap<&str, &DeleteRecordsTopic> = request
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic))
        .collect();
    let mut response = DeleteRecordsResponse::default();
    for topic in asked.into_values() {
        let mut result = DeleteRecordsTopicResult {
            name: topic.name.clone(),
            ..Default::default()
        };
        for ask in &topic.partitions {
            let partition_index = ask.partition_index;
            let (low_watermark, error_code) = match delete(cx, &topic.name, partition_index, ask.offset).await {
                Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
                Err(code) => (-1, code),
            };
            result.partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark,
                error_code,
                ..Default::default()
            });
        }
        response.topics.push(result);
    }
    response
}

async fn delete(cx: &RequestContext<'_>, topic: &str, partition: i32, offset: i64) -> Result<i64, ErrorCode> {
    if cx.image.topics().partition(topic, partition).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if is_internal(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let partition = hosted(cx, topic, partition)?;
    partition.check_leader(None).map_err(|error| leader_code(&error))?;
    let log = partition.log();
    // Without any policy, too, records go in no other way (KAFKA-19112).
    let policy = log.config().cleanup_policy;
    if policy.compact && !policy.delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let offset = if offset == HIGH_WATERMARK {
        log.high_watermark()
    } else {
        offset
    };
    if offset < 0 {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let deleted = match partition.delete_records_at_once(offset) {
        Some(deleted) => deleted,
        None => spawn_blocking(move || partition.delete_records(offset))
            .await
            .map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?,
    };
    deleted.map_err(|error| code(&error))
}

fn code(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::BeyondHighWatermark { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        DeleteRecordsError::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}
