//! The partitions that this broker holds replicas of, kept in step with the cluster's metadata.
//!
//! A request finds its partition without a lock: the table is replaced whole when metadata changes, and shares what did not.

mod moves;
mod partition;
#[cfg(test)]
mod tests;
mod topic_settings;
mod waiters;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use klamm_config::Overrides;
use klamm_log::{LogManager, StorageError, TopicPartition};
use klamm_metadata::{ConfigResource, ConfigResourceType, DirectoryId, LocalPartition, MetadataDelta, MetadataImage};
use klamm_protocol::Uuid;
use klamm_timeline::OrdMap;
use tracing::{error, info, warn};

use crate::config::NodeConfig;
pub(crate) use partition::{Committed, FetchError, LeaderError, Partition, ProduceError};
pub(crate) use topic_settings::TopicSettings;
pub(crate) use waiters::FetchWaiter;

/// A replica on this broker.
#[derive(Clone, Debug)]
pub enum Hosted {
    /// In service.
    Online(Arc<Partition>),
    /// Its log can't be opened, or its directory failed.
    Offline,
}

#[derive(Clone, Debug)]
struct HostedTopic {
    id: Uuid,
    partitions: OrdMap<i32, Hosted>,
}

type Table = OrdMap<Arc<str>, HostedTopic>;

/// All partitions of this broker.
#[derive(Debug)]
pub struct Partitions {
    broker: i32,
    config: Arc<NodeConfig>,
    logs: Arc<LogManager>,
    table: ArcSwap<Table>,
    /// Held by whoever replaces the table: the metadata that it follows.
    updating: Mutex<MetadataImage>,
    /// Replicas that are offline because there was no room for their logs, or because too many files were open.
    without_room: Mutex<BTreeSet<TopicPartition>>,
    moves: moves::Moves,
}

/// For how long logs are opened again at once, before the last of them.
const RETRY_AT_MOST: Duration = Duration::from_millis(200);

impl Partitions {
    /// No partitions yet: they come with the first image.
    pub fn new(broker: i32, config: Arc<NodeConfig>, logs: Arc<LogManager>) -> Self {
        Self {
            broker,
            config,
            logs,
            table: ArcSwap::default(),
            updating: Mutex::default(),
            without_room: Mutex::default(),
            moves: moves::Moves::default(),
        }
    }

    /// The replica of a partition here; `None` if there is none.
    pub fn get(&self, topic: &str, partition: i32) -> Option<Hosted> {
        self.table.load().get(topic)?.partitions.get(&partition).cloned()
    }

    /// All replicas in service.
    pub fn online(&self) -> Vec<Arc<Partition>> {
        let table = self.table.load();
        let all = table.values().flat_map(|topic| topic.partitions.values());
        all.filter_map(|hosted| match hosted {
            Hosted::Online(partition) => Some(Arc::clone(partition)),
            Hosted::Offline => None,
        })
        .collect()
    }

    /// How many replicas are out of service.
    pub(crate) fn offline_count(&self) -> usize {
        let table = self.table.load();
        let all = table.values().flat_map(|topic| topic.partitions.values());
        all.filter(|hosted| matches!(hosted, Hosted::Offline)).count()
    }

    /// Takes the replicas out of service whose log directory has failed; how many.
    pub(crate) fn take_failed_offline(&self) -> usize {
        if self.logs.offline_directories().is_empty() {
            return 0;
        }
        self.take_offline(|partition| partition.log().check_online().is_err())
    }

