//! Topics made one after the other.

use super::report::Row;
use super::rig::Rig;

const TOPICS: u64 = 1000;
const WHAT: &str = "1,000 topics of one partition, one after the other";

const WORDS: &str = "## Topics\n\nOne client makes topics, each when the one before was made; CPU is the broker's. Neither broker \
    was warmed up, as nobody warms up what makes topics.";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("topics", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.settle()?;
            let load = format!("create --topics {} --partitions 1", rig.scaled(TOPICS));
            let measured = target.measure(&load)?;
            samples.add(&Row::less(WHAT, "s"), column, measured.figure("seconds"));
            samples.add(&Row::less(WHAT, "CPU s"), column, measured.cpu);
            target.add_memory(WHAT, None, samples)?;
            target.stop()?;
        }
        Ok(())
    })
}
