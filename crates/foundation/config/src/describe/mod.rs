//! What DescribeConfigs tells of brokers, topics, groups and client metrics subscriptions, as Kafka's `ConfigHelper` tells it.
//!
//! The odd corners are Kafka's: internal keys show only where they are set; keys of nobody's table show without a value,
//! for they might be secrets; and where only a synonym of lower rank is set, as `log.retention.hours` for a topic's
//! `retention.ms`, the value is the synonym's while the source says default.

use crate::config::{Config, Overrides, base_of_listener_key};
use crate::dynamic::{BrokerLayers, synonyms_of};
use crate::key::{ConfigKey, ConfigType, Scope};
use crate::keys::{Table, broker_keys, client_metrics_keys, dynamic_only_broker_keys, group_keys, topic_keys};
use crate::topic::topic_config;
use crate::value::Value;

#[cfg(test)]
mod tests;

/// Where a described value comes from; the numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// The topic's own configuration.
    DynamicTopic = 1,
    /// The cluster's configuration for this broker.
    DynamicBroker = 2,
    /// The cluster's configuration for all brokers.
    DynamicDefaultBroker = 3,
    /// The broker's file or command line.
    StaticBroker = 4,
    /// The built-in default.
    Default = 5,
    /// The level of a logger.
    DynamicBrokerLogger = 6,
    /// The client metrics subscription's own configuration.
    ClientMetrics = 7,
    /// The group's own configuration.
    Group = 8,
}

impl ConfigSource {
    /// Number in DescribeConfigs replies.
    pub const fn id(self) -> i8 {
        self as i8
    }
}

/// Where a broker's value can come from, highest rank first.
const BY_RANK: [ConfigSource; 4] = [
    ConfigSource::DynamicBroker,
    ConfigSource::DynamicDefaultBroker,
    ConfigSource::StaticBroker,
    ConfigSource::Default,
];

impl BrokerLayers<'_> {
    /// What the broker key `name` is set to at `source`.
    fn setting(&self, source: ConfigSource, name: &str) -> Option<&str> {
        match source {
            ConfigSource::DynamicBroker => self.this_broker.get(name).map(String::as_str),
            ConfigSource::DynamicDefaultBroker => self.all_brokers.get(name).map(String::as_str),
            ConfigSource::StaticBroker => self.own.setting(name).map(|property| property.value.as_str()),
            _ => None,
        }
    }
}

/// One of the settings that a value could come from, highest rank first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the key that was set.
    pub name: String,
    /// What it was set to; `None` if it is a secret.
    pub value: Option<String>,
    /// Where.
    pub source: ConfigSource,
}

/// One key as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Value; `None` if it is unset or a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is a secret, or might be one because nobody knows the key.
    pub is_sensitive: bool,
    /// Whether the key cannot change while the broker runs.
    pub read_only: bool,
    /// Everything the value could come from, highest rank first.
    pub synonyms: Vec<Synonym>,
    /// Type; `None` if nobody knows the key.
    pub config_type: Option<ConfigType>,
    /// What the key is for.
    pub documentation: Option<&'static str>,
}

impl Entry {
    /// Whether the value is the built-in default, as version 0 of the API says it.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }

    /// Number of the type in DescribeConfigs replies; 0 if nobody knows the key.
    pub fn type_code(&self) -> i8 {
        self.config_type.map_or(0, ConfigType::code)
    }
}

/// A broker: every key with the value in force.
pub fn broker(layers: &BrokerLayers<'_>, names: Option<&[String]>) -> Vec<Entry> {
    let effective = layers.effective();
    described(&effective, broker_keys(), names)
        .into_iter()
        .map(|(name, value)| broker_entry(layers, name, value, true))
        .collect()
}

/// All brokers: the keys that are set for all of them.
pub fn all_brokers(layers: &BrokerLayers<'_>, names: Option<&[String]>) -> Vec<Entry> {
    let asked = layers.all_brokers.iter().filter(|(name, _)| is_asked(names, name));
    asked
        .map(|(name, value)| broker_entry(layers, name.clone(), Some(value.clone()), false))
        .collect()
}

/// A topic: every key with the value in force.
pub fn topic(layers: &BrokerLayers<'_>, overrides: &Overrides, names: Option<&[String]>) -> Vec<Entry> {
    let (config, _) = topic_config(&layers.effective(), overrides);
    let entry = |(name, value): (String, Option<String>)| {
        let key = topic_keys().get(&name);
        let server = key.and_then(|key| key.server_synonyms.first());
        let from_server = server
            .map(|server| synonyms(layers, server.name, false))
            .unwrap_or_default();
        resource_entry(name, value, key, overrides, ConfigSource::DynamicTopic, from_server)
    };
    described(&config, topic_keys(), names).into_iter().map(entry).collect()
}

