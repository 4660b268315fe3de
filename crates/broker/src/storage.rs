//! Formatting log directories, and telling what is in them (`kafka-storage`).
//!
//! A formatted directory has `meta.properties`. The metadata log directory of a controller has in addition a snapshot at offset
//! 0 with what a new cluster starts from: the levels of features and, where they live in the metadata log (KIP-853), the voters.

mod error;
mod info;
mod voters;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use klamm_config::ServerConfig;
use klamm_log::{CLUSTER_METADATA_TOPIC, MetaProperties, TopicPartition};
use klamm_metadata::{BootstrapMetadata, FEATURES, Feature, KRAFT_VERSION, MetadataRecord, MetadataVersion};
use klamm_protocol::Uuid;
use klamm_raft::{Endpoint, OffsetAndEpoch, ReplicaKey, VoterNode, VoterSet, snapshot_header};

use crate::quorum::checkpoint;

pub use error::FormatError;
pub use info::Info;
pub use voters::{DynamicVoter, DynamicVoterError, parse_voters};

/// What to format, and how.
#[derive(Clone, Debug)]
pub struct Formatter {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster that the directories are for; any text.
    pub cluster_id: String,
    /// All log directories, that of the metadata log included.
    pub directories: BTreeSet<String>,
    /// The metadata log's directory.
    pub metadata_log_dir: String,
    /// The first of `controller.listener.names`.
    pub controller_listener: String,
    /// The metadata version to begin with; none for the newest.
    pub release_version: Option<MetadataVersion>,
    /// Levels of features that are not to be the defaults of that version.
    pub feature_levels: BTreeMap<String, i16>,
    /// Whether versions that are not ready for production are allowed.
    pub unstable: bool,
    /// Whether formatted directories are skipped instead of refused.
    pub ignore_formatted: bool,
    /// The voters to begin with, in a dynamic quorum that is formatted for them.
    pub initial_controllers: Vec<DynamicVoter>,
    /// Whether the voters live in the metadata log (`controller.quorum.voters` is not set).
    pub has_dynamic_quorum: bool,
    /// Whether the node is a controller; a broker learns everything from them.
    pub is_controller: bool,
}

impl Formatter {
    /// For the directories of a node, with the newest versions, and as yet without voters.
    pub fn of(server: &ServerConfig, cluster_id: impl Into<String>) -> Self {
        let mut directories: BTreeSet<String> = server.log_dirs.iter().cloned().collect();
        directories.insert(server.metadata_log_dir.clone());
        Formatter {
            node_id: server.node_id,
            cluster_id: cluster_id.into(),
            directories,
            metadata_log_dir: server.metadata_log_dir.clone(),
            controller_listener: server.controller_listener_names.first().cloned().unwrap_or_default(),
            release_version: None,
            feature_levels: BTreeMap::new(),
            unstable: server.config.boolean("unstable.feature.versions.enable"),
            ignore_formatted: false,
            initial_controllers: Vec::new(),
            has_dynamic_quorum: server.quorum_voters.is_empty(),
            is_controller: server.is_controller(),
        }
    }

    /// Makes this node the only voter (`--standalone`): `directory_id` becomes that of its metadata log directory.
    ///
    /// # Errors
    /// The node is no controller.
    pub fn standalone(mut self, server: &ServerConfig, directory_id: Uuid) -> Result<Self, FormatError> {
        if !server.is_controller() {
            return Err(FormatError::StandaloneBroker);
        }
        let listener = server
            .advertised_controller_listeners
            .first()
            .ok_or(FormatError::NoControllerListener)?;
        let host = listener.host.clone().unwrap_or_else(|| "localhost".to_owned());
        let endpoint = Endpoint {
            host,
            port: listener.port,
        };
        self.initial_controllers = vec![DynamicVoter {
            node_id: self.node_id,
            directory_id,
            endpoint,
        }];
        Ok(self)
    }

