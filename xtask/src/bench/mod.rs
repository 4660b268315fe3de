//! `cargo xtask bench`: Klamm beside others, in turns in one run on one machine.
//!
//! Only ratios of figures of one run count. Each scenario writes its section of `bench/RESULTS.md` and says which of its
//! bars are missed.

mod cleaner;
mod clients;
mod console;
mod consume;
mod disk;
mod idle;
mod latency;
mod machine;
mod mixed;
mod order;
mod others;
mod process;
mod produce;
mod report;
mod requests;
mod results;
mod rig;
mod start;
mod topics;

use std::path::{Path, PathBuf};

use order::Order;
use rig::Rig;

/// Runs scenarios; returns what misses its bar.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<Vec<String>, String> {
    let order = Order::parse(args)?;
    let mut missed = Vec::new();
    for scenario in &order.scenarios {
        let scenario = scenario.as_str();
        missed.extend(match scenario {
            "console" if order.quick => console::run(root, console::GIGABYTE / 10)?,
            "console" => console::run(root, console::GIGABYTE)?,
            "clients" => clients::run(root, order.rounds)?,
            _ => compare(&Rig::new(root, &order)?, scenario)?,
        });
    }
    Ok(missed)
}

/// Runs a scenario that compares brokers.
fn compare(rig: &Rig<'_>, scenario: &str) -> Result<Vec<String>, String> {
    match scenario {
        "produce" => produce::run(rig),
        "consume" => consume::run(rig),
        "requests" => requests::run(rig),
        "latency" => latency::run(rig),
        "start" => start::run(rig),
        "idle" => idle::run(rig),
        "topics" => topics::run(rig),
        "mixed" => mixed::run(rig),
        "cleaner" => cleaner::run(rig),
        "others" => others::run(rig),
        _ => Err(format!("there is no scenario `{scenario}`")),
    }
}

/// A release build of a package, which has the name of its binary, unless the environment names one that is there already.
/// It is told the commit it is built from, for its `--version`.
fn release(root: &Path, package: &str, variable: &str) -> Result<PathBuf, String> {
    match std::env::var_os(variable) {
        Some(binary) => Ok(binary.into()),
        None => {
            let mut build = crate::cargo_command(root, &["build", "--release", "--package", package]);
            crate::succeed(build.env("KLAMM_COMMIT", machine::sources(root)?))?;
            Ok(crate::target_dir(root).join("release").join(package))
        }
    }
}
