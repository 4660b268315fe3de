//! JoinGroup: new members, pending ones, rejoining ones, and static ones that come back under a new id.

use super::group::ClassicGroupState;
use super::member::Member;
use super::rebalance::Step;
use crate::error::GroupError;
use crate::event::GroupEvent;
use crate::request::{Client, GroupReply, JoinOptions};
use crate::shard::{GroupPending, GroupShard, Pending};
use bytes::Bytes;
use klamm_coordinator::{CoordinatorError, Then, Write};
use klamm_protocol::messages::JoinGroupRequest;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;

/// Longest part of a client or instance id that goes into a member id, in bytes: a member id has to fit a string of the
/// protocol together with its random part.
const MEMBER_ID_PREFIX_MAX: usize = 30_000;

/// A JoinGroup request with what belongs to it.
#[derive(Debug)]
pub(crate) struct JoinGroup<T> {
    pub(crate) client: Client,
    pub(crate) request: JoinGroupRequest,
    pub(crate) options: JoinOptions,
    pub(crate) to: T,
}

/// A static member that was replaced while its group is stable: what it takes to undo that.
#[derive(Debug)]
pub(crate) struct ReplacedStaticMember {
    pub(crate) group: String,
    pub(crate) instance_id: String,
    pub(crate) new_member_id: String,
    generation_id: i32,
    old_member_id: String,
    old_leader: String,
    old_protocols: Vec<JoinGroupRequestProtocol>,
    old_rebalance_timeout_ms: i32,
    old_session_timeout_ms: i32,
    can_skip_assignment: bool,
}

impl<T> Step<'_, '_, T> {
    pub(crate) fn join(&mut self, join: JoinGroup<T>) -> Write<GroupShard<T>> {
        let request = &join.request;
        let is_unknown_member = request.member_id.is_empty();
        if !self.has_room_for(&request.member_id) {
            if self.group.member(&request.member_id).is_some() {
                self.remove_member(&request.member_id, "the group is full");
            }
            self.group.pending_join_members.remove(&request.member_id);
            self.refuse_join(join.to, "", GroupError::GroupMaxSizeReached);
            Write::nothing()
        } else if !self
            .group
            .supports_protocols(&request.protocol_type, &request.protocols)
        {
            self.refuse_join(join.to, &join.request.member_id, GroupError::InconsistentGroupProtocol);
            Write::nothing()
        } else if is_unknown_member {
            self.join_new_member(join)
        } else {
            self.join_existing_member(join)
        }
    }

    /// Whether the group takes the member. While it prepares a rebalance those who wait count, not those who are in: so
    /// that the last ones to rejoin are left out if `group.max.size` was lowered.
    fn has_room_for(&self, member_id: &str) -> bool {
        let member = self.group.member(member_id);
        match self.group.state() {
            ClassicGroupState::Empty => true,
            ClassicGroupState::PreparingRebalance => {
                member.is_some_and(Member::is_awaiting_join) || self.group.awaiting_join() < self.config.max_size
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                member.is_some() || self.group.len() < self.config.max_size
            }
        }
    }

    fn join_new_member(&mut self, join: JoinGroup<T>) -> Write<GroupShard<T>> {
        let instance_id = join.request.group_instance_id.as_deref();
        let member_id = self.new_member_id(instance_id.unwrap_or(&join.client.client_id));
        let replaced = instance_id.and_then(|instance_id| self.group.static_member_id(instance_id).cloned());
        if let Some(old_member_id) = replaced {
            return self.replace_static_member(join, old_member_id, member_id);
        }
        if instance_id.is_none() && join.options.member_id_required {
            self.schedule_session(&member_id, join.request.session_timeout_ms);
            self.refuse_join(join.to, &member_id, GroupError::MemberIdRequired);
            self.group.pending_join_members.insert(member_id);
            return Write::nothing();
        }
        self.add_member(join, member_id)
    }