/// A group: every key with the value in force.
pub fn group(layers: &BrokerLayers<'_>, overrides: &Overrides, names: Option<&[String]>) -> Vec<Entry> {
    let mut config = own_config(overrides, group_keys());
    let effective = layers.effective();
    for key in group_keys()
        .iter()
        .filter(|key| !config.is_set(key.name))
        .collect::<Vec<_>>()
    {
        let Some(value) = key
            .server_synonyms
            .first()
            .and_then(|server| effective.value(server.name))
        else {
            continue;
        };
        let value = match (key.config_type, value) {
            // The assignor of a group is one; the broker's first is its default.
            (ConfigType::String, Value::List(items)) => items.first().cloned().map(Value::String),
            (_, value) => Some(value.clone()),
        };
        config.replace(key.name, value);
    }
    // An internal key shows if its broker key is set, too.
    let shows = |key: &ConfigKey| {
        !key.internal
            || key
                .server_synonyms
                .first()
                .is_some_and(|server| effective.is_set(server.name))
    };
    let hidden_unless_set: Vec<&str> = group_keys()
        .iter()
        .filter(|key| key.internal && shows(key))
        .map(|key| key.name)
        .collect();
    let mut values = described(&config, group_keys(), names);
    for name in hidden_unless_set
        .into_iter()
        .filter(|name| !config.is_set(name) && is_asked(names, name))
    {
        values.push((name.to_string(), config.value(name).and_then(Value::describe)));
    }
    let entry = |(name, value): (String, Option<String>)| {
        let key = group_keys().get(&name);
        let server = key.and_then(|key| key.server_synonyms.first());
        let from_elsewhere = match server {
            Some(server) => synonyms(layers, server.name, false),
            None => default_synonym(key).into_iter().collect(),
        };
        resource_entry(name, value, key, overrides, ConfigSource::Group, from_elsewhere)
    };
    values.into_iter().map(entry).collect()
}

/// A client metrics subscription: every key.
pub fn client_metrics(overrides: &Overrides, names: Option<&[String]>) -> Vec<Entry> {
    let config = own_config(overrides, client_metrics_keys());
    let entry = |(name, value): (String, Option<String>)| {
        let key = client_metrics_keys().get(&name);
        resource_entry(name, value, key, overrides, ConfigSource::ClientMetrics, Vec::new())
    };
    described(&config, client_metrics_keys(), names)
        .into_iter()
        .map(entry)
        .collect()
}

fn is_asked(names: Option<&[String]>, name: &str) -> bool {
    names.is_none_or(|names| names.is_empty() || names.iter().any(|asked| asked == name))
}

fn own_config(overrides: &Overrides, table: &'static Table) -> Config {
    let set = overrides.iter().map(|(name, value)| {
        let origin = crate::origin::Origin::Resource;
        (
            name.clone(),
            crate::properties::Property {
                value: value.clone(),
                origin,
            },
        )
    });
    Config::read(set.collect(), table, |_| {})
}

/// The keys to describe: those of the table that are not internal, and all that are set.
fn described(config: &Config, table: &Table, names: Option<&[String]>) -> Vec<(String, Option<String>)> {
    let of_table = table.iter().filter(|key| !key.internal && is_asked(names, key.name));
    let mut values: Vec<(String, Option<String>)> = of_table
        .map(|key| (key.name.to_string(), config.value(key.name).and_then(Value::describe)))
        .collect();
    for (name, property) in config.settings().filter(|(name, _)| is_asked(names, name)) {
        if table.get(name).is_none_or(|key| key.internal) {
            values.push((name.to_string(), Some(property.value.clone())));
        }
    }
    values
}

/// The key that knows `name`'s type: itself, or the one it sets for a listener.
fn known_broker_key(name: &str) -> Option<&'static ConfigKey> {
    let exact = |name: &str| broker_keys().get(name).or_else(|| dynamic_only_broker_keys().get(name));
    exact(name).or_else(|| base_of_listener_key(name).and_then(|base| broker_keys().get(base)))
}

