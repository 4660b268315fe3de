//! [`PartitionState`]: what a broker knows of a partition that it holds.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// What the cluster's metadata says of a partition, as far as replication needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The leader's broker id; negative when there is none.
    pub leader: i32,
    /// Rises with every change of leader.
    pub leader_epoch: i32,
    /// Rises with every change of the partition.
    pub partition_epoch: i32,
    /// The brokers in sync with the leader, the leader included.
    pub isr: Box<[i32]>,
}

/// The broker asked does not lead the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker {broker} does not lead this partition, broker {leader} does in epoch {leader_epoch}")]
pub struct NotLeader {
    /// The broker that was asked.
    pub broker: i32,
    /// The leader as far as known; negative when there is none.
    pub leader: i32,
    /// The epoch of that leader.
    pub leader_epoch: i32,
}

/// The epoch that a client named is not the leader's (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaderEpochError {
    /// The client is behind and has to refresh its metadata.
    #[error("leader epoch {asked} is older than the current {current}")]
    Fenced {
        /// What the client named.
        asked: i32,
        /// What it is here.
        current: i32,
    },
    /// The client is ahead: this broker has yet to hear of that epoch.
    #[error("leader epoch {asked} is newer than the current {current}")]
    Unknown {
        /// What the client named.
        asked: i32,
        /// What it is here.
        current: i32,
    },
}

/// Fewer replicas are in sync than `min.insync.replicas` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_sync} replicas are in sync, `min.insync.replicas` asks for {required}")]
pub struct NotEnoughReplicas {
    /// Replicas in sync.
    pub in_sync: usize,
    /// `min.insync.replicas`.
    pub required: usize,
}

/// One partition at one broker.
///
/// `high_watermark` only rises while a broker leads; it never passes what every member of the ISR is known to hold.
#[derive(Clone, Debug)]
pub struct PartitionState {
    broker: i32,
    assignment: Assignment,
    /// Log end offsets of the other replicas, as far as known in this leader epoch.
    follower_ends: BTreeMap<i32, i64>,
    high_watermark: i64,
}

impl PartitionState {
    /// A partition whose log is known to be committed up to `high_watermark`.
    pub fn new(broker: i32, assignment: Assignment, high_watermark: i64) -> Self {
        Self {
            broker,
            assignment,
            follower_ends: BTreeMap::new(),
            high_watermark,
        }
    }

    /// What the metadata says.
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// Offset of the first record that is not committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Takes over what the metadata says now; news that are older than what is known are ignored.
    /// Returns whether this broker became the leader in a new epoch.
    pub fn on_assignment(&mut self, news: Assignment) -> bool {
        if news.partition_epoch < self.assignment.partition_epoch {
            return false;
        }
        assert!(
            news.leader_epoch >= self.assignment.leader_epoch,
            "a leader epoch never falls within a partition's life"
        );
        let new_epoch = news.leader_epoch > self.assignment.leader_epoch;
        if new_epoch {
            self.follower_ends.clear();
        }
        self.assignment = news;
        new_epoch && self.is_leader()
    }

    /// Whether this broker leads.
    pub fn is_leader(&self) -> bool {
        self.assignment.leader == self.broker
    }

    /// Succeeds when this broker leads; gives the epoch it leads in.
    pub fn leader_epoch(&self) -> Result<i32, NotLeader> {
        let Assignment {
            leader, leader_epoch, ..
        } = self.assignment;
        if self.is_leader() {
            Ok(leader_epoch)
        } else {
            Err(NotLeader {
                broker: self.broker,
                leader,
                leader_epoch,
            })
        }
    }

    /// Compares the leader epoch that a client named with the one known here (KIP-320); `None` and -1 pass.
    pub fn check_leader_epoch(&self, asked: Option<i32>) -> Result<(), LeaderEpochError> {
        let current = self.assignment.leader_epoch;
        match asked {
            Some(asked) if asked == -1 || asked == current => Ok(()),
            Some(asked) if asked < current => Err(LeaderEpochError::Fenced { asked, current }),
            Some(asked) => Err(LeaderEpochError::Unknown { asked, current }),
            None => Ok(()),
        }
    }

    /// Whether an append with acks=all may be tried at all.
    pub fn check_in_sync(&self, min_insync_replicas: usize) -> Result<(), NotEnoughReplicas> {
        let in_sync = self.assignment.isr.len();
        if in_sync < min_insync_replicas {
            return Err(NotEnoughReplicas {
                in_sync,
                required: min_insync_replicas,
            });
        }
        Ok(())
    }

    /// The leader's log now ends at `log_end_offset`; returns the high watermark if that raised it.
    pub fn on_local_end(&mut self, log_end_offset: i64) -> Option<i64> {
        if !self.is_leader() {
            return None;
        }
        let others = self.assignment.isr.iter().filter(|id| **id != self.broker);
        let committed = others.map(|id| self.follower_ends.get(id).copied().unwrap_or(-1)).min();
        let candidate = committed.map_or(log_end_offset, |others| others.min(log_end_offset));
        (candidate > self.high_watermark).then(|| {
            self.high_watermark = candidate;
            candidate
        })
    }

    /// Another replica is known to hold everything below `end_offset`.
    pub fn on_follower_end(&mut self, follower: i32, end_offset: i64, log_end_offset: i64) -> Option<i64> {
        self.follower_ends.insert(follower, end_offset);
        self.on_local_end(log_end_offset)
    }
}
