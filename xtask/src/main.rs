//! `cargo xtask <task>`: what the project does to itself.

mod codegen;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task>

  codegen [--check]  write the protocol's code from its schema; --check only says whether it is stale
  tidy               check the edges between crates, file sizes and other rules";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["codegen"] => codegen(false),
        ["codegen", "--check"] => codegen(true),
        ["tidy"] => verdict(tidy::check(&root())),
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