    /// Formats the directories that are not formatted yet. `random` makes directory ids, `print` tells what is done.
    ///
    /// # Errors
    /// Before anything is written: versions that do not exist or do not go together, directories of another cluster or node,
    /// directories that are formatted already. After that only failures of the disk.
    pub fn run(
        &self,
        random: &mut dyn FnMut() -> u64,
        now_ms: i64,
        print: &mut dyn FnMut(&str),
    ) -> Result<(), FormatError> {
        let version = self.effective_version()?;
        let levels = self.effective_levels(version)?;
        let kraft_version = levels.get(KRAFT_VERSION).copied().unwrap_or(0);
        let bootstrap = BootstrapMetadata::from_levels(version, levels);
        let found = self.look()?;
        let empty: Vec<&String> = self
            .directories
            .iter()
            .filter(|dir| !found.contains_key(*dir))
            .collect();
        match empty.is_empty() {
            true => print("All of the log directories are already formatted."),
            false => print(&format!("Bootstrap metadata: {}", describe(&bootstrap))),
        }
        for dir in empty {
            let kind = self.kind(dir);
            print(&format!(
                "Formatting {} {dir} with metadata.version {}.",
                kind.description(),
                version.name()
            ));
            self.format(Path::new(dir), kind, &bootstrap, kraft_version, random, now_ms)?;
        }
        Ok(())
    }

    fn effective_version(&self) -> Result<MetadataVersion, FormatError> {
        let version = match (
            self.feature_levels.get(MetadataVersion::FEATURE_NAME),
            self.release_version,
        ) {
            (Some(_), Some(_)) => return Err(FormatError::AmbiguousVersion),
            (Some(level), None) => {
                MetadataVersion::from_level(*level).ok_or(FormatError::UnknownVersion { level: *level })?
            }
            (None, Some(version)) => version,
            (None, None) if self.unstable => MetadataVersion::LATEST_TESTING,
            (None, None) => MetadataVersion::LATEST_PRODUCTION,
        };
        if !self.unstable && !version.is_production() {
            return Err(FormatError::UnstableVersion(version));
        }
        Ok(version)
    }

    /// The level of every feature, `metadata.version` included.
    fn effective_levels(&self, version: MetadataVersion) -> Result<BTreeMap<String, i16>, FormatError> {
        let mut levels = self.feature_levels.clone();
        for name in levels.keys().filter(|name| *name != MetadataVersion::FEATURE_NAME) {
            Feature::by_name(name).ok_or_else(|| FormatError::UnsupportedFeature { name: name.clone() })?;
        }
        levels.insert(MetadataVersion::FEATURE_NAME.to_owned(), version.level());
        levels.insert(KRAFT_VERSION.to_owned(), self.effective_kraft_version()?);
        for feature in &FEATURES {
            levels
                .entry(feature.name.to_owned())
                .or_insert_with(|| feature.default_level(version));
        }
        for feature in &FEATURES {
            let level = levels[feature.name];
            if level > feature.latest_production() && !self.unstable {
                return Err(FormatError::UnstableFeature {
                    feature: feature.name,
                    level,
                });
            }
            feature.validate(level, &levels)?;
        }
        Ok(levels)
    }

    fn effective_kraft_version(&self) -> Result<i16, FormatError> {
        match (self.feature_levels.get(KRAFT_VERSION), self.has_dynamic_quorum) {
            (Some(0), true) => Err(FormatError::StaticVersionOfDynamicQuorum),
            (Some(level), false) if *level > 0 => Err(FormatError::DynamicVersionOfStaticQuorum(*level)),
            (Some(level), _) => Ok(*level),
            (None, is_dynamic) => Ok(i16::from(is_dynamic)),
        }
    }

    /// What is formatted already; all of it has to fit.
    fn look(&self) -> Result<BTreeMap<&String, MetaProperties>, FormatError> {
        let mut found: BTreeMap<&String, MetaProperties> = BTreeMap::new();
        for dir in &self.directories {
            let Some(meta) = MetaProperties::read(Path::new(dir))? else {
                continue;
            };
            let path = || Path::new(dir).join("meta.properties");
            if meta.cluster_id != self.cluster_id {
                let expected = self.cluster_id.clone();
                return Err(FormatError::OtherCluster {
                    path: path(),
                    expected,
                    found: meta.cluster_id,
                });
            }
            if meta.node_id != self.node_id {
                return Err(FormatError::OtherNode {
                    path: path(),
                    expected: self.node_id,
                    found: meta.node_id,
                });
            }
            found.insert(dir, meta);
        }
        match found.keys().next() {
            Some(dir) if !self.ignore_formatted => Err(FormatError::AlreadyFormatted((*dir).clone())),
            _ => Ok(found),
        }
    }

