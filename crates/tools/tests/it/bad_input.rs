//! Every tool of the table, badly treated: wrong options, missing and broken files, no broker.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use klamm_tools::spec::{Flag, Hint, Kind, Manners, Tool, Value};
use klamm_tools::tools;

use crate::bed::{Bed, Ran, run_reading};

/// A command line of each tool, which works where `BROKER` is one and the topic `t` and `RECORDS` are there.
const LINES: &[(&str, &str)] = &[
    ("topics", "--bootstrap-server BROKER --list"),
    ("configs", "--bootstrap-server BROKER --describe --topic t"),
    ("get-offsets", "--bootstrap-server BROKER --topic t"),
    ("delete-records", "--bootstrap-server BROKER --offset-json-file RECORDS"),
    ("broker-api-versions", "--bootstrap-server BROKER"),
    (
        "console-producer",
        "--bootstrap-server BROKER --topic t --max-block-ms 300",
    ),
    (
        "producer-perf-test",
        "--bootstrap-server BROKER --topic t --num-records 2 --record-size 9 --throughput -1 --command-property max.block.ms=300",
    ),
    (
        "verifiable-producer",
        "--bootstrap-server BROKER --topic t --max-messages 2",
    ),
    (
        "console-consumer",
        "--bootstrap-server BROKER --topic t --from-beginning --timeout-ms 300",
    ),
    ("consumer-groups", "--bootstrap-server BROKER --list --timeout 300"),
    (
        "consumer-perf-test",
        "--bootstrap-server BROKER --topic t --num-records 1 --timeout 300",
    ),
    (
        "e2e-latency",
        "--bootstrap-server BROKER --topic t --num-records 2 --producer-acks 1 --record-size 9",
    ),
    (
        "verifiable-consumer",
        "--bootstrap-server BROKER --topic t --group-id g --max-messages 1",
    ),
    ("groups", "--bootstrap-server BROKER --list"),
    ("log-dirs", "--bootstrap-server BROKER --describe"),
    ("cluster", "cluster-id --bootstrap-server BROKER"),
    ("features", "--bootstrap-server BROKER describe"),
    ("metadata-quorum", "--bootstrap-server BROKER describe --status"),
    ("produce", "-b BROKER t -m 1"),
    ("consume", "-b BROKER t -e -m 1"),
    // Without a broker.
    ("start", ""),
    ("storage", "info"),
    ("dump-log", "--files /no/such/00000000000000000000.log"),
    ("install-tools", "/dev/null/dir"),
    ("completions", "bash"),
    ("man", "/dev/null/dir"),
];

/// Others, where a file of the tool belongs to another thing that it does.
const WITH_FILES: &[(&str, &str, &str)] = &[
    (
        "configs",
        "add-config-file",
        "--bootstrap-server BROKER --alter --topic t",
    ),
    (
        "consumer-groups",
        "from-file",
        "--bootstrap-server BROKER --reset-offsets --group g --dry-run",
    ),
    (
        "producer-perf-test",
        "payload-file",
        "--bootstrap-server BROKER --topic t --num-records 2 --throughput -1",
    ),
];

/// Those that go on trying when no broker answers, as Kafka's do.
const PATIENT: &[&str] = &[
    "verifiable-producer",
    "verifiable-consumer",
    "e2e-latency",
    "consumer-perf-test",
];

/// Gives up soon.
const FAST: &str = "request.timeout.ms=150\ndefault.api.timeout.ms=200\n";

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn with(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn tool(name: &str) -> &'static Tool {
    klamm_tools::tool(name).unwrap()
}

fn run(files: &Files, name: &str, line: &str, broker: &str, more: &[&str]) -> Ran {
    let records = files.with(
        "records.json",
        r#"{"partitions":[{"topic":"t","partition":0,"offset":0}],"version":1}"#,
    );
    let line = format!("{name} {line}")
        .replace("BROKER", broker)
        .replace("RECORDS", &records);
    let words: Vec<&str> = line.split_whitespace().chain(more.iter().copied()).collect();
    let begun = Instant::now();
    let ran = run_reading(&words, b"a line\n");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{words:?} took {:?}",
        begun.elapsed()
    );
    ran
}

/// Kafka's `consumer-groups` ends with 0 whatever happened after its options were read.
fn failed(what: &str, ran: &Ran) -> bool {
    ran.code == 1 || ran.code == 2 || (ran.code == 0 && what.starts_with("consumer-groups --"))
}

/// One message: a line on stderr or stdout, what it comes from and a hint, and no more.
fn told_once(what: &str, ran: &Ran) {
    assert!(failed(what, ran), "{what}: {ran:?}");
    let all: Vec<&str> = ran
        .out
        .lines()
        .chain(ran.err.lines())
        .filter(|line| !line.is_empty())
        .collect();
    let beside = ["  hint: ", "  from: ", "Reading payloads from: "];
    let notes = all
        .iter()
        .filter(|line| line.contains(" deprecated") || beside.iter().any(|begin| line.starts_with(begin)));
    assert!(all.len() - notes.count() == 1, "{what}: {ran:?}");
    assert!(!ran.err.contains("panicked"), "{what}: {ran:?}");
}

fn as_json(what: &str, ran: &Ran) {
    assert!(failed(what, ran), "{what}: {ran:?}");
    assert_eq!(ran.out.trim(), "", "{what}");
    let error: serde_json::Value = serde_json::from_str(ran.err.lines().last().unwrap_or_default())
        .unwrap_or_else(|why| panic!("{what}: {why}: {ran:?}"));
    assert!(error["error"].is_string(), "{what}: {error}");
}

