//! How command lines are read: joptsimple's manners, argparse's, and our own.

use crate::bed::{run, run_words};

/// Exit code 1, nothing on stdout, and this as the first line on stderr, before a hint.
fn assert_refused(line: &str, words: &str) {
    let words_of = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let typed = words_of(line);
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let ran = run_words(&typed);
    assert_eq!((ran.code, &*ran.out), (1, ""), "{line}: {}", ran.err);
    let (first, rest) = ran.err.split_once('\n').unwrap();
    assert_eq!(first, words, "{line}");
    assert!(rest.starts_with("  hint: "), "{line}: {rest}");
}

#[test]
fn joptsimple_complains_in_its_words() {
    const B: &str = "--bootstrap-server 127.0.0.1:1";
    for (line, words) in [
        ("topics {} --list --nonsense", "nonsense is not a recognized option"),
        ("topics {} -list -x", "x is not a recognized option"),
        ("topics {} --lis", "lis is not a recognized option"),
        ("topics {} --create --topic", "Option topic requires an argument"),
        (
            "configs {} --describe --topic a --topic b",
            "Found multiple arguments for option topic, but you asked for only one",
        ),
        (
            "get-offsets {} --nonsense",
            "Error occurred: nonsense is not a recognized option",
        ),
        ("delete-records {}", "Missing required argument \"[offset-json-file]\""),
    ] {
        assert_refused(&line.replace("{}", B), words);
    }
    let near = run("topics --bootstrap-servers x --list");
    assert!(
        near.err.ends_with("hint: did you mean `--bootstrap-server`?\n"),
        "{}",
        near.err
    );
}

#[test]
fn a_tool_that_can_not_run_bare_shows_its_help_then() {
    let ran = run("topics");
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.contains("Usage: klamm topics"), "{}", ran.err);
}

#[test]
fn argparse_complains_in_its_words() {
    for (line, words) in [
        ("storage", "kafka-storage: error: too few arguments"),
        (
            "storage fromat",
            "kafka-storage: error: invalid choice: 'fromat' (choose from 'info', 'format', 'version-mapping', \
             'feature-dependencies', 'random-uuid')",
        ),
        ("storage info", "kafka-storage: error: argument --config/-c is required"),
        (
            "storage info -c",
            "kafka-storage: error: argument --config/-c: expected one argument",
        ),
        (
            "storage format --foo",
            "kafka-storage: error: unrecognized arguments: '--foo'",
        ),
        (
            "storage random-uuid extra",
            "kafka-storage: error: unrecognized arguments: 'extra'",
        ),
        (
            "storage format -c x -t y --standalone --no-initial-controllers",
            "kafka-storage: error: argument --no-initial-controllers/-N: not allowed with argument --standalone/-s",
        ),
    ] {
        assert_refused(line, words);
    }
    assert!(run("storage fromat").err.ends_with("hint: did you mean `format`?\n"));
}

#[test]
fn argparse_takes_letters_and_beginnings() {
    let long = run("storage version-mapping --release-version 4.2");
    assert_eq!(long.code, 0);
    for line in [
        "version-mapping --rel 4.2",
        "version-mapping -r 4.2",
        "version-mapping -r4.2",
        "version-mapping --release-version=4.2",
    ] {
        assert_eq!(run(&format!("storage {line}")).out, long.out, "{line}");
    }
    let json = run("storage version-mapping -r 4.2 --json");
    assert!(
        json.out.starts_with('{') && json.out.contains("\"metadata.version\":29"),
        "{}",
        json.out
    );
}

#[test]
fn our_own_commands_report_in_our_form() {
    let ran = run("install-tools --froce /tmp/x");
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert_eq!(
        ran.err,
        "error: unexpected option `--froce`\n  hint: did you mean `--force`?\n"
    );
    assert_eq!(
        run("install-tools").err,
        "error: `DIR` is missing\n  hint: `klamm install-tools --help` shows the options\n"
    );
    assert_eq!(run("completions bash zsh").code, 2);
}

#[test]
fn errors_are_json_if_the_answer_would_be() {
    let ran = run("storage info -c /no/such --json");
    assert_eq!((ran.code, &*ran.out), (1, ""));
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert!(error["error"].as_str().unwrap().contains("/no/such"));
    let ran = run("topics --nonsense --json");
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"], "nonsense is not a recognized option");
}

#[test]
fn what_was_formatted_before_a_failure_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("server.properties");
    let text = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
                listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
                controller.quorum.bootstrap.servers=127.0.0.1:9093\n";
    std::fs::write(&config, text).unwrap();
    let line = format!(
        "storage format --standalone -t AAAAAAAAAAAAAAAAAAAAAQ -c {}",
        config.display()
    );
    let said = "Formatting the first of two directories.";
    let ran = run(&line);
    assert_eq!((ran.code, ran.out), (1, format!("{said}\n")), "{}", ran.err);
    let ran = run(&format!("{line} --json"));
    assert_eq!((ran.code, ran.out), (1, format!("{{\"lines\":[\"{said}\"]}}\n")));
    assert_eq!(ran.err, "{\"error\":\"no node here\"}\n");
}
