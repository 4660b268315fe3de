//! Which leader epochs the log's batches were appended in (KIP-101, KIP-279).
use crate::checkpoint::EpochEntry;
use crate::faults::{self, Fault};

/// An epoch and the offset at which it ended: the start of the next one, or the end of the log for the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The largest epoch in the log that is not above the one asked for.
    pub epoch: i32,
    /// The first offset after it.
    pub end_offset: i64,
}

/// Epochs and their start offsets, both ascending.
///
/// Kept in memory and written to `leader-epoch-checkpoint` when the log is flushed: entries above the recovery point are
/// found again in the batches, so what is on disk never lacks an entry below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaderEpochs {
    entries: Vec<EpochEntry>,
    /// From which offset on the checkpoint file may tell something else; `None`: it is the same.
    changed_from: Option<i64>,
}

impl LeaderEpochs {
    /// From a checkpoint's entries; what contradicts an earlier line is dropped as if it had been assigned later.
    pub(crate) fn new(entries: Vec<EpochEntry>) -> Self {
        let mut epochs = Self::default();
        for entry in entries {
            epochs.assign(entry.epoch, entry.start_offset);
        }
        epochs.changed_from = None;
        epochs
    }

    /// To be made anew from the batches.
    pub(crate) fn lost() -> Self {
        let mut epochs = Self::default();
        epochs.mark_all_changed();
        epochs
    }

    /// Tells that the checkpoint file has to be written.
    pub(crate) fn mark_all_changed(&mut self) {
        self.changed_from = Some(i64::MIN);
    }

    /// Whether the checkpoint file lacks something about the log below `log_end_offset`. An epoch in which nothing was
    /// appended is no loss: the next leader has one of its own.
    pub(crate) fn is_dirty(&self, log_end_offset: i64) -> bool {
        self.changed_from.is_some_and(|from| from < log_end_offset)
    }

    /// Tells that the checkpoint file has all entries now.
    pub(crate) fn mark_written(&mut self) {
        self.changed_from = None;
    }

    fn mark_changed(&mut self, from: i64) {
        self.changed_from = Some(self.changed_from.map_or(from, |earlier| earlier.min(from)));
    }

    pub(crate) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The epoch of the batch at `offset`.
    pub(crate) fn epoch_for(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    /// Notes that `epoch` began at `start_offset`; entries that this contradicts go.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) {
        if epoch < 0 || start_offset < 0 {
            return; // batches of the metadata quorum's bootstrap and of old followers carry no epoch
        }
        if self
            .latest()
            .is_some_and(|latest| latest.epoch == epoch && start_offset >= latest.start_offset)
        {
            return;
        }
        let conflicts = |entry: &EpochEntry| entry.epoch >= epoch || entry.start_offset >= start_offset;
        let mut from = start_offset;
        while self.entries.last().is_some_and(conflicts) {
            from = self.entries.pop().map_or(from, |entry| entry.start_offset.min(from));
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        self.mark_changed(from);
    }

    /// Comes to a batch of the log's own. One in the middle of an epoch that is known does not begin it; else what is known
    /// from there on is of another history. Where a power cut has brought back batches of such a one, epochs go back, and the
    /// larger one stays.
    pub(crate) fn go_on(&mut self, epoch: i32, base_offset: i64) {
        if faults::is_on(Fault::BeginEpochAnew) {
            return self.assign(epoch, base_offset);
        }
        if epoch < 0 || self.epoch_for(base_offset) == Some(epoch) {
            return;
        }
        self.truncate_from_end(base_offset);
        if self.latest().is_none_or(|latest| epoch > latest.epoch) {
            self.assign(epoch, base_offset);
        }
    }

    /// Where the largest epoch up to `epoch` ended. `None`: an epoch the log does not know of, or none at all.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<EpochEndOffset> {
        if epoch < 0 {
            return None;
        }
        if self.latest()?.epoch == epoch {
            return Some(EpochEndOffset {
                epoch,
                end_offset: log_end_offset,
            });
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.entries.get(higher)?.start_offset;
        // Below the first epoch known: its data is gone, and the follower shall begin where the log begins.
        let epoch = higher.checked_sub(1).map_or(epoch, |at| self.entries[at].epoch);
        Some(EpochEndOffset { epoch, end_offset })
    }

    /// Drops the epochs that begin at or above `end_offset`.
    pub(crate) fn truncate_from_end(&mut self, end_offset: i64) {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        if kept < self.entries.len() {
            self.mark_changed(self.entries[kept].start_offset);
            self.entries.truncate(kept);
        }
    }

    /// Drops the epochs that ended below `start_offset`; the one it lies in then begins there.
    pub(crate) fn truncate_from_start(&mut self, start_offset: i64) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(at) = after.checked_sub(1) else { return };
        if at > 0 || self.entries[0].start_offset < start_offset {
            self.entries.drain(..at);
            self.entries[0].start_offset = start_offset;
            self.mark_changed(start_offset);
        }
    }

