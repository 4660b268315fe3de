//! A configuration: what was set, and the value of every key.

use std::collections::BTreeMap;

use crate::error::{ConfigError, ConfigErrors, Problem, Warning};
use crate::key::{ConfigKey, DefaultValue, Effect};
use crate::keys::Table;
use crate::nearest::nearest;
use crate::origin::Origin;
use crate::properties::{Properties, Property};
use crate::value::{HIDDEN, InvalidValue, Value};

#[cfg(test)]
mod tests;

/// Settings of one resource as the cluster stores them: name to text.
pub type Overrides = BTreeMap<String, String>;

/// The values of all keys of a table, and what was set to get them.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    values: BTreeMap<&'static str, Option<Value>>,
    set: BTreeMap<String, Property>,
}

/// Beginnings of keys that belong to plugins, to one listener, or to nobody in particular.
const FOREIGN_PREFIXES: &[&str] = &[
    "config.providers.",
    "rlmm.config.",
    "rsm.config.",
    "metrics.jmx.",
    "metrics.context.",
];

/// Keys that Kafka dropped in 4.0, by their beginnings.
const REMOVED: &[&str] = &[
    "zookeeper.",
    "inter.broker.protocol.version",
    "log.message.format.version",
    "log.message.downconversion.enable",
    "log.message.timestamp.difference.max.ms",
    "control.plane.listener.name",
    "broker.id.generation.enable",
    "reserved.broker.max.id",
    "password.encoder.",
    "offsets.commit.required.acks",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "group.coordinator.new.enable",
    "eligible.leader.replicas.enable",
];

/// Keys that may come after `listener.name.{listener}.{mechanism}.`.
const MECHANISM_KEYS: &[&str] = &[
    "connections.max.reauth.ms",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
];

/// What follows `listener.name.{listener}.` in `name`, if it begins so.
pub(crate) fn after_listener_prefix(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("listener.name.")?;
    rest.split_once('.').map(|(_, base)| base)
}

/// The key that a setting for one listener, and perhaps one SASL mechanism, stands for.
pub(crate) fn base_of_listener_key(name: &str) -> Option<&str> {
    let base = after_listener_prefix(name)?;
    Some(
        MECHANISM_KEYS
            .iter()
            .find(|key| base.ends_with(**key))
            .copied()
            .unwrap_or(base),
    )
}

impl Config {
    /// Reads every key of `table` from `properties`. Keys outside the table are kept as they are, with a warning.
    ///
    /// # Errors
    /// All values that are not of their key, and all required keys that are not set.
    pub fn from_properties(
        properties: &Properties,
        table: &'static Table,
    ) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        let set = properties
            .iter()
            .map(|(key, property)| (key.to_string(), property.clone()))
            .collect();
        let mut errors = Vec::new();
        let config = Config::read(set, table, |error| errors.push(error));
        ConfigErrors::none_in(errors)?;
        let mut warnings = config.warnings(table);
        warnings.extend(properties.repeated().iter().map(|repeated| Warning::Repeated {
            key: repeated.key.clone(),
            lost: repeated.lost.origin.clone(),
            kept: repeated.kept.clone(),
        }));
        Ok((config, warnings))
    }

    /// The defaults of `table`; required keys have no value.
    pub fn defaults(table: &'static Table) -> Config {
        Config::read(BTreeMap::new(), table, |_| {})
    }

    /// Reads `set`; what cannot be read goes to `complain`, and its key keeps the default.
    pub(crate) fn read(
        set: BTreeMap<String, Property>,
        table: &'static Table,
        mut complain: impl FnMut(ConfigError),
    ) -> Config {
        let mut values = BTreeMap::new();
        for key in table.iter() {
            let mut value = key.default_value();
            match set.get(key.name) {
                Some(property) => match key.parse(&property.value) {
                    Ok(parsed) => value = Some(parsed),
                    Err(invalid) => complain(invalid_setting(key, key.name, property, invalid)),
                },
                None if key.default == DefaultValue::Required => complain(missing(key)),
                None => {}
            }
            values.insert(key.name, value);
        }
        for (name, property) in &set {
            let Some(key) = base_of_listener_key(name).and_then(|base| table.get(base)) else {
                continue;
            };
            if let Err(invalid) = key.parse(&property.value) {
                complain(invalid_setting(key, name, property, invalid));
            }
        }
        Config { values, set }
    }

    fn warnings(&self, table: &Table) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (name, property) in &self.set {
            let (known, origin) = (table.get(name), property.origin.clone());
            let key = name.clone();
            if let Some(known) = known {
                if known.deprecated {
                    warnings.push(Warning::Deprecated {
                        key: key.clone(),
                        origin: origin.clone(),
                    });
                }
                let wished = property.origin != Origin::Program && self.value(name) != known.default_value().as_ref();
                if known.effect == Effect::NotYet && wished {
                    warnings.push(Warning::NoEffectYet { key, origin });
                }
            } else if base_of_listener_key(name).is_some_and(|base| table.get(base).is_some())
                || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                continue;
            } else if REMOVED.iter().any(|removed| name.starts_with(removed)) {
                warnings.push(Warning::RemovedKey { key, origin });
            } else {
                warnings.push(Warning::UnknownKey {
                    nearest: nearest(name, table),
                    key,
                    origin,
                });
            }
        }
        warnings
    }

    /// The value of `key`; `None` if it is unset. Asking for a key outside the table is a mistake of the program.
    ///
    /// # Panics
    /// When the table has no such key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        match self.values.get(key) {
            Some(value) => value.as_ref(),
            None => panic!("no such configuration key: {key}"),
        }
    }

    /// Where the value of `key` comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.set
            .get(key)
            .map_or(Origin::Default, |property| property.origin.clone())
    }

    /// Whether `key` was set, be it to its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.set.contains_key(key)
    }

    /// Everything that was set, keys outside the table included, by key.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.set.iter().map(|(key, property)| (key.as_str(), property))
    }

    /// What `key` was set to, as written.
    pub fn setting(&self, key: &str) -> Option<&Property> {
        self.set.get(key)
    }

    pub(crate) fn all_settings(&self) -> &BTreeMap<String, Property> {
        &self.set
    }

    pub(crate) fn replace(&mut self, key: &'static str, value: Option<Value>) {
        self.values.insert(key, value);
    }

    /// The value of `key` for one listener: `listener.name.{listener}.{key}` if that is set, else `key` itself.
    /// Both were checked when the configuration was read.
    pub fn value_for_listener(&self, listener: &str, key: &'static ConfigKey) -> Option<Value> {
        let prefixed = format!("listener.name.{}.{}", listener.to_lowercase(), key.name);
        match self.set.get(&prefixed).map(|property| key.parse(&property.value)) {
            Some(Ok(value)) => Some(value),
            _ => self.value(key.name).cloned(),
        }
    }

    /// An error about `key` as it is set here.
    pub(crate) fn error(&self, key: &str, problem: Problem) -> ConfigError {
        let setting = self.set.get(key);
        let hidden = matches!(self.values.get(key), Some(Some(Value::Password(_))));
        ConfigError {
            key: key.to_string(),
            value: setting.map(|property| {
                if hidden {
                    HIDDEN.to_string()
                } else {
                    property.value.clone()
                }
            }),
            origin: self.origin(key),
            problem,
            allowed: None,
            hint: None,
        }
    }
}

