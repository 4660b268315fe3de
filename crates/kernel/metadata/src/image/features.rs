//! Finalized features.

use klamm_timeline::OrdMap;

use crate::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use crate::metadata_version::MetadataVersion;

/// The levels that the cluster runs at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    pub(crate) metadata_version: Option<MetadataVersion>,
    pub(crate) finalized: OrdMap<String, i16>,
    pub(crate) zk_migration_state: i8,
}

impl FeaturesImage {
    /// The metadata version, or `None` before the log has said any.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.metadata_version
    }

    /// The metadata version, or the lowest there is before the log has said any.
    pub fn metadata_version_or_minimum(&self) -> MetadataVersion {
        self.metadata_version.unwrap_or(MetadataVersion::MINIMUM)
    }

    /// Levels above 0 by feature, `metadata.version` and `kraft.version` not among them.
    pub fn finalized(&self) -> &OrdMap<String, i16> {
        &self.finalized
    }

    /// The level of a feature, 0 when it is off. `metadata.version` and `kraft.version` are not among them.
    pub fn level(&self, feature: &str) -> i16 {
        self.finalized.get(feature).copied().unwrap_or(0)
    }

    /// Whether eligible leader replicas are kept (KIP-966).
    pub fn is_elr_enabled(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) >= 1
    }

    /// How far a migration off ZooKeeper had come; 0 is "none".
    pub fn zk_migration_state(&self) -> i8 {
        self.zk_migration_state
    }
}
