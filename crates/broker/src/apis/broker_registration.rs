//! BrokerRegistration (key 62), v0-4, flexible. KIP-631, KIP-858, KIP-966.
//! Registers a broker or a new incarnation of one with the controller; the broker stays fenced until a heartbeat unfences it.
//! Errors: INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, BROKER_ID_NOT_REGISTERED, INVALID_REGISTRATION, NOT_CONTROLLER.

use klamm_controller::Controller;
use klamm_protocol::messages::{BrokerRegistrationRequest, BrokerRegistrationResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse {
    let detects_clean_shutdown = cx.api_version >= 3;
    let kraft_version = cx.node.controller.kraft_version();
    let register = move |controller: &Controller, now_ms: i64| {
        controller.register_broker(&request, detects_clean_shutdown, kraft_version, now_ms)
    };
    let written = cx
        .node
        .controller
        .write("register broker", cx.node.request_deadline_ms(), register)
        .await;
    written.unwrap_or_else(|error| BrokerRegistrationResponse {
        error_code: error.code,
        ..Default::default()
    })
}
