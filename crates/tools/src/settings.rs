//! What `klamm produce` and `klamm consume` have in common: where to connect, `-X` and `-F`, and errors for people.

use std::time::Duration;

use klamm_client::{Error, Properties};

use crate::connect;
use crate::output::{Failure, masked};
use crate::spec::{COMMAND_CONFIG, Flag, Matches, OPTIONAL_BOOTSTRAP_SERVER};

pub(crate) const BOOTSTRAP: Flag = Flag {
    about: "Brokers to ask first, as `host:port,host:port`; port 9092 unless given",
    ..OPTIONAL_BOOTSTRAP_SERVER.short('b').default("localhost:9092")
};

pub(crate) const PROPERTY: Flag = Flag::text(
    "property",
    "NAME=VALUE",
    "A setting of the client by its name in Java or in librdkafka, over those of `-F`",
)
.short('X')
.repeated();

pub(crate) const CONFIG: Flag = COMMAND_CONFIG.short('F');

pub(crate) const PATIENCE: Flag = Flag::int(
    "metadata-timeout",
    "SECONDS",
    "How long to wait for brokers that don't answer at first",
)
.short('m')
.default("5");

pub(crate) const QUIET: Flag =
    Flag::switch("quiet", "No progress on stderr; without it there is some on a terminal").short('q');

/// Names of librdkafka's that differ from Java's.
const RENAMED: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("partitioner", "partitioner.class"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("socket.timeout.ms", "request.timeout.ms"),
];

/// The settings of `-F`, those of `-X` over them, and the brokers.
pub(crate) fn properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = Properties::new();
    for (name, value) in connect::file(args, CONFIG.name)?.iter() {
        set(&mut properties, name, value);
    }
    for given in args.all(PROPERTY.name) {
        let Some((name, value)) = given.split_once('=') else {
            let ends = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_');
            // What stands behind may be a secret.
            let name = given.split(ends).next().unwrap_or_default();
            let failure = Failure::own(format!("`-X {name}` is no `NAME=VALUE`")).code(2);
            return Err(failure.hint("for example `-X linger.ms=100`"));
        };
        let name = set(&mut properties, name.trim(), value);
        let alone: Properties = [(name, value)].into_iter().collect();
        if alone.unknown().next().is_some() {
            let failure = Failure::own(format!("`{name}` is no setting of a client")).code(2);
            return Err(failure
                .origin(format!("`-X {}` on the command line", masked(given)))
                .hint("names are those of Java's clients, such as `linger.ms` and `auto.offset.reset`"));
        }
    }
    if args.has(BOOTSTRAP.name) || properties.get("bootstrap.servers").is_none() {
        properties.set("bootstrap.servers", args.get(BOOTSTRAP.name).unwrap_or_default());
    }
    let servers: Vec<String> = properties
        .list("bootstrap.servers")
        .into_iter()
        .map(with_port)
        .collect();
    properties.set("bootstrap.servers", servers.join(","));
    Ok(properties)
}

/// Sets it under Java's name, which it returns.
fn set<'a>(properties: &mut Properties, name: &'a str, value: &str) -> &'a str {
    let name = name.strip_prefix("topic.").unwrap_or(name);
    let name = RENAMED
        .iter()
        .find(|(other, _)| *other == name)
        .map_or(name, |(_, java)| java);
    let value = match (name, value) {
        ("auto.offset.reset", "smallest" | "beginning") => "earliest",
        ("auto.offset.reset", "largest" | "end") => "latest",
        (_, value) => value,
    };
    properties.set(name, value);
    name
}

fn with_port(address: &str) -> String {
    let host = address.rsplit_once(']').map_or(address, |(_, after)| after);
    match host.contains(':') {
        true => address.to_owned(),
        false => format!("{address}:9092"),
    }
}

/// How long brokers may be silent at first.
pub(crate) fn patience(args: &Matches) -> Duration {
    let seconds = args.int(PATIENCE.name).and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(seconds.unwrap_or_default().max(1))
}

/// An error of a call in words for people.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::TimedOut { last: Some(last), .. } => failure(last),
        Error::TimedOut { after, .. } => {
            Failure::own(format!("the brokers did not answer within {} ms", after.as_millis()))
                .hint("`-m SECONDS` waits longer")
        }
        Error::Unreachable { address, reason } => Failure::own(format!("no broker answers at `{address}`: {reason}"))
            .hint("does one run there, and is it its client port? `-b HOST:PORT` names another"),
        other => Failure::own(other.to_string()),
    }
}

/// What is wrong with a value on the command line.
pub(crate) fn mistake(what: impl Into<String>) -> Failure {
    Failure::own(what).code(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafkas_names_are_javas_here() {
        let mut properties = Properties::new();
        assert_eq!(set(&mut properties, "topic.request.required.acks", "1"), "acks");
        assert_eq!(
            set(&mut properties, "auto.offset.reset", "smallest"),
            "auto.offset.reset"
        );
        assert_eq!(
            (properties.get("acks"), properties.get("auto.offset.reset")),
            (Some("1"), Some("earliest"))
        );
    }

    #[test]
    fn the_port_may_be_left_out() {
        for (given, address) in [
            ("kafka", "kafka:9092"),
            ("kafka:1", "kafka:1"),
            ("[::1]", "[::1]:9092"),
            ("[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(with_port(given), address);
        }
    }
}
