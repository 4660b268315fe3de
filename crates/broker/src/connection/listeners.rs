//! All listeners of a node and the connections that came in through them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use klamm_net::{Accepted, BindError, BoundListener, Connection, ConnectionOptions, ConnectionQuotas, Listener};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error};

use crate::connection::{serve, stopped};
use crate::node::Node;
use crate::request::ListenerInfo;

/// Owns the accept loops and, through them, all connections. Dropped, it ends them at once.
#[derive(Debug)]
pub(crate) struct Listeners {
    accepting: JoinSet<()>,
    stopping: watch::Sender<bool>,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Listeners {
            accepting: JoinSet::new(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Opens a listener that was bound, and serves its connections from now on.
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
    ) -> Result<SocketAddr, BindError> {
        let listener = bound.listen()?;
        let address = listener.address();
        let stopping = self.stopping.subscribe();
        let accept = Accept {
            node: node.clone(),
            info: Arc::new(info),
            options,
            stopping,
        };
        self.accepting.spawn(accept.run(listener, quotas));
        Ok(address)
    }

    /// Stops accepting, lets requests in work finish for as long as `grace`, and closes all connections.
    pub(crate) async fn shutdown(mut self, grace: Duration) {
        self.stopping.send_replace(true);
        let all_ended = async { while self.accepting.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            debug!("closing connections whose requests did not finish in time");
        }
    }
}

/// One listener's loop.
struct Accept {
    node: Arc<Node>,
    info: Arc<ListenerInfo>,
    options: ConnectionOptions,
    stopping: watch::Receiver<bool>,
}

impl Accept {
    async fn run(mut self, listener: Listener, quotas: ConnectionQuotas) {
        let mut connections = JoinSet::new();
        while let Some(accepted) = self.next(&listener, &quotas, &mut connections).await {
            self.start(accepted, &mut connections);
        }
        // No new connections while those that are there finish what they have begun.
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            log_panic(&self.info, ended);
        }
    }

    /// The next connection, or `None` when the node stops. Sees to ended connections meanwhile.
    async fn next(
        &mut self,
        listener: &Listener,
        quotas: &ConnectionQuotas,
        connections: &mut JoinSet<()>,
    ) -> Option<Accepted> {
        let mut accepting = pin!(listener.accept(quotas, false));
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return None,
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

/// A handler that panics costs its own connection only.
fn log_panic(info: &ListenerInfo, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(listener = %info.name, "a request handler panicked, its connection is closed: {error}");
    }
}
