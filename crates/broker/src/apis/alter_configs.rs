//! AlterConfigs (key 33), v0-2, flexible from v2. KIP-133. Superseded by IncrementalAlterConfigs: it replaces the whole
//! configuration of a resource.
//! Errors per resource: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION,
//! BROKER_ID_NOT_REGISTERED, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use std::collections::BTreeMap;

use klamm_controller::{Controller, ControllerError};
use klamm_metadata::{ConfigResource, ConfigResourceType};
use klamm_protocol::messages::alter_configs_request::AlterConfigsResource;
use klamm_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use klamm_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::dynamic_configs::{check_keys_distinct, check_resource, check_values, invalid_request};
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut outcomes: BTreeMap<(i8, String), Option<ControllerError>> = BTreeMap::new();
    let mut rest = AlterConfigsRequest {
        validate_only: request.validate_only,
        ..Default::default()
    };
    for resource in &request.resources {
        let key = (resource.resource_type, resource.resource_name.clone());
        let same = |other: &&AlterConfigsResource| {
            (other.resource_type, &other.resource_name) == (resource.resource_type, &resource.resource_name)
        };
        let checked = match request.resources.iter().filter(same).nth(1) {
            Some(_) => Err(invalid_request("Each resource must appear at most once.")),
            None => check(cx, resource),
        };
        match checked {
            Ok(()) => rest.resources.push(resource.clone()),
            Err(error) => {
                outcomes.insert(key, Some(error));
            }
        }
    }
    let left: Vec<_> = rest
        .resources
        .iter()
        .map(|r| (r.resource_type, r.resource_name.clone()))
        .collect();
    if !left.is_empty() {
        let alter = move |controller: &Controller, _now_ms: i64| controller.alter_configs(&rest);
        match cx
            .node
            .controller
            .write("alter configs", cx.node.request_deadline_ms(), alter)
            .await
        {
            Ok(response) => outcomes.extend(response.responses.into_iter().map(|response| {
                let failed = response.error_code.is_err();
                let error = ControllerError {
                    code: response.error_code,
                    message: response.error_message,
                };
                (
                    (response.resource_type, response.resource_name),
                    failed.then_some(error),
                )
            })),
            Err(error) => outcomes.extend(left.into_iter().map(|key| (key, Some(error.clone())))),
        }
    }
    let response = |resource: AlterConfigsResource| {
        let key = (resource.resource_type, resource.resource_name);
        let error = outcomes.get(&key).cloned().flatten();
        AlterConfigsResourceResponse {
            error_code: error.as_ref().map(|error| error.code).unwrap_or_default(),
            error_message: error.and_then(|error| error.message),
            resource_type: key.0,
            resource_name: key.1,
            ..Default::default()
        }
    };
    AlterConfigsResponse {
        responses: request.resources.into_iter().map(response).collect(),
        ..Default::default()
    }
}

fn check(cx: &RequestContext<'_>, resource: &AlterConfigsResource) -> Result<(), ControllerError> {
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
