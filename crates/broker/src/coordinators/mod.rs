//! The group coordinator of this broker: one shard per partition of `__consumer_offsets` that is led here.
//!
//! A few workers (`group.coordinator.threads`), each one task, drive all shards: requests come through bounded queues, those
//! that wait are taken together and share an append, and a worker sleeps until the earliest deadline of its shards. An idle
//! shard costs its memory and nothing else. A shard is loaded by a blocking thread, one at a time per worker, and moves there
//! and back whole.
//!
//! What is led here comes from the metadata: [`GroupCoordinators::on_metadata_update`] only notes it, so that it can be called
//! on the quorum's thread. Dropping [`GroupCoordinators`] ends the workers.

mod loader;
mod placement;
mod settings;
mod slot;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use klamm_coordinator::CoordinatorError;
use klamm_group_coordinator::{GroupQuery, GroupReply, GroupRequest};
use klamm_metadata::{MetadataDelta, MetadataImage};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::partitions::{Hosted, Partition, Partitions};
use crate::topics::GROUP_METADATA_TOPIC;
use settings::Settings;
use worker::Worker;

/// How many requests wait for a worker; further ones wait to be let into its queue.
const MAX_QUEUED: usize = 1_000;

/// Where a shard's answer goes; nowhere for what the broker itself asks for.
pub(crate) type ReplyTo = Option<oneshot::Sender<Answer>>;
type Answer = Result<GroupReply, CoordinatorError>;

/// The way to the shards of this broker.
#[derive(Debug)]
pub struct GroupCoordinators {
    broker: i32,
    /// `offsets.topic.num.partitions`: counts until the topic exists.
    configured_partitions: i32,
    partitions: Arc<Partitions>,
    workers: Vec<Entrance>,
    /// Dropped with this, which ends them.
    tasks: Mutex<JoinSet<()>>,
}

/// The way to one worker.
#[derive(Debug)]
struct Entrance {
    asks: mpsc::Sender<Ask>,
    notices: Arc<Notices>,
}

/// A request in a worker's queue.
#[derive(Debug)]
enum Ask {
    Write {
        shard: i32,
        request: GroupRequest,
        to: ReplyTo,
    },
    Read {
        shard: i32,
        query: GroupQuery,
        to: oneshot::Sender<Answer>,
    },
    ReadAll {
        query: GroupQuery,
        to: oneshot::Sender<Vec<Answer>>,
    },
}

/// What the metadata says, for one worker. It takes all of it at once; until then newer news replace older ones, so this
/// never holds more than the cluster has partitions.
#[derive(Debug, Default)]
struct Notices {
    latest: Mutex<Latest>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Latest {
    shards: BTreeMap<i32, Leadership>,
    deleted: BTreeSet<(String, i32)>,
}

/// Who leads a shard's partition.
#[derive(Debug)]
enum Leadership {
    Here { epoch: i32, partition: Arc<Partition> },
    Elsewhere { epoch: i32 },
}

impl GroupCoordinators {
    /// Starts the workers on the current runtime. No shard is led here until the metadata says so.
    pub fn start(broker: i32, config: &NodeConfig, partitions: Arc<Partitions>, clock: &Arc<Clock>) -> Self {
        let settings = Settings::of(&config.effective());
        let mut tasks = JoinSet::new();
        let mut workers = Vec::with_capacity(settings.workers);
        for _ in 0..settings.workers {
            let (asks, queue) = mpsc::channel(MAX_QUEUED);
            let notices = Arc::<Notices>::default();
            let worker = Worker::new(settings.clone(), Arc::clone(clock), Arc::clone(&notices), queue);
            tasks.spawn(worker.run());
            workers.push(Entrance { asks, notices });
        }
        let configured_partitions = settings.configured_partitions;
        Self {
            broker,
            configured_partitions,
            partitions,
            workers,
            tasks: Mutex::new(tasks),
        }
    }

    /// Ends the workers; whoever waits for a shard is told that it is not here.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    /// Takes over a change of metadata, after [`Partitions::on_metadata_update`] has: shards come and go, and offsets go with
    /// their partitions.
    pub fn on_metadata_update(&self, delta: &MetadataDelta) {
        let changes = delta.local_changes(self.broker);
        let is_shard = |name: &Arc<str>| &**name == GROUP_METADATA_TOPIC;
        // First: a topic that was deleted and created again in one go is led here again.
        for ((_, shard), _) in changes.deletes.iter().filter(|((topic, _), _)| is_shard(topic)) {
            self.note(*shard, Leadership::Elsewhere { epoch: i32::MAX });
        }
        for ((topic, shard), local) in changes.leaders.iter().filter(|((topic, _), _)| is_shard(topic)) {
            let epoch = local.registration.leader_epoch;
            let leadership = match self.partitions.get(topic, *shard) {
                Some(Hosted::Online(partition)) => Leadership::Here { epoch, partition },
                Some(Hosted::Offline) | None => Leadership::Elsewhere { epoch },
            };
            self.note(*shard, leadership);
        }
        for ((_, shard), local) in changes.followers.iter().filter(|((topic, _), _)| is_shard(topic)) {
            self.note(
                *shard,
                Leadership::Elsewhere {
                    epoch: local.registration.leader_epoch,
                },
            );
        }
        let partitions_of = |topic: &Arc<klamm_metadata::TopicImage>| {
            let name = topic.name.to_string();
            topic
                .partitions
                .iter()
                .map(move |(index, _)| (name.clone(), index))
                .collect::<Vec<_>>()
        };
        let deleted: Vec<(String, i32)> = delta.deleted_topics().flat_map(partitions_of).collect();
        if !deleted.is_empty() {
            for worker in &self.workers {
                worker
                    .notices
                    .tell(|latest| latest.deleted.extend(deleted.iter().cloned()));
            }
        }
    }

