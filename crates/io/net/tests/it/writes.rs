//! Segments out: memory and file regions, to readers quick and slow.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_net::{ConnectionOptions, FileRegion, Segment, SocketOptions, WriteError};
use tokio::io::AsyncReadExt;

use crate::server::{pair, pair_with, within};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 253) as u8).collect()
}

fn file_with(content: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

#[tokio::test]
async fn memory_and_file_regions_leave_in_order() {
    let content = pattern(300_000);
    let file = file_with(&content);
    let mut segments = vec![Segment::Bytes(Bytes::from_static(b"head"))];
    let mut expected = b"head".to_vec();
    for part in 0..100usize {
        let (position, len) = (part * 2_000, 1_500 + part);
        segments.push(Segment::File(FileRegion {
            file: file.clone(),
            position: position as u64,
            len: len as u32,
        }));
        expected.extend_from_slice(&content[position..position + len]);
        for piece in 0..70u8 {
            segments.push(Segment::Bytes(Bytes::from(vec![piece; 3])));
            expected.extend_from_slice(&[piece; 3]);
        }
    }
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let writing = tokio::spawn(async move { connection.write(segments).await });
    let mut got = Vec::new();
    within(peer.read_to_end(&mut got)).await.unwrap();
    writing.await.unwrap().unwrap();
    assert!(got == expected);
}

#[tokio::test]
async fn a_region_that_is_not_in_the_cache_arrives_all_the_same() {
    let content = pattern((2 << 20) + 5);
    let file = file_with(&content);
    file.sync_all().unwrap();
    let _hint = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let (mut peer, mut connection) = pair(ConnectionOptions::default()).await;
    let region = FileRegion {
        file,
        position: 3,
        len: (2 << 20) + 1,
    };
    let after = Segment::Bytes(Bytes::from_static(b"after"));
    let writing = tokio::spawn(async move { connection.write(vec![Segment::File(region), after]).await });
    let mut got = Vec::new();
    within(peer.read_to_end(&mut got)).await.unwrap();
    writing.await.unwrap().unwrap();
    assert!(got == [&content[3..(2 << 20) + 4], b"after"].concat());
}

#[test]
fn a_small_region_is_read_from_the_cache_and_only_whole() {
    let file = file_with(&pattern(100));
    let region = |position, len| FileRegion {
        file: file.clone(),
        position,
        len,
    };
    assert_eq!(region(10, 20).read_if_cached().unwrap(), pattern(100)[10..30]);
    assert!(region(90, 20).read_if_cached().is_none(), "the file ends inside it");
}

#[tokio::test]
async fn a_large_region_reaches_a_slow_reader_whole() {
    let content = pattern(24 << 20);
    let file = file_with(&content);
    let sockets = SocketOptions {
        send_buffer_bytes: Some(100 << 10),
        ..Default::default()
    };
    let (mut peer, mut connection) = pair_with(sockets, ConnectionOptions::default()).await;
    let region = FileRegion {
        file,
        position: 1,
        len: content.len() as u32 - 1,
    };
    let memory = Bytes::from(content.clone());
    let writing = tokio::spawn(async move {
        connection
            .write(vec![
                Segment::Bytes(memory),
                Segment::File(region),
                Segment::Bytes(Bytes::from_static(b"tail")),
            ])
            .await
    });
    let mut got = Vec::with_capacity(2 * content.len());
    let mut reads = 0;
    loop {
        if reads % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reads += 1;
        if within(peer.read_buf(&mut got)).await.unwrap() == 0 {
            break;
        }
    }
    writing.await.unwrap().unwrap();
    assert!(got == [&content[..], &content[1..], b"tail"].concat());
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up_when_idle() {
    let options = ConnectionOptions {
        max_idle: Some(Duration::from_millis(100)),
        ..Default::default()
    };
    let (_peer, mut connection) = pair(options).await;
    let written = within(connection.write(vec![Segment::Bytes(Bytes::from(vec![0; 64 << 20]))])).await;
    assert!(matches!(written, Err(WriteError::Idle)), "{written:?}");
}

#[tokio::test]
async fn a_peer_that_has_gone_is_an_error() {
    let (peer, mut connection) = pair(ConnectionOptions::default()).await;
    drop(peer);
    let written = within(connection.write(vec![Segment::Bytes(Bytes::from(vec![0; 64 << 20]))])).await;
    assert!(matches!(written, Err(WriteError::Io(_))), "{written:?}");
}

#[tokio::test]
async fn a_file_that_ends_early_is_an_error() {
    let (_peer, mut connection) = pair(ConnectionOptions::default()).await;
    let region = FileRegion {
        file: file_with(&pattern(100)),
        position: 90,
        len: 20,
    };
    let written = within(connection.write(vec![Segment::File(region)])).await;
    assert!(
        matches!(written, Err(WriteError::FileTooShort { missing: 10 })),
        "{written:?}"
    );
}
