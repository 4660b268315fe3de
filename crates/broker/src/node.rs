//! What all handlers of a node share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use klamm_metadata::MetadataImage;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// A running node, as its handlers see it.
#[derive(Debug)]
pub struct Node {
    /// `node.id`.
    pub id: i32,
    /// The cluster's id, as in `meta.properties`.
    pub cluster_id: String,
    /// The one clock.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    image: Arc<ArcSwap<MetadataImage>>,
    unstable_api_versions: bool,
}

impl Node {
    /// The cluster's metadata as of now.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Whether versions that are still being worked on are offered (`unstable.api.versions.enable`).
    pub fn unstable_api_versions(&self) -> bool {
        self.unstable_api_versions
    }
}
