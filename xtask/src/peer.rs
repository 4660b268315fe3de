//! `cargo xtask peer`: the API differential test (`peer` in klamm's tests) against Apache Kafka.
//!
//! Apache Kafka comes from Maven Central, as `tests/peer/pom.xml` names it, into the target directory. It runs as one
//! node, broker and controller, on free ports and an empty directory, and is killed when the test is over however it ends.

use std::path::Path;

use crate::broker::{Home, Side};

/// The test's random part: enough to reach every kind of request, always the same.
const RANDOM: [(&str, &str); 2] = [("KLAMM_TEST_SEED", "4"), ("KLAMM_PEER_REQUESTS", "400")];

/// The records that are asked for are of 2023; retention would take them while questions are still asked.
const KEPT: &str = "log.retention.ms=-1\n";

/// Fetches and starts Apache Kafka and runs the test beside it; returns what failed. Both brokers have clocks, and a busy
/// machine may be slower than a request's patience: what differs is told, but it counts when it differs a second time.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let first = once(root)?;
    if first.is_empty() {
        return Ok(first);
    }
    println!("{}\nonce more, to see whether that stays", first.join("\n"));
    let mut second = once(root)?;
    second.retain(|wrong| first.iter().any(|other| wrong.lines().next() == other.lines().next()));
    Ok(second)
}

/// Runs the test once; what differs, each with what it is in its first line.
fn once(root: &Path) -> Result<Vec<String>, String> {
    let dir = crate::target_dir(root).join("peer");
    let home = Home::create(root, &dir, Path::new("klamm"), 1, KEPT)?;
    home.format(Side::Apache)?;
    let peer = home.start(Side::Apache, "kafka.log")?;
    let report = dir.join("differences.txt");
    let mut test = crate::cargo_command(root, &["test", "--package", "klamm", "--test", "it", "--"]);
    test.args(["peer::", "--nocapture"]);
    for (name, value) in RANDOM {
        if std::env::var_os(name).is_none() {
            test.env(name, value);
        }
    }
    test.env("KLAMM_TEST_PEER", format!("127.0.0.1:{}", home.port));
    test.env("KLAMM_PEER_REPORT", &report);
    let result = crate::succeed(&mut test);
    drop(peer);
    let report = std::fs::read_to_string(&report).unwrap_or_default();
    let differs: Vec<String> = report.split_terminator("\n\n").map(str::to_owned).collect();
    match result {
        Err(error) if differs.is_empty() => Ok(vec![error]),
        _ => Ok(differs),
    }
}