    fn without_room(&self) -> MutexGuard<'_, BTreeSet<TopicPartition>> {
        self.without_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries again to create or open the logs that there was no room for; which replicas are in service with that. To be called
    /// now and then: nobody tells when there is room.
    pub(crate) fn retry_without_room(&self, now_ms: i64) -> Vec<Arc<Partition>> {
        let waiting = self.without_room().clone();
        if waiting.is_empty() {
            return Vec::new();
        }
        let image = self.updating();
        let mut table = Table::clone(&self.table.load());
        let mut back = Vec::new();
        let begun = Instant::now();
        for name in waiting {
            // Whoever follows the metadata waits meanwhile; the others have their turn the next time.
            if begun.elapsed() > RETRY_AT_MOST {
                break;
            }
            let (topic, partition) = (&name.topic, name.partition);
            let hosted = |table: &Table| table.get(topic)?.partitions.get(&partition).cloned();
            let offline = table
                .get(topic)
                .filter(|_| matches!(hosted(&table), Some(Hosted::Offline)));
            let known = offline.and_then(|hosted| image.topics().by_id(hosted.id));
            let Some((known, registration)) = known.and_then(|topic| Some((topic, topic.partitions.get(partition)?)))
            else {
                self.without_room().remove(&name); // it has gone
                continue;
            };
            let local = LocalPartition {
                topic_id: known.id,
                registration: registration.clone(),
                leader_epoch_changed: true,
                is_new: true,
            };
            self.host(&mut table, topic, partition, &local, &image, now_ms);
            if let Some(Hosted::Online(partition)) = hosted(&table) {
                info!(
                    "partition {topic}-{} is in service: there is room for its log",
                    name.partition
                );
                back.push(partition);
            }
        }
        self.table.store(Arc::new(table));
        back
    }

    fn updating(&self) -> MutexGuard<'_, MetadataImage> {
        self.updating.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_offline(&self, has_failed: impl Fn(&Arc<Partition>) -> bool) -> usize {
        let _updating = self.updating();
        let mut table = Table::clone(&self.table.load());
        let failed: Vec<_> = self.online().into_iter().filter(has_failed).collect();
        for partition in &failed {
            if let Some(topic) = table.get_mut(partition.topic()) {
                topic.partitions.insert(partition.index(), Hosted::Offline);
            }
        }
        self.table.store(Arc::new(table));
        failed.iter().for_each(|partition| partition.close());
        failed.len()
    }

    /// The logs beneath.
    pub fn logs(&self) -> &Arc<LogManager> {
        &self.logs
    }

    /// Takes over a change of metadata: replicas come and go, leaders take office, topics get other settings.
    pub fn on_metadata_update(&self, delta: &MetadataDelta, image: &MetadataImage, now_ms: i64) {
        let mut followed = self.updating();
        let changes = delta.local_changes(self.broker);
        let mut table = Table::clone(&self.table.load());
        for ((topic, partition), topic_id) in &changes.deletes {
            self.delete(&mut table, topic, *partition, *topic_id, now_ms);
        }
        for ((topic, partition), local) in changes.leaders.iter().chain(&changes.followers) {
            self.host(&mut table, topic, *partition, local, image, now_ms);
        }
        self.table.store(Arc::new(table));
        self.reconfigure(delta, image);
        *followed = image.clone();
    }

    /// Sets logs aside that are not the cluster's: their topic was deleted and this node stopped before it could follow, or
    /// its name belongs to another topic now. To be called once, with the metadata as found at start.
    pub fn set_strays_aside(&self, image: &MetadataImage) {
        for log in self.logs.logs() {
            let name = log.topic_partition();
            let topic = image.topics().by_name(&name.topic);
            let is_ours = topic.is_some_and(|topic| {
                let replicas = topic.partitions.get(name.partition).map(|known| &known.replicas);
                log.topic_id().is_none_or(|id| id == topic.id)
                    && replicas.is_some_and(|replicas| replicas.contains(&self.broker))
            });
            if is_ours {
                continue;
            }
            warn!("the log of {name} is not the cluster's: its directory is renamed to end in `-stray`");
            if let Err(error) = self.logs.set_aside(name) {
                error!("cannot set the log of {name} aside: {error}");
            }
        }
    }

    fn delete(&self, table: &mut Table, topic: &Arc<str>, partition: i32, topic_id: Uuid, now_ms: i64) {
        let Some(hosted) = table.get(topic).filter(|hosted| hosted.id == topic_id) else {
            return;
        };
        let mut hosted = hosted.clone();
        let removed = hosted.partitions.remove(&partition);
        if hosted.partitions.is_empty() {
            table.remove(topic);
        } else {
            table.insert(Arc::clone(topic), hosted);
        }
        // Readers find the partition gone before its files are.
        self.table.store(Arc::new(table.clone()));
        if let Some(Hosted::Online(removed)) = removed {
            removed.close();
        }
        self.moves.cancel(&TopicPartition::new(Arc::clone(topic), partition));
        if let Err(error) = self
            .logs
            .delete(&TopicPartition::new(Arc::clone(topic), partition), now_ms)
        {
            error!("cannot delete the log of {topic}-{partition}: {error}");
        }
    }

