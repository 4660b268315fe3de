//! DeleteGroups: tombstones for a group without members and for its offsets.

use crate::error::GroupError;
use crate::records::GroupRecord;
use crate::shard::GroupShard;
use crate::state::{GroupState, partitions};
use klamm_coordinator::{Context, CoordinatorError};
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use std::collections::BTreeSet;

impl<T> GroupShard<T> {
    pub(crate) fn delete_groups(
        &mut self,
        cx: &mut Context<'_, Self>,
        groups: Vec<String>,
    ) -> (Vec<GroupRecord>, Vec<DeletableGroupResult>) {
        let mut records = Vec::new();
        let mut rows = Vec::with_capacity(groups.len());
        for group_id in groups {
            let result = self.check_deletable(cx.state, &group_id);
            if result.is_ok() {
                delete_all_offsets(cx.state, &group_id, &mut records);
                records.push(GroupRecord::group_tombstone(&group_id));
                self.drop_group(cx, &group_id, CoordinatorError::NotAvailable);
            }
            rows.push(DeletableGroupResult {
                group_id,
                error_code: result.err().map(GroupError::code).unwrap_or_default(),
                ..DeletableGroupResult::default()
            });
        }
        (records, rows)
    }

    fn check_deletable(&self, state: &GroupState, group_id: &str) -> Result<(), GroupError> {
        if state.is_foreign(group_id) {
            return Err(GroupError::NonEmptyGroup);
        }
        if !state.has_group(group_id) {
            return Err(GroupError::GroupIdNotFound);
        }
        if self.is_empty_group(group_id) {
            Ok(())
        } else {
            Err(GroupError::NonEmptyGroup)
        }
    }
}

fn delete_all_offsets(state: &GroupState, group_id: &str, records: &mut Vec<GroupRecord>) {
    let committed = state.offsets.get(group_id).into_iter().flat_map(partitions);
    let all: BTreeSet<(&str, i32)> = committed.chain(state.open_offsets(group_id)).collect();
    records.extend(
        all.into_iter()
            .map(|(topic, partition)| GroupRecord::offset_tombstone(group_id, topic, partition)),
    );
}
