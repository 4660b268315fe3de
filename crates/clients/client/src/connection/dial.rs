//! From a host name to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::backoff::Backoff;
use super::{Address, closed};
use crate::Error;

/// What is set on a socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    /// `None`: the system's own, which adapts.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// `None`: the system's own, which adapts.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// How long one address may take to accept; grows with failures in a row.
    pub(crate) setup: Backoff,
}

/// Connects to the first address of the host that accepts.
pub(super) async fn dial(address: &Address, options: &SocketOptions, failures: u32) -> Result<TcpStream, Error> {
    let label = address.to_string();
    let patience = options.setup.after(failures);
    let looking_up = tokio::net::lookup_host((address.host.as_str(), address.port));
    let resolved = within(patience, looking_up).await;
    let resolved: Vec<_> = resolved
        .map_err(|error| closed(&label, format!("unknown host: {error}")))?
        .collect();
    let mut last = closed(&label, "unknown host");
    for candidate in resolved {
        match within(patience, connect(candidate, options)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = closed(&label, plain(&error)),
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_keepalive(true)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within<T>(patience: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(patience, doing).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The usual failures in words that do not carry the system's number.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no connection in time".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::BrokenPipe => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}
