//! Addresses: listeners, members of the controller quorum, and the names and protocols of listeners.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How a listener's connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityProtocol {
    /// Neither encryption nor authentication.
    Plaintext = 0,
    /// TLS.
    Ssl = 1,
    /// Authentication without encryption.
    SaslPlaintext = 2,
    /// Authentication over TLS.
    SaslSsl = 3,
}

impl SecurityProtocol {
    /// The protocol of this name, in upper or lower case.
    pub fn by_name(name: &str) -> Option<Self> {
        use SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
        [Plaintext, Ssl, SaslPlaintext, SaslSsl]
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// Number in metadata records.
    pub const fn id(self) -> i16 {
        self as i16
    }
}

/// Host and port, as `host:port` or `[::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Name or address, an IPv6 address without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A voter of a fixed quorum, as `id@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumVoter {
    /// Its `node.id`.
    pub id: i32,
    /// Where it listens.
    pub endpoint: Endpoint,
}

/// A listener, as `NAME://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name, in upper case.
    pub name: String,
    /// Name or address to bind or to advertise; `None` stands for every interface.
    pub host: Option<String>,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// How its connections are secured.
    pub protocol: SecurityProtocol,
}

/// A listener before its protocol is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerAddress {
    pub(crate) name: String,
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `NAME://host:port`.
    #[error("`{0}` is not of the form `NAME://host:port`")]
    NotAListener(String),
    /// Not `host:port`.
    #[error("`{0}` is not of the form `host:port`")]
    NotAnEndpoint(String),
    /// Not `id@host:port`.
    #[error("`{0}` is not of the form `id@host:port`")]
    NotAVoter(String),
    /// The port does not exist.
    #[error("`{0}` is not a port: ports go from 0 to 65535")]
    NotAPort(String),
}

/// Whether Kafka takes this for the name or address of a host.
pub fn is_valid_host(host: &str) -> bool {
    host.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'%' | b'.' | b'_' | b':'))
}

/// Name of a listener as it is compared: in upper case.
pub(crate) fn normalised(name: &str) -> String {
    name.to_uppercase()
}

/// Whether the host is an IP address, and of which kind.
pub(crate) fn ip_version(host: &str) -> Option<u8> {
    if host.parse::<Ipv4Addr>().is_ok() {
        return Some(4);
    }
    let unscoped = host.split('%').next().unwrap_or(host);
    unscoped.parse::<Ipv6Addr>().is_ok().then_some(6)
}

/// Splits `host:port` at the last colon and takes the brackets off the host.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    is_valid_host(host).then_some((host, port))
}

fn port(text: &str) -> Result<u16, AddressError> {
    match text.parse() {
        Ok(port) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(AddressError::NotAPort(text.to_string())),
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match host_and_port(text) {
            Some((host, port_text)) if !host.is_empty() => Ok(Endpoint {
                host: host.to_string(),
                port: port(port_text)?,
            }),
            _ => Err(AddressError::NotAnEndpoint(text.to_string())),
        }
    }
}

impl FromStr for QuorumVoter {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::NotAVoter(text.to_string());
        let (id, endpoint) = text.split_once('@').ok_or_else(wrong)?;
        let id = id.parse().map_err(|_| wrong())?;
        let endpoint = endpoint.parse().map_err(|error| match error {
            AddressError::NotAPort(port) => AddressError::NotAPort(port),
            _ => wrong(),
        })?;
        Ok(QuorumVoter { id, endpoint })
    }
}

impl FromStr for ListenerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::NotAListener(text.to_string());
        let (name, rest) = text.rsplit_once("://").ok_or_else(wrong)?;
        let (host, port_text) = host_and_port(rest).ok_or_else(wrong)?;
        let host = (!host.is_empty()).then(|| host.to_string());
        Ok(ListenerAddress {
            name: normalised(name),
            host,
            port: port(port_text)?,
        })
    }
}

/// `host:port`, brackets around an IPv6 address.
fn write_address(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') {
        write!(f, "[{host}]:{port}")
    } else {
        write!(f, "{host}:{port}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, &self.host, self.port)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.name)?;
        write_address(f, self.host.as_deref().unwrap_or_default(), self.port)
    }
}

impl fmt::Display for QuorumVoter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.endpoint)
    }
}
