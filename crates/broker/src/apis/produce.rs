//! Produce (key 0), v3-13, flexible from v9. Topic ids from v13 (KIP-516), record errors from v8 (KIP-467), the current leader
//! in errors from v10 (KIP-951). Offered from v0 for old librdkafkas (KAFKA-18659), refused below v3.
//! Appends one batch per partition; acks=1 and acks=0 are answered when that is done, acks=all when the ISR has it.
//! acks=0 has no reply: an error closes the connection, the only sign such a client can get.
//! What would have to wait for its partition or its disk is appended by a thread that may; all of a request is begun before any
//! of it is waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use klamm_log::{AppendError, AppendInfo, AppendOrigin, InvalidBatch, ProducerError, RecordError};
use klamm_protocol::messages::produce_request::PartitionProduceData;
use klamm_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use klamm_protocol::messages::{ProduceRequest, ProduceResponse};
use klamm_protocol::{ErrorCode, Records, Uuid};
use klamm_records::{BatchError, BatchHeader, Compression};
use tokio::task::{JoinHandle, spawn_blocking};

use super::leader_endpoints::{LeaderEndpoint, leader_endpoints};
use crate::partitions::{Committed, Hosted, Partition, ProduceError};
use crate::request::{After, RequestContext};
use crate::topics::is_internal;

/// The client id under which Kafka's own tools may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// Where a batch's length field ends.
const LENGTH_ENDS: usize = 12;

/// What differs between versions.
struct Flags {
    by_topic_id: bool,
    zstd_allowed: bool,
    tells_leader: bool,
}

impl Flags {
    fn of(version: i16) -> Self {
        Flags {
            by_topic_id: version >= 13,
            zstd_allowed: version >= 7,
            tells_leader: version >= 10,
        }
    }
}

/// A partition's part of the request.
enum Begun {
    Ended(Appended),
    /// Done by another thread, which goes on if the client leaves.
    Runs {
        index: i32,
        thread: JoinHandle<Appended>,
    },
}

/// A partition's part of the request, appended or refused.
enum Appended {
    /// Answered whatever happens.
    Done(PartitionProduceResponse),
    /// acks=all: answered when the offset is committed.
    Waiting {
        partition: Arc<Partition>,
        end: i64,
        response: PartitionProduceResponse,
    },
}

pub(crate) async fn handle(cx: &RequestContext<'_>, request: ProduceRequest) -> ProduceResponse {
    let flags = Flags::of(cx.api_version);
    let acks = request.acks;
    if request.transactional_id.is_none() && has_transactional_batch(&request) {
        return not_authorized(request);
    }
    let mut begun = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        if topic.partition_data.is_empty() {
            continue; // a topic of which nothing is written does not come back
        }
        let name = match flags.by_topic_id {
            false => Some(topic.name.as_str()),
            true => cx.image.topics().by_id(topic.topic_id).map(|known| &*known.name),
        };
        let parts: Vec<_> = last_of_each(topic.partition_data)
            .into_iter()
            .map(|data| append(cx, &flags, name, topic.topic_id, acks, data))
            .collect();
        begun.push((topic.name, topic.topic_id, parts));
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = tokio::time::Instant::now() + timeout;
    let mut response = ProduceResponse::default();
    for (name, topic_id, parts) in begun {
        let mut topic = TopicProduceResponse {
            name,
            topic_id,
            ..Default::default()
        };
        for part in parts {
            let appended = appended(part).await;
            topic.partition_responses.push(finished(appended, deadline).await);
        }
        response.responses.push(topic);
    }
    if acks == 0 {
        let failed = |topic: &TopicProduceResponse| topic.partition_responses.iter().any(is_failed);
        cx.set_after(if response.responses.iter().any(failed) {
            After::Close
        } else {
            After::Silence
        });
    }
    if flags.tells_leader {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let named = partitions.map(|partition| partition.current_leader.leader_id);
        response.node_endpoints = leader_endpoints(cx, named).into_iter().map(node_endpoint).collect();
    }
    response
}

/// Of a partition that is named several times only the last batch counts.
fn last_of_each(mut asked: Vec<PartitionProduceData>) -> Vec<PartitionProduceData> {
    let mut last: HashMap<i32, usize> = HashMap::with_capacity(asked.len());
    for (place, data) in asked.iter().enumerate() {
        last.insert(data.index, place);
    }
    if last.len() < asked.len() {
        let mut places = 0..;
        asked.retain(|data| places.next() == Some(last[&data.index]));
    }
    asked
}

fn has_transactional_batch(request: &ProduceRequest) -> bool {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut batches = partitions.filter_map(|partition| match &partition.records {
        Some(Records::Bytes(bytes)) => BatchHeader::parse(bytes).ok(),
        _ => None,
    });
    batches.any(|header| header.attributes.is_transactional())
}

