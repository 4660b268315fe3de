//! Changing settings.

use std::collections::BTreeMap;

use klamm_protocol::messages::{AlterConfigsRequest, IncrementalAlterConfigsRequest};
use klamm_protocol::messages::{alter_configs_request as replacing, incremental_alter_configs_request as incremental};

use super::ConfigResource;
use crate::Error;
use crate::admin::{Admin, Each, in_order};
use crate::client::Lane;

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfig {
    /// The setting.
    pub name: String,
    /// What happens to it.
    pub op: AlterConfigOp,
}

/// What can happen to a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterConfigOp {
    /// It gets this value.
    Set(String),
    /// It goes back to its default.
    Delete,
    /// These elements, with commas between them, are added to its list.
    Append(String),
    /// These elements, with commas between them, are taken out of its list.
    Subtract(String),
}

impl AlterConfig {
    /// Gives a setting a value.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> AlterConfig {
        AlterConfig {
            name: name.into(),
            op: AlterConfigOp::Set(value.into()),
        }
    }

    /// Takes a setting back to its default.
    pub fn delete(name: impl Into<String>) -> AlterConfig {
        AlterConfig {
            name: name.into(),
            op: AlterConfigOp::Delete,
        }
    }

    /// Adds elements to a list.
    pub fn append(name: impl Into<String>, elements: impl Into<String>) -> AlterConfig {
        AlterConfig {
            name: name.into(),
            op: AlterConfigOp::Append(elements.into()),
        }
    }

    /// Takes elements out of a list.
    pub fn subtract(name: impl Into<String>, elements: impl Into<String>) -> AlterConfig {
        AlterConfig {
            name: name.into(),
            op: AlterConfigOp::Subtract(elements.into()),
        }
    }

    fn to_wire(&self) -> incremental::AlterableConfig {
        let (config_operation, value) = match &self.op {
            AlterConfigOp::Set(value) => (0, Some(value.clone())),
            AlterConfigOp::Delete => (1, None),
            AlterConfigOp::Append(value) => (2, Some(value.clone())),
            AlterConfigOp::Subtract(value) => (3, Some(value.clone())),
        };
        incremental::AlterableConfig {
            name: self.name.clone(),
            config_operation,
            value,
            ..Default::default()
        }
    }
}

impl Admin {
    /// Changes single settings and leaves the others; with `validate_only`, only says whether that could be done. All
    /// changes to one resource happen or none. IncrementalAlterConfigs 0-1 (KIP-339): a broker's own go to that broker,
    /// the others to any.
    ///
    /// # Errors
    /// Per resource: UNKNOWN_TOPIC_OR_PARTITION, INVALID_CONFIG, INVALID_REQUEST, POLICY_VIOLATION.
    ///
    /// ```
    /// # klamm_testkit::run(async |cluster| {
    /// # use klamm_client::{AlterConfig, Client, ConfigResource, NewTopic};
    /// # let admin = Client::connect(cluster.bootstrap()).await?.admin();
    /// # admin.create_topics(&[NewTopic::new("orders")], false).await?;
    /// let changes = vec![AlterConfig::set("retention.ms", "60000"), AlterConfig::delete("segment.bytes")];
    /// admin.incremental_alter_configs(&[(ConfigResource::topic("orders"), changes)], false).await?;
    /// # Ok(()) });
    /// ```
    pub async fn incremental_alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<AlterConfig>)],
        validate_only: bool,
    ) -> Result<Each<ConfigResource>, Error> {
        let mut answers = BTreeMap::new();
        for (target, own) in self.by_target(changes, |(resource, _)| resource) {
            let make = |_| IncrementalAlterConfigsRequest {
                resources: own.iter().map(to_wire).collect(),
                validate_only,
                ..Default::default()
            };
            let (_, response) = self.client.call_with(target, Lane::General, make).await?;
            answers.extend(response.responses.into_iter().map(|result| {
                let resource = ConfigResource::from_wire(result.resource_type, result.resource_name);
                (resource, Error::check_with(result.error_code, result.error_message))
            }));
        }
        Ok(in_order(changes.iter().map(|(resource, _)| resource.clone()), answers))
    }

    /// Replaces all settings of things: what is not named goes back to its default. For old brokers;
    /// [`Admin::incremental_alter_configs`] is what you want (since 2.3). AlterConfigs 0-2.
    ///
    /// # Errors
    /// As [`Admin::incremental_alter_configs`].
    pub async fn alter_configs(
        &self,
        configs: &[(ConfigResource, Vec<(String, String)>)],
        validate_only: bool,
    ) -> Result<Each<ConfigResource>, Error> {
        let mut answers = BTreeMap::new();
        for (target, own) in self.by_target(configs, |(resource, _)| resource) {
            let make = |_| AlterConfigsRequest {
                resources: own.iter().map(to_replacing_wire).collect(),
                validate_only,
                ..Default::default()
            };
            let (_, response) = self.client.call_with(target, Lane::General, make).await?;
            answers.extend(response.responses.into_iter().map(|result| {
                let resource = ConfigResource::from_wire(result.resource_type, result.resource_name);
                (resource, Error::check_with(result.error_code, result.error_message))
            }));
        }
        Ok(in_order(configs.iter().map(|(resource, _)| resource.clone()), answers))
    }
}

fn to_wire((resource, changes): &(ConfigResource, Vec<AlterConfig>)) -> incremental::AlterConfigsResource {
    incremental::AlterConfigsResource {
        resource_type: resource.kind.id(),
        resource_name: resource.name.clone(),
        configs: changes.iter().map(AlterConfig::to_wire).collect(),
        ..Default::default()
    }
}

fn to_replacing_wire((resource, configs): &(ConfigResource, Vec<(String, String)>)) -> replacing::AlterConfigsResource {
    let configs = configs.iter().map(|(name, value)| replacing::AlterableConfig {
        name: name.clone(),
        value: Some(value.clone()),
        ..Default::default()
    });
    replacing::AlterConfigsResource {
        resource_type: resource.kind.id(),
        resource_name: resource.name.clone(),
        configs: configs.collect(),
        ..Default::default()
    }
}
