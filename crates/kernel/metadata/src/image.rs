//! The state of the cluster at one point of its metadata log.

mod cluster;
mod configs;
mod features;
mod security;
mod topics;

pub use cluster::ClusterImage;
pub use configs::{ClientQuotasImage, ConfigurationsImage, ProducerIdsImage, QuotaEntity};
pub use features::FeaturesImage;
pub use security::{AclsImage, DelegationTokensImage, ScramImage, ScramKey};
pub use topics::{Partitions, TopicImage, TopicsImage};

/// Where in the log an image stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataProvenance {
    /// The offset of the last record that the image contains, or -1.
    pub last_contained_offset: i64,
    /// The leader epoch of that record, or -1.
    pub last_contained_epoch: i32,
    /// When that record was appended, in milliseconds since the Unix epoch, or -1.
    pub last_contained_log_time_ms: i64,
}

impl MetadataProvenance {
    /// Before any record.
    pub const EMPTY: Self = Self {
        last_contained_offset: -1,
        last_contained_epoch: -1,
        last_contained_log_time_ms: -1,
    };
}

impl Default for MetadataProvenance {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Everything the metadata log says, at one offset.
///
/// Immutable in use: it is shared behind an `Arc` and replaced as a whole. A clone costs a few reference counts, because
/// the collections are persistent maps; that is also what makes an image the cheapest start for the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    pub(crate) provenance: MetadataProvenance,
    pub(crate) features: FeaturesImage,
    pub(crate) cluster: ClusterImage,
    pub(crate) topics: TopicsImage,
    pub(crate) configs: ConfigurationsImage,
    pub(crate) client_quotas: ClientQuotasImage,
    pub(crate) producer_ids: ProducerIdsImage,
    pub(crate) acls: AclsImage,
    pub(crate) scram: ScramImage,
    pub(crate) delegation_tokens: DelegationTokensImage,
}

impl MetadataImage {
    /// The image before any record.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether nothing was ever said; the offset aside.
    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                provenance: self.provenance,
                ..Self::default()
            }
    }

    /// Where in the log the image stands.
    pub fn provenance(&self) -> MetadataProvenance {
        self.provenance
    }

    /// The offset of the last record that the image contains, or -1.
    pub fn offset(&self) -> i64 {
        self.provenance.last_contained_offset
    }

    /// The offset and leader epoch of the last record that the image contains; each -1 when there is none.
    pub fn offset_and_epoch(&self) -> (i64, i32) {
        (
            self.provenance.last_contained_offset,
            self.provenance.last_contained_epoch,
        )
    }

    /// Finalized features.
    pub fn features(&self) -> &FeaturesImage {
        &self.features
    }

    /// Registered brokers and controllers.
    pub fn cluster(&self) -> &ClusterImage {
        &self.cluster
    }

    /// Topics and their partitions.
    pub fn topics(&self) -> &TopicsImage {
        &self.topics
    }

    /// Dynamic configurations.
    pub fn configs(&self) -> &ConfigurationsImage {
        &self.configs
    }

    /// Client quotas.
    pub fn client_quotas(&self) -> &ClientQuotasImage {
        &self.client_quotas
    }

    /// Producer ids given out.
    pub fn producer_ids(&self) -> &ProducerIdsImage {
        &self.producer_ids
    }

    /// Access control entries.
    pub fn acls(&self) -> &AclsImage {
        &self.acls
    }

    /// SCRAM credentials.
    pub fn scram(&self) -> &ScramImage {
        &self.scram
    }

    /// Delegation tokens.
    pub fn delegation_tokens(&self) -> &DelegationTokensImage {
        &self.delegation_tokens
    }

    /// This image, standing elsewhere in the log.
    pub fn at(&self, provenance: MetadataProvenance) -> Self {
        Self {
            provenance,
            ..self.clone()
        }
    }
}
