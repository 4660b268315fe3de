//! What a run of records changed.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use klamm_protocol::Uuid;
use klamm_timeline::OrdMap;

use crate::config_resource::ConfigResource;
use crate::image::{MetadataImage, MetadataProvenance, QuotaEntity, ScramKey, TopicImage};
use crate::local_changes::LocalReplicaChanges;
use crate::metadata_version::MetadataVersion;
use crate::record::MetadataRecord;
use crate::replay::{Change, ReplayError};

#[cfg(test)]
mod tests;

/// The difference between an image and the one that follows it.
///
/// It holds both and the keys of what differs, so whoever reacts to a change looks at as much as changed, not at the
/// whole cluster. A key may be named although both sides are equal (changed and changed back); one that differs is
/// always named.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    base: MetadataImage,
    image: MetadataImage,
    features: BTreeSet<String>,
    brokers: BTreeSet<i32>,
    controllers: BTreeSet<i32>,
    created_topics: BTreeSet<Uuid>,
    deleted_topics: BTreeSet<Uuid>,
    partitions: BTreeSet<(Uuid, i32)>,
    configs: BTreeSet<ConfigResource>,
    client_quotas: BTreeSet<QuotaEntity>,
    producer_ids: bool,
    acls: BTreeSet<Uuid>,
    scram: BTreeSet<ScramKey>,
    delegation_tokens: BTreeSet<String>,
}

impl MetadataDelta {
    /// No change to `base` yet.
    pub fn new(base: &MetadataImage) -> Self {
        Self::between(base, base.clone())
    }

    /// For the records of a snapshot, which say everything anew: what `base` holds and they don't is gone. To be closed
    /// by [`finish_snapshot`](Self::finish_snapshot).
    pub fn for_snapshot(base: &MetadataImage) -> Self {
        Self::between(base, MetadataImage::empty())
    }

    fn between(base: &MetadataImage, image: MetadataImage) -> Self {
        Self {
            base: base.clone(),
            image,
            features: BTreeSet::new(),
            brokers: BTreeSet::new(),
            controllers: BTreeSet::new(),
            created_topics: BTreeSet::new(),
            deleted_topics: BTreeSet::new(),
            partitions: BTreeSet::new(),
            configs: BTreeSet::new(),
            client_quotas: BTreeSet::new(),
            producer_ids: false,
            acls: BTreeSet::new(),
            scram: BTreeSet::new(),
            delegation_tokens: BTreeSet::new(),
        }
    }

