//! A proxy between clients and a broker, which makes for trouble when told to: see [`Proxy`].
//!
//! `rule` is what tests say, `state` what all connections share, `connection` passes requests and replies on, `alter`
//! changes them on the way, `errors` makes error replies, `seen` shows what came.

mod alter;
mod connection;
mod errors;
mod rule;
mod seen;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use klamm_protocol::{ApiKey, DecodeError, EncodeError, Request};
use tokio::sync::mpsc;

use self::state::{Leaderless, State};

pub use self::rule::{AnyApi, Fault, On};
pub use self::seen::{Requests, Seen};

/// Why a request could not be answered as a fault says.
#[derive(Debug, thiserror::Error)]
enum FaultError {
    #[error("there is no error reply for {0}")]
    NoErrorReply(ApiKey),
    #[error("a fault is for a request that can't be read: {0}")]
    Request(#[from] DecodeError),
    #[error("a reply can't be written in the version of its request: {0}")]
    Reply(#[from] EncodeError),
}

/// Stands between clients and a cluster, passes on what they say, and makes for trouble when told to. `docs/testing.md`
/// shows it with several clients.
///
/// Any client works through it that speaks plaintext, and any broker behind it, Klamm or not. Clients are told the proxy's
/// addresses in place of the brokers', so that they stay with it. Dropped, it closes all its connections.
///
/// Faults are made by [`Proxy::on`] and last until their guard is dropped. Where several are for one request, those made
/// first are asked first; delays add up, and what comes after a failure or a lost connection is not asked.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klamm_protocol::messages::HeartbeatRequest;
/// use klamm_protocol::ErrorCode;
///
/// let cluster = klamm_testkit::Cluster::start().await?;
/// let proxy = cluster.proxy()?;
/// let fault = proxy.on::<HeartbeatRequest>().nth(2).fail(ErrorCode::REBALANCE_IN_PROGRESS);
///
/// let mut client = klamm_net::Client::connect(proxy.bootstrap()).await?;
/// let heartbeat = HeartbeatRequest { group_id: "g".to_owned(), ..Default::default() };
/// let first = client.call(&heartbeat, 4).await?;
/// assert_ne!(first.error_code, ErrorCode::REBALANCE_IN_PROGRESS);  // the broker's own
/// let second = client.call(&heartbeat, 4).await?;
/// assert_eq!(second.error_code, ErrorCode::REBALANCE_IN_PROGRESS);
/// assert_eq!(fault.hits(), 1);
/// # Ok(()) }
/// ```
///
/// Two things differ from a broker's own connection: requests of one connection are passed on one after another, as a
/// broker serves them; and no fetch session comes about, so that each Fetch names its partitions and can fail on them.
pub struct Proxy {
    state: Arc<State>,
    bootstrap: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy before the cluster that has these `HOST:PORT`s, comma separated. It lives in the runtime that it is made in.
    ///
    /// # Errors
    /// When the text is no such list, or no port on the loopback interface is to be had.
    pub fn before(bootstrap: &str) -> io::Result<Proxy> {
        let state = Arc::new(State::default());
        let mut doors = Vec::new();
        for address in bootstrap.split(',') {
            let parts = address
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = parts.ok_or_else(|| io::Error::other(format!("`{address}` is no HOST:PORT")))?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            doors.push(connection::door(&state, host, port)?.to_string());
        }
        let bootstrap = doors.join(",");
        Ok(Proxy { state, bootstrap })
    }

    /// `HOST:PORT` for a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A fault for requests of one API: `proxy.on::<ProduceRequest>().nth(2).fail(code)`.
    pub fn on<R: Request>(&self) -> On<R> {
        On::new(Arc::clone(&self.state), Some(R::KEY))
    }

    /// A fault for requests of all APIs, ApiVersions and Metadata among them.
    pub fn on_any(&self) -> On<AnyApi> {
        On::new(Arc::clone(&self.state), None)
    }

    /// Takes the leader from a partition, until the guard is dropped: the start and the end of a move.
    ///
    /// Requests for this partition that only a leader can serve get NOT_LEADER_OR_FOLLOWER, while other partitions in the
    /// same request are served; Metadata and DescribeTopicPartitions name no leader. When the guard is dropped the old
    /// leader is back in its old epoch. A move to another broker takes a cluster of several.
    pub fn without_leader(&self, topic: &str, partition: i32) -> Fault {
        let topic = topic.to_owned();
        State::add(&self.state, |table, id, record| {
            table.leaderless.push(Leaderless {
                id,
                topic,
                partition,
                record,
            });
        })
    }

    /// All requests that come from now on.
    pub fn requests(&self) -> Requests {
        let (sender, requests) = mpsc::unbounded_channel();
        self.state.lock().observers.push(sender);
        Requests(requests)
    }

    /// Closes all connections that clients have now, whatever they are waiting for. They may connect again.
    pub fn disconnect_all(&self) {
        self.state.lock().clients.abort_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut table = self.state.lock();
        table.listeners.abort_all();
        table.clients.abort_all();
        table.observers.clear();
    }
}
