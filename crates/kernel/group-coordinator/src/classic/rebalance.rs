//! From one generation to the next: members join again, the group waits for them, then completes the join phase.

use super::group::{ClassicGroup, ClassicGroupState};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::event::GroupEvent;
use crate::request::GroupReply;
use crate::shard::{GroupShard, GroupTimer};
use bytes::Bytes;
use klamm_coordinator::{Context, CoordinatorError, Then, Write};
use klamm_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

/// One request or timer at work on one group.
pub(crate) struct Step<'a, 'c, T> {
    pub(crate) config: &'a GroupConfig,
    pub(crate) cx: &'a mut Context<'c, GroupShard<T>>,
    pub(crate) group: &'a mut ClassicGroup<T>,
}

/// Why nobody gets an assignment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// The group went on.
    Group(GroupError),
    /// The record could not be committed.
    Coordinator(CoordinatorError),
}

impl<T> Step<'_, '_, T> {
    /// The group comes from the log, stable: its members' sessions start over. If it is larger than allowed by now, it
    /// rebalances, so that those who are left out can commit first.
    pub(crate) fn on_loaded(&mut self) -> Write<GroupShard<T>> {
        for member_id in self.group.member_ids() {
            self.reschedule_session(&member_id);
        }
        if self.group.len() > self.config.max_size {
            return self.prepare_rebalance(format!(
                "{} members were loaded, {} are allowed",
                self.group.len(),
                self.config.max_size
            ));
        }
        Write::nothing()
    }

    /// Rebalances if the state allows, else sees whether the join phase is over.
    pub(crate) fn maybe_prepare_rebalance_or_complete_join(&mut self, reason: String) -> Write<GroupShard<T>> {
        if self.group.is(ClassicGroupState::PreparingRebalance) {
            self.maybe_complete_join_phase()
        } else {
            self.prepare_rebalance(reason)
        }
    }

    /// Completes the join phase once everybody is there. A group's first rebalance waits out its delay in any case.
    pub(crate) fn maybe_complete_join_phase(&mut self) -> Write<GroupShard<T>> {
        let waits_for_members = self.group.is(ClassicGroupState::PreparingRebalance)
            && self.group.previous_state() != ClassicGroupState::Empty;
        if waits_for_members && self.group.has_all_members_joined() {
            return self.complete_join();
        }
        Write::nothing()
    }

    /// Asks all members to join again.
    pub(crate) fn prepare_rebalance(&mut self, reason: String) -> Write<GroupShard<T>> {
        if self.group.is(ClassicGroupState::CompletingRebalance) {
            self.take_assignments_back(Refusal::Group(GroupError::RebalanceInProgress));
        }
        self.group.pending_sync_members.clear();
        self.cx.timers.cancel(&self.sync_timer());

        let (group, generation) = (self.group.group_id.clone(), self.group.generation_id);
        self.cx.tell(GroupEvent::Rebalancing {
            group,
            generation,
            reason,
        });
        let is_initial_rebalance = self.group.is(ClassicGroupState::Empty);
        self.group
            .transition_to(ClassicGroupState::PreparingRebalance, self.cx.now_ms);
        if is_initial_rebalance {
            let delay_ms = self.config.initial_rebalance_delay_ms;
            let remaining_ms = (self.group.rebalance_timeout_ms() - delay_ms).max(0);
            self.delay_initial_rebalance(delay_ms, remaining_ms);
            return Write::nothing();
        }
        if self.group.has_all_members_joined() {
            return self.complete_join();
        }
        self.schedule_join_timer(self.group.rebalance_timeout_ms());
        Write::nothing()
    }

    fn delay_initial_rebalance(&mut self, delay_ms: i32, remaining_ms: i32) {
        self.group.initial_delay = (delay_ms, remaining_ms);
        self.schedule_join_timer(delay_ms);
    }

