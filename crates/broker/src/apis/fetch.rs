//! Fetch (key 1), v4-18, flexible from v12. Sessions from v7 (KIP-227), leader epochs from v9 (KIP-320), divergence from v12
//! (KIP-595), topic ids from v13 (KIP-516), leaders' endpoints from v16 (KIP-951).
//! Finds records from each partition's offset on, at once if `min_bytes` are there, else when they are or after `max_wait`.
//! Records are not read into memory: the response names regions of segment files. The first batch found is whole even if it is
//! larger than the limits (KIP-74), so that a consumer always gets on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_log::{FileRegion, Isolation, ReadError};
use klamm_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use klamm_protocol::messages::{FetchRequest, FetchResponse};
use klamm_protocol::{ErrorCode, Records, Uuid};
use klamm_replication::LeaderEpochError;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::leader_endpoints::{LeaderEndpoint, leader_endpoints};
use crate::fetch_sessions::{Ask, Key, SessionRequest};
use crate::partitions::{FetchError, FetchWaiter, Hosted, LeaderError, Partition};
use crate::request::RequestContext;

/// Up to this many bytes of a response are copied, from partitions that give no more than so much.
const COPIED_BYTES: u32 = 16 * 1024;

/// What differs between versions.
struct Flags {
    by_topic_id: bool,
    tells_leader: bool,
    tells_endpoints: bool,
}

impl Flags {
    fn of(version: i16) -> Self {
        Flags {
            by_topic_id: version >= 13,
            // It may be said from v12 on; Kafka says it together with the endpoints.
            tells_leader: version >= 16,
            tells_endpoints: version >= 16,
        }
    }
}

/// The limits of a request, within those of the broker.
struct Limits {
    isolation: Isolation,
    min_bytes: u32,
    max_bytes: u32,
    deadline: Option<Instant>,
}

/// One round over all partitions.
struct Round {
    found: Vec<Found>,
    bytes: u32,
    /// Something that the client has to hear at once.
    urgent: bool,
}

/// What a partition gave.
struct Found {
    data: PartitionData,
    region: Option<FileRegion>,
}

pub(crate) async fn handle(cx: &RequestContext<'_>, request: FetchRequest) -> FetchResponse {
    let flags = Flags::of(cx.api_version);
    if !(0..=1).contains(&request.isolation_level) {
        return refused(request, ErrorCode::INVALID_REQUEST);
    }
    let sessions = &cx.node.fetch_sessions;
    let limits = limits(cx, &request);
    let session = SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        by_topic_id: flags.by_topic_id,
    };
    let from_replica = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
    let (asks, forgotten) = asks(request);
    let context = match sessions.begin(session, asks, &forgotten, cx.node.clock.now_ms()) {
        Ok(context) => context,
        Err(error_code) => {
            return FetchResponse {
                error_code,
                ..Default::default()
            };
        }
    };
    let targets: Vec<Target> = context
        .asks
        .iter()
        .map(|(key, _)| target(cx, key, &flags, from_replica))
        .collect();
    let mut round = read(&context.asks, &targets, &limits).await;
    if let Some(deadline) = limits.deadline
        && !round.urgent
        && !context.asks.is_empty()
        && round.bytes < limits.min_bytes
    {
        round = wait(&context.asks, &targets, &limits, deadline).await;
    }
    let keys = context.asks.iter().map(|(key, _)| key.clone());
    let (mut responses, mut regions): (Vec<_>, Vec<_>) = keys
        .zip(round.found)
        .map(|(key, found)| ((key, found.data), found.region))
        .unzip();
    let mut copied = 0;
    for ((_, data), region) in responses.iter_mut().zip(&mut regions) {
        data.records = Some(match region.take() {
            Some(region) => records(cx, region, &mut copied),
            None => Records::Bytes(Bytes::new()),
        });
        if !flags.tells_leader {
            data.current_leader = LeaderIdAndEpoch::default();
        }
    }
    let session_id = match sessions.finish(context, &mut responses, cx.node.clock.now_ms()) {
        Ok(session_id) => session_id,
        Err(error_code) => {
            return FetchResponse {
                error_code,
                session_id: session.id,
                ..Default::default()
            };
        }
    };
    let named = responses.iter().map(|(_, data)| data.current_leader.leader_id);
    // Replicas know the brokers already.
    let node_endpoints = match flags.tells_endpoints && !from_replica {
        true => leader_endpoints(cx, named).into_iter().map(node_endpoint).collect(),
        false => Vec::new(),
    };
    FetchResponse {
        session_id,
        responses: by_topic(responses),
        node_endpoints,
        ..Default::default()
    }
}

