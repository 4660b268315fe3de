//! Compaction on a fake disk: some hundred seeds, and the deliberate faults that they must find.

use klamm_log::Fault;
use klamm_simulator::Forgotten;
use klamm_simulator::clean::{Options, run};

#[test]
fn of_each_key_the_last_committed_value_stays() {
    let mut compared = 0;
    for seed in 0..100 {
        let summary = run(seed, Options::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        compared += summary.compared;
    }
    assert!(compared > 20_000, "{compared}");
}

#[test]
fn one_seed_is_one_run() {
    assert_eq!(run(7, Options::default()).unwrap(), run(7, Options::default()).unwrap());
}

/// A swap before the sync of what is swapped in, of the files or of their names.
#[test]
fn each_sync_that_is_left_out_is_found() {
    for forgotten in [Forgotten::DirectorySyncs, Forgotten::FileSyncs(".log.cleaned")] {
        let options = Options {
            forgotten: Some(forgotten),
            ..Options::default()
        };
        let found = (0..400).find_map(|seed| run(seed, options).err());
        assert!(found.is_some(), "{forgotten:?}");
    }
}

/// The same for what the cleaner itself may do wrong.
#[test]
fn each_fault_of_the_cleaner_is_found() {
    for fault in [
        Fault::SwapUnsynced,
        Fault::DropBeforeSwap,
        Fault::ForgetKey,
        Fault::ConfuseKeys,
        Fault::NoteAborted,
        Fault::CleanUnstable,
        Fault::IgnoreDeleteHorizon,
        Fault::DropDirtyTombstone,
        Fault::ForgetOpenTransactions,
        Fault::CheckpointThoughFull,
        Fault::CleanFromTheFront,
        Fault::DropLastOfProducer,
        Fault::CheckpointAhead,
        Fault::SwapToFailedRead,
    ] {
        let options = Options {
            fault: Some(fault),
            ..Options::default()
        };
        let found = (0..400).find_map(|seed| run(seed, options).err());
        assert!(found.is_some(), "{fault:?}");
    }
}
