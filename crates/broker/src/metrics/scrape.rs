//! What the metrics of one reply are read from, so that they are of one moment.

use std::sync::Arc;

use klamm_log::{CleanerStatus, DirRecovery, Log, LogDirInfo, RecoveryProgress};

use crate::node::Node;
use crate::partitions::Partition;

/// Where values come from. The node is there when its logs are open; how far that has come is told before.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) progress: Arc<RecoveryProgress>,
    pub(super) node: Option<Arc<Node>>,
}

/// The values of now.
pub(super) struct Scrape {
    /// How far each log directory is opened.
    pub(super) recovery: Vec<DirRecovery>,
    /// Records and bytes lost in that.
    pub(super) lost: (u64, u64),
    /// The rest, when the logs are open.
    pub(super) node: Option<NodeScrape>,
}

/// The values of a node whose logs are open.
pub(super) struct NodeScrape {
    pub(super) node: Arc<Node>,
    pub(super) now_ms: i64,
    pub(super) dirs: Vec<LogDirInfo>,
    pub(super) logs: Vec<Arc<Log>>,
    pub(super) cleaner: CleanerStatus,
    pub(super) partitions: Vec<Arc<Partition>>,
}

impl Scrape {
    /// Blocks for as long as the disks take to tell how full they are.
    pub(super) fn of(sources: &Sources) -> Self {
        Self {
            recovery: sources.progress.dirs(),
            lost: sources.progress.lost(),
            node: sources.node.as_ref().map(NodeScrape::of),
        }
    }
}

impl NodeScrape {
    fn of(node: &Arc<Node>) -> Self {
        let (logs, now_ms) = (node.partitions.logs(), node.clock.now_ms());
        Self {
            node: Arc::clone(node),
            now_ms,
            dirs: logs.log_dirs(),
            logs: logs.logs(),
            cleaner: logs.cleaner_status(now_ms),
            partitions: node.partitions.online(),
        }
    }
}
