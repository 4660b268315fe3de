//! The log on a fake disk: some hundred seeds, and the deliberate faults that they must find.

use klamm_log::Fault;
use klamm_simulator::Forgotten;
use klamm_simulator::log::{Options, run};

#[test]
fn nothing_that_was_promised_is_lost() {
    let mut compared = 0;
    for seed in 0..150 {
        let summary = run(seed, Options::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        compared += summary.compared;
    }
    assert!(compared > 50_000, "{compared}");
}

#[test]
fn one_seed_is_one_run() {
    assert_eq!(run(7, Options::default()).unwrap(), run(7, Options::default()).unwrap());
}

/// A simulation that finds nothing is worth what it finds when there is something: a disk that leaves out one kind of sync
/// stands for a log that forgot to ask for it. The other files' contents may be lost at any time: what they say is checked
/// against the log, or costs a longer recovery.
#[test]
fn each_sync_that_is_left_out_is_found() {
    for forgotten in [
        Forgotten::DirectorySyncs,
        Forgotten::FileSyncs(".log"),
        Forgotten::FileSyncs(".timeindex"),
        Forgotten::FileSystemSyncs,
    ] {
        let options = Options {
            forgotten: Some(forgotten),
            ..Options::default()
        };
        let found = (0..200).find_map(|seed| run(seed, options).err());
        assert!(found.is_some(), "{forgotten:?}");
    }
}

/// The same for what the log itself may do wrong.
#[test]
fn each_fault_of_the_log_is_found() {
    for fault in [
        Fault::SkipCrc,
        Fault::CutTooMuch,
        Fault::TrustShortIndex,
        Fault::KeepSegmentsBehindCut,
        Fault::TrustDeadProcess,
        Fault::KeepRecoveryPoint,
        Fault::KeepTornWrite,
        Fault::KeepSnapshots,
        Fault::TrustTxnIndex,
        Fault::InheritCheckpoints,
        Fault::BeginEpochAnew,
        Fault::CutAtFailedRead,
        Fault::SearchPastFailedRead,
        Fault::FailOnWait,
    ] {
        let options = Options {
            fault: Some(fault),
            ..Options::default()
        };
        let found = (0..600).find_map(|seed| run(seed, options).err());
        assert!(found.is_some(), "{fault:?}");
    }
}
