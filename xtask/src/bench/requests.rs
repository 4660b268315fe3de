//! Records that are not batched.

use super::report::{Row, Samples};
use super::rig::{Rig, Target};

const REQUESTS: u64 = 300_000;
const CONNECTIONS: u64 = 32;
/// Of a record of 100 bytes in its batch.
const BATCH: u64 = 170;
const WHAT: &str = "100 B records one by one, 32 connections";

const WORDS: &str = "## Requests\n\nProduce requests of one record of 100 bytes, acks=all, one at a time on each of 32 \
    connections to 16 partitions, by a client of one thread; CPU is the broker's. The bare loop reads a request and acknowledges \
    it, a thread for each connection. Apache Kafka was warmed up with 5 GB and then 300,000 such requests.";

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    rig.rounds("requests", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.warm_up(|_| ())?;
            measure(rig, &target, samples)?;
            target.add_memory("after all of it", None, samples)?;
            target.stop()?;
        }
        let target = rig.limit(&["requests"])?;
        measure(rig, &target, samples)?;
        target.stop()?;
        Ok(())
    })
}

fn measure(rig: &Rig<'_>, target: &Target<'_>, samples: &mut Samples) -> Result<(), String> {
    let load = format!(
        "produce --topic load --partitions 16 --connections {CONNECTIONS} --in-flight 1 --record-size 100 --batch-size 200 \
         --acks -1 --bytes {}",
        rig.scaled(REQUESTS) * BATCH
    );
    target.create("load", 16)?;
    target.measure(&load)?; // warms up
    target.settle()?;
    let measured = target.measure(&load)?;
    let requests = measured.figure("requests");
    let cpu = Row::less(WHAT, "CPU µs/request").against_kafka(0.2);
    samples.add(&cpu, target.column, measured.cpu * 1e6 / requests);
    let speed = Row::more(WHAT, "requests/s").against_kafka(3.0);
    samples.add(&speed, target.column, requests / measured.figure("seconds"));
    Ok(())
}
