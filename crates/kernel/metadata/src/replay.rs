//! What each record does to an image.

use std::sync::Arc;

use klamm_protocol::Uuid;
use klamm_protocol::metadata::{
    ClearElrRecord, ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};

use crate::config_resource::{ConfigResource, ConfigResourceType};
use crate::features::KRAFT_VERSION;
use crate::image::{MetadataImage, Partitions, QuotaEntity, ScramKey, TopicImage};
use crate::metadata_version::MetadataVersion;
use crate::partition::PartitionRegistration;
use crate::record::MetadataRecord;
use crate::registration::{BrokerRegistration, ControllerRegistration};

/// A record that doesn't fit the state before it: the log contradicts itself, or a record is from a future that isn't
/// known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ReplayError {
    #[error("metadata.version level {0} is not known")]
    UnknownMetadataVersion(i16),
    #[error("broker {id} is not registered")]
    UnknownBroker { id: i32 },
    #[error("broker {id} is registered with epoch {registered}, the record names {given}")]
    BrokerEpoch { id: i32, registered: i64, given: i64 },
    #[error("broker registration change with unknown fencing change {0}")]
    UnknownFencingChange(i8),
    #[error("broker registration change with unknown controlled shutdown change {0}")]
    UnknownControlledShutdownChange(i8),
    #[error("topic {name} exists already, with id {id}")]
    DuplicateTopic { name: String, id: Uuid },
    #[error("no topic with id {0}")]
    UnknownTopicId(Uuid),
    #[error("no topic named {0}")]
    UnknownTopicName(String),
    #[error("topic {topic_id} has no partition {partition}")]
    UnknownPartition { topic_id: Uuid, partition: i32 },
    #[error("leader recovery state {0} is not known")]
    UnknownLeaderRecoveryState(i8),
    #[error("{directories} directories for {replicas} replicas")]
    DirectoriesDontMatchReplicas { replicas: usize, directories: usize },
    #[error("no access control entry with id {0}")]
    UnknownAcl(Uuid),
    #[error("a transaction begins inside another")]
    NestedTransaction,
    #[error("a transaction ends that never began")]
    NoTransaction,
}

/// What a record changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing in the image.
    None,
    /// A feature's level; `metadata.version` too.
    Feature(String),
    /// The ZooKeeper migration's state.
    ZkMigrationState,
    /// A broker's registration.
    Broker(i32),
    /// A controller's registration.
    Controller(i32),
    /// A topic came, as yet without partitions.
    TopicCreated(Uuid),
    /// A topic went, and its configuration with it.
    TopicDeleted(Arc<TopicImage>),
    /// Partitions of topics came or changed.
    Partitions(Vec<(Uuid, i32)>),
    /// A resource's configuration.
    Config(ConfigResource),
    /// An entity's quotas.
    ClientQuota(QuotaEntity),
    /// The producer ids given out.
    ProducerIds,
    /// An access control entry.
    Acl(Uuid),
    /// A SCRAM credential.
    Scram(ScramKey),
    /// A delegation token, by its id.
    DelegationToken(String),
}

