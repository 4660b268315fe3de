//! Features: which levels the cluster runs at (KIP-584).

use std::collections::BTreeMap;

use klamm_metadata::{
    ConfigResource, ConfigResourceType, ELIGIBLE_LEADER_REPLICAS_VERSION, Feature, KRAFT_VERSION, MetadataRecord,
    MetadataVersion, VersionRange,
};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::update_features_request::FeatureUpdateKey;
use klamm_protocol::messages::update_features_response::UpdatableFeatureResult;
use klamm_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use klamm_protocol::metadata::{ConfigRecord, FeatureLevelRecord};

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult};

/// How a level may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    /// Version 0 had a flag instead.
    fn of(update: &FeatureUpdateKey) -> Option<Self> {
        match update.upgrade_type {
            _ if update.allow_downgrade => Some(Self::SafeDowngrade),
            1 => Some(Self::Upgrade),
            2 => Some(Self::SafeDowngrade),
            3 => Some(Self::UnsafeDowngrade),
            _ => None,
        }
    }
}

impl Controller {
    /// Sets feature levels, all of them or none.
    ///
    /// `kraft_version`: the raft layer's finalized level. It can be named here at its present level; to raise it is the
    /// raft layer's business. `result_per_feature`: whether the reply lists each feature (until version 1).
    pub fn update_features(
        &self,
        request: &UpdateFeaturesRequest,
        kraft_version: i16,
        result_per_feature: bool,
    ) -> ControllerResult<UpdateFeaturesResponse> {
        match self.feature_records(request, kraft_version) {
            Ok(records) => {
                let updates = request.feature_updates.iter().filter(|_| result_per_feature);
                let result = |update: &FeatureUpdateKey| UpdatableFeatureResult {
                    feature: update.feature.clone(),
                    error_code: ErrorCode::NONE,
                    error_message: Some(ErrorCode::NONE.name().to_owned()),
                    ..UpdatableFeatureResult::default()
                };
                let reply = UpdateFeaturesResponse {
                    error_message: None,
                    results: updates.map(result).collect(),
                    ..UpdateFeaturesResponse::default()
                };
                ControllerResult::atomic_of(if request.validate_only { Vec::new() } else { records }, reply)
            }
            Err(error) => {
                let message = error.message.unwrap_or_else(|| error.code.message().to_owned());
                let reply = UpdateFeaturesResponse {
                    error_code: error.code,
                    error_message: Some(format!(
                        "The update failed for all features since the following feature had an error: {message}"
                    )),
                    ..UpdateFeaturesResponse::default()
                };
                ControllerResult::of(Vec::new(), reply)
            }
        }
    }

    fn feature_records(
        &self,
        request: &UpdateFeaturesRequest,
        kraft_version: i16,
    ) -> Result<Vec<MetadataRecord>, ControllerError> {
        let features = self.image().features();
        let mut proposed: BTreeMap<String, i16> = features
            .finalized()
            .iter()
            .map(|(name, level)| (name.clone(), *level))
            .collect();
        proposed.insert(
            MetadataVersion::FEATURE_NAME.to_owned(),
            self.metadata_version().level(),
        );
        let updates = request.feature_updates.iter();
        proposed.extend(updates.map(|update| (update.feature.clone(), update.max_version_level)));

        let mut records = Vec::new();
        for update in &request.feature_updates {
            records.extend(self.feature_record(update, kraft_version, &proposed)?);
        }
        let turns_elr_on = |update: &FeatureUpdateKey| {
            update.feature == ELIGIBLE_LEADER_REPLICAS_VERSION && update.max_version_level > 0
        };
        if request.feature_updates.iter().any(turns_elr_on) {
            let mut safety = self.elr_safety_records();
            safety.append(&mut records);
            records = safety;
        }
        Ok(records)
    }

