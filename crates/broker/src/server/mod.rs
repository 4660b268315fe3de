//! A node from start to end.
//!
//! Start: ports are bound and directories looked at before anything is written; logs are opened, the quorum is loaded and this
//! node elected, the broker registers, takes up what the metadata says, and is unfenced; only then ports answer. Shutdown goes
//! the other way: nothing new comes in, what was begun is finished, the controller lets the broker go, logs are closed and
//! marked clean.

mod cleaner;
mod error;
mod format;
mod listen;
mod log_dirs;
mod open;
mod publishers;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use klamm_controller::ControllerError;
use klamm_log::RecoveryProgress;
use klamm_protocol::Listener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::info;

use cleaner::CleanerThreads;
pub use error::{StartError, StopError};
pub use open::Unformatted;

use crate::config::NodeConfig;
use crate::connection::Listeners;
use crate::endpoints;
use crate::lifecycle::{self, Incarnation, Registration};
use crate::metrics::{self, MetricsEndpoint};
use crate::node::Node;
use crate::quorum::{MetadataPublisher, RunningQuorum};
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
    cleaner: Arc<CleanerThreads>,
    metrics: Option<MetricsEndpoint>,
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
        let progress = Arc::new(RecoveryProgress::default());
        let metrics = match config.server.config.string_or_none(metrics::LISTENER) {
            Some(address) => Some(MetricsEndpoint::open(address, progress.clone()).await?),
            None => None,
        };
        let open = move || open::open(config, endpoints, unformatted, progress);
        let opened = spawn_blocking(open)
            .await
            .map_err(|panic| StartError::Panicked(panic.to_string()))??;
        let node = opened.node;
        if let Some(metrics) = &metrics {
            metrics.tell_of(&node).await;
        }
        let registration = tokio::select! {
            joined = join_cluster(&node, &opened.quorum, opened.publishers, &opened.incarnation) => joined?,
            // Nobody will take the broker any more, however long it asks.
            reason = quorum_failed(opened.fault.clone()) => return Err(StartError::Failed(reason)),
        };
        let registration = Arc::new(registration);
        let listeners = listen::listen(&node, opened.endpoints, &opened.quotas)?;
        let mut background = JoinSet::new();
        let registered = registration.clone();
        background.spawn(async move { registered.keep_alive().await });
        background.spawn(look_after_logs(node.clone()));
        for _ in 0..movers(&node) {
            background.spawn(log_dirs::move_replicas(node.clone()));
        }
        background.spawn(log_dirs::follow(node.clone(), registration.clone(), opened.faulty));
        let cleaner = Arc::new(CleanerThreads::new(node.clone()));
        background.spawn(cleaner::keep_running(cleaner.clone()));
        info!(node = node.id, cluster = node.cluster_id, "serving");
        Ok(Server {
            node,
            listeners,
            registration,
            background,
            cleaner,
            metrics,
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
        quorum_failed(self.fault.clone()).await
    }

    /// Ends the node as if its process had been killed: nothing is finished, flushed or marked. When it returns the node's
    /// ports and directories are free. For tests of what a crash leaves.
    pub async fn kill(mut self) {
        self.listeners.shutdown(Duration::ZERO).await;
        self.background.shutdown().await;
        self.stop_cleaner().await;
        self.node.partitions.moves().stop().await;
        self.node.groups.stop().await;
        if let Some(metrics) = self.metrics.take() {
            metrics.close().await;
        }
    }

    /// Ends what is being cleaned, and the threads that do it.
    async fn stop_cleaner(&self) {
        let cleaner = self.cleaner.clone();
        if let Err(panic) = spawn_blocking(move || cleaner.stop()).await {
            tracing::error!(%panic, "the log cleaner's end");
        }
    }

    /// Stops accepting, finishes what was begun, leaves the cluster and closes all logs cleanly.
    ///
    /// # Errors
    /// [`StopError`] when data could not be brought to rest; the next start recovers it.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        info!("stopping");
        self.listeners.shutdown(DRAIN).await;
        self.background.shutdown().await;
        self.stop_cleaner().await;
        self.node.partitions.moves().stop().await;
        self.node.groups.stop().await;
        if self.node.config.server.config.boolean("controlled.shutdown.enable") {
            self.registration.leave().await;
        }
        let Server {
            node,
            registration,
            quorum,
            metrics,
            ..
        } = self;
        let stopped = node.clone();
        let close = move || {
            let closed = node.partitions.logs().shutdown(registration.broker_epoch());
            quorum.shut_down();
            closed
        };
        spawn_blocking(close)
            .await
            .map_err(|panic| StopError::Panicked(panic.to_string()))??;
        if let Some(metrics) = metrics {
            metrics.close().await;
        }
        let metrics = &stopped.metrics;
        info!(
            connections = metrics.connections.get(),
            requests = metrics.requests.get(),
            bytes_in = metrics.bytes_in.get(),
            bytes_out = metrics.bytes_out.get(),
            protocol_errors = metrics.protocol_errors.get(),
            "stopped"
        );
        Ok(())
    }
}

/// Has the controller take the broker, and everything here take up what the metadata gives it.
async fn join_cluster(
    node: &Arc<Node>,
    quorum: &RunningQuorum,
    publishers: Vec<Box<dyn MetadataPublisher>>,
    incarnation: &Incarnation,
) -> Result<Registration, ControllerError> {
    let registration = Registration::register(node, incarnation).await?;
    lifecycle::register_controller(node, incarnation).await?;
    // Not before: until it registers the metadata may say what this node's former incarnation led, and partitions and
    // coordinators would take that up only to leave it off and begin again.
    quorum.subscribe(publishers).await?;
    registration.unfence().await?;
    Ok(registration)
}

/// `num.replica.alter.log.dirs.threads`, or as many as there are directories.
fn movers(node: &Node) -> usize {
    let configured = node
        .config
        .server
        .config
        .int_or_none("num.replica.alter.log.dirs.threads");
    let configured = configured.and_then(|threads| usize::try_from(threads).ok());
    configured.unwrap_or(node.config.server.log_dirs.len()).max(1)
}

async fn quorum_failed(mut fault: watch::Receiver<Option<String>>) -> String {
    match fault.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "the metadata quorum has ended".to_owned(),
    }
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