/// Names a region for the response; a small one is copied, as that costs less than to have it sent from its file.
fn records(cx: &RequestContext<'_>, region: FileRegion, copied: &mut u32) -> Records {
    let FileRegion { file, position, len } = region;
    let file = file
        .os_file()
        .expect("a node's log directories are on the machine's disk");
    let region = klamm_net::FileRegion { file, position, len };
    if len <= COPIED_BYTES - *copied
        && let Some(bytes) = region.read_if_cached()
    {
        *copied += len;
        return Records::Bytes(bytes);
    }
    cx.file_records(vec![region])
}

/// The same error for the whole request, and for each partition where the version has no place for that.
fn refused(request: FetchRequest, error_code: ErrorCode) -> FetchResponse {
    let partition = |partition_index| PartitionData {
        partition_index,
        aborted_transactions: Some(Vec::new()),
        records: Some(Records::Bytes(Bytes::new())),
        ..failed(error_code)
    };
    let topics = request.topics.into_iter().map(|topic| FetchableTopicResponse {
        topic: topic.topic,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| partition(asked.partition))
            .collect(),
        ..Default::default()
    });
    FetchResponse {
        error_code,
        responses: topics.filter(|topic| topic.topic_id == Uuid::ZERO).collect(),
        ..Default::default()
    }
}

fn limits(cx: &RequestContext<'_>, request: &FetchRequest) -> Limits {
    let most = cx.node.config.server.config.int("fetch.max.bytes").max(0);
    let max_bytes = request.max_bytes.clamp(0, most).unsigned_abs();
    Limits {
        isolation: match request.isolation_level {
            1 => Isolation::LastStableOffset,
            _ => Isolation::HighWatermark,
        },
        max_bytes,
        min_bytes: request.min_bytes.max(0).unsigned_abs().min(max_bytes),
        deadline: u64::try_from(request.max_wait_ms)
            .ok()
            .filter(|wait| *wait > 0)
            .map(|wait| Instant::now() + Duration::from_millis(wait)),
    }
}

