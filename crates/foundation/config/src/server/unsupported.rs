//! Settings that ask for protection, or for parts of Kafka that data would depend on, before they are there.
//! A node that took them silently would run unprotected, so it does not start.

use crate::config::{Config, base_of_listener_key};
use crate::error::{ConfigError, Problem};
use crate::key::Effect;
use crate::keys::broker_keys;
use crate::value::{InvalidValue, Value};

/// What a refused key asks for, and how to go without.
fn asked_for(key: &str) -> (&'static str, &'static str) {
    match key {
        "authorizer.class.name" => ("authorization", "leave it out; every client may do everything then"),
        "config.providers" => ("configuration providers", "write the values themselves into the file"),
        "create.topic.policy.class.name" | "alter.config.policy.class.name" => (
            "a policy in a Java class",
            "leave it out; nothing is refused by policy then",
        ),
        "remote.log.storage.system.enable" => ("tiered storage", "leave it out; all segments stay local then"),
        "principal.builder.class" => ("principals made by a Java class", "leave it out"),
        key if key.starts_with("ssl.") => ("TLS", "leave it out and use listeners with the protocol PLAINTEXT"),
        "delegation.token.secret.key" => ("delegation tokens", "leave it out"),
        _ => (
            "SASL authentication",
            "leave it out and use listeners with the protocol PLAINTEXT",
        ),
    }
}

/// Whether the value of a refused key asks for anything.
fn asks(key: &str, value: &Value) -> bool {
    let empty = match value {
        Value::String(text) | Value::Class(text) | Value::Password(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    };
    // Naming the default mechanism is still asking for authentication.
    let neutral = |default: Option<Value>| key != "sasl.enabled.mechanisms" && default.as_ref() == Some(value);
    !empty && !neutral(broker_keys().get(key).and_then(|key| key.default_value()))
}

/// What `name=text` asks for that is not there, and how to go without.
pub(crate) fn asks_for(name: &str, text: &str) -> Option<(&'static str, &'static str)> {
    let base = base_of_listener_key(name).unwrap_or(name);
    let key = broker_keys().get(base).filter(|key| key.effect == Effect::Refused)?;
    let parsed: Result<Value, InvalidValue> = key.parse(text);
    parsed.is_ok_and(|value| asks(base, &value)).then(|| asked_for(base))
}

/// Every setting of `config` that asks for what is not there yet.
pub(super) fn settings(config: &Config) -> Vec<ConfigError> {
    let refuse = |(name, property): (&str, &crate::properties::Property)| {
        let (what, hint) = asks_for(name, &property.value)?;
        let mut error = config.error(name, Problem::NotSupportedYet(what));
        if broker_keys()
            .get(base_of_listener_key(name).unwrap_or(name))
            .is_some_and(|key| key.is_sensitive())
        {
            error.value = Some(crate::value::HIDDEN.to_string());
        }
        error.hint = Some(hint.to_string());
        Some(error)
    };
    config.settings().filter_map(refuse).collect()
}
