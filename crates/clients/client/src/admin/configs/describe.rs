//! What settings are.

use std::collections::BTreeMap;

use klamm_protocol::ApiKey;
use klamm_protocol::messages::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use klamm_protocol::messages::{DescribeConfigsRequest, ListConfigResourcesRequest};

use super::{ConfigResource, ConfigResourceKind};
use crate::Error;
use crate::admin::{Admin, Each, in_order};
use crate::client::{Lane, Target};

/// What to tell of settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribeConfigs {
    /// Where else a value could have come from.
    pub synonyms: bool,
    /// What a setting is for, in words.
    pub documentation: bool,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` when it has none or when it is secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Whether its value is kept secret.
    pub is_sensitive: bool,
    /// What values it has.
    pub kind: ConfigType,
    /// Every value that is set for it somewhere, the one that counts first; when asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for; when asked for.
    pub documentation: Option<String>,
}

/// A value of a setting and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// The key under which it was set there.
    pub name: String,
    /// The value; `None` when it is secret.
    pub value: Option<String>,
    /// Where it was set.
    pub source: ConfigSource,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// Set for the topic.
    DynamicTopic,
    /// Set for the broker while it runs.
    DynamicBroker,
    /// Set for all brokers while they run.
    DynamicDefaultBroker,
    /// In the broker's file.
    StaticBroker,
    /// Nowhere: the built-in value.
    Default,
    /// Set for a logger of the broker while it runs.
    DynamicBrokerLogger,
    /// Set for a subscription to clients' metrics.
    ClientMetrics,
    /// Set for the group.
    Group,
    /// A source that this client does not know, by its number.
    Other(i8),
}

/// What values a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigType {
    /// The broker did not say, or it is one that this client does not know.
    Unknown,
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A floating point number.
    Double,
    /// Elements with commas between them.
    List,
    /// The name of a Java class.
    Class,
    /// A secret.
    Password,
}

impl DescribeConfigs {
    /// Also tells where else values could have come from.
    pub fn with_synonyms(mut self) -> DescribeConfigs {
        self.synonyms = true;
        self
    }

    /// Also tells what settings are for.
    pub fn with_documentation(mut self) -> DescribeConfigs {
        self.documentation = true;
        self
    }
}

impl ConfigEntry {
    /// Whether the value is the built-in one.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

impl ConfigSource {
    fn from_id(id: i8) -> ConfigSource {
        match id {
            1 => ConfigSource::DynamicTopic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::DynamicBrokerLogger,
            7 => ConfigSource::ClientMetrics,
            8 => ConfigSource::Group,
            id => ConfigSource::Other(id),
        }
    }
}

impl ConfigType {
    fn from_id(id: i8) -> ConfigType {
        match id {
            1 => ConfigType::Boolean,
            2 => ConfigType::String,
            3 => ConfigType::Int,
            4 => ConfigType::Short,
            5 => ConfigType::Long,
            6 => ConfigType::Double,
            7 => ConfigType::List,
            8 => ConfigType::Class,
            9 => ConfigType::Password,
            _ => ConfigType::Unknown,
        }
    }
}

impl Admin {
    /// The settings of things, in effect and by default. DescribeConfigs 1-4: a broker answers for itself, any broker for
    /// the rest; documentation since version 3 (2.6).
    ///
    /// # Errors
    /// Per resource: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST for a broker that does not answer for itself.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        options: DescribeConfigs,
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, Error> {
        let mut answers = BTreeMap::new();
        for (target, own) in self.by_target(resources, |resource| resource) {
            let make = |version: i16| DescribeConfigsRequest {
                resources: own.iter().map(to_wire).collect(),
                include_synonyms: options.synonyms,
                include_documentation: options.documentation && version >= 3,
                ..Default::default()
            };
            match self.client.call_with(target, Lane::General, make).await {
                Ok((_, response)) => answers.extend(response.results.into_iter().map(described)),
                Err(error @ Error::TimedOut { .. }) => {
                    answers.extend(own.into_iter().map(|resource| (resource, Err(error.clone()))));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(in_order(resources.iter().cloned(), answers))
    }

    /// The things that have settings of their own. ListConfigResources 0-1 (KIP-1142), from any broker; all kinds when
    /// none is named. Version 0 (3.7) only knows subscriptions to clients' metrics.
    pub async fn list_config_resources(&self, kinds: &[ConfigResourceKind]) -> Result<Vec<ConfigResource>, Error> {
        let only_metrics = kinds == [ConfigResourceKind::ClientMetrics];
        if !only_metrics {
            self.client
                .require(ApiKey::ListConfigResources, 1, "other kinds than client metrics")
                .await?;
        }
        let make = |version| ListConfigResourcesRequest {
            resource_types: if version == 0 {
                Vec::new()
            } else {
                kinds.iter().map(|kind| kind.id()).collect()
            },
            ..Default::default()
        };
        let (_, response) = self.client.call_with(Target::Any, Lane::General, make).await?;
        Error::check(response.error_code)?;
        let resources = response.config_resources.into_iter();
        Ok(resources
            .map(|resource| ConfigResource::from_wire(resource.resource_type, resource.resource_name))
            .collect())
    }

    /// Items by who has to be asked about them.
    pub(super) fn by_target<K: Clone>(
        &self,
        items: &[K],
        resource: impl Fn(&K) -> &ConfigResource,
    ) -> Vec<(Target, Vec<K>)> {
        let mut by_node: BTreeMap<Option<i32>, Vec<K>> = BTreeMap::new();
        for item in items {
            by_node.entry(resource(item).node()).or_default().push(item.clone());
        }
        let elsewhere = match self.client.is_of_controllers() {
            true => Target::Controller,
            false => Target::Any,
        };
        let targets = by_node
            .into_iter()
            .map(|(node, items)| (node.map_or(elsewhere.clone(), Target::Broker), items));
        targets.collect()
    }
}

fn to_wire(resource: &ConfigResource) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type: resource.kind.id(),
        resource_name: resource.name.clone(),
        configuration_keys: None,
        ..Default::default()
    }
}

fn described(result: DescribeConfigsResult) -> (ConfigResource, Result<Vec<ConfigEntry>, Error>) {
    let resource = ConfigResource::from_wire(result.resource_type, result.resource_name);
    let checked = Error::check_with(result.error_code, result.error_message);
    (
        resource,
        checked.map(|()| result.configs.into_iter().map(entry).collect()),
    )
}

fn entry(told: DescribeConfigsResourceResult) -> ConfigEntry {
    let synonyms = told.synonyms.into_iter().map(|synonym| ConfigSynonym {
        name: synonym.name,
        value: synonym.value,
        source: ConfigSource::from_id(synonym.source),
    });
    ConfigEntry {
        name: told.name,
        value: told.value,
        source: ConfigSource::from_id(told.config_source),
        is_read_only: told.read_only,
        is_sensitive: told.is_sensitive,
        kind: ConfigType::from_id(told.config_type),
        synonyms: synonyms.collect(),
        documentation: told.documentation,
    }
}
