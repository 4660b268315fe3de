//! What thousands of partitions cost that nobody uses.

use std::time::Duration;

use super::report::Row;
use super::rig::Rig;

const TOPICS: u64 = 10;
const PARTITIONS: u64 = 1000;
const SECONDS: u64 = 30;
const WHAT: &str = "10,000 partitions, no clients";

const WORDS: &str = "## Idle\n\n10 topics of 1,000 partitions with a record in each, after a clean restart, and no client: processor \
    time over 30 seconds in hundredths of one core, and memory.";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("idle", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let home = rig.home(column, "")?;
            let target = rig.start(column, &home)?;
            let partitions = rig.scaled(PARTITIONS);
            for topic in 0..TOPICS {
                target.create(&format!("idle-{topic}"), partitions)?;
                target.measure(&format!("ready --topic idle-{topic} --partitions {partitions}"))?;
            }
            target.stop()?;
            let target = rig.start(column, &home)?;
            target.settle()?;
            std::thread::sleep(Duration::from_secs(rig.scaled(10)));
            let before = target.took().cpu;
            let seconds = rig.scaled(SECONDS);
            std::thread::sleep(Duration::from_secs(seconds));
            let cpu = (target.took().cpu - before).as_secs_f64();
            let row = Row::less(WHAT, "% of a core").absolute(1.0);
            target.add_memory(WHAT, None, samples)?;
            samples.add(&row, column, cpu / seconds as f64 * 100.0);
            target.stop()?;
        }
        Ok(())
    })
}
