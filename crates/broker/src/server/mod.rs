//! A node from start to end.
//!
//! Start: ports are bound and directories looked at before anything is written; logs are opened, the quorum is loaded and this
//! node elected, the broker registers and is unfenced; only then ports answer. Shutdown goes the other way: nothing new comes
//! in, what was begun is finished, the controller lets the broker go, logs are closed and marked clean.

mod error;
mod format;
mod open;
mod publishers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use klamm_net::{ConnectionOptions, ConnectionQuotas};
use klamm_protocol::Listener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::info;

pub use error::{StartError, StopError};
pub use open::Unformatted;

use crate::config::NodeConfig;
use crate::connection::Listeners;
use crate::endpoints::{self, Endpoint};
use crate::lifecycle::{self, Registration};
use crate::node::Node;
use crate::quorum::RunningQuorum;
use crate::request::ListenerInfo;
use klamm_config::ServerConfig;

/// How long requests may take to finish when the node stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How often logs are looked after.
const LOG_TICK: Duration = Duration::from_secs(1);

/// A running node and all that belongs to it. Dropped without [`Server::shutdown`] it ends soon, and not cleanly.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    listeners: Listeners,
    registration: Arc<Registration>,
    background: JoinSet<()>,
    quorum: RunningQuorum,
    fault: watch::Receiver<Option<String>>,
    client_address: Option<SocketAddr>,
    controller_address: Option<SocketAddr>,
}

impl Server {
    /// Starts a node and returns when it serves.
    ///
    /// # Errors
    /// See [`StartError`]; nothing stays behind but what a directory that was formatted got.
    pub async fn start(config: ServerConfig, unformatted: Unformatted) -> Result<Server, StartError> {
        let config = Arc::new(NodeConfig::new(config));
        let endpoints = endpoints::bind(&config.server, config.socket_options())?;
        let client_address = endpoints::first(&endpoints, Listener::Broker);
        let controller_address = endpoints::first(&endpoints, Listener::Controller);
        let open = move || open::open(config, endpoints, unformatted);
        let opened = spawn_blocking(open)
            .await
            .map_err(|panic| StartError::Panicked(panic.to_string()))??;
        let node = opened.node;
        let registration = Arc::new(Registration::register(&node, &opened.incarnation).await?);
        lifecycle::register_controller(&node, &opened.incarnation).await?;
        registration.unfence().await?;
        let listeners = listen(&node, opened.endpoints)?;
        let mut background = JoinSet::new();
        let registered = registration.clone();
        background.spawn(async move { registered.keep_alive().await });
        background.spawn(look_after_logs(node.clone()));
        info!(node = node.id, cluster = node.cluster_id, "serving");
        Ok(Server {
            node,
            listeners,
            registration,
            background,
            quorum: opened.quorum,
            fault: opened.fault,
            client_address,
            controller_address,
        })
    }

    /// What the handlers share.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Where clients of this machine connect first.
    pub fn client_address(&self) -> Option<SocketAddr> {
        self.client_address
    }

    /// Where the controller listens.
    pub fn controller_address(&self) -> Option<SocketAddr> {
        self.controller_address
    }

    /// Resolves with the reason when the node can't go on.
    pub async fn failed(&self) -> String {
        let mut fault = self.fault.clone();
        match fault.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the metadata quorum has ended".to_owned(),
        }
    }

    /// Ends the node as if its process had been killed: nothing is finished, flushed or marked. When it returns the node's
    /// ports and directories are free. For tests of what a crash leaves.
    pub async fn kill(mut self) {
        self.listeners.shutdown(Duration::ZERO).await;
        self.background.shutdown().await;
        self.node.groups.stop().await;
    }

    /// Stops accepting, finishes what was begun, leaves the cluster and closes all logs cleanly.
    ///
    /// # Errors
    /// [`StopError`] when data could not be brought to rest; the next start recovers it.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        info!("stopping");
        self.listeners.shutdown(DRAIN).await;
        self.background.shutdown().await;
        self.node.groups.stop().await;
        self.registration.leave().await;
        let Server {
            node,
            registration,
            quorum,
            ..
        } = self;
        let close = move || {
            let closed = node.partitions.logs().shutdown(registration.broker_epoch());
            quorum.shut_down();
            closed
        };
        spawn_blocking(close)
            .await
            .map_err(|panic| StopError::Panicked(panic.to_string()))??;
        info!("stopped");
        Ok(())
    }
}

/// Opens all listeners. Broker and controller count their connections apart, as two Kafka processes would.
fn listen(node: &Arc<Node>, endpoints: Vec<Endpoint>) -> Result<Listeners, StartError> {
    let quotas = || ConnectionQuotas::new(node.config.connection_limits());
    let (of_broker, of_controller) = (quotas(), quotas());
    let options: ConnectionOptions = node.config.connection_options();
    let mut listeners = Listeners::new();
    for Endpoint { name, kind, bound } in endpoints {
        let quotas = match kind {
            Listener::Broker => of_broker.clone(),
            Listener::Controller => of_controller.clone(),
        };
        let info = ListenerInfo {
            name: name.clone(),
            kind,
        };
        let address = listeners
            .open(node, bound, info, options.clone(), quotas)
            .map_err(|source| endpoints::EndpointError {
                name: name.clone(),
                source,
            })?;
        info!(listener = name, %address, "listening");
    }
    Ok(listeners)
}

async fn look_after_logs(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(LOG_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut more = true;
        while more {
            let node = node.clone();
            let tick = spawn_blocking(move || node.partitions.logs().tick(node.clock.now_ms()));
            more = tick.await.is_ok_and(|report| report.more);
        }
    }
}
