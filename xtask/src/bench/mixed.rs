//! Producers and consumers at the same time.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use super::disk;
use super::report::{Row, Samples, Spread};
use super::rig::{self, GB, Rig, Target};

const WORDS: &str = "## Mixed\n\nA reader of what four connections produce at the same time in batches of 64 KiB, acks=all; CPU is \
    the broker's, for each GB that came in and went out. Then the latency of 5,000 records/s of 1 KiB as in the section on it, \
    alone and beside a consumer of another topic of 5 GB that is on the disk only, three times in turns in each round, and beside \
    a program that reads that topic's files and asks no broker. A thread with the priority of real time that only sleeps tells when the machine stood still, which \
    is when it is more than 5 ms late. Apache Kafka was warmed up with 5 GB.";

/// On the disk.
const BACKLOG: u64 = 5 * GB;
/// Runs alone and beside a consumer, in turns: in each of them the machine may have stood still.
const PAIRS: usize = 3;
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

/// What goes on while live records are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// A consumer of the backlog.
    Consumer,
    /// A program that reads the backlog's files, and asks no broker: what the machine does to live records then is not the
    /// broker's.
    Program,
}

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Beside::Nothing => "alone",
            Beside::Consumer => "beside a consumer of a backlog",
            Beside::Program => "beside a program that reads the same files",
        }
    }
}

fn backlog(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    let bytes = rig.scaled(BACKLOG);
    target.create("live", 4)?;
    target.create("backlog", 4)?;
    target.measure(&format!(
        "produce --topic backlog --partitions 4 --connections 4 --record-size 1024 --batch-size 1048576 --bytes {}",
        bytes + bytes / 10
    ))?;
    target.measure(&format!("{LATENCY} --seconds {}", seconds(rig)))?; // warms up
    let (mut alone, mut beside_a_consumer) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        alone.push(live(rig, target, Beside::Nothing, samples)?);
        beside_a_consumer.push(live(rig, target, Beside::Consumer, samples)?);
    }
    let beside_a_program = [live(rig, target, Beside::Program, samples)?];
    let mut grown = |beside: Beside, figures: &[f64]| {
        let what = format!("p99 {} to p99 alone", beside.name());
        let row = match beside {
            Beside::Consumer => Row::less(what, "").absolute(2.0),
            Beside::Nothing | Beside::Program => Row::less(what, ""),
        };
        let median = |figures: &[f64]| Spread::of(figures).map_or(f64::NAN, |spread| spread.median);
        samples.add(
            &row,
            target.column,
            median(figures) / median(&alone).max(f64::MIN_POSITIVE),
        );
    };
    grown(Beside::Consumer, &beside_a_consumer);
    grown(Beside::Program, &beside_a_program);
    Ok(())
}

fn seconds(rig: &Rig<'_>) -> u64 {
    if rig.order.quick { 2 } else { 12 }
}

/// Measures live records with nothing in memory when they begin; returns their p99 in milliseconds.
fn live(rig: &Rig<'_>, target: &Target<'_>, beside: Beside, samples: &mut Samples) -> Result<f64, String> {
    let bytes = rig.scaled(BACKLOG);
    let seconds = seconds(rig);
    disk::drop_caches()?;
    // The reader begins while records are not measured yet; the sleeper ends with them.
    let sleeper = rig.spawn_sleeper(seconds + 2)?;
    let live = target.spawn_load(&format!("{LATENCY} --seconds {seconds}"))?;
    let speed = match beside {
        Beside::Nothing => None,
        Beside::Consumer => {
            let read = target.measure(&format!("consume --topic backlog --partitions 4 --bytes {bytes}"))?;
            Some(read.gb_per_second())
        }
        Beside::Program => Some(read_files(target, "backlog-", bytes)?),
    };
    if let Some(speed) = speed {
        let row = Row::more(format!("the backlog, {}", beside.name()), "GB/s");
        samples.add(&row, target.column, speed);
    }
    let figure = |figures: rig::Figures, name: &str| figures.get(name).copied().unwrap_or(f64::NAN);
    let p99 = figure(rig::ended(live)?, "p99_ms");
    let what = format!("live records {}", beside.name());
    samples.add(&Row::less(&*what, "ms, p99"), target.column, p99);
    let stalled = figure(rig::ended(sleeper)?, "stalled_ms") / (seconds + 2) as f64;
    let row = Row::of_the_machine(what, "ms/s in which it stood still");
    samples.add(&row, target.column, stalled);
    Ok(p99)
}

/// Reads so much of the logs of partitions that are called so; GB/s.
fn read_files(target: &Target<'_>, prefix: &str, mut bytes: u64) -> Result<f64, String> {
    let mut block = vec![0; 1 << 20];
    let begun = Instant::now();
    let wanted = bytes;
    for path in target.log_files(prefix) {
        let failed = |error| format!("{}: {error}", path.display());
        let mut file = File::open(&path).map_err(failed)?;
        while bytes > 0 {
            match file.read(&mut block).map_err(failed)? {
                0 => break,
                read => bytes = bytes.saturating_sub(read as u64),
            }
        }
    }
    Ok((wanted - bytes) as f64 / GB as f64 / begun.elapsed().as_secs_f64())
}
