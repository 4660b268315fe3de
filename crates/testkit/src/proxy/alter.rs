//! What a proxy changes in requests and replies on their way: addresses, fetch sessions, versions, and lost leaders.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, ErrorCode, Listener, Request, Uuid, frame};

use super::FaultError;
use super::connection::door;
use super::errors::{self, Failing};
use super::seen::Seen;
use super::state::State;

const LOST: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

/// What goes on to the broker of a request, and what of its reply is known already.
#[derive(Default)]
pub(super) struct Passage {
    /// The request's frame; `None` when nothing of it is left to ask for.
    pub(super) forward: Option<Bytes>,
    /// Rows for partitions without leader, which the broker was not asked for.
    produce: Option<ProduceResponse>,
    delete_records: Option<DeleteRecordsResponse>,
}

impl Passage {
    /// The broker's part of the reply, when it was asked for nothing.
    pub(super) fn nothing_left(&self, seen: &Seen) -> Result<Bytes, FaultError> {
        match self.produce {
            Some(_) => encode(seen, &ProduceResponse::default()),
            None => encode(seen, &DeleteRecordsResponse::default()),
        }
    }
}

fn encode<R: klamm_protocol::Response>(seen: &Seen, response: &R) -> Result<Bytes, FaultError> {
    let reply = frame::encode_response(seen.correlation_id, seen.version, response)?;
    Ok(reply.bytes.slice(frame::SIZE_PREFIX..))
}

/// Makes a request ready for the broker.
pub(super) fn request(state: &State, seen: &Seen, frame: Bytes) -> Result<Passage, FaultError> {
    let mut passage = Passage::default();
    let lost = |topic: &str, id, partition| state.misses_leader(topic, id, partition);
    if seen.key == ApiKey::Fetch {
        passage.forward = Some(sessionless(state, seen, frame));
    } else if let Some(mut request) = seen.decode::<ProduceRequest>()
        && let Some(missing) = split_produce(&mut request, lost)
    {
        passage.forward = rest(seen, &request, request.topic_data.is_empty())?;
        passage.produce = Some(missing.failed(seen.version, LOST));
    } else if let Some(mut request) = seen.decode::<DeleteRecordsRequest>()
        && let Some(missing) = split_delete_records(&mut request, lost)
    {
        passage.forward = rest(seen, &request, request.topics.is_empty())?;
        passage.delete_records = Some(missing.failed(seen.version, LOST));
    } else {
        passage.forward = Some(frame);
    }
    Ok(passage)
}

fn rest<R: Request>(seen: &Seen, request: &R, is_empty: bool) -> Result<Option<Bytes>, FaultError> {
    if is_empty {
        return Ok(None);
    }
    let request = frame::encode_request(seen.correlation_id, seen.client_id.as_deref(), seen.version, request)?;
    Ok(Some(request.bytes.slice(frame::SIZE_PREFIX..)))
}

/// Takes the partitions without leader out of a request, which have a request of their own then.
fn split_produce(request: &mut ProduceRequest, lost: impl Fn(&str, Uuid, i32) -> bool) -> Option<ProduceRequest> {
    let mut missing = request.clone();
    missing.topic_data.clear();
    for topic in &mut request.topic_data {
        let mut gone = topic.clone();
        let is_lost = |index| lost(&topic.name, topic.topic_id, index);
        (gone.partition_data, topic.partition_data) = topic
            .partition_data
            .drain(..)
            .partition(|partition| is_lost(partition.index));
        missing
            .topic_data
            .extend((!gone.partition_data.is_empty()).then_some(gone));
    }
    request.topic_data.retain(|topic| !topic.partition_data.is_empty());
    (!missing.topic_data.is_empty()).then_some(missing)
}