    /// Takes up the shards among replicas that have come into service without a change of metadata.
    pub(crate) fn on_partitions_back(&self, back: &[Arc<Partition>]) {
        for partition in back.iter().filter(|back| &**back.topic() == GROUP_METADATA_TOPIC) {
            let shard = partition.index();
            self.worker(shard).notices.tell(|latest| {
                // A change that comes meanwhile is with the partitions before it is told here. What is found of it already is no
                // older than what will be told then.
                let hosted = self.partitions.get(partition.topic(), shard);
                let is_hosted = matches!(hosted, Some(Hosted::Online(now)) if Arc::ptr_eq(&now, partition));
                let (leader, epoch) = partition.leader();
                if is_hosted && leader == self.broker {
                    let partition = Arc::clone(partition);
                    latest.shards.insert(shard, Leadership::Here { epoch, partition });
                }
            });
        }
    }

    fn note(&self, shard: i32, leadership: Leadership) {
        self.worker(shard).notices.tell(|latest| {
            latest.shards.insert(shard, leadership);
        });
    }

    /// The partition of `__consumer_offsets` that the group belongs to.
    pub(crate) fn shard_of(&self, image: &MetadataImage, group: &str) -> i32 {
        let existing = image
            .topics()
            .by_name(GROUP_METADATA_TOPIC)
            .map(|topic| topic.partitions.len());
        let count = existing
            .and_then(|count| i32::try_from(count).ok())
            .filter(|count| *count > 0);
        placement::partition_of(group, count.unwrap_or(self.configured_partitions))
    }

    fn worker(&self, shard: i32) -> &Entrance {
        let index = usize::try_from(shard).unwrap_or(0) % self.workers.len();
        &self.workers[index]
    }

    /// Has the group's shard handle a request; returns once what it wrote is committed.
    ///
    /// # Errors
    /// When this broker can't answer for the group, or not now.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the request back.
    pub(crate) async fn write<R: TryFrom<GroupReply>>(
        &self,
        image: &MetadataImage,
        group: &str,
        request: GroupRequest,
    ) -> Result<R, CoordinatorError> {
        let shard = self.shard_of(image, group);
        let (to, answer) = oneshot::channel();
        self.ask(
            shard,
            Ask::Write {
                shard,
                request,
                to: Some(to),
            },
            answer,
        )
        .await
    }

    /// Has the group's shard answer from what is committed.
    ///
    /// # Errors
    /// As [`GroupCoordinators::write`].
    pub(crate) async fn read<R: TryFrom<GroupReply>>(
        &self,
        image: &MetadataImage,
        group: &str,
        query: GroupQuery,
    ) -> Result<R, CoordinatorError> {
        let shard = self.shard_of(image, group);
        let (to, answer) = oneshot::channel();
        self.ask(shard, Ask::Read { shard, query, to }, answer).await
    }

    async fn ask<R: TryFrom<GroupReply>>(
        &self,
        shard: i32,
        ask: Ask,
        answer: oneshot::Receiver<Answer>,
    ) -> Result<R, CoordinatorError> {
        self.worker(shard)
            .asks
            .send(ask)
            .await
            .map_err(|_| CoordinatorError::NotCoordinator)?;
        answer
            .await
            .unwrap_or(Err(CoordinatorError::NotCoordinator))
            .map(in_kind)
    }

    /// Has all shards of this broker answer from what is committed.
    pub(crate) async fn read_all<R: TryFrom<GroupReply>>(
        &self,
        query: &GroupQuery,
    ) -> Vec<Result<R, CoordinatorError>> {
        let mut answers = Vec::new();
        for worker in &self.workers {
            let (to, answer) = oneshot::channel();
            let asked = worker
                .asks
                .send(Ask::ReadAll {
                    query: query.clone(),
                    to,
                })
                .await;
            match (asked, answer.await) {
                (Ok(()), Ok(told)) => answers.extend(told.into_iter().map(|answer| answer.map(in_kind))),
                _ => answers.push(Err(CoordinatorError::NotCoordinator)),
            }
        }
        answers
    }
}

impl Notices {
    fn tell(&self, news: impl FnOnce(&mut Latest)) {
        news(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_one();
    }

    fn take(&self) -> Latest {
        std::mem::take(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn in_kind<R: TryFrom<GroupReply>>(reply: GroupReply) -> R {
    R::try_from(reply).unwrap_or_else(|_| panic!("a shard answers in kind"))
}

#[cfg(test)]
mod tests;
