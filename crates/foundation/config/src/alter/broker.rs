//! Changes of brokers while they run (KIP-226).

use super::{AlterError, in_brackets};
use crate::config::{Config, Overrides, after_listener_prefix};
use crate::dynamic::{BrokerLayers, overlay};
use crate::key::{ConfigKey, Scope};
use crate::keys::{broker_keys, dynamic_only_broker_keys};
use crate::origin::Origin;
use crate::server::ServerConfig;
use crate::value::InvalidValue;

/// Security keys that change only for one listener, under its prefix.
const ONLY_BY_LISTENER: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys of listeners that may be set for all brokers at once.
const FOR_ALL_BY_LISTENER: &[&str] = &["max.connection.creation.rate", "max.connections", "num.network.threads"];

/// Numbers of threads, which change step by step.
const THREADS: &[&str] = &[
    "background.threads",
    "num.io.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// Whether a broker (`for_one`) or all brokers may have the dynamic settings `new`, in place of those they have.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_broker(layers: &BrokerLayers<'_>, for_one: bool, new: &Overrides) -> Result<(), AlterError> {
    let names = || new.keys().map(String::as_str);
    let refuse = |what: &str, names: Option<String>| match names {
        Some(names) => Err(AlterError::InvalidRequest(format!("{what}: {names}"))),
        None => Ok(()),
    };
    let read_only = |name: &&str| broker_keys().get(name).is_some_and(|key| key.scope == Scope::ReadOnly);
    refuse(
        "Cannot update these configs dynamically",
        in_brackets(names().filter(read_only)),
    )?;
    refuse(
        "These security configs can be dynamically updated only per-listener using the listener prefix",
        in_brackets(names().filter(|name| ONLY_BY_LISTENER.contains(name))),
    )?;
    for (name, text) in new {
        check_value(name, text).map_err(|invalid| AlterError::InvalidRequest(invalid.to_string()))?;
    }
    if !for_one {
        let per_broker = |name: &&str| match after_listener_prefix(name) {
            Some(base) => !FOR_ALL_BY_LISTENER.contains(&base),
            None => broker_keys().get(name).is_some_and(|key| key.scope == Scope::PerBroker),
        };
        refuse(
            "Cannot update these configs at default cluster level, broker id must be specified",
            in_brackets(names().filter(per_broker)),
        )?;
    }
    for (name, text) in new {
        if let Some((what, _)) = crate::server::asks_for(name, text) {
            return Err(AlterError::InvalidRequest(format!(
                "{name} asks for {what}, which is not supported yet"
            )));
        }
    }
    let (all_brokers, this_broker) = if for_one {
        (layers.all_brokers, new)
    } else {
        (new, layers.this_broker)
    };
    let mut set = layers.own.all_settings().clone();
    overlay(&mut set, all_brokers, &Origin::DynamicDefaultBroker);
    overlay(&mut set, this_broker, &Origin::DynamicBroker);
    let changed = Config::read(set, broker_keys(), |_| {});
    check_together(&layers.effective(), changed)
}

/// Kafka takes every name it does not know, for plugins may know it.
fn check_value(name: &str, text: &str) -> Result<(), InvalidValue> {
    let base = after_listener_prefix(name).unwrap_or(name);
    let dynamic = broker_keys().get(base).filter(|key| key.scope != Scope::ReadOnly);
    let key: Option<&ConfigKey> = dynamic.or_else(|| dynamic_only_broker_keys().get(base));
    key.map_or(Ok(()), |key| key.parse(text).map(|_| ()))
}

/// The rules between keys, for the values as they would be.
fn check_together(now: &Config, changed: Config) -> Result<(), AlterError> {
    let refuse = |reason: String| {
        let text = format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration \
             Invalid dynamic configuration"
        );
        Err(AlterError::InvalidRequest(text))
    };
    for key in THREADS {
        let (old, new) = (now.int(key), changed.int(key));
        let failed = format!("Dynamic thread count update validation failed for {key}={new}");
        if new < old / 2 {
            return refuse(format!(
                "{failed}, value should be at least half the current value {old}"
            ));
        }
        if new > old.saturating_mul(2) {
            return refuse(format!(
                "{failed}, value should not be greater than double the current value {old}"
            ));
        }
    }
    for (local, all) in [
        ("log.local.retention.ms", "log.retention.ms"),
        ("log.local.retention.bytes", "log.retention.bytes"),
    ] {
        let limit = if all == "log.retention.ms" {
            retention_ms(&changed)
        } else {
            changed.long(all)
        };
        let value = changed.long(local);
        if limit < 0 || value == -2 {
            continue;
        }
        if value == -1 {
            let reason = format!("Value must not be -1 as {all} value is set as {limit}.");
            return refuse(InvalidValue::new(local, value, reason).to_string());
        }
        if value > limit {
            let reason = format!("Value must not be more than {all} property value: {limit}");
            return refuse(InvalidValue::new(local, value, reason).to_string());
        }
    }
    // Listeners are part of the broker's registration, which only a start renews.
    let was = ServerConfig::check(now.clone());
    match (was, ServerConfig::check(changed)) {
        (Ok(was), Ok(will)) if was.advertised_listeners != will.advertised_listeners => {
            refuse("Advertised listeners cannot be altered when using a Raft-based metadata quorum.".to_string())
        }
        (_, Err(errors)) => {
            let first = errors.iter().next().map(|error| error.to_string()).unwrap_or_default();
            Err(AlterError::InvalidRequest(
                first.lines().next().unwrap_or_default().to_string(),
            ))
        }
        _ => Ok(()),
    }
}

fn retention_ms(config: &Config) -> i64 {
    let defaults = crate::topic::broker_defaults(config);
    let retention = defaults.iter().find(|(name, _)| *name == "retention.ms");
    retention.and_then(|(_, value)| value.as_integer()).unwrap_or(-1)
}
