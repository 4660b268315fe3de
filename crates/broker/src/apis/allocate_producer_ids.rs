//! AllocateProducerIds (key 67), v0, flexible. KIP-730.
//! Gives a broker a block of producer ids that nobody else gets.
//! Errors: STALE_BROKER_EPOCH, NOT_CONTROLLER.

use klamm_controller::Controller;
use klamm_protocol::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: AllocateProducerIdsRequest,
) -> AllocateProducerIdsResponse {
    let allocate = move |controller: &Controller, _now_ms: i64| controller.allocate_producer_ids(&request);
    let written = cx
        .node
        .controller
        .write("allocate producer ids", cx.node.request_deadline_ms(), allocate)
        .await;
    written.unwrap_or_else(|error| AllocateProducerIdsResponse {
        error_code: error.code,
        ..Default::default()
    })
}
