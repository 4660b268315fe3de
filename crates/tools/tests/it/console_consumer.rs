//! `console-consumer`: what it prints, where it begins and how it ends.

use klamm_client::{Producer, Record};

use crate::bed::{Bed, Ran, run};

/// Three records in partition 1, two in partition 0.
fn fill(bed: &Bed, topic: &str) {
    let created = bed.run(&format!("topics --create --topic {topic} --partitions 2"));
    assert_eq!(created.code, 0, "{created:?}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let producer = Producer::builder(bed.address()).build().await.unwrap();
        let records = [
            Record::to(topic).key("k1").value("one").partition(1),
            Record::to(topic).key("k2").value("two").partition(1),
            Record::to(topic)
                .key("k3")
                .value("three")
                .header("h1", "v1")
                .null_header("h2")
                .partition(0),
            Record::to(topic).key("k4").partition(0),
            Record::to(topic).value(7i64.to_be_bytes().to_vec()).partition(1),
        ];
        for record in records {
            producer.send(record.timestamp(1_700_000_000_000)).await.unwrap();
        }
        producer.close().await.unwrap();
    });
}

fn sorted(out: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    lines
}

fn ended(ran: &Ran, count: usize) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.ends_with(&format!("Processed a total of {count} messages\n")),
        "{ran:?}"
    );
}

#[test]
fn records_are_printed_with_what_is_asked_for() {
    let bed = Bed::start();
    fill(&bed, "t");
    let ran = bed.run("console-consumer --topic t --partition 1 --offset earliest --max-messages 2");
    ended(&ran, 2);
    assert_eq!(ran.out, "one\ntwo\n");
    assert_eq!(ran.err, "Processed a total of 2 messages\n");

    let ran = bed.run(
        "console-consumer --topic t --partition 0 --from-beginning --max-messages 2 --formatter-property print.key=true \
         --formatter-property print.timestamp=true --formatter-property print.partition=true --formatter-property print.offset=true \
         --formatter-property print.headers=true --formatter-property print.epoch=true",
    );
    ended(&ran, 2);
    assert_eq!(
        ran.out,
        "CreateTime:1700000000000\tPartition:0\tOffset:0\tEpoch:NOT_PRESENT\th1:v1,h2:null\tk3\tthree\n\
         CreateTime:1700000000000\tPartition:0\tOffset:1\tEpoch:NOT_PRESENT\tNO_HEADERS\tk4\tnull\n"
    );

    let ran = bed.run(
        "console-consumer --topic t --partition 0 --offset 0 --timeout-ms 300 --formatter-property print.value=false \
         --formatter-property print.key=true --property key.separator=:",
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err
            .starts_with("Options --property and --formatter-property cannot be specified together."),
        "{}",
        ran.err
    );
    let ran = bed.run("console-consumer --topic t --partition 0 --offset 0 --timeout-ms 300 --property print.key=true");
    ended(&ran, 2);
    assert!(ran.out.ends_with("k3\tthree\nk4\tnull\n"), "{}", ran.out);
    assert!(
        ran.err.contains("org.apache.kafka.common.errors.TimeoutException\n"),
        "{}",
        ran.err
    );
    let ran = bed.run(
        "console-consumer --topic t --partition 1 --offset 2 --max-messages 1 --value-deserializer \
         org.apache.kafka.common.serialization.LongDeserializer",
    );
    assert_eq!(ran.out, "7\n");
    let ran = bed.run("console-consumer --topic t --partition 0 --offset 0 --max-messages 1 --json");
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&json["value"], &json["headers"][1]["value"]),
        (&"three".into(), &serde_json::Value::Null)
    );
}

#[test]
fn all_partitions_are_read_alone_and_in_a_group() {
    let bed = Bed::start();
    fill(&bed, "all");
    for way in ["", "--group g", "--group g2 --isolation-level read_committed"] {
        let ran = bed.run(&format!(
            "console-consumer --topic all --from-beginning --max-messages 4 {way}"
        ));
        ended(&ran, 4);
        assert_eq!(ran.out.lines().count(), 4, "{}", ran.out);
    }
    // The group goes on after what was printed.
    let ran = bed.run("console-consumer --topic all --group g --from-beginning --timeout-ms 5000 --max-messages 1");
    ended(&ran, 1);
    // Also in the partitions of which nothing was.
    for count in [1, 4] {
        let ran = bed.run(&format!(
            "console-consumer --topic all --group g3 --from-beginning --timeout-ms 5000 --max-messages {count}"
        ));
        ended(&ran, count);
    }
    let ran =
        bed.run("console-consumer --include al. --from-beginning --max-messages 5 --formatter NoOpMessageFormatter");
    ended(&ran, 5);
    assert_eq!(ran.out, "");
    let ran = bed.run("console-consumer --topic all --timeout-ms 300");
    ended(&ran, 0);
    let ran = bed.run("console-consumer --topic missing --timeout-ms 300");
    ended(&ran, 0);
}

