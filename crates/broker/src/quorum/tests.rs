//! The quorum of a lone node, on real files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm_config::{Properties, ServerConfig};
use klamm_controller::{Controller, ControllerError, ControllerResult};
use klamm_metadata::{
    BootstrapMetadata, MetadataDelta, MetadataImage, MetadataRecord, MetadataVersion, default_levels,
};
use klamm_protocol::metadata::{PartitionRecord, TopicRecord};
use klamm_protocol::{ErrorCode, Uuid};
use klamm_raft::{Endpoint, Endpoints, snapshot_header};

use super::*;
use crate::clock::Clock;
use crate::storage::Formatter;

const DIRECTORY: Uuid = Uuid::from_u128(7);

fn server(dir: &Path, more: &str) -> ServerConfig {
    let dir = dir.display();
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
         controller.listener.names=CONTROLLER\nlog.dirs={dir}\nmetadata.max.idle.interval.ms=0\n{more}"
    );
    let properties = Properties::parse(text.as_bytes(), "server.properties").unwrap();
    ServerConfig::load(&properties).unwrap().0
}

fn dynamic(dir: &Path) -> ServerConfig {
    server(dir, "controller.quorum.bootstrap.servers=127.0.0.1:9093")
}

fn format(server: &ServerConfig) {
    let mut formatter = Formatter::of(server, "cluster");
    if server.quorum_voters.is_empty() {
        formatter = formatter.standalone(server, DIRECTORY).unwrap();
    }
    formatter.run(&mut || 5, 1, &mut |_| {}).unwrap();
}

fn open(server: &ServerConfig) -> Result<Quorum, QuorumError> {
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: 9093,
    };
    let options = QuorumOptions {
        cluster_id: "cluster".to_owned(),
        directory_id: DIRECTORY,
        listeners: Endpoints::from([("CONTROLLER".to_owned(), endpoint)]),
        seed: 3,
        clock: Arc::new(Clock::new()),
    };
    Quorum::open(server, options)
}

fn run(server: &ServerConfig) -> RunningQuorum {
    open(server).unwrap().run(|fault| panic!("{fault}"))
}

fn topic(name: &str, id: u128) -> Vec<MetadataRecord> {
    let topic_id = Uuid::from_u128(id);
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id,
        ..TopicRecord::default()
    };
    let partition = PartitionRecord {
        topic_id,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        directories: vec![DIRECTORY],
        ..PartitionRecord::default()
    };
    vec![topic.into(), partition.into()]
}

/// A request that writes a topic.
fn create(
    name: &'static str,
    id: u128,
) -> impl FnOnce(&Controller, i64) -> Result<ControllerResult<i64>, ControllerError> + Send + 'static {
    move |controller, _| Ok(ControllerResult::atomic_of(topic(name, id), controller.next_offset()))
}

fn metadata_dir(dir: &Path) -> PathBuf {
    dir.join("__cluster_metadata-0")
}

fn snapshots(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(metadata_dir(dir))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".checkpoint")).collect();
    names.sort();
    names
}

/// Waits, within bounds, for what happens on another thread.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} does not come");
}

#[tokio::test]
async fn a_new_cluster_begins_with_its_features_and_is_active_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = open(&server).unwrap();
    let image = quorum.image().load_full();
    assert_eq!(image.features().metadata_version().unwrap().name(), "4.4-IV2");
    // LeaderChange, KRaftVersion, Voters; BeginTransaction, six features, min.insync.replicas, EndTransaction.
    assert_eq!(image.offset_and_epoch(), (11, 1));
    let quorum = quorum.run(|fault| panic!("{fault}"));
    assert_eq!(
        (quorum.handle().active_epoch(), quorum.handle().kraft_version()),
        (Some(1), 1)
    );
    let described = quorum.handle().describe_quorum().await.unwrap();
    assert_eq!((described.high_watermark, described.voters[0].log_end_offset), (12, 12));
    let state = std::fs::read_to_string(metadata_dir(dir.path()).join("quorum-state")).unwrap();
    let expected =
        r#"{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;
    assert_eq!(state, expected);
    assert!(dir.path().join("__cluster_metadata-0/partition.metadata").exists());
}

