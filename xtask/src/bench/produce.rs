//! Producers that do not limit the broker.

use super::report::{Column, Row, Samples};
use super::rig::{GB, Rig, Target};

/// Batches of one kind, sent in one way.
struct Case {
    what: &'static str,
    record: u64,
    batch: u64,
    acks: i8,
    codec: &'static str,
    partitions: u64,
    connections: u64,
    bytes: u64,
    /// Of CPU seconds per GB: the most of Kafka's, and of the bare loop's.
    bars: [Option<f64>; 2],
    /// Of GB per second: the least of Kafka's.
    speed: Option<f64>,
}

const LARGE: Case = Case {
    what: "1 KiB records, 1 MiB batches, acks=1",
    record: 1024,
    batch: 1 << 20,
    acks: 1,
    codec: "none",
    partitions: 4,
    connections: 4,
    bytes: GB,
    bars: [Some(1.0 / 3.0), Some(1.5)],
    speed: Some(2.0),
};

/// What the others have in common.
const SMALL: Case = Case {
    what: "1 KiB records, 64 KiB batches, acks=all, 16 partitions",
    batch: 64 << 10,
    acks: -1,
    partitions: 16,
    bars: [Some(0.25), None],
    speed: None,
    ..LARGE
};

const OTHER: Case = Case {
    bars: [None, None],
    ..SMALL
};

/// Of what costs Kafka much, less is enough.
const COSTLY: Case = Case {
    bytes: GB / 10,
    ..OTHER
};

const CASES: &[Case] = &[
    LARGE,
    SMALL,
    Case {
        what: "100 B records, 64 KiB batches, acks=all",
        record: 100,
        ..OTHER
    },
    Case {
        what: "100 KiB records, 1 MiB batches, acks=all",
        record: 100 << 10,
        batch: 1 << 20,
        ..OTHER
    },
    Case {
        what: "1 KiB, 64 KiB batches, acks=1",
        acks: 1,
        ..OTHER
    },
    Case {
        what: "1 KiB, 64 KiB batches, gzip",
        codec: "gzip",
        ..COSTLY
    },
    Case {
        what: "1 KiB, 64 KiB batches, snappy",
        codec: "snappy",
        ..COSTLY
    },
    Case {
        what: "1 KiB, 64 KiB batches, lz4",
        codec: "lz4",
        ..COSTLY
    },
    Case {
        what: "1 KiB, 64 KiB batches, zstd",
        codec: "zstd",
        ..COSTLY
    },
    Case {
        what: "1 KiB, 64 KiB batches, 1 partition, 1 connection",
        partitions: 1,
        connections: 1,
        ..OTHER
    },
    Case {
        what: "1 KiB, 64 KiB batches, 64 connections",
        connections: 64,
        ..OTHER
    },
    Case {
        what: "1 KiB, 16 KiB batches, 1,000 partitions, 16 connections",
        batch: 16 << 10,
        partitions: 1000,
        connections: 16,
        ..COSTLY
    },
];

const WORDS: &str = "## Produce\n\nBatches encoded once and sent again and again, five requests of one batch in flight on each \
    of 4 connections unless said otherwise; CPU is the broker's, and GB are of batches as they travel. The bare loop receives, \
    checks and writes the same bytes, a thread and a file for each connection. Apache Kafka was warmed up with 5 GB, in batches of both sizes in turns; cold is \
    the first GB of it.";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("produce", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            measure(rig, &target, samples)?;
            target.add_memory("after all of it", None, samples)?;
            target.stop()?;
        }
        let target = rig.limit(&["receive", "--dir", "{dir}"])?;
        measure(rig, &target, samples)?;
        target.stop()?;
        disk(rig, samples)?;
        Ok(())
    })
}

fn measure(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    target.warm_up(|cold| {
        if target.column == Column::Kafka {
            samples.add_cost(LARGE.what, Column::KafkaCold, &cold, LARGE.bars, LARGE.speed);
        }
    })?;
    for case in CASES {
        let Case {
            record,
            batch,
            acks,
            codec,
            partitions,
            connections,
            bytes,
            ..
        } = case;
        target.create("load", *partitions)?;
        let measured = target.measure(&format!(
            "produce --topic load --partitions {partitions} --connections {connections} --record-size {record} \
             --batch-size {batch} --acks {acks} --codec {codec} --bytes {}",
            rig.scaled(*bytes)
        ))?;
        samples.add_cost(case.what, target.column, &measured, case.bars, case.speed);
        target.delete("load")?;
    }
    Ok(())
}

/// What the disk takes.
fn disk(rig: &Rig<'_>, samples: &mut Samples) -> Result<(), String> {
    let dir = crate::target_dir(rig.root).join("bench/broker/limit");
    super::rig::emptied(&dir)?;
    super::disk::rest()?;
    let bytes = rig.scaled(3 * GB);
    let words = format!("limit write --dir {} --bytes {bytes}", dir.display());
    let written = rig.load(&words)?;
    for (what, seconds) in [
        ("raw write, into memory", "seconds"),
        ("raw write, to the disk", "synced_seconds"),
    ] {
        samples.add(
            &Row::more(what, "GB/s"),
            Column::Limit,
            written["bytes"] / GB as f64 / written[seconds],
        );
    }
    Ok(())
}
