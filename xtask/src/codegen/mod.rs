//! `cargo xtask codegen`: writes the protocol's code from its schema; `--check` only tells whether it is stale.

mod generator;

use std::fs;
use std::path::{Path, PathBuf};

use generator::Files;

/// Where the schema and its output lie.
const CRATE: &str = "crates/foundation/protocol";

/// Brings the generated files up to date, or only compares when `check`. Answers what is or was out of date.
pub(crate) fn run(root: &Path, check: bool) -> Result<Vec<PathBuf>, String> {
    let root = root.join(CRATE);
    let files = generator::generate(&root)?;
    let stale = generator::stale(&root, &files)?;
    if !check {
        write(&root, &files, &stale).map_err(|error| format!("{}: {error}", root.display()))?;
    }
    Ok(stale)
}

fn write(root: &Path, files: &Files, stale: &[PathBuf]) -> std::io::Result<()> {
    for path in stale {
        let target = root.join(path);
        let Some(text) = files.get(path) else {
            fs::remove_file(target)?;
            continue;
        };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(target, text)?;
    }
    Ok(())
}
