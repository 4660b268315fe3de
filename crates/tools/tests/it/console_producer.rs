//! `console-producer`: what becomes of lines, of flags and of those that can't be delivered.

use crate::bed::{Bed, Ran, run_reading};

fn produce(bed: &Bed, topic: &str, more: &str, input: &str) -> Ran {
    let line = format!(
        "console-producer --bootstrap-server {} --topic {topic} {more}",
        bed.address()
    );
    let words: Vec<&str> = line.split_whitespace().collect();
    run_reading(&words, input.as_bytes())
}

fn produces(bed: &Bed, topic: &str, more: &str, input: &str) {
    let ran = produce(bed, topic, more, input);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""), "{more}");
}

/// The values in a topic of one partition, and with `more` what else is asked for.
fn values(bed: &Bed, topic: &str, count: usize, more: &str) -> Vec<String> {
    let line = format!("console-consumer --topic {topic} --from-beginning --max-messages {count} {more}");
    bed.prints_out(&line).lines().map(str::to_owned).collect()
}

#[test]
fn each_line_is_a_record_in_order() {
    let bed = Bed::start();
    let many: String = (0..20_000).map(|n| format!("line {n} of many\n")).collect();
    produces(
        &bed,
        "lines",
        "",
        &format!("one\ntwo\r\n\n vier ä\n{many}last without an end"),
    );
    let read = values(&bed, "lines", 20_005, "");
    assert_eq!(read[..4], ["one", "two", "", " vier ä"]);
    assert_eq!(
        (read[4].as_str(), read[20_003].as_str()),
        ("line 0 of many", "line 19999 of many")
    );
    assert_eq!(read[20_004], "last without an end");
    for (codec, more) in [
        ("gzip", "--compression-codec"),
        ("zstd", "--compression-codec zstd --batch-size 100"),
        ("lz4", "--compression-codec lz4 --request-required-acks 1 --sync"),
        ("acks0", "--request-required-acks 0 --timeout 0"),
    ] {
        produces(&bed, codec, more, "a\nb\n");
        assert_eq!(values(&bed, codec, 2, ""), ["a", "b"], "{more}");
    }
    produces(&bed, "nothing", "", "");
}

#[test]
fn keys_headers_and_nulls_stand_in_the_lines() {
    let bed = Bed::start();
    let all =
        "--reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=NULL";
    produces(
        &bed,
        "t",
        all,
        "h1:v1,h2:NULL\tk3\tthree\nNULL\tk4\tNULL\nNULL\tNULL\tfive\n",
    );
    let shown = "--formatter-property print.key=true --formatter-property print.headers=true";
    assert_eq!(
        values(&bed, "t", 3, shown),
        [
            "h1:v1,h2:null\tk3\tthree",
            "NO_HEADERS\tk4\tnull",
            "NO_HEADERS\tnull\tfive"
        ]
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("reader.properties");
    std::fs::write(&file, "parse.key=true\nkey.separator=::\n").unwrap();
    let config = format!("--reader-config {}", file.display());
    produces(&bed, "u", &config, "a::b:c\n");
    // What is on the command line counts for more.
    produces(
        &bed,
        "u",
        &format!("{config} --reader-property key.separator=:"),
        "a::b\n",
    );
    assert_eq!(
        values(&bed, "u", 2, "--formatter-property print.key=true"),
        ["a\tb:c", "a\t:b"]
    );
}

#[test]
fn a_line_that_is_wrong_ends_it_and_those_before_it_are_delivered() {
    let bed = Bed::start();
    let ran = produce(
        &bed,
        "t",
        "--reader-property parse.key=true",
        "k\tv\nno separator\nl\tw\n",
    );
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "org.apache.kafka.common.KafkaException: No key separator found on line number 2: 'no separator'\n  \
         hint: 1 of the 1 lines read before it are delivered\n"
    );
    assert_eq!(values(&bed, "t", 1, ""), ["v"]);
    let ran = produce(&bed, "t", "--reader-property parse.key=true --json", "no separator\n");
    assert_eq!(
        (ran.code, &*ran.out),
        (1, "{\"delivered\":0,\"failed\":0,\"unknown\":0}\n")
    );
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["hint"], "0 of the 0 lines read before it are delivered");
}

