//! What a shard is asked and what it answers.

use crate::error::GroupError;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use klamm_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use klamm_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse,
};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client id of the request, empty if it gave none.
    pub client_id: String,
    /// The client's address as DescribeGroups tells it (`/127.0.0.1`).
    pub host: String,
}

/// What the version of a JoinGroup request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinOptions {
    /// A member without an id gets one and joins again with it (v4, KIP-394).
    pub member_id_required: bool,
    /// The leader can be told not to assign (v9, KIP-814).
    pub can_skip_assignment: bool,
}

/// A request that may write.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRequest {
    /// A member joins or joins again. In v0 the caller sets the rebalance timeout to the session timeout.
    JoinGroup {
        /// Who asks.
        client: Client,
        /// What for.
        request: JoinGroupRequest,
        /// What its version stands for.
        options: JoinOptions,
    },
    /// A member asks for its assignment, the leader brings all of them.
    SyncGroup(SyncGroupRequest),
    /// A member is alive.
    Heartbeat(HeartbeatRequest),
    /// Members leave. Up to v2 the caller makes a list of the one member.
    LeaveGroup(LeaveGroupRequest),
    /// Offsets by topic name.
    OffsetCommit {
        /// What to commit.
        request: OffsetCommitRequest,
        /// A generation of a group that doesn't exist gets ILLEGAL_GENERATION (before v9), else GROUP_ID_NOT_FOUND.
        unknown_group_is_illegal_generation: bool,
    },
    /// The latest offsets, answered once everything written before is committed (`require_stable`).
    StableOffsetFetch(OffsetFetchRequestGroup),
    /// Offsets to forget (KIP-496).
    OffsetDelete(OffsetDeleteRequest),
    /// Groups to end.
    DeleteGroups(Vec<String>),
    /// These partitions are gone: their offsets go, too.
    PartitionsDeleted(Vec<(String, i32)>),
}

/// A request that only reads what is committed.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupQuery {
    /// Committed offsets of a group; all of them if it names no topics.
    OffsetFetch(OffsetFetchRequestGroup),
    /// Groups by id.
    DescribeGroups(Vec<String>),
    /// All classic groups.
    ListGroups {
        /// Names of states in any case; all if empty.
        states_filter: Vec<String>,
        /// Names of group types in any case; all if empty.
        types_filter: Vec<String>,
    },
}

/// The answer to the request or query of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupReply {
    /// The member's place in the generation, or why not.
    JoinGroup(JoinGroupResponse),
    /// The member's assignment, or why not.
    SyncGroup(SyncGroupResponse),
    /// Whether all is well.
    Heartbeat(Result<(), GroupError>),
    /// A row per member.
    LeaveGroup(LeaveGroupResponse),
    /// A row per partition, or why none was committed.
    OffsetCommit(Result<OffsetCommitResponse, GroupError>),
    /// A row per partition.
    OffsetFetch(OffsetFetchResponseGroup),
    /// A row per partition, or why none was deleted.
    OffsetDelete(Result<OffsetDeleteResponse, GroupError>),
    /// A row per group.
    DeleteGroups(Vec<DeletableGroupResult>),
    /// The tombstones are written.
    PartitionsDeleted,
    /// A row per group. One that doesn't exist is `Dead` with GROUP_ID_NOT_FOUND.
    DescribeGroups(Vec<DescribedGroup>),
    /// A row per group.
    ListGroups(Vec<ListedGroup>),
}

/// Takes the answer out of the reply to a request of its kind.
macro_rules! answers {
    ($($variant:ident($answer:ty);)*) => {$(
        impl TryFrom<GroupReply> for $answer {
            type Error = GroupReply;

            fn try_from(reply: GroupReply) -> Result<Self, GroupReply> {
                match reply {
                    GroupReply::$variant(answer) => Ok(answer),
                    other => Err(other),
                }
            }
        }
    )*};
}

answers! {
    JoinGroup(JoinGroupResponse);
    SyncGroup(SyncGroupResponse);
    Heartbeat(Result<(), GroupError>);
    LeaveGroup(LeaveGroupResponse);
    OffsetCommit(Result<OffsetCommitResponse, GroupError>);
    OffsetFetch(OffsetFetchResponseGroup);
    OffsetDelete(Result<OffsetDeleteResponse, GroupError>);
    DeleteGroups(Vec<DeletableGroupResult>);
    DescribeGroups(Vec<DescribedGroup>);
    ListGroups(Vec<ListedGroup>);
}
