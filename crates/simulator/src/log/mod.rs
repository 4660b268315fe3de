//! A log manager on a fake disk, against a list of what it was told.
//!
//! A run draws steps from its seed: appends, flushes, deletions, truncations, ticks, failing calls, a full disk, clean
//! restarts, processes that die and machines that lose power. After every start, and now and then, each partition's records
//! are read and compared with `model::Partition`: what was acknowledged is there, once, in order, unchanged; a power cut
//! takes at most what was not flushed, and only from the end.
//!
//! Reads fail too, at any place. Whoever read is told, the directory is offline until the next start, and a start that meets
//! such a read fails and leaves everything to the next one. Readers ask first for what is in memory, and where the disk says
//! that they would have to wait, once more.
mod model;
mod reader;
mod steps;
mod transactions;
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
            steps: 150,
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
    let mut random = Random::new(seed ^ 0x5eed);
    let steps = |world: &mut World| {
        (0..options.steps).try_for_each(|_| world.step(steps::draw(&mut random)))?;
        world.step(steps::Step::Verify)
    };
    let begin = || World::new(seed, options.forgotten);
    run::judge(seed, options.fault, begin, steps, World::summary)
}
