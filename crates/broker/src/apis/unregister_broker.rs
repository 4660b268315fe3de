//! UnregisterBroker (key 64), v0, flexible. KIP-631.
//! Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    let unregister = move |controller: &Controller, _now_ms: i64| controller.unregister_broker(&request);
    let written = cx
        .node
        .controller
        .write("unregister broker", cx.node.request_deadline_ms(), unregister)
        .await;
    written.unwrap_or_else(|error| UnregisterBrokerResponse {
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    })
}
