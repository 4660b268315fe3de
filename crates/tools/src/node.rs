//! What the tools need of a node: the binary lends it, so that no tool depends on the broker.

use std::collections::BTreeMap;

use klamm_config::ServerConfig;
use klamm_metadata::MetadataVersion;

use crate::call::{Call, Outcome};

/// The code of a node, behind the commands that run one or write its directories.
pub trait Node: Sync {
    /// `klamm start`: runs a node until it is told to stop.
    fn start(&self, call: &mut Call) -> Outcome;

    /// What is in the log directories, as lines for people.
    fn storage_info(&self, server: &ServerConfig) -> StorageInfo;

    /// Formats the log directories and says what it does, line by line.
    fn format(&self, server: &ServerConfig, formatting: Formatting, say: &mut dyn FnMut(&str)) -> Result<(), String>;

    /// A random id, as Kafka writes them.
    fn random_uuid(&self) -> String;
}

/// What is in a node's log directories.
#[derive(Debug)]
pub struct StorageInfo {
    /// For people.
    pub lines: Vec<String>,
    /// Whether something is wrong.
    pub has_problems: bool,
}

/// How to format a node's log directories.
#[derive(Debug, Default)]
pub struct Formatting {
    /// The cluster's id.
    pub cluster_id: String,
    /// Leave directories alone that are formatted already.
    pub ignore_formatted: bool,
    /// The release whose features the cluster begins with; the newest if none.
    pub release_version: Option<MetadataVersion>,
    /// Levels of single features.
    pub feature_levels: BTreeMap<String, i16>,
    /// The voters of a dynamic quorum, as typed.
    pub initial_controllers: Option<String>,
    /// Make this controller the only voter.
    pub standalone: bool,
}
