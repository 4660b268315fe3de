//! Deliberate faults: places where the log does wrong on request of the thread it runs on, so that a simulation can show
//! that it would notice. Only with the feature `faults`; without it every question here is answered no when compiling.

/// What the log leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Recovery takes a batch as it stands, whatever its CRC says.
    SkipCrc,
    /// Recovery cuts off whole batches with the torn one behind them.
    CutTooMuch,
    /// The end of a log that was flushed is where its newest index entry says.
    TrustShortIndex,
    /// A cut leaves the segments behind it.
    KeepSegmentsBehindCut,
    /// What a dead process wrote counts as synced.
    TrustDeadProcess,
    /// A truncation leaves the recovery point on disk where it was.
    KeepRecoveryPoint,
    /// A failed write leaves its bytes behind the last batch.
    KeepTornWrite,
    /// Producers' snapshots from above the recovery point are believed.
    KeepSnapshots,
    /// After a crash the index of aborted transactions is taken as it stands.
    TrustTxnIndex,
    /// A partition begins with what the checkpoints say of an earlier one of its name.
    InheritCheckpoints,
    /// A cleaned segment takes its place without having been synced.
    SwapUnsynced,
    /// The segments that were cleaned go before the name of what takes their place is synced.
    DropBeforeSwap,
    /// Recovery has the first batch that it meets of an epoch begin it.
    BeginEpochAnew,
    /// The cleaner's set misses a key now and then.
    ForgetKey,
    /// The cleaner's set takes keys that begin alike for one.
    ConfuseKeys,
    /// The cleaner's set takes keys of aborted transactions.
    NoteAborted,
    /// The cleaner goes on into transactions that have not ended.
    CleanUnstable,
    /// Tombstones and markers go in the round that finds them.
    IgnoreDeleteHorizon,
    /// The cleaner lets tombstones go where older records of their keys may be left.
    DropDirtyTombstone,
    /// The cleaner does not know of transactions that begin below the segments at hand.
    ForgetOpenTransactions,
    /// The cleaner's checkpoint moves to the end of a round that could not note all keys.
    CheckpointThoughFull,
    /// The cleaner goes through a log from its beginning to its end.
    CleanFromTheFront,
    /// The cleaner lets a batch go that is the last of its producer.
    DropLastOfProducer,
    /// Recovery takes a read that fails for the end of the file.
    CutAtFailedRead,
    /// A cleaned segment whose swap was interrupted is taken to end where it can't be read.
    SwapToFailedRead,
    /// A read that would have to wait for the disk counts as one that failed.
    FailOnWait,
    /// A batch that the index names and that can't be read is looked for from the segment's beginning.
    SearchPastFailedRead,
    /// The cleaner's checkpoint is written before the round.
    CheckpointAhead,
}

#[cfg(feature = "faults")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Has the logs that this thread works on do this wrong from now on; `None` ends it.
#[cfg(feature = "faults")]
pub fn choose(fault: Option<Fault>) {
    CHOSEN.set(fault);
}

/// Whether to do this wrong.
#[cfg(feature = "faults")]
pub(crate) fn is_on(fault: Fault) -> bool {
    CHOSEN.get() == Some(fault)
}

/// Whether to do this wrong: no.
#[cfg(not(feature = "faults"))]
pub(crate) const fn is_on(_fault: Fault) -> bool {
    false
}
