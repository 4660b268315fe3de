//! JoinGroup (key 11), v0-9, flexible from v6. A rebalance timeout of its own from v1, member ids that are given out first from
//! v4 (KIP-394), static members from v5 (KIP-345), a reason from v8 (KIP-800), leaders that need not assign from v9 (KIP-814).
//! Parked until the group's members have joined. Errors: INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, MEMBER_ID_REQUIRED,
//! UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, and the coordinator's.

use klamm_group_coordinator::{Client, GroupRequest, JoinOptions};
use klamm_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, mut request: JoinGroupRequest) -> JoinGroupResponse {
    let has_rebalance_timeout = cx.api_version >= 1;
    let protocol_name_may_be_null = cx.api_version >= 7;
    let options = JoinOptions {
        member_id_required: cx.api_version >= 4,
        can_skip_assignment: cx.api_version >= 9,
    };
    if !has_rebalance_timeout {
        request.rebalance_timeout_ms = request.session_timeout_ms;
    }
    let client = Client {
        client_id: cx.client_id.to_owned(),
        host: cx.client_host(),
    };
    let (group, member_id) = (request.group_id.clone(), request.member_id.clone());
    let join = GroupRequest::JoinGroup {
        client,
        request,
        options,
    };
    let joined = cx.node.groups.write(&cx.image, &group, join).await;
    let mut response = joined.unwrap_or_else(|error| JoinGroupResponse {
        error_code: code(error),
        member_id,
        ..Default::default()
    });
    response.protocol_name = response.protocol_name.filter(|name| !name.is_empty());
    if !protocol_name_may_be_null {
        response.protocol_name.get_or_insert_default();
    }
    response
}
