//! A log manager on a fake disk, against a list of what it was told.
//!
//! A run draws steps from its seed: appends, flushes, deletions, truncations, ticks, failing calls, a full disk, clean
//! restarts, processes that die and machines that lose power. After every start, and now and then, each partition's records
//! are read and compared with `model::Partition`: what was acknowledged is there, once, in order, unchanged; a power cut
//! takes at most what was not flushed, and only from the end.
mod model;
mod steps;
mod transactions;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Forgotten, Random};
use klamm_log::{Fault, choose_fault};
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
            steps: 150,
            forgotten: None,
            fault: None,
        }
    }
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Batches acknowledged.
    pub appended: u64,
    /// Records read and compared.
    pub compared: u64,
    /// Machines that lost power.
    pub power_cuts: u64,
    /// Every step with its outcome.
    pub trace: Vec<String>,
}

/// A run that found the log wrong.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Draws the same run again.
    pub seed: u64,
    /// What was found.
    pub problem: String,
    /// The last steps, the newest at the end.
    pub last_steps: Vec<String>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.problem)?;
        self.last_steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
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
    let mut random = Random::new(seed ^ 0x5eed);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        (0..options.steps).try_for_each(|_| world.step(steps::draw(&mut random)))?;
        world.step(steps::Step::Verify)
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