    /// The time to join is over, or the first rebalance's delay is.
    pub(crate) fn on_join_timer(&mut self) -> Write<GroupShard<T>> {
        if !self.group.is(ClassicGroupState::PreparingRebalance) {
            return Write::nothing();
        }
        let (delay_ms, remaining_ms) = self.group.initial_delay;
        let is_initial_rebalance = self.group.previous_state() == ClassicGroupState::Empty;
        if is_initial_rebalance && self.group.new_member_added && remaining_ms != 0 {
            self.group.new_member_added = false;
            let next_delay_ms = self.config.initial_rebalance_delay_ms.min(remaining_ms);
            self.delay_initial_rebalance(next_delay_ms, (remaining_ms - delay_ms).max(0));
            return Write::nothing();
        }
        self.complete_join()
    }

    /// Ends the join phase with those who are there; dynamic members who are not are out.
    pub(crate) fn complete_join(&mut self) -> Write<GroupShard<T>> {
        self.cx.timers.cancel(&self.join_timer());
        self.group.new_member_added = false;
        self.remove_dynamic_members_not_joined();
        if !self.group.maybe_elect_new_joined_leader() && self.group.has_members() {
            // Only static members that did not join: wait until one does, or their sessions end.
            self.schedule_join_timer(self.group.rebalance_timeout_ms());
            return Write::nothing();
        }
        self.group.init_next_generation(self.cx.now_ms);
        let (group, generation) = (self.group.group_id.clone(), self.group.generation_id);
        if self.group.is(ClassicGroupState::Empty) {
            self.cx.tell(GroupEvent::Empty { group, generation });
            // Should the append fail, the former generation's record stands. Nobody is in it, so nothing is lost.
            return Write::of(vec![self.group.record(|_| Bytes::new())], Then::Nothing);
        }
        self.cx.tell(GroupEvent::Joined {
            group,
            generation,
            members: self.group.len(),
        });
        for member_id in self.group.member_ids() {
            let to = self.group.take_join(&member_id);
            self.reschedule_session(&member_id);
            if let Some(member) = self.group.member_mut(&member_id) {
                member.is_new = false;
            }
            self.group.pending_sync_members.insert(member_id.clone());
            if let Some(to) = to {
                let response = self.joined_response(&member_id);
                self.cx.reply(to, GroupReply::JoinGroup(response));
            }
        }
        let deadline_ms = self.cx.now_ms + i64::from(self.group.rebalance_timeout_ms());
        self.cx.timers.schedule(self.sync_timer(), deadline_ms);
        Write::nothing()
    }

    fn remove_dynamic_members_not_joined(&mut self) {
        let is_out = |member: &&super::Member<T>| !member.is_awaiting_join() && member.group_instance_id.is_none();
        let out: Vec<String> = self
            .group
            .members()
            .filter(is_out)
            .map(|member| member.member_id.clone())
            .collect();
        for member_id in out {
            self.remove_member(&member_id, "it did not join in time");
        }
    }

    /// The answer to a JoinGroup of a member of this generation. Only the leader learns of the others.
    pub(crate) fn joined_response(&self, member_id: &str) -> JoinGroupResponse {
        let group = &*self.group;
        let protocol = group.protocol_name.as_deref().unwrap_or_default();
        let members = match group.is_leader(member_id) {
            true => group.members().map(|member| member.for_leader(protocol)).collect(),
            false => Vec::new(),
        };
        JoinGroupResponse {
            generation_id: group.generation_id,
            protocol_type: group.protocol_type.clone(),
            protocol_name: group.protocol_name.clone(),
            leader: group.leader_id.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            members,
            ..JoinGroupResponse::default()
        }
    }

