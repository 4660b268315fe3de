//! One member of a classic group.

use bytes::Bytes;
use klamm_protocol::coordinator::group_metadata_value::MemberMetadata;
use klamm_protocol::messages::describe_groups_response::DescribedGroupMember;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::join_group_response::JoinGroupResponseMember;

/// A member and the replies it waits for.
#[derive(Debug)]
pub(crate) struct Member<T> {
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<JoinGroupRequestProtocol>,
    pub(crate) assignment: Bytes,
    /// The reply to a JoinGroup that is parked. Set through the group, which counts them.
    pub(super) awaiting_join: Option<T>,
    /// The reply to a SyncGroup that is parked.
    pub(crate) awaiting_sync: Option<T>,
    /// In its first rebalance: it may not know its id yet and can't send heartbeats.
    pub(crate) is_new: bool,
}

impl<T> Member<T> {
    /// The member as the group's record has it; `protocol` is the one the group had chosen.
    pub(crate) fn from_record(member: &MemberMetadata, protocol: &str) -> Self {
        let rebalance_timeout_ms = if member.rebalance_timeout == -1 {
            member.session_timeout
        } else {
            member.rebalance_timeout
        };
        Self {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout,
            protocols: vec![JoinGroupRequestProtocol {
                name: protocol.to_owned(),
                metadata: member.subscription.clone(),
                ..JoinGroupRequestProtocol::default()
            }],
            assignment: member.assignment.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    pub(crate) fn to_record(&self, protocol: &str, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
            ..MemberMetadata::default()
        }
    }

    pub(crate) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// What the member said with `protocol`; empty if it doesn't support it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|known| known.name == protocol);
        found.map(|protocol| protocol.metadata.clone()).unwrap_or_default()
    }

    /// Whether no heartbeat is due: a member whose reply is parked can't send one. New members can be removed even then.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The member in a JoinGroup response to the leader.
    pub(crate) fn for_leader(&self, protocol: &str) -> JoinGroupResponseMember {
        JoinGroupResponseMember {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            metadata: self.metadata(protocol),
            ..JoinGroupResponseMember::default()
        }
    }

    /// The member in a DescribeGroups response; its subscription is told once the group is stable.
    pub(crate) fn describe(&self, stable_protocol: Option<&str>) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            member_metadata: stable_protocol
                .map(|protocol| self.metadata(protocol))
                .unwrap_or_default(),
            member_assignment: self.assignment.clone(),
            ..DescribedGroupMember::default()
        }
    }
}
