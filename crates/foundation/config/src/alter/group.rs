//! Changes of groups: values within the limits of the brokers.

use std::collections::BTreeMap;

use super::AlterError;
use crate::config::{Config, Overrides};
use crate::keys::group_keys;

/// Group key, the broker keys of its lower and upper limit.
type Limit = (&'static str, Option<&'static str>, Option<&'static str>);

const LIMITS: &[Limit] = &[
    between(
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    between(
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    between(
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    between(
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    between(
        "share.session.timeout.ms",
        "group.share.min.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ),
    between(
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    between(
        "share.delivery.count.limit",
        "group.share.min.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ),
    between(
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    between(
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    between(
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    between(
        "streams.session.timeout.ms",
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
    (
        "streams.num.standby.replicas",
        None,
        Some("group.streams.max.standby.replicas"),
    ),
    between(
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
    (
        "streams.task.offset.interval.ms",
        Some("group.streams.min.task.offset.interval.ms"),
        None,
    ),
    (
        "streams.num.warmup.replicas",
        None,
        Some("group.streams.max.warmup.replicas"),
    ),
];

const fn between(key: &'static str, min: &'static str, max: &'static str) -> Limit {
    (key, Some(min), Some(max))
}

/// Whether a group may have the settings `new`. `broker` has the values in force.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_group(broker: &Config, new: &Overrides) -> Result<(), AlterError> {
    if let Some(unknown) = new.keys().find(|name| group_keys().get(name).is_none()) {
        return Err(AlterError::InvalidConfig(format!(
            "Unknown group config name: {unknown}"
        )));
    }
    let mut values = BTreeMap::new();
    for key in group_keys().iter() {
        if let Some(text) = new.get(key.name) {
            values.insert(key.name, key.parse(text)?);
        }
    }
    let integer = |name: &str| values.get(name).and_then(|value| value.as_integer());
    for (key, min, max) in LIMITS {
        let Some(value) = integer(key) else { continue };
        let min = min.map(|min| i64::from(broker.int(min)));
        let max = max.map(|max| i64::from(broker.int(max)));
        let rule = match (min, max) {
            (Some(min), Some(max)) if value < min || value > max => {
                format!("{key} must be in the range {min} to {max} inclusive.")
            }
            (None, Some(max)) if value > max => format!("{key} must be less than or equal to {max}"),
            (Some(min), None) if value < min => format!("{key} must be greater than or equal to {min}"),
            _ => continue,
        };
        return Err(AlterError::InvalidConfig(rule));
    }
    for kind in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (
            format!("{kind}.session.timeout.ms"),
            format!("{kind}.heartbeat.interval.ms"),
        );
        let or_brokers = |key: &str| integer(key).unwrap_or_else(|| i64::from(broker.int(&format!("group.{key}"))));
        let either_is_set = integer(&session).is_some() || integer(&heartbeat).is_some();
        if either_is_set && or_brokers(&session) <= or_brokers(&heartbeat) {
            return Err(AlterError::InvalidConfig(format!(
                "{session} must be greater than {heartbeat}"
            )));
        }
    }
    if new
        .get("errors.deadletterqueue.topic.name")
        .is_some_and(|name| name.trim().starts_with("__"))
    {
        let text = "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'";
        return Err(AlterError::InvalidConfig(text.to_string()));
    }
    Ok(())
}
