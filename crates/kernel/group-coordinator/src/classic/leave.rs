//! LeaveGroup: members go by themselves, or an operator removes static ones by instance id.

use super::group::ClassicGroupState;
use super::rebalance::Step;
use crate::error::GroupError;
use crate::shard::GroupShard;
use klamm_coordinator::Write;
use klamm_protocol::messages::LeaveGroupRequest;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::leave_group_response::MemberResponse;

impl<T> Step<'_, '_, T> {
    pub(crate) fn leave(&mut self, request: LeaveGroupRequest) -> (Vec<MemberResponse>, Write<GroupShard<T>>) {
        let mut left = Vec::new();
        let mut rows = Vec::with_capacity(request.members.len());
        for member in request.members {
            let result = self.leave_one(&member);
            rows.push(leave_row(member, result.as_ref().map(|_| ()).map_err(|error| *error)));
            left.extend(result);
        }
        if left.is_empty() {
            return (rows, Write::nothing());
        }
        let write = match self.group.state() {
            ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                self.prepare_rebalance(format!("members left: {}", left.join(", ")))
            }
            ClassicGroupState::PreparingRebalance => self.maybe_complete_join_phase(),
            ClassicGroupState::Empty => Write::nothing(),
        };
        (rows, write)
    }

    /// Removes one member and tells its id.
    fn leave_one(&mut self, member: &MemberIdentity) -> Result<String, GroupError> {
        let instance_id = member.group_instance_id.as_deref();
        let member_id = if member.member_id.is_empty() {
            let by_instance = instance_id.and_then(|instance_id| self.group.static_member_id(instance_id));
            by_instance.cloned().ok_or(GroupError::UnknownMemberId)?
        } else {
            if !self.group.pending_join_members.contains(&member.member_id) {
                self.group.validate_member(&member.member_id, instance_id)?;
            }
            member.member_id.clone()
        };
        let reason = member.reason.as_deref().unwrap_or("not provided");
        self.remove_member(&member_id, &format!("it left, client reason: {reason}"));
        Ok(member_id)
    }
}

/// The row of one member that asked to leave.
pub(crate) fn leave_row(member: MemberIdentity, result: Result<(), GroupError>) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: result.err().map(GroupError::code).unwrap_or_default(),
        ..MemberResponse::default()
    }
}
