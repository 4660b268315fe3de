//! ControllerRegistration (key 70), v0, flexible. KIP-919.
//! Errors: UNSUPPORTED_VERSION (the metadata version is too old), NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::{ControllerRegistrationRequest, ControllerRegistrationResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: ControllerRegistrationRequest,
) -> ControllerRegistrationResponse {
    let register = move |controller: &Controller, _now_ms: i64| controller.register_controller(&request);
    let written = cx
        .node
        .controller
        .write("register controller", cx.node.request_deadline_ms(), register)
        .await;
    written.unwrap_or_else(|error| ControllerRegistrationResponse {
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    })
}