    fn feature_record(
        &self,
        update: &FeatureUpdateKey,
        kraft_version: i16,
        proposed: &BTreeMap<String, i16>,
    ) -> Result<Option<MetadataRecord>, ControllerError> {
        let (name, level) = (update.feature.as_str(), update.max_version_level);
        let invalid = |message: &str| {
            ControllerError::new(
                ErrorCode::INVALID_UPDATE_VERSION,
                format!("Invalid update version {level} for feature {name}. {message}"),
            )
        };
        let upgrade_type = UpgradeType::of(update)
            .ok_or_else(|| invalid("The controller does not support the given upgrade type."))?;
        let current = match name {
            MetadataVersion::FEATURE_NAME => self.metadata_version().level(),
            KRAFT_VERSION => kraft_version,
            name => self.image().features().level(name),
        };
        if level < 0 {
            return Err(invalid("A feature version cannot be less than 0."));
        }
        if let Some(reason) = self.reason_not_supported(name, level) {
            return Err(invalid(&reason));
        }
        if level < current && upgrade_type == UpgradeType::Upgrade {
            return Err(invalid(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
                 downgrade.",
            ));
        }
        if level > current && upgrade_type != UpgradeType::Upgrade {
            return Err(invalid("Can't downgrade to a newer version."));
        }
        match name {
            MetadataVersion::FEATURE_NAME => self.check_metadata_version(level, upgrade_type)?,
            KRAFT_VERSION if level == current => return Ok(None),
            KRAFT_VERSION if level < current => {
                return Err(invalid("Can't downgrade the version of this feature."));
            }
            KRAFT_VERSION => return Err(invalid("Raising it on a running cluster is not supported.")),
            name => {
                let feature = Feature::by_name(name).ok_or_else(|| invalid(&format!("Feature {name} not found.")))?;
                feature
                    .validate(level, proposed)
                    .map_err(|error| invalid(&error.to_string()))?;
            }
        }
        let record = FeatureLevelRecord {
            name: name.to_owned(),
            feature_level: level,
            ..FeatureLevelRecord::default()
        };
        Ok(Some(record.into()))
    }

    fn check_metadata_version(&self, level: i16, upgrade_type: UpgradeType) -> Result<(), ControllerError> {
        let invalid = |message| Err(ControllerError::new(ErrorCode::INVALID_UPDATE_VERSION, message));
        let current = self.metadata_version();
        let Some(wanted) = MetadataVersion::from_level(level) else {
            return invalid(format!(
                "Invalid metadata.version {level}. Valid versions are from {} to {}.",
                MetadataVersion::MINIMUM.level(),
                MetadataVersion::LATEST_TESTING.level()
            ));
        };
        if wanted >= current || !MetadataVersion::metadata_changed_between(wanted, current) {
            return Ok(());
        }
        let reason = if upgrade_type == UpgradeType::UnsafeDowngrade {
            "Unsafe metadata downgrade is not supported in this version."
        } else {
            "Refusing to perform the requested downgrade because it might delete metadata information."
        };
        invalid(format!(
            "Unsupported metadata.version downgrade from {} to {level}. {reason}",
            current.level()
        ))
    }

    /// Every node has to support the level: this one, every broker, every controller.
    fn reason_not_supported(&self, name: &str, level: i16) -> Option<String> {
        let own = self.config.node_id;
        let local = self
            .supported_features()
            .get(name)
            .copied()
            .unwrap_or(VersionRange::DISABLED);
        let cluster = self.image().cluster();
        let range_of =
            |features: &BTreeMap<String, VersionRange>| features.get(name).copied().unwrap_or(VersionRange::DISABLED);
        let brokers = cluster
            .brokers()
            .values()
            .map(|broker| (format!("Broker {}", broker.id), range_of(&broker.supported_features)));
        let controllers = cluster
            .controllers()
            .values()
            .filter(|controller| controller.id != own)
            .map(|controller| {
                (
                    format!("Controller {}", controller.id),
                    range_of(&controller.supported_features),
                )
            });
        let registered = self.metadata_version().is_controller_registration_supported();
        let mut nodes = std::iter::once((format!("Local controller {own}"), local))
            .chain(brokers)
            .chain(controllers.filter(|_| registered));
        if let Some((node, range)) = nodes.find(|(_, range)| !range.contains(level)) {
            return Some(if range.max == 0 {
                format!("{node} does not support this feature.")
            } else {
                format!("{node} only supports versions {range}")
            });
        }
        let unknown = |id: &&i32| **id != own && !cluster.controllers().contains_key(*id);
        let unknown = self
            .config
            .quorum_node_ids
            .iter()
            .filter(|_| registered)
            .find(unknown)?;
        Some(format!(
            "controller {unknown} has not registered, and may not support this feature"
        ))
    }

    /// While eligible leader replicas are kept, `min.insync.replicas` may differ by topic but not by broker.
    fn elr_safety_records(&self) -> Vec<MetadataRecord> {
        let key = "min.insync.replicas";
        let mut records = Vec::new();
        let configs = self.image().configs();
        if configs.value(&ConfigResource::default_broker(), key).is_none() {
            records.push(self.cluster_min_isr_record());
        }
        for (resource, keys) in configs.resources() {
            let one_broker = resource.resource_type == ConfigResourceType::BROKER && !resource.name.is_empty();
            if one_broker && keys.contains_key(key) {
                let record = ConfigRecord {
                    resource_type: resource.resource_type.0,
                    resource_name: resource.name.clone(),
                    name: key.to_owned(),
                    value: None,
                    ..ConfigRecord::default()
                };
                records.push(record.into());
            }
        }
        records
    }
}
