//! `klamm dump-log` on files of a node, whole and damaged. Transactions and other groups' records are in the comparison with
//! Kafka's tool.

use std::fs;
use std::path::PathBuf;

use crate::bed::{Bed, Ran, run, run_reading};

/// The directory of a partition with three records in three batches.
fn partition(bed: &Bed) -> PathBuf {
    bed.prints("topics --create --topic t");
    let address = bed.address();
    let words = [
        "console-producer",
        "--bootstrap-server",
        address,
        "--topic",
        "t",
        "--sync",
    ];
    assert_eq!(run_reading(&words, b"one\ntwo\nthree\n").code, 0);
    bed.data_dir().join("t-0")
}

const SEGMENT: &str = "00000000000000000000.log";

fn dump(file: &std::path::Path, flags: &str) -> Ran {
    run(&format!("dump-log --files {} {flags}", file.display()))
}

#[test]
fn segments_are_shown_by_batch_and_by_record() {
    let bed = Bed::start();
    let segment = partition(&bed).join(SEGMENT);
    let batches = dump(&segment, "");
    assert_eq!((batches.code, &*batches.err), (0, ""));
    let lines: Vec<&str> = batches.out.lines().collect();
    assert_eq!(
        lines[..2],
        [&*format!("Dumping {}", segment.display()), "Log starting offset: 0"]
    );
    assert!(
        lines[2].starts_with("baseOffset: 0 lastOffset: 0 count: 1 baseSequence: 0 lastSequence: 0 "),
        "{}",
        lines[2]
    );
    assert!(
        lines[4].contains(" position: 142 ") && lines[4].ends_with(" isvalid: true"),
        "{}",
        lines[4]
    );
    assert_eq!(lines.len(), 5);

    let records = dump(&segment, "--print-data-log --skip-record-metadata");
    let payloads: Vec<&str> = records.out.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(payloads, ["| payload: one", "| payload: two", "| payload: three"]);
    let bytes = dump(&segment, "--value-decoder-class default --skip-record-metadata");
    assert!(bytes.out.contains("| payload: 6f6e65\n"));
    let json = dump(&segment, "--print-data-log --json").out;
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["payload"]), (&"record".into(), &"three".into()));
    let few = dump(&segment, "--max-bytes 100");
    assert_eq!(few.out.lines().count(), 3, "one whole batch");
}

#[test]
fn damage_is_told_and_what_is_whole_is_shown() {
    let bed = Bed::start();
    let whole = fs::read(partition(&bed).join(SEGMENT)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let segment = dir.path().join(SEGMENT);
    let damaged = |change: &dyn Fn(&mut Vec<u8>), flags: &str| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&segment, bytes).unwrap();
        dump(&segment, flags)
    };
    let torn = damaged(&|bytes| bytes.truncate(180), "");
    assert_eq!(torn.code, 0);
    assert!(
        torn.out
            .ends_with("Found 38 invalid bytes at the end of 00000000000000000000.log\n"),
        "{}",
        torn.out
    );
    let flipped = damaged(&|bytes| bytes[68] ^= 1, "");
    assert!(
        flipped
            .out
            .lines()
            .nth(2)
            .is_some_and(|line| line.ends_with(" isvalid: false"))
    );
    assert!(
        flipped
            .out
            .lines()
            .nth(3)
            .is_some_and(|line| line.ends_with(" isvalid: true"))
    );
    let short = damaged(&|bytes| bytes[8..12].fill(0), "");
    assert_eq!((short.code, short.out.lines().count()), (1, 2));
    assert!(
        short
            .err
            .contains("Found record size 0 smaller than minimum record overhead (14)"),
        "{}",
        short.err
    );
    // A length that claims more than there is allocates nothing.
    let long = damaged(
        &|bytes| bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes()),
        "--deep-iteration",
    );
    assert_eq!(long.code, 0);
    assert!(long.out.contains("invalid bytes at the end"), "{}", long.out);
    // No byte of the header brings it down.
    for at in 0..61 {
        for flags in ["", "--deep-iteration"] {
            let ran = damaged(&|bytes| bytes[at] ^= 0xff, flags);
            assert!(ran.code <= 1, "byte {at}");
            assert_eq!(ran.code == 1, ran.err.starts_with("error: "), "byte {at}: {}", ran.err);
        }
    }
}

