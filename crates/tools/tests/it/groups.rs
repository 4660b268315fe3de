//! `klamm consumer-groups` and `groups` against a node. Groups with members are in the comparison with Kafka's tools.

use std::fs;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, OffsetCommitRequest};

use crate::bed::{Bed, run, run_reading};

/// A node with five records in the two partitions of `t`, of which the group `g` has read all.
fn bed_with_a_group() -> Bed {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 2");
    let words = [
        "console-producer",
        "--bootstrap-server",
        bed.address(),
        "--topic",
        "t",
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=:",
    ];
    let produced = run_reading(&words, b"a:1\nb:2\nc:3\nd:4\nf:5\n");
    assert_eq!((produced.code, &*produced.err), (0, ""));
    let read = bed.run("console-consumer --topic t --group g --from-beginning --max-messages 5");
    assert_eq!(read.code, 0, "{}", read.err);
    bed
}

fn without_trailing_blanks(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let bed = bed_with_a_group();
    assert_eq!(bed.prints("consumer-groups --list"), "g\n");
    let with_both = bed.prints("consumer-groups --list --state --type");
    assert_eq!(
        without_trailing_blanks(&with_both),
        "GROUP                     TYPE                 STATE\n\
         g                         Classic              Empty\n"
    );
    assert_eq!(
        bed.prints("consumer-groups --list --json"),
        "{\"group\":\"g\",\"state\":\"Empty\",\"type\":\"Classic\"}\n"
    );
    for (filter, count) in [("stable", 0), ("Empty,stable", 1)] {
        let listed = bed.prints(&format!("consumer-groups --list --state {filter}"));
        assert_eq!(listed.lines().count() - 1, count, "{filter}");
    }
    for (line, count) in [
        ("", 1),
        ("--consumer", 1),
        ("--group-type share", 0),
        ("--protocol x", 0),
    ] {
        let listed = bed.prints(&format!("groups --list {line} --json"));
        assert_eq!(listed.lines().count(), count, "{line}");
    }
}

#[test]
fn groups_without_members_are_described_in_four_views() {
    let bed = bed_with_a_group();
    let view = |flags: &str| {
        let ran = bed.run(&format!("consumer-groups --describe --group g {flags}"));
        assert_eq!(ran.code, 0);
        assert_eq!(ran.err, "\nConsumer group 'g' has no active members.\n");
        without_trailing_blanks(&ran.out)
    };
    assert_eq!(
        view(""),
        "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     \
         HOST            CLIENT-ID\n\
         g               t               0          3               3               0               -               \
         -               -\n\
         g               t               1          2               2               0               -               \
         -               -\n"
    );
    assert_eq!(
        view("--members"),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS\n"
    );
    assert!(view("--members --verbose").ends_with("CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT\n"));
    assert!(view("--state").contains("Empty                0\n"));
    assert!(view("--offsets --verbose").contains("LEADER-EPOCH"));
    let rows = bed.run("consumer-groups --describe --group g --json").out;
    assert_eq!(
        rows.lines().next().unwrap(),
        "{\"clientId\":null,\"consumerId\":null,\"currentOffset\":3,\"group\":\"g\",\"host\":null,\"lag\":0,\
         \"leaderEpoch\":0,\"logEndOffset\":3,\"partition\":0,\"topic\":\"t\"}"
    );
}

#[test]
fn what_is_not_there_is_told_on_stdout_with_success() {
    let bed = Bed::start();
    let ran = bed.run("consumer-groups --describe --group missing");
    assert_eq!(ran.code, 0);
    let words = "\nError: Executing consumer group command failed due to \
                 org.apache.kafka.common.errors.GroupIdNotFoundException: Group missing not found.\n";
    assert_eq!(ran.out, words);
    let ran = bed.run("consumer-groups --delete --group missing");
    assert_eq!(
        (ran.code, &*ran.out),
        (
            0,
            "\nError: Deletion of some consumer groups failed:\n* Group 'missing' could not be deleted due to: \
             org.apache.kafka.common.errors.GroupIdNotFoundException: The group id does not exist.\n"
        )
    );
}