/// Who names no transactional id may write to no transaction.
fn not_authorized(request: ProduceRequest) -> ProduceResponse {
    let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let refused = |data: PartitionProduceData| {
        let message = "a batch is of a transaction, but the request names no transactional id";
        failed(data.index, code, message.to_owned())
    };
    let topics = request.topic_data.into_iter().map(|topic| TopicProduceResponse {
        name: topic.name,
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.into_iter().map(refused).collect(),
        ..Default::default()
    });
    ProduceResponse {
        responses: topics.collect(),
        ..Default::default()
    }
}

fn is_failed(response: &PartitionProduceResponse) -> bool {
    response.error_code != ErrorCode::NONE
}

fn append(
    cx: &RequestContext<'_>,
    flags: &Flags,
    topic: Option<&str>,
    topic_id: Uuid,
    acks: i16,
    data: PartitionProduceData,
) -> Begun {
    let index = data.index;
    let refused = |code, message: String| Begun::Ended(Appended::Done(failed(index, code, message)));
    let Some(topic) = topic else {
        return refused(ErrorCode::UNKNOWN_TOPIC_ID, format!("no topic has the id {topic_id}"));
    };
    if cx.image.topics().partition(topic, index).is_none() {
        return refused(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            format!("there is no partition {topic}-{index}"),
        );
    }
    let records = match records(flags, data.records) {
        Ok(records) => records,
        Err((code, message)) => return refused(code, message),
    };
    if !(-1..=1).contains(&acks) {
        return refused(
            ErrorCode::INVALID_REQUIRED_ACKS,
            format!("acks is {acks}, not -1, 0 or 1"),
        );
    }
    if is_internal(topic) && cx.client_id != ADMIN_CLIENT_ID {
        return refused(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            format!("{topic} is internal: clients may not write to it"),
        );
    }
    let partition = match cx.node.partitions.get(topic, index) {
        // The replica is of a topic that took the name since.
        Some(Hosted::Online(partition)) if flags.by_topic_id && partition.topic_id() != topic_id => {
            return refused(ErrorCode::UNKNOWN_TOPIC_ID, format!("no topic has the id {topic_id}"));
        }
        Some(Hosted::Online(partition)) => partition,
        Some(Hosted::Offline) => return refused(ErrorCode::KAFKA_STORAGE_ERROR, format!("{topic}-{index} is offline")),
        None => {
            return refused(
                ErrorCode::NOT_LEADER_OR_FOLLOWER,
                format!("{topic}-{index} is not here"),
            );
        }
    };
    let (acks_all, origin) = (acks == -1, AppendOrigin::Client);
    match partition.append_at_once(&records, acks_all, origin, cx.node.clock.now_ms()) {
        Some(outcome) => Begun::Ended(outcome_of(partition, acks_all, outcome)),
        None => {
            let clock = Arc::clone(&cx.node.clock);
            let append = move || {
                let outcome = partition.append(&records, acks_all, origin, clock.now_ms());
                outcome_of(partition, acks_all, outcome)
            };
            let thread = spawn_blocking(append);
            Begun::Runs { index, thread }
        }
    }
}

fn outcome_of(partition: Arc<Partition>, acks_all: bool, outcome: Result<AppendInfo, ProduceError>) -> Appended {
    match outcome {
        Ok(info) => {
            let end = info.last_offset + 1;
            let response = placed(partition.index(), &info);
            if acks_all && !partition.is_committed(end) {
                return Appended::Waiting {
                    partition,
                    end,
                    response,
                };
            }
            Appended::Done(response)
        }
        Err(error) => Appended::Done(refusal(&partition, &error)),
    }
}

/// What a partition got, if it is something that this version may send: exactly one batch of the one format.
fn records(flags: &Flags, records: Option<Records>) -> Result<bytes::Bytes, (ErrorCode, String)> {
    let invalid = |message: &str| Err((ErrorCode::INVALID_RECORD, message.to_owned()));
    let bytes = match records {
        Some(Records::Bytes(bytes)) if !bytes.is_empty() => bytes,
        _ => return invalid("there is no batch"),
    };
    let header = match BatchHeader::parse(&bytes) {
        Ok(header) => header,
        Err(BatchError::UnsupportedMagic { magic, .. }) => {
            return invalid(&format!(
                "batches of magic {magic} are not accepted, only those of magic 2"
            ));
        }
        // Not even the length of a batch: nothing that could be damaged.
        Err(error) if bytes.len() < LENGTH_ENDS => return invalid(&error.to_string()),
        Err(error) => return Err((ErrorCode::CORRUPT_MESSAGE, error.to_string())),
    };
    if header.size_in_bytes() > bytes.len() {
        return invalid("the batch is cut off");
    }
    if !flags.zstd_allowed && header.attributes.compression() == Ok(Compression::Zstd) {
        let message = "zstd needs Produce v7 or newer".to_owned();
        return Err((ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, message));
    }
    // Half of another batch is read over, as in Kafka.
    let rest = bytes.slice(header.size_in_bytes()..);
    if BatchHeader::parse(&rest).is_ok_and(|second| second.size_in_bytes() <= rest.len()) {
        return invalid("there is more than one batch");
    }
    // Old versions are searched for codecs that they don't know.
    if let (false, Err(error)) = (flags.zstd_allowed, header.attributes.compression()) {
        return invalid(&error.to_string());
    }
    if header.attributes.is_transactional() {
        let message = "the partition was not added to a transaction: transactions are not supported yet".to_owned();
        return Err((ErrorCode::INVALID_TXN_STATE, message));
    }
    Ok(bytes)
}

