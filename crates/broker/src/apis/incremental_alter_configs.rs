//! IncrementalAlterConfigs (key 44), v0-1, flexible from v1. KIP-339.
//! Changes single keys of topics, brokers, groups and client metrics subscriptions. The broker checks what concerns itself,
//! the controller the rest.
//! Errors per resource: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION,
//! BROKER_ID_NOT_REGISTERED, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_config::alter::{AlterOperation, altered};
use klamm_config::broker_keys;
use klamm_controller::{Controller, ControllerError};
use klamm_metadata::{ConfigResource, ConfigResourceType};
use klamm_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use klamm_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use klamm_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use klamm_protocol::{ErrorCode, Listener};

use super::dynamic_configs::{
    Next, Outcome, alter, alter_error, check_keys_distinct, check_resource, check_values, invalid_request, row_error,
};
use crate::loggers;
use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let validate_only = request.validate_only;
    let write = |resources| async move {
        let rest = IncrementalAlterConfigsRequest {
            resources,
            validate_only,
            ..Default::default()
        };
        let alter = move |controller: &Controller, _now_ms: i64| controller.incremental_alter_configs(&rest);
        let deadline_ms = cx.node.request_deadline_ms();
        let written = cx.node.controller.write("alter configs", deadline_ms, alter).await?;
        let outcome = |row: AlterConfigsResourceResponse| {
            let error = row_error(row.error_code, row.error_message);
            Outcome::new(row.resource_type, row.resource_name, error)
        };
        Ok(written.responses.into_iter().map(outcome).collect())
    };
    let outcomes = alter(
        cx.listener.kind,
        request.resources,
        key,
        |resource| check(cx, resource, validate_only),
        write,
    )
    .await;
    let row = |outcome: Outcome| AlterConfigsResourceResponse {
        error_code: outcome.error.as_ref().map(|error| error.code).unwrap_or_default(),
        error_message: outcome.error.and_then(|error| error.message),
        resource_type: outcome.kind,
        resource_name: outcome.name,
        ..Default::default()
    };
    IncrementalAlterConfigsResponse {
        responses: outcomes.into_iter().map(row).collect(),
        ..Default::default()
    }
}

fn key(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, &resource.resource_name)
}

fn check(
    cx: &RequestContext<'_>,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<Next, ControllerError> {
    if resource.resource_type == ConfigResourceType::BROKER_LOGGER.0 {
        if cx.listener.kind == Listener::Broker {
            check_common(resource)?;
        }
        alter_loggers(cx, resource, validate_only)?;
        return Ok(Next::Done);
    }
    if cx.listener.kind == Listener::Controller {
        return Ok(Next::ToController); // the controller checks alone, as Kafka's does
    }
    check_common(resource)?;
    let of = ConfigResource::new(ConfigResourceType(resource.resource_type), &resource.resource_name);
    check_resource(cx, &of, |current| {
        let mut new = current.clone();
        for config in &resource.configs {
            let id = config.config_operation;
            let operation =
                AlterOperation::from_id(id).ok_or_else(|| invalid_request(format!("Unknown operations type {id}")))?;
            let value = altered(broker_keys(), current, &config.name, operation, config.value.as_deref());
            match value.map_err(alter_error)? {
                Some(value) => new.insert(config.name.clone(), value),
                None => new.remove(&config.name),
            };
        }
        Ok(new)
    })
}

/// What holds for resources of all kinds: a key is named once, and has a value unless it is taken away.
fn check_common(resource: &AlterConfigsResource) -> Result<(), ControllerError> {
    check_keys_distinct(resource.configs.iter().map(|config| config.name.as_str()))?;
    let without_value = resource
        .configs
        .iter()
        .filter(|config| config.config_operation != AlterOperation::Delete as i8 && config.value.is_none());
    check_values(without_value.map(|config| config.name.as_str()))
}

/// Sets levels of loggers of this node (KIP-412).
fn alter_loggers(
    cx: &RequestContext<'_>,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ControllerError> {
    let (own, name) = (cx.node.id, &resource.resource_name);
    match name.parse::<i32>() {
        Err(_) => {
            return Err(invalid_request(format!(
                "Node id must be an integer, but it is: {name}"
            )));
        }
        Ok(id) if id != own => {
            return Err(invalid_request(format!(
                "Unexpected node id. Expected {own}, but received {name}"
            )));
        }
        Ok(_) => {}
    }
    let invalid = |message| ControllerError::new(ErrorCode::INVALID_CONFIG, message);
    let mut changes = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        let name = &config.name;
        let exists = || match cx.node.loggers.get() {
            Some(loggers) if loggers.has(name) => Ok(()),
            _ => Err(invalid(format!("Logger {name} does not exist!"))),
        };
        let id = config.config_operation;
        match AlterOperation::from_id(id) {
            Some(AlterOperation::Set) => {
                exists()?;
                let level = config.value.as_deref().unwrap_or_default();
                if !loggers::levels().any(|known| known == level) {
                    let known: Vec<_> = loggers::levels().collect();
                    let known = known.join(", ");
                    return Err(invalid(format!(
                        "Cannot set the log level of {name} to {level} as it is not a supported log level. Valid log levels \
                         are {known}"
                    )));
                }
            }
            Some(AlterOperation::Delete) => {
                exists()?;
                if name == loggers::ROOT {
                    return Err(invalid_request(
                        "Removing the log level of the root logger is not allowed",
                    ));
                }
            }
            Some(other) => {
                let operation = if other == AlterOperation::Append {
                    "APPEND"
                } else {
                    "SUBTRACT"
                };
                let message = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
                return Err(invalid_request(message));
            }
            None => return Err(invalid_request(format!("Unknown operation type {id}"))),
        }
        let level = config.value.clone().filter(|_| id == AlterOperation::Set as i8);
        changes.push((name.clone(), level));
    }
    if let Some(loggers) = cx.node.loggers.get().filter(|_| !validate_only) {
        loggers.change(changes);
    }
    Ok(())
}