#[tokio::test]
async fn a_static_quorum_of_one_works_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "controller.quorum.voters=1@127.0.0.1:9093");
    format(&server);
    let quorum = run(&server);
    assert_eq!(quorum.handle().kraft_version(), 0);
    // LeaderChange alone, and the same nine records.
    assert_eq!(quorum.image().load().offset_and_epoch(), (9, 1));
    let state = std::fs::read_to_string(metadata_dir(dir.path()).join("quorum-state")).unwrap();
    assert!(
        state.ends_with(r#""currentVoters":[{"voterId":1}],"data_version":0}"#),
        "{state}"
    );
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = run(&server);
    let offset = quorum
        .handle()
        .write("create", i64::MAX, create("orders", 1))
        .await
        .unwrap();
    assert_eq!(offset, 12);
    assert!(
        quorum.image().load().topics().by_name("orders").is_some(),
        "visible before the reply"
    );
    drop(quorum);

    let quorum = run(&server);
    assert_eq!(quorum.handle().active_epoch(), Some(2));
    let image = quorum.image().load_full();
    assert_eq!(image.topics().by_name("orders").unwrap().id, Uuid::from_u128(1));
    // Two records of the topic and the second leader's LeaderChange; no second set of bootstrap records.
    assert_eq!(image.offset_and_epoch(), (14, 2));
    let handle = quorum.handle();
    let known = handle.read(|controller| controller.committed_image().topics().len());
    assert_eq!(known.await.unwrap(), 1);
    quorum
        .handle()
        .write("create", i64::MAX, create("more", 2))
        .await
        .unwrap();
}

/// Keeps what it hears.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(usize, i64)>>>);

impl MetadataPublisher for Heard {
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let changed = delta.changed_topics().count();
        self.0.lock().unwrap().push((changed, image.offset()));
    }
}

#[tokio::test]
async fn publishers_hear_of_everything_in_order_and_before_the_reply() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    run(&server)
        .handle()
        .write("create", i64::MAX, create("old", 1))
        .await
        .unwrap();

    let heard = Heard::default();
    let quorum = run(&server);
    quorum.subscribe(vec![Box::new(heard.clone())]).await.unwrap();
    let first = heard.0.lock().unwrap().clone();
    assert_eq!(first, [(1, 14)], "all there was, at once");
    for id in 2..5 {
        quorum
            .handle()
            .write("create", i64::MAX, create(["a", "b", "c"][id - 2], id as u128))
            .await
            .unwrap();
        assert_eq!(heard.0.lock().unwrap().len(), id);
    }
    let offsets: Vec<i64> = heard.0.lock().unwrap().iter().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, [14, 16, 18, 20]);

    let late = Heard::default();
    quorum.subscribe(vec![Box::new(late.clone())]).await.unwrap();
    assert_eq!(
        *late.0.lock().unwrap(),
        [(4, 20)],
        "nothing of what came before, but what it came to"
    );
    assert_eq!(heard.0.lock().unwrap().len(), 4, "the others heard it already");
}

#[tokio::test]
async fn requests_that_wait_are_written_together_and_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = run(&server);
    let handle = quorum.handle();
    let writes = (0..300_i64).map(|index| {
        let handle = handle.clone();
        tokio::spawn(async move {
            let id = u128::from(index.unsigned_abs()) + 1;
            let op = move |controller: &Controller, _| {
                let records = topic(&format!("t{index}"), id);
                Ok(ControllerResult::atomic_of(records, controller.next_offset()))
            };
            handle.write("create", i64::MAX, op).await.unwrap()
        })
    });
    let mut offsets = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        offsets.push(write.await.unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..300).map(|index| 12 + 2 * index).collect::<Vec<i64>>());
    assert_eq!(quorum.image().load().topics().len(), 300);
}