#[test]
fn kafkas_own_topics_have_formatters() {
    let bed = Bed::start();
    fill(&bed, "own");
    bed.run("console-consumer --topic own --from-beginning --max-messages 5 --group committed");
    let ran = bed.run(
        "console-consumer --topic __consumer_offsets --from-beginning --timeout-ms 1000 --formatter \
         org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
    );
    let expected = r#"{"key":{"type":1,"data":{"group":"committed","topic":"own","partition":1}},"value":{"version":"#;
    assert!(ran.out.contains(expected), "{}", ran.out);
    let ran = bed.run(
        "console-consumer --topic __consumer_offsets --from-beginning --timeout-ms 1000 --formatter \
         org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
    );
    let expected = r#"{"key":{"type":2,"data":{"group":"committed"}},"value":{"version":"#;
    assert!(ran.out.contains(expected), "{}", ran.out);
    assert!(!ran.out.contains(r#""type":1"#));
}

#[test]
fn mistakes_are_told_in_kafkas_words() {
    for (line, words) in [
        (
            "",
            "Exactly one of the following arguments is required: [topic], [include]",
        ),
        (
            "--topic a --include b",
            "Exactly one of the following arguments is required: [topic], [include]",
        ),
        (
            "--include a --partition 1",
            "The topic is required when partition is specified.",
        ),
        (
            "--topic a --offset 1",
            "The partition is required when offset is specified.",
        ),
        (
            "--topic a --partition 1 --offset -1",
            "The provided offset value '-1' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.",
        ),
        (
            "--topic a --partition 1 --group g",
            "Options group and partition cannot be specified together.",
        ),
        (
            "--topic a --partition 1 --offset 1 --from-beginning",
            "Options from-beginning and offset cannot be specified together.",
        ),
        (
            "--topic a --from-beginning --command-property auto.offset.reset=latest",
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option",
        ),
        (
            "--topic a --group b --command-property group.id=c",
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: 'b', 'c'",
        ),
        ("--topic a --formatter Unknown", "Unknown"),
        (
            "--topic a --property a=b --formatter-property a=b",
            "Options --property and --formatter-property cannot be specified together.",
        ),
        (
            "--topic a --consumer-property a=b --command-property a=b",
            "Options --consumer-property and --command-property cannot be specified together.",
        ),
        (
            "--topic a --consumer.config missing --command-config missing",
            "Options --consumer.config and --command-config cannot be specified together.",
        ),
    ] {
        let ran = run(&format!("console-consumer --bootstrap-server localhost:1 {line}"));
        assert_eq!((ran.code, ran.err.lines().next()), (1, Some(words)), "{line}");
    }
    let ran = run("console-consumer --bootstrap-server localhost:1 --topic a --timeout-ms 200");
    assert!(
        ran.err.starts_with("WARN still trying: no broker answers at"),
        "{}",
        ran.err
    );
    ended(&ran, 0);
}

#[test]
fn lines_come_in_the_order_of_partitions() {
    let bed = Bed::start();
    fill(&bed, "order");
    let ran = bed
        .run("console-consumer --topic order --from-beginning --timeout-ms 500 --formatter-property print.offset=true");
    ended(&ran, 5);
    let lines = sorted(&ran.out);
    assert!(
        lines.contains(&"Offset:1\ttwo") && lines.contains(&"Offset:1\tnull"),
        "{lines:?}"
    );
}

#[test]
fn old_names_are_told_beside_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("consumer.properties");
    std::fs::write(&file, "client.id=me\n").unwrap();
    let file = file.display();
    let line = format!(
        "console-consumer --bootstrap-server localhost:1 --topic a --timeout-ms 200 --property a=b \
         --consumer.config {file} --consumer-property a=b"
    );
    let told: String = [
        ("consumer-property", "command-property"),
        ("consumer.config", "command-config"),
        ("property", "formatter-property"),
    ]
    .map(|(old, new)| {
        format!("Option --{old} is deprecated and will be removed in a future version. Use --{new} instead.\n")
    })
    .concat();
    assert_eq!(run(&line).out, told);
    let json = run(&format!("{line} --json"));
    assert_eq!(json.out, "", "no JSON");
    assert!(json.err.starts_with(&told), "{}", json.err);
}

#[test]
fn a_pattern_may_begin_with_what_is_not_meant() {
    let bed = Bed::start();
    fill(&bed, "orders");
    fill(&bed, "other");
    let ran = bed.run("console-consumer --include (?!oth).* --from-beginning --timeout-ms 1500 --json");
    assert!(ran.out.contains("\"topic\":\"orders\""), "{}", ran.out);
    assert!(!ran.out.contains("\"topic\":\"other\""), "{}", ran.out);
    let group = bed.run("console-consumer --include (?!oth).* --group g --timeout-ms 1500");
    assert_eq!(group.code, 1);
    assert!(
        group
            .err
            .contains("error: look-around in a pattern is not supported together with a group\n"),
        "{}",
        group.err
    );
    let elsewhere = bed.run("console-consumer --include o(?!th).* --timeout-ms 1500");
    assert!(
        elsewhere.err.contains(
            "error: `o(?!th).*` is no pattern for topics: look-around is not supported, except for (?!…) in front\n"
        ),
        "{}",
        elsewhere.err
    );
}