    /// `<client or instance id>-<random uuid>`, as Kafka makes them.
    fn new_member_id(&mut self, prefix: &str) -> String {
        let prefix = &prefix[..prefix.floor_char_boundary(MEMBER_ID_PREFIX_MAX)];
        let mut random = self.cx.random_bytes();
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "{prefix}-{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    fn join_existing_member(&mut self, join: JoinGroup<T>) -> Write<GroupShard<T>> {
        use ClassicGroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
        let member_id = join.request.member_id.clone();
        let instance_id = join.request.group_instance_id.as_deref();
        if self.group.pending_join_members.contains(&member_id) && instance_id.is_none() {
            return self.add_member(join, member_id);
        }
        if let Err(error) = self.group.validate_member(&member_id, instance_id) {
            self.refuse_join(join.to, &member_id, error);
            return Write::nothing();
        }
        let same_protocols = self
            .group
            .member(&member_id)
            .is_some_and(|member| member.protocols == join.request.protocols);
        let state = self.group.state();
        match state {
            PreparingRebalance => self.rejoin(join, "it joins while the group does"),
            // It missed the answer to its join. The group's generation stands.
            CompletingRebalance if same_protocols => self.answer_with_generation(join.to, &member_id),
            // The leader joins again to have everybody assigned anew, for reasons of its own (topics that changed).
            Stable if self.group.is_leader(&member_id) => self.rejoin(join, "the leader joins again"),
            Stable if same_protocols => self.answer_with_generation(join.to, &member_id),
            CompletingRebalance | Stable => self.rejoin(join, "its metadata changed"),
            Empty => {
                self.refuse_join(join.to, &member_id, GroupError::UnknownMemberId);
                Write::nothing()
            }
        }
    }

    fn answer_with_generation(&mut self, to: T, member_id: &str) -> Write<GroupShard<T>> {
        let response = self.joined_response(member_id);
        self.cx.reply(to, GroupReply::JoinGroup(response));
        Write::nothing()
    }

    /// A member joins again and waits for the next generation.
    fn rejoin(&mut self, join: JoinGroup<T>, why: &str) -> Write<GroupShard<T>> {
        let reason = format!(
            "member {}: {why}; {}",
            join.request.member_id,
            client_reason(&join.request)
        );
        let JoinGroupRequest {
            member_id,
            protocols,
            rebalance_timeout_ms,
            session_timeout_ms,
            ..
        } = join.request;
        self.group
            .update_member(&member_id, protocols, rebalance_timeout_ms, session_timeout_ms);
        self.park_join(&member_id, join.to);
        self.maybe_prepare_rebalance_or_complete_join(reason)
    }

    /// Parks a join. An earlier one of the same member will have no use for its answer, but gets one.
    fn park_join(&mut self, member_id: &str, to: T) {
        if let Some(former) = self.group.park_join(member_id, to) {
            self.refuse_join(former, member_id, GroupError::RebalanceInProgress);
        }
    }

    fn add_member(&mut self, join: JoinGroup<T>, member_id: String) -> Write<GroupShard<T>> {
        let reason = format!("member {member_id} is new; {}", client_reason(&join.request));
        let request = join.request;
        let delayed = self.group.is(ClassicGroupState::PreparingRebalance)
            && self.group.previous_state() == ClassicGroupState::Empty;
        if delayed {
            self.group.new_member_added = true;
        }
        if !self.group.has_members() {
            self.group.protocol_type = Some(request.protocol_type);
        }
        self.group.add(Member {
            member_id: member_id.clone(),
            group_instance_id: request.group_instance_id,
            client_id: join.client.client_id,
            client_host: join.client.host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(join.to),
            awaiting_sync: None,
            is_new: true,
        });
        // It can't send heartbeats while its join is parked, and a client that gave up joins once more under another id:
        // time out the join itself, so that such members don't pile up.
        self.schedule_session(&member_id, self.config.new_member_join_timeout_ms);
        self.maybe_prepare_rebalance_or_complete_join(reason)
    }

