//! The shard: requests, queries and timers find their way to the group they are for.

use crate::classic::{Assignment, ClassicGroup, ClassicGroupState, JoinGroup, ReplacedStaticMember, Step, leave_row};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::event::GroupEvent;
use crate::records::GroupRecord;
use crate::request::{GroupQuery, GroupReply, GroupRequest};
use crate::state::GroupState;
use klamm_coordinator::{
    Context, CoordinatorError, EncodedRecord, RecordError, Shard, Then, TransactionOutcome, Write,
};
use klamm_protocol::messages::{
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use std::collections::BTreeMap;

/// The groups of one `__consumer_offsets` partition. `T` is where a reply goes.
#[derive(Debug)]
pub struct GroupShard<T> {
    pub(crate) config: GroupConfig,
    /// Groups that have members or expect some; all others are empty.
    groups: BTreeMap<String, ClassicGroup<T>>,
    /// How far the retention check that is under way has come.
    pub(crate) checked_up_to: Option<String>,
}

/// A shard's timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupTimer {
    /// A member's session.
    Session {
        /// Group id.
        group: String,
        /// Member id.
        member: String,
    },
    /// The time a group waits for its members to join.
    Join {
        /// Group id.
        group: String,
    },
    /// The time members have to ask for their assignment.
    Sync {
        /// Group id.
        group: String,
    },
    /// The next look for expired offsets.
    Retention,
}

/// What waits for its record to be committed.
#[derive(Debug)]
pub struct GroupPending(pub(crate) Pending);

#[derive(Debug)]
pub(crate) enum Pending {
    /// The first record of a group.
    NewGroup(String),
    /// The assignments of a generation.
    Assignment(Assignment),
    /// A static member under a new id.
    StaticMember(ReplacedStaticMember),
}

