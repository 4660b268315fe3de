//! Where topics get their values from.

use super::*;
use crate::keys::broker_keys;
use crate::properties::Properties;

fn broker(lines: &str) -> Config {
    let text = format!("process.roles=broker\nnode.id=1\ncontroller.listener.names=C\n{lines}");
    Config::from_properties(&Properties::parse(text.as_bytes(), "f").unwrap(), broker_keys())
        .unwrap()
        .0
}

fn overrides(settings: &[(&str, &str)]) -> Overrides {
    settings
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

#[test]
fn defaults_of_topics_are_those_of_an_unconfigured_broker() {
    let (topic, invalid) = topic_config(&broker(""), &overrides(&[]));
    assert_eq!(invalid, []);
    for key in topic_keys().iter() {
        assert_eq!(topic.value(key.name), key.default_value().as_ref(), "{}", key.name);
    }
}

#[test]
fn the_first_synonym_that_is_set_wins_and_comes_as_milliseconds() {
    let retention = |lines: &str| topic_config(&broker(lines), &overrides(&[])).0.long("retention.ms");
    assert_eq!(retention("log.retention.hours=2"), 7_200_000);
    assert_eq!(retention("log.retention.hours=2\nlog.retention.minutes=3"), 180_000);
    assert_eq!(
        retention("log.retention.hours=2\nlog.retention.minutes=3\nlog.retention.ms=4"),
        4
    );
    assert_eq!(retention("log.retention.hours=-1"), -1);
    let (topic, _) = topic_config(&broker("log.roll.hours=1\nlog.roll.jitter.hours=1"), &overrides(&[]));
    assert_eq!(
        (topic.long("segment.ms"), topic.long("segment.jitter.ms")),
        (3_600_000, 3_600_000)
    );
    let (topic, _) = topic_config(&broker("log.flush.scheduler.interval.ms=9"), &overrides(&[]));
    assert_eq!(topic.long("flush.ms"), 9);
    let (topic, _) = topic_config(
        &broker("log.segment.bytes=2000000\nmessage.max.bytes=77"),
        &overrides(&[]),
    );
    assert_eq!(
        (topic.int("segment.bytes"), topic.int("max.message.bytes")),
        (2_000_000, 77)
    );
}

#[test]
fn a_topic_s_own_settings_come_first() {
    let own = overrides(&[("retention.ms", "5"), ("cleanup.policy", "compact,delete,compact")]);
    let (topic, invalid) = topic_config(&broker("log.retention.ms=4"), &own);
    assert_eq!(invalid, []);
    assert_eq!(topic.long("retention.ms"), 5);
    assert_eq!(topic.list("cleanup.policy"), ["compact", "delete"]);
    assert_eq!(topic.origin("retention.ms"), Origin::Resource);
}

#[test]
fn a_stored_value_that_cannot_be_read_gives_way_to_the_broker_s() {
    let (topic, invalid) = topic_config(&broker("log.retention.ms=4"), &overrides(&[("retention.ms", "soon")]));
    assert_eq!(topic.long("retention.ms"), 4);
    assert_eq!(
        invalid[0].to_string(),
        "Invalid value soon for configuration retention.ms: Not a number of type LONG"
    );
}
