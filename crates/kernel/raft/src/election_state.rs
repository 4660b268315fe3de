//! What a replica must never forget about elections: the content of the `quorum-state` file.

use crate::ReplicaKey;

/// The epoch, its leader if known, and the vote given in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElectionState {
    /// The highest epoch seen.
    pub leader_epoch: i32,
    /// Its leader.
    pub leader_id: Option<i32>,
    /// Whom this replica voted for in it. The directory id is not kept with kraft.version 0.
    pub voted: Option<ReplicaKey>,
}
