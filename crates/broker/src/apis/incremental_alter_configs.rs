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

use super::dynamic_configs::{
    Outcome, alter, alter_error, check_keys_distinct, check_resource, check_values, invalid_request, row_error,
};
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
        let outcome = |row: AlterConfigsResourceResponse| Outcome {
            kind: row.resource_type,
            name: row.resource_name,
            error: row_error(row.error_code, row.error_message),
        };
        Ok(written.responses.into_iter().map(outcome).collect())
    };
    let outcomes = alter(request.resources, key, |resource| check(cx, resource), write).await;
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

fn check(cx: &RequestContext<'_>, resource: &AlterConfigsResource) -> Result<(), ControllerError> {
    check_keys_distinct(resource.configs.iter().map(|config| config.name.as_str()))?;
    let without_value = resource
        .configs
        .iter()
        .filter(|config| config.config_operation != AlterOperation::Delete as i8 && config.value.is_none());
    check_values(without_value.map(|config| config.name.as_str()))?;
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
