//! `klamm get-offsets`, `delete-records` and `broker-api-versions` against a node.

use std::fs;

use crate::bed::{Bed, run};

#[test]
fn offsets_of_partitions_are_printed() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 3");
    bed.prints("topics --create --topic other");
    assert_eq!(bed.prints("get-offsets"), "other:0:0\nt:0:0\nt:1:0\nt:2:0\n");
    assert_eq!(
        bed.prints("get-offsets --topic t --time earliest --partitions 0,2"),
        "t:0:0\nt:2:0\n"
    );
    assert_eq!(
        bed.prints("get-offsets --topic-partitions t:1-,other"),
        "other:0:0\nt:1:0\nt:2:0\n"
    );
    assert_eq!(
        bed.prints("get-offsets --topic t --time -3"),
        "",
        "no record has the highest timestamp"
    );
    assert_eq!(bed.prints("get-offsets --topic t --time 5"), "", "no record is as late");
    assert_eq!(
        bed.prints("get-offsets --topic other --json"),
        "{\"offset\":0,\"partition\":0,\"topic\":\"other\"}\n"
    );
    let none = bed.run("get-offsets --topic nothing");
    assert_eq!(none.code, 1);
    let words = "Error occurred: Could not match any topic-partitions with the specified filters";
    assert_eq!(none.err.lines().next(), Some(words));
}

#[test]
fn what_get_offsets_refuses() {
    const B: &str = "get-offsets --bootstrap-server 127.0.0.1:1";
    for (line, words) in [
        (
            "--topic t --topic-partitions t",
            "Error occurred: --topic-partitions cannot be used with --topic or --partitions",
        ),
        (
            "--time x",
            "Error occurred: Malformed time argument x. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
             earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp",
        ),
        (
            "--partitions x",
            "Error occurred: --partitions expects a comma separated list of numeric partition ids, but received: x",
        ),
        (
            "--topic-partitions t:x",
            "Error occurred: org.apache.kafka.tools.TerseException: Invalid rule specification: t:x",
        ),
        ("--topic a(", "Error occurred: a( is an invalid regex."),
    ] {
        let ran = run(&format!("{B} {line}"));
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert_eq!(ran.err.lines().next(), Some(words), "{line}");
    }
    let nowhere = run("get-offsets --topic t");
    assert_eq!(
        nowhere.err.lines().next(),
        Some("Missing required argument \"[bootstrap-server]\"")
    );
}

#[test]
fn records_are_deleted_as_a_file_says() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.json");
    fs::write(
        &path,
        r#"{"partitions":[{"topic":"t","partition":0,"offset":0}],"version":1}"#,
    )
    .unwrap();
    let done = bed.prints(&format!("delete-records --offset-json-file {}", path.display()));
    assert_eq!(
        done,
        "Executing records delete operation\nRecords delete operation completed:\npartition: t-0\tlow_watermark: 0\n"
    );
    fs::write(&path, r#"{"partitions":[{"topic":"t","partition":0,"offset":9}]}"#).unwrap();
    let failed = bed.prints(&format!("delete-records --offset-json-file {}", path.display()));
    assert!(
        failed.ends_with(
            "partition: t-0\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: The requested offset is not \
             within the range of offsets maintained by the server.\n"
        ),
        "{failed}"
    );
}

#[test]
fn versions_of_every_broker_are_printed() {
    let bed = Bed::start();
    let text = bed.prints("broker-api-versions");
    let first = format!(
        "{} (id: 1 rack: null isFenced: false) -> (\n\tProduce(0): 0 to ",
        bed.address()
    );
    assert!(text.starts_with(&first), "{text}");
    assert!(
        text.ends_with("\n)\n") && text.contains("\n\tSaslHandshake(17): UNSUPPORTED,\n"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&bed.prints("broker-api-versions --json")).unwrap();
    assert_eq!(json["broker"], 1);
    assert_eq!(json["apis"][0]["name"], "Produce");
}
