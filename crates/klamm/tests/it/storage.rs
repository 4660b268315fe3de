//! A disk that fills up under a node, and one that turns read-only: what is refused, and what is there afterwards.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;
use tokio::task::JoinHandle;

use crate::client::*;
use crate::disks::{FailingDisk, SmallDisk};
use crate::node::Node;

#[tokio::test]
async fn a_full_disk_refuses_records_and_loses_none_that_it_took() {
    let Some(disk) = SmallDisk::new(24) else {
        eprintln!("not tested: this machine lets nobody mount a file system");
        return;
    };
    let overrides = ["log.segment.bytes=1048576"];
    let mut node = Node::start_in(tempfile::tempdir_in(disk.path()).unwrap(), &overrides).await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    // Room that the test gives back later.
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();

    let mut taken = 0;
    let value = |i: i64| format!("{i:08}").repeat(8_000).into_bytes();
    let refused = loop {
        let reply = connection.produce("t", 0, batch(&[value(taken)])).await;
        if reply.error_code != ErrorCode::NONE {
            break reply.error_code;
        }
        assert_eq!(reply.base_offset, taken);
        taken += 1;
        assert!(taken < 1_000, "the disk is full long before");
    };
    assert_eq!(refused, ErrorCode::KAFKA_STORAGE_ERROR);
    assert!(taken > 100, "{taken}");
    assert_eq!(
        connection.fetch_all("t", 0).await.len() as i64,
        taken,
        "a full disk is read from"
    );

    let stderr = node.process().stderr();
    assert!(stderr.contains("log directory is full"), "{stderr}");

    // With room again it goes on where it was, whether or not it is started anew.
    fs::remove_file(&ballast).unwrap();
    for end in ["none", "clean", "kill"] {
        if is_started_again(&mut node, end).await {
            connection = node.connect().await;
        }
        let offset = connection.append("t", 0, &[value(taken)]).await;
        assert_eq!(offset, taken, "{end}");
        taken += 1;
        let all = connection.fetch_all("t", 0).await;
        assert_eq!(all.len() as i64, taken, "{end}");
        for (offset, found) in all {
            assert!(found == value(offset), "{end}: the record at {offset}");
        }
    }
}

/// Ends the node, cleanly or by a kill, and starts it again; with any other word it goes on, and the answer is no.
async fn is_started_again(node: &mut Node, end: &str) -> bool {
    match end {
        "clean" => assert_eq!(node.terminate().code(), Some(0), "{}", node.process().stderr()),
        "kill" => node.kill(),
        _ => return false,
    }
    node.start_again().await;
    true
}

