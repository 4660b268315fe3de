//! An image as the records of a snapshot.

use klamm_protocol::metadata::client_quota_record::EntityData;
use klamm_protocol::metadata::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, TopicRecord, ZkMigrationStateRecord,
};

use crate::image::MetadataImage;
use crate::metadata_version::MetadataVersion;
use crate::record::MetadataRecord;

impl MetadataImage {
    /// The records that establish this image, for a snapshot at its own metadata version.
    ///
    /// `metadata.version` comes first, because it may decide how the rest is read. The order of kinds is Kafka's; within
    /// a kind it is sorted, so that equal images give equal snapshots.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        self.write_features(&mut records);
        self.write_cluster(&mut records);
        self.write_topics(&mut records);
        self.write_configs(&mut records);
        self.write_client_quotas(&mut records);
        if self.producer_ids.next_producer_id >= 0 {
            records.push(
                ProducerIdsRecord {
                    broker_id: -1,
                    broker_epoch: -1,
                    next_producer_id: self.producer_ids.next_producer_id,
                    ..ProducerIdsRecord::default()
                }
                .into(),
            );
        }
        records.extend(clones(self.acls.entries.values()));
        records.extend(clones(self.scram.credentials.values()));
        records.extend(clones(self.delegation_tokens.tokens.values()));
        records
    }

    fn write_features(&self, records: &mut Vec<MetadataRecord>) {
        let version = self
            .features
            .metadata_version
            .map(|version| (MetadataVersion::FEATURE_NAME, version.level()));
        let finalized = self
            .features
            .finalized
            .iter()
            .map(|(name, level)| (name.as_str(), *level));
        records.extend(version.into_iter().chain(finalized).map(|(name, level)| {
            FeatureLevelRecord {
                name: name.to_owned(),
                feature_level: level,
                ..FeatureLevelRecord::default()
            }
            .into()
        }));
        if self.features.zk_migration_state != 0 {
            records.push(
                ZkMigrationStateRecord {
                    zk_migration_state: self.features.zk_migration_state,
                    ..ZkMigrationStateRecord::default()
                }
                .into(),
            );
        }
    }

    fn write_cluster(&self, records: &mut Vec<MetadataRecord>) {
        let version = self.features.metadata_version_or_minimum();
        let brokers = self.cluster.brokers.values();
        records.extend(brokers.map(|broker| broker.to_record(version).into()));
        let controllers = self.cluster.controllers.values();
        records.extend(controllers.map(|controller| controller.to_record().into()));
    }

    fn write_topics(&self, records: &mut Vec<MetadataRecord>) {
        let version = self.features.metadata_version_or_minimum();
        let elr_enabled = self.features.is_elr_enabled();
        for topic in self.topics.iter_by_id() {
            records.push(
                TopicRecord {
                    name: topic.name.to_string(),
                    topic_id: topic.id,
                    ..TopicRecord::default()
                }
                .into(),
            );
            records.extend(
                topic
                    .partitions
                    .iter()
                    .map(|(id, partition)| partition.to_record(topic.id, id, version, elr_enabled).into()),
            );
        }
    }

    fn write_configs(&self, records: &mut Vec<MetadataRecord>) {
        for (resource, keys) in &self.configs.resources {
            records.extend(keys.iter().map(|(name, value)| {
                ConfigRecord {
                    resource_type: resource.resource_type.0,
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                    ..ConfigRecord::default()
                }
                .into()
            }));
        }
    }

    fn write_client_quotas(&self, records: &mut Vec<MetadataRecord>) {
        for (entity, quotas) in &self.client_quotas.entities {
            let entity: Vec<_> = entity
                .iter()
                .map(|(entity_type, entity_name)| EntityData {
                    entity_type: entity_type.clone(),
                    entity_name: entity_name.clone(),
                    ..EntityData::default()
                })
                .collect();
            records.extend(quotas.iter().map(|(key, value)| {
                ClientQuotaRecord {
                    entity: entity.clone(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                    ..ClientQuotaRecord::default()
                }
                .into()
            }));
        }
    }
}

fn clones<'a, R: Clone + Into<MetadataRecord> + 'a>(
    records: impl Iterator<Item = &'a std::sync::Arc<R>>,
) -> impl Iterator<Item = MetadataRecord> {
    records.map(|record| R::clone(record).into())
}
