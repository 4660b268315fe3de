//! What the APIs about configuration share.

use std::collections::{BTreeMap, BTreeSet};

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
/// configured with has to go with the rest of its own configuration. The controller checks what all can tell.
pub(super) fn check_resource(
    cx: &RequestContext<'_>,
    resource: &ConfigResource,
    new: impl FnOnce(&Overrides) -> Result<Overrides, ControllerError>,
) -> Result<Next, ControllerError> {
    if cx.listener.kind == Listener::Controller {
        return Ok(Next::ToController);
    }
    match resource.resource_type {
        ConfigResourceType::BROKER => {
            let for_one = !resource.name.is_empty();
            if for_one {
                check_node_id(cx, &resource.name)?;
            }
            let new = new(overrides(&cx.image, resource))?;
            let layers = layers(&cx.node.config.server.config, &cx.image, cx.node.id);
            validate_broker(&layers, for_one, &new).map_err(alter_error)?;
            Ok(Next::ToController)
        }
        ConfigResourceType::TOPIC | ConfigResourceType::CLIENT_METRICS | ConfigResourceType::GROUP => {
            Ok(Next::ToController)
        }
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
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(invalid_request("Error due to duplicate config keys"));
        }
    }
    Ok(())
}

/// What became of a resource whose configuration was to change.
pub(super) struct Outcome {
    pub(super) kind: i8,
    pub(super) name: String,
    pub(super) error: Option<ControllerError>,
    passed_on: bool,
}

impl Outcome {
    pub(super) fn new(kind: i8, name: String, error: Option<ControllerError>) -> Self {
        Outcome {
            kind,
            name,
            error,
            passed_on: false,
        }
    }
}

/// What is left to do for a resource that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The controller changes it.
    ToController,
    /// Nothing: this broker has changed it.
    Done,
}

/// Has those resources changed that pass `check` and are named once; `write` takes them to the controller. Tells what became of
/// each, in the order of the request.
///
/// On a controller's listener the controller checks alone, as Kafka's does: nothing here is known of other brokers.
pub(super) async fn alter<R, W>(
    on: Listener,
    resources: Vec<R>,
    key: fn(&R) -> (i8, &str),
    check: impl Fn(&R) -> Result<Next, ControllerError>,
    write: impl FnOnce(Vec<R>) -> W,
) -> Vec<Outcome>
where
    W: Future<Output = Result<Vec<Outcome>, ControllerError>>,
{
    let mut named: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &resources {
        *named.entry(key(resource)).or_default() += 1;
    }
    let checked = resources.iter().map(|resource| match named[&key(resource)] {
        1 => check(resource),
        _ if on == Listener::Controller => Ok(Next::ToController),
        _ => Err(invalid_request("Each resource must appear at most once.")),
    });
    let checked: Vec<_> = checked.collect();
    let outcome = |resource: &R, error| {
        let (kind, name) = key(resource);
        Outcome::new(kind, name.to_owned(), error)
    };
    let mut outcomes: Vec<_> = resources.iter().map(|resource| outcome(resource, None)).collect();
    let mut left = Vec::new();
    for ((resource, checked), outcome) in resources.into_iter().zip(checked).zip(&mut outcomes) {
        match checked {
            Ok(Next::ToController) => {
                outcome.passed_on = true;
                left.push(resource);
            }
            Ok(Next::Done) => {}
            Err(error) => outcome.error = Some(error),
        }
    }
    if left.is_empty() {
        return outcomes;
    }
    let mut errors = BTreeMap::new();
    let for_all = match write(left).await {
        Ok(written) => {
            errors.extend(written.into_iter().map(|row| ((row.kind, row.name), row.error)));
            None
        }
        Err(error) => Some(error),
    };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.passed_on) {
        let own = errors.remove(&(outcome.kind, outcome.name.clone()));
        outcome.error = own.flatten().or_else(|| for_all.clone());
    }
    if on == Listener::Controller {
        let mut told = BTreeSet::new();
        outcomes.retain(|outcome| told.insert((outcome.kind, outcome.name.clone())));
    }
    outcomes
}

/// The error of a controller's row, if it is one.
pub(super) fn row_error(code: ErrorCode, message: Option<String>) -> Option<ControllerError> {
    code.is_err().then_some(ControllerError { code, message })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of resources by these names, of which the controller refuses `bad`.
    async fn outcomes(names: Vec<&'static str>) -> Vec<(String, Option<ErrorCode>)> {
        let check = |name: &&'static str| match *name {
            "unfit" => Err(invalid_request("no")),
            "own" => Ok(Next::Done),
            _ => Ok(Next::ToController),
        };
        let write = |left: Vec<&'static str>| async move {
            let row = |name: &str| {
                let code = match name {
                    "bad" => ErrorCode::INVALID_CONFIG,
                    _ => ErrorCode::NONE,
                };
                Outcome::new(2, name.to_owned(), row_error(code, None))
            };
            match left.contains(&"nobody") {
                true => Err(ErrorCode::NOT_CONTROLLER.into()),
                false => Ok(left.into_iter().map(row).collect()),
            }
        };
        let told = alter(Listener::Broker, names, |name| (2, name), check, write).await;
        told.into_iter()
            .map(|outcome| (outcome.name, outcome.error.map(|error| error.code)))
            .collect()
    }

    #[tokio::test]
    async fn each_resource_has_its_own_outcome_in_the_order_of_the_request() {
        let told = outcomes(vec!["twice", "bad", "good", "twice", "unfit", "own"]).await;
        let refused = Some(ErrorCode::INVALID_REQUEST);
        let expected = [
            ("twice", refused),
            ("bad", Some(ErrorCode::INVALID_CONFIG)),
            ("good", None),
            ("twice", refused),
            ("unfit", refused),
            ("own", None),
        ];
        assert_eq!(told, expected.map(|(name, code)| (name.to_owned(), code)));
    }

    #[tokio::test]
    async fn what_the_controller_cannot_do_holds_for_all_that_was_left_to_it() {
        let told = outcomes(vec!["nobody", "unfit", "good", "own"]).await;
        let codes: Vec<_> = told.into_iter().map(|(_, code)| code).collect();
        let passed_on = Some(ErrorCode::NOT_CONTROLLER);
        assert_eq!(codes, [passed_on, Some(ErrorCode::INVALID_REQUEST), passed_on, None]);
    }

    #[tokio::test]
    async fn a_request_of_very_many_resources_costs_no_square_of_them() {
        let told = outcomes(vec!["same"; 300_000]).await;
        assert!(told.iter().all(|(_, code)| *code == Some(ErrorCode::INVALID_REQUEST)));
    }
}
