//! The task that finds positions and fetches ahead of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::TopicPartition;
use klamm_protocol::messages::fetch_response::PartitionData;
use klamm_protocol::messages::{FetchRequest, FetchResponse};
use klamm_protocol::{ErrorCode, Uuid};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::commits::Offsets;
use super::fetched::{Fetched, Unreadable};
use super::offsets::{self, OffsetAndTimestamp};
use super::partition::{Partition, Phase};
use super::position::{EpochEnd, Position, Validated};
use super::session::{Ask, Asked, Session, TOPIC_IDS};
use super::shared::{Life, Shared, committed_position};
use super::{ConsumerError, state::State};
use crate::client::RequestOptions;
use crate::{Client, ClusterMetadata, Error, Lane, MetadataTopics, Target};

/// Before something that failed is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Stamps, to tell whether an answer still matters.
type Stamps = BTreeMap<TopicPartition, u64>;

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    nodes: BTreeMap<i32, Node>,
    jobs: JoinSet<Done>,
    is_refreshing: bool,
    refresh_not_before: Instant,
}

/// What is under way with one broker.
#[derive(Default)]
struct Node {
    session: Session,
    is_fetching: bool,
    not_before: Option<Instant>,
    /// Bytes of records in its last answer.
    last_bytes: usize,
}

/// What came of a job.
enum Done {
    Committed(Stamps, Result<Offsets, Error>),
    Listed(
        Stamps,
        Result<BTreeMap<TopicPartition, Result<Option<OffsetAndTimestamp>, ErrorCode>>, Error>,
    ),
    Validated(
        BTreeMap<TopicPartition, (u64, i32)>,
        Result<BTreeMap<TopicPartition, Result<EpochEnd, ErrorCode>>, Error>,
    ),
    Fetched(
        i32,
        BTreeMap<TopicPartition, (u64, Position)>,
        Result<(i16, FetchResponse), Error>,
    ),
    Refreshed,
}

/// What is to be done, by whom.
#[derive(Default)]
struct Plan {
    commits: Stamps,
    resets: BTreeMap<i32, BTreeMap<TopicPartition, (u64, i64)>>,
    validations: BTreeMap<i32, BTreeMap<TopicPartition, (u64, Position, i32)>>,
    fetches: BTreeMap<i32, BTreeMap<TopicPartition, (u64, Position, Asked)>>,
    /// Topics whose leaders are not known.
    unknown: BTreeSet<String>,
    /// When to look again.
    wake: Option<Instant>,
}

impl Plan {
    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            nodes: BTreeMap::new(),
            jobs: JoinSet::new(),
            is_refreshing: false,
            refresh_not_before: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut cluster = self.shared.client.core.cluster.changes();
        let shared = self.shared.clone();
        let _until_the_end = shared.life.subscribe();
        let ending = shared.ending();
        tokio::pin!(ending);
        loop {
            let known = cluster.borrow_and_update().clone();
            let plan = self.plan(&known, Instant::now());
            let wake = plan.wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            self.begin(plan);
            tokio::select! {
                biased;
                () = &mut ending => break,
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    // A job that panicked has said so; what it was for is tried again after the next seek.
                    if let Ok(done) = done {
                        self.finish(done);
                    }
                }
                () = shared.fetcher.notified() => {}
                _ = cluster.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        if *self.shared.life.borrow() == (Life::Ending { orderly: true }) {
            self.close_sessions().await;
        }
    }

    /// Tells the brokers that the sessions are over, so that their memory is free for others.
    async fn close_sessions(mut self) {
        self.jobs.abort_all();
        for (id, node) in &self.nodes {
            let Some(ask) = node.session.close() else { continue };
            let client = self.shared.client.clone();
            let request = request(&self.shared, &ask);
            let id = *id;
            // Brokers answer in order: behind a fetch that waits for records it would wait with it.
            let lane = if node.is_fetching { Lane::General } else { Lane::Fetch };
            self.jobs.spawn(async move {
                let _ = fetch(&client, id, lane, &ask, request).await;
                Done::Refreshed
            });
        }
        let all = async { while self.jobs.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all).await;
    }