    /// Applies one record. After an error the delta is as before.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        match self.image.replay(record)? {
            Change::None | Change::ZkMigrationState => {}
            Change::Feature(name) => {
                self.features.insert(name);
            }
            Change::Broker(id) => {
                self.brokers.insert(id);
            }
            Change::Controller(id) => {
                self.controllers.insert(id);
            }
            Change::TopicCreated(id) => {
                self.created_topics.insert(id);
            }
            Change::TopicDeleted(topic) => self.note_deleted(&topic),
            Change::Partitions(partitions) => self.partitions.extend(partitions),
            Change::Config(resource) => {
                self.configs.insert(resource);
            }
            Change::ClientQuota(entity) => {
                self.client_quotas.insert(entity);
            }
            Change::ProducerIds => self.producer_ids = true,
            Change::Acl(id) => {
                self.acls.insert(id);
            }
            Change::Scram(key) => {
                self.scram.insert(key);
            }
            Change::DelegationToken(id) => {
                self.delegation_tokens.insert(id);
            }
        }
        Ok(())
    }

    fn note_deleted(&mut self, topic: &TopicImage) {
        for (id, _) in topic.partitions.iter() {
            self.partitions.remove(&(topic.id, id));
        }
        self.created_topics.remove(&topic.id);
        if self.base.topics.by_id(topic.id).is_some() {
            self.deleted_topics.insert(topic.id);
        }
        let resource = ConfigResource::topic(&*topic.name);
        if self.base.configs.resource(&resource).is_some() {
            self.configs.insert(resource);
        }
    }

    /// Closes a delta [`for_snapshot`](Self::for_snapshot): compares the two images.
    pub fn finish_snapshot(&mut self) {
        let (base, image) = (&self.base, &self.image);
        let mut features = differing(&base.features.finalized, &image.features.finalized);
        if base.features.metadata_version != image.features.metadata_version {
            features.insert(MetadataVersion::FEATURE_NAME.to_owned());
        }
        self.features = features;
        self.brokers = differing(&base.cluster.brokers, &image.cluster.brokers);
        self.controllers = differing(&base.cluster.controllers, &image.cluster.controllers);
        self.configs = differing(&base.configs.resources, &image.configs.resources);
        self.client_quotas = differing(&base.client_quotas.entities, &image.client_quotas.entities);
        self.producer_ids = base.producer_ids != image.producer_ids;
        self.acls = differing(&base.acls.entries, &image.acls.entries);
        self.scram = differing(&base.scram.credentials, &image.scram.credentials);
        self.delegation_tokens = differing(&base.delegation_tokens.tokens, &image.delegation_tokens.tokens);
        let gone = |topic: &&Arc<TopicImage>| image.topics.by_id(topic.id).is_none();
        let come = |topic: &&Arc<TopicImage>| base.topics.by_id(topic.id).is_none();
        let id = |topic: &Arc<TopicImage>| topic.id;
        self.deleted_topics = base.topics.iter_by_id().filter(gone).map(id).collect();
        self.created_topics = image.topics.iter_by_id().filter(come).map(id).collect();
        let base_partition = |topic: Uuid, partition| base.topics.by_id(topic)?.partitions.get(partition);
        self.partitions = image
            .topics
            .iter_by_id()
            .flat_map(|topic| {
                let changed = topic
                    .partitions
                    .iter()
                    .filter(|(id, partition)| base_partition(topic.id, *id) != Some(*partition));
                changed.map(|(id, _)| (topic.id, id))
            })
            .collect();
    }

    /// The image that follows, standing at `provenance`.
    pub fn apply(&self, provenance: MetadataProvenance) -> MetadataImage {
        self.image.at(provenance)
    }

    /// The image before.
    pub fn base(&self) -> &MetadataImage {
        &self.base
    }

    /// The image that follows from what was replayed so far, standing where the base stands.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Names of features whose levels changed, `metadata.version` among them.
    pub fn changed_features(&self) -> &BTreeSet<String> {
        &self.features
    }

    /// Whether `metadata.version` was set.
    pub fn metadata_version_changed(&self) -> bool {
        self.features.contains(MetadataVersion::FEATURE_NAME)
    }

    /// Ids of brokers that came, changed or went.
    pub fn changed_brokers(&self) -> &BTreeSet<i32> {
        &self.brokers
    }

    /// Ids of controllers that came, changed or went.
    pub fn changed_controllers(&self) -> &BTreeSet<i32> {
        &self.controllers
    }

    /// Ids of topics that came.
    pub fn created_topics(&self) -> &BTreeSet<Uuid> {
        &self.created_topics
    }

    /// The topics that went, as they were.
    pub fn deleted_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.deleted_topics.iter().filter_map(|id| self.base.topics.by_id(*id))
    }

    /// Partitions that came or changed, as topic id and partition id; those of deleted topics are not among them.
    pub fn changed_partitions(&self) -> &BTreeSet<(Uuid, i32)> {
        &self.partitions
    }

    /// Ids of topics that came, changed or went.
    pub fn changed_topics(&self) -> impl Iterator<Item = Uuid> {
        let changed = self.partitions.iter().map(|(topic, _)| topic);
        let ids: BTreeSet<Uuid> = changed
            .chain(&self.created_topics)
            .chain(&self.deleted_topics)
            .copied()
            .collect();
        ids.into_iter()
    }

    /// Whether anything about topics changed.
    pub fn topics_changed(&self) -> bool {
        !(self.created_topics.is_empty() && self.deleted_topics.is_empty() && self.partitions.is_empty())
    }

    /// Resources whose configuration changed; deleted topics that had one among them.
    pub fn changed_configs(&self) -> &BTreeSet<ConfigResource> {
        &self.configs
    }

    /// Entities whose quotas changed.
    pub fn changed_client_quotas(&self) -> &BTreeSet<QuotaEntity> {
        &self.client_quotas
    }

    /// Whether producer ids were given out.
    pub fn producer_ids_changed(&self) -> bool {
        self.producer_ids
    }

    /// Ids of access control entries that came or went.
    pub fn changed_acls(&self) -> &BTreeSet<Uuid> {
        &self.acls
    }

    /// SCRAM credentials that came, changed or went.
    pub fn changed_scram_credentials(&self) -> &BTreeSet<ScramKey> {
        &self.scram
    }

    /// Ids of delegation tokens that came, changed or went.
    pub fn changed_delegation_tokens(&self) -> &BTreeSet<String> {
        &self.delegation_tokens
    }

    /// What the broker `id` has to do about its replicas.
    pub fn local_changes(&self, id: i32) -> LocalReplicaChanges {
        LocalReplicaChanges::new(self, id)
    }
}

/// The keys whose values differ, on either side.
fn differing<K: Ord + Clone + Hash, V: PartialEq + Clone>(base: &OrdMap<K, V>, image: &OrdMap<K, V>) -> BTreeSet<K> {
    let changed = image.iter().filter(|(key, value)| base.get(*key) != Some(*value));
    let gone = base.iter().filter(|(key, _)| !image.contains_key(*key));
    changed.chain(gone).map(|(key, _)| key.clone()).collect()
}
