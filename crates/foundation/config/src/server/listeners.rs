//! Listeners: their protocols, which are the controller's, what is advertised.

use std::collections::BTreeMap;

use super::{ProcessRole, broken_rule, broken_rule_with};
use crate::config::Config;
use crate::error::{ConfigError, Problem};
use crate::listener::{Listener, ListenerAddress, SecurityProtocol, ip_version, normalised};

/// Every address of the node.
#[derive(Default)]
pub(super) struct Addresses {
    pub(super) listeners: Vec<Listener>,
    pub(super) advertised: Vec<Listener>,
    pub(super) advertised_controllers: Vec<Listener>,
    pub(super) inter_broker: String,
}

const PROTOCOL_MAP: &str = "listener.security.protocol.map";

/// Reads the listeners and checks all that Kafka checks of them. With errors the result is of no use.
pub(super) fn resolve(config: &Config, roles: &[ProcessRole], errors: &mut Vec<ConfigError>) -> Addresses {
    let before = errors.len();
    let protocols = protocols(config, errors);
    let listeners = read_listeners(config, "listeners", &protocols, errors);
    let advertised = match config.list_or_none("advertised.listeners") {
        Some(_) => read_listeners(config, "advertised.listeners", &protocols, errors),
        None => listeners.clone(),
    };
    if errors.len() > before {
        return Addresses::default();
    }
    check_ports(config, &listeners, errors);
    let controllers = config.list("controller.listener.names");
    let is_controllers = |listener: &Listener| controllers.contains(&listener.name);
    let advertised_controllers: Vec<Listener> = controllers
        .iter()
        .filter_map(|name| {
            advertised
                .iter()
                .chain(&listeners)
                .find(|listener| listener.name == normalised(name))
        })
        .filter(|listener| is_controllers(listener))
        .cloned()
        .collect();
    let advertised: Vec<Listener> = advertised
        .iter()
        .filter(|listener| !is_controllers(listener))
        .cloned()
        .collect();
    check_protocols(config, &listeners, &protocols, errors);
    check_controllers(config, roles, &listeners, &protocols, errors);
    check_early_start(config, &listeners, errors);
    for unreachable in advertised
        .iter()
        .chain(&advertised_controllers)
        .filter(|one| one.host.as_deref() == Some("0.0.0.0"))
    {
        let key = if config.is_set("advertised.listeners") {
            "advertised.listeners"
        } else {
            "listeners"
        };
        errors.push(broken_rule_with(
            config,
            key,
            format!("`{unreachable}` cannot be advertised: `0.0.0.0` is no address a client could connect to"),
            "set `advertised.listeners` to an address that clients reach, or leave the host in `listeners` empty",
        ));
    }
    let inter_broker = inter_broker(config, &protocols, errors);
    if roles.contains(&ProcessRole::Broker) {
        check_advertised(config, &listeners, &advertised, &inter_broker, errors);
    }
    Addresses {
        listeners,
        advertised,
        advertised_controllers,
        inter_broker,
    }
}

/// Protocol of each listener name. Unless the map is set, controllers' listeners are plaintext.
fn protocols(config: &Config, errors: &mut Vec<ConfigError>) -> BTreeMap<String, SecurityProtocol> {
    let mut protocols = BTreeMap::new();
    for pair in config
        .string(PROTOCOL_MAP)
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let protocol = pair
            .rsplit_once(':')
            .and_then(|(name, protocol)| Some((normalised(name.trim()), SecurityProtocol::by_name(protocol.trim())?)));
        match protocol {
            Some((name, protocol)) => {
                protocols.insert(name, protocol);
            }
            None => errors.push(ConfigError {
                allowed: Some(
                    "`NAME:PROTOCOL` pairs, the protocol one of `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`"
                        .to_string(),
                ),
                ..broken_rule(
                    config,
                    PROTOCOL_MAP,
                    format!("`{pair}` maps no listener name to a security protocol"),
                )
            }),
        }
    }
    if !config.is_set(PROTOCOL_MAP) {
        let secured = |name: &str| matches!(name, "SSL" | "SASL_SSL" | "SASL_PLAINTEXT");
        let controllers = config.list("controller.listener.names");
        let any_secured = controllers.iter().any(|name| secured(name))
            || config
                .list("listeners")
                .iter()
                .any(|one| secured(&normalised(one.split(':').next().unwrap_or(one))));
        if !any_secured {
            for name in controllers {
                protocols.entry(normalised(name)).or_insert(SecurityProtocol::Plaintext);
            }
        }
    }
    protocols
}

