//! `klamm storage` says and does what Kafka 4.4's `kafka-storage` does: its words, where they go, and the exit code.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::{Ended, Running, ended, klamm};

struct Case {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Case {
    /// A combined node with the log directories `a` (of the metadata) and `b`.
    fn new(quorum: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("server.properties");
        let at = dir.path().display();
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
             controller.listener.names=CONTROLLER\n{quorum}\nlog.dirs={at}/a,{at}/b\noffsets.topic.replication.factor=1\n"
        );
        fs::write(&config, text).unwrap();
        Case { dir, config }
    }

    fn dynamic() -> Case {
        Case::new("controller.quorum.bootstrap.servers=127.0.0.1:9093")
    }

    fn storage(&self, command: &str, arguments: &[&str]) -> Ended {
        let mut all = vec!["storage", command, "-c", self.config.to_str().unwrap()];
        all.extend(arguments);
        ended(&mut klamm(&all))
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

/// Exit code 1 and this one line on stderr.
fn assert_refused(ended: &Ended, line: &str) {
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.trim_end()),
        (Some(1), "", line)
    );
}

#[test]
fn format_then_info_then_start() {
    let case = Case::dynamic();
    let before = case.storage("info", &[]);
    let expected = format!(
        "Found problems:\n  {} does not exist\n  {} does not exist\n\n",
        case.path("a"),
        case.path("b")
    );
    assert_eq!((before.code, before.stdout), (Some(1), expected));

    let formatted = case.storage("format", &["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "--standalone"]);
    assert_eq!(formatted.code, Some(0), "{}", formatted.stderr);
    let lines: Vec<&str> = formatted.stdout.lines().collect();
    assert!(
        lines[0].starts_with("Bootstrap metadata: BootstrapMetadata(records=["),
        "{}",
        lines[0]
    );
    let voter = format!(
        "Formatting dynamic metadata voter directory {} with metadata.version 4.4-IV2.",
        case.path("a")
    );
    let data = format!(
        "Formatting data directory {} with metadata.version 4.4-IV2.",
        case.path("b")
    );
    assert_eq!(lines[1..], [voter, data]);

    let after = case.storage("info", &[]);
    assert_eq!(after.code, Some(0));
    let found = format!(
        "Found log directories:\n  {}\n  {}\n\nFound metadata: {{",
        case.path("a"),
        case.path("b")
    );
    assert!(after.stdout.starts_with(&found), "{}", after.stdout);
    assert!(
        after
            .stdout
            .contains("{cluster.id=AAAAAAAAAAAAAAAAAAAAAQ, directory.id="),
        "{}",
        after.stdout
    );

    let again = case.storage("format", &["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "--standalone"]);
    let formatted = format!(
        "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
        case.path("a")
    );
    assert_refused(&again, &formatted);
    let skipped = case.storage("format", &["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "--standalone", "-g"]);
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (Some(0), "All of the log directories are already formatted.\n")
    );
    let other = case.storage("format", &["-t", "bad", "--standalone"]);
    let wrong = format!(
        "Invalid cluster.id in: {}/meta.properties. Expected bad, but read AAAAAAAAAAAAAAAAAAAAAQ",
        case.path("a")
    );
    assert_refused(&other, &wrong);

    let node = Running::start_with(&["start", "--config", case.config.to_str().unwrap()]);
    assert!(node.greeting.contains("AAAAAAAAAAAAAAAAAAAAAQ"), "{}", node.greeting);
}

#[test]
fn what_format_refuses_it_refuses_before_it_writes() {
    let case = Case::dynamic();
    for (arguments, line) in [
        (
            vec![],
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, \
             --initial-controllers, or --no-initial-controllers.",
        ),
        (
            vec!["-s", "-f", "group.version=9"],
            "No feature:group.version with feature level 9",
        ),
        (
            vec!["-s", "-f", "group.version=x"],
            "Invalid version format: x for feature group.version",
        ),
        (
            vec!["-s", "-f", "metadata.version=34"],
            "metadata.version 4.5-IV0 is not yet stable.",
        ),
        (vec!["-I", "1@x"], "No colon following hostname could be found."),
    ] {
        let mut all = vec!["-t", "cluster"];
        all.extend(arguments);
        assert_refused(&case.storage("format", &all), line);
    }
    let unknown = case.storage("format", &["-t", "cluster", "-s", "-r", "1.0"]);
    assert!(
        unknown
            .stderr
            .starts_with("Unknown metadata.version '1.0'. Supported metadata.version are: 3.3-IV3, ")
    );
    let scram = case.storage(
        "format",
        &["-t", "cluster", "-s", "-S", "SCRAM-SHA-256=[name=a,password=b]"],
    );
    assert_eq!(scram.code, Some(1), "what protects nothing is refused");
    assert!(!Path::new(&case.path("a")).exists() && !Path::new(&case.path("b")).exists());

    let fixed = Case::new("controller.quorum.voters=1@127.0.0.1:9093");
    let refused = fixed.storage("format", &["-t", "cluster", "--standalone"]);
    assert!(
        refused
            .stderr
            .starts_with("You cannot specify controller.quorum.voters and format the node with"),
        "{}",
        refused.stderr
    );
    let formatted = fixed.storage("format", &["-t", "cluster", "--release-version", "4.2"]);
    let metadata = format!(
        "Formatting metadata directory {} with metadata.version 4.2-IV1.",
        fixed.path("a")
    );
    assert!(formatted.stdout.contains(&metadata), "{}", formatted.stdout);
}

#[test]
fn versions_and_ids_need_no_configuration() {
    let run = |arguments: &[&str]| {
        let mut all = vec!["storage"];
        all.extend(arguments);
        ended(&mut klamm(&all))
    };
    let mapping = run(&["version-mapping", "--release-version", "4.2"]);
    let expected = "metadata.version=29 (4.2)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\n\
                    eligible.leader.replicas.version=1\nshare.version=1\nstreams.version=1\n";
    assert_eq!((mapping.code, mapping.stdout.as_str()), (Some(0), expected));
    let dependencies = run(&[
        "feature-dependencies",
        "--feature",
        "eligible.leader.replicas.version=1",
    ]);
    assert_eq!(
        dependencies.stdout,
        "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
    );
    assert_refused(&run(&["feature-dependencies", "-f", "foo=1"]), "Unknown feature: foo");
    assert_refused(
        &run(&["feature-dependencies", "-f", "group.version=7"]),
        "Feature level 7 is not supported for feature group.version",
    );
    let (one, other) = (run(&["random-uuid"]).stdout, run(&["random-uuid"]).stdout);
    assert_eq!(one.trim_end().len(), 22);
    assert_ne!(one, other);
}
