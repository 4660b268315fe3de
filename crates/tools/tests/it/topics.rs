//! `klamm topics` against a node.

use crate::bed::{Bed, Ran, run, without_ids};

/// Exit code 1 and the sentence on stdout, as Kafka's tool has it.
fn assert_told(ran: &Ran, words: &str) {
    let expected = format!("Error while executing topic command : {words}\n");
    assert_eq!((ran.code, &*ran.out), (1, &*expected), "{}", ran.err);
}

#[test]
fn topics_are_created_listed_described_altered_and_deleted() {
    let bed = Bed::start();
    let created =
        bed.prints("topics --create --topic t --partitions 3 --replication-factor 1 --config retention.ms=86400000");
    assert_eq!(created, "Created topic t.\n");
    let warned = bed.prints("topics --create --topic a.b_c");
    assert_eq!(
        warned,
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid \
         issues it is best to use either, but not both.\nCreated topic a.b_c.\n"
    );
    assert_eq!(
        bed.prints("topics --create --topic placed --replica-assignment 1,1"),
        "Created topic placed.\n"
    );
    assert_eq!(bed.prints("topics --list"), "a.b_c\nplaced\nt\n");
    assert_eq!(
        bed.prints("topics --list --topic t|pla.* --exclude-internal"),
        "placed\nt\n"
    );
    assert_eq!(
        bed.prints("topics --list --topic nothing"),
        "\n",
        "as Kafka's: a line without a name"
    );
    assert_eq!(bed.prints("topics --create --topic t --if-not-exists"), "");

    assert_eq!(bed.prints("topics --alter --topic placed --partitions 3"), "");
    let described = without_ids(&bed.prints("topics --describe --topic t,placed"));
    assert_reads(
        &described,
        "Topic: placed\tTopicId: ID\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: min.insync.replicas=1
\tTopic: placed\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
\tTopic: placed\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
\tTopic: placed\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
Topic: t\tTopicId: ID\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: min.insync.replicas=1,retention.ms=86400000
\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
\tTopic: t\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
\tTopic: t\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: 
",
    );
    let overrides = without_ids(&bed.prints("topics --describe --topics-with-overrides --topic t"));
    assert_eq!(overrides.lines().count(), 1, "{overrides}");
    assert_eq!(bed.prints("topics --describe --under-replicated-partitions"), "");
    assert_eq!(bed.prints("topics --describe --under-min-isr-partitions"), "");
    assert_eq!(bed.prints("topics --describe --unavailable-partitions"), "");
    assert_eq!(
        bed.prints("topics --describe --at-min-isr-partitions").lines().count(),
        7
    );
    let paged = bed.prints("topics --describe --topic t --partition-size-limit-per-response 1");
    assert_eq!(paged.lines().count(), 4);

    assert_eq!(bed.prints("topics --delete --topic a.b_c"), "");
    assert_eq!(bed.prints("topics --list"), "placed\nt\n");
    assert_eq!(
        bed.prints("topics --delete --topic .*"),
        "",
        "a pattern for all of them"
    );
    assert_eq!(bed.prints("topics --list"), "\n");
}

/// Equal, and readable if not.
fn assert_reads(found: &str, expected: &str) {
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn what_the_broker_refuses_is_told_on_stdout() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 4");
    for (line, words) in [
        ("--create --topic t", "Topic 't' already exists."),
        (
            "--create --topic bad/name",
            "Topic name is invalid: 'bad/name' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (
            "--create --topic wide --partitions 1 --replication-factor 5",
            "Unable to replicate the partition 5 time(s): The target replication factor of 5 cannot be reached because only 1 \
             broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            "--create --topic conf --config no.such=1",
            "Unknown topic config name: no.such",
        ),
        (
            "--alter --topic t --partitions 2",
            "The topic t currently has 4 partition(s); 2 would not be an increase.",
        ),
        (
            "--alter --topic missing --partitions 2",
            "Topic 'missing' does not exist as expected",
        ),
        ("--delete --topic missing", "Topic 'missing' does not exist as expected"),
        (
            "--describe --topic missing",
            "Topic 'missing' does not exist as expected",
        ),
        (
            "--describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ",
            "TopicId 'AAAAAAAAAAAAAAAAAAAAAQ' does not exist as expected",
        ),
        ("--list --topic a(", "a( is an invalid regex."),
    ] {
        assert_told(&bed.run(&format!("topics {line}")), words);
    }
    for line in [
        "--describe --topic missing --if-exists",
        "--delete --topic missing --if-exists",
        "--alter --topic missing --if-exists --partitions 9",
    ] {
        assert_eq!(bed.prints(&format!("topics {line}")), "");
    }
}

