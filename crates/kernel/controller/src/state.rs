//! What the controller knows: the image that follows from all records, committed or not, and indexes into it.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_metadata::{
    Change, MetadataImage, MetadataRecord, NO_LEADER, PartitionRegistration, ReplayError, TopicImage,
};
use klamm_protocol::Uuid;
use klamm_timeline::{OrdMap, OrdSet};

use crate::topic_name::{has_collision_chars, unify_collision_chars};

/// Everything that follows from the records up to some offset.
///
/// The image is the state itself: what the controller decides on and what brokers see come from the same replay. The
/// indexes answer what would otherwise take a walk over all partitions. All are persistent, so a clone is a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) image: MetadataImage,
    /// One more than the last offset in the log.
    pub(crate) next_offset: i64,
    /// Where the open metadata transaction begins.
    pub(crate) transaction_start: Option<i64>,
    /// The offset of each broker's registration. A broker is unfenced once it has read that far.
    pub(crate) register_broker_offsets: OrdMap<i32, i64>,
    /// For brokers in controlled shutdown: the offset that all others must have read before it may go.
    pub(crate) controlled_shutdown_offsets: OrdMap<i32, i64>,
    /// Topics whose names hold `.` or `_`, by their name with `.` turned into `_`; metrics can't tell those apart.
    pub(crate) colliding_names: OrdSet<(String, Arc<str>)>,
    /// Broker id, topic id and partition id of each ISR membership; broker -1 stands for "no leader".
    in_isr: OrdSet<(i32, Uuid, i32)>,
    /// The same of each ELR membership.
    in_elr: OrdSet<(i32, Uuid, i32)>,
    /// How many partitions each broker leads.
    leaderships: OrdMap<i32, usize>,
}

impl State {
    pub(crate) fn replay(&mut self, record: &MetadataRecord, offset: i64) -> Result<(), ReplayError> {
        self.next_offset = self.next_offset.max(offset + 1);
        match record {
            MetadataRecord::BeginTransaction(_) if self.transaction_start.is_some() => {
                return Err(ReplayError::NestedTransaction);
            }
            MetadataRecord::BeginTransaction(_) => self.transaction_start = Some(offset),
            MetadataRecord::EndTransaction(_) => {
                self.transaction_start.take().ok_or(ReplayError::NoTransaction)?;
            }
            _ => {}
        }
        let touched = self.touched_partitions(record);
        match self.image.replay(record)? {
            Change::TopicCreated(id) => self.index_topic(id),
            Change::TopicDeleted(topic) => self.forget_topic(&topic),
            Change::Partitions(_) => {
                for (topic_id, id, old) in touched {
                    self.index_partition(topic_id, id, old.as_deref(), offset);
                }
            }
            Change::Broker(id) => self.index_broker(id, record, offset),
            _ => {}
        }
        Ok(())
    }

