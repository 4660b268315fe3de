//! The states of one record log's reader: current, committed, and the snapshots between.

use std::collections::VecDeque;

#[cfg(test)]
mod tests;

/// The offset of the state before any record.
pub const BEFORE_ALL: i64 = -1;

/// A current state and snapshots of it by offset.
///
/// A snapshot at offset `n` is the state after all records up to and including offset `n`. The oldest snapshot is the
/// committed state; there is always one. Snapshots' offsets rise strictly from the committed one to the newest, and the
/// current state may be ahead of the newest.
///
/// `S` should hold its bulk in persistent collections, so that a clone costs no more than a few reference counts.
#[derive(Clone, Debug)]
pub struct Timeline<S: Clone> {
    current: S,
    committed: Snapshot<S>,
    /// Above the committed one, ascending.
    uncommitted: VecDeque<Snapshot<S>>,
}

#[derive(Clone, Debug)]
struct Snapshot<S> {
    offset: i64,
    state: S,
}

impl<S: Clone> Timeline<S> {
    /// A timeline whose current and committed states are `state`, before any record.
    pub fn new(state: S) -> Self {
        Self::starting_at(BEFORE_ALL, state)
    }

    /// A timeline whose committed state is `state` at `offset`: after loading a snapshot or replaying a committed log.
    pub fn starting_at(offset: i64, state: S) -> Self {
        let committed = Snapshot {
            offset,
            state: state.clone(),
        };
        Self {
            current: state,
            committed,
            uncommitted: VecDeque::new(),
        }
    }

    /// The state after everything replayed so far.
    pub fn current(&self) -> &S {
        &self.current
    }

    /// The state to replay the next record into.
    pub fn current_mut(&mut self) -> &mut S {
        &mut self.current
    }

    /// Remembers the current state as that after all records up to and including `offset`.
    ///
    /// At the newest snapshot's own offset nothing is done: a state follows from its records alone.
    ///
    /// # Panics
    /// When `offset` lies below the newest snapshot.
    pub fn snapshot(&mut self, offset: i64) {
        let newest = self.newest_offset();
        assert!(offset >= newest, "snapshot at {offset} behind the newest at {newest}");
        if offset > newest {
            self.uncommitted.push_back(Snapshot {
                offset,
                state: self.current.clone(),
            });
        }
    }

    /// The newest snapshot at or below `offset`.
    ///
    /// # Panics
    /// When `offset` lies below the committed state, whose predecessors are forgotten.
    pub fn at(&self, offset: i64) -> &S {
        self.assert_known(offset);
        match self.uncommitted.partition_point(|snapshot| snapshot.offset <= offset) {
            0 => &self.committed.state,
            count => &self.uncommitted[count - 1].state,
        }
    }

    /// The newest state known to be committed.
    pub fn committed(&self) -> &S {
        &self.committed.state
    }

    /// The offset of the committed state: that of its last record, or [`BEFORE_ALL`].
    pub fn committed_offset(&self) -> i64 {
        self.committed.offset
    }

    /// The offset of the newest snapshot.
    pub fn newest_offset(&self) -> i64 {
        self.uncommitted
            .back()
            .map_or(self.committed.offset, |snapshot| snapshot.offset)
    }

    /// Makes the newest snapshot at or below `offset` the committed state and forgets the older ones.
    ///
    /// An offset below the committed one changes nothing: what is committed stays so.
    pub fn commit(&mut self, offset: i64) {
        while self
            .uncommitted
            .front()
            .is_some_and(|snapshot| snapshot.offset <= offset)
        {
            self.committed = self.uncommitted.pop_front().expect("front was just seen");
        }
    }

    /// Goes back to the newest snapshot at or below `offset` and forgets everything after it.
    ///
    /// # Panics
    /// When `offset` lies below the committed state: what is committed can't be taken back.
    pub fn revert_to(&mut self, offset: i64) {
        self.assert_known(offset);
        while self.uncommitted.back().is_some_and(|snapshot| snapshot.offset > offset) {
            self.uncommitted.pop_back();
        }
        self.current = self.uncommitted.back().unwrap_or(&self.committed).state.clone();
    }

    fn assert_known(&self, offset: i64) {
        let committed = self.committed.offset;
        assert!(
            offset >= committed,
            "offset {offset} lies below the committed state at {committed}"
        );
    }
}

impl<S: Clone + Default> Default for Timeline<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}
