//! `cargo xtask tidy`: what the architecture page promises and a machine can check.
//!
//! The table [`ALLOWED_EDGES`] is the one place that says which crate may see which. A new edge is a
//! decision: change the table and ARCHITECTURE.md in one commit, or find another way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crate, and the workspace crates it may depend on. Dev-dependencies are free: tests may look anywhere below them.
const ALLOWED_EDGES: &[(&str, &[&str])] = &[
    // foundation: values and formats
    ("klamm-protocol", &[]),
    ("klamm-records", &[]),
    ("klamm-timeline", &[]),
    ("klamm-config", &[]),
    ("klamm-assignors", &["klamm-protocol"]),
    // kernel: deterministic state machines
    ("klamm-raft", &["klamm-protocol", "klamm-records", "klamm-timeline"]),
    (
        "klamm-metadata",
        &["klamm-protocol", "klamm-records", "klamm-timeline", "klamm-config"],
    ),
    (
        "klamm-controller",
        &["klamm-protocol", "klamm-timeline", "klamm-config", "klamm-metadata"],
    ),
    (
        "klamm-coordinator",
        &["klamm-protocol", "klamm-records", "klamm-timeline"],
    ),
    (
        "klamm-group-coordinator",
        &["klamm-protocol", "klamm-timeline", "klamm-config", "klamm-coordinator"],
    ),
    ("klamm-replication", &[]),
    // io
    ("klamm-log", &["klamm-protocol", "klamm-records"]),
    ("klamm-net", &["klamm-protocol"]),
    // runs what is above it on a fake machine
    ("klamm-simulator", &["klamm-log", "klamm-protocol", "klamm-records"]),
    // the broker joins them
    (
        "klamm-broker",
        &[
            "klamm-protocol",
            "klamm-records",
            "klamm-timeline",
            "klamm-config",
            "klamm-raft",
            "klamm-metadata",
            "klamm-controller",
            "klamm-coordinator",
            "klamm-group-coordinator",
            "klamm-replication",
            "klamm-log",
            "klamm-net",
        ],
    ),
    // clients speak the protocol and see nothing of the broker
    ("klamm-client", &["klamm-protocol", "klamm-records", "klamm-assignors"]),
    // the tools ask over the wire or read files
    (
        "klamm-tools",
        &[
            "klamm-client",
            "klamm-config",
            "klamm-log",
            "klamm-metadata",
            "klamm-protocol",
            "klamm-records",
        ],
    ),
    (
        "klamm",
        &[
            "klamm-broker",
            "klamm-config",
            "klamm-log",
            "klamm-metadata",
            "klamm-protocol",
            "klamm-tools",
        ],
    ),
    (
        "klamm-testkit",
        &[
            "klamm-broker",
            "klamm-config",
            "klamm-protocol",
            "klamm-records",
            "klamm-net",
        ],
    ),
    // the load program knows what any user of the client knows
    ("klamm-bench-client", &["klamm-client"]),
    // and the other one speaks the protocol itself where a client would cost too much
    ("klamm-load", &["klamm-client", "klamm-protocol", "klamm-records"]),
    // what is counted is the broker's insides
    (
        "klamm-guard",
        &["klamm-log", "klamm-protocol", "klamm-records", "klamm-testkit"],
    ),
    ("xtask", &["klamm-broker", "klamm-config", "klamm-protocol"]),
];

/// A file of code ends here; a noun in it wants out long before (tests and generated code aside).
const MAX_LINES: usize = 1000;

/// Names of modules that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

/// What foundation and kernel never say outside their tests: they have no IO, no clock, no threads and no chance.
const IMPURE: &[&str] = &[
    "tokio::",
    "async fn",
    "std::thread",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::env",
    "SystemTime",
    "Instant::now",
    "RandomState",
    "collections::HashMap",
    "collections::HashSet",
];

/// Marks of unfinished or unchecked work, nowhere in the tree.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "#[ignore", "allow(dead_code", "FIXME"];

/// Runs every check and returns what is wrong, one line each; empty when all is well.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut wrong = edges(root);
    for file in ["crates", "xtask", "bench"]
        .iter()
        .flat_map(|dir| rust_files(&root.join(dir)))
    {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if name == "xtask/src/tidy.rs" {
            continue; // names what it forbids
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => check_file(&name, &text, &mut wrong),
            Err(error) => wrong.push(format!("{name}: cannot be read: {error}")),
        }
    }
    wrong
}