fn split_delete_records(
    request: &mut DeleteRecordsRequest,
    lost: impl Fn(&str, Uuid, i32) -> bool,
) -> Option<DeleteRecordsRequest> {
    let mut missing = request.clone();
    missing.topics.clear();
    for topic in &mut request.topics {
        let mut gone = topic.clone();
        let is_lost = |index| lost(&topic.name, Uuid::ZERO, index);
        (gone.partitions, topic.partitions) = topic
            .partitions
            .drain(..)
            .partition(|partition| is_lost(partition.partition_index));
        missing.topics.extend((!gone.partitions.is_empty()).then_some(gone));
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    (!missing.topics.is_empty()).then_some(missing)
}

/// A Fetch that opens no session; without waiting, if it asks a leader that is lost.
fn sessionless(state: &State, seen: &Seen, frame: Bytes) -> Bytes {
    const FINAL_EPOCH: i32 = -1;
    let start = frame.len() - seen.body.len();
    // Before the first field of variable length stand, each in its versions: replica id, longest wait, least and most
    // bytes, isolation level, session id and session epoch.
    let max_wait = start + if seen.version < 15 { 4 } else { 0 };
    let session = max_wait + 13;
    let mut frame = BytesMut::from(frame);
    if seen.version >= 7 && frame.len() >= session + 8 {
        frame[session..session + 4].fill(0);
        frame[session + 4..session + 8].copy_from_slice(&FINAL_EPOCH.to_be_bytes());
    }
    let mut topics = seen
        .decode::<FetchRequest>()
        .map(|request| request.topics)
        .into_iter()
        .flatten();
    let waits_in_vain = topics.any(|topic| {
        let mut partitions = topic.partitions.iter();
        partitions.any(|row| state.is_leaderless(&topic.topic, topic.topic_id, row.partition))
    });
    if waits_in_vain {
        frame[max_wait..max_wait + 4].fill(0);
    }
    frame.freeze()
}

/// Makes a reply ready for the client.
pub(super) fn reply(state: &Arc<State>, seen: &Seen, reply: Bytes, passage: Passage) -> Result<Bytes, FaultError> {
    macro_rules! edit {
        ($response:ident, $edit:expr) => {{
            let (_, mut response) = frame::decode_response::<$response>(reply, seen.version)?;
            let edit: &dyn Fn(&mut $response) = &$edit;
            edit(&mut response);
            encode(seen, &response)
        }};
    }
    match seen.key {
        ApiKey::ApiVersions => api_versions(seen, reply),
        ApiKey::Metadata => edit!(MetadataResponse, |response| metadata(state, response)),
        ApiKey::FindCoordinator => edit!(FindCoordinatorResponse, |response| {
            lead_through(state, &mut response.host, &mut response.port);
            for found in &mut response.coordinators {
                lead_through(state, &mut found.host, &mut found.port);
            }
        }),
        ApiKey::DescribeCluster => edit!(DescribeClusterResponse, |response| {
            for broker in &mut response.brokers {
                lead_through(state, &mut broker.host, &mut broker.port);
            }
        }),
        ApiKey::Produce => edit!(ProduceResponse, |response| {
            for node in &mut response.node_endpoints {
                lead_through(state, &mut node.host, &mut node.port);
            }
            merge_produce(response, passage.produce.as_ref());
        }),
        ApiKey::DeleteRecords => edit!(DeleteRecordsResponse, |response| {
            merge_delete_records(response, passage.delete_records.as_ref());
        }),
        ApiKey::Fetch => edit!(FetchResponse, |response| fetch(state, response)),
        ApiKey::ListOffsets => edit!(ListOffsetsResponse, |response| list_offsets(state, response)),
        ApiKey::OffsetForLeaderEpoch => edit!(OffsetForLeaderEpochResponse, |response| epochs(state, response)),
        ApiKey::DescribeTopicPartitions => {
            edit!(DescribeTopicPartitionsResponse, |response| topic_partitions(
                state, response
            ))
        }
        _ => Ok(reply),
    }
}

/// The reply to a Metadata request that failed.
pub(super) fn spoiled_metadata(
    state: &Arc<State>,
    seen: &Seen,
    reply: Bytes,
    code: ErrorCode,
) -> Result<Bytes, FaultError> {
    let (_, mut response) = frame::decode_response::<MetadataResponse>(reply, seen.version)?;
    metadata(state, &mut response);
    errors::spoil_metadata(&mut response, code);
    encode(seen, &response)
}

/// Puts the proxy's door in place of a broker's address; a coordinator that is not there has none.
fn lead_through(state: &Arc<State>, host: &mut String, port: &mut i32) {
    if let Ok(number @ 1..) = u16::try_from(*port)
        && let Ok(door) = door(state, host, number)
    {
        (*host, *port) = (door.ip().to_string(), i32::from(door.port()));
    }
}

/// Offers no version that is not known here. A node that lacks the request's own version answers in version 0.
fn api_versions(seen: &Seen, reply: Bytes) -> Result<Bytes, FaultError> {
    let code = reply.get(4..6).map(|code| i16::from_be_bytes([code[0], code[1]]));
    let version = if code == Some(ErrorCode::UNSUPPORTED_VERSION.0) {
        0
    } else {
        seen.version
    };
    let (_, mut response) = frame::decode_response::<ApiVersionsResponse>(reply, version)?;
    response.api_keys.retain_mut(|api| {
        let Ok(key) = ApiKey::try_from(api.api_key) else {
            return false;
        };
        let Some(known) = key.advertised(Listener::Broker, true) else {
            return false;
        };
        api.max_version = api.max_version.min(known.max);
        api.min_version <= api.max_version
    });
    let reply = frame::encode_response(seen.correlation_id, version, &response)?;
    Ok(reply.bytes.slice(frame::SIZE_PREFIX..))
}

fn metadata(state: &Arc<State>, response: &mut MetadataResponse) {
    state.learn(response);
    for broker in &mut response.brokers {
        lead_through(state, &mut broker.host, &mut broker.port);
    }
    for topic in &mut response.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        for row in &mut topic.partitions {
            if state.is_leaderless(name, topic.topic_id, row.partition_index) {
                (row.error_code, row.leader_id) = (ErrorCode::LEADER_NOT_AVAILABLE, -1);
            }
        }
    }
}