impl<T> GroupShard<T> {
    /// A shard without groups.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            checked_up_to: None,
        }
    }

    /// Where a group stands, as far as the soft state knows: none for a group without members, existing or not.
    pub fn group_state(&self, group: &str) -> Option<ClassicGroupState> {
        self.groups.get(group).map(ClassicGroup::state)
    }

    /// The group, if it has members or expects some.
    pub(crate) fn active_group(&self, group: &str) -> Option<&ClassicGroup<T>> {
        self.groups.get(group)
    }

    /// Whether the group has no members. It need not exist.
    pub(crate) fn is_empty_group(&self, group: &str) -> bool {
        self.groups
            .get(group)
            .is_none_or(|group| group.is(ClassicGroupState::Empty))
    }

    /// Takes a step of a group that has members or expects some, and forgets it if it has none any more.
    pub(crate) fn step<R>(
        &mut self,
        cx: &mut Context<'_, Self>,
        group_id: &str,
        step: impl FnOnce(&mut Step<'_, '_, T>) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(group_id)?;
        let result = step(&mut Step {
            config: &self.config,
            cx,
            group,
        });
        if group.is_forgettable() {
            self.groups.remove(group_id);
        }
        Some(result)
    }

    /// Forgets a group's soft state; whoever waits hears `error`.
    pub(crate) fn drop_group(&mut self, cx: &mut Context<'_, Self>, group_id: &str, error: CoordinatorError) {
        let Some(group) = self.groups.remove(group_id) else {
            return;
        };
        cx.timers.cancel(&GroupTimer::Join {
            group: group_id.to_owned(),
        });
        cx.timers.cancel(&GroupTimer::Sync {
            group: group_id.to_owned(),
        });
        for member in group.member_ids().iter().chain(&group.pending_join_members) {
            cx.timers.cancel(&GroupTimer::Session {
                group: group_id.to_owned(),
                member: member.clone(),
            });
        }
        group.into_parked().for_each(|to| cx.fail(to, error));
    }

    fn join(&mut self, cx: &mut Context<'_, Self>, join: JoinGroup<T>) -> Write<Self> {
        let group_id = join.request.group_id.clone();
        let session_timeouts = self.config.session_timeout_ms_min..=self.config.session_timeout_ms_max;
        let exists = self.groups.contains_key(&group_id) || cx.state.has_group(&group_id);
        let refusal = if group_id.is_empty() {
            Some(GroupError::InvalidGroupId)
        } else if !session_timeouts.contains(&join.request.session_timeout_ms) {
            Some(GroupError::InvalidSessionTimeout)
        } else if cx.state.is_foreign(&group_id) {
            Some(GroupError::InconsistentGroupProtocol)
        } else {
            (!exists && !join.request.member_id.is_empty()).then_some(GroupError::UnknownMemberId)
        };
        if let Some(error) = refusal {
            let (member_id, error_code) = (join.request.member_id, error.code());
            let response = JoinGroupResponse {
                member_id,
                error_code,
                ..JoinGroupResponse::default()
            };
            cx.reply(join.to, GroupReply::JoinGroup(response));
            return Write::nothing();
        }
        if !self.groups.contains_key(&group_id) {
            let group = ClassicGroup::empty(&group_id, cx.state.group(&group_id), cx.now_ms);
            self.groups.insert(group_id.clone(), group);
        }
        let write = self
            .step(cx, &group_id, |step| step.join(join))
            .expect("the group was just made sure of");
        match self.groups.get(&group_id) {
            // So that the group is in the log, can be listed, and is deleted some day, though it has no generation yet.
            Some(_) if !exists && write.is_nothing() => {
                let record = GroupRecord::empty_group(&group_id, cx.now_ms);
                let pending = GroupPending(Pending::NewGroup(group_id));
                Write::of(vec![record], Then::Settle(pending))
            }
            _ => write,
        }
    }

    fn sync(&mut self, cx: &mut Context<'_, Self>, request: SyncGroupRequest, to: T) -> Write<Self> {
        let error = match request.group_id.as_str() {
            "" => GroupError::InvalidGroupId,
            group_id if !self.groups.contains_key(group_id) => GroupError::UnknownMemberId,
            group_id => {
                let group_id = group_id.to_owned();
                return self
                    .step(cx, &group_id, |step| step.sync(request, to))
                    .unwrap_or_else(Write::nothing);
            }
        };
        let response = SyncGroupResponse {
            error_code: error.code(),
            ..SyncGroupResponse::default()
        };
        cx.reply(to, GroupReply::SyncGroup(response));
        Write::nothing()
    }

    fn leave(&mut self, cx: &mut Context<'_, Self>, request: LeaveGroupRequest, to: T) -> Write<Self> {
        let group_id = request.group_id.clone();
        if group_id.is_empty() {
            let error_code = GroupError::InvalidGroupId.code();
            let response = LeaveGroupResponse {
                error_code,
                ..LeaveGroupResponse::default()
            };
            return Write::reply(to, GroupReply::LeaveGroup(response));
        }
        let (members, write) = if self.groups.contains_key(&group_id) {
            self.step(cx, &group_id, |step| step.leave(request))
                .expect("the group is there")
        } else {
            let unknown = |member| leave_row(member, Err(GroupError::UnknownMemberId));
            (request.members.into_iter().map(unknown).collect(), Write::nothing())
        };
        let response = LeaveGroupResponse {
            members,
            ..LeaveGroupResponse::default()
        };
        write.then_reply(to, GroupReply::LeaveGroup(response))
    }
}

impl<T> Shard for GroupShard<T> {
    type State = GroupState;
    type Record = GroupRecord;
    type Request = GroupRequest;
    type Query = GroupQuery;
    type Reply = GroupReply;
    type ReplyTo = T;
    type Timer = GroupTimer;
    type Pending = GroupPending;
    type Event = GroupEvent;

    fn replay(state: &mut GroupState, offset: i64, producer_id: i64, record: &GroupRecord) {
        state.replay(offset, producer_id, record);
    }

