//! Binds addresses and accepts connections within the quotas.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{info, warn};

use crate::quotas::{ConnectionQuotas, ConnectionSlot};

/// How long to wait after the system refused to hand over a connection (no file handles, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Socket settings of a listener and of the connections it accepts.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system (Kafka's -1).
    pub send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system (Kafka's -1).
    pub receive_buffer_bytes: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            backlog: 50,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something listens there already.
    #[error("{address} is in use")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not let this user bind it.
    #[error("no permission to listen on {address}")]
    Forbidden {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// No interface of this machine has the address.
    #[error("{address} is not an address of this machine")]
    NotHere {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The name has no address.
    #[error("`{host}` can't be resolved: {source}")]
    Unresolved {
        /// The name that was asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Anything else.
    #[error("can't listen on {address}: {source}")]
    Other {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn from_io(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotHere { address },
            _ => BindError::Other { address, source },
        }
    }
}

/// An address that is ours but does not answer yet: clients are refused until [`BoundListener::listen`],
/// so an open port means a node that serves, while a port that is taken shows before anything else is touched.
#[derive(Debug)]
pub struct BoundListener {
    socket: Socket,
    address: SocketAddr,
    options: SocketOptions,
}

impl BoundListener {
    /// Binds `host:port`. An empty host means every address of the machine, IPv6 and IPv4; port 0 lets the system choose.
    ///
    /// # Errors
    /// See [`BindError`]; nothing stays bound.
    pub fn bind(host: &str, port: u16, options: SocketOptions) -> Result<Self, BindError> {
        let address = resolve(host, port)?;
        match bind(address, options) {
            // A machine without IPv6: every address means every IPv4 address.
            Err(error)
                if host.is_empty() && error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) =>
            {
                let address = SocketAddr::from(([0, 0, 0, 0], port));
                bind(address, options).map_err(|source| BindError::from_io(address, source))
            }
            bound => bound.map_err(|source| BindError::from_io(address, source)),
        }
    }

    /// The address, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to take connections. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError::InUse`] when another process began to listen here since the bind.
    pub fn listen(self) -> Result<Listener, BindError> {
        let backlog = i32::try_from(self.options.backlog).unwrap_or(i32::MAX);
        let listening = self
            .socket
            .listen(backlog)
            .and_then(|()| TcpListener::from_std(self.socket.into()));
        let inner = listening.map_err(|source| BindError::from_io(self.address, source))?;
        Ok(Listener {
            inner,
            address: self.address,
            options: self.options,
        })
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, BindError> {
    if host.is_empty() {
        return Ok(SocketAddr::from(([0u16; 8], port)));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let unresolved = |source| BindError::Unresolved {
        host: host.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs().map_err(unresolved)?.collect();
    // As Java: a name with both kinds of address means its IPv4 one.
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied();
    first.ok_or_else(|| unresolved(io::Error::other("the name has no address")))
}

fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<BoundListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        // Has to be set before connections exist, so that the window scale is chosen for it.
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    socket.bind(&address.into())?;
    let address = socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the socket has no internet address"))?;
    Ok(BoundListener {
        socket,
        address,
        options,
    })
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Accepted {
    /// Its socket, set up.
    pub stream: TcpStream,
    /// Who is at the other end; IPv4 addresses in their own form also on an IPv6 socket.
    pub peer: SocketAddr,
    /// Its place among the connections.
    pub slot: ConnectionSlot,
}

/// An address that takes connections.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
    options: SocketOptions,
}

impl Listener {
    /// The address, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next connection that the quotas allow; those of addresses over their limit are closed and logged.
    /// Connections beyond `max.connections` wait in the backlog, unless the listener is `protected`. Cancel safe but for
    /// the one connection that is waiting for its place.
    pub async fn accept(&self, quotas: &ConnectionQuotas, protected: bool) -> Accepted {
        loop {
            let (stream, peer) = match self.inner.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(listener = %self.address, %error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let peer = SocketAddr::new(canonical(peer.ip()), peer.port());
            let slot = match quotas.acquire(peer.ip(), protected).await {
                Ok(slot) => slot,
                Err(refused) => {
                    info!(listener = %self.address, "rejected a connection: {refused}");
                    continue;
                }
            };
            match self.set_up(&stream) {
                Ok(()) => return Accepted { stream, peer, slot },
                Err(error) => warn!(listener = %self.address, %peer, %error, "could not set up a connection"),
            }
        }
    }

    fn set_up(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_keepalive(true)?;
        if let Some(bytes) = self.options.send_buffer_bytes {
            socket.set_send_buffer_size(bytes as usize)?;
        }
        Ok(())
    }
}

fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
