//! What the APIs about configuration share.

use klamm_config::alter::{AlterError, validate_broker};
use klamm_config::{BrokerLayers, Config, Overrides};
use klamm_controller::ControllerError;
use klamm_metadata::{ConfigResource, ConfigResourceType, MetadataImage};
use klamm_protocol::{ErrorCode, Listener};

use crate::request::RequestContext;

static NONE: Overrides = Overrides::new();

/// The dynamic configuration of a resource.
pub(super) fn overrides<'a>(image: &'a MetadataImage, resource: &ConfigResource) -> &'a Overrides {
    image.configs().resource(resource).unwrap_or(&NONE)
}

/// This broker's configuration, layer by layer.
pub(super) fn layers<'a>(own: &'a Config, image: &'a MetadataImage, node_id: i32) -> BrokerLayers<'a> {
    BrokerLayers {
        own,
        all_brokers: overrides(image, &ConfigResource::default_broker()),
        this_broker: overrides(image, &ConfigResource::broker(node_id)),
    }
}

/// An INVALID_REQUEST.
pub(super) fn invalid_request(message: impl Into<String>) -> ControllerError {
    ControllerError::new(ErrorCode::INVALID_REQUEST, message)
}

/// Whether `new` may become the dynamic configuration of `resource`, as far as only this broker can tell: what a broker is
/// configured with has to go with the rest of its own configuration. The controller checks what all can tell; what is sent to
/// its own listener may concern any broker.
pub(super) fn check_resource(
    cx: &RequestContext<'_>,
    resource: &ConfigResource,
    new: impl FnOnce(&Overrides) -> Result<Overrides, ControllerError>,
) -> Result<(), ControllerError> {
    if cx.listener.kind == Listener::Controller {
        return Ok(());
    }
    match resource.resource_type {
        ConfigResourceType::BROKER => {
            let for_one = !resource.name.is_empty();
            if for_one {
                check_node_id(cx, &resource.name)?;
            }
            let new = new(overrides(&cx.image, resource))?;
            let layers = layers(&cx.node.config.server.config, &cx.image, cx.node.id);
            validate_broker(&layers, for_one, &new).map_err(alter_error)
        }
        ConfigResourceType::BROKER_LOGGER => Err(invalid_request("Levels of loggers can't be changed by request.")),
        ConfigResourceType::TOPIC | ConfigResourceType::CLIENT_METRICS | ConfigResourceType::GROUP => Ok(()),
        ConfigResourceType(other) => Err(invalid_request(format!("Unknown resource type {other}"))),
    }
}

/// A broker changes only itself: clients send what concerns a broker there.
fn check_node_id(cx: &RequestContext<'_>, name: &str) -> Result<(), ControllerError> {
    let own = cx.node.id;
    match name.parse::<i32>() {
        Err(_) => Err(invalid_request(format!(
            "Node id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id != own => Err(invalid_request(format!(
            "Unexpected broker id, expected {own}, but received {name}"
        ))),
        Ok(_) => Ok(()),
    }
}

/// What a change of configuration that isn't allowed is called in Kafka's protocol.
pub(super) fn alter_error(error: AlterError) -> ControllerError {
    let code = match error {
        AlterError::InvalidRequest(_) => ErrorCode::INVALID_REQUEST,
        AlterError::InvalidConfig(_) => ErrorCode::INVALID_CONFIG,
    };
    ControllerError::new(code, error.to_string())
}

/// A key that is named more than once.
pub(super) fn check_keys_distinct<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), ControllerError> {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(invalid_request("Error due to duplicate config keys"));
        }
    }
    Ok(())
}

/// Keys that have no value although they need one.
pub(super) fn check_values<'a>(without_value: impl Iterator<Item = &'a str>) -> Result<(), ControllerError> {
    let names: Vec<_> = without_value.collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(invalid_request(format!(
            "Null value not supported for : {}",
            names.join(", ")
        ))),
    }
}