impl MetadataImage {
    /// Applies one record. Provenance stays: a record alone doesn't know where it stands.
    ///
    /// An error leaves the image as it was. Transaction records change nothing here, see
    /// [`MetadataLoader`](crate::MetadataLoader).
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<Change, ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(record) => Ok(self.replay_register_broker(record)),
            MetadataRecord::UnregisterBroker(record) => {
                self.known_broker(record.broker_id, record.broker_epoch)?;
                self.cluster.brokers.remove(&record.broker_id);
                Ok(Change::Broker(record.broker_id))
            }
            MetadataRecord::FenceBroker(record) => self.replay_fencing(record.id, record.epoch, true),
            MetadataRecord::UnfenceBroker(record) => self.replay_fencing(record.id, record.epoch, false),
            MetadataRecord::BrokerRegistrationChange(record) => {
                let broker = self.known_broker(record.broker_id, record.broker_epoch)?;
                let changed = broker.changed(record)?;
                Ok(self.set_broker(changed))
            }
            MetadataRecord::RegisterController(record) => {
                let controller = ControllerRegistration::from_record(record);
                let id = controller.id;
                self.cluster.controllers.insert(id, Arc::new(controller));
                Ok(Change::Controller(id))
            }
            MetadataRecord::UnregisterController(record) => {
                self.cluster.controllers.remove(&record.controller_id);
                Ok(Change::Controller(record.controller_id))
            }
            MetadataRecord::Topic(record) => self.replay_topic(record),
            MetadataRecord::RemoveTopic(record) => self.replay_remove_topic(record),
            MetadataRecord::Partition(record) => self.replay_partition(record),
            MetadataRecord::PartitionChange(record) => self.replay_partition_change(record),
            MetadataRecord::ClearElr(record) => self.replay_clear_elr(record),
            MetadataRecord::Config(record) => Ok(self.replay_config(record)),
            MetadataRecord::FeatureLevel(record) => self.replay_feature_level(record),
            MetadataRecord::ZkMigrationState(record) => {
                self.features.zk_migration_state = record.zk_migration_state;
                Ok(Change::ZkMigrationState)
            }
            MetadataRecord::ProducerIds(record) => {
                self.producer_ids.next_producer_id = record.next_producer_id;
                Ok(Change::ProducerIds)
            }
            MetadataRecord::ClientQuota(record) => Ok(self.replay_client_quota(record)),
            MetadataRecord::AccessControlEntry(record) => {
                let entry = Arc::new(record.clone());
                self.acls.entries.insert(record.id, entry);
                Ok(Change::Acl(record.id))
            }
            MetadataRecord::RemoveAccessControlEntry(record) => match self.acls.entries.remove(&record.id) {
                Some(_) => Ok(Change::Acl(record.id)),
                None => Err(ReplayError::UnknownAcl(record.id)),
            },
            MetadataRecord::UserScramCredential(record) => {
                let key = (record.mechanism, record.name.clone());
                let credential = Arc::new(record.clone());
                self.scram.credentials.insert(key.clone(), credential);
                Ok(Change::Scram(key))
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                let key = (record.mechanism, record.name.clone());
                self.scram.credentials.remove(&key);
                Ok(Change::Scram(key))
            }
            MetadataRecord::DelegationToken(record) => {
                let id = record.token_id.clone();
                let token = Arc::new(record.clone());
                self.delegation_tokens.tokens.insert(id.clone(), token);
                Ok(Change::DelegationToken(id))
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.delegation_tokens.tokens.remove(&record.token_id);
                Ok(Change::DelegationToken(record.token_id.clone()))
            }
            MetadataRecord::NoOp(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => Ok(Change::None),
        }
    }

    fn replay_register_broker(&mut self, record: &RegisterBrokerRecord) -> Change {
        self.set_broker(BrokerRegistration::from_record(record))
    }

    fn replay_fencing(&mut self, id: i32, epoch: i64, fenced: bool) -> Result<Change, ReplayError> {
        let broker = self.known_broker(id, epoch)?;
        let changed = BrokerRegistration {
            fenced,
            ..broker.clone()
        };
        Ok(self.set_broker(changed))
    }

    fn set_broker(&mut self, broker: BrokerRegistration) -> Change {
        let id = broker.id;
        self.cluster.brokers.insert(id, Arc::new(broker));
        Change::Broker(id)
    }

    fn known_broker(&self, id: i32, epoch: i64) -> Result<&BrokerRegistration, ReplayError> {
        let broker = self.cluster.broker(id).ok_or(ReplayError::UnknownBroker { id })?;
        if broker.epoch != epoch {
            return Err(ReplayError::BrokerEpoch {
                id,
                registered: broker.epoch,
                given: epoch,
            });
        }
        Ok(broker)
    }

    fn replay_topic(&mut self, record: &TopicRecord) -> Result<Change, ReplayError> {
        let known = self.topics.by_name(&record.name);
        if let Some(topic) = known.or_else(|| self.topics.by_id(record.topic_id)) {
            return Err(ReplayError::DuplicateTopic {
                name: topic.name.to_string(),
                id: topic.id,
            });
        }
        self.topics.insert(TopicImage {
            name: record.name.as_str().into(),
            id: record.topic_id,
            partitions: Partitions::default(),
        });
        Ok(Change::TopicCreated(record.topic_id))
    }

    fn replay_remove_topic(&mut self, record: &RemoveTopicRecord) -> Result<Change, ReplayError> {
        let topic = self
            .topics
            .remove(record.topic_id)
            .ok_or(ReplayError::UnknownTopicId(record.topic_id))?;
        self.configs.resources.remove(&ConfigResource::topic(&*topic.name));
        Ok(Change::TopicDeleted(topic))
    }

    fn replay_partition(&mut self, record: &PartitionRecord) -> Result<Change, ReplayError> {
        let partition = PartitionRegistration::from_record(record)?;
        let topic = self.known_topic_mut(record.topic_id)?;
        topic.partitions.insert(record.partition_id, partition);
        Ok(Change::Partitions(vec![(record.topic_id, record.partition_id)]))
    }

    fn replay_partition_change(&mut self, record: &PartitionChangeRecord) -> Result<Change, ReplayError> {
        let (topic_id, id) = (record.topic_id, record.partition_id);
        let topic = self.known_topic_mut(topic_id)?;
        let partition = topic.partitions.get(id).ok_or(ReplayError::UnknownPartition {
            topic_id,
            partition: id,
        })?;
        let merged = partition.merge(record)?;
        topic.partitions.insert(id, merged);
        Ok(Change::Partitions(vec![(topic_id, id)]))
    }

    /// An empty topic name means all topics.
    fn replay_clear_elr(&mut self, record: &ClearElrRecord) -> Result<Change, ReplayError> {
        let topics = if record.topic_name.is_empty() {
            self.topics.iter_by_id().map(|topic| topic.id).collect()
        } else {
            let topic = self
                .topics
                .by_name(&record.topic_name)
                .ok_or_else(|| ReplayError::UnknownTopicName(record.topic_name.clone()))?;
            vec![topic.id]
        };
        let mut changed = Vec::new();
        for id in topics {
            let topic = self.topics.by_id(id).expect("the id was just found");
            let cleared: Vec<_> = topic
                .partitions
                .iter()
                .filter_map(|(partition, registration)| Some((partition, registration.without_elr()?)))
                .collect();
            if cleared.is_empty() {
                continue;
            }
            let topic = self.known_topic_mut(id)?;
            for (partition, registration) in cleared {
                topic.partitions.insert(partition, registration);
                changed.push((id, partition));
            }
        }
        Ok(Change::Partitions(changed))
    }

    fn known_topic_mut(&mut self, id: Uuid) -> Result<&mut TopicImage, ReplayError> {
        self.topics.get_mut(id).ok_or(ReplayError::UnknownTopicId(id))
    }

    fn replay_config(&mut self, record: &ConfigRecord) -> Change {
        let resource = ConfigResource::new(ConfigResourceType(record.resource_type), &record.resource_name);
        self.configs.set(&resource, &record.name, record.value.as_deref());
        Change::Config(resource)
    }

    fn replay_feature_level(&mut self, record: &FeatureLevelRecord) -> Result<Change, ReplayError> {
        let level = record.feature_level;
        match record.name.as_str() {
            MetadataVersion::FEATURE_NAME => {
                let version = MetadataVersion::from_level(level).ok_or(ReplayError::UnknownMetadataVersion(level))?;
                self.features.metadata_version = Some(version);
            }
            // Its truth lies in the raft layer's control records.
            KRAFT_VERSION => return Ok(Change::None),
            name if level == 0 => {
                self.features.finalized.remove(name);
            }
            name => {
                self.features.finalized.insert(name.to_owned(), level);
            }
        }
        Ok(Change::Feature(record.name.clone()))
    }

    fn replay_client_quota(&mut self, record: &ClientQuotaRecord) -> Change {
        let entity: QuotaEntity = record
            .entity
            .iter()
            .map(|part| (part.entity_type.clone(), part.entity_name.clone()))
            .collect();
        let value = (!record.remove).then_some(record.value);
        self.client_quotas.set(&entity, &record.key, value);
        Change::ClientQuota(entity)
    }
}