fn topic_partitions(state: &State, response: &mut DescribeTopicPartitionsResponse) {
    for topic in &mut response.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        for row in &mut topic.partitions {
            if state.is_leaderless(name, topic.topic_id, row.partition_index) {
                (row.error_code, row.leader_id) = (ErrorCode::LEADER_NOT_AVAILABLE, -1);
            }
        }
    }
}

fn fetch(state: &Arc<State>, response: &mut FetchResponse) {
    use fetch_response::PartitionData;
    for node in &mut response.node_endpoints {
        lead_through(state, &mut node.host, &mut node.port);
    }
    for topic in &mut response.responses {
        for row in &mut topic.partitions {
            if state.misses_leader(&topic.topic, topic.topic_id, row.partition_index) {
                *row = PartitionData {
                    partition_index: row.partition_index,
                    error_code: LOST,
                    high_watermark: -1,
                    aborted_transactions: None,
                    ..Default::default()
                };
            }
        }
    }
}

fn list_offsets(state: &State, response: &mut ListOffsetsResponse) {
    use list_offsets_response::ListOffsetsPartitionResponse;
    for topic in &mut response.topics {
        for row in &mut topic.partitions {
            if state.misses_leader(&topic.name, Uuid::ZERO, row.partition_index) {
                *row = ListOffsetsPartitionResponse {
                    partition_index: row.partition_index,
                    error_code: LOST,
                    ..Default::default()
                };
            }
        }
    }
}

fn epochs(state: &State, response: &mut OffsetForLeaderEpochResponse) {
    use offset_for_leader_epoch_response::EpochEndOffset;
    for topic in &mut response.topics {
        for row in &mut topic.partitions {
            if state.misses_leader(&topic.topic, Uuid::ZERO, row.partition) {
                *row = EpochEndOffset {
                    partition: row.partition,
                    error_code: LOST,
                    ..Default::default()
                };
            }
        }
    }
}

/// Joins the rows of partitions that the broker was not asked for, each topic once: some clients keep only its last.
fn merge_produce(response: &mut ProduceResponse, missing: Option<&ProduceResponse>) {
    for topic in missing.into_iter().flat_map(|missing| &missing.responses) {
        let same = |other: &&mut produce_response::TopicProduceResponse| {
            (&other.name, other.topic_id) == (&topic.name, topic.topic_id)
        };
        match response.responses.iter_mut().find(same) {
            Some(served) => served.partition_responses.extend_from_slice(&topic.partition_responses),
            None => response.responses.push(topic.clone()),
        }
    }
}

fn merge_delete_records(response: &mut DeleteRecordsResponse, missing: Option<&DeleteRecordsResponse>) {
    for topic in missing.into_iter().flat_map(|missing| &missing.topics) {
        match response.topics.iter_mut().find(|other| other.name == topic.name) {
            Some(served) => served.partitions.extend_from_slice(&topic.partitions),
            None => response.topics.push(topic.clone()),
        }
    }
}
