//! Compaction on a fake disk, against a list of all that was written.
//!
//! A run draws steps from its seed: keyed writes, tombstones and transactions of several producers, rolls, flushes,
//! cleanings, truncations, ticks, failing calls, a full disk, clean restarts, processes that die and machines that lose power. In
//! between whatever is read must have been written there; of each key the last committed value must be among it, and of
//! aborted transactions nothing may be. A read that fails under the cleaner takes the directory offline, and a start that
//! meets one fails and leaves everything to the next.
mod model;
mod world;

use klamm_log::Fault;

use crate::{Forgotten, Random, Summary, Wrong, run};
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

/// Runs one seed.
///
/// # Errors
/// What the log got wrong, be it an answer or an assertion of its own.
pub fn run(seed: u64, options: Options) -> Result<Summary, Wrong> {
    let steps = |world: &mut World| {
        (0..options.steps).try_for_each(|_| world.step())?;
        world.finish()
    };
    let begin = || World::new(seed, options.forgotten);
    run::judge(seed, options.fault, begin, steps, World::summary)
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