#[test]
fn the_nodes_own_records_are_decoded() {
    let bed = Bed::start();
    partition(&bed);
    bed.prints("consumer-groups --reset-offsets --group g --topic t --to-earliest --execute");
    let metadata = dump(
        &bed.data_dir().join("__cluster_metadata-0").join(SEGMENT),
        "--cluster-metadata-decoder --skip-record-metadata",
    );
    assert_eq!((metadata.code, &*metadata.err), (0, ""));
    assert!(
        metadata
            .out
            .contains("{\"type\":\"TOPIC_RECORD\",\"version\":0,\"data\":{\"name\":\"t\""),
        "{}",
        metadata.out
    );
    let commits: Vec<String> = (0..50)
        .map(|partition| {
            bed.data_dir()
                .join(format!("__consumer_offsets-{partition}"))
                .join(SEGMENT)
        })
        .map(|segment| dump(&segment, "--offsets-decoder --skip-record-metadata").out)
        .filter(|shown| shown.contains("| key: "))
        .collect();
    assert_eq!(commits.len(), 1);
    let key =
        "| key: {\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":0}} payload: {\"version\":";
    assert!(commits[0].contains(key), "{}", commits[0]);
}

#[test]
fn what_is_no_file_of_a_partition_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dump(&dir.path().join(SEGMENT), "");
    assert_eq!(missing.code, 1);
    assert!(missing.err.starts_with("error: can't open `"), "{}", missing.err);
    let other = dir.path().join("notes.txt");
    fs::write(&other, "x").unwrap();
    let ignored = dump(&other, "");
    assert_eq!(ignored.code, 0);
    assert_eq!(ignored.err, format!("Ignoring unknown file {}\n", other.display()));
    let named = dir.path().join("segment.log");
    fs::write(&named, "x").unwrap();
    assert!(dump(&named, "").err.contains("is not named after an offset"));
    let ran = run("dump-log --files x.log --value-decoder-class no.such.Decoder --print-data-log");
    assert_eq!(ran.code, 1);
}

#[test]
fn a_file_that_fails_hides_nothing_of_those_before() {
    let bed = Bed::start();
    let dir = tempfile::tempdir().unwrap();
    fs::copy(partition(&bed).join(SEGMENT), dir.path().join(SEGMENT)).unwrap();
    let index = dir.path().join("00000000000000000000.index");
    fs::write(&index, [0, 0, 0, 9, 0, 0, 0, 0]).unwrap();
    let ran = dump(&index, "");
    let mismatch = "  Index offset: 9, log offset: 0\n";
    assert!((ran.code, ran.err.ends_with(mismatch)) == (0, true), "{}", ran.err);
    let missing = dir.path().join("missing.log");
    let both = format!("{},{}", index.display(), missing.display());
    let ran = dump(both.as_ref(), "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.starts_with(&format!("Dumping {}\n", index.display())),
        "{}",
        ran.out
    );
    assert!(ran.err.contains(&format!("{mismatch}error: ")), "{}", ran.err);
    let json = dump(both.as_ref(), "--json");
    let mut kinds = json
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let last = kinds.next_back().unwrap();
    assert_eq!(last["type"], "index-mismatch", "{}", json.out);
    assert!(json.err.starts_with("{\"error\":"), "{}", json.err);
}

#[test]
fn offsets_beyond_the_greatest_bring_nothing_down() {
    let bed = Bed::start();
    let whole = fs::read(partition(&bed).join(SEGMENT)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = |suffix: &str| dir.path().join(format!("{}.{suffix}", i64::MAX));
    let mut bytes = whole.clone();
    bytes[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    fs::write(file("log"), bytes).unwrap();
    fs::write(file("index"), [0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
    fs::write(file("timeindex"), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]).unwrap();
    for (suffix, flags) in [
        ("log", "--deep-iteration"),
        ("index", ""),
        ("index", "--index-sanity-check"),
        ("timeindex", ""),
        ("timeindex", "--index-sanity-check"),
    ] {
        let ran = dump(&file(suffix), flags);
        assert!(ran.code <= 1, "{suffix} {flags}");
        assert!(ran.out.starts_with("Dumping "), "{suffix} {flags}: {}", ran.out);
    }
}