#[test]
fn offsets_are_reset_in_every_way() {
    let bed = bed_with_a_group();
    // What `--export` prints: one way after the other, each from all read.
    for (way, plan) in [
        ("--to-earliest", "t,0,0\nt,1,0\n"),
        ("--to-latest", "t,0,3\nt,1,2\n"),
        ("--to-current", "t,0,3\nt,1,2\n"),
        ("--to-offset 1", "t,0,1\nt,1,1\n"),
        ("--shift-by -1", "t,0,2\nt,1,1\n"),
        ("--to-datetime 2020-01-01T00:00:00.000", "t,0,0\nt,1,0\n"),
        ("--by-duration PT1H", "t,0,0\nt,1,0\n"),
    ] {
        let export = format!("consumer-groups --reset-offsets --group g --all-topics {way} --export --dry-run");
        assert_eq!(bed.prints(&export), format!("{plan}\n"), "{way}");
    }
    let some = bed.prints("consumer-groups --reset-offsets --group g --topic t:1 --to-earliest --export --dry-run");
    assert_eq!(some, "t,1,0\n\n");
    let beyond = bed.run("consumer-groups --reset-offsets --group g --topic t --to-offset 9 --export --dry-run");
    assert_eq!(beyond.out, "t,0,3\nt,1,2\n\n");
    assert!(beyond.err.starts_with(
        "WARN New offset (9) is higher than latest offset for topic partition t-0. Value will be set to 3\n"
    ));
    let empty = bed
        .prints("consumer-groups --reset-offsets --group g --topic t --to-datetime 2999-01-01T00:00:00.000 --dry-run");
    assert!(empty.contains("\nWarn: Partition 0 from topic t is empty. Falling back to latest known offset.\n"));
}

#[test]
fn a_reset_needs_execute_and_comes_from_a_file_too() {
    let bed = bed_with_a_group();
    let committed = || bed.run("consumer-groups --describe --group g --json").out;
    let before = committed();
    bed.prints("consumer-groups --reset-offsets --group g --topic t --to-earliest --dry-run");
    let warned = bed.run("consumer-groups --reset-offsets --group g --topic t --to-earliest");
    assert!(
        warned
            .err
            .starts_with("WARN: No action will be performed as the --execute option is missing.")
    );
    assert_eq!(committed(), before);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("offsets.csv");
    fs::write(&file, "t,0,2\nt,1,1\n").unwrap();
    let from_file = |flags: &str| {
        bed.run(&format!(
            "consumer-groups --reset-offsets --from-file {} --execute {flags}",
            file.display()
        ))
    };
    let done = from_file("--group g");
    assert_eq!(
        without_trailing_blanks(&done.out),
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
         g               t               0          2\n\
         g               t               1          1\n"
    );
    assert!(committed().contains("\"currentOffset\":2"));
    fs::write(&file, "g,t,0,1\nnew,t,0,1\n").unwrap();
    assert_eq!(from_file("--group g --group new --json").out.lines().count(), 2);
    assert!(committed().contains("\"currentOffset\":1"));
    assert_eq!(
        bed.run("consumer-groups --describe --group new --json")
            .out
            .lines()
            .count(),
        1
    );
    fs::write(&file, "t;0;1\n").unwrap();
    let ran = from_file("--group g");
    assert!(ran.out.contains("line 1 of"), "{}", ran.out);
    assert!(ran.err.contains("nothing was changed"), "{}", ran.err);
}

#[test]
fn offsets_and_groups_are_deleted() {
    let bed = bed_with_a_group();
    let deleted = bed.prints("consumer-groups --delete-offsets --group g --topic t:0 --topic t:1");
    assert_eq!(
        without_trailing_blanks(&deleted),
        "Request succeeded for deleting offsets from group g.\n\n\
         TOPIC           PARTITION  STATUS\n\
         t               0          Successful\n\
         t               1          Successful\n"
    );
    let described = bed.run("consumer-groups --describe --group g --json");
    assert_eq!((described.code, &*described.out), (0, ""));
    let unknown = bed.run("consumer-groups --delete-offsets --group g --topic missing --json");
    assert!(
        unknown.out.contains("UnknownTopicOrPartitionException"),
        "{}",
        unknown.out
    );
    assert_eq!(
        bed.prints("consumer-groups --delete --all-groups"),
        "Deletion of requested consumer groups ('g') was successful.\n"
    );
    assert_eq!(bed.prints("consumer-groups --list"), "");
}

