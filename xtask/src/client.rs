//! `cargo xtask client`: the integration tests of our client against Apache Kafka. With `cargo test` they run against a
//! node of ours.
//!
//! On a busy machine Apache Kafka misses its own deadlines (its broker fenced by its controller, say), which is not our
//! client's failure: a test has failed when it fails again, alone with the broker.

use std::path::Path;
use std::process::Command;

use crate::broker::{Home, Side};

/// A broker that is late with its heartbeats keeps its partitions.
const PATIENT: &str = "broker.session.timeout.ms=60000\n";

/// Fetches and starts Apache Kafka and runs the tests against it; returns what failed.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let dir = crate::target_dir(root).join("client");
    let home = Home::create(root, &dir, Path::new("klamm"), 1, PATIENT)?;
    home.format(Side::Apache)?;
    let kafka = home.start(Side::Apache, "kafka.log")?;
    let mut failed = failed_tests(&mut test_command(root, &home, &[]))?;
    if !failed.is_empty() {
        println!("once more: {}", failed.join(", "));
        let names: Vec<&str> = failed.iter().map(String::as_str).collect();
        failed = failed_tests(&mut test_command(root, &home, &names))?;
    }
    drop(kafka);
    Ok(failed)
}

/// The command that runs the tests of these names, or all of them.
fn test_command(root: &Path, home: &Home, names: &[&str]) -> Command {
    let mut test = crate::cargo_command(root, &["test", "--package", "klamm-client", "--test", "it"]);
    if !names.is_empty() {
        test.args(["--", "--exact"]).args(names);
    }
    test.env("KLAMM_TEST_BOOTSTRAP", format!("127.0.0.1:{}", home.port));
    test.env("KLAMM_TEST_CONTROLLERS", format!("127.0.0.1:{}", home.port + 1));
    test
}

/// Runs tests, shows what they print, and tells which of them failed.
///
/// # Errors
/// When it failed otherwise than by tests, say because they don't compile.
fn failed_tests(command: &mut Command) -> Result<Vec<String>, String> {
    let done = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout);
    print!("{said}");
    let failed = failures(&said);
    match done.status.success() || !failed.is_empty() {
        true => Ok(failed),
        false => Err(format!("{command:?}: {}", done.status)),
    }
}

/// The tests that the harness says failed.
fn failures(said: &str) -> Vec<String> {
    let names = said
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::failures;

    #[test]
    fn failed_tests_are_read_from_what_the_harness_says() {
        let said = "running 3 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d::e ... FAILED\n\nfailures:\n    c\n";
        assert_eq!(failures(said), ["c", "d::e"]);
        assert!(failures("test a ... ok\n").is_empty());
    }
}
