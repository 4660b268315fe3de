//! A consumer's settings, read from its properties.

use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::Assignor;

use super::fetched::Reading;
use crate::properties::invalid;
use crate::{Error, Properties};

/// Where to begin when there is no offset, or it is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    Earliest,
    Latest,
    /// That long ago (KIP-1106).
    ByDuration(Duration),
    None,
}

/// What [`Properties`] mean for a [`super::Consumer`].
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) group: Option<GroupConfig>,
    pub(super) fetch: FetchConfig,
    pub(super) reset: Reset,
    pub(super) auto_commit: Option<Duration>,
    pub(super) max_poll_records: usize,
    pub(super) rack: Option<String>,
    pub(super) create_topics: bool,
    pub(super) exclude_internal: bool,
}

/// How it is a member of its group.
#[derive(Clone, Debug)]
pub(super) struct GroupConfig {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<String>,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) max_poll_interval: Duration,
    /// By falling preference.
    pub(super) assignors: Vec<Assignor>,
}

impl GroupConfig {
    /// With several assignors a group is cooperative only if all of them are.
    pub(super) fn is_cooperative(&self) -> bool {
        self.assignors.iter().all(|assignor| assignor.is_cooperative())
    }
}

/// How it fetches.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchConfig {
    pub(super) min_bytes: i32,
    pub(super) max_bytes: i32,
    pub(super) max_wait_ms: i32,
    pub(super) max_partition_bytes: i32,
    pub(super) reading: Reading,
}

impl FetchConfig {
    pub(super) fn isolation_level(self) -> i8 {
        i8::from(self.reading.committed)
    }
}

impl Config {
    pub(super) fn read(p: &Properties) -> Result<Config, Error> {
        let group = group(p)?;
        let auto_commit = p.boolean("enable.auto.commit", group.is_some())?;
        if auto_commit && group.is_none() {
            let reason = "cannot be true when group.id is not set".to_owned();
            return Err(invalid("enable.auto.commit", "true", reason));
        }
        let interval = p.number("auto.commit.interval.ms", 0, i32::MAX, 5000)?;
        let isolation = p.choice(
            "isolation.level",
            &[("read_uncommitted", false), ("read_committed", true)],
            false,
        )?;
        Ok(Config {
            group,
            fetch: FetchConfig {
                min_bytes: p.number("fetch.min.bytes", 0, i32::MAX, 1)?,
                max_bytes: p.number("fetch.max.bytes", 0, i32::MAX, 50 << 20)?,
                max_wait_ms: p.number("fetch.max.wait.ms", 0, i32::MAX, 500)?,
                max_partition_bytes: p.number("max.partition.fetch.bytes", 0, i32::MAX, 1 << 20)?,
                reading: Reading {
                    committed: isolation,
                    check_crcs: p.boolean("check.crcs", true)?,
                },
            },
            reset: reset(p)?,
            auto_commit: auto_commit.then(|| Duration::from_millis(interval.max(1) as u64)),
            max_poll_records: p.number("max.poll.records", 1, i32::MAX, 500)? as usize,
            rack: p.get("client.rack").filter(|rack| !rack.is_empty()).map(str::to_owned),
            create_topics: p.boolean("allow.auto.create.topics", true)?,
            exclude_internal: p.boolean("exclude.internal.topics", true)?,
        })
    }
}

fn group(p: &Properties) -> Result<Option<GroupConfig>, Error> {
    let protocols = [("classic", "classic"), ("consumer", "consumer")];
    if p.choice("group.protocol", &protocols, "classic")? == "consumer" {
        let reason = "not offered yet, only classic is".to_owned();
        return Err(invalid("group.protocol", "consumer", reason));
    }
    let Some(id) = p.get("group.id") else {
        return Ok(None);
    };
    if id.trim().is_empty() {
        let reason = "must not be empty or whitespace".to_owned();
        return Err(invalid("group.id", id, reason));
    }
    let instance_id = p.get("group.instance.id");
    if let Some(instance) = instance_id.filter(|instance| !is_instance_id(instance)) {
        let reason = "must be 1 to 249 letters, digits, '.', '_' and '-', and neither '.' nor '..'".to_owned();
        return Err(invalid("group.instance.id", instance, reason));
    }
    let millis = |key, least, default| {
        let millis = p.number(key, least, i32::MAX, default)?;
        Ok::<_, Error>(Duration::from_millis(millis as u64))
    };
    let config = GroupConfig {
        id: Arc::from(id),
        instance_id: instance_id.map(str::to_owned),
        session_timeout: millis("session.timeout.ms", 0, 45_000)?,
        heartbeat_interval: millis("heartbeat.interval.ms", 0, 3000)?,
        max_poll_interval: millis("max.poll.interval.ms", 1, 300_000)?,
        assignors: assignors(p)?,
    };
    if config.heartbeat_interval >= config.session_timeout {
        let value = config.heartbeat_interval.as_millis().to_string();
        let reason = format!(
            "must be lower than session.timeout.ms, {}",
            config.session_timeout.as_millis()
        );
        return Err(invalid("heartbeat.interval.ms", &value, reason));
    }
    Ok(Some(config))
}

