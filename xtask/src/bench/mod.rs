//! `cargo xtask bench SCENARIO`: Klamm beside others, in turns in one run on one machine.
//!
//! Only ratios of figures of one run count. Each scenario writes its section of `bench/RESULTS.md` and says which of its
//! bars are missed. `KLAMM_BINARY` names a release build that is there already; without it one is made.

mod clients;
mod console;
mod process;
mod results;

use std::path::{Path, PathBuf};

/// Runs a scenario; returns what misses its bar.
pub(crate) fn run(root: &Path, scenario: &[&str]) -> Result<Vec<String>, String> {
    match scenario {
        ["console"] => console::run(root, console::GIGABYTE),
        ["console", bytes] => {
            let bytes = bytes.parse().map_err(|_| format!("`{bytes}` is no number of bytes"))?;
            console::run(root, bytes)
        }
        ["clients"] => clients::run(root, clients::ROUNDS),
        ["clients", rounds] => match rounds.parse() {
            Ok(rounds @ 1..) => clients::run(root, rounds),
            _ => Err(format!("`{rounds}` is no number of rounds")),
        },
        _ => Err("usage: cargo xtask bench console [BYTES] | clients [ROUNDS]".to_owned()),
    }
}

/// The release build of `klamm`.
fn klamm(root: &Path) -> Result<PathBuf, String> {
    match std::env::var_os("KLAMM_BINARY") {
        Some(binary) => Ok(binary.into()),
        None => {
            crate::cargo(root, &["build", "--release", "--package", "klamm"])?;
            Ok(crate::target_dir(root).join("release/klamm"))
        }
    }
}