fn asks(request: FetchRequest) -> (Vec<(Key, Ask)>, Vec<Key>) {
    let mut asks = Vec::new();
    let mut places: HashMap<(usize, i32), usize> = HashMap::new();
    for (topic_place, topic) in request.topics.into_iter().enumerate() {
        let name: Arc<str> = topic.topic.into();
        for partition in topic.partitions {
            let key = Key {
                topic: Arc::clone(&name),
                topic_id: topic.topic_id,
                partition: partition.partition,
            };
            let ask = Ask {
                fetch_offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            };
            // Of a partition that is named twice the last mention counts.
            match places.entry((topic_place, partition.partition)) {
                Entry::Vacant(place) => {
                    place.insert(asks.len());
                    asks.push((key, ask));
                }
                Entry::Occupied(place) => asks[*place.get()] = (key, ask),
            }
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let name: Arc<str> = topic.topic.into();
        let partitions = topic.partitions.into_iter();
        forgotten.extend(partitions.map(|partition| Key {
            topic: Arc::clone(&name),
            topic_id: topic.topic_id,
            partition,
        }));
    }
    (asks, forgotten)
}

/// Where a partition of the request is.
enum Target {
    Here(Arc<Partition>),
    /// Led here, but no business of the replica that asks.
    NotForReplicas(Arc<Partition>),
    Refused(ErrorCode),
}

fn target(cx: &RequestContext<'_>, key: &Key, flags: &Flags, from_replica: bool) -> Target {
    if flags.by_topic_id && key.topic_id == Uuid::ZERO {
        return Target::Refused(ErrorCode::UNKNOWN_TOPIC_ID);
    }
    let topics = cx.image.topics();
    let by_id = key.topic_id != Uuid::ZERO;
    let name = if by_id {
        match topics.by_id(key.topic_id) {
            Some(topic) => &*topic.name,
            None => return Target::Refused(ErrorCode::UNKNOWN_TOPIC_ID),
        }
    } else {
        &*key.topic
    };
    match cx.node.partitions.get(name, key.partition) {
        // The replica is of a topic that took the name since.
        Some(Hosted::Online(partition)) if by_id && partition.topic_id() != key.topic_id => {
            Target::Refused(ErrorCode::UNKNOWN_TOPIC_ID)
        }
        // No other broker holds replicas of ours.
        Some(Hosted::Online(partition)) if from_replica => Target::NotForReplicas(partition),
        Some(Hosted::Online(partition)) => Target::Here(partition),
        Some(Hosted::Offline) => Target::Refused(ErrorCode::KAFKA_STORAGE_ERROR),
        None if topics.partition(name, key.partition).is_some() => Target::Refused(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        None => Target::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

/// Looks for records in all partitions, in order, until the response is full.
async fn read(asks: &[(Key, Ask)], targets: &[Target], limits: &Limits) -> Round {
    let mut round = Round {
        found: Vec::with_capacity(asks.len()),
        bytes: 0,
        urgent: false,
    };
    for ((key, ask), target) in asks.iter().zip(targets) {
        let left = limits.max_bytes.saturating_sub(round.bytes);
        let max_bytes = ask.max_bytes.max(0).unsigned_abs().min(left);
        let found = match target {
            Target::Here(partition) => {
                read_partition(partition, ask, max_bytes, limits.isolation, round.bytes == 0).await
            }
            Target::NotForReplicas(partition) => Found {
                data: not_leader(partition),
                region: None,
            },
            Target::Refused(code) => Found {
                data: PartitionData {
                    aborted_transactions: Some(Vec::new()),
                    ..failed(*code)
                },
                region: None,
            },
        };
        let data = PartitionData {
            partition_index: key.partition,
            ..found.data
        };
        round.urgent |= data.error_code != ErrorCode::NONE || data.diverging_epoch != EpochEndOffset::default();
        round.bytes += found.region.as_ref().map_or(0, |region| region.len);
        round.found.push(Found {
            data,
            region: found.region,
        });
    }
    round
}

async fn read_partition(
    partition: &Arc<Partition>,
    ask: &Ask,
    max_bytes: u32,
    isolation: Isolation,
    first: bool,
) -> Found {
    if ask.last_fetched_epoch >= 0 {
        match divergence(partition, ask) {
            Ok(None) => {}
            Ok(Some(data)) => return Found { data, region: None },
            Err(code) => {
                return Found {
                    data: failed(code),
                    region: None,
                };
            }
        }
    }
    let (offset, epoch) = (ask.fetch_offset, known_epoch(ask));
    let read = match partition.fetch_from_memory(offset, max_bytes, epoch, isolation, first) {
        Some(read) => read,
        // The batch's header, or the index, is on the disk only: a thread that serves other connections does not wait for it.
        None => {
            let partition = Arc::clone(partition);
            let read = spawn_blocking(move || partition.fetch(offset, max_bytes, epoch, isolation, first)).await;
            match read {
                Ok(read) => read,
                Err(_) => {
                    return Found {
                        data: failed(ErrorCode::UNKNOWN_SERVER_ERROR),
                        region: None,
                    };
                }
            }
        }
    };
    match read {
        Ok(read) => {
            let row = |aborted: &klamm_log::AbortedTransaction| AbortedTransaction {
                producer_id: aborted.producer_id,
                first_offset: aborted.first_offset,
                ..Default::default()
            };
            let is_committed = isolation == Isolation::LastStableOffset;
            let aborted_transactions = is_committed.then(|| read.aborted.iter().map(row).collect());
            let data = PartitionData {
                high_watermark: read.offsets.high_watermark,
                last_stable_offset: read.offsets.last_stable_offset,
                log_start_offset: read.offsets.log_start_offset,
                aborted_transactions,
                ..Default::default()
            };
            // A part of a batch helps nobody: the client asks again with a larger limit, or gets it whole when it is first.
            let region = read.region.filter(|_| !read.first_entry_incomplete);
            Found { data, region }
        }
        Err(error) => Found {
            data: refusal(partition, &error),
            region: None,
        },
    }
}

/// The leader epoch that the client knows: of all negative ones none.
fn known_epoch(ask: &Ask) -> Option<i32> {
    Some(ask.current_leader_epoch).filter(|epoch| *epoch >= 0)
}

/// Whether the log parted ways with what the client last fetched, and where (KIP-595).
fn divergence(partition: &Partition, ask: &Ask) -> Result<Option<PartitionData>, ErrorCode> {
    if let Err(error) = partition.check_leader(known_epoch(ask)) {
        return Err(code(&FetchError::Leader(error)));
    }
    let log = partition.log();
    let Some(end) = log.end_offset_for_epoch(ask.last_fetched_epoch) else {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    };
    if end.epoch >= ask.last_fetched_epoch && end.end_offset >= ask.fetch_offset {
        return Ok(None);
    }
    let offsets = log.offsets();
    Ok(Some(PartitionData {
        high_watermark: offsets.high_watermark,
        last_stable_offset: offsets.last_stable_offset,
        log_start_offset: offsets.log_start_offset,
        diverging_epoch: EpochEndOffset {
            epoch: end.epoch,
            end_offset: end.end_offset,
            ..Default::default()
        },
        aborted_transactions: None,
        ..Default::default()
    }))
}

/// Waits until the partitions have enough, and looks again; at the deadline takes what is there.
async fn wait(asks: &[(Key, Ask)], targets: &[Target], limits: &Limits, deadline: Instant) -> Round {
    loop {
        // In the lists first, then a look: what comes in between is not missed.
        let waiter = FetchWaiter::new(i64::from(limits.min_bytes));
        let _waiting: Vec<_> = targets
            .iter()
            .filter_map(|target| match target {
                Target::Here(partition) => Some(partition.add_waiter(&waiter)),
                Target::NotForReplicas(_) | Target::Refused(_) => None,
            })
            .collect();
        let round = read(asks, targets, limits).await;
        if round.urgent || round.bytes >= limits.min_bytes {
            return round;
        }
        waiter.already_there(i64::from(round.bytes));
        if tokio::time::timeout_at(deadline, waiter.ready()).await.is_err() {
            return read(asks, targets, limits).await;
        }
    }
}

fn failed(error_code: ErrorCode) -> PartitionData {
    PartitionData {
        error_code,
        high_watermark: -1,
        aborted_transactions: None,
        ..Default::default()
    }
}

/// NOT_LEADER_OR_FOLLOWER, with who leads.
fn not_leader(partition: &Partition) -> PartitionData {
    PartitionData {
        current_leader: leader_of(partition),
        ..failed(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    }
}

fn leader_of(partition: &Partition) -> LeaderIdAndEpoch {
    let (leader_id, leader_epoch) = partition.leader();
    LeaderIdAndEpoch {
        leader_id,
        leader_epoch,
        ..Default::default()
    }
}

fn refusal(partition: &Partition, error: &FetchError) -> PartitionData {
    let mut data = failed(code(error));
    if let FetchError::Leader(LeaderError::NotLeader(_) | LeaderError::Epoch(LeaderEpochError::Fenced { .. })) = error {
        data.current_leader = leader_of(partition);
    }
    data
}

fn code(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::Leader(LeaderError::NotLeader(_)) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        FetchError::Leader(LeaderError::Epoch(LeaderEpochError::Fenced { .. })) => ErrorCode::FENCED_LEADER_EPOCH,
        FetchError::Leader(LeaderError::Epoch(LeaderEpochError::Unknown { .. })) => ErrorCode::UNKNOWN_LEADER_EPOCH,
        FetchError::Read(ReadError::OffsetOutOfRange { .. }) => ErrorCode::OFFSET_OUT_OF_RANGE,
        FetchError::Read(ReadError::Storage(_)) => ErrorCode::KAFKA_STORAGE_ERROR,
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

/// Groups what follows one another of the same topic.
fn by_topic(responses: Vec<(Key, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for (key, data) in responses {
        match topics
            .last_mut()
            .filter(|topic| topic.topic_id == key.topic_id && topic.topic == *key.topic)
        {
            Some(topic) => topic.partitions.push(data),
            None => topics.push(FetchableTopicResponse {
                topic: key.topic.to_string(),
                topic_id: key.topic_id,
                partitions: vec![data],
                ..Default::default()
            }),
        }
    }
    topics
}
