//! A client's settings, read from its properties.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::backoff::Backoff;
use crate::connection::{Address, ConnectionOptions, SocketOptions};
use crate::properties::invalid;
use crate::{Error, Properties};

/// Which nodes the bootstrap addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bootstrap {
    Brokers,
    /// Controllers, for admin calls to the quorum itself (KIP-919).
    Controllers,
}

/// What [`Properties`] mean for a [`crate::Client`].
#[derive(Clone, Debug)]
pub(crate) struct ClientOptions {
    pub(crate) bootstrap: Bootstrap,
    pub(crate) addresses: Vec<Address>,
    pub(crate) connection: ConnectionOptions,
    pub(crate) reconnect: Backoff,
    pub(crate) retry: Backoff,
    pub(crate) timeouts: Timeouts,
    pub(crate) metadata_max_age: Duration,
    pub(crate) recovery: Recovery,
    /// Whether brokers are told which cluster and node they are expected to be (KIP-1242).
    pub(crate) cluster_check: bool,
}

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// One request.
    pub(crate) request: Duration,
    /// A call with all its attempts.
    pub(crate) api: Duration,
}

/// What to do when no known broker can be reached (KIP-899).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    None,
    Rebootstrap,
}

/// Largest reply that is accepted unless the builder says otherwise: five times what a consumer fetches at once.
pub(crate) const MAX_REPLY_BYTES: usize = 256 << 20;

impl ClientOptions {
    pub(crate) fn read(properties: &Properties, max_reply_bytes: usize) -> Result<ClientOptions, Error> {
        refuse_security(properties)?;
        let (bootstrap, addresses) = bootstrap(properties)?;
        let p = properties;
        // Java's lookup by canonical names only serves Kerberos; every address of a host is tried either way.
        p.choice(
            "client.dns.lookup",
            &[
                ("use_all_dns_ips", ()),
                ("resolve_canonical_bootstrap_servers_only", ()),
            ],
            (),
        )?;
        let recoveries = [("rebootstrap", Recovery::Rebootstrap), ("none", Recovery::None)];
        let request = millis_i32(p, "request.timeout.ms", 30_000)?;
        let socket = SocketOptions {
            send_buffer_bytes: buffer(p, "send.buffer.bytes")?,
            receive_buffer_bytes: buffer(p, "receive.buffer.bytes")?,
            setup: Backoff::new(
                p.millis("socket.connection.setup.timeout.ms", 10_000)?,
                p.millis("socket.connection.setup.timeout.max.ms", 30_000)?,
            ),
        };
        let idle = p.number("connections.max.idle.ms", i64::MIN, i64::MAX, 540_000)?;
        Ok(ClientOptions {
            bootstrap,
            addresses,
            connection: ConnectionOptions {
                client_id: Arc::from(p.get("client.id").unwrap_or_default()),
                socket,
                request_timeout: request,
                max_idle: u64::try_from(idle).ok().map(Duration::from_millis),
                max_reply_bytes,
            },
            reconnect: Backoff::new(
                p.millis("reconnect.backoff.ms", 50)?,
                p.millis("reconnect.backoff.max.ms", 1000)?,
            ),
            retry: Backoff::new(
                p.millis("retry.backoff.ms", 100)?,
                p.millis("retry.backoff.max.ms", 1000)?,
            ),
            timeouts: Timeouts {
                request,
                api: millis_i32(p, "default.api.timeout.ms", 60_000)?,
            },
            metadata_max_age: p.millis("metadata.max.age.ms", 300_000)?,
            recovery: p.choice("metadata.recovery.strategy", &recoveries, Recovery::Rebootstrap)?,
            cluster_check: p.boolean("metadata.cluster.check.enable", true)?,
        })
    }
}

fn millis_i32(properties: &Properties, key: &str, default: i32) -> Result<Duration, Error> {
    let millis = properties.number(key, 0, i32::MAX, default)?;
    Ok(Duration::from_millis(millis as u64))
}

/// -1 leaves the size to the system. That is our default where Java has fixed sizes, since a fixed size switches off
/// the system's own adaption to the line.
fn buffer(properties: &Properties, key: &str) -> Result<Option<u32>, Error> {
    let bytes = properties.number(key, -1, i32::MAX, -1)?;
    Ok(u32::try_from(bytes).ok())
}

fn refuse_security(properties: &Properties) -> Result<(), Error> {
    let protocols = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].map(|name| (name, name));
    match properties.choice("security.protocol", &protocols, "PLAINTEXT")? {
        "PLAINTEXT" => Ok(()),
        other => Err(invalid(
            "security.protocol",
            other,
            "not offered yet, only PLAINTEXT is".to_owned(),
        )),
    }
}

