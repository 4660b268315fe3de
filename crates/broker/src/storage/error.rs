//! Why directories can't be formatted. The words are those of Kafka's tool, which scripts look for.

use std::path::PathBuf;

use klamm_log::StorageError;
use klamm_metadata::{FEATURES, FeatureError, MetadataVersion};

use crate::quorum::QuorumError;

/// Why directories were not formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// `--standalone` without the role.
    #[error("You can only use --standalone on a controller.")]
    StandaloneBroker,
    /// A controller nobody can reach.
    #[error("No controller listeners found.")]
    NoControllerListener,
    /// The metadata version was given twice.
    #[error("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")]
    AmbiguousVersion,
    /// No such level of `metadata.version`.
    #[error("No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.", MetadataVersion::MINIMUM.level(), MetadataVersion::LATEST_TESTING.level())]
    UnknownVersion {
        /// The level.
        level: i16,
    },
    /// A version that is still being worked on.
    #[error("metadata.version {} is not yet stable.", .0.name())]
    UnstableVersion(MetadataVersion),
    /// No such feature.
    #[error("Unsupported feature: {name}. Supported features are: {}", names_of_features())]
    UnsupportedFeature {
        /// The name.
        name: String,
    },
    /// A level that is still being worked on.
    #[error("No feature:{feature} with feature level {level}")]
    UnstableFeature {
        /// The feature.
        feature: &'static str,
        /// The level.
        level: i16,
    },
    /// A level that does not exist or lacks what it depends on.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// kraft.version 0 where the voters live in the metadata log.
    #[error(
        "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the --feature flag for kraft.version."
    )]
    StaticVersionOfDynamicQuorum,
    /// kraft.version 1 where the voters live in the configuration.
    #[error(
        "Cannot set kraft.version to {0} unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
    )]
    DynamicVersionOfStaticQuorum(i16),
    /// A directory of another cluster.
    #[error("Invalid cluster.id in: {}. Expected {expected}, but read {found}", path.display())]
    OtherCluster {
        /// Its `meta.properties`.
        path: PathBuf,
        /// The cluster to format for.
        expected: String,
        /// The cluster that it belongs to.
        found: String,
    },
    /// A directory of another node.
    #[error("Stored node id {found} doesn't match previous node id {expected} in {}. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories.", path.display())]
    OtherNode {
        /// Its `meta.properties`.
        path: PathBuf,
        /// The node to format for.
        expected: i32,
        /// The node that it belongs to.
        found: i32,
    },
    /// A directory that is formatted.
    #[error(
        "Log directory {0} is already formatted. Use --ignore-formatted to ignore this directory and format the others."
    )]
    AlreadyFormatted(String),
    /// A directory that can't be made.
    #[error("cannot create `{}`: {source}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Records that their version has no place for.
    #[error("cannot write `{}`: {problem}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// `meta.properties` can't be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A checkpoint can't be written.
    #[error(transparent)]
    Checkpoint(#[from] QuorumError),
}

fn names_of_features() -> String {
    let names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    names.join(", ")
}