#[test]
fn what_is_wrong_in_the_command_line_is_told_before_anyone_is_asked() {
    const B: &str = "topics --bootstrap-server 127.0.0.1:1";
    for (line, words) in [
        ("--create", "Missing required argument \"[topic]\""),
        ("--alter --topic a", "Missing required argument \"[partitions]\""),
        (
            "--list --create",
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ),
        (
            "--list --partitions 3",
            "Option \"[partitions]\" can't be used with option \"[list]\"",
        ),
        (
            "--list --if-exists",
            "Option \"[if-exists]\" can't be used with option \"[list]\"",
        ),
        (
            "--describe --if-exists",
            "--topic or --topic-id is required to describe a topic",
        ),
        (
            "--create --topic a --replica-assignment 1 --partitions 1",
            "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
        ),
        (
            "--alter --topic a --config x=y --partitions 1",
            "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter topic \
             configurations, the kafka-configs tool can be used.)",
        ),
    ] {
        let ran = run(&format!("{B} {line}"));
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert_eq!(ran.err.lines().next(), Some(words), "{line}");
    }
    let nowhere = run("topics --list");
    assert_eq!(
        (nowhere.code, nowhere.err.lines().next()),
        (1, Some("--bootstrap-server must be specified"))
    );
    for (line, words) in [
        (
            "--create --topic a --partitions 0",
            "The partitions must be greater than 0",
        ),
        (
            "--create --topic a --replication-factor 99999",
            "The replication factor must be between 1 and 32767 inclusive",
        ),
        ("--create --topic a --replica-assignment 1:x", "For input string: \"x\""),
        (
            "--create --topic a --config x",
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        ),
    ] {
        assert_told(&run(&format!("{B} {line}")), words);
    }
}

#[test]
fn answers_are_json_on_request() {
    let bed = Bed::start();
    assert_eq!(
        bed.prints("topics --json --create --topic ab --partitions 2").trim(),
        "{\"created\":\"ab\"}"
    );
    assert_eq!(bed.prints("topics --list --json"), "{\"topic\":\"ab\"}\n");
    let described: serde_json::Value = serde_json::from_str(&bed.prints("topics --describe --json")).unwrap();
    assert_eq!(described["topic"], "ab");
    assert_eq!(described["partitions"][1]["replicas"], serde_json::json!([1]));
    let missing = bed.run("topics --describe --topic missing --json");
    assert_eq!((missing.code, &*missing.out), (1, ""));
    let error: serde_json::Value = serde_json::from_str(&missing.err).unwrap();
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .ends_with("Topic 'missing' does not exist as expected")
    );
}

#[test]
fn a_refusal_among_several_topics_says_what_was_done() {
    let bed = Bed::start();
    for (topic, partitions) in [("t1", 1), ("t2", 3), ("t3", 1)] {
        bed.prints(&format!("topics --create --topic {topic} --partitions {partitions}"));
    }
    let altered = bed.run("topics --alter --topic t.* --partitions 2");
    assert_eq!(altered.code, 1);
    assert!(altered.out.contains("would not be an increase"), "{}", altered.out);
    assert_eq!(altered.err, "  hint: 2 of 3 topics were altered: t1, t3\n");
    assert_eq!(bed.run("topics --alter --topic t2 --partitions 2").err, "", "one topic");

    assert_eq!(bed.prints("topics --list --topic (?!t1|t2).*"), "t3\n");
    let look_around = bed.run("topics --list --topic t(?=1).*");
    assert_told(
        &look_around,
        "t(?=1).*: look-around is not supported, except for (?!…) in front; --exclude-internal leaves internal topics out",
    );
}
