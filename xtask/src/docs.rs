//! `cargo xtask docs`: writes the pages of `docs/` that are rendered from the code. Tests say when one is stale.

use std::path::{Path, PathBuf};

/// A page, and what renders it.
type Page = (&'static str, fn() -> String);

const PAGES: &[Page] = &[("docs/reference/configuration.md", klamm_config::reference::markdown)];

/// Writes the pages that are stale and returns them.
pub(crate) fn run(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut written = Vec::new();
    for (page, render) in PAGES {
        let path = root.join(page);
        let text = render();
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(root)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        written.push(PathBuf::from(page));
    }
    Ok(written)
}