    /// A member's session is over.
    pub(crate) fn on_session_timer(&mut self, member_id: &str) -> Write<GroupShard<T>> {
        const REASON: &str = "its session timed out";
        if self.group.pending_join_members.contains(member_id) {
            self.remove_member(member_id, REASON);
            return self.complete_join_if_all_joined();
        }
        match self.group.member(member_id) {
            Some(member) if !member.has_satisfied_heartbeat() => {}
            _ => return Write::nothing(),
        }
        self.remove_member(member_id, REASON);
        match self.group.state() {
            ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                self.prepare_rebalance(format!("session of member {member_id} timed out"))
            }
            ClassicGroupState::PreparingRebalance => self.complete_join_if_all_joined(),
            ClassicGroupState::Empty => Write::nothing(),
        }
    }

    fn complete_join_if_all_joined(&mut self) -> Write<GroupShard<T>> {
        if self.group.is(ClassicGroupState::PreparingRebalance) && self.group.has_all_members_joined() {
            return self.complete_join();
        }
        Write::nothing()
    }

    /// Removes a member, joined or pending. It may be alive and waiting: UNKNOWN_MEMBER_ID makes it join anew.
    pub(crate) fn remove_member(&mut self, member_id: &str, reason: &str) {
        self.cx.timers.cancel(&self.session_timer(member_id));
        if let Some(to) = self.group.take_join(member_id) {
            self.refuse_join(to, "", GroupError::UnknownMemberId);
        }
        let removed = self.group.remove(member_id);
        if let Some(to) = removed.and_then(|member| member.awaiting_sync) {
            self.refuse_sync(to, GroupError::UnknownMemberId);
        }
        let (group, member, reason) = (self.group.group_id.clone(), member_id.to_owned(), reason.to_owned());
        self.cx.tell(GroupEvent::MemberRemoved { group, member, reason });
    }

    /// Clears all assignments and sends everyone who waits for one away.
    pub(crate) fn take_assignments_back(&mut self, refusal: Refusal) {
        for member_id in self.group.member_ids() {
            let Some(member) = self.group.member_mut(&member_id) else {
                continue;
            };
            member.assignment = Bytes::new();
            let Some(to) = member.awaiting_sync.take() else {
                continue;
            };
            match refusal {
                Refusal::Group(error) => self.refuse_sync(to, error),
                Refusal::Coordinator(error) => self.cx.fail(to, error),
            }
            self.reschedule_session(&member_id);
        }
    }

    pub(crate) fn refuse_join(&mut self, to: T, member_id: &str, error: GroupError) {
        let response = JoinGroupResponse {
            member_id: member_id.to_owned(),
            error_code: error.code(),
            ..JoinGroupResponse::default()
        };
        self.cx.reply(to, GroupReply::JoinGroup(response));
    }

    pub(crate) fn refuse_sync(&mut self, to: T, error: GroupError) {
        let response = SyncGroupResponse {
            error_code: error.code(),
            ..SyncGroupResponse::default()
        };
        self.cx.reply(to, GroupReply::SyncGroup(response));
    }

    /// The member is alive: its session starts over.
    pub(crate) fn reschedule_session(&mut self, member_id: &str) {
        if let Some(member) = self.group.member(member_id) {
            let timeout_ms = member.session_timeout_ms;
            self.schedule_session(member_id, timeout_ms);
        }
    }

    pub(crate) fn schedule_session(&mut self, member_id: &str, timeout_ms: i32) {
        let timer = self.session_timer(member_id);
        self.cx.timers.schedule(timer, self.cx.now_ms + i64::from(timeout_ms));
    }

    fn schedule_join_timer(&mut self, delay_ms: i32) {
        let timer = self.join_timer();
        self.cx.timers.schedule(timer, self.cx.now_ms + i64::from(delay_ms));
    }

    pub(crate) fn session_timer(&self, member_id: &str) -> GroupTimer {
        GroupTimer::Session {
            group: self.group.group_id.clone(),
            member: member_id.to_owned(),
        }
    }

    fn join_timer(&self) -> GroupTimer {
        GroupTimer::Join {
            group: self.group.group_id.clone(),
        }
    }

    pub(crate) fn sync_timer(&self) -> GroupTimer {
        GroupTimer::Sync {
            group: self.group.group_id.clone(),
        }
    }
}
