//! A listener and both ends of a connection for the tests.

use std::time::Duration;

use klamm_net::{
    BoundListener, Connection, ConnectionLimits, ConnectionOptions, ConnectionQuotas, Listener, SocketOptions,
};
use tokio::net::TcpStream;

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn listener() -> Listener {
    BoundListener::bind("127.0.0.1", 0, SocketOptions::default())
        .unwrap()
        .listen()
        .unwrap()
}

pub(crate) fn no_limits() -> ConnectionQuotas {
    ConnectionQuotas::new(ConnectionLimits::default())
}

/// A peer's socket and our connection to it.
pub(crate) async fn pair(options: ConnectionOptions) -> (TcpStream, Connection) {
    pair_with(SocketOptions::default(), options).await
}

pub(crate) async fn pair_with(sockets: SocketOptions, options: ConnectionOptions) -> (TcpStream, Connection) {
    let listener = BoundListener::bind("127.0.0.1", 0, sockets).unwrap().listen().unwrap();
    let peer = TcpStream::connect(listener.address()).await.unwrap();
    peer.set_nodelay(true).unwrap();
    let accepted = listener.accept(&no_limits(), false).await;
    (peer, Connection::new(accepted, options).unwrap())
}

pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("done in time")
}
