//! Groups: listed, described, deleted.

mod describe;
mod list;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use klamm_protocol::{ErrorCode, Request};

use super::fan_out::Repeat;
use super::{Admin, Each, in_order, left_out};
use crate::{CoordinatorKind, Error};

pub use describe::{GroupDescription, MemberDescription};
pub use list::{GroupListing, ListGroups, ListedGroups};
pub use state::{GroupState, GroupType};

/// A call to the coordinators of groups.
pub(super) trait GroupCall: Clone + Send + Sync + 'static {
    /// The request to one of them.
    type Request: Request<Response: Send + 'static> + Send + Sync + 'static;
    /// What it says of a group.
    type Item;
    /// The name for a timeout.
    const WHAT: &'static str;
    /// The newest version that this call is made in.
    const NEWEST: i16 = i16::MAX;
    /// Groups in one request.
    const TOGETHER: usize = usize::MAX;

    /// The request for some of the groups.
    fn request(&self, version: i16, groups: &[String]) -> Self::Request;

    /// The answers in a reply to a request for these groups.
    fn read(
        &self,
        version: i16,
        coordinator: i32,
        groups: &[String],
        response: <Self::Request as Request>::Response,
    ) -> Vec<(String, Result<Self::Item, Error>)>;
}

impl Admin {
    /// Asks each group's coordinator, and those that have become it since, until each has answered.
    pub(super) async fn ask_coordinators<C: GroupCall>(
        &self,
        call: &C,
        asked: &[String],
    ) -> Result<Each<String, C::Item>, Error> {
        let mut retry = self.client.retry(C::WHAT);
        let mut waiting: BTreeSet<_> = asked.iter().cloned().collect();
        let mut answers = BTreeMap::new();
        loop {
            let mut failed = BTreeMap::new();
            let mut by_node: BTreeMap<i32, Vec<String>> = BTreeMap::new();
            let groups: Vec<_> = std::mem::take(&mut waiting).into_iter().collect();
            for (group, found) in self.client.find_coordinators(CoordinatorKind::Group, &groups).await? {
                match found {
                    Ok(node) => by_node.entry(node).or_default().push(group),
                    Err(error) if error.is_retriable() => drop(failed.insert(group, error)),
                    Err(error) => drop(answers.insert(group, Err(error))),
                }
            }
            let mut calls = Vec::new();
            for (node, groups) in by_node {
                for part in groups.chunks(C::TOGETHER.min(groups.len())) {
                    let (call, own) = (call.clone(), part.to_vec());
                    calls.push((node, part.to_vec(), move |version: i16| call.request(version, &own)));
                }
            }
            for (node, groups, reply) in self.client.fan_out(calls, C::NEWEST, Repeat::Never).await {
                let mut told: BTreeMap<_, _> = match reply {
                    Ok((version, response)) => call.read(version, node, &groups, response).into_iter().collect(),
                    Err(error) => groups.iter().map(|group| (group.clone(), Err(error.clone()))).collect(),
                };
                for group in groups {
                    match told.remove(&group).unwrap_or_else(|| Err(left_out())) {
                        Err(error) if has_moved(&error) => {
                            self.client.forget_coordinator(CoordinatorKind::Group, &group);
                            failed.insert(group, error);
                        }
                        answer => drop(answers.insert(group, answer)),
                    }
                }
            }
            let Some(first) = failed.values().next().cloned() else {
                break;
            };
            let in_time = retry.pause(first).await.is_ok();
            for (group, error) in failed {
                match in_time {
                    true => drop(waiting.insert(group)),
                    false => drop(answers.insert(group, Err(retry.timed_out_after(Some(error))))),
                }
            }
            if !in_time {
                break;
            }
        }
        Ok(in_order(asked.iter().cloned(), answers))
    }
}

/// Whether another coordinator, or the same one later, would answer.
pub(super) fn has_moved(error: &Error) -> bool {
    error.is_transport()
        || matches!(
            error.code(),
            Some(
                ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            )
        )
}

#[derive(Clone)]
struct DeleteGroups;

impl GroupCall for DeleteGroups {
    type Request = DeleteGroupsRequest;
    type Item = ();
    const WHAT: &'static str = "DeleteGroups";

    fn request(&self, _: i16, groups: &[String]) -> DeleteGroupsRequest {
        DeleteGroupsRequest {
            groups_names: groups.to_vec(),
            ..Default::default()
        }
    }

    fn read(&self, _: i16, _: i32, _: &[String], response: DeleteGroupsResponse) -> Vec<(String, Result<(), Error>)> {
        let results = response.results.into_iter();
        let results = results.map(|result| {
            (
                result.group_id,
                Error::check_with(result.error_code, result.error_message),
            )
        });
        results.collect()
    }
}

impl Admin {
    /// Deletes groups that have no members, with their offsets. DeleteGroups 0-3 (KIP-229), sent to the coordinators.
    ///
    /// # Errors
    /// Per group: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, INVALID_GROUP_ID.
    pub async fn delete_groups(&self, groups: &[String]) -> Result<Each<String>, Error> {
        self.ask_coordinators(&DeleteGroups, groups).await
    }
}
