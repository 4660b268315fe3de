//! From producer to consumer at a fixed rate.

use super::report::{Column, Row, Samples};
use super::rig::{Rig, Target};

const WHAT: &str = "5,000 records/s of 1 KiB, acks=all";
const LOAD: &str = "latency --topic load --partitions 4 --rate 5000 --record-size 1024";

const WORDS: &str = "## Latency\n\nRecords of 1 KiB to 4 partitions at a fixed rate, acks=all, linger.ms=0, from when each is \
    due (not from when it could be sent: corrected for coordinated omission) to when the consumer has it; our client on both \
    ends. CPU and memory are the broker's under that load. Apache Kafka was warmed up with 5 GB and then this load.";

/// The figures of a run and the most that Klamm's may be of Kafka's.
const FIGURES: &[(&str, &str, Option<f64>)] = &[
    ("p50_ms", "ms, p50", Some(2.0 / 3.0)),
    ("p99_ms", "ms, p99", Some(1.0 / 3.0)),
    ("p999_ms", "ms, p99.9", Some(0.25)),
    ("max_ms", "ms, most", None),
];

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("latency", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.warm_up(|_| ())?;
            target.create("load", 4)?;
            measure(rig, &target, samples)?;
            target.stop()?;
        }
        Ok(())
    })
}

fn measure(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    let (warm_up, seconds) = if rig.order.quick { (1, 3) } else { (12, 20) };
    let cold = target.measure(&format!("{LOAD} --seconds {warm_up}"))?;
    if target.column == Column::Kafka {
        for (name, unit, bar) in FIGURES {
            let row = Row::less(WHAT, unit).against_kafka(*bar);
            samples.add(&row, Column::KafkaCold, cold.figure(name));
        }
    }
    target.settle()?;
    let load = target.measure(&format!("{LOAD} --seconds {seconds}"))?;
    for (name, unit, bar) in FIGURES {
        let row = Row::less(WHAT, unit).against_kafka(*bar);
        samples.add(&row, target.column, load.figure(name));
    }
    let core = load.cpu / (seconds + 2) as f64 * 100.0;
    samples.add(&Row::less(WHAT, "% of a core"), target.column, core);
    target.add_memory(WHAT, Some(0.05), samples)?;
    Ok(())
}
