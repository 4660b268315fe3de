//! Rules between keys that have nothing to do with listeners.

use std::collections::BTreeMap;

use super::{ProcessRole, broken_rule, broken_rule_with, log_dirs};
use crate::config::Config;
use crate::error::ConfigError;
use crate::listener::{QuorumVoter, is_valid_host};
use crate::topic::broker_defaults;
use crate::value::Value;

/// Every rule of this file that does not hold.
pub(super) fn broken(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut require = |holds: bool, key: &str, rule: &str| {
        if !holds {
            errors.push(broken_rule(config, key, rule));
        }
    };
    require(
        config.int("node.id") == config.int("broker.id"),
        "broker.id",
        "`broker.id` and `node.id` are two names of one number and must agree",
    );
    logs(config, &mut require);
    replication(config, &mut require);
    connections(config, &mut require);
    groups(config, &mut require);
    errors
}

type Require<'a> = dyn FnMut(bool, &str, &str) + 'a;

fn logs(config: &Config, require: &mut Require<'_>) {
    let topics: BTreeMap<&str, Value> = broker_defaults(config).into_iter().collect();
    let default = |key: &str| topics.get(key).and_then(Value::as_integer).unwrap_or_default();
    require(
        default("segment.ms") >= 1,
        "log.roll.ms",
        "`log.roll.ms` must be at least 1",
    );
    require(
        default("segment.jitter.ms") >= 0,
        "log.roll.jitter.ms",
        "`log.roll.jitter.ms` must be at least 0",
    );
    let set_retention = ["log.retention.ms", "log.retention.minutes"]
        .into_iter()
        .find(|key| config.is_set(key));
    let retention = set_retention.unwrap_or("log.retention.hours");
    require(
        default("retention.ms") != 0,
        retention,
        "the retention time must be at least 1, or -1 for no limit",
    );
    require(
        default("min.compaction.lag.ms") <= default("max.compaction.lag.ms"),
        "log.cleaner.min.compaction.lag.ms",
        "`log.cleaner.min.compaction.lag.ms` must not be above `log.cleaner.max.compaction.lag.ms`",
    );
    let threads = i64::from(config.int("log.cleaner.threads"));
    require(
        threads > 0,
        "log.cleaner.threads",
        "`log.cleaner.threads` must be at least 1: the cleaner's buffer is divided among them",
    );
    let threads = threads.max(1);
    require(
        config.long("log.cleaner.dedupe.buffer.size") / threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size",
        "`log.cleaner.dedupe.buffer.size` must be above 1048576 for each of `log.cleaner.threads`",
    );
    let dirs = log_dirs(config);
    let cordoned = config.list("cordoned.log.dirs");
    require(
        cordoned.iter().all(|dir| dir == "*" || dirs.contains(dir)),
        "cordoned.log.dirs",
        "`cordoned.log.dirs` must name directories of `log.dirs`, or `*` for all of them",
    );
}

