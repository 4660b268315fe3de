//! AlterPartition (key 56), v2-3, flexible. KIP-497, KIP-841, KIP-903 (broker epochs in the ISR).
//! Takes in the ISRs that a leader wants. Errors: STALE_BROKER_EPOCH, NOT_CONTROLLER; per partition UNKNOWN_TOPIC_ID,
//! UNKNOWN_TOPIC_OR_PARTITION, FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, INVALID_REQUEST, INELIGIBLE_REPLICA,
//! NEW_LEADER_ELECTED.

use klamm_controller::Controller;
use klamm_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: AlterPartitionRequest) -> AlterPartitionResponse {
    let alter = move |controller: &Controller, _now_ms: i64| controller.alter_partition(&request);
    let written = cx
        .node
        .controller
        .write("alter partition", cx.node.request_deadline_ms(), alter)
        .await;
    written.unwrap_or_else(|error| AlterPartitionResponse {
        error_code: error.code,
        ..Default::default()
    })
}
