//! The durable state of a shard: what the log's records add up to.

use crate::records::GroupRecord;
use klamm_coordinator::TransactionOutcome;
use klamm_protocol::coordinator::{GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};
use klamm_timeline::{OrdMap, OrdSet};
use std::ops::Bound;
use std::sync::Arc;

/// All groups and offsets of one `__consumer_offsets` partition. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupState {
    pub(crate) groups: OrdMap<String, Arc<GroupMetadataValue>>,
    pub(crate) offsets: Offsets,
    /// Offsets in open transactions, by producer id. Klamm writes none yet; Kafka's logs may hold some.
    open_transactions: OrdMap<i64, Offsets>,
    /// Ids of consumer, share and streams groups.
    foreign_groups: OrdSet<String>,
    /// Records of kinds that are not ours, skipped.
    skipped_records: u64,
}

/// Offsets by group, topic and partition.
pub(crate) type Offsets = OrdMap<String, GroupOffsets>;
/// Offsets of a group, by topic and partition.
pub(crate) type GroupOffsets = OrdMap<String, OrdMap<i32, Arc<OffsetAndMetadata>>>;

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset the group will read.
    pub committed_offset: i64,
    /// Leader epoch of the record before it, -1 if not known.
    pub leader_epoch: i32,
    /// The client's own words.
    pub metadata: String,
    /// When it was committed, ms.
    pub commit_timestamp_ms: i64,
    /// When it expires, ms, if the client asked for a retention time.
    pub expire_timestamp_ms: Option<i64>,
    /// Where the record lies in `__consumer_offsets`.
    pub record_offset: i64,
}

impl OffsetAndMetadata {
    fn from_record(record_offset: i64, value: &OffsetCommitValue) -> Self {
        Self {
            committed_offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.clone(),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
            record_offset,
        }
    }
}

