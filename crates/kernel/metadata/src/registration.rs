//! Registrations of brokers and controllers: their incarnation, listeners and supported features.

use std::collections::BTreeMap;

use klamm_protocol::Uuid;
use klamm_protocol::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
use klamm_protocol::metadata::register_controller_record::{ControllerEndpoint, ControllerFeature};
use klamm_protocol::metadata::{BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord};

use crate::directory_id::DirectoryId;
use crate::features::VersionRange;
use crate::metadata_version::MetadataVersion;
use crate::replay::ReplayError;

/// Where a node can be reached by one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The id of the security protocol (0 is PLAINTEXT).
    pub security_protocol: i16,
}

/// A broker as it registered, and what became of it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// The broker's node id.
    pub id: i32,
    /// The epoch that the controller gave this registration: an offset in the metadata log.
    pub epoch: i64,
    /// The id of the process; a restarted broker has another one.
    pub incarnation_id: Uuid,
    /// The advertised listeners, in the broker's order.
    pub listeners: Vec<Endpoint>,
    /// The levels that the broker supports, by feature.
    pub supported_features: BTreeMap<String, VersionRange>,
    /// The rack (KIP-36).
    pub rack: Option<String>,
    /// Whether clients must not see the broker.
    pub fenced: bool,
    /// Whether the broker is on its way out and may not become a leader (KIP-841).
    pub in_controlled_shutdown: bool,
    /// Left from a migration off ZooKeeper; kept so that nothing read is lost.
    pub is_migrating_zk_broker: bool,
    /// The broker's online log directories.
    pub directories: Vec<Uuid>,
    /// The log directories that take no new replicas; `None` when the broker never said (KIP-1066).
    pub cordoned_directories: Option<Vec<Uuid>>,
}

impl BrokerRegistration {
    /// What a `RegisterBrokerRecord` establishes.
    pub fn from_record(record: &RegisterBrokerRecord) -> Self {
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            listeners: record
                .end_points
                .iter()
                .map(|endpoint| Endpoint {
                    name: endpoint.name.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                })
                .collect(),
            supported_features: record
                .features
                .iter()
                .map(|feature| {
                    let range = VersionRange {
                        min: feature.min_supported_version,
                        max: feature.max_supported_version,
                    };
                    (feature.name.clone(), range)
                })
                .collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        }
    }

    /// The record that establishes this registration, with no more in it than `version` can say.
    pub fn to_record(&self, version: MetadataVersion) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker && version.is_migration_supported(),
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self
                .listeners
                .iter()
                .map(|endpoint| BrokerEndpoint {
                    name: endpoint.name.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                    ..BrokerEndpoint::default()
                })
                .collect(),
            features: self
                .supported_features
                .iter()
                .map(|(name, range)| BrokerFeature {
                    name: name.clone(),
                    min_supported_version: range.min,
                    max_supported_version: range.max,
                    ..BrokerFeature::default()
                })
                .collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: if version.is_directory_assignment_supported() {
                self.directories.clone()
            } else {
                Vec::new()
            },
            cordoned_log_dirs: if version.is_cordoned_log_dirs_supported() {
                self.cordoned_directories.clone()
            } else {
                None
            },
            ..RegisterBrokerRecord::default()
        }
    }

    /// This registration after a `BrokerRegistrationChangeRecord`.
    pub(crate) fn changed(&self, record: &BrokerRegistrationChangeRecord) -> Result<Self, ReplayError> {
        let mut next = self.clone();
        match record.fenced {
            0 => {}
            1 => next.fenced = true,
            -1 => next.fenced = false,
            other => return Err(ReplayError::UnknownFencingChange(other)),
        }
        match record.in_controlled_shutdown {
            0 => {}
            1 => next.in_controlled_shutdown = true,
            other => return Err(ReplayError::UnknownControlledShutdownChange(other)),
        }
        if !record.log_dirs.is_empty() {
            next.directories.clone_from(&record.log_dirs);
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            next.cordoned_directories = Some(cordoned.clone());
        }
        Ok(next)
    }

    /// The endpoint of the listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Endpoint> {
        self.listeners.iter().find(|endpoint| endpoint.name == name)
    }

    /// Whether the broker may lead partitions: neither fenced nor shutting down.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in that log directory is online on this broker.
    pub fn has_online_dir(&self, directory: Uuid) -> bool {
        DirectoryId::is_online(directory, &self.directories)
    }

    /// Whether some log directory may take new replicas.
    pub fn has_uncordoned_dirs(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => {
                self.directories.iter().any(|dir| !cordoned.contains(dir))
            }
            _ => true,
        }
    }
}

/// A controller as it registered (KIP-919).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// The controller's node id.
    pub id: i32,
    /// The id of the process.
    pub incarnation_id: Uuid,
    /// Left from a migration off ZooKeeper; kept so that nothing read is lost.
    pub zk_migration_ready: bool,
    /// The advertised listeners.
    pub listeners: Vec<Endpoint>,
    /// The levels that the controller supports, by feature.
    pub supported_features: BTreeMap<String, VersionRange>,
}

impl ControllerRegistration {
    /// What a `RegisterControllerRecord` establishes.
    pub fn from_record(record: &RegisterControllerRecord) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            listeners: record
                .end_points
                .iter()
                .map(|endpoint| Endpoint {
                    name: endpoint.name.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                })
                .collect(),
            supported_features: record
                .features
                .iter()
                .map(|feature| {
                    let range = VersionRange {
                        min: feature.min_supported_version,
                        max: feature.max_supported_version,
                    };
                    (feature.name.clone(), range)
                })
                .collect(),
        }
    }

    /// The record that establishes this registration.
    pub fn to_record(&self) -> RegisterControllerRecord {
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self
                .listeners
                .iter()
                .map(|endpoint| ControllerEndpoint {
                    name: endpoint.name.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                    ..ControllerEndpoint::default()
                })
                .collect(),
            features: self
                .supported_features
                .iter()
                .map(|(name, range)| ControllerFeature {
                    name: name.clone(),
                    min_supported_version: range.min,
                    max_supported_version: range.max,
                    ..ControllerFeature::default()
                })
                .collect(),
            ..RegisterControllerRecord::default()
        }
    }
}
