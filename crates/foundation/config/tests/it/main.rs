//! The tables against themselves, against the list of keys without effect, and against the reference.

use std::collections::BTreeSet;

use klamm_config::{
    ConfigKey, DefaultValue, Effect, Properties, Scope, ServerConfig, Table, broker_keys, client_metrics_keys,
    dynamic_only_broker_keys, group_keys, no_effect_yet, topic_keys,
};

fn tables() -> [&'static Table; 5] {
    [
        broker_keys(),
        dynamic_only_broker_keys(),
        topic_keys(),
        group_keys(),
        client_metrics_keys(),
    ]
}

fn all_keys() -> impl Iterator<Item = &'static ConfigKey> {
    tables().into_iter().flat_map(|table| table.iter())
}

#[test]
fn there_are_as_many_keys_as_in_kafka_4_4() {
    let of_kafka = |key: &&ConfigKey| !key.name.starts_with("klamm.");
    let counts: Vec<usize> = tables()
        .iter()
        .map(|table| table.iter().filter(of_kafka).count())
        .collect();
    assert_eq!(counts, [379, 3, 38, 27, 3]);
    let internal = broker_keys().iter().filter(|key| key.internal);
    assert_eq!(internal.filter(of_kafka).count(), 29);
    let dynamic = broker_keys().iter().filter(|key| key.scope != Scope::ReadOnly).count();
    assert_eq!(dynamic, 107);
}

/// A node whose file does not name them answers DescribeConfigs as Kafka does.
#[test]
fn keys_that_kafka_does_not_have_are_internal() {
    let mut ours = all_keys().filter(|key| key.name.starts_with("klamm."));
    assert!(ours.all(|key| key.internal));
}

#[test]
fn every_key_stands_once_with_a_default_it_takes_and_a_line_of_documentation() {
    for table in tables() {
        let names: BTreeSet<&str> = table.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), table.iter().count());
    }
    for key in all_keys() {
        if let DefaultValue::Text(text) = key.default {
            let value = key.parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                value.describe().as_deref(),
                Some(text),
                "{}: write the default as Java prints it",
                key.name
            );
        }
        assert!(
            key.doc.ends_with('.') && key.doc.len() > 20,
            "{}: {:?}",
            key.name,
            key.doc
        );
        for synonym in key.server_synonyms {
            assert!(
                broker_keys().get(synonym.name).is_some(),
                "{}: no broker key {}",
                key.name,
                synonym.name
            );
        }
    }
}

/// A key either works, or refuses to start, or is in the one list of those without effect.
#[test]
fn keys_without_effect_stand_in_the_one_list() {
    let without_effect = |tables: &[&'static Table]| -> Vec<&str> {
        let keys = tables.iter().flat_map(|table| table.iter());
        let names: BTreeSet<&str> = keys
            .filter(|key| key.effect == Effect::NotYet)
            .map(|key| key.name)
            .collect();
        names.into_iter().collect()
    };
    let hint = "crates/foundation/config/src/no_effect_yet.rs and `.effective()` in the tables disagree";
    assert_eq!(
        without_effect(&[broker_keys(), dynamic_only_broker_keys()]),
        no_effect_yet::BROKER,
        "{hint}"
    );
    assert_eq!(without_effect(&[topic_keys()]), no_effect_yet::TOPIC, "{hint}");
    assert_eq!(without_effect(&[group_keys()]), no_effect_yet::GROUP, "{hint}");
    assert_eq!(
        without_effect(&[client_metrics_keys()]),
        no_effect_yet::CLIENT_METRICS,
        "{hint}"
    );
}

/// Every key marked as refused does refuse, with a value other than its default.
#[test]
fn refused_keys_refuse() {
    for key in broker_keys().iter().filter(|key| key.effect == Effect::Refused) {
        let value = ["true", "required", "1000", "x"]
            .into_iter()
            .find(|value| key.parse(value).is_ok());
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\nlisteners=PLAINTEXT://:1,C://:2\n\
             controller.quorum.bootstrap.servers=h:1\n{}={}",
            key.name,
            value.unwrap_or_else(|| panic!("no value for {}", key.name)),
        );
        let properties = Properties::parse(text.as_bytes(), "f").expect("well-formed");
        let refused = ServerConfig::load(&properties).expect_err(key.name).to_string();
        assert!(refused.contains("is not supported yet"), "{refused}");
    }
}

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference/configuration.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == klamm_config::reference::markdown(),
        "docs/reference/configuration.md is stale: run `cargo xtask docs`"
    );
}
