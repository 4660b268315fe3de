//! AlterConfigs (key 33), v0-2, flexible from v2. KIP-133. Superseded by IncrementalAlterConfigs: it replaces the whole
//! configuration of a resource.
//! Errors per resource: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION,
//! BROKER_ID_NOT_REGISTERED, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::{Controller, ControllerError};
use klamm_metadata::{ConfigResource, ConfigResourceType};
use klamm_protocol::Listener;
use klamm_protocol::messages::alter_configs_request::AlterConfigsResource;
use klamm_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use klamm_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::dynamic_configs::{Next, Outcome, alter, check_keys_distinct, check_resource, check_values, row_error};
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let validate_only = request.validate_only;
    let write = |resources| async move {
        let rest = AlterConfigsRequest {
            resources,
            validate_only,
            ..Default::default()
        };
        let alter = move |controller: &Controller, _now_ms: i64| controller.alter_configs(&rest);
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
        |resource| check(cx, resource),
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
    AlterConfigsResponse {
        responses: outcomes.into_iter().map(row).collect(),
        ..Default::default()
    }
}

fn key(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, &resource.resource_name)
}

fn check(cx: &RequestContext<'_>, resource: &AlterConfigsResource) -> Result<Next, ControllerError> {
    if cx.listener.kind == Listener::Controller {
        return Ok(Next::ToController); // the controller checks alone, as Kafka's does
    }
    check_keys_distinct(resource.configs.iter().map(|config| config.name.as_str()))?;
    let without_value = resource.configs.iter().filter(|config| config.value.is_none());
    check_values(without_value.map(|config| config.name.as_str()))?;
    let of = ConfigResource::new(ConfigResourceType(resource.resource_type), &resource.resource_name);
    let set = resource
        .configs
        .iter()
        .filter_map(|config| Some((config.name.clone(), config.value.clone()?)));
    check_resource(cx, &of, |_| Ok(set.collect()))
}