    fn plan(&mut self, cluster: &ClusterMetadata, now: Instant) -> Plan {
        let mut plan = Plan::default();
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let has_group = self.shared.config.group.is_some();
        let seeking = !state.is_gated;
        let mut errors = Vec::new();
        for (key, partition) in &mut state.partitions {
            if partition.phase == Phase::Unlocated && !has_group && !partition.is_sought && seeking {
                let error = ConsumerError::NoOffset { partition: key.clone() };
                errors.extend(self.shared.reset(key, partition, error));
            }
            if partition.is_sought {
                continue;
            }
            if let Some(at) = partition.not_before.filter(|at| *at > now) {
                plan.wake_at(at);
                continue;
            }
            if partition.phase == Phase::Unlocated {
                if seeking {
                    partition.is_sought = true;
                    plan.commits.insert(key.clone(), partition.stamp);
                }
                continue;
            }
            let Some(leader) = cluster
                .partition(&key.topic, key.partition)
                .filter(|p| p.leader.is_some())
            else {
                plan.unknown.insert(key.topic.to_string());
                continue;
            };
            let epoch = leader.leader_epoch.unwrap_or(-1);
            let leader = leader.leader.unwrap_or(-1);
            let new_leader = epoch > partition.leader_epoch;
            if new_leader && partition.is_ready() && partition.is_drained() && partition.position.leader_epoch >= 0 {
                partition.phase = Phase::Validating;
            } else if new_leader && partition.is_drained() {
                partition.leader_epoch = epoch;
            }
            match partition.phase {
                Phase::Resetting { timestamp } if seeking => {
                    partition.is_sought = true;
                    let node = plan.resets.entry(leader).or_default();
                    node.insert(key.clone(), (partition.stamp, timestamp));
                }
                Phase::Validating => {
                    partition.is_sought = true;
                    let node = plan.validations.entry(leader).or_default();
                    node.insert(key.clone(), (partition.stamp, partition.position, epoch));
                }
                Phase::Ready if partition.out_of_range && !partition.is_drained() => {}
                Phase::Ready if partition.out_of_range => {
                    let error = ConsumerError::OutOfRange {
                        partition: key.clone(),
                        offset: partition.position.offset,
                    };
                    errors.extend(self.shared.reset(key, partition, error));
                    plan.wake_at(now);
                }
                Phase::Ready if !partition.paused => {
                    let node = nearest(partition, leader, cluster, now);
                    let asked = Asked {
                        topic_id: cluster.topic(&key.topic).map_or(Uuid::ZERO, |topic| topic.id),
                        offset: partition.fetch.offset,
                        current_leader_epoch: epoch,
                        max_bytes: self.shared.config.fetch.max_partition_bytes,
                    };
                    let node = plan.fetches.entry(node).or_default();
                    node.insert(key.clone(), (partition.stamp, partition.fetch, asked));
                }
                _ => {}
            }
        }
        self.hold_back(&mut plan, state, now);
        if !errors.is_empty() {
            state.errors.extend(errors);
            self.shared.arrived.notify_waiters();
        }
        if !plan.unknown.is_empty() && !self.is_refreshing {
            plan.wake_at(self.refresh_not_before.max(now));
        }
        plan
    }

    /// One fetch at a time per broker, none after a failure for a while, and none while enough of its records wait: all
    /// of a broker's partitions are in each fetch, so that none waits behind the others' silence.
    fn hold_back(&self, plan: &mut Plan, state: &mut State, now: Instant) {
        let mut wake = None;
        plan.fetches.retain(|id, _| {
            let Some(node) = self.nodes.get(id) else { return true };
            if node.is_fetching {
                return false;
            }
            if let Some(at) = node.not_before.filter(|at| *at > now) {
                wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
                return false;
            }
            let enough = (self.shared.config.fetch.max_partition_bytes as usize).max(node.last_bytes / 2);
            let waiting = state.waiting_bytes(*id);
            if waiting > 0 && waiting >= enough {
                state.watch(*id, enough);
                return false;
            }
            true
        });
        if let Some(at) = wake {
            plan.wake_at(at);
        }
    }

