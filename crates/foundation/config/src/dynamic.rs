//! The cluster's dynamic configuration over a broker's own (KIP-226).

use std::collections::BTreeMap;

use crate::config::{Config, Overrides};
use crate::keys::broker_keys;
use crate::origin::Origin;
use crate::properties::Property;

/// What a broker is configured with, from the lowest to the highest rank: defaults, file, all brokers, this broker.
#[derive(Clone, Copy, Debug)]
pub struct BrokerLayers<'a> {
    /// File and overrides, over the defaults.
    pub own: &'a Config,
    /// Dynamic configuration of all brokers.
    pub all_brokers: &'a Overrides,
    /// Dynamic configuration of this broker.
    pub this_broker: &'a Overrides,
}

const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
const ROLL_JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
const FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
const RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];

/// Broker keys that say the same thing as `key`, highest rank first; `None` if there is only `key` itself.
pub(crate) fn synonyms_of(key: &str) -> Option<&'static [&'static str]> {
    match key {
        "log.flush.interval.ms" => Some(FLUSH),
        _ => [ROLL, ROLL_JITTER, RETENTION]
            .into_iter()
            .find(|synonyms| synonyms.contains(&key)),
    }
}

impl BrokerLayers<'_> {
    /// The configuration in force. A dynamic setting takes the place of its synonyms of lower rank. A stored value that
    /// cannot be read is left out, as Kafka leaves it out; it was refused when it was set.
    pub fn effective(&self) -> Config {
        let mut set = self.own.all_settings().clone();
        overlay(&mut set, self.all_brokers, &Origin::DynamicDefaultBroker);
        overlay(&mut set, self.this_broker, &Origin::DynamicBroker);
        Config::read(set, broker_keys(), |_| {})
    }
}

/// Puts `overrides` over `set`, each in place of its synonyms. Values that cannot be read stay out.
pub(crate) fn overlay(set: &mut BTreeMap<String, Property>, overrides: &Overrides, origin: &Origin) {
    for (key, value) in overrides {
        if broker_keys().get(key).is_some_and(|known| known.parse(value).is_err()) {
            continue;
        }
        for synonym in synonyms_of(key).unwrap_or_default() {
            set.remove(*synonym);
        }
        set.insert(
            key.clone(),
            Property {
                value: value.clone(),
                origin: origin.clone(),
            },
        );
    }
}
