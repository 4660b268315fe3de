//! Batches of the metadata log, and the control records that the quorum itself writes and reads.

use bytes::Bytes;

use crate::VoterSet;

/// One record batch on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Leader epoch that wrote it.
    pub epoch: i32,
    /// Its records, when it is a control batch.
    pub control: Vec<ControlRecord>,
    /// The batch as it lies on disk.
    pub bytes: Bytes,
}

/// A record that concerns the quorum and not the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A leader begins its epoch.
    LeaderChange(LeaderChange),
    /// The level of kraft.version.
    KRaftVersion(i16),
    /// The voters.
    Voters(VoterSet),
    /// First record of a snapshot.
    SnapshotHeader {
        /// Timestamp of the last record that the snapshot contains, milliseconds since the epoch.
        last_contained_log_timestamp: i64,
    },
    /// Last record of a snapshot.
    SnapshotFooter,
    /// Of a type that this implementation does not know; it takes up an offset.
    Unknown,
}

/// Who leads, who could vote, and who did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// The leader.
    pub leader_id: i32,
    /// All voters.
    pub voters: Vec<i32>,
    /// Those who voted for the leader.
    pub granting_voters: Vec<i32>,
}