    fn begin(&mut self, plan: Plan) {
        if !plan.commits.is_empty() {
            let (shared, stamps) = (self.shared.clone(), plan.commits);
            self.jobs.spawn(async move {
                let partitions: Vec<TopicPartition> = stamps.keys().cloned().collect();
                let offsets = shared.committed_offsets(&partitions).await;
                Done::Committed(stamps, offsets)
            });
        }
        let isolation = self.shared.config.fetch.isolation_level();
        for (node, wanted) in plan.resets {
            let client = self.shared.client.clone();
            let stamps = wanted.iter().map(|(key, (stamp, _))| (key.clone(), *stamp)).collect();
            let wanted = wanted
                .into_iter()
                .map(|(key, (_, timestamp))| (key, timestamp))
                .collect();
            self.jobs.spawn(async move {
                let found = offsets::list_at(&client, node, isolation, &wanted).await;
                Done::Listed(stamps, found)
            });
        }
        for (node, wanted) in plan.validations {
            let client = self.shared.client.clone();
            let stamps = wanted
                .iter()
                .map(|(key, (stamp, _, epoch))| (key.clone(), (*stamp, *epoch)))
                .collect();
            let wanted = wanted
                .into_iter()
                .map(|(key, (_, position, epoch))| (key, (position, epoch)))
                .collect();
            self.jobs.spawn(async move {
                let ends = offsets::epoch_ends(&client, node, &wanted).await;
                Done::Validated(stamps, ends)
            });
        }
        for (node, wanted) in plan.fetches {
            self.begin_fetch(node, wanted);
        }
        if !plan.unknown.is_empty() && !self.is_refreshing && self.refresh_not_before <= Instant::now() {
            self.refresh(plan.unknown);
        }
    }

    fn begin_fetch(&mut self, id: i32, wanted: BTreeMap<TopicPartition, (u64, Position, Asked)>) {
        let node = self.nodes.entry(id).or_default();
        node.is_fetching = true;
        let asked = wanted
            .iter()
            .map(|(key, (_, _, asked))| (key.clone(), *asked))
            .collect();
        let ask = node.session.ask(asked);
        let sent = wanted
            .into_iter()
            .map(|(key, (stamp, position, _))| (key, (stamp, position)))
            .collect();
        let request = request(&self.shared, &ask);
        let client = self.shared.client.clone();
        self.jobs
            .spawn(async move { Done::Fetched(id, sent, fetch(&client, id, Lane::Fetch, &ask, request).await) });
    }

