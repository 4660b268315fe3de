//! The cluster of one node.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use klamm_broker::{Node, Server, Standalone, StartError, StopError, Unformatted};
use klamm_config::{ConfigErrors, Origin, ServerConfig};
use klamm_net::{Client, ConnectError};
use tempfile::TempDir;

use crate::Proxy;

/// Why a cluster did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// There is no temporary directory to be had.
    #[error("no temporary directory: {0}")]
    Directory(#[from] io::Error),
    /// The settings contradict themselves or each other.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The node did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The node did not stop cleanly.
    #[error("{0}")]
    Stop(#[from] StopError),
}

/// A cluster before it starts.
#[derive(Clone, Debug, Default)]
pub struct ClusterBuilder {
    settings: Vec<(String, String)>,
}

impl ClusterBuilder {
    /// Sets one key of the node's configuration, as in `server.properties`.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Starts the node on an empty directory and waits until it serves.
    ///
    /// # Errors
    /// See [`TestkitError`].
    pub async fn start(self) -> Result<Cluster, TestkitError> {
        let dir = tempfile::Builder::new().prefix("klamm-").tempdir()?;
        let server = self.start_in(dir.path(), 0).await?;
        let address = server
            .client_address()
            .ok_or_else(|| io::Error::other("the settings leave no listener for clients"))?;
        Ok(Cluster {
            builder: self,
            dir,
            address,
            server: Some(server),
        })
    }

    async fn start_in(&self, dir: &Path, port: u16) -> Result<Server, TestkitError> {
        let mut properties = Standalone {
            host: "127.0.0.1",
            port,
            data_dir: dir,
        }
        .properties();
        // One cluster's two ports need not be neighbours, and tests run side by side.
        let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0");
        properties.set("listeners", listeners, Origin::Program);
        for (key, value) in &self.settings {
            properties.set(key, value, Origin::Program);
        }
        let (config, _warnings) = ServerConfig::load(&properties)?;
        Ok(Server::start(config, Unformatted::Format).await?)
    }
}

/// A running cluster of one node, broker and controller. Dropped, it ends at once and its data is deleted.
#[derive(Debug)]
pub struct Cluster {
    builder: ClusterBuilder,
    dir: TempDir,
    address: SocketAddr,
    server: Option<Server>,
}

impl Cluster {
    /// Starts a node with the defaults of `klamm start`, on a port that the system chose.
    ///
    /// # Errors
    /// See [`TestkitError`].
    pub async fn start() -> Result<Cluster, TestkitError> {
        ClusterBuilder::default().start().await
    }

    /// A cluster with settings of its own.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// `HOST:PORT` for a client's `bootstrap.servers`; stays the same over restarts.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A proxy before this cluster, for tests of what clients do when things go wrong. It stays over restarts of the node.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn proxy(&self) -> io::Result<Proxy> {
        Proxy::before(&self.bootstrap())
    }

    /// Where the controller listens; `None` while the node is down.
    pub fn controller_address(&self) -> Option<SocketAddr> {
        self.server.as_ref()?.controller_address()
    }

    /// The node's data.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The node itself, for a look inside; `None` while it is down.
    pub fn node(&self) -> Option<&Node> {
        self.server.as_ref().map(|server| &**server.node())
    }

    /// A connection that speaks the protocol message by message.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn client(&self) -> Result<Client, ConnectError> {
        Client::connect(self.address).await
    }

    /// Shuts the node down cleanly; its data stays until the cluster is dropped.
    ///
    /// # Errors
    /// [`TestkitError::Stop`] when data could not be brought to rest.
    pub async fn stop(&mut self) -> Result<(), TestkitError> {
        match self.server.take() {
            Some(server) => Ok(server.shutdown().await?),
            None => Ok(()),
        }
    }

    /// Ends the node without any shutdown, as a killed process would end: what it wrote is there, nothing was tidied up.
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill().await;
        }
    }

    /// Starts the node again on its data and its address, shutting it down cleanly first if it runs.
    ///
    /// # Errors
    /// See [`TestkitError`].
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        self.stop().await?;
        self.server = Some(self.builder.start_in(self.dir.path(), self.address.port()).await?);
        Ok(())
    }
}