fn check_file(name: &str, text: &str, wrong: &mut Vec<String>) {
    let stem = Path::new(name).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let is_test = name.contains("/tests/") || stem == "tests";
    let is_generated = name.contains("/generated/");
    let lines = text.lines().count();
    if !is_test && !is_generated && lines > MAX_LINES {
        wrong.push(format!(
            "{name}: {lines} lines, the limit is {MAX_LINES}: split it by noun"
        ));
    }
    if EMPTY_NAMES.contains(&stem) {
        wrong.push(format!(
            "{name}: `{stem}` says nothing: name the module after what it holds"
        ));
    }
    for mark in UNFINISHED {
        if text.contains(mark) {
            wrong.push(format!("{name}: contains `{mark}`: finish it or leave it out"));
        }
    }
    let opening = text.lines().take_while(|line| line.starts_with("//!")).count();
    let is_root = name.ends_with("src/lib.rs") || (name.ends_with("src/main.rs") && !name.starts_with("xtask"));
    if is_root && opening < 5 {
        wrong.push(format!(
            "{name}: opens with {opening} `//!` lines; five say what it owns, does not know, its entry, driver, tests"
        ));
    }
    if name.starts_with("crates/broker/src/apis/") && stem != "mod" && !is_test && opening == 0 {
        wrong.push(format!("{name}: an API file opens with its key, versions and KIPs"));
    }
    if (name.starts_with("crates/foundation/") || name.starts_with("crates/kernel/")) && !is_test && !is_generated {
        let code = text.split("#[cfg(test)]").next().unwrap_or(text);
        for word in IMPURE {
            for (number, _) in code
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//") && line.contains(word))
            {
                wrong.push(format!(
                    "{name}:{}: `{word}`: foundation and kernel are pure",
                    number + 1
                ));
            }
        }
    }
}

fn edges(root: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output();
    let parsed = match output {
        Ok(output) => serde_json::from_slice::<serde_json::Value>(&output.stdout),
        Err(error) => return vec![format!("cargo metadata does not run: {error}")],
    };
    let metadata = match parsed {
        Ok(metadata) => metadata,
        Err(error) => return vec![format!("cargo metadata prints no JSON: {error}")],
    };
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED_EDGES.iter().find(|(krate, _)| *krate == name) else {
            wrong.push(format!("{name}: not in the table of allowed edges (xtask/src/tidy.rs)"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            let to = dependency["name"].as_str().unwrap_or_default();
            let is_normal = dependency["kind"].is_null();
            if is_normal && names.contains(to) && !allowed.contains(&to) {
                wrong.push(format!("{name} -> {to}: this edge is not allowed (xtask/src/tidy.rs)"));
            }
        }
    }
    for (krate, _) in ALLOWED_EDGES {
        if !names.contains(krate) {
            wrong.push(format!("{krate}: in the table of allowed edges, not in the workspace"));
        }
    }
    wrong
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let wrong = check(&crate::root());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn each_rule_bites() {
        let judge = |name: &str, text: &str| {
            let mut wrong = Vec::new();
            check_file(name, text, &mut wrong);
            wrong.len()
        };
        let header = "//! a\n//! b\n//! c\n//! d\n//! e\n";
        assert_eq!(judge("crates/kernel/x/src/lib.rs", header), 0);
        assert_eq!(
            judge("crates/kernel/x/src/lib.rs", "//! a\n"),
            1,
            "a crate without its five lines"
        );
        assert_eq!(
            judge("crates/kernel/x/src/a.rs", "use std::time::SystemTime;\n"),
            1,
            "a clock in the kernel"
        );
        assert_eq!(
            judge("crates/kernel/x/src/a.rs", "#[cfg(test)]\nmod tests { use std::fs; }\n"),
            0,
            "tests may do IO"
        );
        assert_eq!(
            judge("crates/io/x/src/a.rs", &"\n".repeat(MAX_LINES + 1)),
            1,
            "a file that is too long"
        );
        assert_eq!(judge("crates/io/x/src/utils.rs", ""), 1, "a name that says nothing");
        assert_eq!(
            judge("crates/io/x/src/a.rs", "fn f() { todo!() }\n"),
            1,
            "unfinished work"
        );
        assert_eq!(
            judge("crates/broker/src/apis/fetch.rs", "fn f() {}\n"),
            1,
            "an API file without its header"
        );
    }
}
