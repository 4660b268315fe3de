//! Whose settings are meant.

use std::net::{IpAddr, ToSocketAddrs as _};

use klamm_client::{ConfigResource, ConfigResourceKind, ConfigSource};

use super::wrong;
use crate::call::Outcome;
use crate::output::Failure;
use crate::spec::Matches;

/// A type of things that have settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Client,
    User,
    Broker,
    Ip,
    ClientMetrics,
    Group,
    BrokerLogger,
}

/// In the order in which Kafka's tool lists them.
const KINDS: [Kind; 8] = [
    Kind::Topic,
    Kind::Client,
    Kind::User,
    Kind::Broker,
    Kind::Ip,
    Kind::ClientMetrics,
    Kind::Group,
    Kind::BrokerLogger,
];

/// The flag for each type, and that for its defaults, in the order of Kafka's tool.
const NAMED: [(&str, Kind); 8] = [
    ("topic", Kind::Topic),
    ("client", Kind::Client),
    ("user", Kind::User),
    ("broker", Kind::Broker),
    ("broker-logger", Kind::BrokerLogger),
    ("ip", Kind::Ip),
    ("client-metrics", Kind::ClientMetrics),
    ("group", Kind::Group),
];
const DEFAULTS: [(&str, Kind); 4] = [
    ("client-defaults", Kind::Client),
    ("user-defaults", Kind::User),
    ("broker-defaults", Kind::Broker),
    ("ip-defaults", Kind::Ip),
];

/// What was typed: types, and names for the first of them. An empty name stands for the defaults.
#[derive(Clone, Debug)]
pub(super) struct Entities {
    pub(super) kinds: Vec<Kind>,
    pub(super) names: Vec<String>,
}

impl Kind {
    /// As in `--entity-type`.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Kind::Topic => "topics",
            Kind::Client => "clients",
            Kind::User => "users",
            Kind::Broker => "brokers",
            Kind::Ip => "ips",
            Kind::ClientMetrics => "client-metrics",
            Kind::Group => "groups",
            Kind::BrokerLogger => "broker-loggers",
        }
    }

    /// The plural without its last letter, as Kafka's tool has it.
    pub(super) fn singular(self) -> &'static str {
        let plural = self.plural();
        &plural[..plural.len() - 1]
    }

    pub(super) fn has_defaults(self) -> bool {
        matches!(self, Kind::User | Kind::Client | Kind::Broker | Kind::Ip)
    }

    /// The resource of this name; none for what has quotas instead of settings.
    pub(super) fn resource(self, name: &str) -> Option<ConfigResource> {
        let kind = match self {
            Kind::Topic => ConfigResourceKind::Topic,
            Kind::Broker => ConfigResourceKind::Broker,
            Kind::BrokerLogger => ConfigResourceKind::BrokerLogger,
            Kind::ClientMetrics => ConfigResourceKind::ClientMetrics,
            Kind::Group => ConfigResourceKind::Group,
            Kind::Client | Kind::User | Kind::Ip => return None,
        };
        Some(ConfigResource::new(kind, name))
    }

    /// Where settings come from that were changed while the cluster ran; none if all count.
    pub(super) fn dynamic_source(self, name: &str) -> Option<ConfigSource> {
        match self {
            Kind::Topic => Some(ConfigSource::DynamicTopic),
            Kind::Broker if name.is_empty() => Some(ConfigSource::DynamicDefaultBroker),
            Kind::Broker => Some(ConfigSource::DynamicBroker),
            Kind::ClientMetrics => Some(ConfigSource::ClientMetrics),
            Kind::Group => Some(ConfigSource::Group),
            Kind::BrokerLogger | Kind::Client | Kind::User | Kind::Ip => None,
        }
    }
}

impl Entities {
    /// Reads both forms of flags.
    pub(super) fn read(args: &Matches) -> Result<Entities, Failure> {
        let mut types: Vec<&str> = args.all("entity-type");
        let flags = NAMED.iter().chain(&DEFAULTS).filter(|(flag, _)| args.has(flag));
        types.extend(flags.map(|(_, kind)| kind.plural()));
        let mut seen = Vec::new();
        let mut twice: Vec<&str> = Vec::new();
        for one in &types {
            match seen.contains(one) {
                true => twice.push(one),
                false => seen.push(one),
            }
        }
        if !twice.is_empty() {
            return Err(wrong(format!(
                "Duplicate entity type(s) specified: {}",
                twice.join(",")
            )));
        }
        let mut kinds = Vec::new();
        for one in &types {
            let kind = KINDS.into_iter().find(|kind| kind.plural() == *one);
            kinds.push(kind.ok_or_else(|| unknown(one))?);
        }
        match kinds.len() {
            0 => {
                let failure = wrong("At least one entity type must be specified");
                return Err(failure.hint("for example `--topic NAME` or `--broker-defaults`"));
            }
            1 => {}
            _ if kinds.iter().all(|kind| matches!(kind, Kind::User | Kind::Client)) => {}
            _ => {
                return Err(wrong(
                    "Only 'users' and 'clients' entity types may be specified together",
                ));
            }
        }
        let long = ["entity-name", "entity-type", "entity-default"]
            .iter()
            .any(|flag| args.has(flag));
        if long && NAMED.iter().chain(&DEFAULTS).any(|(flag, _)| args.has(flag)) {
            let words = "--entity-{type,name,default} should not be used in conjunction with specific entity flags";
            return Err(wrong(words));
        }
        let names = names(args);
        Ok(Entities { kinds, names })
    }

    pub(super) fn has_name(&self) -> bool {
        self.names.iter().any(|name| !name.is_empty())
    }

    /// The types, for a sentence.
    pub(super) fn types(&self) -> String {
        let types: Vec<&str> = self.kinds.iter().map(|kind| kind.plural()).collect();
        types.join(",")
    }

    /// That brokers are numbers, and addresses addresses.
    pub(super) fn check_names(&self) -> Outcome {
        for kind in &self.kinds {
            for name in self.names.iter().filter(|name| !name.is_empty()) {
                let plural = kind.plural();
                match kind {
                    Kind::Broker | Kind::BrokerLogger if name.parse::<i32>().is_err() => {
                        return Err(wrong(format!(
                            "The entity name for {plural} must be a valid integer broker id, but it is: {name}"
                        )));
                    }
                    Kind::Ip if !is_address(name) => {
                        return Err(wrong(format!(
                            "The entity name for {plural} must be a valid IP or resolvable host, but it is: {name}"
                        )));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Failure {
    let all: Vec<&str> = KINDS.iter().map(|kind| kind.plural()).collect();
    wrong(format!(
        "Invalid entity type {name}, the entity type must be one of {} with a --bootstrap-server or --bootstrap-controller argument",
        all.join(", ")
    ))
}

/// Names in the order of typing, then those of the short flags.
fn names(args: &Matches) -> Vec<String> {
    let long = args.in_order().filter_map(|(flag, value)| match flag {
        "entity-name" => value.map(str::to_owned),
        "entity-default" => Some(String::new()),
        _ => None,
    });
    let mut names: Vec<String> = long.collect();
    let named = NAMED.iter().filter_map(|(flag, _)| args.get(flag));
    names.extend(named.map(str::to_owned));
    names.extend(
        DEFAULTS
            .iter()
            .filter(|(flag, _)| args.has(flag))
            .map(|_| String::new()),
    );
    names
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || (name, 0).to_socket_addrs().is_ok()
}
