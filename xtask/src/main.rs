//! `cargo xtask <task>`: what the project does to itself.

mod apache_kafka;
mod bench;
mod broker;
mod client;
mod codegen;
mod compat;
mod docs;
mod exchange;
mod guard;
mod peer;
mod sim;
mod test;
mod tidy;
mod tools;
mod tour;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask <task>

  bench [SCENARIO]…  measure beside Apache Kafka and write bench/RESULTS.md; `bench help` names the scenarios
  client             run the tests of our client against Apache Kafka
  codegen [--check]  write the protocol's code from its schema; --check only says whether it is stale
  compat [CLIENT]…   run the suites of real clients (all, or java, sarama …) against a node
  docs [PAGE]…       write the pages of docs/ that are rendered from the code
  exchange           have Apache Kafka and a node of ours take turns on the same log directories
  guard [--write]    count instructions, allocations and system calls of hot paths, and compare them with the baseline
  peer               compare a node's answers with Apache Kafka's, API by API
  sim log|clean …    simulate the log, or its cleaner, on a disk that loses what was not synced: --seed N --seeds COUNT
  test               everything that has to hold: tidy, format, lints, docs, tests, real clients
  tidy               check the edges between crates, file sizes and other rules
  tools [FILE]…      compare our command line tools with Apache Kafka's, against both brokers
  tour               run the tours of the pages and compare what they print";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["bench", scenario @ ..] => verdict(bench::run(&root(), scenario).unwrap_or_else(|error| vec![error])),
        ["client"] => verdict(client::run(&root()).unwrap_or_else(|error| vec![error])),
        ["codegen"] => codegen(false),
        ["codegen", "--check"] => codegen(true),
        ["compat", clients @ ..] => verdict(compat::run(&root(), clients).unwrap_or_else(|error| vec![error])),
        ["docs", pages @ ..] => docs(pages),
        ["exchange"] => verdict(exchange::run(&root()).unwrap_or_else(|error| vec![error])),
        ["guard", args @ ..] => verdict(guard::run(&root(), args).unwrap_or_else(|error| vec![error])),
        ["peer"] => verdict(peer::run(&root()).unwrap_or_else(|error| vec![error])),
        ["sim", args @ ..] => verdict(sim::run(&root(), args).err().into_iter().collect()),
        ["test"] => verdict(test::run(&root())),
        ["tidy"] => verdict(tidy::check(&root())),
        ["tools", files @ ..] => verdict(tools::run(&root(), files).unwrap_or_else(|error| vec![error])),
        ["tour"] => verdict(tour::run(&root()).unwrap_or_else(|error| vec![error])),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").components().collect()
}

/// Where cargo puts what it builds.
fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn cargo_command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root);
    command
}

fn cargo(root: &Path, args: &[&str]) -> Result<(), String> {
    succeed(&mut cargo_command(root, args))
}

/// Runs a command to its end.
fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}"))
    }
}

fn codegen(check: bool) -> ExitCode {
    match codegen::run(&root(), check) {
        Ok(stale) if check => verdict(
            stale
                .iter()
                .map(|path| format!("{}: stale, run `cargo xtask codegen`", path.display()))
                .collect(),
        ),
        Ok(written) => {
            println!("{} files changed", written.len());
            ExitCode::SUCCESS
        }
        Err(error) => verdict(vec![error]),
    }
}

fn docs(pages: &[&str]) -> ExitCode {
    match docs::run(&root(), pages) {
        Ok(written) => {
            for page in &written {
                println!("{}: written", page.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => verdict(vec![error]),
    }
}

/// Says what is wrong; success when nothing is.
fn verdict(wrong: Vec<String>) -> ExitCode {
    for line in &wrong {
        eprintln!("{line}");
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
