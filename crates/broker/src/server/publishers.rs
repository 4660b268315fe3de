//! Who hears of changes of the cluster's metadata, in this order: configuration, then partitions, then coordinators.

use std::sync::Arc;

use klamm_metadata::{ConfigResourceType, MetadataDelta, MetadataImage};

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::coordinators::GroupCoordinators;
use crate::partitions::Partitions;
use crate::quorum::MetadataPublisher;
use crate::server::listen::Quotas;

/// Keeps the node's configuration, and the limits on its connections, in step with the cluster's.
pub(super) struct ConfigPublisher {
    pub(super) config: Arc<NodeConfig>,
    pub(super) quotas: Quotas,
}

impl MetadataPublisher for ConfigPublisher {
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let of_brokers = |kind: ConfigResourceType| kind == ConfigResourceType::BROKER;
        if delta
            .changed_configs()
            .iter()
            .any(|resource| of_brokers(resource.resource_type))
        {
            self.config.update(image);
            self.quotas.update(&self.config);
        }
    }
}

/// Lets partitions come and go.
pub(super) struct PartitionsPublisher {
    pub(super) partitions: Arc<Partitions>,
    pub(super) clock: Arc<Clock>,
}

impl MetadataPublisher for PartitionsPublisher {
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        self.partitions.on_metadata_update(delta, image, self.clock.now_ms());
    }
}

/// Lets coordinators take up and leave off what their partitions hold.
pub(super) struct GroupsPublisher {
    pub(super) groups: Arc<GroupCoordinators>,
}

impl MetadataPublisher for GroupsPublisher {
    fn on_metadata_update(&self, delta: &MetadataDelta, _image: &Arc<MetadataImage>) {
        self.groups.on_metadata_update(delta);
    }
}
