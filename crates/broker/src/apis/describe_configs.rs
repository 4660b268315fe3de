//! DescribeConfigs (key 32), v1-4, flexible from v4. KIP-133, KIP-226 (synonyms), KIP-569 (types, documentation).
//! Tells the configuration in force of topics, of this broker, of all brokers, of groups and client metrics subscriptions.
//! Errors per resource: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST.

use klamm_config::describe::{self, Entry, Synonym};
use klamm_controller::{ControllerError, reason_invalid};
use klamm_metadata::{ConfigResource, ConfigResourceType};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use klamm_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::dynamic_configs::{invalid_request, layers, overrides};
use super::repeats::Repeats;
use crate::loggers::Loggers;
use crate::request::RequestContext;

/// The source of a logger's level.
const LOGGER_SOURCE: i8 = 6;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let mut repeats = Repeats::new();
    let mut result = |resource: &DescribeConfigsResource| {
        // Topics are there or not; of the rest any name may stand for a resource that has its defaults.
        let allowed = match resource.resource_type == ConfigResourceType::TOPIC.0 {
            true => repeats.allow(resource.resource_name.clone()),
            false => repeats.allow_again(),
        };
        let entries = match allowed {
            true => entries(cx, resource),
            false => Err(Repeats::<String>::error()),
        };
        let (entries, error) = match entries {
            Ok(entries) => (entries, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let entry = |entry| described(entry, request.include_synonyms, request.include_documentation);
        let configs = match error {
            None if resource.resource_type == ConfigResourceType::BROKER_LOGGER.0 => loggers(cx, resource),
            _ => entries.into_iter().map(entry).collect(),
        };
        DescribeConfigsResult {
            error_code: error.as_ref().map(|error| error.code).unwrap_or_default(),
            error_message: error.map_or(Some(String::new()), |error| error.message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
            ..Default::default()
        }
    };
    DescribeConfigsResponse {
        results: request.resources.iter().map(&mut result).collect(),
        ..Default::default()
    }
}

fn entries(cx: &RequestContext<'_>, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, ControllerError> {
    let name = resource.resource_name.as_str();
    let keys = resource.configuration_keys.as_deref();
    let layers = layers(&cx.node.config.server.config, &cx.image, cx.node.id);
    let resource = ConfigResource::new(ConfigResourceType(resource.resource_type), name);
    let own = overrides(&cx.image, &resource);
    match resource.resource_type {
        ConfigResourceType::TOPIC => {
            if let Some(reason) = reason_invalid(name) {
                let message = format!("Topic name is invalid: {reason}");
                return Err(ControllerError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
            }
            if cx.image.topics().by_name(name).is_none() {
                return Err(ControllerError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ""));
            }
            Ok(describe::topic(&layers, own, keys))
        }
        ConfigResourceType::BROKER if name.is_empty() => Ok(describe::all_brokers(&layers, keys)),
        ConfigResourceType::BROKER => {
            check_broker_id(cx, name, " or empty string,")?;
            Ok(describe::broker(&layers, keys))
        }
        ConfigResourceType::BROKER_LOGGER if name.is_empty() => Err(invalid_request("Broker id must not be empty")),
        ConfigResourceType::BROKER_LOGGER => {
            check_broker_id(cx, name, "")?;
            Ok(Vec::new()) // loggers are no settings: see `loggers`
        }
        ConfigResourceType::CLIENT_METRICS if name.is_empty() => {
            Err(invalid_request("Client metrics subscription name must not be empty"))
        }
        ConfigResourceType::CLIENT_METRICS => Ok(describe::client_metrics(own, keys)),
        ConfigResourceType::GROUP if name.is_empty() => Err(invalid_request("Group name must not be empty")),
        ConfigResourceType::GROUP => Ok(describe::group(&layers, own, keys)),
        other => Err(invalid_request(format!("Unsupported resource type: {other}"))),
    }
}

/// The levels of this node's loggers (KIP-412).
fn loggers(cx: &RequestContext<'_>, resource: &DescribeConfigsResource) -> Vec<DescribeConfigsResourceResult> {
    let asked = |name: &str| {
        let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
        keys.is_none_or(|keys| keys.iter().any(|key| key == name))
    };
    let all = cx.node.loggers.get().map(Loggers::all).unwrap_or_default();
    let row = |(name, level): (&str, &str)| DescribeConfigsResourceResult {
        name: name.to_owned(),
        value: Some(level.to_owned()),
        config_source: LOGGER_SOURCE,
        ..Default::default()
    };
    all.into_iter().filter(|(name, _)| asked(name)).map(row).collect()
}

/// A broker knows only its own configuration: clients ask each for its own.
fn check_broker_id(cx: &RequestContext<'_>, name: &str, or_else: &str) -> Result<(), ControllerError> {
    let own = cx.node.id;
    match name.parse::<i32>() {
        Err(_) => Err(invalid_request(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id != own => Err(invalid_request(format!(
            "Unexpected broker id, expected {own}{or_else} but received {name}"
        ))),
        Ok(_) => Ok(()),
    }
}

fn described(entry: Entry, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let synonym = |synonym: Synonym| DescribeConfigsSynonym {
        name: synonym.name,
        value: synonym.value,
        source: synonym.source.id(),
        ..Default::default()
    };
    DescribeConfigsResourceResult {
        config_source: entry.source.id(),
        config_type: entry.type_code(),
        name: entry.name,
        value: entry.value,
        read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
        synonyms: match synonyms {
            true => entry.synonyms.into_iter().map(synonym).collect(),
            false => Vec::new(),
        },
        documentation: entry.documentation.filter(|_| documentation).map(str::to_owned),
        ..Default::default()
    }
}
