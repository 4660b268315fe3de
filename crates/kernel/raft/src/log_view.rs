//! What the quorum has to know of the log: its ends, where epochs begin, which snapshots there are. The bytes are the driver's.

use std::collections::BTreeMap;

/// A position in the log together with the epoch of the record before it: names a snapshot, or the end of a log.
///
/// The order is that of "more up to date": epoch first, as in Kafka's `OffsetAndEpoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndEpoch {
    /// End offset: one more than the last offset contained.
    pub offset: i64,
    /// Epoch of the last record contained.
    pub epoch: i32,
}

impl OffsetAndEpoch {
    /// The checkpoint that `klamm storage format` writes. It is never replicated.
    pub const BOOTSTRAP: OffsetAndEpoch = OffsetAndEpoch { offset: 0, epoch: 0 };
}

impl PartialOrd for OffsetAndEpoch {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OffsetAndEpoch {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.epoch, self.offset).cmp(&(other.epoch, other.offset))
    }
}

/// First offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The leader epoch.
    pub epoch: i32,
    /// Offset of its first record.
    pub start_offset: i64,
}

/// What a leader thinks of the end that a follower claims for its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    Diverging(OffsetAndEpoch),
    Snapshot(OffsetAndEpoch),
}

/// Ends, epochs and snapshots of the metadata log.
///
/// `start_offset <= flushed_offset <= end_offset`. Offsets below `flushed_offset` survive a crash; those between it and
/// `end_offset` have been handed to the driver and may not. A `start_offset` above 0 has a snapshot at or above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    start_offset: i64,
    end_offset: i64,
    flushed_offset: i64,
    epochs: Vec<EpochStart>,
    snapshots: BTreeMap<OffsetAndEpoch, u64>,
}

impl LogView {
    /// The log as found on disk: everything in it is durable. `snapshots` are ids with sizes in bytes.
    pub fn new(
        start_offset: i64,
        end_offset: i64,
        epochs: Vec<EpochStart>,
        snapshots: impl IntoIterator<Item = (OffsetAndEpoch, u64)>,
    ) -> Self {
        assert!(
            start_offset <= end_offset,
            "log starts at {start_offset}, behind its end {end_offset}"
        );
        LogView {
            start_offset,
            end_offset,
            flushed_offset: end_offset,
            epochs,
            snapshots: snapshots.into_iter().collect(),
        }
    }

    /// Offset of the first record.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// Offset after the last record.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Offset after the last record that would survive a crash.
    pub fn flushed_offset(&self) -> i64 {
        self.flushed_offset
    }

    /// Whether the whole log would survive a crash.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed_offset == self.end_offset
    }

    /// The end with the epoch of the last record, or of the snapshot that an empty log starts at.
    pub fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch {
            offset: self.end_offset,
            epoch: self.last_epoch(),
        }
    }

    /// Where epochs begin, ascending.
    pub fn epochs(&self) -> &[EpochStart] {
        &self.epochs
    }

    /// The newest snapshot.
    pub fn latest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.keys().next_back().copied()
    }

    /// The oldest snapshot.
    pub fn earliest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.keys().next().copied()
    }

    pub(crate) fn snapshot_size(&self, id: &OffsetAndEpoch) -> Option<u64> {
        self.snapshots.get(id).copied()
    }

    fn last_epoch(&self) -> i32 {
        match self.epochs.last() {
            Some(last) => last.epoch,
            None => self.latest_snapshot().map_or(0, |id| id.epoch),
        }
    }

    pub(crate) fn append(&mut self, base_offset: i64, last_offset: i64, epoch: i32) {
        assert!(
            base_offset == self.end_offset && last_offset >= base_offset,
            "gap in the log at {base_offset}"
        );
        let last_epoch = self.last_epoch();
        assert!(epoch >= last_epoch, "epoch {epoch} after {last_epoch}");
        if self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            self.epochs.push(EpochStart {
                epoch,
                start_offset: base_offset,
            });
        }
        self.end_offset = last_offset + 1;
    }

    pub(crate) fn flushed(&mut self, end_offset: i64) {
        self.flushed_offset = self.flushed_offset.max(end_offset.min(self.end_offset));
    }

    pub(crate) fn truncate_to(&mut self, offset: i64) {
        self.end_offset = self.end_offset.min(offset);
        self.flushed_offset = self.flushed_offset.min(offset);
        self.epochs.retain(|entry| entry.start_offset < offset);
    }

    /// Empties the log: it continues after this snapshot.
    pub(crate) fn truncate_fully_to(&mut self, snapshot: OffsetAndEpoch) {
        self.start_offset = snapshot.offset;
        self.end_offset = snapshot.offset;
        self.flushed_offset = snapshot.offset;
        self.epochs.clear();
        self.snapshots.retain(|id, _| *id >= snapshot);
    }

    pub(crate) fn add_snapshot(&mut self, id: OffsetAndEpoch, size: u64) {
        self.snapshots.insert(id, size);
    }

    /// The driver deleted all before this snapshot.
    pub(crate) fn delete_before(&mut self, snapshot: OffsetAndEpoch) {
        assert!(
            self.snapshots.contains_key(&snapshot),
            "log start moved to an unknown snapshot {snapshot:?}"
        );
        self.snapshots.retain(|id, _| *id >= snapshot);
        self.start_offset = self.start_offset.max(snapshot.offset);
        let covering = self
            .epochs
            .partition_point(|entry| entry.start_offset <= self.start_offset);
        self.epochs.drain(..covering.saturating_sub(1));
        if let Some(first) = self.epochs.first_mut() {
            first.start_offset = first.start_offset.max(self.start_offset);
        }
    }

    /// The largest epoch at or below `epoch`, and where it ends.
    fn end_offset_for_epoch(&self, epoch: i32) -> OffsetAndEpoch {
        let above = self.epochs.partition_point(|entry| entry.epoch <= epoch);
        let Some(next) = self.epochs.get(above) else {
            return self.end();
        };
        match above.checked_sub(1) {
            Some(floor) => OffsetAndEpoch {
                offset: next.start_offset,
                epoch: self.epochs[floor].epoch,
            },
            // Older than all the log has: whoever asks has to go back to the snapshot that the log starts at.
            None => match self.earliest_snapshot() {
                Some(snapshot) if snapshot.offset == next.start_offset => snapshot,
                _ => OffsetAndEpoch {
                    offset: next.start_offset,
                    epoch,
                },
            },
        }
    }

    /// Compares the end of a follower's log with ours.
    pub(crate) fn validate(&self, offset: i64, epoch: i32) -> Validity {
        if self.start_offset == 0 && offset == 0 {
            return Validity::Valid;
        }
        if let (Some(earliest), Some(latest)) = (self.earliest_snapshot(), self.latest_snapshot())
            && (offset < self.start_offset
                || (offset == self.start_offset && epoch != earliest.epoch)
                || epoch < earliest.epoch)
        {
            return Validity::Snapshot(latest);
        }
        let end = self.end_offset_for_epoch(epoch);
        if end.epoch != epoch || end.offset < offset {
            Validity::Diverging(end)
        } else {
            Validity::Valid
        }
    }

    /// Where a follower has to cut when the leader says that `diverging` is the last point its log shares with epoch and offset asked for.
    pub(crate) fn truncation_offset(&self, diverging: OffsetAndEpoch) -> i64 {
        if diverging.epoch == 0 {
            return diverging.offset;
        }
        let local = self.end_offset_for_epoch(diverging.epoch);
        if local.epoch == diverging.epoch {
            local.offset.min(diverging.offset)
        } else {
            local.offset
        }
    }
}

#[cfg(test)]
mod tests;
