//! Who leads, and who is in sync, when brokers come and go.

use klamm_metadata::{LeaderRecoveryState, MetadataRecord, PartitionRegistration, TopicImage};
use klamm_protocol::Uuid;

use crate::controller::Controller;
use crate::partition_change::{Election, PartitionChange};

/// Which broker is going, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// None.
    Nobody,
    /// It keeps what it has.
    Cleanly(i32),
    /// It may have lost records.
    Uncleanly(i32),
}

impl Leaving {
    fn is(self, id: i32) -> bool {
        matches!(self, Self::Cleanly(leaving) | Self::Uncleanly(leaving) if leaving == id)
    }
}

impl Controller {
    /// Adds the records that take the leaving broker out of the ISRs of `partitions`, and that elect leaders where one is
    /// missing or leaving. `arriving` will do as a leader although it is still fenced.
    pub(crate) fn leader_and_isr_updates(
        &self,
        leaving: Leaving,
        arriving: Option<i32>,
        partitions: Vec<(Uuid, i32)>,
        records: &mut Vec<MetadataRecord>,
    ) {
        let acceptable = |id: i32| !leaving.is(id) && (arriving == Some(id) || self.is_active(id));
        for (topic_id, id) in partitions {
            let topic = self
                .image()
                .topics()
                .by_id(topic_id)
                .expect("memberships are of known topics");
            let partition = topic.partitions.get(id).expect("memberships are of known partitions");
            let leader_will_do = |replica| acceptable(replica) && self.has_online_replica(partition, replica);
            let mut change = self.partition_change(topic, id, partition, &leader_will_do);
            change.target_isr.retain(|replica| !leaving.is(*replica));
            if let Leaving::Uncleanly(replica) = leaving {
                change.unclean_shutdown = Some(replica);
            }
            records.extend(change.build().map(MetadataRecord::from));
        }
    }

    /// A change of that partition which so far changes nothing.
    pub(crate) fn partition_change<'a>(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &'a PartitionRegistration,
        is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    ) -> PartitionChange<'a> {
        PartitionChange {
            partition,
            topic_id: topic.id,
            partition_id,
            version: self.metadata_version(),
            elr_enabled: self.is_elr_enabled(),
            min_isr: self.effective_min_isr(topic),
            is_acceptable_leader,
            election: if self.unclean_leader_election_enabled(&topic.name) {
                Election::Unclean
            } else {
                Election::Online
            },
            target_isr: partition.isr.to_vec(),
            target_directories: partition.directories.to_vec(),
            target_recovery_state: partition.leader_recovery_state,
            unclean_shutdown: None,
        }
    }

    /// Whether the replica's log directory is online on its broker.
    pub(crate) fn has_online_replica(&self, partition: &PartitionRegistration, replica: i32) -> bool {
        let broker = self.image().cluster().broker(replica);
        broker
            .zip(partition.directory(replica))
            .is_some_and(|(broker, directory)| broker.has_online_dir(directory))
    }

    /// The state of a leader that needs no recovery stays so: only an election may change it.
    pub(crate) fn may_become(from: LeaderRecoveryState, to: LeaderRecoveryState) -> bool {
        from == LeaderRecoveryState::Recovering || to == LeaderRecoveryState::Recovered
    }
}
