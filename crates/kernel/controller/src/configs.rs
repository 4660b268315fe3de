//! Dynamic configuration of topics, brokers, groups and client metrics subscriptions.

use std::collections::BTreeMap;

use klamm_config::alter::{
    AlterError, AlterOperation, altered, validate_client_metrics, validate_group, validate_topic,
};
use klamm_config::describe::{self, Entry};
use klamm_config::{BrokerLayers, Overrides, Table, broker_keys, client_metrics_keys, group_keys, topic_keys};
use klamm_metadata::{ConfigResource, ConfigResourceType, MetadataRecord};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    alter_configs_response, incremental_alter_configs_response,
};
use klamm_protocol::metadata::{ClearElrRecord, ConfigRecord};

use crate::controller::{Controller, ControllerConfig};
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};
use crate::topic_name::reason_invalid;
use crate::topics::repeated;

const MIN_IN_SYNC_REPLICAS: &str = "min.insync.replicas";
const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";
/// The longest value that a record holds.
const MAX_VALUE_LENGTH: usize = 32_767;

/// What is to be done to each key of a resource.
pub(crate) type ConfigOps = BTreeMap<String, (AlterOperation, Option<String>)>;

/// What became of each resource.
type Altered = Vec<(ConfigResource, Option<ControllerError>)>;

static NONE: Overrides = Overrides::new();

impl ControllerConfig {
    /// `min.insync.replicas` of the configuration file.
    pub(crate) fn static_min_isr(&self) -> i32 {
        self.own.int(MIN_IN_SYNC_REPLICAS)
    }
}