/// Leaves no room at all in a directory's file system.
fn fill(directory: &Path) {
    let mut filler = fs::File::create(directory.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_could_not_be_opened_on_a_full_disk_are_back_as_soon_as_there_is_room() {
    let Some(disk) = SmallDisk::new(24) else {
        eprintln!("not tested: this machine lets nobody mount a file system");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let overrides = [
        &format!("log.dirs={}", disk.path().join("data").display()),
        // Without room for this there is no start.
        &format!("metadata.log.dir={}", home.path().join("metadata").display()),
        "log.segment.bytes=1048576",
        "offsets.topic.num.partitions=1",
    ];
    let mut node = Node::start_in(home, &overrides).await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    connection.find_coordinator("g").await;
    assert_eq!(connection.commit("g", "t", 0, 7).await, ErrorCode::NONE);
    let value = |i: i64| format!("{i:08}").repeat(1_000).into_bytes();
    for i in 0..200 {
        assert_eq!(connection.append("t", 0, &[value(i)]).await, i);
    }

    node.kill();
    fill(&disk.path());
    node.start_again().await;
    let mut connection = node.connect().await;
    let refused = connection.produce("t", 0, batch(&[value(200)])).await;
    assert_eq!(refused.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    let (refused, _) = connection.committed_offsets("g").await;
    assert_eq!(refused, ErrorCode::NOT_COORDINATOR);
    soon("it says so", async || {
        node.process().stderr().contains("partition t-0 is offline")
    })
    .await;

    fs::remove_file(disk.path().join("filler")).unwrap();
    soon("it is written to", async || {
        let reply = connection.produce("t", 0, batch(&[value(200)])).await;
        assert!(reply.error_code != ErrorCode::NONE || reply.base_offset == 200);
        reply.error_code == ErrorCode::NONE
    })
    .await;
    soon("its group is known", async || {
        connection.committed_offsets("g").await == (ErrorCode::NONE, vec![("t".to_owned(), 0, 7)])
    })
    .await;
    assert_eq!(connection.commit("g", "t", 0, 8).await, ErrorCode::NONE);
    for end in ["none", "kill", "clean"] {
        if is_started_again(&mut node, end).await {
            connection = node.connect().await;
            connection.find_coordinator("g").await;
        }
        let all = connection.fetch_all("t", 0).await;
        assert_eq!(all.len(), 201, "{end}");
        for (offset, found) in all {
            assert!(found == value(offset), "{end}: the record at {offset}");
        }
        let committed = connection.committed_offsets("g").await;
        assert_eq!(committed, (ErrorCode::NONE, vec![("t".to_owned(), 0, 8)]), "{end}");
    }
}

/// Where a writer of one partition has got.
#[derive(Default)]
struct Progress {
    over: AtomicBool,
    taken: AtomicUsize,
    refused: AtomicUsize,
}

/// Appends to one partition until it is told to stop, and goes on after refusals, as clients do. Returns the offsets and numbers of
/// the records that were acknowledged.
async fn write(address: SocketAddr, partition: i32, mut next: u64, progress: Arc<Progress>) -> Vec<(i64, u64)> {
    let mut connection = Connection::open(address).await;
    let mut acknowledged = Vec::new();
    while !progress.over.load(Ordering::Relaxed) {
        let reply = connection.produce("t", partition, batch(&[numbered(next)])).await;
        if reply.error_code == ErrorCode::NONE {
            acknowledged.push((reply.base_offset, next));
            progress.taken.fetch_add(1, Ordering::Relaxed);
        } else {
            let expected = [ErrorCode::KAFKA_STORAGE_ERROR, ErrorCode::NOT_LEADER_OR_FOLLOWER];
            assert!(expected.contains(&reply.error_code), "{}", reply.error_code.name());
            progress.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        next += 1;
    }
    acknowledged
}

fn numbered(n: u64) -> Vec<u8> {
    format!("{n:08}").repeat(100).into_bytes()
}

/// Waits for what has to come true before long.
async fn soon(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within half a minute: {what}");
}

/// Directories of which DescribeLogDirs says that they have failed.
async fn failed_directories(connection: &mut Connection) -> Vec<String> {
    let reply = connection.call(&DescribeLogDirsRequest::default()).await;
    let failed = reply.results.into_iter();
    failed
        .filter(|dir| dir.error_code == ErrorCode::KAFKA_STORAGE_ERROR)
        .map(|dir| dir.log_dir)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_directory_that_turns_read_only_goes_alone_and_has_all_that_was_acknowledged_when_it_comes_back() {
    const PARTITIONS: i32 = 4;
    let Some(mut disk) = FailingDisk::new(64) else {
        eprintln!("not tested: this machine lets nobody make a file system fail");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let failing = disk.path().join("data");
    let both = format!("log.dirs={},{}", home.path().join("data").display(), failing.display());
    let mut node = Node::start_in(home, &[&both]).await;
    let mut connection = node.connect().await;
    // What is not synced a disk that fails takes with it, Kafka's too.
    connection
        .create_with("t", PARTITIONS, &[("flush.messages", "1")])
        .await;
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let (lost, kept): (Vec<i32>, Vec<i32>) = partitions.iter().partition(|n| failing.join(format!("t-{n}")).exists());
    assert_eq!((lost.len(), kept.len()), (2, 2), "they are spread evenly");

    let mut acknowledged: Vec<Vec<(i64, u64)>> = vec![Vec::new(); PARTITIONS as usize];
    for (round, end) in ["clean", "kill"].into_iter().enumerate() {
        let mut writers: Vec<(Arc<Progress>, JoinHandle<_>)> = Vec::new();
        for partition in 0..PARTITIONS {
            let progress = Arc::new(Progress::default());
            let writer = write(node.address(), partition, round as u64 * 1_000_000, progress.clone());
            writers.push((progress, tokio::spawn(writer)));
        }
        let taken = |n: i32| writers[n as usize].0.taken.load(Ordering::Relaxed);
        let refused = |n: i32| writers[n as usize].0.refused.load(Ordering::Relaxed);
        soon("all are written to", async || partitions.iter().all(|n| taken(*n) > 20)).await;
        disk.fail();
        let before: Vec<usize> = partitions.iter().map(|n| taken(*n)).collect();
        soon("two are refused, two are written to as before", async || {
            lost.iter().all(|n| refused(*n) > 0) && kept.iter().all(|n| taken(*n) > before[*n as usize] + 20)
        })
        .await;
        soon("the lost ones have no leader", async || {
            let known = connection.metadata("t").await.partitions;
            let leaderless = |index: i32| known.iter().any(|p| p.partition_index == index && p.leader_id == -1);
            partitions.iter().all(|n| leaderless(*n) == lost.contains(n))
        })
        .await;
        assert_eq!(failed_directories(&mut connection).await, [failing.to_string_lossy()]);
        connection.create(&format!("meanwhile-{round}"), 2).await;
        connection.append(&format!("meanwhile-{round}"), 1, &["v"]).await;
        for (progress, _) in &writers {
            progress.over.store(true, Ordering::Relaxed);
        }
        for (partition, (progress, writer)) in writers.into_iter().enumerate() {
            acknowledged[partition].extend(writer.await.unwrap());
            let refused = progress.refused.load(Ordering::Relaxed);
            assert_eq!(
                refused > 0,
                lost.contains(&(partition as i32)),
                "{partition}: {refused}"
            );
        }
        let stderr = node.process().stderr();
        assert!(stderr.contains("log directory goes offline"), "{stderr}");

        // As long as it is read-only a start does without it, too.
        for mended in [false, true] {
            match end {
                "kill" => node.kill(),
                // What had to be closed in the failed directory was not.
                _ => drop(node.terminate()),
            }
            if mended {
                disk.mend();
            }
            node.start_again().await;
            connection = node.connect().await;
            let expected: &[i32] = if mended { &partitions } else { &kept };
            for partition in expected {
                soon("it is led", async || {
                    connection.offset_at("t", *partition, -1).await.error_code == ErrorCode::NONE
                })
                .await;
                let there: std::collections::BTreeMap<_, _> =
                    connection.fetch_all("t", *partition).await.into_iter().collect();
                for (offset, n) in &acknowledged[*partition as usize] {
                    assert!(
                        there.get(offset) == Some(&numbered(*n)),
                        "{end}: {partition}/{offset} is not what was sent"
                    );
                }
                let offset = connection.append("t", *partition, &[numbered(7)]).await;
                acknowledged[*partition as usize].push((offset, 7));
            }
            assert_eq!(failed_directories(&mut connection).await.is_empty(), mended);
        }
    }
}
