//! `klamm log verify`: what it says of a node's directory, its exit codes, and that it leaves everything as it is.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::{Ended, Running, ended, klamm};

fn verify(arguments: &[&str], dir: &Path) -> Ended {
    let mut all = vec!["log", "verify"];
    all.extend(arguments);
    all.push(dir.to_str().unwrap());
    ended(&mut klamm(&all))
}

fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

#[test]
fn a_stopped_nodes_directory_is_checked_and_a_running_ones_is_not() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let node = Running::start(&dir);
    let refused = verify(&[], &dir);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(
        refused.stderr.contains("is in use by another node"),
        "{}",
        refused.stderr
    );
    assert!(node.signal("TERM").success());

    let before = content(&dir);
    let sound = verify(&[], &dir);
    assert_eq!(sound.code, Some(0), "{}{}", sound.stdout, sound.stderr);
    let lines: Vec<&str> = sound.stdout.lines().collect();
    assert!(
        lines[0].contains("node 1 of cluster") && lines[0].ends_with(", stopped cleanly"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("1 partitions, 1 segments, "), "{lines:?}");
    assert_eq!(lines[2..], ["a start opens 0 logs, checks 0 bytes"]);
    assert_eq!(content(&dir), before, "nothing is touched");

    let log = dir.join("__cluster_metadata-0/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[80] ^= 1;
    fs::write(&log, bytes).unwrap();
    fs::remove_file(dir.join("meta.properties")).unwrap();
    let before = content(&dir);
    let damaged = verify(&["--json"], &dir);
    assert_eq!(damaged.code, Some(1), "{}", damaged.stderr);
    let report: Value = serde_json::from_str(&damaged.stdout).unwrap();
    assert_eq!(
        (&report["worst"], &report["cleanShutdown"]),
        (&"damage".into(), &true.into())
    );
    assert_eq!((&report["nodeId"], &report["start"]), (&Value::Null, &Value::Null));
    let findings = report["findings"].as_array().unwrap();
    let of = |path: &Path| {
        findings
            .iter()
            .find(|finding| finding["path"] == path.to_str().unwrap())
    };
    assert_eq!(of(&log).unwrap()["position"], 0);
    assert_eq!(of(&dir.join("meta.properties")).unwrap()["severity"], "damage");
    assert_eq!(content(&dir), before, "nothing is touched");
}

#[test]
fn what_is_no_directory_is_not_checked() {
    let root = tempfile::tempdir().unwrap();
    let missing = verify(&[], &root.path().join("missing"));
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(2), ""));
    assert!(missing.stderr.starts_with("error: "), "{}", missing.stderr);
    let none = ended(&mut klamm(&["log", "verify"]));
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("`DIR` is missing"), "{}", none.stderr);
}
