//! Changes of topics, and the configuration of new ones.

use std::collections::BTreeMap;

use super::AlterError;
use crate::config::{Config, Overrides};
use crate::keys::topic_keys;
use crate::topic::broker_defaults;
use crate::value::Value;

/// Whether a topic may have the settings `new`; `existing` are those it has. `broker` has the values in force.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_topic(broker: &Config, existing: &Overrides, new: &Overrides) -> Result<(), AlterError> {
    if let Some(unknown) = new.keys().find(|name| topic_keys().get(name).is_none()) {
        return Err(AlterError::InvalidConfig(format!(
            "Unknown topic config name: {unknown}"
        )));
    }
    let defaults: BTreeMap<&str, Value> = broker_defaults(broker).into_iter().collect();
    let mut values = BTreeMap::new();
    for key in topic_keys().iter() {
        let value = match (new.get(key.name), defaults.get(key.name)) {
            (Some(text), _) => Some(key.parse(text)?),
            (None, Some(default)) => Some(default.clone()),
            (None, None) => key.default_value(),
        };
        values.insert(key.name, value);
    }
    let integer = |name: &str| {
        values
            .get(name)
            .and_then(|value| value.as_ref()?.as_integer())
            .unwrap_or_default()
    };
    let (min, max) = (integer("min.compaction.lag.ms"), integer("max.compaction.lag.ms"));
    if min > max {
        return Err(AlterError::InvalidConfig(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    let is_on = |name: &str| values.get(name) == Some(&Some(Value::Boolean(true)));
    if is_on("remote.storage.enable") {
        let text = "Tiered Storage functionality is disabled in the broker. \
                    Topic cannot be configured with remote log storage.";
        return Err(AlterError::InvalidConfig(text.to_string()));
    }
    let was_on = existing
        .get("remote.storage.enable")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if was_on && !is_on("remote.log.delete.on.disable") {
        let text = "It is invalid to disable remote storage without deleting remote data. If you want to keep the \
                    remote data and turn to read only, please set \
                    `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote storage \
                    and delete all remote data, please set \
                    `remote.storage.enable=false,remote.log.delete.on.disable=true`.";
        return Err(AlterError::InvalidConfig(text.to_string()));
    }
    Ok(())
}