fn bootstrap(properties: &Properties) -> Result<(Bootstrap, Vec<Address>), Error> {
    let servers = properties.list("bootstrap.servers");
    let controllers = properties.list("bootstrap.controllers");
    let (bootstrap, key, list) = match (servers.is_empty(), controllers.is_empty()) {
        (false, true) => (Bootstrap::Brokers, "bootstrap.servers", servers),
        (true, false) => (Bootstrap::Controllers, "bootstrap.controllers", controllers),
        (true, true) => {
            return Err(Error::Config {
                key: "bootstrap.servers".to_owned(),
                value: properties.get("bootstrap.servers").map(str::to_owned),
                reason: "at least one host:port is needed".to_owned(),
            });
        }
        (false, false) => {
            let reason = "cannot be set together with bootstrap.servers".to_owned();
            return Err(invalid("bootstrap.controllers", &controllers.join(","), reason));
        }
    };
    let addresses: Result<_, _> = list.into_iter().map(|text| address(key, text)).collect();
    Ok((bootstrap, addresses?))
}

/// `host:port`, `[ipv6]:port`, either with a protocol in front as in `PLAINTEXT://host:port`.
pub(super) fn address(key: &str, text: &str) -> Result<Address, Error> {
    let malformed = |reason: &str| invalid(key, text, reason.to_owned());
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = bare.rsplit_once(':').ok_or_else(|| malformed("must be host:port"))?;
    let port = port
        .parse()
        .map_err(|_| malformed("the port must be a number up to 65535"))?;
    let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match unbracketed {
        Some(host) => host,
        None if host.contains(':') => return Err(malformed("an IPv6 address must stand in brackets")),
        None => host,
    };
    if host.is_empty() {
        return Err(malformed("must be host:port"));
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<ClientOptions, String> {
        let properties: Properties = entries.iter().copied().collect();
        ClientOptions::read(&properties, MAX_REPLY_BYTES).map_err(|error| error.to_string())
    }

    fn labels(list: &str) -> Result<Vec<String>, String> {
        let options = read(&[("bootstrap.servers", list)])?;
        Ok(options.addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_in_every_form() {
        assert_eq!(
            labels("a:1, [::1]:2 ,PLAINTEXT://b:3").as_deref(),
            Ok(&["a:1", "[::1]:2", "b:3"].map(String::from)[..])
        );
        for (list, reason) in [
            ("a", "must be host:port"),
            ("a:b", "the port must be a number up to 65535"),
            ("a:65536", "the port must be a number up to 65535"),
            ("::1:9092", "an IPv6 address must stand in brackets"),
            (":9092", "must be host:port"),
        ] {
            assert_eq!(
                labels(list),
                Err(format!("invalid value {list} for bootstrap.servers: {reason}"))
            );
        }
        assert_eq!(
            labels(" , "),
            Err("invalid value  ,  for bootstrap.servers: at least one host:port is needed".to_owned())
        );
        let nothing = "bootstrap.servers is missing: at least one host:port is needed";
        assert_eq!(read(&[]).map(|_| ()), Err(nothing.to_owned()));
    }

    #[test]
    fn brokers_or_controllers() {
        let options = read(&[("bootstrap.controllers", "c:1")]).expect("one list");
        assert_eq!(options.bootstrap, Bootstrap::Controllers);
        let error = read(&[("bootstrap.servers", "a:1"), ("bootstrap.controllers", "c:1")]).map(|_| ());
        let expected = "invalid value c:1 for bootstrap.controllers: cannot be set together with bootstrap.servers";
        assert_eq!(error, Err(expected.to_owned()));
    }

    #[test]
    fn defaults_are_javas() {
        let options = read(&[("bootstrap.servers", "a:1")]).expect("nothing is wrong");
        assert_eq!(options.timeouts.request, Duration::from_secs(30));
        assert_eq!(options.timeouts.api, Duration::from_secs(60));
        assert_eq!(options.metadata_max_age, Duration::from_secs(300));
        assert_eq!(options.recovery, Recovery::Rebootstrap);
        assert_eq!(options.connection.max_idle, Some(Duration::from_secs(540)));
        let never = read(&[("bootstrap.servers", "a:1"), ("connections.max.idle.ms", "-1")]).expect("allowed");
        assert_eq!(never.connection.max_idle, None);
    }

    #[test]
    fn what_is_not_offered_is_said() {
        let error = read(&[("bootstrap.servers", "a:1"), ("security.protocol", "sasl_ssl")]).map(|_| ());
        let expected = "invalid value SASL_SSL for security.protocol: not offered yet, only PLAINTEXT is";
        assert_eq!(error, Err(expected.to_owned()));
        assert!(read(&[("bootstrap.servers", "a:1"), ("security.protocol", "plaintext")]).is_ok());
        assert!(read(&[("bootstrap.servers", "a:1"), ("client.dns.lookup", "default")]).is_err());
        assert!(read(&[("bootstrap.servers", "a:1"), ("metadata.recovery.strategy", "NONE")]).is_ok());
    }
}
