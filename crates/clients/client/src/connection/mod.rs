//! One connection to a broker: many requests under way, replies in the order of the requests.
//!
//! A task owns the socket, writes what arrives on its channel and hands out replies. A caller that gives up only drops
//! its end of a channel: the reply is read and thrown away, and the connection goes on.

pub(crate) mod backoff;
mod dial;
mod inbox;
mod negotiation;
mod outbox;
mod owner;
pub(crate) mod pool;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use klamm_protocol::{Request, frame};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::Error;
pub(crate) use dial::SocketOptions;
pub(crate) use negotiation::NodeVersions;

/// Requests that wait for the owner of a connection to take them.
const COMMANDS: usize = 256;

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// How connections are made and kept.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) client_id: Arc<str>,
    pub(crate) socket: SocketOptions,
    /// For a reply, from the moment that the request was handed over.
    pub(crate) request_timeout: Duration,
    /// Without requests for so long, a connection is closed; `None`: never.
    pub(crate) max_idle: Option<Duration>,
    /// A larger reply closes the connection.
    pub(crate) max_reply_bytes: usize,
}

/// Who is expected at an address: sent along, so that a broker of another cluster can say so (KIP-1242).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) cluster_id: Option<String>,
    pub(crate) node: Option<i32>,
}

/// A request on its way to the owner of a connection.
struct Command {
    correlation_id: i32,
    /// The frame in pieces, in the order of the wire.
    pieces: Vec<Bytes>,
    /// Whether the broker answers; Produce with acks=0 is over when it is written.
    answered: bool,
    deadline: Instant,
    timeout: Duration,
    reply: oneshot::Sender<Result<Bytes, Error>>,
}

/// A handle to a connection; when the last one is gone and nobody waits for a reply, the socket is closed.
#[derive(Clone)]
pub(crate) struct Connection {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    label: Arc<str>,
    versions: NodeVersions,
    client_id: Arc<str>,
    correlation_id: AtomicI32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.shared.label)
    }
}

/// How one request is sent.
pub(crate) struct Sending<'a> {
    pub(crate) version: i16,
    pub(crate) timeout: Duration,
    /// The bytes of `Records::External`, by their id.
    pub(crate) records: &'a [Bytes],
    pub(crate) answered: bool,
}

impl Connection {
    /// Connects, asks for the broker's versions and starts the task that owns the socket. `failures` in a row so far
    /// give the attempt more time.
    pub(crate) async fn open(
        address: &Address,
        expected: &Expected,
        options: &ConnectionOptions,
        failures: u32,
    ) -> Result<Connection, Error> {
        let mut stream = dial::dial(address, &options.socket, failures).await?;
        let label: Arc<str> = address.to_string().into();
        let asking = negotiation::negotiate(&mut stream, &label, expected, options);
        let versions = tokio::time::timeout(options.request_timeout, asking)
            .await
            .map_err(|_| Error::TimedOut {
                what: "ApiVersions".to_owned(),
                after: options.request_timeout,
                last: None,
            })??;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let owner = owner::Owner::new(stream, receiver, label.clone(), options);
        tokio::spawn(owner.run());
        let shared = Shared {
            address: address.clone(),
            label,
            versions,
            client_id: options.client_id.clone(),
            correlation_id: AtomicI32::new(1),
        };
        Ok(Connection {
            commands,
            shared: Arc::new(shared),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.shared.address
    }

    pub(crate) fn label(&self) -> &Arc<str> {
        &self.shared.label
    }

    pub(crate) fn versions(&self) -> &NodeVersions {
        &self.shared.versions
    }

    /// Whether requests can no longer be handed over.
    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Hands a request over; once this returns, its place in the order of requests is fixed. An error means that
    /// nothing was sent. `Ok(None)` when the connection is closed, so that another one can be tried.
    pub(crate) async fn start<R: Request>(
        &self,
        request: &R,
        sending: Sending<'_>,
    ) -> Result<Option<oneshot::Receiver<Result<Bytes, Error>>>, Error> {
        let correlation_id = self.shared.correlation_id.fetch_add(1, Ordering::Relaxed);
        let client_id = Some(&*self.shared.client_id);
        let frame = frame::encode_request(correlation_id, client_id, sending.version, request)
            .map_err(|reason| Error::Request { api: R::KEY, reason })?;
        let mut pieces = Vec::with_capacity(2 * frame.external.len() + 1);
        let mut from = 0;
        for cut in &frame.external {
            pieces.push(frame.bytes.slice(from..cut.at));
            pieces.push(sending.records[cut.id as usize].clone());
            from = cut.at;
        }
        if from < frame.bytes.len() {
            pieces.push(frame.bytes.slice(from..));
        }
        let (reply, receiver) = oneshot::channel();
        let command = Command {
            correlation_id,
            pieces,
            answered: sending.answered,
            deadline: Instant::now() + sending.timeout,
            timeout: sending.timeout,
            reply,
        };
        Ok(self.commands.send(command).await.ok().map(|()| receiver))
    }
}

/// The error for a connection that is gone.
fn closed(label: &str, reason: impl Into<String>) -> Error {
    Error::Unreachable {
        address: label.to_owned(),
        reason: reason.into(),
    }
}