#[test]
fn every_tool_that_connects_is_treated() {
    let named: BTreeSet<&str> = LINES.iter().map(|(name, _)| *name).collect();
    for tool in tools() {
        assert!(
            named.contains(tool.name) || !tool.has_flag("bootstrap-server"),
            "{}",
            tool.name
        );
    }
    assert!(named.iter().all(|name| klamm_tools::tool(name).is_some()));
}

#[test]
fn a_wrong_option_is_named_with_a_hint() {
    let files = Files::new();
    for tool in tools() {
        let commands = tool.commands.iter().map(|command| command.name);
        for command in std::iter::once("").chain(commands) {
            let what = format!("{} {command}", tool.name);
            let ran = run(&files, tool.name, command, "", &["--no-such-option"]);
            told_once(&what, &ran);
            assert!(ran.err.contains("no-such-option"), "{what}: {ran:?}");
            assert!(ran.err.contains("  hint: "), "{what}: {ran:?}");
            let expected = if tool.manners == Manners::Own { 2 } else { 1 };
            assert_eq!(ran.code, expected, "{what}");
            as_json(
                &what,
                &run(&files, tool.name, command, "", &["--no-such-option", "--json"]),
            );
        }
    }
}

/// The flags of a tool, and of the sub-command in the line, that name a file and are not in the line.
fn file_flags(tool: &Tool, line: &str) -> Vec<Flag> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = tool.commands.iter().find(|command| words.contains(&command.name));
    let own = command.map_or(&[][..], |command| command.flags);
    let flags = tool.flags.iter().chain(own).filter(|flag| {
        let file = matches!(flag.value, Value::One(Kind::Text(Hint::File), _));
        file && !words.contains(&&*format!("--{}", flag.name))
    });
    flags.copied().collect()
}

/// A sub-command's own option stands behind it, one of the tool before it.
fn with_option(tool: &Tool, flag: &str, value: &str, line: &str) -> String {
    match tool.flags.iter().any(|own| own.name == flag) {
        true => format!("--{flag} {value} {line}"),
        false => format!("{line} --{flag} {value}"),
    }
}

#[test]
fn a_file_that_is_missing_or_broken_is_named() {
    let files = Files::new();
    let broken = files.with("broken.properties", "a=\\u12\n");
    let mut tried = 0;
    // The file of `start` is read by the binary.
    for (name, line) in LINES.iter().filter(|(name, _)| *name != "start") {
        for flag in file_flags(tool(name), line) {
            let what = format!("{name} --{}", flag.name);
            let other = WITH_FILES.iter().find(|(of, with, _)| of == name && *with == flag.name);
            let line = other.map_or(line, |(_, _, line)| line);
            let with = |file: &str| with_option(tool(name), flag.name, file, line);
            let ran = run(&files, name, &with("/no/such/file"), "127.0.0.1:1", &[]);
            told_once(&what, &ran);
            let named = ran.out.contains("/no/such/file") || ran.err.contains("/no/such/file");
            assert!(named, "{what}: {ran:?}");
            as_json(
                &what,
                &run(&files, name, &with("/no/such/file"), "127.0.0.1:1", &["--json"]),
            );
            if flag.name.contains("config") {
                let ran = run(&files, name, &with(&broken), "127.0.0.1:1", &[]);
                told_once(&what, &ran);
                let named = ran.out.contains("broken.properties") || ran.err.contains("broken.properties");
                assert!(named, "{what}: {ran:?}");
            }
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
}

#[test]
fn json_that_is_none_is_told() {
    let files = Files::new();
    for text in [
        "",
        "{",
        "[]",
        "7",
        "{\"partitions\":7}",
        "{\"partitions\":[{}]}",
        "{\"partitions\":[{\"topic\":\"t\"}]}",
        "\u{feff}",
    ] {
        let path = files.with("wrong.json", text);
        let line = format!("--bootstrap-server BROKER --offset-json-file {path}");
        let ran = run(&files, "delete-records", &line, "127.0.0.1:1", &[]);
        told_once(text, &ran);
        as_json(text, &run(&files, "delete-records", &line, "127.0.0.1:1", &["--json"]));
    }
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let files = Files::new();
    let fast = files.with("fast.properties", FAST);
    for (name, line) in LINES
        .iter()
        .filter(|(name, line)| line.contains("BROKER") && !PATIENT.contains(name))
    {
        let line = match tool(name).has_flag("command-config") {
            true => with_option(tool(name), "command-config", &fast, line),
            false => (*line).to_owned(),
        };
        let ran = run(&files, name, &line, "127.0.0.1:1", &[]);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(all.contains("127.0.0.1:1"), "{name}: {ran:?}");
        assert!(!all.contains("panicked"), "{name}: {ran:?}");
        // Kafka's end with success when they were only to wait for so long.
        let waits = [
            "console-consumer",
            "console-producer",
            "producer-perf-test",
            "delete-records",
            "consumer-groups",
        ]
        .contains(name);
        assert!(ran.code == 1 || waits, "{name}: {ran:?}");
    }
}

#[test]
fn each_answers_in_json() {
    let files = Files::new();
    let bed = Bed::start();
    bed.prints("topics --create --topic t");
    bed.run("consumer-groups --group g --topic t --reset-offsets --to-earliest --execute");
    for (name, line) in LINES.iter().filter(|(_, line)| line.contains("BROKER")) {
        let ran = run(&files, name, line, bed.address(), &["--json"]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        for line in ran.out.lines() {
            let read = serde_json::from_str::<serde_json::Value>(line);
            assert!(read.is_ok(), "{name}: {line}");
        }
    }
}