#[test]
fn lines_that_are_not_delivered_are_told() {
    let bed = Bed::start();
    bed.prints("topics --create --topic small --config max.message.bytes=200");
    let long = "x".repeat(1000);
    let input = format!("short\n{long}\nshort too\n");
    let ran = produce(&bed, "small", "--batch-size 1", &input);
    assert_eq!(ran.code, 0, "as Kafka's: {ran:?}");
    let error = "ERROR Error when sending message to topic small with error: \
                 org.apache.kafka.common.errors.RecordTooLargeException: ";
    assert!(ran.err.starts_with(error), "{}", ran.err);
    assert!(
        ran.err.contains("\nWARN 1 of 3 lines were not delivered to 127.0.0.1:"),
        "{}",
        ran.err
    );
    assert_eq!(values(&bed, "small", 2, ""), ["short", "short too"]);
    let ran = produce(&bed, "small", "--batch-size 1 --json", &input);
    assert_eq!(
        (ran.code, &*ran.out),
        (0, "{\"delivered\":2,\"failed\":1,\"unknown\":0}\n")
    );
    // One after the other, the first that fails is the last.
    let ran = produce(&bed, "small", "--sync", &input);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("error: org.apache.kafka.common.errors.RecordTooLargeException: "),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .ends_with("  hint: 1 of the 2 lines read before it are delivered\n"),
        "{}",
        ran.err
    );
    // Not even taken.
    let ran = produce(&bed, "small", "--producer-property max.request.size=500", &input);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out
            .starts_with("Warning: --producer-property is deprecated and will be removed in a future version. Use"),
        "{}",
        ran.out
    );
    assert!(
        ran.err
            .contains("which is the value of the max.request.size configuration."),
        "{}",
        ran.err
    );
}

#[test]
fn flags_are_checked_as_kafka_checks_them() {
    let bed = Bed::start();
    let refused = |more: &str, message: &str| {
        let ran = produce(&bed, "t", more, "never\n");
        assert_eq!(ran.code, 1, "{more}: {ran:?}");
        assert!(ran.err.starts_with(message), "{more}: {}", ran.err);
    };
    let both = "--property a=b --reader-property a=b";
    refused(
        both,
        "Options --reader-property and --property cannot be specified together.\n",
    );
    let both = "--producer-property a=b --command-property a=b";
    refused(
        both,
        "Options --command-property and --producer-property cannot be specified together.\n",
    );
    refused("--request-required-acks 7", "error: invalid value 7 for acks");
    refused(
        "--compression-codec brotli",
        "error: invalid value brotli for compression.type",
    );
    refused(
        "--reader-property headers.separator=:",
        "org.apache.kafka.common.KafkaException: headers.separator and",
    );
    refused(
        "--line-reader my.Reader",
        "java.lang.ClassNotFoundException: my.Reader\n  hint: ",
    );
    let ran = produce(&bed, "t", "--max-partition-memory-bytes 10", "");
    assert_eq!(
        ran.out,
        "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.\n"
    );
    let words = ["console-producer", "--topic", "t"];
    let ran = run_reading(&words, b"");
    assert!(
        ran.err
            .starts_with("Error while validating the bootstrap address\n  hint: "),
        "{}",
        ran.err
    );
    let words = ["console-producer", "--topic", "t", "--bootstrap-server", "localhost"];
    let ran = run_reading(&words, b"");
    assert!(
        ran.err
            .starts_with("Please provide valid host:port like host1:9091,host2:9092\n"),
        "{}",
        ran.err
    );
}

#[test]
fn why_it_waits_is_told() {
    let words = "console-producer --bootstrap-server 127.0.0.1:1 --topic t --max-block-ms 4500";
    let words: Vec<&str> = words.split(' ').collect();
    let ran = run_reading(&words, b"a line\n");
    assert_eq!(ran.code, 0, "as Kafka's: {ran:?}");
    let waits = "WARN still trying: no broker answers at `127.0.0.1:1` ";
    assert!(ran.err.starts_with(waits), "{}", ran.err);
    assert!(
        ran.err
            .contains("TimeoutException: Topic t not present in metadata after 4500 ms."),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .ends_with("WARN 1 of 1 lines were not delivered to 127.0.0.1:1\n"),
        "{}",
        ran.err
    );
}
