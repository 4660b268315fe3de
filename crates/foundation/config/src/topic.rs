//! The configuration of a topic: its own settings over what the broker's give.

use crate::config::{Config, Overrides};
use crate::key::ConfigType;
use crate::keys::topic_keys;
use crate::origin::Origin;
use crate::properties::Property;
use crate::value::{InvalidValue, Value};

#[cfg(test)]
mod tests;

/// The values of all topic keys for a topic with `overrides` on a broker with `broker`'s values in force.
/// A stored value that cannot be read is returned beside; the broker's value stands in for it.
pub fn topic_config(broker: &Config, overrides: &Overrides) -> (Config, Vec<InvalidValue>) {
    let mut invalid = Vec::new();
    let mut set = std::collections::BTreeMap::new();
    for (name, value) in overrides {
        match topic_keys().get(name).map(|key| key.parse(value)) {
            Some(Err(error)) => invalid.push(error),
            _ => {
                set.insert(
                    name.clone(),
                    Property {
                        value: value.clone(),
                        origin: Origin::Resource,
                    },
                );
            }
        }
    }
    let mut config = Config::read(set, topic_keys(), |_| {});
    for (name, value) in broker_defaults(broker) {
        if !config.is_set(name) {
            config.replace(name, Some(value));
        }
    }
    (config, invalid)
}

/// What the broker's configuration gives topics that say nothing themselves, for every topic key it has a say in.
pub(crate) fn broker_defaults(broker: &Config) -> Vec<(&'static str, Value)> {
    let mut defaults = Vec::new();
    for key in topic_keys().iter().filter(|key| !key.server_synonyms.is_empty()) {
        let first_set = key
            .server_synonyms
            .iter()
            .find_map(|synonym| Some((synonym, broker.value(synonym.name)?)));
        let Some((synonym, value)) = first_set else { continue };
        let value = match (key.config_type, value.as_integer()) {
            (ConfigType::Long, Some(number)) => Value::Long(number.saturating_mul(synonym.factor)),
            _ => value.clone(),
        };
        // Every negative retention means for good.
        let value = match value {
            Value::Long(number) if key.name == "retention.ms" && number < 0 => Value::Long(-1),
            other => other,
        };
        defaults.push((key.name, value));
    }
    defaults
}
