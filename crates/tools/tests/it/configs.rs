//! `klamm configs` against a node.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use klamm_protocol::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};

use crate::bed::{Bed, run};

#[test]
fn settings_of_topics_are_changed_and_shown() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t");
    assert_eq!(
        bed.prints("configs --describe --topic t"),
        "Dynamic configs for topic t are:\n"
    );
    let changed =
        bed.prints("configs --alter --topic t --add-config segment.ms=600000,cleanup.policy=[compact,delete]");
    assert_eq!(changed, "Completed updating config for topic t.\n");
    assert_eq!(
        bed.prints("configs --describe --topic t"),
        "Dynamic configs for topic t are:\n  cleanup.policy=compact,delete sensitive=false \
         synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}\n  \
         segment.ms=600000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:segment.ms=600000}\n"
    );
    bed.prints("configs --alter --entity-type topics --entity-name t --delete-config segment.ms,cleanup.policy");
    assert_eq!(
        bed.prints("configs --describe --topic t"),
        "Dynamic configs for topic t are:\n"
    );
    bed.prints("configs --alter --topic t --delete-config no.such");
    assert_eq!(
        bed.prints("configs --describe --topic missing"),
        "The topic 'missing' doesn't exist and doesn't have dynamic config.\n"
    );
    let all = bed.prints("configs --describe --topic t --all");
    assert!(
        all.starts_with("All configs for topic t are:\n  cleanup.policy=delete sensitive=false"),
        "{all}"
    );
    assert!(all.lines().count() > 25);
    let every = bed.prints("configs --describe --entity-type topics");
    assert_eq!(every, "Dynamic configs for topic t are:\n");
}

#[test]
fn settings_of_brokers_are_changed_and_shown() {
    let bed = Bed::start();
    let one = bed.prints("configs --alter --broker 1 --add-config log.cleaner.threads=2");
    assert_eq!(one, "Completed updating config for broker 1.\n");
    let none = bed.prints("configs --describe --broker 9");
    assert_eq!(none, "The broker '9' doesn't exist and doesn't have dynamic config.\n");
    let all = bed.prints("configs --alter --broker-defaults --add-config num.io.threads=9");
    assert_eq!(all, "Completed updating default config for brokers in the cluster.\n");
    let described = bed.prints("configs --describe --entity-type brokers");
    let own = "Dynamic configs for broker 1 are:\n  log.cleaner.threads=2 sensitive=false \
               synonyms={DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2, DEFAULT_CONFIG:log.cleaner.threads=1}\n\
               Default configs for brokers in the cluster are:\n";
    assert!(described.starts_with(own), "{described}");
    let shared = "  num.io.threads=9 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:num.io.threads=9}\n";
    assert!(described.ends_with(shared), "{described}");
    assert_eq!(
        bed.prints("configs --describe --entity-type brokers --entity-default"),
        bed.prints("configs --describe --broker-defaults")
    );
}

#[test]
fn groups_and_subscriptions_exist_by_their_settings() {
    let bed = Bed::start();
    for (flag, word, setting) in [
        ("group", "group", "consumer.session.timeout.ms=50000"),
        ("client-metrics", "client-metric", "interval.ms=1000"),
    ] {
        let described = bed.prints(&format!("configs --describe --{flag} x"));
        assert_eq!(
            described,
            format!("The {word} 'x' doesn't exist and doesn't have dynamic config.\n")
        );
        bed.prints(&format!("configs --alter --{flag} x --add-config {setting}"));
        for line in [
            format!("--{flag} x"),
            format!("--entity-type {}", if flag == "group" { "groups" } else { flag }),
        ] {
            let described = bed.prints(&format!("configs --describe {line}"));
            let expected = format!("Dynamic configs for {word} x are:\n  {setting} sensitive=false");
            assert!(described.starts_with(&expected), "{described}");
        }
    }
}

#[test]
fn quotas_and_credentials_of_users_are_kept() {
    let bed = Bed::start();
    let alter = |change: &str| bed.prints(&format!("configs --alter --user alice {change}"));
    alter("--add-config producer_byte_rate=2048");
    alter("--add-config SCRAM-SHA-256=[iterations=8192,password=x]");
    assert_eq!(
        bed.prints("configs --describe --user alice"),
        "Quota configs for user-principal 'alice' are producer_byte_rate=2048.0\n\
         SCRAM credential configs for user-principal 'alice' are SCRAM-SHA-256=iterations=8192\n"
    );
    alter("--delete-config producer_byte_rate");
    alter("--delete-config SCRAM-SHA-256");
    assert_eq!(bed.prints("configs --describe --user alice"), "");
}

#[test]
fn what_the_broker_refuses_is_told_with_the_command_line_and_the_exception() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t");
    for (line, exception) in [
        (
            "--alter --topic t --add-config no.such=1",
            "InvalidConfigurationException: Unknown topic config name: no.such",
        ),
        (
            "--alter --topic t --add-config retention.ms=abc",
            "InvalidConfigurationException: Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "--alter --broker 1 --add-config broker.rack=x",
            "InvalidRequestException: Cannot update these configs dynamically: [broker.rack]",
        ),
        (
            "--alter --user alice --add-config SCRAM-SHA-256=[iterations=99999,password=hunter2]",
            "UnacceptableCredentialException: Too many iterations",
        ),
    ] {
        let ran = bed.run(&format!("configs {line}"));
        // A password is not repeated.
        let shown = line.replace("[iterations=99999,password=hunter2]", "…");
        let expected = format!(
            "Error while executing config command with args '--bootstrap-server {} {shown}'\n\
             java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.{exception}\n",
            bed.address()
        );
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert!(ran.err.starts_with(&expected), "{line}: {}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{line}: {}", ran.err);
    }
}

