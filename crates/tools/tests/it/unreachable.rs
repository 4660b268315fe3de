//! No broker, no file, no reader.

use std::fs;

use crate::bed::{Bed, run, run_into_closed_pipe, run_words};

/// Settings that give up soon.
fn impatient() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fast.properties");
    fs::write(&path, "request.timeout.ms=150\ndefault.api.timeout.ms=200\n").unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn a_broker_that_is_not_there_is_told_in_kafkas_words_and_with_a_hint() {
    let (dir, fast) = impatient();
    let records = dir.path().join("records.json");
    fs::write(&records, r#"{"partitions":[{"topic":"t","partition":0,"offset":1}]}"#).unwrap();
    let at = format!("--bootstrap-server 127.0.0.1:1 --command-config {fast}");
    let topics = run(&format!("topics {at} --list"));
    assert_eq!(topics.code, 1);
    assert_eq!(
        topics.out,
        "Error while executing topic command : Timed out waiting for a node assignment. Call: listTopics\n"
    );
    assert!(
        topics.err.starts_with("  hint: no broker answers at `127.0.0.1:1`"),
        "{}",
        topics.err
    );
    for (line, stream_has) in [
        (
            format!("get-offsets {at} --topic t"),
            "Error occurred: Timed out waiting for a node assignment. Call: listTopics",
        ),
        (
            format!("configs {at} --describe --topic t"),
            "Error while executing config command with args '",
        ),
        (
            format!("broker-api-versions {at}"),
            "Request METADATA failed on brokers [127.0.0.1:1 (id: -1 rack: null isFenced: false)]",
        ),
    ] {
        let ran = run(&line);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}: {}", ran.err);
        assert!(ran.err.starts_with(stream_has), "{line}: {}", ran.err);
        assert!(
            ran.err.contains("  hint: no broker answers at `127.0.0.1:1`"),
            "{line}: {}",
            ran.err
        );
    }
    let delete = run(&format!("delete-records {at} --offset-json-file {}", records.display()));
    assert!(
        delete
            .out
            .contains("partition: t-0\terror: org.apache.kafka.common.errors.TimeoutException"),
        "{}",
        delete.out
    );
}

#[test]
fn addresses_that_are_none_are_told() {
    let topics = run("topics --bootstrap-server bad --list");
    assert_eq!(topics.code, 1);
    assert!(
        topics
            .err
            .starts_with("Failed to create new KafkaAdminClient\n  hint: "),
        "{}",
        topics.err
    );
    let versions = run("broker-api-versions --bootstrap-server bad");
    assert_eq!(
        (versions.code, &*versions.err),
        (1, "Invalid url in bootstrap.servers: bad\n")
    );
    let offsets = run("get-offsets --bootstrap-server bad");
    assert!(
        offsets
            .err
            .starts_with("Please provide valid host:port like host1:9091,host2:9092\n"),
        "{}",
        offsets.err
    );
}

#[test]
fn files_that_are_missing_or_wrong_are_told() {
    let at = "--bootstrap-server 127.0.0.1:1";
    for line in [
        format!("topics {at} --list --command-config /no/such"),
        format!("configs {at} --describe --topic t --command-config /no/such"),
        format!("configs {at} --alter --topic t --add-config-file /no/such"),
    ] {
        let ran = run(&line);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert!(
            ran.err.starts_with("error: ") && ran.err.contains("/no/such"),
            "{line}: {}",
            ran.err
        );
        assert!(ran.err.contains("  from: `--"), "{line}: {}", ran.err);
    }
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    let missing = run(&format!("delete-records {at} --offset-json-file /no/such"));
    assert!(
        missing.err.starts_with("Unable to read file /no/such\n  hint: "),
        "{}",
        missing.err
    );
    let ran = run(&format!("delete-records {at} --offset-json-file {}", broken.display()));
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(
        ran.err.starts_with("The input string is not a valid JSON\n"),
        "{}",
        ran.err
    );
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 2");
    let at = format!("--bootstrap-server {}", bed.address());
    for line in [
        format!("topics {at} --list"),
        format!("topics {at} --describe"),
        format!("configs {at} --describe --broker 1 --all"),
        format!("get-offsets {at}"),
        format!("broker-api-versions {at} --json"),
        "completions bash".to_owned(),
        "topics --help".to_owned(),
        "--help".to_owned(),
    ] {
        let ran = run_into_closed_pipe(&line);
        let expected = u8::from(line == "topics --help");
        assert_eq!((ran.code, &*ran.err), (expected, ""), "{line}");
    }
    assert_eq!(run_words(&["storage", "random-uuid"]).code, 0);
}