impl Controller {
    /// Changes single keys of resources, each resource as a whole.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request brings about more records than one batch can hold.
    pub fn incremental_alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest,
    ) -> Result<ControllerResult<IncrementalAlterConfigsResponse>, ControllerError> {
        let resources = request.resources.iter().map(|resource| {
            let ops = resource.configs.iter().map(|config| {
                let id = config.config_operation;
                let unknown =
                    || ControllerError::new(ErrorCode::INVALID_REQUEST, format!("Unknown operation type {id}."));
                let operation = AlterOperation::from_id(id).ok_or_else(unknown)?;
                Ok((config.name.clone(), (operation, config.value.clone())))
            });
            let resource = resource_of(resource.resource_type, &resource.resource_name);
            (resource, ops.collect::<Result<ConfigOps, ControllerError>>())
        });
        let result = self.alter_resources(resources.collect(), request.validate_only, |resource, ops| {
            self.alter_config(resource, &ops?, false)
        })?;
        Ok(result.map(|results| {
            let response = |(resource, error): (ConfigResource, _)| {
                incremental_alter_configs_response::AlterConfigsResourceResponse {
                    error_code: code_of(&error),
                    error_message: error.and_then(|error| error.message),
                    resource_type: resource.resource_type.0,
                    resource_name: resource.name,
                    ..Default::default()
                }
            };
            IncrementalAlterConfigsResponse {
                responses: results.into_iter().map(response).collect(),
                ..IncrementalAlterConfigsResponse::default()
            }
        }))
    }

    /// Sets the whole configuration of resources: keys that aren't named are taken away.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request brings about more records than one batch can hold.
    pub fn alter_configs(
        &self,
        request: &AlterConfigsRequest,
    ) -> Result<ControllerResult<AlterConfigsResponse>, ControllerError> {
        let resources = request.resources.iter().map(|resource| {
            let configs = resource
                .configs
                .iter()
                .map(|config| (config.name.clone(), config.value.clone()));
            (
                resource_of(resource.resource_type, &resource.resource_name),
                configs.collect::<BTreeMap<_, _>>(),
            )
        });
        let result = self.alter_resources(resources.collect(), request.validate_only, |resource, configs| {
            self.replace_config(resource, configs)
        })?;
        Ok(result.map(|results| {
            let response =
                |(resource, error): (ConfigResource, _)| alter_configs_response::AlterConfigsResourceResponse {
                    error_code: code_of(&error),
                    error_message: error.and_then(|error| error.message),
                    resource_type: resource.resource_type.0,
                    resource_name: resource.name,
                    ..Default::default()
                };
            AlterConfigsResponse {
                responses: results.into_iter().map(response).collect(),
                ..AlterConfigsResponse::default()
            }
        }))
    }

    /// What both ways of altering share: resources named twice, kinds that aren't known, and one batch for all.
    fn alter_resources<T>(
        &self,
        resources: Vec<(ConfigResource, T)>,
        validate_only: bool,
        alter: impl Fn(&ConfigResource, T) -> Result<Vec<MetadataRecord>, ControllerError>,
    ) -> Result<ControllerResult<Altered>, ControllerError> {
        let duplicates: Vec<ConfigResource> = repeated(resources.iter().map(|(resource, _)| resource))
            .into_iter()
            .cloned()
            .collect();
        let mut results = Vec::with_capacity(resources.len());
        for resource in &duplicates {
            let error = ControllerError::new(ErrorCode::INVALID_REQUEST, "Duplicate resource.");
            results.push((resource.clone(), Some(error)));
        }
        let mut records = Vec::new();
        for (resource, wanted) in resources
            .into_iter()
            .filter(|(resource, _)| !duplicates.contains(resource))
        {
            let error = if resource.resource_type.is_known() {
                alter(&resource, wanted).map(|altered| records.extend(altered)).err()
            } else {
                let message = format!("Unknown resource type {}.", resource.resource_type.0);
                Some(ControllerError::new(ErrorCode::UNSUPPORTED_VERSION, message))
            };
            results.push((resource, error));
        }
        if records.len() > MAX_RECORDS_PER_USER_OP {
            let message = "Excessively large number of configuration changes per request.";
            return Err(ControllerError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        if validate_only {
            records.clear();
        }
        Ok(ControllerResult::atomic_of(records, results))
    }

    /// The records that do `ops` to the resource. `newly_created`: it needn't exist yet.
    pub(crate) fn alter_config(
        &self,
        resource: &ConfigResource,
        ops: &ConfigOps,
        newly_created: bool,
    ) -> Result<Vec<MetadataRecord>, ControllerError> {
        let current = self.overrides(resource);
        let mut changes = BTreeMap::new();
        for (key, (operation, value)) in ops {
            let table = table_of(resource.resource_type);
            let new = match (operation, value) {
                // A value of null takes the setting away, as with Kafka's controller; brokers refuse it before.
                (AlterOperation::Set, None) => None,
                _ => altered(table, current, key, *operation, value.as_deref()).map_err(alter_error)?,
            };
            changes.insert(key.clone(), new);
        }
        self.config_records(resource, changes, newly_created)
    }

    fn replace_config(
        &self,
        resource: &ConfigResource,
        configs: BTreeMap<String, Option<String>>,
    ) -> Result<Vec<MetadataRecord>, ControllerError> {
        let mut changes: BTreeMap<String, Option<String>> =
            self.overrides(resource).keys().map(|key| (key.clone(), None)).collect();
        changes.extend(configs);
        self.config_records(resource, changes, false)
    }

    fn config_records(
        &self,
        resource: &ConfigResource,
        mut changes: BTreeMap<String, Option<String>>,
        newly_created: bool,
    ) -> Result<Vec<MetadataRecord>, ControllerError> {
        let current = self.overrides(resource);
        // Brokers re-read what the value points to, such as a key store, when the same value is set again.
        let always = resource.resource_type == ConfigResourceType::BROKER;
        changes.retain(|key, value| always || current.get(key) != value.as_ref());
        let mut new = current.clone();
        for (key, value) in &changes {
            self.check_change(resource, key, value.as_deref())?;
            match value {
                Some(value) => new.insert(key.clone(), value.clone()),
                None => new.remove(key),
            };
        }
        self.validate(resource, current, &new)?;
        if !newly_created {
            self.check_exists(resource)?;
        }
        let clears_elr = self.is_elr_enabled() && changes.contains_key(MIN_IN_SYNC_REPLICAS);
        let mut records: Vec<MetadataRecord> = changes
            .into_iter()
            .map(|(name, value)| {
                ConfigRecord {
                    resource_type: resource.resource_type.0,
                    resource_name: resource.name.clone(),
                    name,
                    value,
                    ..ConfigRecord::default()
                }
                .into()
            })
            .collect();
        if clears_elr {
            // Who is eligible was found out with another minimum.
            let of_topic = resource.resource_type == ConfigResourceType::TOPIC;
            let topic_name = if of_topic { resource.name.clone() } else { String::new() };
            records.push(
                ClearElrRecord {
                    topic_name,
                    ..ClearElrRecord::default()
                }
                .into(),
            );
        }
        Ok(records)
    }

    fn check_change(&self, resource: &ConfigResource, key: &str, value: Option<&str>) -> Result<(), ControllerError> {
        let invalid = |message: &str| Err(ControllerError::new(ErrorCode::INVALID_CONFIG, message));
        let of_broker = resource.resource_type == ConfigResourceType::BROKER;
        if of_broker && key == MIN_IN_SYNC_REPLICAS && self.is_elr_enabled() {
            if !resource.name.is_empty() {
                return invalid("Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
            }
            if value.is_none() {
                return invalid("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
            }
        }
        if of_broker && key == CORDONED_LOG_DIRS && !self.metadata_version().is_cordoned_log_dirs_supported() {
            return invalid(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= \
                 4.3-IV0",
            );
        }
        if value.is_some_and(|value| value.encode_utf16().count() > MAX_VALUE_LENGTH) {
            return invalid(
                "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
            );
        }
        Ok(())
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        existing: &Overrides,
        new: &Overrides,
    ) -> Result<(), ControllerError> {
        let name = resource.name.as_str();
        let invalid = |message: String| Err(ControllerError::new(ErrorCode::INVALID_REQUEST, message));
        match resource.resource_type {
            ConfigResourceType::TOPIC if name.is_empty() => {
                invalid("Default topic resources are not allowed.".to_owned())
            }
            ConfigResourceType::TOPIC => {
                if let Some(reason) = reason_invalid(name) {
                    let message = format!("Topic name is invalid: {reason}");
                    return Err(ControllerError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
                }
                if new.is_empty() {
                    return Ok(());
                }
                validate_topic(&self.layers().effective(), existing, new).map_err(alter_error)
            }
            ConfigResourceType::BROKER if name.is_empty() => Ok(()),
            ConfigResourceType::BROKER => match name.parse::<i32>() {
                Err(_) => invalid("Unable to parse broker name as a base 10 number.".to_owned()),
                Ok(id) if id < 0 => invalid("Invalid negative broker ID.".to_owned()),
                Ok(_) => Ok(()),
            },
            ConfigResourceType::CLIENT_METRICS => validate_client_metrics(name, new).map_err(alter_error),
            ConfigResourceType::GROUP if name.is_empty() => {
                invalid("Default group resources are not allowed.".to_owned())
            }
            ConfigResourceType::GROUP => validate_group(&self.layers().effective(), new).map_err(alter_error),
            other => invalid(format!("Unexpected resource type {other}.")),
        }
    }

    fn check_exists(&self, resource: &ConfigResource) -> Result<(), ControllerError> {
        let name = resource.name.as_str();
        let cluster = self.image().cluster();
        match resource.resource_type {
            ConfigResourceType::TOPIC if self.image().topics().by_name(name).is_none() => Err(ControllerError::new(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                format!("The topic '{name}' does not exist."),
            )),
            ConfigResourceType::BROKER if !name.is_empty() => {
                let known = name.parse().is_ok_and(|id: i32| {
                    cluster.brokers().contains_key(&id)
                        || cluster.controllers().contains_key(&id)
                        || self.config.quorum_node_ids.contains(&id)
                });
                let unknown = || {
                    ControllerError::new(
                        ErrorCode::BROKER_ID_NOT_REGISTERED,
                        format!("No node with id {name} found."),
                    )
                };
                if known { Ok(()) } else { Err(unknown()) }
            }
            _ => Ok(()),
        }
    }

    fn overrides(&self, resource: &ConfigResource) -> &Overrides {
        self.image().configs().resource(resource).unwrap_or(&NONE)
    }

    /// The configuration of this node, which stands in for that of the brokers.
    fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers {
            own: &self.config.own,
            all_brokers: self.overrides(&ConfigResource::default_broker()),
            this_broker: self.overrides(&ConfigResource::broker(self.config.node_id)),
        }
    }

    /// Every topic key with the value that a topic with `overrides` has, sorted by name.
    pub(crate) fn effective_topic_configs(&self, overrides: &Overrides) -> Vec<Entry> {
        let mut entries = describe::topic(&self.layers(), overrides, None);
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    /// The topic's value of a key that brokers have by the same name.
    pub(crate) fn topic_config_value(&self, topic: &str, key: &str) -> Option<String> {
        let layers = self.layers();
        let dynamic = [
            self.overrides(&ConfigResource::topic(topic)),
            layers.this_broker,
            layers.all_brokers,
        ];
        match dynamic.into_iter().find_map(|overrides| overrides.get(key)) {
            Some(value) => Some(value.clone()),
            None => layers.own.value(key).and_then(|value| value.describe()),
        }
    }
}

fn resource_of(resource_type: i8, name: &str) -> ConfigResource {
    ConfigResource::new(ConfigResourceType(resource_type), name)
}

fn table_of(resource_type: ConfigResourceType) -> &'static Table {
    match resource_type {
        ConfigResourceType::TOPIC => topic_keys(),
        ConfigResourceType::GROUP => group_keys(),
        ConfigResourceType::CLIENT_METRICS => client_metrics_keys(),
        _ => broker_keys(),
    }
}

fn code_of(error: &Option<ControllerError>) -> ErrorCode {
    error.as_ref().map_or(ErrorCode::NONE, |error| error.code)
}

fn alter_error(error: AlterError) -> ControllerError {
    let code = match error {
        AlterError::InvalidRequest(_) => ErrorCode::INVALID_REQUEST,
        AlterError::InvalidConfig(_) => ErrorCode::INVALID_CONFIG,
    };
    ControllerError::new(code, error.to_string())
}
