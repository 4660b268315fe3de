//! ListOffsets (key 2), v1-11, flexible from v6. Isolation from v2, leader epochs from v4 (KIP-320), the largest timestamp from
//! v7 (KIP-734), tiers from v8 and v9 (KIP-405, KIP-1005), the earliest that a tier has yet to take from v11 (KIP-1023).
//! Finds an offset by a timestamp, or one of the special ones. A partition asked for twice is refused, in one reply.

use std::collections::HashMap;
use std::sync::Arc;

use klamm_log::{Log, ReadError, TimestampAndOffset};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::list_offsets_request::ListOffsetsPartition;
use klamm_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use klamm_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tokio::task::spawn_blocking;

use super::partition_errors::{hosted, leader_code};
use crate::request::RequestContext;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let read_committed = match request.isolation_level {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ErrorCode::INVALID_REQUEST),
    };
    let has_leader_epoch = cx.api_version >= 4;
    let mut asked: HashMap<(&str, i32), usize> = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *asked.entry((&topic.name, partition.partition_index)).or_default() += 1;
        }
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for ask in &topic.partitions {
            let found = match asked.remove(&(&topic.name, ask.partition_index)) {
                Some(1) => match read_committed {
                    Ok(committed) => look_up(cx, &topic.name, ask, committed).await,
                    Err(code) => Err(code),
                },
                Some(_) => Err(ErrorCode::INVALID_REQUEST),
                None => continue,
            };
            partitions.push(response(ask.partition_index, found, has_leader_epoch));
        }
        // Of a topic of which nothing is asked Kafka does not answer that it is there.
        if !partitions.is_empty() {
            topics.push(ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions,
                ..Default::default()
            });
        }
    }
    ListOffsetsResponse {
        topics,
        ..Default::default()
    }
}

fn response(
    partition_index: i32,
    found: Result<Option<TimestampAndOffset>, ErrorCode>,
    has_leader_epoch: bool,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse {
        partition_index,
        ..Default::default()
    };
    match found {
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch.filter(|_| has_leader_epoch).unwrap_or(-1),
            ..response
        },
        Ok(None) => response,
        Err(error_code) => ListOffsetsPartitionResponse { error_code, ..response },
    }
}

/// The oldest version that knows a special timestamp.
fn min_version(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 1,
    }
}

async fn look_up(
    cx: &RequestContext<'_>,
    topic: &str,
    ask: &ListOffsetsPartition,
    read_committed: bool,
) -> Result<Option<TimestampAndOffset>, ErrorCode> {
    if ask.timestamp < EARLIEST_PENDING_UPLOAD || cx.api_version < min_version(ask.timestamp) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition = hosted(cx, topic, ask.partition_index)?;
    let epoch = partition
        .check_leader(Some(ask.current_leader_epoch))
        .map_err(|error| leader_code(&error))?;
    let log = partition.log();
    let offsets = log.offsets();
    let limit = if read_committed {
        offsets.last_stable_offset
    } else {
        offsets.high_watermark
    };
    let at = |offset| TimestampAndOffset {
        timestamp: -1,
        offset,
        leader_epoch: log.epoch_for_offset(offset),
    };
    let found = match ask.timestamp {
        LATEST => Some(TimestampAndOffset {
            timestamp: -1,
            offset: limit,
            leader_epoch: Some(epoch),
        }),
        // There are no tiers, and nothing waits to be taken.
        EARLIEST => Some(at(offsets.log_start_offset)),
        EARLIEST_LOCAL => Some(at(offsets.local_log_start_offset)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => None,
        MAX_TIMESTAMP => search(log, limit, Log::offset_of_max_timestamp).await?,
        timestamp => search(log, limit, move |log| log.offset_for_timestamp(timestamp)).await?,
    };
    Ok(found)
}

type Found = Result<Option<TimestampAndOffset>, ReadError>;

/// Looks for a record in the files, which may take their time.
async fn search(
    log: Arc<Log>,
    limit: i64,
    look: impl FnOnce(&Log) -> Found + Send + 'static,
) -> Result<Option<TimestampAndOffset>, ErrorCode> {
    let searched = spawn_blocking(move || visible(look(&log), limit, &log)).await;
    searched.unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR))
}

/// A record beyond what the client may see is not there for it.
fn visible(found: Found, limit: i64, log: &Log) -> Result<Option<TimestampAndOffset>, ErrorCode> {
    match found {
        Ok(found) => Ok(found.filter(|found| found.offset < limit)),
        Err(ReadError::OffsetOutOfRange { .. }) => Ok(None),
        Err(ReadError::Storage(error)) => {
            tracing::error!("{}: {error}", log.topic_partition());
            Err(ErrorCode::KAFKA_STORAGE_ERROR)
        }
    }
}