    fn kind(&self, dir: &str) -> Kind {
        if dir != self.metadata_log_dir {
            Kind::Log
        } else if self.initial_controllers.is_empty() {
            Kind::StaticMetadata
        } else if self.own_voter().is_some() {
            Kind::DynamicMetadataVoter
        } else {
            Kind::DynamicMetadataNonVoter
        }
    }

    fn own_voter(&self) -> Option<&DynamicVoter> {
        self.initial_controllers
            .iter()
            .find(|voter| voter.node_id == self.node_id)
    }

    fn format(
        &self,
        dir: &Path,
        kind: Kind,
        bootstrap: &BootstrapMetadata,
        kraft_version: i16,
        random: &mut dyn FnMut() -> u64,
        now_ms: i64,
    ) -> Result<(), FormatError> {
        let create = |dir: &Path| {
            fs::create_dir_all(dir).map_err(|source| FormatError::Create {
                path: dir.to_owned(),
                source,
            })
        };
        create(dir)?;
        if kind != Kind::Log && self.is_controller {
            let metadata_dir = dir.join(TopicPartition::new(CLUSTER_METADATA_TOPIC, 0).to_string());
            create(&metadata_dir)?;
            let header = snapshot_header(now_ms, kraft_version, self.voter_set());
            let path = checkpoint::snapshot_path(&metadata_dir, OffsetAndEpoch::BOOTSTRAP);
            let bytes = checkpoint::encode(0, header, bootstrap.records(), bootstrap.metadata_version(), now_ms)
                .map_err(|problem| FormatError::Encode {
                    path: path.clone(),
                    problem,
                })?;
            checkpoint::write(&path, &bytes)?;
        }
        let given = self.own_voter().filter(|_| kind == Kind::DynamicMetadataVoter);
        let directory_id = given.map_or_else(|| Uuid::random(random), |voter| voter.directory_id);
        // Last, since it is what makes the directory count as formatted.
        let cluster_id = self.cluster_id.clone();
        let meta = MetaProperties {
            cluster_id,
            node_id: self.node_id,
            directory_id: Some(directory_id),
        };
        Ok(meta.write(dir)?)
    }

    fn voter_set(&self) -> Option<VoterSet> {
        let voters = self.initial_controllers.iter().map(|voter| VoterNode {
            key: ReplicaKey::of(voter.node_id, voter.directory_id),
            listeners: [(self.controller_listener.clone(), voter.endpoint.clone())].into(),
            min_kraft_version: 0,
            max_kraft_version: 1,
        });
        Some(VoterSet::new(voters)).filter(|voters| !voters.is_empty())
    }
}

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Log,
    StaticMetadata,
    DynamicMetadataVoter,
    DynamicMetadataNonVoter,
}

impl Kind {
    fn description(self) -> &'static str {
        match self {
            Kind::Log => "data directory",
            Kind::StaticMetadata => "metadata directory",
            Kind::DynamicMetadataVoter => "dynamic metadata voter directory",
            Kind::DynamicMetadataNonVoter => "dynamic metadata directory",
        }
    }
}

/// As Kafka's tool prints it.
fn describe(bootstrap: &BootstrapMetadata) -> String {
    let records: Vec<String> = bootstrap.records().iter().map(describe_record).collect();
    let level = bootstrap.metadata_version().level();
    format!(
        "BootstrapMetadata(records=[{}], metadataVersionLevel={level}, source=format command)",
        records.join(", ")
    )
}

fn describe_record(record: &MetadataRecord) -> String {
    let content = match record {
        MetadataRecord::FeatureLevel(record) => {
            format!("name='{}', featureLevel={}", record.name, record.feature_level)
        }
        other => format!("{other:?}"),
    };
    format!("ApiMessageAndVersion({}({content}) at version 0)", record.name())
}

#[cfg(test)]
mod tests;
