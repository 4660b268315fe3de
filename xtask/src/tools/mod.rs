//! `cargo xtask tools [FILE]…`: the same command lines with Apache Kafka's tools and with ours, each against Apache Kafka and
//! against a node of ours. All four have to say the same, word for word, and end with the same exit code.
//!
//! The command lines stand in `tests/tools/script/`, differences that stay in `tests/tools/allowed.txt`. Apache Kafka's tools
//! run in one JVM (`tests/tools/Driver.java`), ours each in a process of its own. What is random or measured is replaced
//! before the comparison (`transcript`); what the two Apaches say to each other is the reference (`verdict`).
//! `KLAMM_BINARY` names a binary that is there already; without it one is built.

mod apache;
mod cell;
mod difference;
mod script;
mod transcript;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::cell::Cell;
use self::script::Script;
use self::transcript::Transcript;
use crate::broker::{Home, Side};

/// The four: whose tools, and whose broker they talk to. The first is the reference.
const CELLS: [(Side, Side); 4] = [
    (Side::Apache, Side::Apache),
    (Side::Apache, Side::Klamm),
    (Side::Klamm, Side::Apache),
    (Side::Klamm, Side::Klamm),
];

/// Few partitions of the internal topics, so that the script knows where what it looks for is.
const SETTINGS: &str = "offsets.topic.num.partitions=2\n\
                        transaction.state.log.num.partitions=1\n\
                        share.coordinator.state.topic.num.partitions=1\n";

/// Runs the named files of the script, or all; returns what differs. Both brokers have clocks, and a busy machine may be slower
/// than a tool's patience: what differs is told, but it counts when it differs a second time.
pub(crate) fn run(root: &Path, only: &[&str]) -> Result<Vec<String>, String> {
    let script = Arc::new(Script::read(&root.join("tests/tools/script"), only)?);
    let klamm = match std::env::var_os("KLAMM_BINARY") {
        Some(binary) => PathBuf::from(binary),
        None => {
            crate::cargo(root, &["build", "--package", "klamm"])?;
            crate::target_dir(root).join("debug/klamm")
        }
    };
    let work = crate::target_dir(root).join("tools");
    let apache = apache::Apache::prepare(root, &work)?;
    println!(
        "{} invocations in {} files, four times",
        script.steps.len(),
        script.files
    );

    let first = once(root, &script, &klamm, &work, &apache, only.is_empty())?;
    if first.is_empty() {
        return Ok(first);
    }
    println!("{}\nonce more, to see whether that stays", first.join("\n"));
    let second = once(root, &script, &klamm, &work, &apache, only.is_empty())?;
    Ok(second
        .into_iter()
        .filter(|wrong| is_of_same_step(wrong, &first))
        .collect())
}

/// Whether a difference is one of these, in the first line of both: `FILE:LINE $ COMMAND`.
fn is_of_same_step(wrong: &str, others: &[String]) -> bool {
    others.iter().any(|other| other.lines().next() == wrong.lines().next())
}

/// Runs the script in all four; `all` if it is the whole script.
fn once(
    root: &Path,
    script: &Arc<Script>,
    klamm: &Path,
    work: &Path,
    apache: &apache::Apache,
    all: bool,
) -> Result<Vec<String>, String> {
    let allowed = verdict::Allowed::read(&root.join("tests/tools/allowed.txt"))?;
    let driver = Arc::new(apache.driver(root, work)?);
    let mut cells = Vec::new();
    for (tools, broker) in CELLS {
        let dir = work.join(format!("{tools}-tools-{broker}-broker"));
        let (root, klamm) = (root.to_owned(), klamm.to_owned());
        let (script, driver) = (Arc::clone(script), Arc::clone(&driver));
        cells.push(std::thread::spawn(
            move || -> Result<Vec<Option<Transcript>>, String> {
                let home = Home::create(&root, &dir, &klamm, 1, SETTINGS)?;
                home.format(broker)?;
                std::fs::create_dir(dir.join("work")).map_err(|error| format!("{}: {error}", dir.display()))?;
                let _broker = home.start(broker, "broker.log")?; // killed at the end: how it ends is tested elsewhere
                let cell = Cell::open((tools, broker), &home, &klamm, &driver)?;
                cell.run(&script.steps)
            },
        ));
    }
    let mut transcripts = Vec::new();
    for (cell, (tools, broker)) in cells.into_iter().zip(CELLS) {
        let transcript = cell.join().map_err(|_| "a cell panicked")?;
        transcripts.push(transcript.map_err(|error| format!("{tools} tools, {broker} broker: {error}"))?);
    }
    let report = work.join("report.txt");
    std::fs::write(&report, verdict::report(script, &transcripts))
        .map_err(|error| format!("{}: {error}", report.display()))?;
    println!("all that was said: {}", report.display());
    Ok(verdict::compare(script, &transcripts, allowed, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_twice_is_of_the_same_step() {
        let first = ["10-topics:2 $ topics\n  - x".to_owned()];
        assert!(is_of_same_step("10-topics:2 $ topics\n  + y", &first));
        assert!(!is_of_same_step("10-topics:3 $ topics\n  - x", &first));
    }
}