#[tokio::test]
async fn errors_and_late_requests_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = run(&server);
    let handle = quorum.handle();
    let refuse = |_: &Controller, _| Err::<ControllerResult<()>, _>(ErrorCode::INVALID_REQUEST.into());
    assert_eq!(
        handle.write("refuse", i64::MAX, refuse).await.unwrap_err().code,
        ErrorCode::INVALID_REQUEST
    );
    assert_eq!(
        handle.write("late", 0, create("late", 1)).await.unwrap_err().code,
        ErrorCode::REQUEST_TIMED_OUT
    );
    // A partition of a topic that does not exist: the controller's own fault, taken back.
    let broken = |controller: &Controller, _| {
        let mut records = topic("broken", 9);
        records.remove(0);
        Ok(ControllerResult::atomic_of(records, controller.next_offset()))
    };
    assert_eq!(
        handle.write("broken", i64::MAX, broken).await.unwrap_err().code,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
    // 10,000 topics of long names do not fit into one batch.
    let huge = |controller: &Controller, _| {
        let name = "x".repeat(1_000);
        let records = (0..10_000)
            .flat_map(|id| topic(&format!("{name}{id}"), id + 1))
            .collect();
        Ok(ControllerResult::atomic_of(records, controller.next_offset()))
    };
    assert_eq!(
        handle.write("huge", i64::MAX, huge).await.unwrap_err().code,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
    assert_eq!(quorum.image().load().offset(), 11);
    assert_eq!(handle.write("create", i64::MAX, create("fine", 2)).await.unwrap(), 12);
}

#[tokio::test]
async fn records_that_may_be_split_are() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = run(&server);
    let many = |controller: &Controller, _| {
        let records = (0..12_000)
            .flat_map(|id| topic(&format!("topic-{id}"), id + 1))
            .collect();
        Ok(ControllerResult::of(records, controller.next_offset()))
    };
    quorum.handle().write("many", i64::MAX, many).await.unwrap();
    assert_eq!(quorum.image().load().topics().len(), 12_000);
    drop(quorum);
    assert_eq!(open(&server).unwrap().image().load().topics().len(), 12_000);
}

#[tokio::test]
async fn a_stopped_quorum_is_no_controller() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let quorum = run(&server);
    let handle = quorum.handle();
    quorum.shut_down();
    assert_eq!(handle.active_epoch(), None);
    assert_eq!(
        handle.write("create", i64::MAX, create("a", 1)).await.unwrap_err().code,
        ErrorCode::NOT_CONTROLLER
    );
    assert_eq!(handle.describe_quorum().await, None);
}

#[tokio::test]
async fn snapshots_are_written_loaded_and_in_time_removed() {
    let dir = tempfile::tempdir().unwrap();
    let more =
        "controller.quorum.bootstrap.servers=127.0.0.1:9093\nmetadata.log.max.record.bytes.between.snapshots=1000";
    let server = server(dir.path(), more);
    format(&server);
    let quorum = run(&server);
    let next = AtomicI64::new(1);
    for _ in 0..3 {
        let before = snapshots(dir.path()).len();
        for _ in 0..10 {
            let id = next.fetch_add(1, Ordering::Relaxed);
            let op = move |controller: &Controller, _| {
                let records = topic(&format!("topic-{id}"), u128::from(id.unsigned_abs()));
                Ok(ControllerResult::atomic_of(records, controller.next_offset()))
            };
            quorum.handle().write("create", i64::MAX, op).await.unwrap();
        }
        until("a snapshot", || snapshots(dir.path()).len() > before).await;
    }
    let image = quorum.image().load_full();
    drop(quorum);
    assert!(snapshots(dir.path()).len() >= 4, "with the one that formatting left");

    let quorum = open(&server).unwrap();
    let again = quorum.image().load_full();
    assert_eq!(again.to_records(), image.to_records());
    drop(quorum);

    // What a crash leaves of a snapshot is no snapshot.
    let partial = metadata_dir(dir.path()).join("00000000000000000090-0000000001.checkpoint.part");
    std::fs::write(&partial, b"half").unwrap();
    let mut log = log::MetadataLog::open(dir.path(), &server.config, 0).unwrap();
    assert!(!partial.exists());
    let newest = snapshots(dir.path()).pop().unwrap();

    // Too old: all but the newest go, and the log before it.
    log.committed(i64::MAX);
    let late_ms = Clock::new().now_ms() + 8 * 24 * 60 * 60 * 1000;
    assert!(log.clean(late_ms).unwrap().is_some());
    assert_eq!(log.clean(late_ms).unwrap(), None);
    assert_eq!(snapshots(dir.path()), [newest]);
    let names = std::fs::read_dir(metadata_dir(dir.path()))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    assert_eq!(
        names
            .filter(|path| path.extension().is_some_and(|end| end == "deleted"))
            .count(),
        0
    );
    let start_offset = log.view().start_offset();
    log.close().unwrap();
    drop(log);
    let quorum = open(&server).unwrap();
    assert!(start_offset > 0);
    assert_eq!(quorum.image().load().to_records(), image.to_records());
}