fn broker_entry(layers: &BrokerLayers<'_>, name: String, value: Option<String>, for_one: bool) -> Entry {
    let known = known_broker_key(&name);
    let is_sensitive = known.is_none_or(ConfigKey::is_sensitive);
    let mut synonyms = synonyms(layers, &name, is_sensitive);
    synonyms.retain(|synonym| for_one || synonym.source == ConfigSource::DynamicDefaultBroker);
    let own = broker_keys().get(&name);
    Entry {
        value: value.filter(|_| !is_sensitive),
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        is_sensitive,
        read_only: own.is_none_or(|key| key.scope == Scope::ReadOnly)
            && dynamic_only_broker_keys().get(&name).is_none(),
        synonyms,
        config_type: known.map(|key| key.config_type),
        documentation: own.map(|key| key.doc),
        name,
    }
}

fn resource_entry(
    name: String,
    value: Option<String>,
    key: Option<&ConfigKey>,
    overrides: &Overrides,
    own_source: ConfigSource,
    below: Vec<Synonym>,
) -> Entry {
    let is_sensitive = key.is_none_or(ConfigKey::is_sensitive);
    let value = value.filter(|_| !is_sensitive);
    let own = overrides.contains_key(&name).then(|| Synonym {
        name: name.clone(),
        value: value.clone(),
        source: own_source,
    });
    let synonyms: Vec<Synonym> = own.into_iter().chain(below).collect();
    Entry {
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        value,
        is_sensitive,
        read_only: false,
        synonyms,
        config_type: key.map(|key| key.config_type),
        documentation: key.map(|key| key.doc),
        name,
    }
}

fn default_synonym(key: Option<&ConfigKey>) -> Option<Synonym> {
    let key = key?;
    let value = key.default_value()?;
    Some(Synonym {
        name: key.name.to_string(),
        value: value.describe(),
        source: ConfigSource::Default,
    })
}

/// Every setting that gives the broker key `name` a value: by source, within a source by rank of the synonyms, from the
/// first one that is `name` itself.
fn synonyms(layers: &BrokerLayers<'_>, name: &str, is_sensitive: bool) -> Vec<Synonym> {
    let names: Vec<&str> = match synonyms_of(name) {
        Some(synonyms) => synonyms.to_vec(),
        None => std::iter::once(name).chain(base_of_listener_key(name)).collect(),
    };
    let mut found = Vec::new();
    for source in BY_RANK {
        for name in &names {
            let default = || broker_keys().get(name)?.default_value()?.describe();
            let value = match source {
                ConfigSource::Default => default(),
                _ => layers.setting(source, name).map(str::to_string),
            };
            if let Some(value) = value {
                let value = (!is_sensitive).then_some(value);
                found.push(Synonym {
                    name: (*name).to_string(),
                    value,
                    source,
                });
            }
        }
    }
    found.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// One key of a topic as CreateTopics replies with it (KIP-525).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicEntry {
    /// Name.
    pub name: &'static str,
    /// Value, in milliseconds where the broker's setting is in hours or minutes.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
}

/// Every key of a topic with `overrides` as CreateTopics replies with them.
pub fn created_topic(layers: &BrokerLayers<'_>, overrides: &Overrides) -> Vec<TopicEntry> {
    let entry = |key: &'static ConfigKey| {
        let (value, source) = created_topic_value(layers, overrides, key);
        TopicEntry {
            name: key.name,
            value,
            source,
            is_sensitive: key.is_sensitive(),
        }
    };
    topic_keys()
        .iter()
        .filter(|key| !key.internal || overrides.contains_key(key.name))
        .map(entry)
        .collect()
}

fn created_topic_value(
    layers: &BrokerLayers<'_>,
    overrides: &Overrides,
    key: &ConfigKey,
) -> (Option<String>, ConfigSource) {
    if let Some(value) = overrides.get(key.name) {
        return (Some(value.clone()), ConfigSource::DynamicTopic);
    }
    for source in [
        ConfigSource::DynamicBroker,
        ConfigSource::DynamicDefaultBroker,
        ConfigSource::StaticBroker,
    ] {
        for synonym in key.server_synonyms {
            if let Some(text) = layers.setting(source, synonym.name) {
                let value = match (synonym.factor, text.trim().parse::<i64>()) {
                    (1, _) | (_, Err(_)) => text.to_string(),
                    (factor, Ok(number)) => number.saturating_mul(factor).to_string(),
                };
                return (Some(value), source);
            }
        }
    }
    (
        key.default_value().and_then(|value| value.describe()),
        ConfigSource::Default,
    )
}
