//! All listeners of a node and the connections that came in through them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use klamm_net::{Accepted, BindError, BoundListener, Connection, ConnectionOptions, ConnectionQuotas, Listener};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error};

use crate::connection::serve;
use crate::node::Node;
use crate::request::ListenerInfo;

/// Owns the accept loops and, through them, all connections. Dropped, it ends them at once.
#[derive(Debug)]
pub(crate) struct Listeners {
    accepting: JoinSet<()>,
    stopping: watch::Sender<Stopping>,
}

/// How far the end of a node's connections has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stopping {
    /// Everything is served.
    No,
    /// Only what was begun.
    Draining,
    /// Nothing any more.
    Now,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Listeners {
            accepting: JoinSet::new(),
            stopping: watch::Sender::new(Stopping::No),
        }
    }

    /// Opens a listener that was bound, and serves its connections from now on. A `protected` one does not wait for
    /// `max.connections`.
    ///
    /// # Errors
    /// See [`BoundListener::listen`].
    pub(crate) fn open(
        &mut self,
        node: &Arc<Node>,
        bound: BoundListener,
        info: ListenerInfo,
        options: ConnectionOptions,
        quotas: ConnectionQuotas,
        protected: bool,
    ) -> Result<SocketAddr, BindError> {
        let listener = bound.listen()?;
        let address = listener.address();
        let stopping = self.stopping.subscribe();
        let accept = Accept {
            node: node.clone(),
            info: Arc::new(info),
            options,
            stopping,
            protected,
        };
        self.accepting.spawn(accept.run(listener, quotas));
        Ok(address)
    }

    /// Stops accepting, lets requests in work finish for as long as `grace`, and closes all connections. When it returns no
    /// handler runs any more.
    pub(crate) async fn shutdown(&mut self, grace: Duration) {
        self.stopping.send_replace(Stopping::Draining);
        if tokio::time::timeout(grace, self.ended()).await.is_err() {
            debug!("closing connections whose requests did not finish in time");
            self.stopping.send_replace(Stopping::Now);
            self.ended().await;
        }
    }

    async fn ended(&mut self) {
        while self.accepting.join_next().await.is_some() {}
    }
}

/// One listener's loop.
struct Accept {
    node: Arc<Node>,
    info: Arc<ListenerInfo>,
    options: ConnectionOptions,
    stopping: watch::Receiver<Stopping>,
    protected: bool,
}

impl Accept {
    async fn run(mut self, listener: Listener, quotas: ConnectionQuotas) {
        let mut connections = JoinSet::new();
        while let Some(accepted) = self.next(&listener, &quotas, &mut connections).await {
            self.start(accepted, &mut connections);
        }
        // No new connections while those that are there finish what they have begun.
        drop(listener);
        loop {
            tokio::select! {
                ended = connections.join_next() => match ended {
                    Some(ended) => log_panic(&self.info, ended),
                    None => return,
                },
                () = reached(&mut self.stopping, Stopping::Now) => break,
            }
        }
        connections.shutdown().await;
    }

    /// The next connection, or `None` when the node stops. Sees to ended connections meanwhile.
    async fn next(
        &mut self,
        listener: &Listener,
        quotas: &ConnectionQuotas,
        connections: &mut JoinSet<()>,
    ) -> Option<Accepted> {
        let mut accepting = pin!(listener.accept(quotas, self.protected));
        loop {
            tokio::select! {
                () = reached(&mut self.stopping, Stopping::Draining) => return None,
                accepted = &mut accepting => return Some(accepted),
                Some(ended) = connections.join_next() => log_panic(&self.info, ended),
            }
        }
    }

    fn start(&self, accepted: Accepted, connections: &mut JoinSet<()>) {
        match Connection::new(accepted, self.options.clone()) {
            Ok(connection) => {
                self.node.metrics.connections.add(1);
                debug!(listener = %self.info.name, peer = %connection.peer(), "accepted a connection");
                connections.spawn(serve(
                    self.node.clone(),
                    self.info.clone(),
                    connection,
                    self.stopping.clone(),
                ));
            }
            Err(error) => debug!(listener = %self.info.name, %error, "a connection was gone before it began"),
        }
    }
}

/// Resolves once the end has come that far, or nobody is left who could bring it on.
pub(crate) async fn reached(stopping: &mut watch::Receiver<Stopping>, stage: Stopping) {
    let _owner_gone = stopping.wait_for(|now| *now >= stage).await;
}

/// A handler that panics costs its own connection only.
fn log_panic(info: &ListenerInfo, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(listener = %info.name, "a request handler panicked, its connection is closed: {error}");
    }
}
