//! DescribeGroups (key 15), v0-6, flexible from v5. Authorized operations from v3 (KIP-430), instance ids from v4 (KIP-345), an error
//! for groups that don't exist from v6 (KIP-1043): before they are told as dead.
//! Errors per group: GROUP_ID_NOT_FOUND (v6+), INVALID_REQUEST (named too often), and the coordinator's.

use klamm_group_coordinator::GroupQuery;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::group_errors::code;
use super::repeats::Repeats;
use crate::authorized_operations::GROUP_OPERATIONS;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let missing_is_an_error = cx.api_version >= 6;
    let mut response = DescribeGroupsResponse::default();
    let mut repeats = Repeats::new();
    for group_id in request.groups {
        let mut group = match repeats.allow(group_id.clone()) {
            true => describe(cx, group_id).await,
            false => too_often(group_id),
        };
        if !missing_is_an_error {
            group.error_message = None;
            if group.error_code == ErrorCode::GROUP_ID_NOT_FOUND {
                group.error_code = ErrorCode::NONE;
            }
        }
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        response.groups.push(group);
    }
    response
}

fn too_often(group_id: String) -> DescribedGroup {
    let error = Repeats::<String>::error();
    DescribedGroup {
        group_id,
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    }
}

async fn describe(cx: &RequestContext<'_>, group_id: String) -> DescribedGroup {
    let query = GroupQuery::DescribeGroups(vec![group_id.clone()]);
    match cx
        .node
        .groups
        .read::<Vec<DescribedGroup>>(&cx.image, &group_id, query)
        .await
    {
        Ok(mut rows) => rows.pop().expect("one group was asked for"),
        Err(error) => DescribedGroup {
            group_id,
            error_code: code(error),
            ..Default::default()
        },
    }
}
