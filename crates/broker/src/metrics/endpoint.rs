//! The port at which Prometheus asks (`klamm.metrics.listener`). It is open before the logs are, so that a long recovery can be
//! watched, and until they are closed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use klamm_log::RecoveryProgress;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{debug, info};

use super::http;
use super::scrape::{Scrape, Sources};
use super::table;
use crate::node::Node;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 8;
/// Pause after a connection could not be accepted: no file handles are left, say.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why the endpoint does not open.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The setting names no address.
    #[error("`{0}` is neither a port nor `HOST:PORT`")]
    Address(String),
    /// The address is not to be had.
    #[error("metrics can't be served at `{address}`: {source}")]
    Bind {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The endpoint of a node. Dropped it is closed soon.
#[derive(Debug)]
pub(crate) struct MetricsEndpoint {
    address: SocketAddr,
    sources: Shared,
    tasks: JoinSet<()>,
}

/// Locked while a reply is made, so that one is in work at a time. `None`: the endpoint is closed.
type Shared = Arc<Mutex<Option<Sources>>>;

impl MetricsEndpoint {
    /// Opens it. It tells of `progress` until it is given a node.
    ///
    /// # Errors
    /// See [`MetricsError`].
    pub(crate) async fn open(setting: &str, progress: Arc<RecoveryProgress>) -> Result<Self, MetricsError> {
        let (host, port) = host_and_port(setting).ok_or_else(|| MetricsError::Address(setting.to_owned()))?;
        let cannot_bind = |source| MetricsError::Bind {
            address: setting.to_owned(),
            source,
        };
        let listener = TcpListener::bind((host.as_str(), port)).await.map_err(cannot_bind)?;
        let address = listener.local_addr().map_err(cannot_bind)?;
        info!(%address, "serving metrics");
        let sources: Shared = Arc::new(Mutex::new(Some(Sources { progress, node: None })));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&sources)));
        Ok(Self {
            address,
            sources,
            tasks,
        })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells of this node from now on.
    pub(crate) async fn tell_of(&self, node: &Arc<Node>) {
        if let Some(sources) = &mut *self.sources.lock().await {
            sources.node = Some(Arc::clone(node));
        }
    }

    /// Closes it. When this returns nothing holds on to the node.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
        *self.sources.lock().await = None;
        debug!(address = %self.address, "no metrics any more");
    }
}

async fn accept(listener: TcpListener, sources: Shared) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, client)) => {
                let sources = Arc::clone(&sources);
                connections.spawn(async move {
                    if let Err(error) = http::serve(stream, async || text(sources).await).await {
                        debug!(%client, %error, "metrics");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "metrics");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn text(sources: Shared) -> Vec<u8> {
    let sources = sources.lock_owned().await;
    let made = spawn_blocking(move || sources.as_ref().map(|sources| table::render(&Scrape::of(sources))));
    made.await.ok().flatten().unwrap_or_default()
}

/// A port alone is this machine's own.
pub(super) fn host_and_port(setting: &str) -> Option<(String, u16)> {
    let setting = setting.trim();
    if let Ok(port) = setting.parse() {
        return Some((Ipv4Addr::LOCALHOST.to_string(), port));
    }
    let (host, port) = setting.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}
