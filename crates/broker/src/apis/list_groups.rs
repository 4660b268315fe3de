//! ListGroups (key 16), v0-5, flexible from v3. By state from v4 (KIP-518), by type from v5 (KIP-848).
//! Tells the groups that this broker coordinates. An error of one shard, such as COORDINATOR_LOAD_IN_PROGRESS, is the answer.

use klamm_coordinator::CoordinatorError;
use klamm_group_coordinator::GroupQuery;
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use super::group_errors::code;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let ListGroupsRequest {
        states_filter,
        types_filter,
        ..
    } = request;
    let query = GroupQuery::ListGroups {
        states_filter,
        types_filter,
    };
    let mut response = ListGroupsResponse::default();
    for groups in cx.node.groups.read_all::<Vec<ListedGroup>>(&query).await {
        match groups {
            Ok(groups) => response.groups.extend(groups),
            Err(CoordinatorError::NotCoordinator) => {}
            Err(error) => {
                return ListGroupsResponse {
                    error_code: code(error),
                    ..Default::default()
                };
            }
        }
    }
    response
}
