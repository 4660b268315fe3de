//! AssignReplicasToDirs (key 73), v0, flexible. KIP-858.
//! Takes in which log directories a broker chose for its replicas. Errors: STALE_BROKER_EPOCH, UNSUPPORTED_VERSION,
//! NOT_CONTROLLER; per partition UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER.

use klamm_controller::Controller;
use klamm_protocol::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: AssignReplicasToDirsRequest,
) -> AssignReplicasToDirsResponse {
    let assign = move |controller: &Controller, _now_ms: i64| controller.assign_replicas_to_dirs(&request);
    let written = cx
        .node
        .controller
        .write("assign replicas to directories", cx.node.request_deadline_ms(), assign);
    written.await.unwrap_or_else(|error| AssignReplicasToDirsResponse {
        error_code: error.code,
        ..Default::default()
    })
}