fn replication(config: &Config, require: &mut Require<'_>) {
    let wait = config.int("replica.fetch.wait.max.ms");
    require(
        wait <= config.int("replica.socket.timeout.ms"),
        "replica.fetch.wait.max.ms",
        "`replica.fetch.wait.max.ms` must not be above `replica.socket.timeout.ms`, or fetches time out for nothing",
    );
    require(
        i64::from(wait) <= config.long("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms",
        "`replica.fetch.wait.max.ms` must not be above `replica.lag.time.max.ms`, or followers fall out of sync",
    );
}

fn connections(config: &Config, require: &mut Require<'_>) {
    let queued = config.long("queued.max.request.bytes");
    require(
        queued <= 0 || queued >= i64::from(config.int("socket.request.max.bytes")),
        "queued.max.request.bytes",
        "`queued.max.request.bytes` must not be below `socket.request.max.bytes`, or the largest request never fits",
    );
    let idle = config.long("connections.max.idle.ms");
    require(
        idle < 0 || i64::from(config.int("connection.failed.authentication.delay.ms")) < idle,
        "connection.failed.authentication.delay.ms",
        "`connection.failed.authentication.delay.ms` must be below `connections.max.idle.ms`",
    );
}

/// Lower limit, value and upper limit.
const GROUP_LIMITS: &[[&str; 3]] = &[
    [
        "group.consumer.min.session.timeout.ms",
        "group.consumer.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ],
    [
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ],
    [
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ],
    [
        "group.share.min.session.timeout.ms",
        "group.share.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ],
    [
        "group.share.min.heartbeat.interval.ms",
        "group.share.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ],
    [
        "group.share.min.assignment.interval.ms",
        "group.share.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ],
    [
        "group.share.min.record.lock.duration.ms",
        "group.share.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ],
    [
        "group.share.min.delivery.count.limit",
        "group.share.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ],
    [
        "group.share.min.partition.max.record.locks",
        "group.share.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ],
    [
        "group.streams.min.session.timeout.ms",
        "group.streams.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ],
    [
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ],
    [
        "group.streams.min.assignment.interval.ms",
        "group.streams.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ],
];

/// Values that must not be above their limits.
const GROUP_MAXIMA: &[[&str; 2]] = &[
    [
        "group.streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
    ],
    ["group.streams.num.warmup.replicas", "group.streams.max.warmup.replicas"],
    [
        "group.streams.min.task.offset.interval.ms",
        "group.streams.task.offset.interval.ms",
    ],
];

fn groups(config: &Config, require: &mut Require<'_>) {
    for [min, value, max] in GROUP_LIMITS {
        let rule = format!("`{value}` must lie between `{min}` and `{max}`");
        require(
            (config.int(min)..=config.int(max)).contains(&config.int(value)),
            value,
            &rule,
        );
    }
    for [value, max] in GROUP_MAXIMA {
        let rule = format!("`{value}` must not be above `{max}`");
        require(config.int(value) <= config.int(max), value, &rule);
    }
    for kind in ["consumer", "share", "streams"] {
        let (heartbeat, session) = (
            format!("group.{kind}.heartbeat.interval.ms"),
            format!("group.{kind}.session.timeout.ms"),
        );
        let rule = format!("`{heartbeat}` must be below `{session}`");
        require(config.int(&heartbeat) < config.int(&session), &heartbeat, &rule);
    }
    require(
        config
            .list("group.coordinator.rebalance.protocols")
            .iter()
            .any(|protocol| protocol == "classic"),
        "group.coordinator.rebalance.protocols",
        "`group.coordinator.rebalance.protocols` must have `classic`",
    );
    for codec in [
        "offsets.topic.compression.codec",
        "share.coordinator.state.topic.compression.codec",
    ] {
        let rule = format!("`{codec}` must be 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) or 4 (zstd)");
        require((0..=4).contains(&config.int(codec)), codec, &rule);
    }
}

/// The voters of a fixed quorum, which a controller belongs to and a broker does not.
pub(super) fn quorum(
    config: &Config,
    roles: &[ProcessRole],
    node_id: i32,
    errors: &mut Vec<ConfigError>,
) -> Vec<QuorumVoter> {
    const VOTERS: &str = "controller.quorum.voters";
    let voters: Vec<QuorumVoter> = config
        .list(VOTERS)
        .iter()
        .filter_map(|voter| voter.parse().ok())
        .collect();
    if voters.is_empty() && config.list("controller.quorum.bootstrap.servers").is_empty() {
        errors.push(broken_rule_with(
            config,
            VOTERS,
            "the node does not know its controllers: neither `controller.quorum.bootstrap.servers` nor \
             `controller.quorum.voters` is set",
            "for a node on its own `controller.quorum.bootstrap.servers=localhost:9093`",
        ));
    }
    let is_voter = voters.iter().any(|voter| voter.id == node_id);
    if roles.contains(&ProcessRole::Controller) && !voters.is_empty() && !is_voter {
        let rule = format!("the node is a controller and its id {node_id} is not among `{VOTERS}`");
        errors.push(broken_rule_with(
            config,
            VOTERS,
            rule,
            "check `node.id`, or add the node to the voters",
        ));
    }
    if !roles.contains(&ProcessRole::Controller) && is_voter {
        let rule = format!("the node is only a broker and its id {node_id} is among `{VOTERS}`");
        errors.push(broken_rule_with(
            config,
            VOTERS,
            rule,
            "brokers and controllers share no ids; change `node.id`",
        ));
    }
    let is_repeated = |voter: &&QuorumVoter| voters.iter().filter(|other| other.id == voter.id).count() > 1;
    if let Some(voter) = voters.iter().find(is_repeated) {
        errors.push(broken_rule(
            config,
            VOTERS,
            format!("`{VOTERS}` has the id {} more than once", voter.id),
        ));
    }
    voters
}

/// `max.connections.per.ip.overrides`, as `host:limit` pairs.
pub(super) fn connections_per_ip(config: &Config, errors: &mut Vec<ConfigError>) -> BTreeMap<String, i32> {
    const KEY: &str = "max.connections.per.ip.overrides";
    let mut overrides = BTreeMap::new();
    for pair in config
        .string(KEY)
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let read = pair.rsplit_once(':').and_then(|(host, limit)| {
            let host = host.trim();
            is_valid_host(host).then_some((host.to_string(), limit.trim().parse().ok()?))
        });
        match read {
            Some((host, limit)) => {
                overrides.insert(host, limit);
            }
            None => {
                let rule = format!("`{pair}` is not a host and a number of connections");
                let allowed = Some("a list of `host:limit`, for example `127.0.0.1:200`".to_string());
                errors.push(ConfigError {
                    allowed,
                    ..broken_rule(config, KEY, rule)
                });
            }
        }
    }
    if config.int("max.connections.per.ip") == 0 && overrides.is_empty() {
        let rule = format!("`max.connections.per.ip=0` lets nobody in unless `{KEY}` is set");
        errors.push(broken_rule(config, "max.connections.per.ip", rule));
    }
    overrides
}
