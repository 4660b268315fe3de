//! The node's addresses: bound before anything else happens, told to others with real hosts and ports.

use std::net::{SocketAddr, ToSocketAddrs};

use klamm_config::{Listener, ServerConfig};
use klamm_net::{BindError, BoundListener, SocketOptions};

/// A listener that is bound and not open yet.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is for controllers.
    pub(crate) kind: klamm_protocol::Listener,
    /// Its socket.
    pub(crate) bound: BoundListener,
}

/// A listener that can't be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener `{name}`: {source}")]
pub struct EndpointError {
    /// Its name.
    pub name: String,
    /// What is wrong with its address.
    pub source: BindError,
}

/// Binds all listeners.
///
/// # Errors
/// The first one that can't be bound; the others are let go.
pub(crate) fn bind(config: &ServerConfig, options: SocketOptions) -> Result<Vec<Endpoint>, EndpointError> {
    let bind = |listener: &Listener| {
        let host = listener.host.as_deref().unwrap_or_default();
        let bound = BoundListener::bind(host, listener.port, options).map_err(|source| EndpointError {
            name: listener.name.clone(),
            source,
        })?;
        let kind = match config.controller_listener_names.contains(&listener.name) {
            true => klamm_protocol::Listener::Controller,
            false => klamm_protocol::Listener::Broker,
        };
        Ok(Endpoint {
            name: listener.name.clone(),
            kind,
            bound,
        })
    };
    config.listeners.iter().map(bind).collect()
}

/// What is advertised, with the machine's name where no host is given and the bound port where the system chose it.
pub(crate) fn advertised(listeners: &[Listener], endpoints: &[Endpoint]) -> Vec<Listener> {
    let fill_in = |listener: &Listener| {
        let bound = endpoints.iter().find(|endpoint| endpoint.name == listener.name);
        Listener {
            host: listener.host.clone().or_else(|| Some(host_name())),
            port: match (listener.port, bound) {
                (0, Some(endpoint)) => endpoint.bound.address().port(),
                (port, _) => port,
            },
            ..listener.clone()
        }
    };
    listeners.iter().map(fill_in).collect()
}

/// The address of the first endpoint of a kind.
pub(crate) fn first(endpoints: &[Endpoint], kind: klamm_protocol::Listener) -> Option<SocketAddr> {
    endpoints
        .iter()
        .find(|endpoint| endpoint.kind == kind)
        .map(|endpoint| endpoint.bound.address())
}

/// The machine's name, if it leads anywhere: clients have to find the broker by what it advertises.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let addresses = (name.as_str(), 0).to_socket_addrs();
    if addresses.is_ok_and(|mut addresses| addresses.next().is_some()) {
        name
    } else {
        "localhost".to_owned()
    }
}