async fn appended(begun: Begun) -> Appended {
    match begun {
        Begun::Ended(appended) => appended,
        Begun::Runs { index, thread } => thread.await.unwrap_or_else(|panic| {
            let message = format!("appending ended badly: {panic}");
            Appended::Done(failed(index, ErrorCode::UNKNOWN_SERVER_ERROR, message))
        }),
    }
}

async fn finished(appended: Appended, deadline: tokio::time::Instant) -> PartitionProduceResponse {
    match appended {
        Appended::Done(response) => response,
        Appended::Waiting {
            partition,
            end,
            mut response,
        } => {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            response.error_code = match partition.committed(end, left).await {
                Committed::Yes => ErrorCode::NONE,
                Committed::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
                Committed::LeaderChanged => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            };
            response
        }
    }
}

fn placed(index: i32, info: &AppendInfo) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: info.first_offset,
        log_append_time_ms: info.log_append_time_ms,
        log_start_offset: info.log_start_offset,
        ..Default::default()
    }
}

fn failed(index: i32, error_code: ErrorCode, message: String) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code,
        base_offset: -1,
        error_message: Some(message),
        ..Default::default()
    }
}

fn refusal(partition: &Partition, error: &ProduceError) -> PartitionProduceResponse {
    let mut response = failed(partition.index(), code(error), error.to_string());
    match error {
        ProduceError::NotLeader(_) => {
            let (leader_id, leader_epoch) = partition.leader();
            response.current_leader = LeaderIdAndEpoch {
                leader_id,
                leader_epoch,
                ..Default::default()
            };
        }
        ProduceError::Append(AppendError::Invalid(
            InvalidBatch::Invalid { record_errors, .. } | InvalidBatch::InvalidTimestamp { record_errors },
        )) => {
            response.log_start_offset = partition.log().log_start_offset();
            response.record_errors = record_errors.iter().map(record_error).collect();
        }
        ProduceError::Append(AppendError::Producer(_)) => {
            response.log_start_offset = partition.log().log_start_offset();
        }
        ProduceError::NotEnoughReplicas(_) | ProduceError::Append(_) => {}
    }
    response
}

fn record_error(error: &RecordError) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage {
        batch_index: error.batch_index,
        batch_index_error_message: Some(error.message.clone()),
        ..Default::default()
    }
}

fn code(error: &ProduceError) -> ErrorCode {
    match error {
        ProduceError::NotLeader(_) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ProduceError::NotEnoughReplicas(_) => ErrorCode::NOT_ENOUGH_REPLICAS,
        ProduceError::Append(AppendError::Invalid(invalid)) => match invalid {
            InvalidBatch::TooLarge { .. } | InvalidBatch::DecompressedTooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            InvalidBatch::Corrupt(_) => ErrorCode::CORRUPT_MESSAGE,
            InvalidBatch::Invalid { .. } => ErrorCode::INVALID_RECORD,
            InvalidBatch::InvalidTimestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
        },
        ProduceError::Append(AppendError::Producer(producer)) => match producer {
            ProducerError::InvalidEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
            ProducerError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ProducerError::OutsideTransaction { .. } | ProducerError::NotVerified { .. } => {
                ErrorCode::INVALID_TXN_STATE
            }
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        },
        ProduceError::Append(AppendError::LargerThanSegment { .. }) => ErrorCode::RECORD_LIST_TOO_LARGE,
        ProduceError::Append(AppendError::UnexpectedOffset { .. } | AppendError::OffsetsExhausted) => {
            ErrorCode::KAFKA_STORAGE_ERROR
        }
        ProduceError::Append(AppendError::Storage(_)) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

fn node_endpoint(leader: LeaderEndpoint) -> NodeEndpoint {
    NodeEndpoint {
        node_id: leader.node_id,
        host: leader.host,
        port: leader.port,
        rack: leader.rack,
        ..Default::default()
    }
}
