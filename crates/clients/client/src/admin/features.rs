//! Features of the cluster, such as metadata.version (KIP-584).

use std::collections::BTreeMap;

use klamm_protocol::messages::UpdateFeaturesRequest;
use klamm_protocol::messages::update_features_request::FeatureUpdateKey;
use klamm_protocol::{ApiKey, ErrorCode};

use super::{Admin, Each};
use crate::Error;
use crate::client::Target;

/// Features as a node tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// The levels that the node can have.
    pub supported: BTreeMap<String, VersionLevels>,
    /// The levels that the cluster has.
    pub finalized: BTreeMap<String, VersionLevels>,
    /// As of which change of the cluster's metadata.
    pub finalized_epoch: Option<i64>,
}

/// Levels of a feature, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionLevels {
    /// The lowest.
    pub min: i16,
    /// The highest; the one in force, for a level of the cluster.
    pub max: i16,
}

/// A change of a feature's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The new level; 0 switches it off.
    pub max_version_level: i16,
    /// What way the change may go.
    pub upgrade: FeatureUpgrade,
}

/// What way a change of a feature's level may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureUpgrade {
    /// Only up.
    Upgrade,
    /// Down, where nothing is lost by it.
    SafeDowngrade,
    /// Down, at the cost of what only the higher level can hold.
    UnsafeDowngrade,
}

impl Admin {
    /// The features that a node supports and the levels that the cluster has, from this node or from any.
    /// ApiVersions 3-5.
    pub async fn describe_features(&self, node: Option<i32>) -> Result<Features, Error> {
        let target = match node {
            Some(node) => Target::Broker(node),
            None if self.client.is_of_controllers() => Target::Controller,
            None => Target::Any,
        };
        let offered = self.client.offered(target).await?;
        let supported = offered.supported_features.into_iter().map(|feature| {
            let (min, max) = (feature.min_version, feature.max_version);
            (feature.name, VersionLevels { min, max })
        });
        let finalized = offered.finalized_features.into_iter().map(|feature| {
            let (min, max) = (feature.min_version_level, feature.max_version_level);
            (feature.name, VersionLevels { min, max })
        });
        Ok(Features {
            supported: supported.collect(),
            finalized: finalized.collect(),
            finalized_epoch: Some(offered.finalized_features_epoch).filter(|epoch| *epoch >= 0),
        })
    }

    /// Changes features' levels, all of them or none; with `validate_only`, only says whether that could be done (KIP-778).
    /// UpdateFeatures 0-2, sent to the controller. Since version 2 (4.0) there is one answer for all.
    ///
    /// # Errors
    /// Per feature or, when the broker gave one answer, the outer one: INVALID_UPDATE_VERSION, FEATURE_UPDATE_FAILED,
    /// INVALID_REQUEST. [`Error::Unsupported`] for an unsafe downgrade or a validation where version 1 (3.3) is missing.
    pub async fn update_features(&self, updates: &[FeatureUpdate], validate_only: bool) -> Result<Each<String>, Error> {
        let needs_version_1 = validate_only
            || updates
                .iter()
                .any(|update| update.upgrade == FeatureUpgrade::UnsafeDowngrade);
        if needs_version_1 {
            self.client
                .require(ApiKey::UpdateFeatures, 1, "validation and unsafe downgrades")
                .await?;
        }
        let make = |version| UpdateFeaturesRequest {
            timeout_ms: self.timeout_ms(),
            feature_updates: updates.iter().map(|update| update.to_wire(version)).collect(),
            validate_only: validate_only && version >= 1,
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check_with(response.error_code, response.error_message)?;
        let mut told: BTreeMap<String, (ErrorCode, Option<String>)> = BTreeMap::new();
        told.extend(
            response
                .results
                .into_iter()
                .map(|result| (result.feature, (result.error_code, result.error_message))),
        );
        let answers = updates.iter().map(|update| {
            let (code, message) = told.remove(&update.name).unwrap_or_default();
            (update.name.clone(), Error::check_with(code, message))
        });
        Ok(answers.collect())
    }
}

impl FeatureUpdate {
    fn to_wire(&self, version: i16) -> FeatureUpdateKey {
        let is_downgrade = self.upgrade != FeatureUpgrade::Upgrade;
        FeatureUpdateKey {
            feature: self.name.clone(),
            max_version_level: self.max_version_level,
            allow_downgrade: version == 0 && is_downgrade,
            upgrade_type: match self.upgrade {
                _ if version == 0 => 1,
                FeatureUpgrade::Upgrade => 1,
                FeatureUpgrade::SafeDowngrade => 2,
                FeatureUpgrade::UnsafeDowngrade => 3,
            },
            ..Default::default()
        }
    }
}