fn read_listeners(
    config: &Config,
    key: &str,
    protocols: &BTreeMap<String, SecurityProtocol>,
    errors: &mut Vec<ConfigError>,
) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for text in config.list(key) {
        let address = match text.parse::<ListenerAddress>() {
            Ok(address) => address,
            Err(error) => {
                errors.push(broken_rule_with(
                    config,
                    key,
                    format!("{error} in `{key}`"),
                    "for example `PLAINTEXT://127.0.0.1:9092`, or `PLAINTEXT://[::1]:9092` for IPv6",
                ));
                continue;
            }
        };
        let Some(protocol) = protocols.get(&address.name).copied() else {
            let rule = format!("no security protocol is known for the listener `{}`", address.name);
            let hint = format!("add `{}:PLAINTEXT` to `{PROTOCOL_MAP}`", address.name);
            errors.push(broken_rule_with(config, key, rule, hint));
            continue;
        };
        if listeners.iter().any(|other| other.name == address.name) {
            let rule = format!("`{key}` names the listener `{}` more than once", address.name);
            errors.push(broken_rule_with(
                config,
                key,
                rule,
                "give each listener a name of its own",
            ));
        }
        listeners.push(Listener {
            name: address.name,
            host: address.host,
            port: address.port,
            protocol,
        });
    }
    listeners
}

/// Two listeners may share a port only as an IPv4 and an IPv6 address of it.
fn check_ports(config: &Config, listeners: &[Listener], errors: &mut Vec<ConfigError>) {
    let mut by_port: BTreeMap<u16, Vec<&Listener>> = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| listener.port != 0) {
        by_port.entry(listener.port).or_default().push(listener);
    }
    for (port, sharing) in by_port.into_iter().filter(|(_, sharing)| sharing.len() > 1) {
        let mut versions: Vec<Option<u8>> = sharing
            .iter()
            .map(|listener| listener.host.as_deref().and_then(ip_version))
            .collect();
        versions.sort_unstable();
        if versions != [Some(4), Some(6)] {
            let names: Vec<&str> = sharing.iter().map(|listener| listener.name.as_str()).collect();
            errors.push(broken_rule_with(
                config,
                "listeners",
                format!("the listeners {} share port {port}", names.join(", ")),
                "give each its own port; only an IPv4 and an IPv6 address may share one",
            ));
        }
    }
}

/// Only plaintext works yet: a listener that is to be secured must not come up unsecured.
fn check_protocols(
    config: &Config,
    listeners: &[Listener],
    protocols: &BTreeMap<String, SecurityProtocol>,
    errors: &mut Vec<ConfigError>,
) {
    let controllers = config.list("controller.listener.names");
    let named = listeners
        .iter()
        .map(|listener| (listener.name.as_str(), listener.protocol, "listeners"));
    let remote = controllers
        .iter()
        .filter(|name| listeners.iter().all(|listener| listener.name != normalised(name)))
        .filter_map(|name| {
            Some((
                name.as_str(),
                *protocols.get(&normalised(name))?,
                "controller.listener.names",
            ))
        });
    for (name, protocol, named_in) in named.chain(remote) {
        let what = match protocol {
            SecurityProtocol::Plaintext => continue,
            SecurityProtocol::Ssl => "TLS (the protocol SSL)",
            SecurityProtocol::SaslPlaintext => "SASL authentication (the protocol SASL_PLAINTEXT)",
            SecurityProtocol::SaslSsl => "SASL authentication over TLS (the protocol SASL_SSL)",
        };
        let key = if config.is_set(PROTOCOL_MAP) {
            PROTOCOL_MAP
        } else {
            named_in
        };
        let hint = format!(
            "the listener `{name}` has the protocol {}; map it to PLAINTEXT",
            protocol.name()
        );
        errors.push(ConfigError {
            hint: Some(hint),
            ..config.error(key, Problem::NotSupportedYet(what))
        });
    }
}

