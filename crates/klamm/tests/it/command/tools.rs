//! The tools as processes: by links, into pipes, against a node.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use super::process::{Running, ended, klamm};

#[test]
fn a_link_named_as_kafkas_tool_is_that_tool() {
    let dir = tempfile::tempdir().unwrap();
    let node = Running::start(dir.path());
    let bin = dir.path().join("bin");
    let installed = ended(&mut klamm(&["install-tools", bin.to_str().unwrap()]));
    assert_eq!(installed.code, Some(0), "{}", installed.stderr);
    let address = node.address.to_string();
    let topics = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("kafka-topics.sh"));
        ended(command.args(["--bootstrap-server", &address]).args(arguments))
    };
    let created = topics(&["--create", "--topic", "t"]);
    assert_eq!((created.code, &*created.stdout), (Some(0), "Created topic t.\n"));
    let again = topics(&["--create", "--topic", "t"]);
    let words = "Error while executing topic command : Topic 't' already exists.\n";
    assert_eq!((again.code, &*again.stdout), (Some(1), words));
    assert_eq!(topics(&["--list"]).stdout, "t\n");
    assert_eq!(topics(&["--help"]).code, Some(1), "Kafka's code");

    let bare = bin.join("kafka-topics");
    symlink(env!("CARGO_BIN_EXE_klamm"), &bare).unwrap();
    let listed = ended(Command::new(&bare).args(["--bootstrap-server", &address, "--list"]));
    assert_eq!(listed.stdout, "t\n");
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let mut child = klamm(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More is written than a pipe holds.
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*stderr), (Some(0), ""));
}

#[test]
fn the_overview_has_the_node_and_the_tools() {
    let overview = ended(&mut klamm(&["--help"]));
    assert_eq!(overview.code, Some(0));
    for line in ["Nodes:", "  start ", "Topics and settings:", "  topics "] {
        assert!(overview.stdout.contains(line), "{}", overview.stdout);
    }
    let unknown = ended(&mut klamm(&["strat"]));
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.stderr.contains("did you mean `klamm start`?"),
        "{}",
        unknown.stderr
    );
}
