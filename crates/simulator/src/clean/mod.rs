//! Compaction on a fake disk, against a list of all that was written.
//!
//! A run draws steps from its seed: keyed writes, tombstones and transactions of several producers, rolls, flushes,
//! cleanings, truncations, ticks, failing calls, a full disk, clean restarts, processes that die and machines that lose power. In
//! between whatever is read must have been written there; of each key the last committed value must be among it, and of
//! aborted transactions nothing may be.
mod model;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use klamm_log::{Fault, choose_fault};

use crate::log::{Summary, Wrong};
use crate::{Forgotten, Random};
use world::World;

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps to take.
    pub steps: usize,
    /// What the disk leaves out, to see whether the run notices.
    pub forgotten: Option<Forgotten>,
    /// What the log does wrong, for the same reason.
    pub fault: Option<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 120,
            forgotten: None,
            fault: None,
        }
    }
}

/// Steps that a failed run shows.
const SHOWN: usize = 25;

/// Runs one seed.
///
/// # Errors
/// What the log got wrong, be it an answer or an assertion of its own.
pub fn run(seed: u64, options: Options) -> Result<Summary, Wrong> {
    choose_fault(options.fault);
    let mut world = World::new(seed, options.forgotten);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        (0..options.steps).try_for_each(|_| world.step())?;
        world.finish()
    }));
    choose_fault(None);
    let problem = match outcome {
        Ok(Ok(())) => return Ok(world.summary()),
        Ok(Err(problem)) => problem,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default()
        }
    };
    let trace = world.summary().trace;
    let last_steps = trace[trace.len().saturating_sub(SHOWN)..].to_vec();
    Err(Wrong {
        seed,
        problem,
        last_steps,
    })
}

/// A draw of one of several weighted things.
fn weighted<T: Copy>(random: &mut Random, choices: &[(u64, T)]) -> T {
    let mut at = random.below(choices.iter().map(|(weight, _)| weight).sum());
    for (weight, choice) in choices {
        if at < *weight {
            return *choice;
        }
        at -= weight;
    }
    unreachable!("the weights' sum was drawn below")
}
