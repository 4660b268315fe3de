//! SyncGroup (key 14), v0-5, flexible from v4. Static members from v3 (KIP-345), protocol type and name from v5 (KIP-559).
//! Parked until the leader has brought the assignments and they are committed. Errors: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID,
//! FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, INCONSISTENT_GROUP_PROTOCOL, and the coordinator's.

use klamm_group_coordinator::GroupRequest;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let names_protocol = cx.api_version >= 5;
    let failed = |error_code| SyncGroupResponse {
        error_code,
        ..Default::default()
    };
    if names_protocol && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let group = request.group_id.clone();
    let synced = cx
        .node
        .groups
        .write(&cx.image, &group, GroupRequest::SyncGroup(request))
        .await;
    synced.unwrap_or_else(|error| failed(code(error)))
}
