//! The task that finds positions and fetches ahead of the user.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::TopicPartition;
use klamm_protocol::messages::{FetchRequest, FetchResponse};
use klamm_protocol::{ErrorCode, Uuid};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::commits::Offsets;
use super::offsets::{self, OffsetAndTimestamp};
use super::partition::{Partition, Phase};
use super::position::{EpochEnd, Position};
use super::session::{Ask, Asked, Session};
use super::shared::{Life, Shared};
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
            errors.into_iter().for_each(|error| state.report(error));
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