impl GroupState {
    /// Whether a classic group of this id exists. One that only ever committed offsets does, too (a "simple" group).
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group) || (self.offsets.contains_key(group) && !self.is_foreign(group))
    }

    /// Whether the id belongs to a group of another type.
    pub fn is_foreign(&self, group: &str) -> bool {
        self.foreign_groups.contains(group)
    }

    /// How many records of unknown or other groups' kinds were read over.
    pub fn skipped_records(&self) -> u64 {
        self.skipped_records
    }

    /// The committed offset of a partition.
    pub fn offset(&self, group: &str, topic: &str, partition: i32) -> Option<&OffsetAndMetadata> {
        self.offsets
            .get(group)?
            .get(topic)?
            .get(&partition)
            .map(|offset| &**offset)
    }

    /// The group's last metadata record.
    pub fn group(&self, group: &str) -> Option<&GroupMetadataValue> {
        self.groups.get(group).map(|value| &**value)
    }

    /// Whether an open transaction holds an offset for the partition.
    pub(crate) fn has_open_offset(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.open_transactions
            .values()
            .any(|offsets| get(offsets, group, topic, partition).is_some())
    }

    /// Whether an open transaction holds any offset of the group.
    pub(crate) fn has_open_transaction(&self, group: &str) -> bool {
        self.open_transactions
            .values()
            .any(|offsets| offsets.contains_key(group))
    }

    /// Offsets of the group in open transactions: topic and partition, possibly several times.
    pub(crate) fn open_offsets(&self, group: &str) -> impl Iterator<Item = (&str, i32)> {
        self.open_transactions
            .values()
            .filter_map(move |offsets| offsets.get(group))
            .flat_map(partitions)
    }

    /// Ids of classic groups after `after`, ascending, at most `limit`.
    pub(crate) fn group_ids(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut with_metadata = self.groups.range::<_, str>(from).map(|(id, _)| id).peekable();
        let mut with_offsets = self.offsets.range::<_, str>(from).map(|(id, _)| id).peekable();
        let ascending = std::iter::from_fn(|| {
            let next = match (with_metadata.peek(), with_offsets.peek()) {
                (Some(left), Some(right)) => *left.min(right),
                (left, right) => *left.or(right)?,
            };
            with_metadata.next_if_eq(&next);
            with_offsets.next_if_eq(&next);
            Some(next)
        });
        ascending.filter(|id| self.has_group(id)).take(limit).cloned().collect()
    }

    /// Applies one record; `producer_id` is -1 outside of transactions.
    pub(crate) fn replay(&mut self, offset: i64, producer_id: i64, record: &GroupRecord) {
        match record {
            GroupRecord::GroupMetadata {
                group,
                value: Some(value),
            } => {
                self.groups.insert(group.clone(), Arc::clone(value));
            }
            GroupRecord::GroupMetadata { group, value: None } => {
                self.groups.remove(group);
            }
            GroupRecord::OffsetCommit {
                key,
                value: Some(value),
            } => {
                let value = Arc::new(OffsetAndMetadata::from_record(offset, value));
                let offsets = match producer_id {
                    ..0 => &mut self.offsets,
                    _ => self.open_transactions.entry(producer_id).or_default(),
                };
                put(offsets, &key.group, &key.topic, key.partition, value);
            }
            GroupRecord::OffsetCommit { key, value: None } => self.replay_offset_tombstone(key),
            GroupRecord::Foreign { group, exists } => {
                match exists {
                    Some(true) => drop(self.foreign_groups.insert(group.clone())),
                    Some(false) => drop(self.foreign_groups.remove(group)),
                    None => {}
                }
                self.skipped_records += 1;
            }
            GroupRecord::Unknown { .. } => self.skipped_records += 1,
        }
    }

    fn replay_offset_tombstone(&mut self, key: &OffsetCommitKey) {
        remove(&mut self.offsets, key);
        let producer_ids: Vec<i64> = self.open_transactions.keys().copied().collect();
        for producer_id in producer_ids {
            if let Some(offsets) = self.open_transactions.get_mut(&producer_id) {
                remove(offsets, key);
            }
        }
    }

    /// A transaction ended. Of two commits of one partition the later record counts: compaction may have dropped what the
    /// order of the batches would tell.
    pub(crate) fn replay_end_transaction(&mut self, producer_id: i64, outcome: TransactionOutcome) {
        let Some(pending) = self.open_transactions.remove(&producer_id) else {
            return;
        };
        if outcome == TransactionOutcome::Abort {
            return;
        }
        for (group, offsets) in &pending {
            for (topic, by_partition) in offsets {
                for (partition, offset) in by_partition {
                    let existing = self.offset(group, topic, *partition);
                    if existing.is_none_or(|existing| offset.record_offset > existing.record_offset) {
                        put(&mut self.offsets, group, topic, *partition, Arc::clone(offset));
                    }
                }
            }
        }
    }
}

/// The topics and partitions of a group's offsets.
pub(crate) fn partitions(offsets: &GroupOffsets) -> impl Iterator<Item = (&str, i32)> {
    offsets
        .iter()
        .flat_map(|(topic, partitions)| partitions.keys().map(|partition| (topic.as_str(), *partition)))
}

fn get<'a>(offsets: &'a Offsets, group: &str, topic: &str, partition: i32) -> Option<&'a Arc<OffsetAndMetadata>> {
    offsets.get(group)?.get(topic)?.get(&partition)
}

fn put(offsets: &mut Offsets, group: &str, topic: &str, partition: i32, value: Arc<OffsetAndMetadata>) {
    if !offsets.contains_key(group) {
        offsets.insert(group.to_owned(), GroupOffsets::new());
    }
    let topics = offsets.get_mut(group).expect("the group was just put in");
    if !topics.contains_key(topic) {
        topics.insert(topic.to_owned(), OrdMap::new());
    }
    topics
        .get_mut(topic)
        .expect("the topic was just put in")
        .insert(partition, value);
}

fn remove(offsets: &mut Offsets, key: &OffsetCommitKey) {
    let Some(topics) = offsets.get_mut(&key.group) else {
        return;
    };
    let Some(partitions) = topics.get_mut(&key.topic) else {
        return;
    };
    partitions.remove(&key.partition);
    if partitions.is_empty() {
        topics.remove(&key.topic);
    }
    if topics.is_empty() {
        offsets.remove(&key.group);
    }
}
