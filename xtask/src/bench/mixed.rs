//! Producers and consumers at the same time.

use super::report::{Row, Samples};
use super::rig::{self, GB, Rig, Target};

const WORDS: &str = "## Mixed\n\nA reader of what four connections produce at the same time in batches of 64 KiB, acks=all; CPU is \
    the broker's, for each GB that came in and went out. Then the latency of 5,000 records/s of 1 KiB as in the section on it, \
    alone, and beside a reader of another topic of 5 GB that is on the disk only. Apache Kafka was warmed up with 5 GB.";

/// On the disk.
const BACKLOG: u64 = 5 * GB;
const LATENCY: &str = "latency --topic live --partitions 4 --rate 5000 --record-size 1024";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("mixed", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.warm_up(|_| ())?;
            both(rig, &target, samples)?;
            backlog(rig, &target, samples)?;
            target.stop()?;
        }
        Ok(())
    })
}

fn both(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    let bytes = rig.scaled(GB);
    target.create("both", 4)?;
    let before = target.took().cpu;
    // A little less is read than is produced, as each partition has its part of whole batches only.
    let reader = target.spawn_load(&format!(
        "consume --topic both --partitions 4 --bytes {}",
        bytes / 10 * 9
    ))?;
    let produced = target.measure(&format!(
        "produce --topic both --partitions 4 --connections 4 --record-size 1024 --batch-size 65536 --acks -1 --bytes {bytes}"
    ))?;
    let read = rig::ended(reader)?;
    let cpu = (target.took().cpu - before).as_secs_f64();
    let what = "a producer and a reader behind it";
    samples.add(
        &Row::less(what, "CPU s/GB"),
        target.column,
        cpu / (bytes as f64 / GB as f64),
    );
    samples.add(&Row::more(what, "GB/s in"), target.column, produced.gb_per_second());
    let out = read
        .get("bytes")
        .zip(read.get("seconds"))
        .map(|(bytes, seconds)| bytes / seconds / GB as f64);
    samples.add(&Row::more(what, "GB/s out"), target.column, out.unwrap_or(f64::NAN));
    target.delete("both")
}

fn backlog(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    let bytes = rig.scaled(BACKLOG);
    let seconds = if rig.order.quick { 2 } else { 12 };
    target.create("live", 4)?;
    target.create("backlog", 4)?;
    target.measure(&format!(
        "produce --topic backlog --partitions 4 --connections 4 --record-size 1024 --batch-size 1048576 --bytes {}",
        bytes + bytes / 10
    ))?;
    rig::drop_caches()?;
    target.measure(&format!("{LATENCY} --seconds {seconds}"))?; // warms up
    let alone = target.measure(&format!("{LATENCY} --seconds {seconds}"))?;
    rig::drop_caches()?;
    // The reader begins while records are not measured yet, and goes on after the last one.
    let live = target.spawn_load(&format!("{LATENCY} --seconds {seconds}"))?;
    let read = target.measure(&format!("consume --topic backlog --partitions 4 --bytes {bytes}"))?;
    let beside = rig::ended(live)?;
    let mut p99 = [
        alone.figure("p99_ms"),
        beside.get("p99_ms").copied().unwrap_or(f64::NAN),
    ];
    samples.add(&Row::less("live records alone", "ms, p99"), target.column, p99[0]);
    samples.add(
        &Row::less("live records beside a backlog", "ms, p99"),
        target.column,
        p99[1],
    );
    p99[0] = p99[0].max(f64::MIN_POSITIVE);
    let grown = Row::less("p99 beside a backlog to p99 alone", "").absolute(2.0);
    samples.add(&grown, target.column, p99[1] / p99[0]);
    let what = "the backlog beside live records";
    samples.add(&Row::more(what, "GB/s"), target.column, read.gb_per_second());
    Ok(())
}
