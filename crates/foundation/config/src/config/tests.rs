//! Reading tables, the messages about what is wrong, and the warnings about what is odd.

use super::*;
use crate::keys::broker_keys;

const NODE: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n";

fn read(lines: &str) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let text = format!("{NODE}{lines}");
    Config::from_properties(
        &Properties::parse(text.as_bytes(), "server.properties").unwrap(),
        broker_keys(),
    )
}

fn warnings(lines: &str) -> Vec<String> {
    read(lines)
        .unwrap()
        .1
        .iter()
        .map(|warning| warning.to_string())
        .collect()
}

#[test]
fn values_are_what_was_set_or_the_default() {
    let (config, warnings) = read("num.partitions = 3\nlog.dirs=/a, /b\nlog.retention.ms=-1").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.int("num.partitions"), 3);
    assert_eq!(config.list("log.dirs"), ["/a", "/b"]);
    assert_eq!(config.list("log.dir"), ["/tmp/kafka-logs"]);
    assert_eq!(
        (config.long("log.retention.ms"), config.long_or_none("log.roll.ms")),
        (-1, None)
    );
    assert_eq!(
        (
            config.int("message.max.bytes"),
            config.short("offsets.topic.replication.factor")
        ),
        (1_048_588, 3)
    );
    assert!(config.boolean("auto.create.topics.enable"));
    assert_eq!(config.double("log.cleaner.min.cleanable.ratio"), 0.5);
    assert_eq!(
        (config.string("compression.type"), config.string_or_none("broker.rack")),
        ("producer", None)
    );
    assert!(config.is_set("num.partitions") && !config.is_set("num.io.threads"));
    assert_eq!(
        config.origin("num.partitions"),
        Origin::File {
            file: "server.properties".into(),
            line: 4
        }
    );
    assert_eq!(config.origin("num.io.threads"), Origin::Default);
}

#[test]
fn a_wrong_value_names_file_line_key_value_and_what_is_allowed() {
    let errors = read("num.partitions=abc\n\nlog.cleanup.policy=delete,purge").unwrap_err();
    let expected = "\
`delete,purge` is not a value of `log.cleanup.policy`: String must be one of: compact, delete
  from: `log.cleanup.policy=delete,purge` in `server.properties`, line 6
  allowed: a list of `compact` or `delete`; may be empty
error: `abc` is not a value of `num.partitions`: Not a number of type INT
  from: `num.partitions=abc` in `server.properties`, line 4
  allowed: a number of at least 1";
    // In the order of the tables, which is that of the reference.
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn a_wrong_override_says_so() {
    let mut properties = Properties::parse(NODE.as_bytes(), "f").unwrap();
    properties.set_override("num.partitions=0").unwrap();
    let errors = Config::from_properties(&properties, broker_keys()).unwrap_err();
    let expected = "\
`0` is not a value of `num.partitions`: Value must be at least 1
  from: `num.partitions=0` in `--override` on the command line
  allowed: a number of at least 1";
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn a_required_key_that_is_missing_is_asked_for() {
    let errors = Config::from_properties(&Properties::new(), broker_keys()).unwrap_err();
    let missing: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(missing, ["process.roles", "node.id", "controller.listener.names"]);
    let first = errors.iter().next().unwrap().to_string();
    assert!(
        first.starts_with("`process.roles` is not set and has no default\n  allowed: "),
        "{first}"
    );
    assert!(
        first.ends_with("  hint: a node that is all in one has `process.roles=broker,controller`"),
        "{first}"
    );
}

#[test]
fn secrets_do_not_show_in_messages() {
    let (config, _) = read("sasl.jaas.config=secret").unwrap();
    let error = config.error("sasl.jaas.config", Problem::NotSupportedYet("SASL"));
    assert!(
        error.to_string().contains(HIDDEN) && !error.to_string().contains("secret"),
        "{error}"
    );
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_name() {
    let from = "\n  from: `server.properties`, line 4";
    for (written, meant) in [
        ("num.partition=1", "num.partitions"),
        ("log.retention.hour=1", "log.retention.hours"),
        ("lisetners=PLAINTEXT://:1", "listeners"),
        ("auto.create.topic.enable=true", "auto.create.topics.enable"),
        ("zookeeperless=1", ""),
        ("x=1", ""),
    ] {
        let key = written.split('=').next().unwrap();
        let hint = if meant.is_empty() {
            String::new()
        } else {
            format!("\n  hint: did you mean `{meant}`?")
        };
        assert_eq!(
            warnings(written),
            [format!("unknown key `{key}`{from}{hint}")],
            "{written}"
        );
    }
}

#[test]
fn keys_that_are_gone_deprecated_repeated_or_without_effect_are_told() {
    assert_eq!(
        warnings("zookeeper.connect=z:2181"),
        ["`zookeeper.connect` is gone since Apache Kafka 4.0 and does nothing\n  from: `server.properties`, line 4"]
    );
    assert_eq!(
        warnings("broker.id=1"),
        ["`broker.id` is deprecated and will be dropped\n  from: `server.properties`, line 4"]
    );
    assert_eq!(
        warnings("num.partitions=1\nnum.partitions=2"),
        ["`num.partitions` is set twice: `server.properties`, line 4 does not count, `server.properties`, line 5 does"]
    );
    assert_eq!(
        warnings("num.network.threads=8"),
        ["`num.network.threads` has no effect yet\n  from: `server.properties`, line 4"]
    );
    assert_eq!(
        warnings("num.network.threads=3"),
        Vec::<String>::new(),
        "the default is no wish"
    );
    let mut properties = Properties::parse(NODE.as_bytes(), "f").unwrap();
    properties.set("num.network.threads", "8", Origin::Program);
    let (_, warnings) = Config::from_properties(&properties, broker_keys()).unwrap();
    assert_eq!(warnings, [], "nor is what the program sets");
}

#[test]
fn keys_of_plugins_and_of_single_listeners_are_known() {
    let lines =
        "listener.name.internal.max.connections=5\nrsm.config.bucket=b\nlistener.name.x.plain.sasl.jaas.config=j";
    assert_eq!(warnings(lines), Vec::<String>::new());
    let (config, _) = read(lines).unwrap();
    let max = broker_keys().get("max.connections").unwrap();
    assert_eq!(config.value_for_listener("INTERNAL", max), Some(Value::Int(5)));
    assert_eq!(config.value_for_listener("OTHER", max), Some(Value::Int(i32::MAX)));
    let errors = read("listener.name.internal.max.connections=many").unwrap_err();
    assert_eq!(
        errors.iter().next().unwrap().key,
        "listener.name.internal.max.connections"
    );
    assert_eq!(
        base_of_listener_key("listener.name.x.scram-sha-256.sasl.jaas.config"),
        Some("sasl.jaas.config")
    );
    assert_eq!(base_of_listener_key("listener.name.x"), None);
}

#[test]
#[should_panic(expected = "no such configuration key: num.partition")]
fn asking_for_a_key_that_does_not_exist_is_a_mistake() {
    read("").unwrap().0.int("num.partition");
}

#[test]
#[should_panic(expected = "configuration key num.partitions is 1, of another type")]
fn asking_for_another_type_is_a_mistake() {
    read("").unwrap().0.long("num.partitions");
}
