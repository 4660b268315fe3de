//! Heartbeat, and the sign of life that a commit is.

use super::group::ClassicGroupState;
use super::rebalance::Step;
use crate::error::GroupError;
use klamm_protocol::messages::HeartbeatRequest;

impl<T> Step<'_, '_, T> {
    pub(crate) fn heartbeat(&mut self, request: &HeartbeatRequest) -> Result<(), GroupError> {
        self.group
            .validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.group.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        match self.group.state() {
            ClassicGroupState::Empty => Err(GroupError::UnknownMemberId),
            ClassicGroupState::PreparingRebalance => {
                self.reschedule_session(&request.member_id);
                Err(GroupError::RebalanceInProgress)
            }
            // While the assignments are awaited heartbeats come from members that know their generation already.
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.reschedule_session(&request.member_id);
                Ok(())
            }
        }
    }

    /// Whether the sender may commit offsets; if it is a member, it is alive.
    pub(crate) fn offset_commit(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation_id: i32,
    ) -> Result<(), GroupError> {
        let state = self.group.state();
        // The admin client, or a consumer that assigns itself, may commit if no members are there.
        if generation_id < 0 && state == ClassicGroupState::Empty {
            return Ok(());
        }
        if generation_id < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.group.validate_member(member_id, instance_id)?;
        if generation_id != self.group.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        if state == ClassicGroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        self.reschedule_session(member_id);
        Ok(())
    }
}
