//! Binding, and who is let in.

use std::net::IpAddr;
use std::time::Duration;

use klamm_net::{
    BindError, BoundListener, Connection, ConnectionLimits, ConnectionOptions, ConnectionQuotas, SocketOptions,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::server::{frame, listener, no_limits, within};

fn bind(host: &str, port: u16) -> Result<BoundListener, BindError> {
    BoundListener::bind(host, port, SocketOptions::default())
}

#[tokio::test]
async fn port_nought_is_chosen_and_told() {
    let bound = bind("localhost", 0).unwrap();
    assert_ne!(bound.address().port(), 0);
    let refused = TcpStream::connect(bound.address()).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        std::io::ErrorKind::ConnectionRefused,
        "bound is not listening"
    );
    let listener = bound.listen().unwrap();
    TcpStream::connect(listener.address()).await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_bound_says_why() {
    let taken = listener();
    match bind("127.0.0.1", taken.address().port()) {
        Err(BindError::InUse { address }) => assert_eq!(address, taken.address()),
        other => panic!("{other:?}"),
    }
    assert!(matches!(bind("192.0.2.1", 0), Err(BindError::NotHere { .. })));
    match bind("no-such-host.invalid", 0) {
        Err(BindError::Unresolved { host, .. }) => assert_eq!(host, "no-such-host.invalid"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ipv6_and_the_wildcard_are_served() {
    for (host, clients) in [
        ("::1", &["::1"][..]),
        ("[::1]", &["::1"]),
        ("", &["::1", "127.0.0.1"]),
        ("0.0.0.0", &["127.0.0.1"]),
    ] {
        let listener = bind(host, 0).unwrap().listen().unwrap();
        for client in clients {
            let ip: IpAddr = client.parse().unwrap();
            let _peer = TcpStream::connect((ip, listener.address().port())).await.unwrap();
            let accepted = within(listener.accept(&no_limits(), false)).await;
            assert_eq!(accepted.peer.ip(), ip, "through {host:?}");
        }
    }
}

#[tokio::test]
async fn an_address_over_its_limit_is_closed_and_may_come_back_later() {
    let quotas = ConnectionQuotas::new(ConnectionLimits {
        max_connections_per_ip: 1,
        ..Default::default()
    });
    let listener = listener();
    let mut first = TcpStream::connect(listener.address()).await.unwrap();
    let mut connection = Connection::new(
        within(listener.accept(&quotas, false)).await,
        ConnectionOptions::default(),
    )
    .unwrap();
    let mut second = TcpStream::connect(listener.address()).await.unwrap();
    let accepting = tokio::spawn({
        let quotas = quotas.clone();
        async move { listener.accept(&quotas, false).await.peer }
    });
    assert_eq!(within(second.read(&mut [0])).await.unwrap(), 0, "closed");
    tokio::io::AsyncWriteExt::write_all(&mut first, &frame(b"still served"))
        .await
        .unwrap();
    assert!(within(connection.read_frame()).await.unwrap().is_some());
    drop(connection);
    let third = TcpStream::connect(first.peer_addr().unwrap()).await.unwrap();
    assert_eq!(within(accepting).await.unwrap(), third.local_addr().unwrap());
}

#[tokio::test]
async fn beyond_the_total_connections_wait_for_their_turn() {
    let quotas = ConnectionQuotas::new(ConnectionLimits {
        max_connections: 1,
        ..Default::default()
    });
    let listener = listener();
    let _first = TcpStream::connect(listener.address()).await.unwrap();
    let accepted = within(listener.accept(&quotas, false)).await;
    let second = TcpStream::connect(listener.address()).await.unwrap();
    let accepting = tokio::spawn({
        let quotas = quotas.clone();
        async move { listener.accept(&quotas, false).await.peer }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!accepting.is_finished());
    drop(accepted);
    assert_eq!(within(accepting).await.unwrap(), second.local_addr().unwrap());
}
