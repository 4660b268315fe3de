//! BrokerHeartbeat (key 63), v0-2, flexible. KIP-631, KIP-858.
//! Keeps a broker's session alive and carries its wishes: to be fenced, to be unfenced, to shut down.
//! Errors: STALE_BROKER_EPOCH, NOT_CONTROLLER.

use klamm_controller::Controller;
use klamm_protocol::messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
    let take_in = move |controller: &Controller, now_ms: i64| controller.process_broker_heartbeat(&request, now_ms);
    let written = cx
        .node
        .controller
        .write("heartbeat", cx.node.request_deadline_ms(), take_in)
        .await;
    written.unwrap_or_else(|error| BrokerHeartbeatResponse {
        error_code: error.code,
        ..Default::default()
    })
}
