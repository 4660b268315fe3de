//! Cluster metadata as values: what the records of `__cluster_metadata` say, and the state that follows from them.
//!
//! Owns [`MetadataRecord`] and its frame, [`MetadataVersion`] and the feature table, [`MetadataImage`] and [`MetadataDelta`].
//! Does not know who writes records, how they are replicated, where they lie, or who listens to an image.
//! Entry: [`MetadataLoader`] for a log that is followed, [`MetadataImage::replay`] for one record. Driven by the controller
//! and by the broker's metadata follower. Tests: beside the code, and `tests/it/` (golden frames, properties of replay).
mod bootstrap;
mod config_resource;
mod delta;
mod directory_id;
mod features;
mod image;
mod loader;
mod local_changes;
mod metadata_version;
mod partition;
mod record;
mod registration;
mod replay;
mod snapshot;

pub use bootstrap::{BootstrapError, BootstrapMetadata};
pub use config_resource::{ConfigResource, ConfigResourceType};
pub use delta::MetadataDelta;
pub use directory_id::DirectoryId;
pub use features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FEATURES, Feature, FeatureError, FeatureLevel, KRAFT_VERSION, VersionRange,
    default_levels, supported_features,
};
pub use image::{
    AclsImage, ClientQuotasImage, ClusterImage, ConfigurationsImage, DelegationTokensImage, FeaturesImage,
    MetadataImage, MetadataProvenance, Partitions, ProducerIdsImage, QuotaEntity, ScramImage, ScramKey, TopicImage,
    TopicsImage,
};
pub use loader::{LoadError, MetadataLoader, Published};
pub use local_changes::{LocalPartition, LocalReplicaChanges};
pub use metadata_version::MetadataVersion;
pub use partition::{LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, PartitionRegistration};
pub use record::{MetadataRecord, RecordDecodeError};
pub use registration::{BrokerRegistration, ControllerRegistration, Endpoint};
pub use replay::{Change, ReplayError};