fn check_controllers(
    config: &Config,
    roles: &[ProcessRole],
    listeners: &[Listener],
    protocols: &BTreeMap<String, SecurityProtocol>,
    errors: &mut Vec<ConfigError>,
) {
    const KEY: &str = "controller.listener.names";
    let listens_on = |name: &String| listeners.iter().any(|listener| listener.name == *name);
    let is_controller = roles.contains(&ProcessRole::Controller);
    for name in config.list(KEY) {
        if is_controller && !listens_on(name) {
            errors.push(broken_rule_with(
                config,
                KEY,
                format!("the controller's listener `{name}` is not among `listeners`"),
                format!("add `{name}://:9093` to `listeners`"),
            ));
        }
        if !is_controller && listens_on(name) {
            let rule = format!("`listeners` has the controllers' listener `{name}`, and the node is only a broker");
            errors.push(broken_rule_with(
                config,
                KEY,
                rule,
                format!("take `{name}` out of `listeners`"),
            ));
        }
        if !is_controller && !protocols.contains_key(&normalised(name)) {
            let rule = format!("no security protocol is known for the controllers' listener `{name}`");
            errors.push(broken_rule_with(
                config,
                KEY,
                rule,
                format!("add `{name}:PLAINTEXT` to `{PROTOCOL_MAP}`"),
            ));
        }
    }
    if is_controller && !roles.contains(&ProcessRole::Broker) {
        for listener in listeners
            .iter()
            .filter(|listener| !config.list(KEY).contains(&listener.name))
        {
            let rule = format!(
                "the listener `{}` is not the controller's, and the node is only a controller",
                listener.name
            );
            errors.push(broken_rule_with(
                config,
                "listeners",
                rule,
                format!("add `{}` to `{KEY}`", listener.name),
            ));
        }
    }
}

fn check_early_start(config: &Config, listeners: &[Listener], errors: &mut Vec<ConfigError>) {
    const KEY: &str = "early.start.listeners";
    let known = |name: &String| {
        listeners.iter().any(|listener| listener.name == *name)
            || config.list("controller.listener.names").contains(name)
    };
    for name in config
        .list_or_none(KEY)
        .unwrap_or_default()
        .iter()
        .filter(|name| !known(name))
    {
        let rule = format!("`{KEY}` names `{name}`, which is in neither `listeners` nor `controller.listener.names`");
        errors.push(broken_rule(config, KEY, rule));
    }
}

/// Name of the listener between brokers: set as such, or the one of the protocol between brokers.
fn inter_broker(
    config: &Config,
    protocols: &BTreeMap<String, SecurityProtocol>,
    errors: &mut Vec<ConfigError>,
) -> String {
    const NAME: &str = "inter.broker.listener.name";
    const PROTOCOL: &str = "security.inter.broker.protocol";
    let Some(name) = config.string_or_none(NAME) else {
        if config.string(PROTOCOL) != "PLAINTEXT" {
            let mut error = config.error(PROTOCOL, Problem::NotSupportedYet("TLS or SASL between brokers"));
            error.hint = Some(format!("leave it out, or `{PROTOCOL}=PLAINTEXT`"));
            errors.push(error);
        }
        return config.string(PROTOCOL).to_string();
    };
    if config.is_set(PROTOCOL) {
        let rule = format!("`{NAME}` and `{PROTOCOL}` are both set");
        errors.push(broken_rule_with(config, NAME, rule, format!("leave `{PROTOCOL}` out")));
    }
    let name = normalised(name);
    if !protocols.contains_key(&name) {
        let rule = format!("no security protocol is known for `{NAME}={name}`");
        errors.push(broken_rule_with(
            config,
            NAME,
            rule,
            format!("add `{name}:PLAINTEXT` to `{PROTOCOL_MAP}`"),
        ));
    }
    name
}

fn check_advertised(
    config: &Config,
    listeners: &[Listener],
    advertised: &[Listener],
    inter_broker: &str,
    errors: &mut Vec<ConfigError>,
) {
    let names = |of: &[Listener]| {
        let names: Vec<String> = of.iter().map(|listener| format!("`{}`", listener.name)).collect();
        names.join(", ")
    };
    let key = if config.is_set("advertised.listeners") {
        "advertised.listeners"
    } else {
        "listeners"
    };
    if advertised.is_empty() {
        errors.push(broken_rule_with(
            config,
            key,
            "a broker needs a listener that it can advertise",
            "are all listeners in `controller.listener.names`?",
        ));
        return;
    }
    for listener in advertised
        .iter()
        .filter(|one| listeners.iter().all(|other| other.name != one.name))
    {
        let rule = format!(
            "`advertised.listeners` has `{}`, which is not among `listeners`",
            listener.name
        );
        errors.push(ConfigError {
            allowed: Some(names(listeners)),
            ..broken_rule(config, key, rule)
        });
    }
    if advertised.iter().all(|listener| listener.name != inter_broker) {
        let rule =
            format!("brokers are to use the listener `{inter_broker}` among themselves, which is not advertised");
        errors.push(ConfigError {
            allowed: Some(names(advertised)),
            hint: Some("set `inter.broker.listener.name` to one of these".to_string()),
            ..broken_rule(config, "inter.broker.listener.name", rule)
        });
    }
}
