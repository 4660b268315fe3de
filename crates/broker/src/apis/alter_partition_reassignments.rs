//! AlterPartitionReassignments (key 45), v0-1, flexible. KIP-455; v1 may forbid another replication factor (KIP-860).
//! Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
//! NO_REASSIGNMENT_IN_PROGRESS; for all: NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    if request.topics.is_empty() {
        return AlterPartitionReassignmentsResponse::default();
    }
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let alter = move |controller: &Controller, _now_ms: i64| controller.alter_partition_reassignments(&request);
    let written = cx
        .node
        .controller
        .write("alter reassignments", deadline_ms, alter)
        .await;
    written.unwrap_or_else(|error| AlterPartitionReassignmentsResponse {
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    })
}