#[test]
fn patterns_are_looked_at_without_a_broker() {
    let ran = run("consumer-groups --bootstrap-server 127.0.0.1:1 --validate-regex t.*");
    assert_eq!((ran.code, &*ran.out), (0, "The regular expression `t.*` is valid.\n"));
    let ran = run("consumer-groups --bootstrap-server 127.0.0.1:1 --validate-regex [");
    assert!(
        ran.out.starts_with("The regular expression `[` is invalid: "),
        "{}",
        ran.out
    );
}

#[test]
fn what_consumer_groups_refuses() {
    for (line, words) in [
        (
            "--list --describe",
            "Option [describe] takes one of these options: [all-groups], [group]",
        ),
        (
            "--describe --group g --members --state",
            "Option [describe] takes at most one of these options: [members], [offsets], [state]",
        ),
        (
            "--reset-offsets --group g --execute --dry-run",
            "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
        ),
        (
            "--reset-offsets --group g --topic t --to-earliest --to-latest --execute",
            "Option \"[to-earliest]\" can't be used with option \"[to-latest]\"",
        ),
        (
            "--delete-offsets --group g",
            "Option [delete-offsets] takes the following options: [topic], [group]",
        ),
        (
            "--list --members",
            "Option(s) [members] are unavailable given other options on the command line",
        ),
        (
            "",
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, \
             --validate-regex",
        ),
    ] {
        let ran = run(&format!("consumer-groups --bootstrap-server 127.0.0.1:1 {line}"));
        assert_eq!((ran.code, ran.err.lines().next()), (1, Some(words)), "{line}");
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_reset_that_fails_says_which_groups_were_reset_before() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 2");
    let proxy = bed.proxy();
    let fault = proxy.on::<OffsetCommitRequest>();
    let fault = fault.matching(|request| request.group_id == "b");
    let fault = fault.fail(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    let reset = |groups: &str, flags: &str| {
        let address = proxy.bootstrap();
        run(&format!(
            "consumer-groups --bootstrap-server {address} --reset-offsets {groups} {flags} --topic t --execute"
        ))
    };
    let ran = reset("--group a --group b --group c", "--to-earliest");
    assert_eq!(fault.hits(), 1);
    assert!(ran.out.contains("GroupAuthorizationException"), "{}", ran.out);
    let hint = "2 of 2 partitions of group `b` keep their offset: t-0, t-1; already reset: a\n";
    assert!(ran.err.ends_with(hint), "{}", ran.err);
    assert_eq!(bed.prints("consumer-groups --list"), "a\n");
    let first = reset("--group b", "--to-earliest");
    assert!(!first.err.contains("already reset"), "{}", first.err);

    // All are planned before the first is reset: `d` has nothing to be shifted.
    let ran = reset("--group a --group d", "--shift-by 1");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let described = bed.run("consumer-groups --describe --group a --json");
    assert_eq!(
        described.out.matches("\"currentOffset\":0").count(),
        2,
        "{}",
        described.out
    );
}

#[test]
fn a_dead_group_is_an_error_in_json_too() {
    let bed = bed_with_a_group();
    let proxy = bed.proxy();
    let fault = proxy
        .on::<DescribeGroupsRequest>()
        .answer(|request, _| DescribeGroupsResponse {
            groups: request
                .groups
                .iter()
                .map(|id| DescribedGroup {
                    group_id: id.clone(),
                    group_state: "Dead".to_owned(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
    let line = format!(
        "consumer-groups --bootstrap-server {} --describe --group g",
        proxy.bootstrap()
    );
    assert_eq!(run(&line).out, "\nError: Consumer group 'g' does not exist.\n");
    let ran = run(&format!("{line} --json"));
    assert!(fault.hits() > 0);
    assert_eq!(
        (ran.code, &*ran.out, &*ran.err),
        (
            0,
            "",
            "{\"error\":\"Error: Consumer group 'g' does not exist.\",\"group\":\"g\"}\n"
        )
    );
}
