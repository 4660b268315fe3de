//! The features beside `metadata.version`: their levels, defaults and dependencies.

use std::collections::BTreeMap;
use std::fmt;

use crate::metadata_version::MetadataVersion;

#[cfg(test)]
mod tests;

/// The levels of a feature that a node supports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionRange {
    /// The lowest supported level.
    pub min: i16,
    /// The highest supported level.
    pub max: i16,
}

impl VersionRange {
    /// The range of a feature that a node doesn't know.
    pub const DISABLED: Self = Self { min: 0, max: 0 };

    /// Whether `level` lies in the range.
    pub fn contains(self, level: i16) -> bool {
        (self.min..=self.max).contains(&level)
    }
}

/// As Kafka's messages print it: `1-7`, or one number when both ends are equal.
impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{}-{}", self.min, self.max)
        }
    }
}

/// One level of a feature.
#[derive(Debug)]
pub struct FeatureLevel {
    /// The level.
    pub level: i16,
    /// A cluster formatted at this metadata version, or later, gets this level by default.
    pub bootstrap: MetadataVersion,
    /// Features that must have at least the level given.
    pub dependencies: &'static [(&'static str, i16)],
}

/// A feature that the cluster turns on by level (KIP-584, KIP-1022).
#[derive(Debug)]
pub struct Feature {
    /// The name in records and requests.
    pub name: &'static str,
    /// All levels, ascending.
    pub levels: &'static [FeatureLevel],
}

const fn at(level: i16, bootstrap: MetadataVersion) -> FeatureLevel {
    FeatureLevel {
        level,
        bootstrap,
        dependencies: &[],
    }
}

/// The KRaft protocol's own version (KIP-853). It lives in the raft layer's control records, not in metadata records.
pub const KRAFT_VERSION: &str = "kraft.version";
/// Eligible leader replicas (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";

/// Every feature except `metadata.version`, sorted by name.
pub const FEATURES: [Feature; 6] = [
    Feature {
        name: ELIGIBLE_LEADER_REPLICAS_VERSION,
        levels: &[
            at(0, MetadataVersion::MINIMUM),
            FeatureLevel {
                level: 1,
                bootstrap: MetadataVersion::V4_1_IV0,
                dependencies: &[(MetadataVersion::FEATURE_NAME, 23)],
            },
        ],
    },
    Feature {
        name: "group.version",
        levels: &[at(0, MetadataVersion::MINIMUM), at(1, MetadataVersion::V4_0_IV0)],
    },
    Feature {
        name: KRAFT_VERSION,
        levels: &[at(0, MetadataVersion::MINIMUM), at(1, MetadataVersion::V3_9_IV0)],
    },
    Feature {
        name: "share.version",
        levels: &[
            at(0, MetadataVersion::MINIMUM),
            at(1, MetadataVersion::V4_2_IV0),
            at(2, MetadataVersion::V4_4_IV0),
        ],
    },
    Feature {
        name: "streams.version",
        levels: &[at(0, MetadataVersion::MINIMUM), at(1, MetadataVersion::V4_2_IV1)],
    },
    Feature {
        name: "transaction.version",
        levels: &[
            at(0, MetadataVersion::MINIMUM),
            at(1, MetadataVersion::V4_0_IV2),
            at(2, MetadataVersion::V4_0_IV2),
        ],
    },
];

/// Why a feature can't have a level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// No feature of that name.
    #[error("Feature {0} not found.")]
    UnknownFeature(String),
    /// The feature has no such level.
    #[error("No feature:{feature} with feature level {level}")]
    UnknownLevel {
        /// The feature's name.
        feature: &'static str,
        /// The level asked for.
        level: i16,
    },
    /// Another feature's level is too low.
    #[error("{feature} could not be set to {level} because it depends on {dependency} level {required}")]
    Dependency {
        /// The feature's name.
        feature: &'static str,
        /// The level asked for.
        level: i16,
        /// The feature it depends on.
        dependency: &'static str,
        /// The lowest level that the dependency must have.
        required: i16,
    },
}

impl Feature {
    /// The feature of that name. `metadata.version` is not among them.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        const TABLE: &[Feature] = &FEATURES;
        TABLE.iter().find(|feature| feature.name == name)
    }

    /// The level that a cluster formatted at `version` gets when none is asked for.
    pub fn default_level(&self, version: MetadataVersion) -> i16 {
        self.levels
            .iter()
            .take_while(|level| level.bootstrap <= version)
            .last()
            .map_or(0, |level| level.level)
    }

    /// The highest level that may run in production.
    pub fn latest_production(&self) -> i16 {
        self.default_level(MetadataVersion::LATEST_PRODUCTION)
    }

    /// The highest level known.
    pub fn latest_testing(&self) -> i16 {
        self.levels.last().map_or(0, |level| level.level)
    }

    /// Checks that the feature knows `level` and that `features` (every feature's proposed level by name) has what that
    /// level depends on.
    pub fn validate(&self, level: i16, features: &BTreeMap<String, i16>) -> Result<(), FeatureError> {
        let known = self
            .levels
            .iter()
            .find(|known| known.level == level)
            .ok_or(FeatureError::UnknownLevel {
                feature: self.name,
                level,
            })?;
        for &(dependency, required) in known.dependencies {
            if features.get(dependency).is_none_or(|&have| have < required) {
                return Err(FeatureError::Dependency {
                    feature: self.name,
                    level,
                    dependency,
                    required,
                });
            }
        }
        Ok(())
    }
}

/// The ranges of all features, `metadata.version` included, that this software supports; what a node advertises.
///
/// `unstable` (`unstable.feature.versions.enable`) opens levels that aren't ready for production.
pub fn supported_features(unstable: bool) -> BTreeMap<&'static str, VersionRange> {
    let mut ranges = BTreeMap::from([(
        MetadataVersion::FEATURE_NAME,
        MetadataVersion::supported_range(unstable),
    )]);
    for feature in &FEATURES {
        let max = if unstable {
            feature.latest_testing()
        } else {
            feature.latest_production()
        };
        if max > 0 {
            ranges.insert(feature.name, VersionRange { min: 0, max });
        }
    }
    ranges
}

/// The levels that a cluster formatted at `version` gets by default, `kraft.version` included and `metadata.version` not.
pub fn default_levels(version: MetadataVersion) -> BTreeMap<&'static str, i16> {
    FEATURES
        .iter()
        .map(|feature| (feature.name, feature.default_level(version)))
        .collect()
}
