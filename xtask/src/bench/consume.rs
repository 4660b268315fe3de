//! Consumers that do not limit the broker.

use super::disk;
use super::report::{Column, Samples};
use super::rig::{GB, Measured, Rig, Target};

/// A way to read the topic.
struct Case {
    what: &'static str,
    /// Each reads all of it.
    readers: u64,
    /// On which a reader's partitions are spread.
    connections: u64,
    /// From the disk.
    cold: bool,
    /// Of CPU seconds per GB: the most of Kafka's, and of bare `sendfile`'s.
    bars: [Option<f64>; 2],
}

const CASES: &[Case] = &[
    Case {
        what: "in memory, one reader",
        readers: 1,
        connections: 1,
        cold: false,
        bars: [Some(2.0 / 3.0), Some(1.3)],
    },
    Case {
        what: "in memory, one reader over 4 connections",
        readers: 1,
        connections: 4,
        cold: false,
        bars: [Some(2.0 / 3.0), Some(1.3)],
    },
    Case {
        what: "in memory, 8 readers",
        readers: 8,
        connections: 1,
        cold: false,
        bars: [None, None],
    },
    Case {
        what: "on the disk, one reader",
        readers: 1,
        connections: 1,
        cold: true,
        bars: [None, None],
    },
    Case {
        what: "on the disk, 8 readers",
        readers: 8,
        connections: 1,
        cold: true,
        bars: [None, None],
    },
];

const PARTITIONS: u64 = 4;

const WORDS: &str = "## Consume\n\nA topic of 4 partitions in batches of 1 MiB, read from its beginning with at most 1 MiB of a \
    partition in an answer, one request at a time on a connection; what lies on the disk was dropped from memory before. CPU is \
    the broker's. The bare loop answers the same requests with `sendfile` from one file, a thread for each connection. Apache \
    Kafka was warmed up with 5 GB in and 5 GB out; cold is the first GB read from it.";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    let bytes = rig.scaled(GB);
    let segment = crate::target_dir(rig.root).join("bench/segment");
    let missed = rig.rounds("consume", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.warm_up(|_| ())?;
            target.create("load", PARTITIONS)?;
            target.measure(&format!(
                "produce --topic load --partitions {PARTITIONS} --record-size 1024 --batch-size 1048576 \
                 --bytes {}",
                bytes + bytes / 10
            ))?;
            target.settle()?;
            warm_up(&target, bytes, samples)?;
            measure(&target, bytes, samples)?;
            target.add_memory("after all of it", None, samples)?;
            if column == Column::Klamm {
                copy(&target, &segment)?;
            }
            target.stop()?;
        }
        let target = rig.limit(&["sendfile", "--file", &segment.display().to_string()])?;
        measure(&target, bytes, samples)?;
        target.stop()?;
        Ok(())
    })?;
    std::fs::remove_file(&segment).map_err(|error| format!("{}: {error}", segment.display()))?;
    Ok(missed)
}

/// Reads what warms a JVM up.
fn warm_up(target: &Target<'_>, bytes: u64, samples: &mut Samples) -> Result<(), String> {
    for pass in 0..5 {
        let measured = read(target, &CASES[0], bytes)?;
        if pass == 0 && target.column == Column::Kafka {
            samples.add_cost(CASES[0].what, Column::KafkaCold, &measured, CASES[0].bars, None);
        }
    }
    Ok(())
}

fn measure(target: &Target<'_>, bytes: u64, samples: &mut Samples) -> Result<(), String> {
    for case in CASES {
        if case.cold {
            disk::drop_caches()?;
        }
        target.settle()?;
        let measured = read(target, case, if case.cold { bytes / 4 } else { bytes })?;
        samples.add_cost(case.what, target.column, &measured, case.bars, None);
    }
    Ok(())
}

fn read(target: &Target<'_>, case: &Case, bytes: u64) -> Result<Measured, String> {
    let Case {
        readers, connections, ..
    } = case;
    target.measure(&format!(
        "consume --topic load --partitions {PARTITIONS} --readers {readers} --connections {connections} --bytes {bytes}"
    ))
}

/// Keeps a segment for the bare loop.
fn copy(target: &Target<'_>, to: &std::path::Path) -> Result<(), String> {
    let from = target.dir.join("data/load-0/00000000000000000000.log");
    let copied = std::fs::copy(&from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    println!("  {copied} bytes for the bare loop");
    Ok(())
}
