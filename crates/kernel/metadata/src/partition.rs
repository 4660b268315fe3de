//! A partition's registration: who holds it, who leads it, who is in sync.

use klamm_protocol::Uuid;
use klamm_protocol::metadata::{PartitionChangeRecord, PartitionRecord};

use crate::directory_id::DirectoryId;
use crate::metadata_version::MetadataVersion;
use crate::replay::ReplayError;

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;
/// In a `PartitionChangeRecord`: the leader, and with it the leader epoch, stays.
pub const NO_LEADER_CHANGE: i32 = -2;
/// In a `PartitionChangeRecord`: the leader's recovery state stays.
const NO_RECOVERY_STATE_CHANGE: i8 = -1;

/// Whether a leader may have lost records by an unclean election and has yet to deal with it (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// Elected cleanly, or done with recovery.
    #[default]
    Recovered,
    /// Elected uncleanly; the ISR must not grow until recovery is done.
    Recovering,
}

impl LeaderRecoveryState {
    /// The state of that id in records and requests.
    pub fn from_id(id: i8) -> Option<Self> {
        match id {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }

    /// The id in records and requests.
    pub fn id(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }
}

/// One partition's state in the metadata.
///
/// The lists are boxed slices: an empty one takes no heap, a short one no spare capacity, and a cluster holds very many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// Ids of the brokers that hold a replica, the preferred leader first.
    pub replicas: Box<[i32]>,
    /// The log directory of each replica, in the order of `replicas`.
    pub directories: Box<[Uuid]>,
    /// Ids of the brokers in sync with the leader, the leader included.
    pub isr: Box<[i32]>,
    /// Replicas that a reassignment takes away.
    pub removing_replicas: Box<[i32]>,
    /// Replicas that a reassignment adds.
    pub adding_replicas: Box<[i32]>,
    /// Replicas outside the ISR that hold every committed record (KIP-966).
    pub elr: Box<[i32]>,
    /// The last leader while there is none (KIP-966).
    pub last_known_elr: Box<[i32]>,
    /// The leader's broker id, or [`NO_LEADER`].
    pub leader: i32,
    /// Rises with every change of leader.
    pub leader_epoch: i32,
    /// Rises with every change.
    pub partition_epoch: i32,
    /// Whether the leader has to recover from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
}

impl PartitionRegistration {
    /// What a `PartitionRecord` establishes.
    pub fn from_record(record: &PartitionRecord) -> Result<Self, ReplayError> {
        Ok(Self {
            replicas: record.replicas.as_slice().into(),
            directories: directories_for(&record.replicas, record.directories.as_slice().into())?,
            isr: record.isr.as_slice().into(),
            removing_replicas: record.removing_replicas.as_slice().into(),
            adding_replicas: record.adding_replicas.as_slice().into(),
            elr: slice(&record.eligible_leader_replicas).unwrap_or_default(),
            last_known_elr: slice(&record.last_known_elr).unwrap_or_default(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
        })
    }

    /// This registration after a `PartitionChangeRecord`.
    pub fn merge(&self, record: &PartitionChangeRecord) -> Result<Self, ReplayError> {
        let replicas = slice(&record.replicas).unwrap_or_else(|| self.replicas.clone());
        let directories = match &record.directories {
            Some(directories) => directories.as_slice().into(),
            None => self.directories.clone(),
        };
        let leader_changes = record.leader != NO_LEADER_CHANGE;
        Ok(Self {
            directories: directories_for(&replicas, directories)?,
            isr: slice(&record.isr).unwrap_or_else(|| self.isr.clone()),
            removing_replicas: slice(&record.removing_replicas).unwrap_or_else(|| self.removing_replicas.clone()),
            adding_replicas: slice(&record.adding_replicas).unwrap_or_else(|| self.adding_replicas.clone()),
            elr: slice(&record.eligible_leader_replicas).unwrap_or_else(|| self.elr.clone()),
            last_known_elr: slice(&record.last_known_elr).unwrap_or_else(|| self.last_known_elr.clone()),
            leader: if leader_changes { record.leader } else { self.leader },
            leader_epoch: self.leader_epoch.wrapping_add(i32::from(leader_changes)),
            partition_epoch: self.partition_epoch.wrapping_add(1),
            leader_recovery_state: match record.leader_recovery_state {
                NO_RECOVERY_STATE_CHANGE => self.leader_recovery_state,
                id => recovery_state(id)?,
            },
            replicas,
        })
    }

    /// This registration without eligible leader replicas, or `None` when there are none.
    pub(crate) fn without_elr(&self) -> Option<Self> {
        if self.elr.is_empty() && self.last_known_elr.is_empty() {
            return None;
        }
        Some(Self {
            elr: Box::default(),
            last_known_elr: Box::default(),
            partition_epoch: self.partition_epoch.wrapping_add(1),
            ..self.clone()
        })
    }

    /// The record that establishes this registration, with no more in it than `version` can say. `elr_enabled`: whether
    /// the feature `eligible.leader.replicas.version` is on.
    pub fn to_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
        version: MetadataVersion,
        elr_enabled: bool,
    ) -> PartitionRecord {
        let elr = |list: &[i32]| (elr_enabled && !list.is_empty()).then(|| list.to_vec());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.to_vec(),
            isr: self.isr.to_vec(),
            removing_replicas: self.removing_replicas.to_vec(),
            adding_replicas: self.adding_replicas.to_vec(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.id(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: if version.is_directory_assignment_supported() {
                self.directories.to_vec()
            } else {
                Vec::new()
            },
            eligible_leader_replicas: elr(&self.elr),
            last_known_elr: elr(&self.last_known_elr),
            ..PartitionRecord::default()
        }
    }

    /// Whether some broker leads.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// Whether the first replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.leader == self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !self.removing_replicas.is_empty() || !self.adding_replicas.is_empty()
    }

    /// The log directory of `replica`, or `None` when that broker holds no replica.
    pub fn directory(&self, replica: i32) -> Option<Uuid> {
        let index = self.replicas.iter().position(|&id| id == replica)?;
        self.directories.get(index).copied()
    }
}

fn slice(list: &Option<Vec<i32>>) -> Option<Box<[i32]>> {
    list.as_deref().map(Into::into)
}

fn recovery_state(id: i8) -> Result<LeaderRecoveryState, ReplayError> {
    LeaderRecoveryState::from_id(id).ok_or(ReplayError::UnknownLeaderRecoveryState(id))
}

/// One directory for each replica: those given, or "migrating" for all when none was ever assigned.
fn directories_for(replicas: &[i32], directories: Box<[Uuid]>) -> Result<Box<[Uuid]>, ReplayError> {
    if directories.iter().all(|&id| id == DirectoryId::MIGRATING) {
        return Ok(vec![DirectoryId::MIGRATING; replicas.len()].into());
    }
    if directories.len() != replicas.len() {
        return Err(ReplayError::DirectoriesDontMatchReplicas {
            replicas: replicas.len(),
            directories: directories.len(),
        });
    }
    Ok(directories)
}
