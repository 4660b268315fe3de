//! Offsets expire (KIP-211), and groups without members and offsets end.

use crate::classic::ClassicGroupState;
use crate::event::GroupEvent;
use crate::records::GroupRecord;
use crate::shard::{GroupShard, GroupTimer};
use crate::state::{GroupState, OffsetAndMetadata};
use klamm_coordinator::{Context, CoordinatorError, Then, Write};

/// Since when an offset has not been needed, as far as its group tells.
enum Since {
    /// Since it was committed: consumers that don't subscribe to its topic, or no group management at all.
    Commit,
    /// Since the group lost its last member, ms.
    Empty(i64),
}

impl<T> GroupShard<T> {
    /// Looks at the next groups. One step is bounded; the check goes on soon, or anew after the interval.
    pub(crate) fn check_retention(&mut self, cx: &mut Context<'_, Self>) -> Write<Self> {
        let limit = self.config.groups_per_retention_step;
        let group_ids = cx.state.group_ids(self.checked_up_to.as_deref(), limit);
        self.checked_up_to = if group_ids.len() < limit {
            None
        } else {
            group_ids.last().cloned()
        };
        let pause_ms = match self.checked_up_to {
            // Not in this same millisecond: requests that wait come in between.
            Some(_) => 1,
            None => self.config.offsets_retention_check_interval_ms,
        };
        cx.timers.schedule(GroupTimer::Retention, cx.now_ms + pause_ms);

        let mut records = Vec::new();
        for group_id in group_ids {
            // How a group of another type stands is not known here.
            if !cx.state.is_foreign(&group_id) {
                self.expire_group(cx, &group_id, &mut records);
            }
        }
        if !records.is_empty() {
            cx.tell(GroupEvent::CleanedUp {
                tombstones: records.len(),
            });
        }
        Write::each_alone(records, Then::Nothing)
    }

    fn expire_group(&mut self, cx: &mut Context<'_, Self>, group_id: &str, records: &mut Vec<GroupRecord>) {
        let all_expired = self.expire_offsets(cx.state, cx.now_ms, group_id, records);
        let ends = all_expired && self.is_empty_group(group_id) && !cx.state.has_open_transaction(group_id);
        if ends && cx.state.group(group_id).is_some() {
            records.push(GroupRecord::group_tombstone(group_id));
            self.drop_group(cx, group_id, CoordinatorError::NotAvailable);
        }
    }

    /// Adds tombstones for the group's expired offsets; tells whether none is left.
    fn expire_offsets(&self, state: &GroupState, now_ms: i64, group_id: &str, records: &mut Vec<GroupRecord>) -> bool {
        let Some(topics) = state.offsets.get(group_id) else {
            return true;
        };
        let Some(since) = self.unused_since(state, group_id) else {
            return false;
        };
        let mut all_expired = true;
        for (topic, by_partition) in topics {
            let is_subscribed = self
                .active_group(group_id)
                .is_some_and(|group| group.is_subscribed_to(topic));
            for (partition, offset) in by_partition {
                let expired = !is_subscribed
                    && self.is_expired(offset, &since, now_ms)
                    && !state.has_open_offset(group_id, topic, *partition);
                if expired {
                    records.push(GroupRecord::offset_tombstone(group_id, topic, *partition));
                }
                all_expired &= expired;
            }
        }
        all_expired
    }

    /// None if the group needs its offsets, or may.
    fn unused_since(&self, state: &GroupState, group_id: &str) -> Option<Since> {
        let recorded = state.group(group_id).filter(|value| !value.protocol_type.is_empty());
        match self.active_group(group_id) {
            Some(group) if !group.is(ClassicGroupState::Empty) => {
                let known = group.uses_consumer_protocol() && group.knows_subscribed_topics();
                (known && group.is(ClassicGroupState::Stable)).then_some(Since::Commit)
            }
            _ => Some(match recorded.map(|value| value.current_state_timestamp) {
                None | Some(-1) => Since::Commit,
                Some(empty_since) => Since::Empty(empty_since),
            }),
        }
    }

    fn is_expired(&self, offset: &OffsetAndMetadata, since: &Since, now_ms: i64) -> bool {
        let unused_since = match since {
            Since::Commit => offset.commit_timestamp_ms,
            Since::Empty(timestamp_ms) => *timestamp_ms,
        };
        match offset.expire_timestamp_ms {
            Some(expire_timestamp_ms) => now_ms >= expire_timestamp_ms,
            None => now_ms.saturating_sub(unused_since) >= self.config.offsets_retention_ms,
        }
    }
}
