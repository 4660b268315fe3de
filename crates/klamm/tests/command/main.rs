//! The command line of `klamm`: what it prints, which code it ends with, and what it leaves alone.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]
mod errors;
mod process;
mod start;
mod storage;
