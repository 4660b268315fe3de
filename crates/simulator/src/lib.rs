//! Owns seeded simulations of what production runs: a disk that loses what was not synced and fails, and a log manager on it.
//! Knows nothing of sockets, processes or the machine's disk and clock; one seed gives one run, step by step the same.
//! Entry: [`log::run`] and [`clean::run`], one seed against a model; [`SimDisk`], the disk by itself.
//! Driven by `cargo xtask sim` and by the tests here.
//! Tests: beside the disk, and `tests/it/` with some hundred seeds and the deliberate faults.
pub mod clean;
mod disk;
pub mod log;
mod machine;
mod random;
mod run;

pub use disk::{Crash, Failure, Forgotten, SimDisk};
pub use random::Random;
pub use run::{Summary, Wrong};
