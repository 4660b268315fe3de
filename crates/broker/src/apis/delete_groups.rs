//! DeleteGroups (key 42), v0-3, flexible from v2. KIP-229; messages from v3.
//! Errors per group: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, and the coordinator's.

use std::collections::BTreeSet;

use klamm_group_coordinator::GroupRequest;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut response = DeleteGroupsResponse::default();
    // A group that is named twice is deleted and answered once.
    let groups: BTreeSet<String> = request.groups_names.into_iter().collect();
    for group_id in groups {
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
