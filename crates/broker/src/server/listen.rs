//! Opens the node's ports.

use std::sync::Arc;

use klamm_net::ConnectionQuotas;
use klamm_protocol::Listener;
use tracing::info;

use super::StartError;
use crate::config::NodeConfig;
use crate::connection::Listeners;
use crate::endpoints::{Endpoint, EndpointError};
use crate::node::Node;
use crate::request::ListenerInfo;

/// The counts of connections. Broker and controller count apart, as two Kafka processes would.
#[derive(Clone, Debug)]
pub(super) struct Quotas {
    broker: ConnectionQuotas,
    controller: ConnectionQuotas,
}

impl Quotas {
    pub(super) fn new(config: &NodeConfig) -> Self {
        let limits = config.connection_limits();
        Quotas {
            broker: ConnectionQuotas::new(limits.clone()),
            controller: ConnectionQuotas::new(limits),
        }
    }

    /// Takes over limits that were changed while the node runs.
    pub(super) fn update(&self, config: &NodeConfig) {
        let limits = config.connection_limits();
        self.broker.update(limits.clone());
        self.controller.update(limits);
    }

    fn of(&self, kind: Listener) -> ConnectionQuotas {
        match kind {
            Listener::Broker => self.broker.clone(),
            Listener::Controller => self.controller.clone(),
        }
    }
}

/// Opens all listeners: those of the controller first, so that who sees a broker's port finds the controller too, as in Kafka.
///
/// # Errors
/// A port that somebody else began to listen on since it was bound.
pub(super) fn listen(node: &Arc<Node>, mut endpoints: Vec<Endpoint>, quotas: &Quotas) -> Result<Listeners, StartError> {
    let options = node.config.connection_options();
    let of_clients = endpoints
        .iter()
        .filter(|endpoint| endpoint.kind == Listener::Broker)
        .count();
    let inter_broker = &node.config.server.inter_broker_listener_name;
    endpoints.sort_by_key(|endpoint| endpoint.kind == Listener::Broker);
    let mut listeners = Listeners::new();
    for Endpoint { name, kind, bound } in endpoints {
        // Clients on other listeners can't shut brokers out.
        let protected = kind == Listener::Broker && of_clients > 1 && name == *inter_broker;
        let info = ListenerInfo::new(name.clone(), kind);
        let address = listeners
            .open(node, bound, info, options.clone(), quotas.of(kind), protected)
            .map_err(|source| EndpointError {
                name: name.clone(),
                source,
            })?;
        info!(listener = name, %address, "listening");
    }
    Ok(listeners)
}