fn is_instance_id(id: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&id.len()) && id.chars().all(legal) && id != "." && id != ".."
}

fn assignors(p: &Properties) -> Result<Vec<Assignor>, Error> {
    const KEY: &str = "partition.assignment.strategy";
    let Some(value) = p.get(KEY) else {
        return Ok(vec![Assignor::Range, Assignor::CooperativeSticky]);
    };
    let mut assignors = Vec::new();
    for name in p.list(KEY) {
        let assignor = Assignor::from_name(name).map_err(|error| invalid(KEY, value, error.to_string()))?;
        if assignors.contains(&assignor) {
            return Err(invalid(KEY, value, format!("names {name} twice")));
        }
        assignors.push(assignor);
    }
    if assignors.is_empty() {
        return Err(invalid(KEY, value, "must name an assignor".to_owned()));
    }
    Ok(assignors)
}

fn reset(p: &Properties) -> Result<Reset, Error> {
    const KEY: &str = "auto.offset.reset";
    let Some(value) = p.get(KEY).map(str::trim) else {
        return Ok(Reset::Latest);
    };
    if let Some(text) = value.strip_prefix("by_duration:") {
        let duration = parse_duration(text).map(Reset::ByDuration);
        return duration.ok_or_else(|| invalid(KEY, value, "the duration must be as PnDTnHnMn.nS".to_owned()));
    }
    match value.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Reset::Earliest),
        "latest" => Ok(Reset::Latest),
        "none" => Ok(Reset::None),
        _ => {
            let reason = "must be one of earliest, latest, none and by_duration:PnDTnHnMn.nS".to_owned();
            Err(invalid(KEY, value, reason))
        }
    }
}

/// ISO 8601 as `java.time.Duration` reads it, without signs.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    let mut rest = days;
    if !days.is_empty() {
        seconds += take(&mut rest, 'D')?.unwrap_or(0.0) * 86_400.0;
    }
    let mut rest_time = time;
    for (unit, factor) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some(number) = take(&mut rest_time, unit)? {
            seconds += number * factor;
        }
    }
    let done = rest.is_empty() && rest_time.is_empty();
    done.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// A number before `unit` at the front of `text`: outer `None` if it is malformed, inner if it is not there.
fn take(text: &mut &str, unit: char) -> Option<Option<f64>> {
    let Some((number, rest)) = text.split_once(unit) else {
        return Some(None);
    };
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !plain || (unit != 'S' && number.contains('.')) {
        return None;
    }
    *text = rest;
    number.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Config, String> {
        let properties: Properties = entries.iter().copied().collect();
        Config::read(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_javas() {
        let config = read(&[("group.id", "g")]).unwrap();
        let group = config.group.unwrap();
        assert_eq!(group.session_timeout, Duration::from_secs(45));
        assert_eq!(group.assignors, [Assignor::Range, Assignor::CooperativeSticky]);
        assert!(!group.is_cooperative());
        assert_eq!(config.auto_commit, Some(Duration::from_secs(5)));
        assert_eq!((config.max_poll_records, config.reset), (500, Reset::Latest));
        let alone = read(&[]).unwrap();
        assert!(alone.group.is_none() && alone.auto_commit.is_none());
    }

    #[test]
    fn what_java_refuses_is_refused() {
        let refused = |key, value| read(&[("group.id", "g"), (key, value)]).unwrap_err();
        assert!(refused("group.protocol", "consumer").contains("not offered yet"));
        assert!(refused("group.id", " ").contains("group.id"));
        assert!(refused("group.instance.id", "a/b").contains("letters"));
        assert!(refused("heartbeat.interval.ms", "45000").contains("lower than session.timeout.ms"));
        assert!(refused("partition.assignment.strategy", "best").contains("cooperative-sticky"));
        assert!(refused("auto.offset.reset", "smallest").contains("earliest"));
        assert!(refused("max.poll.records", "0").contains("at least 1"));
        assert!(refused("isolation.level", "serializable").contains("read_committed"));
        assert!(
            read(&[("enable.auto.commit", "true")])
                .unwrap_err()
                .contains("group.id")
        );
    }

    #[test]
    fn strategies_have_short_and_java_names() {
        let names = "org.apache.kafka.clients.consumer.StickyAssignor, cooperative-sticky";
        let config = read(&[("group.id", "g"), ("partition.assignment.strategy", names)]).unwrap();
        assert_eq!(
            config.group.unwrap().assignors,
            [Assignor::Sticky, Assignor::CooperativeSticky]
        );
    }

    #[test]
    fn durations_are_as_in_java() {
        assert_eq!(parse_duration("P1DT2H3M4.5S"), Some(Duration::from_millis(93_784_500)));
        assert_eq!(parse_duration("PT0.25S"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("P3D"), Some(Duration::from_secs(259_200)));
        for wrong in ["", "P", "PT", "1D", "P1", "PT1", "PT1.5H", "PT-1S", "P1DT"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        let config = read(&[("auto.offset.reset", "by_duration:PT1H")]).unwrap();
        assert_eq!(config.reset, Reset::ByDuration(Duration::from_secs(3600)));
    }
}
