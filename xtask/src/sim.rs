//! `cargo xtask sim`: the simulator in an optimised build, for as many seeds as one likes.

use std::path::Path;

/// Runs the simulator with these arguments; `log --seed N` is what a failed run names to be repeated.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<(), String> {
    let mut cargo = vec!["run", "--quiet", "--release", "-p", "klamm-simulator", "--"];
    cargo.extend(args);
    crate::cargo(root, &cargo)
}
