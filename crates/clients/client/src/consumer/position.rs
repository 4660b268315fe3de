//! Where a consumer stands in a partition.

use klamm_records::BatchHeader;

/// The next offset, and the epoch of the leader that wrote the record before it: by it a log that was cut is noticed
/// (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: i64,
    /// -1 if unknown.
    pub(super) leader_epoch: i32,
}

impl Position {
    pub(super) fn at(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: -1,
        }
    }

    /// After a batch: past its last offset, also where compaction took records away.
    pub(super) fn past(self, batch: &BatchHeader) -> Self {
        if batch.next_offset() <= self.offset {
            return self;
        }
        Self {
            offset: batch.next_offset(),
            leader_epoch: batch.partition_leader_epoch.max(-1),
        }
    }
}

/// What the leader answers to the question where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochEnd {
    /// The epoch asked for or the last one before it; -1 if there is none.
    pub(super) leader_epoch: i32,
    /// -1 if there is none.
    pub(super) offset: i64,
}

/// What became of a position under a new leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validated {
    /// It stands.
    Valid,
    /// Records before it are gone. `diverges_at` is where the logs part, if the leader could say.
    Truncated { diverges_at: Option<Position> },
}

impl EpochEnd {
    /// Judges `position`, whose epoch the leader was asked for.
    pub(super) fn judge(self, position: Position) -> Validated {
        if self.leader_epoch < 0 || self.offset < 0 {
            return Validated::Truncated { diverges_at: None };
        }
        if self.offset < position.offset {
            return Validated::Truncated {
                diverges_at: Some(Position {
                    offset: self.offset,
                    leader_epoch: self.leader_epoch,
                }),
            };
        }
        Validated::Valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_judged_by_where_its_epoch_ends() {
        let position = Position {
            offset: 10,
            leader_epoch: 3,
        };
        let end = |leader_epoch, offset| EpochEnd { leader_epoch, offset };
        assert_eq!(end(3, 10).judge(position), Validated::Valid);
        assert_eq!(end(3, 99).judge(position), Validated::Valid);
        let diverges_at = Some(Position {
            offset: 7,
            leader_epoch: 2,
        });
        assert_eq!(end(2, 7).judge(position), Validated::Truncated { diverges_at });
        assert_eq!(end(-1, -1).judge(position), Validated::Truncated { diverges_at: None });
    }
}