    fn refresh(&mut self, topics: BTreeSet<String>) {
        self.is_refreshing = true;
        let client = self.shared.client.clone();
        let create = self.shared.config.create_topics;
        self.jobs.spawn(async move {
            let names = MetadataTopics::Names(topics.into_iter().collect());
            let refreshed = match create {
                true => client.refresh_metadata_creating(names).await,
                false => client.refresh_metadata(names).await,
            };
            if let Err(error) = refreshed {
                tracing::warn!(%error, "metadata");
            }
            Done::Refreshed
        });
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Committed(stamps, result) => self.committed(stamps, result),
            Done::Listed(stamps, result) => self.listed(stamps, result),
            Done::Validated(stamps, result) => self.validated(stamps, result),
            Done::Fetched(node, sent, result) => self.fetched(node, &sent, result),
            Done::Refreshed => {
                self.is_refreshing = false;
                self.refresh_not_before = Instant::now() + RETRY;
            }
        }
        self.shared.arrived.notify_waiters();
    }

    fn committed(&mut self, stamps: Stamps, result: Result<Offsets, Error>) {
        let mut state = self.shared.state();
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(error) => {
                put_off(&mut state, &stamps);
                if !error.is_retriable() {
                    state.errors.push_back(error.into());
                }
                return;
            }
        };
        let mut errors = Vec::new();
        for (key, stamp) in stamps {
            let Some(partition) = state.current(&key, stamp) else {
                continue;
            };
            partition.is_sought = false;
            match offsets.get(&key) {
                Some(found) => {
                    partition.locate(committed_position(found.offset, found.leader_epoch.unwrap_or(-1)));
                    partition.committed = Some(found.offset);
                }
                None => {
                    let error = ConsumerError::NoOffset { partition: key.clone() };
                    errors.extend(self.shared.reset(&key, partition, error));
                }
            }
        }
        state.errors.extend(errors);
    }

    fn listed(
        &mut self,
        stamps: Stamps,
        result: Result<BTreeMap<TopicPartition, Result<Option<OffsetAndTimestamp>, ErrorCode>>, Error>,
    ) {
        let mut state = self.shared.state();
        let mut stale = BTreeSet::new();
        let mut found = match result {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "ListOffsets");
                stale.extend(stamps.keys().map(|key| key.topic.to_string()));
                BTreeMap::new()
            }
        };
        for (key, stamp) in &stamps {
            let Some(partition) = state.current(key, *stamp) else {
                continue;
            };
            match found.remove(key) {
                Some(Ok(Some(offset))) => {
                    partition.locate(committed_position(offset.offset, offset.leader_epoch.unwrap_or(-1)));
                }
                // No record is that young: the end it is.
                Some(Ok(None)) => {
                    partition.phase = Phase::Resetting {
                        timestamp: super::shared::LATEST,
                    };
                    partition.is_sought = false;
                }
                Some(Err(code)) if !code.is_retriable() => {
                    let partition = key.clone();
                    state.errors.push_back(ConsumerError::Refused { partition, code });
                }
                Some(Err(_)) | None => {
                    stale.insert(key.topic.to_string());
                    partition.is_sought = false;
                    partition.not_before = Some(Instant::now() + RETRY);
                }
            }
        }
        drop(state);
        self.leaders_moved(stale);
    }

    fn validated(
        &mut self,
        stamps: BTreeMap<TopicPartition, (u64, i32)>,
        result: Result<BTreeMap<TopicPartition, Result<EpochEnd, ErrorCode>>, Error>,
    ) {
        let shared = self.shared.clone();
        let mut state = shared.state();
        let mut stale = BTreeSet::new();
        let mut ends = result.unwrap_or_default();
        let mut errors = Vec::new();
        let mut moves = Vec::new();
        for (key, (stamp, epoch)) in stamps {
            let Some(partition) = state.current(&key, stamp) else {
                continue;
            };
            partition.is_sought = false;
            let Some(Ok(end)) = ends.remove(&key) else {
                stale.insert(key.topic.to_string());
                partition.not_before = Some(Instant::now() + RETRY);
                continue;
            };
            partition.leader_epoch = epoch;
            let position = partition.position;
            match end.judge(position) {
                Validated::Valid => partition.phase = Phase::Ready,
                Validated::Truncated { diverges_at } => {
                    let error = ConsumerError::Truncated {
                        partition: key.clone(),
                        offset: position.offset,
                        diverges_at: diverges_at.map(|at| at.offset),
                    };
                    match (diverges_at, shared.config.reset) {
                        // With a policy, the consumer goes on where the logs part.
                        (Some(at), reset) if reset != super::config::Reset::None => moves.push((key, at)),
                        _ => errors.extend(shared.reset(&key, partition, error)),
                    }
                }
            }
        }
        for (key, at) in moves {
            tracing::warn!(partition = %key, offset = at.offset, "the log was truncated: going back");
            state.seek(&key, at).expect("it is assigned");
        }
        state.errors.extend(errors);
        drop(state);
        self.leaders_moved(stale);
    }

    fn fetched(
        &mut self,
        id: i32,
        sent: &BTreeMap<TopicPartition, (u64, Position)>,
        result: Result<(i16, FetchResponse), Error>,
    ) {
        let node = self.nodes.entry(id).or_default();
        node.is_fetching = false;
        let (version, response) = match result {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(node = id, %error, "fetch");
                node.session.failed();
                node.not_before = Some(Instant::now() + RETRY);
                let topics = sent.keys().map(|key| key.topic.to_string()).collect();
                let mut state = self.shared.state();
                for (key, (stamp, _)) in sent {
                    if let Some(partition) = state.current(key, *stamp) {
                        partition.preferred = None;
                    }
                }
                drop(state);
                self.leaders_moved(topics);
                return;
            }
        };
        node.not_before = None;
        let topics = if version >= TOPIC_IDS {
            node.session.topics()
        } else {
            BTreeMap::new()
        };
        node.session.answered(response.error_code, response.session_id);
        if response.error_code.is_err() {
            tracing::debug!(node = id, code = %response.error_code, "fetch");
            if response.error_code.needs_metadata_refresh() {
                node.not_before = Some(Instant::now() + RETRY);
                let topics = sent.keys().map(|key| key.topic.to_string()).collect();
                self.leaders_moved(topics);
            }
            return;
        }
        let mut stale = BTreeSet::new();
        let mut bytes = 0;
        let mut state = self.shared.state();
        for topic in response.responses {
            let name = match version >= TOPIC_IDS {
                true => topics.get(&topic.topic_id.as_u128()).cloned(),
                false => Some(Arc::from(topic.topic)),
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let key = TopicPartition {
                    topic: name.clone(),
                    partition: data.partition_index,
                };
                let Some((stamp, position)) = sent.get(&key) else {
                    continue;
                };
                bytes += data.records.as_ref().map_or(0, klamm_protocol::Records::len);
                if !self.shared.take_in(&mut state, id, key, *stamp, *position, data) {
                    stale.insert(name.to_string());
                }
            }
        }
        drop(state);
        if bytes > 0 {
            self.nodes.entry(id).or_default().last_bytes = bytes;
        }
        self.leaders_moved(stale);
    }

    /// What is known of these topics is out of date.
    fn leaders_moved(&mut self, topics: BTreeSet<String>) {
        if !topics.is_empty() && !self.is_refreshing && self.refresh_not_before <= Instant::now() {
            self.refresh(topics);
        }
    }
}

