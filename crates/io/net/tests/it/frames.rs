//! Frames however the network cuts them, and frames that are none.

use std::time::Duration;

use klamm_net::{ConnectionOptions, MemoryPool, ReadError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{frame, pair, within};

#[tokio::test]
async fn a_frame_cut_at_every_byte_is_the_same_frame() {
    let two = [frame(b"the first request"), frame(b""), frame(b"second")].concat();
    for cut in 0..=two.len() {
        let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
        let (head, tail) = (two[..cut].to_vec(), two[cut..].to_vec());
        let sending = tokio::spawn(async move {
            peer.write_all(&head).await.unwrap();
            tokio::task::yield_now().await;
            peer.write_all(&tail).await.unwrap();
        });
        for expected in [&b"the first request"[..], b"", b"second"] {
            let got = within(connection.read_frame()).await.unwrap().unwrap();
            assert_eq!(&got.bytes[..], expected, "cut at {cut}");
        }
        sending.await.unwrap();
        assert!(
            within(connection.read_frame()).await.unwrap().is_none(),
            "closed after a whole frame"
        );
    }
}

#[tokio::test]
async fn frames_sent_byte_by_byte_and_many_at_once_arrive_in_order() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let bodies: Vec<Vec<u8>> = (0..200u16)
        .map(|n| n.to_be_bytes().repeat(usize::from(n) * 7))
        .collect();
    let all: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
    let sending = tokio::spawn(async move {
        for byte in &all[..300] {
            peer.write_all(&[*byte]).await.unwrap();
        }
        peer.write_all(&all[300..]).await.unwrap();
        peer
    });
    for body in &bodies {
        assert_eq!(
            &within(connection.read_frame()).await.unwrap().unwrap().bytes[..],
            &body[..]
        );
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_large_frame_arrives_whole() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let body: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    let bytes = frame(&body);
    let sending = tokio::spawn(async move {
        peer.write_all(&bytes).await.unwrap();
        peer.write_all(&frame(b"next")).await.unwrap();
        peer
    });
    assert!(within(connection.read_frame()).await.unwrap().unwrap().bytes == body);
    assert_eq!(
        &within(connection.read_frame()).await.unwrap().unwrap().bytes[..],
        b"next"
    );
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn large_and_small_frames_in_a_row_keep_to_their_own_bytes() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let sizes = [300_000, 10, 70_000, 299_000, 0, 65_532, 65_533, 4_000, 300_000, 5];
    let bodies: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(n, size)| vec![n; size]).collect();
    let all: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
    let sending = tokio::spawn(async move {
        peer.write_all(&all).await.unwrap();
        peer
    });
    let mut held = None;
    for body in &bodies {
        let got = within(connection.read_frame()).await.unwrap().unwrap();
        assert!(got.bytes == *body, "a frame of {} bytes", body.len());
        // Its bytes stay its own while the next one is read, perhaps into the buffer of the one before.
        if let Some((held, body)) = held.replace((got.bytes, body)) {
            assert!(held == *body);
        }
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn sizes_that_are_negative_or_too_large_end_the_connection() {
    let options = ConnectionOptions {
        max_request_bytes: 100,
        ..Default::default()
    };
    for (head, size, protocol) in [
        (101i32.to_be_bytes(), 101, None),
        ((-1i32).to_be_bytes(), -1, None),
        (i32::MIN.to_be_bytes(), i32::MIN, None),
        (*b"GET ", 0x4745_5420, Some("HTTP")),
        ([0x16, 3, 1, 2], 0x1603_0102, Some("TLS")),
    ] {
        let (mut peer, mut connection) = pair(options.clone()).await;
        peer.write_all(&head).await.unwrap();
        match within(connection.read_frame()).await {
            Err(ReadError::InvalidSize {
                size: told,
                max: 100,
                protocol: guess,
            }) => assert_eq!((told, guess), (size, protocol)),
            other => panic!("{size}: {other:?}"),
        }
        drop(connection);
        assert_eq!(
            within(peer.read(&mut [0])).await.unwrap(),
            0,
            "the connection is closed"
        );
    }
    let (mut peer, mut connection) = pair(options).await;
    peer.write_all(&frame(&[7; 100])).await.unwrap();
    assert_eq!(
        within(connection.read_frame()).await.unwrap().unwrap().bytes.len(),
        100,
        "the limit itself is allowed"
    );
}

#[tokio::test]
async fn a_peer_that_leaves_inside_a_frame_is_told_apart() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    peer.write_all(&frame(b"cut off here")[..9]).await.unwrap();
    drop(peer);
    match within(connection.read_frame()).await {
        Err(ReadError::Truncated { received: 9 }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let options = ConnectionOptions {
        max_idle: Some(Duration::from_millis(150)),
        ..Default::default()
    };
    let (mut peer, mut connection) = pair(options).await;
    // Five bytes in steps that together are longer than the limit, each one shorter.
    let sending = tokio::spawn(async move {
        for byte in frame(b"x") {
            tokio::time::sleep(Duration::from_millis(60)).await;
            peer.write_all(&[byte]).await.unwrap();
        }
        peer
    });
    assert!(within(connection.read_frame()).await.unwrap().is_some());
    let _peer = sending.await.unwrap();
    let before = std::time::Instant::now();
    assert!(matches!(within(connection.read_frame()).await, Err(ReadError::Idle)));
    assert!(before.elapsed() >= Duration::from_millis(100), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_spent_memory_pool_holds_up_the_next_frame_until_the_first_is_done() {
    let options = ConnectionOptions {
        memory: MemoryPool::bounded(10),
        ..Default::default()
    };
    let (mut peer, mut connection) = pair(options.clone()).await;
    peer.write_all(&[frame(&[1; 50]), frame(&[2; 5])].concat())
        .await
        .unwrap();
    let first = within(connection.read_frame()).await.unwrap().unwrap();
    assert_eq!(options.memory.available(), Some(-40));
    let early = tokio::time::timeout(Duration::from_millis(50), connection.read_frame()).await;
    assert!(early.is_err(), "the pool is spent");
    drop(first);
    assert_eq!(
        within(connection.read_frame()).await.unwrap().unwrap().bytes,
        vec![2; 5]
    );
    assert_eq!(options.memory.available(), Some(10));
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let bytes = frame(&[9; 10_000]);
    for part in bytes.chunks(1_000) {
        peer.write_all(part).await.unwrap();
        if part.len() == 1_000 {
            assert!(
                tokio::time::timeout(Duration::from_millis(2), connection.read_frame())
                    .await
                    .is_err()
            );
        }
    }
    assert_eq!(
        within(connection.read_frame()).await.unwrap().unwrap().bytes,
        vec![9; 10_000]
    );
}

#[tokio::test]
async fn while_a_request_is_parked_the_peers_leaving_is_noticed() {
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    peer.write_all(&[frame(b"parked"), frame(b"behind")].concat())
        .await
        .unwrap();
    assert!(within(connection.read_frame()).await.unwrap().is_some());
    assert!(
        tokio::time::timeout(Duration::from_millis(30), connection.closed())
            .await
            .is_err(),
        "still there"
    );
    drop(peer);
    within(connection.closed()).await;
    assert_eq!(
        &within(connection.read_frame()).await.unwrap().unwrap().bytes[..],
        b"behind",
        "what was read ahead is kept"
    );
}
