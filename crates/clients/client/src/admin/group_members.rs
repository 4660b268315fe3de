//! Members that are made to leave their group.

use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::groups::GroupCall;
use super::{Admin, Each, left_out};
use crate::Error;

/// A member to be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberToRemove {
    /// A static member, by its `group.instance.id`.
    Instance(String),
    /// Any member, by the id that the coordinator gave it.
    Member(String),
}

impl MemberToRemove {
    fn to_wire(&self, reason: &str) -> MemberIdentity {
        let (member_id, group_instance_id) = match self {
            MemberToRemove::Instance(id) => (String::new(), Some(id.clone())),
            MemberToRemove::Member(id) => (id.clone(), None),
        };
        MemberIdentity {
            member_id,
            group_instance_id,
            reason: Some(reason.to_owned()),
            ..Default::default()
        }
    }
}

#[derive(Clone)]
struct RemoveMembers {
    members: Vec<MemberToRemove>,
    reason: String,
}

impl GroupCall for RemoveMembers {
    type Request = LeaveGroupRequest;
    type Item = Vec<(String, Option<String>, Result<(), Error>)>;
    const WHAT: &'static str = "LeaveGroup";
    const TOGETHER: usize = 1;

    fn request(&self, version: i16, groups: &[String]) -> LeaveGroupRequest {
        let mut request = LeaveGroupRequest {
            group_id: groups.first().cloned().unwrap_or_default(),
            ..Default::default()
        };
        match (version, self.members.first()) {
            (3.., _) => request.members = self.members.iter().map(|member| member.to_wire(&self.reason)).collect(),
            (_, Some(MemberToRemove::Member(id))) => request.member_id.clone_from(id),
            _ => {}
        }
        request
    }

    fn read(
        &self,
        _: i16,
        _: i32,
        groups: &[String],
        response: LeaveGroupResponse,
    ) -> Vec<(String, Result<Self::Item, Error>)> {
        let members = response.members.into_iter();
        let members = members.map(|told| (told.member_id, told.group_instance_id, Error::check(told.error_code)));
        let answer = Error::check(response.error_code).map(|()| members.collect());
        groups
            .first()
            .map(|group| (group.clone(), answer))
            .into_iter()
            .collect()
    }
}

impl Admin {
    /// Makes members leave their group, which then rebalances. LeaveGroup 3-5 (KIP-345), sent to the coordinator; the
    /// reason stands in the coordinator's log (KIP-800).
    ///
    /// # Errors
    /// The outer one for the group: GROUP_ID_NOT_FOUND. Per member: UNKNOWN_MEMBER_ID.
    pub async fn remove_group_members(
        &self,
        group: &str,
        members: &[MemberToRemove],
        reason: &str,
    ) -> Result<Each<MemberToRemove>, Error> {
        self.client
            .require(klamm_protocol::ApiKey::LeaveGroup, 3, "members of others")
            .await?;
        let call = RemoveMembers {
            members: members.to_vec(),
            reason: reason.to_owned(),
        };
        let told = self.ask_coordinator(&call, group).await?;
        let answers = members.iter().map(|member| {
            let found = told.iter().find(|(member_id, instance_id, _)| match member {
                MemberToRemove::Instance(id) => instance_id.as_ref() == Some(id),
                MemberToRemove::Member(id) => member_id == id,
            });
            let answer = found.map_or_else(|| Err(left_out()), |(_, _, answer)| answer.clone());
            (member.clone(), answer)
        });
        Ok(answers.collect())
    }
}
