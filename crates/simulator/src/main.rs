//! Owns the command `klamm-simulator log|clean [--seed N] [--seeds N]`: one seed, or many on all cores.
//! Knows nothing of what is simulated; says what a run found: exit code 1, the seed and its last steps.
//! Entry: `main`.
//! Driven by `cargo xtask sim`.
//! Tests: the simulations' own, `tests/it/`.
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use klamm_simulator::{Summary, Wrong, clean, log};

const USAGE: &str = "usage: klamm-simulator log|clean [--seed FIRST] [--seeds COUNT]";

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Ok((run, first, count)) => simulate(run, first, count),
        Err(problem) => {
            eprintln!("error: {problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// A simulation, as it runs one seed.
type Run = fn(u64) -> Result<Summary, Wrong>;

/// The simulation, first seed and number of seeds.
fn arguments(mut args: impl Iterator<Item = String>) -> Result<(Run, u64, u64), String> {
    let run: Run = match args.next().as_deref() {
        Some("log") => |seed| log::run(seed, log::Options::default()),
        Some("clean") => |seed| clean::run(seed, clean::Options::default()),
        Some(other) => return Err(format!("unknown simulation `{other}`, known are: log, clean")),
        None => return Err("which simulation?".to_owned()),
    };
    let (mut first, mut count) = (0, None);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{flag}` needs a number"))?;
        let value = value
            .parse()
            .map_err(|_| format!("`{flag}`: `{value}` is not a number"))?;
        match flag.as_str() {
            "--seed" => {
                first = value;
                count.get_or_insert(1);
            }
            "--seeds" => count = Some(value),
            _ => return Err(format!("unknown flag `{flag}`")),
        }
    }
    Ok((run, first, count.unwrap_or(10_000)))
}

fn simulate(run: Run, first: u64, count: u64) -> ExitCode {
    // An assertion of the log is a finding like others, told once with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, done, compared) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let work = || -> Result<(), Wrong> {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let summary = run(seed).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            compared.fetch_add(summary.compared, Ordering::Relaxed);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(1_000) {
                println!("{done} of {count} seeds");
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a run catches its panics"))
            .collect()
    });
    let wrong: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    for wrong in &wrong {
        println!("{wrong}");
    }
    if !wrong.is_empty() {
        return ExitCode::FAILURE;
    }
    println!(
        "{count} seeds from {first}: {} records compared, nothing wrong",
        compared.into_inner()
    );
    ExitCode::SUCCESS
}
