//! `cargo xtask docs`: writes the pages of `docs/` that are rendered from the code. Tests say when one is stale.

use std::path::{Path, PathBuf};

/// A page, and what renders it.
type Page = (&'static str, fn(&Path) -> Result<String, String>);

const PAGES: &[Page] = &[
    ("docs/reference/apis.md", apis),
    ("docs/reference/clients.md", crate::compat::matrix::page),
    ("docs/reference/configuration.md", |_| {
        Ok(klamm_config::reference::markdown())
    }),
    ("docs/reference/metrics.md", metrics),
    ("docs/reference/tools.md", tools),
];

/// Writes the named pages, or all of them, where they are stale; returns those written.
pub(crate) fn run(root: &Path, only: &[&str]) -> Result<Vec<PathBuf>, String> {
    let mut written = Vec::new();
    for (page, render) in PAGES.iter().filter(|(page, _)| only.is_empty() || only.contains(page)) {
        let path = root.join(page);
        let text = render(root)?;
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

/// The broker renders this one in a process of its own: xtask would have to be built with all of it otherwise.
fn apis(root: &Path) -> Result<String, String> {
    printed_by(root, "klamm-broker", "reference", &["apis"])
}

fn metrics(root: &Path) -> Result<String, String> {
    printed_by(root, "klamm-broker", "reference", &["metrics"])
}

/// The tools too.
fn tools(root: &Path) -> Result<String, String> {
    printed_by(root, "klamm-tools", "tool_reference", &[])
}

/// What an example of a package prints.
fn printed_by(root: &Path, package: &str, example: &str, args: &[&str]) -> Result<String, String> {
    let mut command = crate::cargo_command(root, &["run", "--quiet", "--package", package, "--example", example]);
    let output = command
        .arg("--")
        .args(args)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|error| error.to_string()),
        false => Err(format!("{command:?}: {}", output.status)),
    }
}
