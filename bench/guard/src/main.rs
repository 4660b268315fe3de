//! Owns the work that `cargo xtask guard` counts: hot functions by themselves, and requests to a node in this process.
//! Does not know who counts, or what was counted before: callgrind counts instructions, strace system calls, this its allocations.
//! Entry: `main`; `klamm-guard list` prints what there is.
//! Driven by `cargo xtask guard`, as a process of its own. The requests come one by one from the main thread.
//! Tests: none; a run fails on the first wrong answer.

mod allocator;
mod functions;
mod samples;
mod scripts;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting::new();

const USAGE: &str = "usage: klamm-guard list | function NAME TIMES | script NAME REQUESTS";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["list"] => {
            functions::ALL
                .iter()
                .for_each(|function| println!("function {}", function.name));
            scripts::ALL
                .iter()
                .for_each(|script| println!("script {}", script.name));
            Ok(())
        }
        ["function", name, times] => times
            .parse()
            .map_err(|_| USAGE.into())
            .and_then(|times| functions::run(name, times)),
        ["script", name, requests] => requests.parse().map_err(|_| USAGE.into()).and_then(|requests| {
            let allocations = scripts::run(name, requests, || ALLOCATOR.count())?;
            println!("allocations={allocations}");
            Ok(())
        }),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("klamm-guard: {error}");
            ExitCode::FAILURE
        }
    }
}