    pub(crate) fn clear(&mut self) {
        if !self.entries.is_empty() {
            self.entries.clear();
            self.mark_all_changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::new(
            entries
                .iter()
                .map(|&(epoch, start_offset)| EpochEntry { epoch, start_offset })
                .collect(),
        )
    }

    fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs
            .entries()
            .iter()
            .map(|entry| (entry.epoch, entry.start_offset))
            .collect()
    }

    #[test]
    fn end_offsets() {
        let cache = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let end = |epoch| cache.end_offset_for(epoch, 35).map(|end| (end.epoch, end.end_offset));
        assert_eq!(end(7), Some((7, 35)));
        assert_eq!(end(6), Some((4, 30)));
        assert_eq!(end(4), Some((4, 30)));
        assert_eq!(end(3), Some((2, 20)));
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(8), None);
        assert_eq!(end(-1), None);
        assert_eq!(epochs(&[]).end_offset_for(0, 5), None);
    }

    #[test]
    fn a_batch_in_the_middle_of_an_epoch_does_not_begin_it() {
        let mut cache = epochs(&[(2, 10), (4, 20), (7, 30)]);
        for (epoch, base_offset) in [(4, 25), (-1, 28), (7, 31)] {
            cache.go_on(epoch, base_offset);
        }
        assert_eq!(pairs(&cache), [(2, 10), (4, 20), (7, 30)]);
        cache.go_on(8, 29);
        cache.go_on(3, 35);
        assert_eq!(pairs(&cache), [(2, 10), (4, 20), (8, 29)]);
    }

    #[test]
    fn later_entries_win() {
        let mut cache = epochs(&[(2, 10), (4, 20)]);
        cache.assign(4, 25);
        assert_eq!(pairs(&cache), [(2, 10), (4, 20)]);
        assert!(!cache.is_dirty(99));
        cache.assign(5, 20);
        assert_eq!(pairs(&cache), [(2, 10), (5, 20)]);
        cache.assign(3, 15);
        assert_eq!(pairs(&cache), [(2, 10), (3, 15)]);
        cache.assign(-1, 99);
        assert_eq!(pairs(&cache), [(2, 10), (3, 15)]);
    }

    #[test]
    fn truncation() {
        let mut cache = epochs(&[(2, 10), (4, 20), (7, 30)]);
        cache.truncate_from_end(30);
        assert_eq!(pairs(&cache), [(2, 10), (4, 20)]);
        cache.truncate_from_start(15);
        assert_eq!(pairs(&cache), [(2, 15), (4, 20)]);
        cache.truncate_from_start(20);
        assert_eq!(pairs(&cache), [(4, 20)]);
        cache.truncate_from_start(5);
        assert_eq!(pairs(&cache), [(4, 20)]);
        assert_eq!(cache.epoch_for(19), None);
        assert_eq!(cache.epoch_for(21), Some(4));
    }
}
