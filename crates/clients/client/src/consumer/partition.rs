//! One assigned partition: where the user is, where fetching is, and how to find out.

use tokio::time::Instant;

use super::position::Position;

/// How far a partition is from being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The group's committed offset is to be asked for.
    Unlocated,
    /// An offset is to be looked up by time, or -1 for the end and -2 for the beginning, as ListOffsets has it.
    Resetting { timestamp: i64 },
    /// Its position was reached under an earlier leader and is to be checked with the present one (KIP-320).
    Validating,
    /// Its position is known.
    Ready,
}

#[derive(Debug)]
pub(super) struct Partition {
    /// Changes with every seek: what was asked or fetched before is then of no use.
    pub(super) stamp: u64,
    pub(super) phase: Phase,
    /// Whether a look-up of its position is under way.
    pub(super) is_sought: bool,
    /// Not to be asked for before.
    pub(super) not_before: Option<Instant>,
    /// Of the next record for the user.
    pub(super) position: Position,
    /// Of the next fetch: ahead of the position by what is buffered.
    pub(super) fetch: Position,
    /// What the user is done with: had all of it and came for more.
    pub(super) consumed: Option<Position>,
    /// The last that was committed.
    pub(super) committed: Option<i64>,
    pub(super) paused: bool,
    /// Epoch of the leader under which the position was found to be right.
    pub(super) leader_epoch: i32,
    pub(super) high_watermark: Option<i64>,
    pub(super) last_stable_offset: Option<i64>,
    pub(super) log_start_offset: Option<i64>,
    /// A replica nearer than the leader (KIP-392), until when.
    pub(super) preferred: Option<(i32, Instant)>,
    /// The leader does not have the fetch offset; it matters once the user is there.
    pub(super) out_of_range: bool,
}

impl Partition {
    pub(super) fn new(stamp: u64) -> Self {
        Self {
            stamp,
            phase: Phase::Unlocated,
            is_sought: false,
            not_before: None,
            position: Position::at(-1),
            fetch: Position::at(-1),
            consumed: None,
            committed: None,
            paused: false,
            leader_epoch: -1,
            high_watermark: None,
            last_stable_offset: None,
            log_start_offset: None,
            preferred: None,
            out_of_range: false,
        }
    }

    /// Goes to a position, or into a phase that finds one.
    pub(super) fn restart(&mut self, stamp: u64, phase: Phase) {
        self.stamp = stamp;
        self.phase = phase;
        self.is_sought = false;
        self.not_before = None;
        self.out_of_range = false;
        self.preferred = None;
    }

    /// The position is found.
    pub(super) fn locate(&mut self, position: Position) {
        self.phase = Phase::Ready;
        self.is_sought = false;
        self.position = position;
        self.fetch = position;
        self.consumed = Some(position);
        self.out_of_range = false;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether there is nothing between the user and what is fetched next.
    pub(super) fn is_drained(&self) -> bool {
        self.position.offset == self.fetch.offset
    }

    /// How far a reader of this kind can read, as far as known.
    pub(super) fn end(&self, committed_only: bool) -> Option<i64> {
        if committed_only {
            self.last_stable_offset
        } else {
            self.high_watermark
        }
    }
}
