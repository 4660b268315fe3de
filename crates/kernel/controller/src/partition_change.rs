//! The change record that takes a partition to a wanted ISR: who leads then, and which replicas stay eligible.

use std::collections::BTreeSet;

use klamm_metadata::{LeaderRecoveryState, MetadataVersion, NO_LEADER, NO_LEADER_CHANGE, PartitionRegistration};
use klamm_protocol::Uuid;
use klamm_protocol::metadata::PartitionChangeRecord;

/// In a `PartitionChangeRecord`: the leader's recovery state stays.
const NO_RECOVERY_STATE_CHANGE: i8 = -1;

/// Which leaders will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// One that holds every committed record.
    Online,
    /// The first replica if it is one of those, else as it is.
    Preferred,
    /// If there is none such, any: some records may be lost.
    Unclean,
}

/// A partition and what it should become.
pub(crate) struct PartitionChange<'a> {
    pub(crate) partition: &'a PartitionRegistration,
    pub(crate) topic_id: Uuid,
    pub(crate) partition_id: i32,
    pub(crate) version: MetadataVersion,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub(crate) elr_enabled: bool,
    /// The smallest ISR that acknowledges records: the topic's `min.insync.replicas`, at most its replication factor.
    pub(crate) min_isr: usize,
    pub(crate) is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    pub(crate) election: Election,
    pub(crate) target_isr: Vec<i32>,
    pub(crate) target_directories: Vec<Uuid>,
    pub(crate) target_recovery_state: LeaderRecoveryState,
    /// A replica that may have lost what it had.
    pub(crate) unclean_shutdown: Option<i32>,
}

impl PartitionChange<'_> {
    /// The record, or `None` when nothing changes.
    pub(crate) fn build(mut self) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition_id,
            leader: NO_LEADER_CHANGE,
            leader_recovery_state: NO_RECOVERY_STATE_CHANGE,
            ..PartitionChangeRecord::default()
        };
        let mut elr = self.target_elr();
        self.elect(&mut record, &mut elr);
        // The election has set the ISR if it was unclean, and then nobody else is eligible.
        if record.isr.is_some() || !self.elr_enabled {
            elr.clear();
        }
        if *elr != *self.partition.elr {
            record.eligible_leader_replicas = Some(elr);
        }
        let may_be_set = !self.target_isr.is_empty() || self.elr_enabled;
        if record.isr.is_none() && may_be_set && *self.target_isr != *self.partition.isr {
            record.isr = Some(self.target_isr.clone());
        }
        self.bump_leader_epoch_on_isr_shrink(&mut record);
        self.update_last_known_leader(&mut record);
        if self.version.is_directory_assignment_supported() && *self.target_directories != *self.partition.directories {
            record.directories = Some(self.target_directories.clone());
        }
        if self.target_recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.target_recovery_state.id();
        }
        (!is_no_op(&record)).then_some(record)
    }

    /// While the ISR is below the minimum, nothing is acknowledged, so whoever was in it when it fell below holds every
    /// committed record and stays eligible, unless an unclean shutdown may have cost it some.
    fn target_elr(&self) -> Vec<i32> {
        if !self.elr_enabled {
            return self.partition.elr.to_vec();
        }
        if self.target_isr.len() >= self.min_isr {
            return Vec::new();
        }
        let candidates: BTreeSet<i32> = self.partition.elr.iter().chain(&*self.partition.isr).copied().collect();
        candidates
            .into_iter()
            .filter(|replica| !self.target_isr.contains(replica))
            .filter(|replica| Some(*replica) != self.unclean_shutdown)
            .collect()
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord, elr: &mut Vec<i32>) {
        let (leader, unclean) = self.leader_to_be(elr);
        if leader == self.partition.leader {
            return;
        }
        record.leader = leader;
        if let Some(index) = elr.iter().position(|&replica| replica == leader) {
            elr.remove(index);
            self.target_isr = vec![leader];
        }
        if unclean {
            record.isr = Some(vec![leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.id();
            }
        }
    }

    /// Who is to lead, and whether that may lose records.
    fn leader_to_be(&self, elr: &[i32]) -> (i32, bool) {
        let acceptable = self.is_acceptable_leader;
        let holds_all =
            |replica: i32| self.target_isr.contains(&replica) || (self.target_isr.is_empty() && elr.contains(&replica));
        let valid = |replica: &i32| holds_all(*replica) && acceptable(*replica);
        if self.election == Election::Preferred
            && let Some(&preferred) = self.partition.replicas.first().filter(|replica| valid(replica))
        {
            return (preferred, false);
        }
        if valid(&self.partition.leader) {
            return (self.partition.leader, false);
        }
        if let Some(&leader) = self.partition.replicas.iter().find(|replica| valid(replica)) {
            return (leader, false);
        }
        if let Some(leader) = self.last_known_leader(elr) {
            return (leader, true);
        }
        if self.election == Election::Unclean {
            let any = self.partition.replicas.iter();
            if let Some(&leader) = any.into_iter().find(|replica| acceptable(**replica)) {
                return (leader, true);
            }
        }
        (NO_LEADER, false)
    }

    /// When nobody surely holds everything, the last leader is the best there is.
    fn last_known_leader(&self, elr: &[i32]) -> Option<i32> {
        if !self.elr_enabled || !elr.is_empty() || !self.target_isr.is_empty() {
            return None;
        }
        match *self.partition.last_known_elr {
            [leader] if (self.is_acceptable_leader)(leader) => Some(leader),
            _ => None,
        }
    }

    fn bump_leader_epoch_on_isr_shrink(&self, record: &mut PartitionChangeRecord) {
        if !self.version.is_leader_epoch_bump_required_on_isr_shrink() || record.leader != NO_LEADER_CHANGE {
            return;
        }
        if let Some(isr) = &record.isr
            && !self.partition.isr.iter().all(|id| isr.contains(id))
        {
            record.leader = self.partition.leader;
        }
    }

    fn update_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.elr_enabled {
            return;
        }
        if record.leader == NO_LEADER && self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && !self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }
}

fn is_no_op(record: &PartitionChangeRecord) -> bool {
    record.isr.is_none()
        && record.eligible_leader_replicas.is_none()
        && record.last_known_elr.is_none()
        && record.leader == NO_LEADER_CHANGE
        && record.leader_recovery_state == NO_RECOVERY_STATE_CHANGE
        && record.directories.is_none()
}