#[test]
fn what_is_wrong_in_the_command_line_is_told_before_anyone_is_asked() {
    const B: &str = "configs --bootstrap-server 127.0.0.1:1";
    for (line, words) in [
        ("", "Command must include exactly one action: --describe, --alter"),
        (
            "--describe --topic t --delete-config x",
            "Option \"[describe]\" can't be used with option \"[delete-config]\"",
        ),
        ("--describe", "At least one entity type must be specified"),
        (
            "--describe --entity-type nonsense",
            "Invalid entity type nonsense, the entity type must be one of topics, clients, users, brokers, ips, client-metrics, \
             groups, broker-loggers with a --bootstrap-server or --bootstrap-controller argument",
        ),
        (
            "--describe --entity-type topics --topic t",
            "Duplicate entity type(s) specified: topics",
        ),
        (
            "--describe --topic t --broker 1",
            "Only 'users' and 'clients' entity types may be specified together",
        ),
        (
            "--describe --entity-name t --topic t",
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        ),
        (
            "--describe --broker x",
            "The entity name for brokers must be a valid integer broker id, but it is: x",
        ),
        (
            "--describe --entity-type broker-loggers",
            "An entity name must be specified with --describe of broker-loggers",
        ),
        (
            "--describe --entity-type topics --entity-default",
            "--entity-default must not be specified with --describe of topics",
        ),
        (
            "--alter --entity-type users --add-config a=b",
            "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
        ),
        (
            "--alter --entity-type topics --add-config a=b",
            "An entity name must be specified with --alter of topics",
        ),
        (
            "--alter --topic t",
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        ),
        (
            "--alter --topic t --add-config a=b --add-config-file f",
            "Only one of --add-config or --add-config-file must be specified",
        ),
        (
            "--alter --topic t --add-config a",
            "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
             \"key=[val1,val2]\" to group values which contain commas.",
        ),
        (
            "--alter --user u --add-config foo=1",
            "Only quota and SCRAM credential configs can be added for 'users' using --bootstrap-server. Unexpected config names: Set(foo)",
        ),
        (
            "--alter --client c --delete-config foo",
            "Only quota configs can be deleted for 'clients' using --bootstrap-server. Unexpected config names: ArrayBuffer(foo)",
        ),
        (
            "--alter --ip 127.0.0.1 --add-config foo=1",
            "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: foo",
        ),
        (
            "--alter --user u --add-config SCRAM-SHA-256=[iterations=1,password=x]",
            "Iterations 1 is less than the minimum 4096 required for SCRAM-SHA-256",
        ),
        (
            "--alter --entity-type users --entity-type clients --entity-name a --add-config producer_byte_rate=1",
            "An entity name must be specified for every entity type",
        ),
        (
            "--describe --topic a/b",
            "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
    ] {
        let ran = run(&format!("{B} {line}"));
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert_eq!(ran.err.lines().next(), Some(words), "{line}");
    }
    let nowhere = run("configs --describe --topic t");
    assert_eq!(
        nowhere.err.lines().next(),
        Some("Either --bootstrap-server or --bootstrap-controller must be specified.")
    );
}

#[test]
fn answers_are_json_on_request() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --config retention.ms=5");
    let described: serde_json::Value =
        serde_json::from_str(&bed.prints("configs --describe --topic t --json")).unwrap();
    assert_eq!(described["configs"][0]["name"], "retention.ms");
    assert_eq!(described["configs"][0]["source"], "DYNAMIC_TOPIC_CONFIG");
    let altered: serde_json::Value =
        serde_json::from_str(&bed.prints("configs --alter --topic t --delete-config retention.ms --json")).unwrap();
    assert_eq!(altered["altered"]["name"], "t");
}

#[test]
fn credentials_that_are_not_shown_are_an_error_in_json_too() {
    let bed = Bed::start();
    let proxy = bed.proxy();
    let fault = proxy.on::<DescribeUserScramCredentialsRequest>().answer(|_, _| {
        let result = DescribeUserScramCredentialsResult {
            user: "alice".to_owned(),
            error_code: ErrorCode::DUPLICATE_RESOURCE,
            error_message: Some("twice".to_owned()),
            ..Default::default()
        };
        DescribeUserScramCredentialsResponse {
            results: vec![result],
            ..Default::default()
        }
    });
    let line = format!(
        "configs --bootstrap-server {} --describe --user alice",
        proxy.bootstrap()
    );
    assert_eq!(
        run(&line).out,
        "Error retrieving SCRAM credential configs for user-principal 'alice': DuplicateResourceException: twice\n"
    );
    assert_eq!(
        run(&format!("{line} --json")).out,
        "{\"error\":\"DuplicateResourceException: twice\",\"user\":\"alice\"}\n"
    );
    assert_eq!(fault.hits(), 2);
}
