//! LeaveGroup (key 13), v0-5, flexible from v4. Several members, also by instance id, from v3 (KIP-345), reasons from v5 (KIP-800).
//! Errors per member: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID; for all: INVALID_GROUP_ID, and the coordinator's.

use klamm_group_coordinator::GroupRequest;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, mut request: LeaveGroupRequest) -> LeaveGroupResponse {
    let one_member_only = cx.api_version < 3;
    if one_member_only {
        let member_id = std::mem::take(&mut request.member_id);
        request.members = vec![MemberIdentity {
            member_id,
            ..Default::default()
        }];
    }
    let group = request.group_id.clone();
    let left = cx
        .node
        .groups
        .write(&cx.image, &group, GroupRequest::LeaveGroup(request))
        .await;
    let mut response: LeaveGroupResponse = left.unwrap_or_else(|error| LeaveGroupResponse {
        error_code: code(error),
        ..Default::default()
    });
    if one_member_only {
        // The one row is the answer to all.
        if let (true, Some(row)) = (response.error_code.is_none(), response.members.first()) {
            response.error_code = row.error_code;
        }
        response.members.clear();
    }
    response
}