    fn host(
        &self,
        table: &mut Table,
        topic: &Arc<str>,
        partition: i32,
        local: &LocalPartition,
        image: &MetadataImage,
        now_ms: i64,
    ) {
        let known = table.get(topic).filter(|hosted| hosted.id == local.topic_id);
        if let Some(Hosted::Online(known)) = known.and_then(|hosted| hosted.partitions.get(&partition)) {
            known.on_registration(&local.registration);
            return;
        }
        let mut hosted = known.cloned().unwrap_or(HostedTopic {
            id: local.topic_id,
            partitions: OrdMap::new(),
        });
        let settings = self.settings(topic, image);
        let name = TopicPartition::new(Arc::clone(topic), partition);
        let state = match self.open_log(topic, partition, local, &settings, now_ms) {
            Ok(log) => {
                self.without_room().remove(&name);
                // It may have been there for longer than the topic has these.
                log.update_config(settings.log.clone());
                let partition = Partition::new(self.broker, Arc::clone(topic), partition, local, &settings, log);
                Hosted::Online(Arc::new(partition))
            }
            Err(error) => {
                let lacks_room = error.is_out_of_space() || error.is_out_of_files();
                let mut without_room = self.without_room();
                // Told once, however often it is tried.
                let is_news = match lacks_room {
                    true => without_room.insert(name),
                    false => {
                        without_room.remove(&name);
                        true
                    }
                };
                if is_news {
                    error!("partition {topic}-{partition} is offline: {error}");
                }
                Hosted::Offline
            }
        };
        hosted.partitions.insert(partition, state);
        table.insert(Arc::clone(topic), hosted);
    }

    /// The partition's log: the one found at start, or a new one. A directory of that name left by another topic (deleted
    /// while this node was away) makes room first.
    fn open_log(
        &self,
        topic: &str,
        partition: i32,
        local: &LocalPartition,
        settings: &TopicSettings,
        now_ms: i64,
    ) -> Result<Arc<klamm_log::Log>, StorageError> {
        let topic_id = local.topic_id;
        let directory = local.registration.directory(self.broker);
        let directory = directory.filter(|id| *id != DirectoryId::UNASSIGNED);
        let name = TopicPartition::new(topic, partition);
        if let Some(log) = self.logs.get(&name)
            && log.topic_id().is_some_and(|found| found != topic_id)
        {
            info!("the log of {name} belongs to a topic that is gone");
            self.logs.delete(&name, now_ms)?;
        }
        let log = self
            .logs
            .get_or_create(&name, Some(topic_id), directory, settings.log.clone(), now_ms)?;
        log.check_online()?;
        log.assign_topic_id(topic_id)?;
        Ok(log)
    }

    fn settings(&self, topic: &str, image: &MetadataImage) -> TopicSettings {
        let own = image.configs().resource(&ConfigResource::topic(topic));
        TopicSettings::of(topic, &self.config.effective(), own.unwrap_or(&Overrides::new()))
    }

    /// Gives logs the settings that changed: of single topics, or of all when the brokers' did.
    fn reconfigure(&self, delta: &MetadataDelta, image: &MetadataImage) {
        let changed = delta.changed_configs();
        if changed
            .iter()
            .any(|resource| resource.resource_type == ConfigResourceType::BROKER)
        {
            self.reconfigure_producers();
            for (topic, hosted) in self.table.load().iter() {
                self.reconfigure_topic(topic, hosted, image);
            }
            return;
        }
        for ConfigResource { resource_type, name } in changed {
            let table = self.table.load();
            if let (ConfigResourceType::TOPIC, Some(hosted)) = (*resource_type, table.get(name.as_str())) {
                self.reconfigure_topic(name, hosted, image);
            }
        }
    }

    fn reconfigure_producers(&self) {
        let values = self.config.effective();
        self.logs.update_producer_settings(
            i64::from(values.int("producer.id.expiration.ms")),
            values.boolean("transaction.partition.verification.enable"),
        );
    }

    fn reconfigure_topic(&self, topic: &str, hosted: &HostedTopic, image: &MetadataImage) {
        let settings = self.settings(topic, image);
        for state in hosted.partitions.values() {
            if let Hosted::Online(partition) = state {
                partition.update_settings(&settings);
            }
        }
    }
}