    /// The partitions whose indexes a record may change, as they are before it. Taken one by one: holding on to the whole
    /// image would make the replay copy every topic that it touches.
    fn touched_partitions(&self, record: &MetadataRecord) -> Vec<(Uuid, i32, Option<Arc<PartitionRegistration>>)> {
        let before = |topic_id, id| (topic_id, id, partition(&self.image, topic_id, id).cloned());
        match record {
            MetadataRecord::Partition(record) => vec![before(record.topic_id, record.partition_id)],
            MetadataRecord::PartitionChange(record) => vec![before(record.topic_id, record.partition_id)],
            MetadataRecord::ClearElr(_) => {
                let eligible: BTreeSet<_> = self.in_elr.iter().map(|&(_, topic_id, id)| (topic_id, id)).collect();
                eligible
                    .into_iter()
                    .map(|(topic_id, id)| before(topic_id, id))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn index_broker(&mut self, id: i32, record: &MetadataRecord, offset: i64) {
        match record {
            MetadataRecord::RegisterBroker(_) => {
                self.register_broker_offsets.insert(id, offset);
            }
            MetadataRecord::UnregisterBroker(_) => {
                self.register_broker_offsets.remove(&id);
            }
            _ => {}
        }
        let shutting_down = self
            .image
            .cluster()
            .broker(id)
            .is_some_and(|broker| broker.in_controlled_shutdown && !broker.fenced);
        if !shutting_down {
            self.controlled_shutdown_offsets.remove(&id);
        } else if !self.controlled_shutdown_offsets.contains_key(&id) {
            self.controlled_shutdown_offsets.insert(id, offset);
        }
    }

    fn index_topic(&mut self, id: Uuid) {
        let name = &self.image.topics().by_id(id).expect("just created").name;
        if has_collision_chars(name) {
            let entry = (unify_collision_chars(name), name.clone());
            self.colliding_names.insert(entry);
        }
    }

    fn forget_topic(&mut self, topic: &TopicImage) {
        let entry = (unify_collision_chars(&topic.name), topic.name.clone());
        self.colliding_names.remove(&entry);
        for (id, partition) in topic.partitions.iter() {
            self.remove_memberships(topic.id, id, partition);
        }
    }

    fn index_partition(&mut self, topic_id: Uuid, id: i32, old: Option<&PartitionRegistration>, offset: i64) {
        let new = partition(&self.image, topic_id, id).expect("just changed").clone();
        if let Some(old) = old {
            if old.leader != new.leader
                && let Some(shutdown) = self.controlled_shutdown_offsets.get_mut(&old.leader)
            {
                // The broker may go only when the others know of their new leaderships.
                *shutdown = offset;
            }
            self.remove_memberships(topic_id, id, old);
        }
        for &broker in &*new.isr {
            self.in_isr.insert((broker, topic_id, id));
        }
        for &broker in &*new.elr {
            self.in_elr.insert((broker, topic_id, id));
        }
        if new.leader == NO_LEADER {
            self.in_isr.insert((NO_LEADER, topic_id, id));
        }
        *self.leaderships.entry(new.leader).or_insert(0) += 1;
    }

    fn remove_memberships(&mut self, topic_id: Uuid, id: i32, partition: &PartitionRegistration) {
        for &broker in &partition.isr {
            self.in_isr.remove(&(broker, topic_id, id));
        }
        for &broker in &partition.elr {
            self.in_elr.remove(&(broker, topic_id, id));
        }
        self.in_isr.remove(&(NO_LEADER, topic_id, id));
        let led = self
            .leaderships
            .get_mut(&partition.leader)
            .expect("a known partition's leader is counted");
        *led -= 1;
        if *led == 0 {
            self.leaderships.remove(&partition.leader);
        }
    }

    /// Partitions, as topic id and partition id, that have the broker in their ISR.
    pub(crate) fn partitions_with_broker_in_isr(&self, broker: i32) -> Vec<(Uuid, i32)> {
        members(&self.in_isr, broker)
    }

    /// Partitions that have the broker in their ELR.
    pub(crate) fn partitions_with_broker_in_elr(&self, broker: i32) -> Vec<(Uuid, i32)> {
        members(&self.in_elr, broker)
    }

    /// Partitions without a leader.
    pub(crate) fn partitions_with_no_leader(&self) -> Vec<(Uuid, i32)> {
        members(&self.in_isr, NO_LEADER)
    }

    /// Whether the broker leads some partition.
    pub(crate) fn has_leaderships(&self, broker: i32) -> bool {
        self.leaderships.contains_key(&broker)
    }
}

fn partition(image: &MetadataImage, topic_id: Uuid, id: i32) -> Option<&Arc<PartitionRegistration>> {
    image.topics().by_id(topic_id)?.partitions.get_shared(id)
}

fn members(set: &OrdSet<(i32, Uuid, i32)>, broker: i32) -> Vec<(Uuid, i32)> {
    // Uuids compare as signed halves, so the lowest one starts with the sign bit.
    let mut lowest = [0; 16];
    lowest[0] = 0x80;
    lowest[8] = 0x80;
    set.range((broker, Uuid(lowest), i32::MIN)..)
        .take_while(|entry| entry.0 == broker)
        .map(|&(_, topic, partition)| (topic, partition))
        .collect()
}
