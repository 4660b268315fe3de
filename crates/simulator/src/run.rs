//! One run of a simulation: what it has done, and what it found.
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use klamm_log::{Fault, choose_fault};

/// Steps that a failed run shows.
const SHOWN: usize = 25;

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

/// Begins a world and has it take its steps, with the log doing wrong what `fault` says. An assertion of the log is a finding
/// like others.
pub(crate) fn judge<W>(
    seed: u64,
    fault: Option<Fault>,
    begin: impl FnOnce() -> W,
    steps: impl FnOnce(&mut W) -> Result<(), String>,
    summary: fn(&W) -> Summary,
) -> Result<Summary, Wrong> {
    choose_fault(fault);
    let mut world = begin();
    let outcome = catch_unwind(AssertUnwindSafe(|| steps(&mut world)));
    choose_fault(None);
    let problem = match outcome {
        Ok(Ok(())) => return Ok(summary(&world)),
        Ok(Err(problem)) => problem,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default()
        }
    };
    let trace = summary(&world).trace;
    let last_steps = trace[trace.len().saturating_sub(SHOWN)..].to_vec();
    Err(Wrong {
        seed,
        problem,
        last_steps,
    })
}
