//! Heartbeat (key 12), v0-4, flexible from v4. Static members from v3 (KIP-345).
//! Errors: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, and the
//! coordinator's, except that one that is loading finds every member well: it can't know better.

use klamm_coordinator::CoordinatorError;
use klamm_group_coordinator::{GroupError, GroupRequest};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let group = request.group_id.clone();
    let beat = cx
        .node
        .groups
        .write(&cx.image, &group, GroupRequest::Heartbeat(request))
        .await;
    let error_code = match beat {
        Ok(Ok(())) | Err(CoordinatorError::LoadInProgress) => ErrorCode::NONE,
        Ok(Err(refused)) => GroupError::code(refused),
        Err(error) => code(error),
    };
    HeartbeatResponse {
        error_code,
        ..Default::default()
    }
}
