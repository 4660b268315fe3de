//! DescribeGroups and ListGroups. Whether a group exists is read from what is committed, its members from the soft state.

use crate::classic::{ClassicGroup, ClassicGroupState, Member};
use crate::error::GroupError;
use crate::shard::GroupShard;
use crate::state::GroupState;
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::list_groups_response::ListedGroup;

/// The state of a group that doesn't exist.
const DEAD: &str = "Dead";
const GROUP_TYPE: &str = "classic";

impl<T> GroupShard<T> {
    pub(crate) fn describe_group(&self, committed: &GroupState, group_id: String) -> DescribedGroup {
        if !committed.has_group(&group_id) || committed.is_foreign(&group_id) {
            return DescribedGroup {
                error_code: GroupError::GroupIdNotFound.code(),
                error_message: Some(format!("Group {group_id} not found.")),
                group_id,
                group_state: DEAD.to_owned(),
                ..DescribedGroup::default()
            };
        }
        let Some(group) = self.active_group(&group_id) else {
            return DescribedGroup {
                protocol_type: recorded_protocol_type(committed, &group_id),
                group_id,
                group_state: ClassicGroupState::Empty.name().to_owned(),
                ..DescribedGroup::default()
            };
        };
        let stable_protocol = match group.is(ClassicGroupState::Stable) {
            true => group.protocol_name.as_deref(),
            false => None,
        };
        let describe = |member: &Member<T>| member.describe(stable_protocol);
        DescribedGroup {
            group_id,
            group_state: group.state().name().to_owned(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol_data: stable_protocol.unwrap_or_default().to_owned(),
            members: group.members().map(describe).collect(),
            ..DescribedGroup::default()
        }
    }

    pub(crate) fn list_groups(&self, committed: &GroupState, states: &[String], types: &[String]) -> Vec<ListedGroup> {
        let names = |filter: &[String], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        if !names(types, GROUP_TYPE) {
            return Vec::new();
        }
        let ids = committed.group_ids(None, usize::MAX).into_iter();
        let listed = ids.filter(|id| !committed.is_foreign(id)).map(|group_id| {
            let group = self.active_group(&group_id);
            let state = group.map_or(ClassicGroupState::Empty, ClassicGroup::state);
            let protocol_type = match group {
                Some(group) => group.protocol_type.clone().unwrap_or_default(),
                None => recorded_protocol_type(committed, &group_id),
            };
            ListedGroup {
                group_id,
                protocol_type,
                group_state: state.name().to_owned(),
                group_type: GROUP_TYPE.to_owned(),
                ..ListedGroup::default()
            }
        });
        listed.filter(|group| names(states, &group.group_state)).collect()
    }
}

fn recorded_protocol_type(committed: &GroupState, group_id: &str) -> String {
    committed
        .group(group_id)
        .map(|value| value.protocol_type.clone())
        .unwrap_or_default()
}
