//! How long a broker takes from its start to its first answer.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::report::{Column, Row, Samples};
use super::rig::{self, GB, Rig, Target};
use crate::broker::Home;

const WORDS: &str = "## Start\n\nFrom the start of the process to its first answer: of an empty broker, of whom the cluster \
    consists; else, that it took a record for the topic that was made last. After a clean stop, or after a kill with everything \
    in memory that the broker had not made durable; at last, after a kill with the files by which a broker knows what is durable \
    taken away, so that all there is has to be checked, and with all of that in memory.";

/// A topic with enough partitions to count.
const TOPICS: u64 = 5;
const PARTITIONS: u64 = 1000;
/// Each of a size that no segment is full, and so none was made durable.
const UNFLUSHED: u64 = 10;
const ALL_CHECKED: &str = "after a kill, 10 GB to be checked";
/// Bytes that recovery is to get through in a second, with all of them in memory.
const CHECKED_PER_SECOND: f64 = 500e6;

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

/// Gigabytes that are in memory only, as far as the broker knows; and then, that nothing tells of.
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
    let wanted = format!("--topic large --partitions {UNFLUSHED}");
    let target = started(rig, column, &home, &wanted, &row, samples)?;
    target.add_memory("after a kill, 10 GB not made durable", None, samples)?;
    target.kill()?;

    forget_what_is_durable(&home.log_dirs[0]).map_err(|error| format!("{}: {error}", home.log_dirs[0].display()))?;
    let seconds = rig.scaled(UNFLUSHED * GB) as f64 / CHECKED_PER_SECOND;
    let row = Row::less(ALL_CHECKED, "s").absolute(seconds);
    let target = started(rig, column, &home, &wanted, &row, samples)?;
    target.add_memory(ALL_CHECKED, None, samples)?;
    target.kill()
}

/// Removes recovery points and the producers' snapshots, and reads what there is into memory.
fn forget_what_is_durable(log_dir: &Path) -> std::io::Result<()> {
    let recovery_points = log_dir.join("recovery-point-offset-checkpoint");
    if recovery_points.exists() {
        std::fs::remove_file(recovery_points)?;
    }
    for partition in std::fs::read_dir(log_dir)? {
        let partition = partition?.path();
        if !partition.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(partition)? {
            let file = file?.path();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("snapshot") => std::fs::remove_file(file)?,
                Some("log") => drop(std::io::copy(&mut std::fs::File::open(file)?, &mut std::io::sink())?),
                _ => {}
            }
        }
    }
    Ok(())
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