fn put_off(state: &mut State, stamps: &Stamps) {
    for (key, stamp) in stamps {
        if let Some(partition) = state.current(key, *stamp) {
            partition.is_sought = false;
            partition.not_before = Some(Instant::now() + RETRY);
        }
    }
}

/// The replica to read from: one that the leader named and that is still there, or the leader.
fn nearest(partition: &mut Partition, leader: i32, cluster: &ClusterMetadata, now: Instant) -> i32 {
    match partition.preferred {
        Some((node, until)) if until > now && cluster.brokers().contains_key(&node) => node,
        Some(_) => {
            partition.preferred = None;
            leader
        }
        None => leader,
    }
}

fn request(shared: &Shared, ask: &Ask) -> impl Fn(i16) -> FetchRequest + Send + 'static {
    let (config, rack, ask) = (shared.config.fetch, shared.config.rack.clone(), ask.clone());
    move |version| {
        let mut request = FetchRequest {
            replica_id: -1,
            max_wait_ms: config.max_wait_ms,
            min_bytes: config.min_bytes,
            max_bytes: config.max_bytes,
            isolation_level: config.isolation_level(),
            rack_id: rack.clone().filter(|_| version >= 11).unwrap_or_default(),
            ..FetchRequest::default()
        };
        ask.fill(version, &mut request);
        request
    }
}

async fn fetch(
    client: &Client,
    node: i32,
    lane: Lane,
    ask: &Ask,
    make: impl Fn(i16) -> FetchRequest,
) -> Result<(i16, FetchResponse), Error> {
    let options = RequestOptions {
        newest: ask.newest(),
        ..RequestOptions::new(lane)
    };
    client
        .start(&Target::Broker(node), options, make)
        .await?
        .response()
        .await
}

impl Shared {
    /// Takes in what a broker sent of a partition. False: its leader is to be looked up again.
    fn take_in(
        &self,
        state: &mut State,
        node: i32,
        key: TopicPartition,
        stamp: u64,
        asked: Position,
        data: PartitionData,
    ) -> bool {
        let max_age = self.client.core.options.metadata_max_age;
        let now = Instant::now();
        let Some(partition) = state.current(&key, stamp) else {
            return true;
        };
        match data.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE if partition.preferred.take().is_some() => return true,
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                partition.out_of_range = partition.fetch == asked;
                return true;
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CORRUPT_MESSAGE | ErrorCode::INVALID_TOPIC_EXCEPTION => {
                partition.not_before = Some(now + RETRY);
                let code = data.error_code;
                state.errors.push_back(ConsumerError::Refused { partition: key, code });
                return true;
            }
            code => {
                tracing::debug!(partition = %key, %code, "fetch");
                partition.preferred = None;
                partition.not_before = Some(now + RETRY);
                return !code.needs_metadata_refresh() && code.is_retriable();
            }
        }
        partition.high_watermark = Some(data.high_watermark);
        partition.last_stable_offset = Some(data.last_stable_offset).filter(|offset| *offset >= 0);
        partition.log_start_offset = Some(data.log_start_offset).filter(|offset| *offset >= 0);
        if data.preferred_read_replica >= 0 {
            partition.preferred = Some((data.preferred_read_replica, now + max_age));
        }
        let records = data.records.as_ref().and_then(klamm_protocol::Records::as_bytes);
        let Some(bytes) = records.filter(|bytes| !bytes.is_empty()).cloned() else {
            return true;
        };
        let aborted = data.aborted_transactions.unwrap_or_default();
        match Fetched::new(key.clone(), stamp, self.config.fetch.reading, asked, bytes, &aborted) {
            Ok((fetched, end)) => {
                partition.fetch = end;
                state.push(node, fetched);
            }
            Err(Unreadable { offset, reason }) => {
                partition.not_before = Some(now + Duration::from_secs(1));
                let partition = key;
                state.errors.push_back(ConsumerError::Corrupt {
                    partition,
                    offset,
                    reason,
                });
            }
        }
        true
    }
}
