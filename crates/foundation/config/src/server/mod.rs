//! A node's own configuration, checked as a whole: what Kafka checks at start, between keys as well.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::error::{ConfigError, ConfigErrors, Problem, Warning};
use crate::keys::broker_keys;
use crate::listener::{Endpoint, Listener, QuorumVoter};
use crate::properties::Properties;

mod listeners;
mod rules;
mod unsupported;

pub(crate) use unsupported::asks_for;

#[cfg(test)]
mod tests;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessRole {
    /// Keeps logs and serves clients.
    Broker,
    /// Keeps the cluster's metadata.
    Controller,
}

/// A node's own configuration, in which every rule between keys holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The values of all keys.
    pub config: Config,
    /// What the node does; at least one thing.
    pub roles: Vec<ProcessRole>,
    /// Its number.
    pub node_id: i32,
    /// Where it listens, those of the controller included.
    pub listeners: Vec<Listener>,
    /// What clients and other brokers are told; a host of `None` and a port of 0 are still to be filled in.
    pub advertised_listeners: Vec<Listener>,
    /// What other nodes are told of the controller.
    pub advertised_controller_listeners: Vec<Listener>,
    /// Names of the controllers' listeners; the first is the one to connect to.
    pub controller_listener_names: Vec<String>,
    /// Name of the listener that brokers use among themselves.
    pub inter_broker_listener_name: String,
    /// Voters of a fixed quorum; empty if the voters live in the metadata log.
    pub quorum_voters: Vec<QuorumVoter>,
    /// Controllers to ask for the quorum; empty if the quorum is fixed.
    pub quorum_bootstrap_servers: Vec<Endpoint>,
    /// Directories of the data; at least one.
    pub log_dirs: Vec<String>,
    /// Directory of the metadata log.
    pub metadata_log_dir: String,
    /// Most connections from single hosts, where they differ from `max.connections.per.ip`.
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
}

impl ServerConfig {
    /// Reads and checks a node's configuration.
    ///
    /// # Errors
    /// Everything that is wrong with single values; if those are in order, everything that asks for protection that is
    /// not there yet; if there is no such thing, everything that is wrong between keys.
    pub fn load(properties: &Properties) -> Result<(ServerConfig, Vec<Warning>), ConfigErrors> {
        let (config, mut warnings) = Config::from_properties(&with_both_names_of_the_id(properties), broker_keys())?;
        warnings.retain(|warning| match warning {
            Warning::Deprecated { key, .. } => properties.get(key).is_some(),
            _ => true,
        });
        ConfigErrors::none_in(unsupported::settings(&config))?;
        let server = ServerConfig::check(config)?;
        Ok((server, warnings))
    }

    /// Checks the rules between keys.
    ///
    /// # Errors
    /// Every rule that does not hold.
    pub(crate) fn check(config: Config) -> Result<ServerConfig, ConfigErrors> {
        let mut errors = rules::broken(&config);
        let roles = roles(&config);
        let node_id = config.int("node.id");
        let addresses = listeners::resolve(&config, &roles, &mut errors);
        let quorum_voters = rules::quorum(&config, &roles, node_id, &mut errors);
        let max_connections_per_ip_overrides = rules::connections_per_ip(&config, &mut errors);
        ConfigErrors::none_in(errors)?;
        let bootstrap = config.list("controller.quorum.bootstrap.servers");
        let log_dirs = log_dirs(&config).to_vec();
        Ok(ServerConfig {
            roles,
            node_id,
            listeners: addresses.listeners,
            advertised_listeners: addresses.advertised,
            advertised_controller_listeners: addresses.advertised_controllers,
            controller_listener_names: config.list("controller.listener.names").to_vec(),
            inter_broker_listener_name: addresses.inter_broker,
            quorum_voters,
            quorum_bootstrap_servers: bootstrap.iter().filter_map(|server| server.parse().ok()).collect(),
            metadata_log_dir: match config.string_or_none("metadata.log.dir") {
                Some(dir) => dir.to_string(),
                None => log_dirs.first().cloned().unwrap_or_default(),
            },
            log_dirs,
            max_connections_per_ip_overrides,
            config,
        })
    }

    /// Whether the node is a broker.
    pub fn is_broker(&self) -> bool {
        self.roles.contains(&ProcessRole::Broker)
    }

    /// Whether the node is a controller.
    pub fn is_controller(&self) -> bool {
        self.roles.contains(&ProcessRole::Controller)
    }

    /// The listeners that are not for controllers.
    pub fn broker_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners
            .iter()
            .filter(|listener| !self.controller_listener_names.contains(&listener.name))
    }

    /// The listeners that are for controllers.
    pub fn controller_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners
            .iter()
            .filter(|listener| self.controller_listener_names.contains(&listener.name))
    }
}

/// `broker.id` and `node.id` are names of one number: where one is set, both are.
fn with_both_names_of_the_id(properties: &Properties) -> Properties {
    let mut both = properties.clone();
    for (name, other) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
        if let (Some(property), None) = (properties.get(name), properties.get(other)) {
            both.set(other, property.value.clone(), property.origin.clone());
        }
    }
    both
}

fn roles(config: &Config) -> Vec<ProcessRole> {
    let role = |name: &String| {
        if name == "broker" {
            ProcessRole::Broker
        } else {
            ProcessRole::Controller
        }
    };
    config.list("process.roles").iter().map(role).collect()
}

/// `log.dirs`, or `log.dir` if that is not set.
fn log_dirs(config: &Config) -> &[String] {
    config
        .list_or_none("log.dirs")
        .unwrap_or_else(|| config.list("log.dir"))
}

/// An error about a rule between keys.
fn broken_rule(config: &Config, key: &str, rule: impl Into<String>) -> ConfigError {
    config.error(key, Problem::Rule(rule.into()))
}

/// The same with a hint.
fn broken_rule_with(config: &Config, key: &str, rule: impl Into<String>, hint: impl Into<String>) -> ConfigError {
    ConfigError {
        hint: Some(hint.into()),
        ..broken_rule(config, key, rule)
    }
}
