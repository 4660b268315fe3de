//! What can happen, and how often.
use crate::disk::Failure;
use crate::{Crash, Random};

/// One thing that happens. Numbers that stand for places are fractions of 1,000 of what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Append {
        partition: usize,
        records: usize,
        size: usize,
    },
    /// The last batch again, as a client does that did not hear of its success.
    Resend {
        partition: usize,
    },
    Flush {
        partition: usize,
    },
    Roll {
        partition: usize,
    },
    Truncate {
        partition: usize,
        at: u64,
    },
    DeleteRecords {
        partition: usize,
        at: u64,
    },
    /// The partition goes, and comes again as another one.
    Recreate {
        partition: usize,
    },
    /// Time passes, and the background work that is due by then is done.
    Tick {
        ms: i64,
    },
    Restart,
    Crash(Crash),
    /// One of the next calls to the disk fails.
    Fail {
        after: u64,
        failure: Failure,
    },
    /// One of the next reads of the disk fails.
    FailRead {
        after: u64,
    },
    /// Only so much room is left, until the next `Room`.
    Fill {
        bytes: u64,
    },
    Room,
    /// Reads everything and compares it.
    Verify,
    /// Reads from somewhere in the middle.
    Read {
        partition: usize,
        at: u64,
    },
    /// Looks a timestamp up.
    Timestamp {
        partition: usize,
        at: u64,
    },
}

/// The next step.
pub(super) fn draw(random: &mut Random) -> Step {
    let partition = random.below(super::world::PARTITIONS as u64) as usize;
    let at = random.below(1_001);
    match random.below(100) {
        0..39 => Step::Append {
            partition,
            records: 1 + random.below(5) as usize,
            size: random.below(220) as usize,
        },
        39..40 => Step::FailRead {
            after: random.one_of_the_first(),
        },
        40..45 => Step::Resend { partition },
        45..55 => Step::Flush { partition },
        55..57 => Step::Roll { partition },
        57..60 => Step::Truncate { partition, at },
        60..63 => Step::DeleteRecords { partition, at },
        63..65 => Step::Recreate { partition },
        65..73 => Step::Tick {
            ms: *random.pick(&[10, 1_000, 6_000, 70_000, 400_000]),
        },
        73..76 => Step::Restart,
        76..79 => Step::Crash(Crash::Process),
        79..84 => Step::Crash(Crash::Power),
        84..87 => Step::Fail {
            after: random.below(12),
            failure: *random.pick(&[Failure::Io, Failure::Full]),
        },
        87..88 => Step::Fill {
            bytes: random.below(3_000),
        },
        88..91 => Step::Room,
        91..92 => Step::Verify,
        92..97 => Step::Read { partition, at },
        _ => Step::Timestamp { partition, at },
    }
}