    fn replay_end_transaction(state: &mut GroupState, producer_id: i64, outcome: TransactionOutcome) {
        state.replay_end_transaction(producer_id, outcome);
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord, RecordError> {
        GroupRecord::decode(key, value)
    }

    fn encode(record: &GroupRecord) -> EncodedRecord {
        record.encode()
    }

    fn handle(&mut self, cx: &mut Context<'_, Self>, request: GroupRequest, to: T) -> Write<Self> {
        match request {
            GroupRequest::JoinGroup {
                client,
                request,
                options,
            } => self.join(
                cx,
                JoinGroup {
                    client,
                    request,
                    options,
                    to,
                },
            ),
            GroupRequest::SyncGroup(request) => self.sync(cx, request, to),
            GroupRequest::Heartbeat(request) => {
                let result = if request.group_id.is_empty() {
                    Err(GroupError::InvalidGroupId)
                } else {
                    let beat = self.step(cx, &request.group_id, |step| step.heartbeat(&request));
                    beat.unwrap_or(Err(GroupError::UnknownMemberId))
                };
                Write::reply(to, GroupReply::Heartbeat(result))
            }
            GroupRequest::LeaveGroup(request) => self.leave(cx, request, to),
            GroupRequest::OffsetCommit {
                request,
                unknown_group_is_illegal_generation,
            } => match self.commit_offsets(cx, request, unknown_group_is_illegal_generation) {
                Ok((records, response)) => Write::of(records, Then::Reply(to, GroupReply::OffsetCommit(Ok(response)))),
                Err(error) => Write::reply(to, GroupReply::OffsetCommit(Err(error))),
            },
            GroupRequest::StableOffsetFetch(request) => {
                let fetched = crate::offsets::fetch(cx.state, request, true);
                Write::reply(to, GroupReply::OffsetFetch(fetched))
            }
            GroupRequest::OffsetDelete(request) => match self.delete_offsets(cx.state, cx.now_ms, request) {
                Ok((records, response)) => Write::of(records, Then::Reply(to, GroupReply::OffsetDelete(Ok(response)))),
                Err(error) => Write::reply(to, GroupReply::OffsetDelete(Err(error))),
            },
            GroupRequest::DeleteGroups(groups) => {
                let (records, rows) = self.delete_groups(cx, groups);
                Write::each_alone(records, Then::Reply(to, GroupReply::DeleteGroups(rows)))
            }
            GroupRequest::PartitionsDeleted(partitions) => {
                let records = crate::offsets::partitions_deleted(cx.state, &partitions);
                Write::each_alone(records, Then::Reply(to, GroupReply::PartitionsDeleted))
            }
        }
    }

    fn query(&self, committed: &GroupState, query: GroupQuery) -> GroupReply {
        match query {
            GroupQuery::OffsetFetch(request) => {
                GroupReply::OffsetFetch(crate::offsets::fetch(committed, request, false))
            }
            GroupQuery::DescribeGroups(groups) => {
                let rows = groups.into_iter().map(|group| self.describe_group(committed, group));
                GroupReply::DescribeGroups(rows.collect())
            }
            GroupQuery::ListGroups {
                states_filter,
                types_filter,
            } => GroupReply::ListGroups(self.list_groups(committed, &states_filter, &types_filter)),
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Self>, timer: GroupTimer) -> Write<Self> {
        let write = match timer {
            GroupTimer::Session { group, member } => self.step(cx, &group, |step| step.on_session_timer(&member)),
            GroupTimer::Join { group } => self.step(cx, &group, |step| step.on_join_timer()),
            GroupTimer::Sync { group } => self.step(cx, &group, |step| step.on_sync_timer()),
            GroupTimer::Retention => Some(self.check_retention(cx)),
        };
        write.unwrap_or_else(Write::nothing)
    }

    fn on_settled(
        &mut self,
        cx: &mut Context<'_, Self>,
        pending: GroupPending,
        result: Result<(), CoordinatorError>,
    ) -> Write<Self> {
        let write = match pending.0 {
            Pending::NewGroup(group) => {
                match result {
                    Err(error) if !cx.state.has_group(&group) => self.drop_group(cx, &group, error),
                    _ => {}
                }
                None
            }
            Pending::Assignment(assignment) => {
                let group = assignment.group.clone();
                self.step(cx, &group, |step| step.on_assignment_settled(assignment, result))
            }
            Pending::StaticMember(replaced) => {
                let group = replaced.group.clone();
                self.step(cx, &group, |step| step.on_static_member_settled(replaced, result))
            }
        };
        write.unwrap_or_else(Write::nothing)
    }

    fn on_loaded(&mut self, cx: &mut Context<'_, Self>) {
        for (group_id, value) in &cx.state.groups {
            if !value.members.is_empty() && !cx.state.is_foreign(group_id) {
                self.groups
                    .insert(group_id.clone(), ClassicGroup::loaded(group_id, value, cx.now_ms));
            }
        }
        let loaded: Vec<String> = self.groups.keys().cloned().collect();
        for group_id in loaded {
            let write = self
                .step(cx, &group_id, |step| step.on_loaded())
                .unwrap_or_else(Write::nothing);
            assert!(write.is_nothing(), "nobody has joined yet, so no join phase ends");
        }
        cx.timers.schedule(
            GroupTimer::Retention,
            cx.now_ms + self.config.offsets_retention_check_interval_ms,
        );
    }

    fn on_unloaded(&mut self) -> Vec<T> {
        self.checked_up_to = None;
        std::mem::take(&mut self.groups)
            .into_values()
            .flat_map(ClassicGroup::into_parked)
            .collect()
    }
}