    /// A static member comes back without its id: it gets a new one, and whoever still uses the old one is fenced.
    fn replace_static_member(
        &mut self,
        join: JoinGroup<T>,
        old_member_id: String,
        new_member_id: String,
    ) -> Write<GroupShard<T>> {
        let reason = format!(
            "static member {new_member_id} replaces {old_member_id}; {}",
            client_reason(&join.request)
        );
        let old = self
            .group
            .member(&old_member_id)
            .expect("a static member's id is a member's");
        let replaced = ReplacedStaticMember {
            group: self.group.group_id.clone(),
            instance_id: join.request.group_instance_id.clone().unwrap_or_default(),
            new_member_id: new_member_id.clone(),
            generation_id: self.group.generation_id,
            old_leader: self.group.leader_id.clone().unwrap_or_default(),
            old_protocols: old.protocols.clone(),
            old_rebalance_timeout_ms: old.rebalance_timeout_ms,
            old_session_timeout_ms: old.session_timeout_ms,
            can_skip_assignment: join.options.can_skip_assignment,
            old_member_id,
        };
        self.swap_static_member(&replaced.old_member_id, &new_member_id);
        let JoinGroupRequest {
            protocols,
            rebalance_timeout_ms,
            session_timeout_ms,
            ..
        } = join.request;
        self.group
            .update_member(&new_member_id, protocols, rebalance_timeout_ms, session_timeout_ms);
        self.reschedule_session(&new_member_id);
        self.park_join(&new_member_id, join.to);
        self.cx.tell(GroupEvent::StaticMemberReplaced {
            group: replaced.group.clone(),
            instance: replaced.instance_id.clone(),
            old_member: replaced.old_member_id.clone(),
            new_member: new_member_id,
        });
        match self.group.state() {
            ClassicGroupState::Stable if self.keeps_protocol() => {
                let record = self.group.record(|member| member.assignment.clone());
                Write::of(
                    vec![record],
                    Then::Settle(GroupPending(Pending::StaticMember(replaced))),
                )
            }
            // The leader may have been given the old id already; what it assigns would not reach the new one.
            ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => self.prepare_rebalance(reason),
            ClassicGroupState::PreparingRebalance => self.maybe_complete_join_phase(),
            ClassicGroupState::Empty => unreachable!("an empty group has no static member to replace"),
        }
    }

    fn keeps_protocol(&self) -> bool {
        self.group.protocol_name.as_deref() == Some(self.group.select_protocol().as_str())
    }

    fn swap_static_member(&mut self, from: &str, to: &str) {
        self.cx.timers.cancel(&self.session_timer(from));
        let (join, sync) = self.group.replace_static_member(from, to);
        if let Some(join) = join {
            self.refuse_join(join, from, GroupError::FencedInstanceId);
        }
        if let Some(sync) = sync {
            self.refuse_sync(sync, GroupError::FencedInstanceId);
        }
    }

    /// The record with the replaced static member is committed, or lost.
    pub(crate) fn on_static_member_settled(
        &mut self,
        replaced: ReplacedStaticMember,
        result: Result<(), CoordinatorError>,
    ) -> Write<GroupShard<T>> {
        let new_member_id = &replaced.new_member_id;
        let stands = self.group.is(ClassicGroupState::Stable)
            && self.group.generation_id == replaced.generation_id
            && self.group.static_member_id(&replaced.instance_id) == Some(new_member_id);
        if !stands {
            // The group went on; if the member still waits, the rebalance answers it.
            return Write::nothing();
        }
        let to = self.group.take_join(new_member_id);
        if let Err(error) = result {
            if let Some(to) = to {
                self.cx.fail(to, error);
            }
            self.group.update_member(
                new_member_id,
                replaced.old_protocols,
                replaced.old_rebalance_timeout_ms,
                replaced.old_session_timeout_ms,
            );
            self.swap_static_member(new_member_id, &replaced.old_member_id);
            self.reschedule_session(&replaced.old_member_id);
            return Write::nothing();
        }
        let Some(to) = to else { return Write::nothing() };
        let is_leader = self.group.is_leader(new_member_id);
        let mut response = self.joined_response(new_member_id);
        if replaced.can_skip_assignment {
            response.skip_assignment = is_leader;
        } else {
            // A leader of an older version would assign. It is told that its former self leads, so that it syncs as a
            // follower and gets its assignment back.
            response.members.clear();
            response.leader = replaced.old_leader;
        }
        self.cx.reply(to, GroupReply::JoinGroup(response));
        Write::nothing()
    }
}

fn client_reason(request: &JoinGroupRequest) -> String {
    match request.reason.as_deref() {
        Some(reason) if !reason.is_empty() => format!("client reason: {reason}"),
        _ => "client reason: not provided".to_owned(),
    }
}