fn invalid_setting(key: &ConfigKey, name: &str, property: &Property, invalid: InvalidValue) -> ConfigError {
    ConfigError {
        key: name.to_string(),
        value: Some(if key.is_sensitive() {
            HIDDEN.to_string()
        } else {
            property.value.clone()
        }),
        origin: property.origin.clone(),
        problem: Problem::Invalid(invalid),
        allowed: Some(key.allowed()),
        hint: None,
    }
}

fn missing(key: &ConfigKey) -> ConfigError {
    ConfigError {
        key: key.name.to_string(),
        value: None,
        origin: Origin::Default,
        problem: Problem::Missing,
        allowed: Some(key.allowed()),
        hint: Some(match key.name {
            "process.roles" => "a node that is all in one has `process.roles=broker,controller`".to_string(),
            "controller.listener.names" => "for example `controller.listener.names=CONTROLLER`".to_string(),
            name => format!("add `{name}=…`"),
        }),
    }
}

/// Values by type.
///
/// # Panics
/// When the key is not in the table, of another type, or (but for the `_or_none` ones) unset: the program asked wrongly.
impl Config {
    fn read_as<'a, T>(&'a self, key: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        Some(read(value).unwrap_or_else(|| panic!("configuration key {key} is {value:?}, of another type")))
    }

    /// A BOOLEAN.
    pub fn boolean(&self, key: &str) -> bool {
        set(
            key,
            self.read_as(key, |value| {
                if let Value::Boolean(value) = value {
                    Some(*value)
                } else {
                    None
                }
            }),
        )
    }

    /// An INT.
    pub fn int(&self, key: &str) -> i32 {
        set(key, self.int_or_none(key))
    }

    /// An INT, `None` if it is unset.
    pub fn int_or_none(&self, key: &str) -> Option<i32> {
        self.read_as(key, |value| {
            if let Value::Int(value) = value {
                Some(*value)
            } else {
                None
            }
        })
    }

    /// A SHORT.
    pub fn short(&self, key: &str) -> i16 {
        set(
            key,
            self.read_as(key, |value| {
                if let Value::Short(value) = value {
                    Some(*value)
                } else {
                    None
                }
            }),
        )
    }

    /// A LONG.
    pub fn long(&self, key: &str) -> i64 {
        set(key, self.long_or_none(key))
    }

    /// A LONG, `None` if it is unset.
    pub fn long_or_none(&self, key: &str) -> Option<i64> {
        self.read_as(key, |value| {
            if let Value::Long(value) = value {
                Some(*value)
            } else {
                None
            }
        })
    }

    /// A DOUBLE.
    pub fn double(&self, key: &str) -> f64 {
        set(
            key,
            self.read_as(key, |value| {
                if let Value::Double(value) = value {
                    Some(*value)
                } else {
                    None
                }
            }),
        )
    }

    /// A STRING or CLASS.
    pub fn string(&self, key: &str) -> &str {
        set(key, self.string_or_none(key))
    }

    /// A STRING or CLASS, `None` if it is unset.
    pub fn string_or_none(&self, key: &str) -> Option<&str> {
        self.read_as(key, |value| match value {
            Value::String(value) | Value::Class(value) => Some(value.as_str()),
            _ => None,
        })
    }

    /// A LIST.
    pub fn list(&self, key: &str) -> &[String] {
        set(key, self.list_or_none(key))
    }

    /// A LIST, `None` if it is unset.
    pub fn list_or_none(&self, key: &str) -> Option<&[String]> {
        self.read_as(key, |value| {
            if let Value::List(items) = value {
                Some(items.as_slice())
            } else {
                None
            }
        })
    }
}

fn set<T>(key: &str, value: Option<T>) -> T {
    value.unwrap_or_else(|| panic!("configuration key {key} has no value"))
}
