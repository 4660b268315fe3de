//! ListPartitionReassignments (key 46), v0, flexible. KIP-455.
//! Errors: NOT_CONTROLLER.

use klamm_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let list = move |controller: &klamm_controller::Controller| controller.list_partition_reassignments(&request);
    let listed = cx.node.controller.read(list).await;
    listed.unwrap_or_else(|error| ListPartitionReassignmentsResponse {
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    })
}
