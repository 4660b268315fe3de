//! SyncGroup: the leader brings the assignments, everybody fetches its own.

use super::group::ClassicGroupState;
use super::rebalance::{Refusal, Step};
use crate::error::GroupError;
use crate::event::GroupEvent;
use crate::request::GroupReply;
use crate::shard::{GroupPending, GroupShard, Pending};
use bytes::Bytes;
use klamm_coordinator::{CoordinatorError, Then, Write};
use klamm_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use std::collections::BTreeMap;

/// The leader's assignments on their way to the log.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) group: String,
    generation_id: i32,
    by_member: BTreeMap<String, Bytes>,
}

impl<T> Step<'_, '_, T> {
    pub(crate) fn sync(&mut self, request: SyncGroupRequest, to: T) -> Write<GroupShard<T>> {
        if let Err(error) = self.validate_sync(&request) {
            self.refuse_sync(to, error);
            return Write::nothing();
        }
        match self.group.state() {
            ClassicGroupState::Empty => self.refuse_sync(to, GroupError::UnknownMemberId),
            ClassicGroupState::PreparingRebalance => self.refuse_sync(to, GroupError::RebalanceInProgress),
            ClassicGroupState::CompletingRebalance => return self.await_assignment(request, to),
            ClassicGroupState::Stable => {
                self.has_synced(&request.member_id);
                let response = self.assigned_response(&request.member_id);
                self.cx.reply(to, GroupReply::SyncGroup(response));
            }
        }
        Write::nothing()
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), GroupError> {
        let differs =
            |theirs: &Option<String>, ours: &Option<String>| theirs.is_some() && ours.is_some() && theirs != ours;
        self.group
            .validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.group.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        if differs(&request.protocol_type, &self.group.protocol_type)
            || differs(&request.protocol_name, &self.group.protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// Parks the member until the assignments are committed; the leader's are written now.
    fn await_assignment(&mut self, request: SyncGroupRequest, to: T) -> Write<GroupShard<T>> {
        self.has_synced(&request.member_id);
        let member = self
            .group
            .member_mut(&request.member_id)
            .expect("the member was validated");
        if let Some(former) = member.awaiting_sync.replace(to) {
            self.refuse_sync(former, GroupError::RebalanceInProgress);
        }
        if !self.group.is_leader(&request.member_id) {
            return Write::nothing();
        }
        let assignments = request.assignments.into_iter();
        let by_member: BTreeMap<String, Bytes> = assignments.map(|row| (row.member_id, row.assignment)).collect();
        // A member the leader left out gets an empty assignment.
        let record = self
            .group
            .record(|member| by_member.get(&member.member_id).cloned().unwrap_or_default());
        let (group, generation_id) = (self.group.group_id.clone(), self.group.generation_id);
        let assignment = Assignment {
            group,
            generation_id,
            by_member,
        };
        Write::of(
            vec![record],
            Then::Settle(GroupPending(Pending::Assignment(assignment))),
        )
    }

    /// The record with the assignments is committed, or lost. The group may have gone on in the meantime.
    pub(crate) fn on_assignment_settled(
        &mut self,
        mut assignment: Assignment,
        result: Result<(), CoordinatorError>,
    ) -> Write<GroupShard<T>> {
        let stands = self.group.is(ClassicGroupState::CompletingRebalance)
            && self.group.generation_id == assignment.generation_id;
        if !stands {
            return Write::nothing();
        }
        if let Err(error) = result {
            self.take_assignments_back(Refusal::Coordinator(error));
            return self.prepare_rebalance(format!("the assignments could not be stored: {error}"));
        }
        for member in self.group.members_mut() {
            member.assignment = assignment.by_member.remove(&member.member_id).unwrap_or_default();
        }
        for member_id in self.group.member_ids() {
            let to = self
                .group
                .member_mut(&member_id)
                .and_then(|member| member.awaiting_sync.take());
            let Some(to) = to else { continue };
            let response = self.assigned_response(&member_id);
            self.cx.reply(to, GroupReply::SyncGroup(response));
            // Its session may have run out while it waited, without effect.
            self.reschedule_session(&member_id);
        }
        self.group.transition_to(ClassicGroupState::Stable, self.cx.now_ms);
        let (group, generation) = (self.group.group_id.clone(), self.group.generation_id);
        self.cx.tell(GroupEvent::Stable { group, generation });
        Write::nothing()
    }

    fn assigned_response(&self, member_id: &str) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol_name.clone(),
            assignment: self
                .group
                .member(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
            ..SyncGroupResponse::default()
        }
    }

    fn has_synced(&mut self, member_id: &str) {
        self.group.pending_sync_members.remove(member_id);
        if self.group.pending_sync_members.is_empty() {
            self.cx.timers.cancel(&self.sync_timer());
        }
    }

    /// Members that did not ask for their assignment in time are out.
    pub(crate) fn on_sync_timer(&mut self) -> Write<GroupShard<T>> {
        let late = std::mem::take(&mut self.group.pending_sync_members);
        let is_syncing = matches!(
            self.group.state(),
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable
        );
        if !is_syncing || late.is_empty() {
            return Write::nothing();
        }
        for member_id in &late {
            self.remove_member(member_id, "it did not ask for its assignment in time");
        }
        self.prepare_rebalance(format!(
            "{} members did not ask for their assignment in time",
            late.len()
        ))
    }
}
