//! What can't start says what, where and why, ends with a code, and leaves everything as it was.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::process::{Ended, Running, ended, klamm};

/// All files beneath a directory with what is in them.
fn snapshot(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.clone(), None));
            found.extend(snapshot(&path));
        } else {
            found.push((path.clone(), Some(fs::read(&path).unwrap())));
        }
    }
    found.sort();
    found
}

fn start(dir: &Path, arguments: &[&str]) -> Ended {
    let mut all = vec!["start", "--listen", "127.0.0.1:0", "--data-dir", dir.to_str().unwrap()];
    all.extend(arguments);
    ended(&mut klamm(&all))
}

/// Exit code 1, nothing on stdout, and one message of this form with these words.
fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let messages = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(messages, 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no `{word}` in:\n{}", ended.stderr);
    }
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_formatted() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    let refused = ended(&mut klamm(&[
        "start",
        "--listen",
        &address,
        "--data-dir",
        data.to_str().unwrap(),
    ]));
    assert_refused(&refused, &[&format!("{address} is in use"), "hint: "]);
    assert!(!data.exists());
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let before = snapshot(dir.path());
    let refused = start(dir.path(), &[]);
    assert_refused(&refused, &[dir.path().to_str().unwrap(), "hint: "]);
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, "").unwrap();
    assert_refused(&start(&file, &[]), &[file.to_str().unwrap()]);
}

#[test]
fn a_directory_that_can_not_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write anywhere; a path below /proc is refused to all.
    let unwritable = if fs::write(locked.join("probe"), "").is_ok() {
        PathBuf::from("/proc/klamm")
    } else {
        locked
    };
    assert_refused(&start(&unwritable, &[]), &[unwritable.to_str().unwrap()]);
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Running::start(dir.path());
    assert_refused(&start(dir.path(), &[]), &[dir.path().to_str().unwrap(), "in use"]);
    assert_eq!(first.api_versions(), 0, "the first goes on");
}

#[test]
fn another_nodes_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Running::start(dir.path()).signal("TERM").success());
    let before = snapshot(dir.path());
    let refused = start(dir.path(), &["--override", "node.id=7"]);
    assert_refused(&refused, &[dir.path().to_str().unwrap(), "node 1", "7"]);
    assert_eq!(snapshot(dir.path()), before);
}

/// A file's settings for one node.
fn settings(data: &Path) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
         controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093\nlog.dirs={}\n",
        data.display()
    )
}

#[test]
fn with_a_file_an_unformatted_directory_is_refused_and_the_command_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("server.properties"), dir.path().join("data"));
    fs::write(&file, settings(&data)).unwrap();
    let refused = ended(&mut klamm(&["start", "--config", file.to_str().unwrap()]));
    let command = format!("klamm storage format --config {}", file.display());
    assert_refused(&refused, &[data.to_str().unwrap(), &command]);
    assert!(!data.exists());
}

#[test]
fn a_wrong_value_names_file_line_key_value_and_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.properties");
    let data = dir.path().join("data");
    fs::write(&file, format!("# a comment\nnum.partitions=many\n{}", settings(&data))).unwrap();
    let refused = ended(&mut klamm(&["start", "--config", file.to_str().unwrap()]));
    let place = format!("`{}`, line 2", file.display());
    assert_refused(&refused, &["num.partitions", "many", &place, "allowed: "]);
    assert!(!data.exists());
}

#[test]
fn what_the_command_line_says_wrong_is_told_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_refused(&start(&data, &["--override", "num.partitions"]), &["KEY=VALUE"]);
    assert_refused(&start(&data, &["--log-level", "loud"]), &["--log-level"]);
    let nowhere = ended(&mut klamm(&["start", "--listen", "9092"]));
    assert_refused(&nowhere, &["`9092`", "HOST:PORT"]);
    let homeless = ended(klamm(&["start"]).env_remove("HOME"));
    assert_refused(&homeless, &["--data-dir"]);
    let missing = ended(&mut klamm(&["start", "--config", "/no/such/server.properties"]));
    assert_refused(&missing, &["/no/such/server.properties"]);
    assert!(!data.exists());
}

#[test]
fn an_unknown_option_names_the_nearest() {
    let refused = ended(&mut klamm(&["start", "--lissten", "127.0.0.1:0"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--listen"), "{}", refused.stderr);
}
