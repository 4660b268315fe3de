//! The same figures by clients that are not ours: Java's performance tools and librdkafka.
//!
//! A broker that is only fast with its own client is not fast. These clients limit the brokers more than ours does, so
//! that CPU per GB says more here than GB per second.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::clients::programs;
use super::report::{Column, Samples};
use super::rig::{Figures, GB, Measured, Rig, Target};
use crate::apache_kafka;

const WORDS: &str = "## Clients of others\n\nRecords of 1 KiB, acks=all, batches of 64 KiB, 16 partitions: produced by Java's \
    `ProducerPerformance` and by librdkafka, and read again by Java's `ConsumerPerformance` and by librdkafka. CPU is the \
    broker's; the seconds are of the whole client process. Apache Kafka was warmed up with 5 GB of our client's.";

const RECORD: u64 = 1024;
const PARTITIONS: u64 = 16;

/// Whose client.
enum Client {
    Java { jars: PathBuf },
    Librdkafka { binary: PathBuf },
}

/// Measures and writes the section of the results; returns what misses its bar: there are none for these clients.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    let clients = clients(rig.root)?;
    let records = rig.scaled(GB) / RECORD;
    rig.rounds("others", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, "")?;
            target.warm_up(|_| ())?;
            for client in &clients {
                target.create("load", PARTITIONS)?;
                measure(&target, client, records, samples)?;
                target.delete("load")?;
            }
            target.stop()?;
        }
        Ok(())
    })
}

fn clients(root: &Path) -> Result<Vec<Client>, String> {
    let jars = apache_kafka::tools_jars(root)?;
    let binary = crate::target_dir(root).join("bench/librdkafka");
    let librdkafka = programs::librdkafka(&root.join("bench/clients/c/main.c"), binary)
        .map_err(|reason| format!("gcc and librdkafka-dev are needed: {reason}"))?;
    Ok(vec![
        Client::Java { jars },
        Client::Librdkafka {
            binary: librdkafka.binary,
        },
    ])
}

fn measure(target: &Target<'_>, client: &Client, records: u64, samples: &mut Samples) -> Result<(), String> {
    let (produce, consume) = match client {
        Client::Java { .. } => ("Java, produce", "Java, consume"),
        Client::Librdkafka { .. } => ("librdkafka, produce", "librdkafka, consume"),
    };
    let bootstrap = target.bootstrap();
    for (what, command) in [
        (produce, client.producer(&bootstrap, records)),
        (consume, client.consumer(&bootstrap, records)),
    ] {
        target.settle()?;
        add(target, what, command, records, samples)?;
    }
    Ok(())
}

fn add(
    target: &Target<'_>,
    what: &'static str,
    mut command: Command,
    records: u64,
    samples: &mut Samples,
) -> Result<(), String> {
    let (begun, before) = (Instant::now(), target.took().cpu);
    crate::succeed(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    let figures = [
        ("bytes", (records * RECORD) as f64),
        ("seconds", begun.elapsed().as_secs_f64()),
    ];
    let measured = Measured {
        figures: Figures::from(figures.map(|(name, figure)| (name.to_owned(), figure))),
        cpu: (target.took().cpu - before).as_secs_f64(),
    };
    let column: Column = target.column;
    samples.add_cost(what, column, &measured, [None, None], None);
    Ok(())
}

impl Client {
    fn producer(&self, bootstrap: &str, records: u64) -> Command {
        let records = records.to_string();
        match self {
            Client::Java { jars } => {
                let mut java = java(jars, "ProducerPerformance");
                java.args(["--topic", "load", "--num-records", &records, "--throughput", "-1"]);
                java.args(["--record-size", &RECORD.to_string(), "--producer-props"]);
                java.arg(format!("bootstrap.servers={bootstrap}"));
                java.args(["acks=all", "batch.size=65536", "linger.ms=5"]);
                java
            }
            Client::Librdkafka { binary } => {
                let mut command = Command::new(binary);
                let size = RECORD.to_string();
                command.args(["produce", bootstrap, "load", &records, &size, "none"]);
                command
            }
        }
    }

    fn consumer(&self, bootstrap: &str, records: u64) -> Command {
        let records = records.to_string();
        match self {
            Client::Java { jars } => {
                let mut java = java(jars, "ConsumerPerformance");
                java.args(["--bootstrap-server", bootstrap, "--topic", "load"]);
                java.args(["--messages", &records, "--timeout", "60000"]);
                java
            }
            Client::Librdkafka { binary } => {
                let mut command = Command::new(binary);
                command.args(["consume", bootstrap, "load", &records]);
                command
            }
        }
    }
}

/// A tool of Apache Kafka, with the memory that its scripts give it.
fn java(jars: &Path, class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx512M", "-cp"]).arg(format!("{}/*", jars.display()));
    java.arg(format!("org.apache.kafka.tools.{class}"));
    java.stderr(Stdio::null());
    java
}
