//! What all handlers of a node share.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use klamm_metadata::MetadataImage;

use crate::auto_topics::AutoTopics;
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::coordinators::GroupCoordinators;
use crate::fetch_sessions::FetchSessions;
use crate::loggers::Loggers;
use crate::metrics::Metrics;
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::quorum::ControllerHandle;

/// A running node, as its handlers see it.
#[derive(Debug)]
pub struct Node {
    /// `node.id`.
    pub id: i32,
    /// The cluster's id, as in `meta.properties`.
    pub cluster_id: String,
    /// The one clock.
    pub clock: Arc<Clock>,
    /// Counters.
    pub metrics: Metrics,
    /// Its configuration.
    pub config: Arc<NodeConfig>,
    /// The way to the controller.
    pub controller: ControllerHandle,
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// The groups that are coordinated here.
    pub groups: Arc<GroupCoordinators>,
    /// Producer ids to give out.
    pub producer_ids: ProducerIds,
    /// Topics that are created because they were asked for.
    pub auto_topics: AutoTopics,
    /// The levels of what is logged; set by whoever owns the process and its logs.
    pub loggers: OnceLock<Loggers>,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) image: Arc<ArcSwap<MetadataImage>>,
}

impl Node {
    /// The cluster's metadata as of now.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Whether versions that are still being worked on are offered (`unstable.api.versions.enable`).
    pub fn unstable_api_versions(&self) -> bool {
        self.config.server.config.boolean("unstable.api.versions.enable")
    }

    /// Until when a call to the controller that begins now may take.
    pub fn request_deadline_ms(&self) -> i64 {
        self.clock.now_ms() + i64::from(self.config.server.config.int("request.timeout.ms"))
    }
}
