//! The records that a new cluster starts from.

use std::collections::BTreeMap;

use klamm_protocol::metadata::FeatureLevelRecord;

use crate::features::KRAFT_VERSION;
use crate::metadata_version::MetadataVersion;
use crate::record::MetadataRecord;

/// Bootstrap records without a usable metadata version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// No record sets it.
    #[error("no FeatureLevelRecord for metadata.version in the bootstrap metadata")]
    NoMetadataVersion,
    /// A record sets it to a level that isn't known.
    #[error("metadata.version level {0} in the bootstrap metadata is not known")]
    UnknownMetadataVersion(i16),
}

/// What `storage format` leaves for the first controller to write into the empty log: levels, perhaps SCRAM credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapMetadata {
    records: Vec<MetadataRecord>,
    metadata_version: MetadataVersion,
}

impl BootstrapMetadata {
    /// Of a cluster that starts at `metadata_version` with the feature levels given.
    ///
    /// Levels of 0 mean "off" and take no record; `kraft.version` has its place in the raft layer.
    pub fn from_levels<N: AsRef<str>>(
        metadata_version: MetadataVersion,
        levels: impl IntoIterator<Item = (N, i16)>,
    ) -> Self {
        let mut sorted: BTreeMap<String, i16> = levels
            .into_iter()
            .map(|(name, level)| (name.as_ref().to_owned(), level))
            .collect();
        sorted.remove(MetadataVersion::FEATURE_NAME);
        sorted.remove(KRAFT_VERSION);
        sorted.retain(|_, level| *level > 0);
        let first = (MetadataVersion::FEATURE_NAME.to_owned(), metadata_version.level());
        let records = std::iter::once(first)
            .chain(sorted)
            .map(|(name, feature_level)| {
                FeatureLevelRecord {
                    name,
                    feature_level,
                    ..FeatureLevelRecord::default()
                }
                .into()
            })
            .collect();
        Self {
            records,
            metadata_version,
        }
    }

    /// Of a bootstrap checkpoint's records.
    pub fn from_records(records: Vec<MetadataRecord>) -> Result<Self, BootstrapError> {
        let level = level_in(&records, MetadataVersion::FEATURE_NAME).ok_or(BootstrapError::NoMetadataVersion)?;
        let metadata_version =
            MetadataVersion::from_level(level).ok_or(BootstrapError::UnknownMetadataVersion(level))?;
        Ok(Self {
            records,
            metadata_version,
        })
    }

    /// This, with more records behind it.
    pub fn with_records(mut self, records: impl IntoIterator<Item = MetadataRecord>) -> Self {
        self.records.extend(records);
        self
    }

    /// The records, in their order.
    pub fn records(&self) -> &[MetadataRecord] {
        &self.records
    }

    /// The metadata version that they set.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.metadata_version
    }

    /// The level that they set for a feature, 0 when none.
    pub fn level(&self, feature: &str) -> i16 {
        level_in(&self.records, feature).unwrap_or(0)
    }
}

/// The last level set for the feature.
fn level_in(records: &[MetadataRecord], feature: &str) -> Option<i16> {
    records.iter().rev().find_map(|record| match record {
        MetadataRecord::FeatureLevel(record) if record.name == feature => Some(record.feature_level),
        _ => None,
    })
}
