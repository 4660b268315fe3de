//! The `klamm` command.
//!
//! Owns the process: its allocator, and the node behind `klamm start`. Does not know how a node works, nor any other command:
//! those are klamm-tools', which reads the command line. Entry: `main`; `start` is the one command of its own.
//! Driven by people and scripts. Tests: `tests/it/`, which run the built binary.
mod node;
mod report;
mod start;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages, of which a small node touches a few bytes each: 10 MB of its 20 for nothing. A kernel
    // that can't be told leaves it at that.
    let _unsupported = rustix::thread::disable_transparent_huge_pages(true);
    klamm_tools::run(std::env::args_os(), &node::Broker)
}
