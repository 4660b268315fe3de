//! What a change of metadata asks of one broker's replicas.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::Uuid;

use crate::delta::MetadataDelta;
use crate::image::TopicImage;
use crate::partition::PartitionRegistration;

/// A replica on this broker and its partition's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition as it is now.
    pub registration: PartitionRegistration,
    /// Whether the leader epoch rose, or the partition is new: a leader has to start, a follower to fetch anew.
    pub leader_epoch_changed: bool,
    /// Whether this broker held no replica of the partition before.
    pub is_new: bool,
}

/// The partitions, by topic name and partition id, that one broker has to act on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReplicaChanges {
    /// The broker no longer holds a replica: the topic went, or a reassignment took the replica away. With the topic's id.
    pub deletes: BTreeMap<(Arc<str>, i32), Uuid>,
    /// The broker leads, and something changed.
    pub leaders: BTreeMap<(Arc<str>, i32), LocalPartition>,
    /// The broker follows, or the partition has no leader, and something changed.
    pub followers: BTreeMap<(Arc<str>, i32), LocalPartition>,
    /// Replicas whose log directory was assigned or changed.
    pub directories: BTreeMap<(Arc<str>, i32), Uuid>,
}

impl LocalReplicaChanges {
    pub(crate) fn new(delta: &MetadataDelta, broker_id: i32) -> Self {
        let mut changes = Self::default();
        for topic in delta.deleted_topics() {
            for (id, partition) in topic.partitions.iter() {
                if partition.replicas.contains(&broker_id) {
                    changes.deletes.insert((topic.name.clone(), id), topic.id);
                }
            }
        }
        for &(topic_id, id) in delta.changed_partitions() {
            let topics = delta.image().topics();
            let Some(topic) = topics.by_id(topic_id) else {
                continue;
            };
            if let Some(partition) = topic.partitions.get(id) {
                let previous = delta.base().topics().by_id(topic_id);
                let previous = previous.and_then(|topic| topic.partitions.get(id));
                changes.note(broker_id, topic, id, partition, previous);
            }
        }
        changes
    }

    fn note(
        &mut self,
        broker_id: i32,
        topic: &TopicImage,
        id: i32,
        partition: &PartitionRegistration,
        previous: Option<&PartitionRegistration>,
    ) {
        let key = (topic.name.clone(), id);
        let held = previous.filter(|previous| previous.replicas.contains(&broker_id));
        let Some(directory) = partition.directory(broker_id) else {
            if held.is_some() {
                self.deletes.insert(key, topic.id);
            }
            return;
        };
        if held.is_none_or(|held| held.directory(broker_id) != Some(directory)) {
            self.directories.insert(key.clone(), directory);
        }
        if previous.is_some_and(|previous| previous.partition_epoch == partition.partition_epoch) {
            return;
        }
        let local = LocalPartition {
            topic_id: topic.id,
            registration: partition.clone(),
            leader_epoch_changed: previous.is_none_or(|previous| previous.leader_epoch != partition.leader_epoch),
            is_new: held.is_none(),
        };
        if partition.leader == broker_id {
            self.leaders.insert(key, local);
        } else {
            self.followers.insert(key, local);
        }
    }
}
