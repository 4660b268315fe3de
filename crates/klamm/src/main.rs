//! The `klamm` command.
//!
//! Owns the command line: what was typed, what it means, how errors read and which code the process ends with.
//! Does not know how a node works. Entry: `main`; each command is a module with its arguments and a `run`.
//! Driven by people and scripts. Tests: `tests/it/`, which run the built binary.
mod report;
mod start;
mod storage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Apache Kafka's platform in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "klamm",
    version,
    after_help = "Examples:\n  klamm start\n  klamm start --config server.properties"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::StartArguments),
    Storage(storage::StorageArguments),
}

fn main() -> ExitCode {
    // The allocator asks for huge pages, of which a small node touches a few bytes each: 10 MB of its 20 for nothing. A kernel
    // that can't be told leaves it at that.
    let _unsupported = rustix::thread::disable_transparent_huge_pages(true);
    let outcome = match Arguments::parse().command {
        Command::Start(arguments) => start::run(arguments),
        Command::Storage(arguments) => return storage::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("{report}");
            ExitCode::FAILURE
        }
    }
}
