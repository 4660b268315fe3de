//! DeleteGroups (key 42), v0-3, flexible from v2. KIP-229; messages from v3.
//! Errors per group: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, and the coordinator's.

use klamm_group_coordinator::GroupRequest;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut response = DeleteGroupsResponse::default();
    for group_id in request.groups_names {
        let delete = GroupRequest::DeleteGroups(vec![group_id.clone()]);
        match cx
            .node
            .groups
            .write::<Vec<DeletableGroupResult>>(&cx.image, &group_id, delete)
            .await
        {
            Ok(rows) => response.results.extend(rows),
            Err(error) => {
                let row = DeletableGroupResult {
                    group_id,
                    error_code: code(error),
                    ..Default::default()
                };
                response.results.push(row);
            }
        }
    }
    response
}
