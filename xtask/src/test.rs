//! `cargo xtask test`: everything that has to hold, the quick checks first.

use std::path::Path;
use std::time::Instant;

/// One thing that has to hold: runs it and says what is wrong.
type Step = fn(&Path) -> Result<(), String>;

/// Runs all steps; returns what failed. A step that fails ends the run, for what follows builds on it.
pub(crate) fn run(root: &Path) -> Vec<String> {
    let steps: &[(&str, Step)] = &[
        ("tidy", |root| none(crate::tidy::check(root))),
        ("format", |root| crate::cargo(root, &["fmt", "--all", "--check"])),
        ("clippy", |root| {
            crate::cargo(
                root,
                &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            )
        }),
        ("rustdoc", |root| {
            let mut doc = crate::cargo_command(root, &["doc", "--workspace", "--no-deps", "--document-private-items"]);
            crate::succeed(doc.env("RUSTDOCFLAGS", "-D warnings"))
        }),
        ("unit, integration and doc tests", |root| {
            crate::cargo(root, &["test", "--workspace"])
        }),
        ("10,000 simulated histories of the log", |root| {
            crate::sim::run(root, &["log", "--seeds", "10000"])
        }),
        ("1,000 simulated histories of the cleaner", |root| {
            crate::sim::run(root, &["clean", "--seeds", "1000"])
        }),
        ("the tours of the pages", |root| none(crate::tour::run(root)?)),
        ("what hot paths cost", |root| none(crate::guard::run(root, &[])?)),
        ("real clients", |root| none(crate::compat::run(root, &[])?)),
        ("our client with Apache Kafka", |root| none(crate::client::run(root)?)),
        ("Apache Kafka's answers", |root| none(crate::peer::run(root)?)),
        ("Apache Kafka's tools", |root| none(crate::tools::run(root, &[])?)),
        ("log directories exchanged with Apache Kafka", |root| {
            none(crate::exchange::run(root)?)
        }),
    ];
    let start = Instant::now();
    for (name, step) in steps {
        println!("\n==== {name} ({} s)", start.elapsed().as_secs());
        if let Err(error) = step(root) {
            return vec![format!("{name}: {error}")];
        }
    }
    println!("\nall passed in {} s", start.elapsed().as_secs());
    Vec::new()
}

fn none(wrong: Vec<String>) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}