#[tokio::test]
async fn an_idle_controller_writes_noop_records() {
    let dir = tempfile::tempdir().unwrap();
    let more = "controller.quorum.bootstrap.servers=127.0.0.1:9093\nmetadata.max.idle.interval.ms=5";
    let server = server(dir.path(), more);
    format(&server);
    let quorum = run(&server);
    let image = quorum.image();
    until("a NoOp record", || image.load().offset() > 13).await;
    assert_eq!(image.load().topics().len(), 0);
}

#[test]
fn several_voters_and_foreign_directories_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let several = server(dir.path(), "controller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.1:9094");
    format(&several);
    assert!(matches!(open(&several), Err(QuorumError::NotTheOnlyVoter { voters, .. }) if voters == [1, 2]));

    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    let mut formatter = Formatter::of(&server, "cluster")
        .standalone(&server, Uuid::from_u128(99))
        .unwrap();
    formatter.cluster_id = "cluster".to_owned();
    formatter.run(&mut || 5, 1, &mut |_| {}).unwrap();
    assert!(
        matches!(open(&server), Err(QuorumError::NotTheOnlyVoter { .. })),
        "another directory's vote"
    );
}

#[test]
fn a_torn_end_of_the_log_is_cut_and_the_rest_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    drop(open(&server).unwrap());
    let segment = metadata_dir(dir.path()).join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 60, 1, 2, 3]);
    std::fs::write(&segment, bytes).unwrap();
    let quorum = open(&server).unwrap();
    assert_eq!(quorum.image().load().offset_and_epoch(), (12, 2));
}

/// Until Kafka 4.3 the snapshot at offset 0 has the voters alone, and the features are in a file beside the log's directory.
#[test]
fn a_directory_that_an_older_kafka_formatted_begins_with_its_bootstrap_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let first = metadata_dir(dir.path()).join("00000000000000000000-0000000000.checkpoint");
    let found = checkpoint::read(&first).unwrap().unwrap();
    let version = MetadataVersion::from_name("4.3").unwrap();
    let voters = found.control[..found.control.len() - 1].to_vec();
    std::fs::write(&first, checkpoint::encode(0, voters, &[], version, 1).unwrap()).unwrap();
    let bootstrap = BootstrapMetadata::from_levels(version, default_levels(version));
    let header = snapshot_header(0, 0, None);
    let bytes = checkpoint::encode(0, header, bootstrap.records(), version, 1).unwrap();
    std::fs::write(dir.path().join(checkpoint::BOOTSTRAP), bytes).unwrap();

    let quorum = open(&server).unwrap();
    assert_eq!(quorum.image().load().features().metadata_version(), Some(version));
}

#[tokio::test]
async fn a_panic_is_reported_and_leaves_no_controller() {
    let dir = tempfile::tempdir().unwrap();
    let server = dynamic(dir.path());
    format(&server);
    let (sender, fault) = std::sync::mpsc::channel();
    let quorum = open(&server)
        .unwrap()
        .run(move |fault| sender.send(fault.to_string()).unwrap());
    let bug =
        |_: &Controller, _: i64| -> Result<ControllerResult<()>, ControllerError> { panic!("a bug, for this test") };
    let refused = quorum.handle().write("bug", i64::MAX, bug).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NOT_CONTROLLER);
    assert_eq!(fault.recv().unwrap(), "the quorum's thread panicked");
    assert_eq!(quorum.handle().active_epoch(), None);
    drop(quorum);
    assert_eq!(run(&server).handle().active_epoch(), Some(2));
}
