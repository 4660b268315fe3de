//! How long a broker takes from its start to its first answer.

use std::process::Child;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::report::{Column, Row, Samples};
use super::rig::{self, GB, Rig, Target};
use crate::broker::Home;

const WORDS: &str = "## Start\n\nFrom the start of the process to its first answer: of an empty broker, of whom the cluster \
    consists; else, that it took a record for the topic that was made last. After a clean stop, or after a kill with everything \
    in memory that the broker had not made durable.";

/// A topic with enough partitions to count.
const TOPICS: u64 = 5;
const PARTITIONS: u64 = 1000;
/// Each of a size that no segment is full, and so none was made durable.
const UNFLUSHED: u64 = 10;

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("start", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            few(rig, column, samples)?;
            many(rig, column, samples)?;
            unflushed(rig, column, samples)?;
        }
        Ok(())
    })
}

/// An empty broker, and one with a few topics.
fn few(rig: &Rig<'_>, column: Column, samples: &mut Samples) -> Result<(), String> {
    let home = rig.home(column, "")?;
    let row = Row::less("empty", "s").against_kafka(0.01);
    let target = started(rig, column, &home, "", &row, samples)?;
    for topic in ["one", "two", "three"] {
        target.create(topic, 4)?;
        target.measure(&format!(
            "produce --topic {topic} --partitions 4 --record-size 1024 --batch-size 65536 --bytes {}",
            rig.scaled(GB / 10)
        ))?;
    }
    target.stop()?;
    let row = Row::less("after a clean stop, 3 topics of 100 MB", "s").against_kafka(0.02);
    started(rig, column, &home, "--topic three --partitions 4", &row, samples)?.stop()
}

/// Thousands of partitions with a record in each.
fn many(rig: &Rig<'_>, column: Column, samples: &mut Samples) -> Result<(), String> {
    let home = rig.home(column, "")?;
    let target = rig.start(column, &home)?;
    let partitions = rig.scaled(PARTITIONS);
    for topic in 1..=TOPICS {
        target.create(&format!("many-{topic}"), partitions)?;
    }
    fill(&target, partitions)?;
    target.stop()?;
    let last = format!("--topic many-{TOPICS} --partitions {partitions}");
    let row = Row::less("after a clean stop, 5,000 partitions", "s").against_kafka(0.1);
    let target = started(rig, column, &home, &last, &row, samples)?;
    fill(&target, partitions)?;
    target.kill()?;
    let row = Row::less("after a kill, 5,000 partitions", "s");
    started(rig, column, &home, &last, &row, samples)?.kill()
}

/// Waits until each partition has taken a record.
fn fill(target: &Target<'_>, partitions: u64) -> Result<(), String> {
    for topic in 1..=TOPICS {
        target.measure(&format!("ready --topic many-{topic} --partitions {partitions}"))?;
    }
    Ok(())
}

/// Gigabytes that are in memory only, as far as the broker knows.
fn unflushed(rig: &Rig<'_>, column: Column, samples: &mut Samples) -> Result<(), String> {
    let home = rig.home(column, "")?;
    let target = rig.start(column, &home)?;
    target.create("large", UNFLUSHED)?;
    target.measure(&format!(
        "produce --topic large --partitions {UNFLUSHED} --record-size 1024 --batch-size 1048576 --bytes {}",
        rig.scaled(UNFLUSHED * GB)
    ))?;
    target.kill()?;
    let row = Row::less("after a kill, 10 GB not made durable", "s").against_kafka(1.0 / 3.0);
    let target = started(
        rig,
        column,
        &home,
        &format!("--topic large --partitions {UNFLUSHED}"),
        &row,
        samples,
    )?;
    target.add_memory("after a kill, 10 GB not made durable", None, samples)?;
    target.kill()
}

/// Starts a broker while a process asks it again and again.
fn started<'a>(
    rig: &'a Rig<'_>,
    column: Column,
    home: &Home,
    wanted: &str,
    row: &Row,
    samples: &mut Samples,
) -> Result<Target<'a>, String> {
    let ready: Child = rig.spawn_load(&format!("ready --bootstrap 127.0.0.1:{} {wanted}", home.port))?;
    std::thread::sleep(Duration::from_millis(50)); // it asks before there is anything to ask
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let broker = home.start(rig::side(column), "broker.log")?;
    let figures = rig::ended(ready)?;
    samples.add(
        row,
        column,
        figures.get("ready_at").unwrap_or(&f64::NAN) - begun.as_secs_f64(),
    );
    Ok(rig.target(column, home, broker))
}
