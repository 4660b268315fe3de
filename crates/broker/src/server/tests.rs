//! The order of a start, and how a broker leaves.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use klamm_config::Origin;
use klamm_metadata::{MetadataDelta, MetadataImage};
use klamm_net::Client;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::messages::{CreateTopicsRequest, DeleteRecordsRequest, ProduceRequest};

use super::*;
use crate::partitions::Partition;
use crate::standalone::Standalone;

fn config(data_dir: &Path) -> ServerConfig {
    config_with(data_dir, &[])
}

fn config_with(data_dir: &Path, settings: &[(&str, &str)]) -> ServerConfig {
    let standalone = Standalone {
        host: "127.0.0.1",
        port: 0,
        data_dir,
    };
    let mut properties = standalone.properties();
    for (key, value) in settings {
        properties.set(*key, *value, Origin::Program);
    }
    ServerConfig::load(&properties).expect("sound settings").0
}

/// Keeps, for each change, the leader epochs of what this node leads.
#[derive(Clone, Default)]
struct Led(Arc<Mutex<Vec<Vec<i32>>>>);

impl MetadataPublisher for Led {
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let node_id = *image
            .cluster()
            .brokers()
            .keys()
            .next()
            .expect("this node has registered");
        let leaders = delta.local_changes(node_id).leaders;
        let epochs = leaders.values().map(|local| local.registration.leader_epoch);
        self.0.lock().expect("no panic").push(epochs.collect());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_led_is_taken_up_once_and_in_a_new_epoch() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(config(dir.path()), Unformatted::Format)
        .await
        .expect("the node starts");
    let mut client = Client::connect(server.client_address().expect("a listener"))
        .await
        .expect("it listens");
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    client.call(&request, 7).await.expect("an answer");
    let before = server.node().image();
    let epoch = |image: &MetadataImage| {
        let topic = image.topics().by_name("t").expect("it was created");
        topic.partitions.get(0).expect("it has one").leader_epoch
    };
    server.kill().await;

    let config = Arc::new(NodeConfig::new(config(dir.path())));
    let endpoints = endpoints::bind(&config.server, config.socket_options()).expect("free ports");
    let open = move || open::open(config, endpoints, Unformatted::Refuse, Arc::default()).expect("the logs open");
    let mut opened = spawn_blocking(open).await.expect("no panic");
    let node = opened.node.clone();
    assert_eq!(
        epoch(&node.image()),
        epoch(&before),
        "the metadata names the former incarnation"
    );
    let led = Led::default();
    opened.publishers.push(Box::new(led.clone()));
    assert!(node.partitions.online().is_empty(), "nothing is taken up yet");
    join_cluster(&node, &opened.quorum, opened.publishers, &opened.incarnation)
        .await
        .expect("the broker registers");
    assert_eq!(*led.0.lock().expect("no panic"), [vec![], vec![epoch(&node.image())]]);
    assert!(epoch(&node.image()) > epoch(&before));
}

/// Whether the metadata says after a clean end that the broker has left.
async fn has_left(settings: &[(&str, &str)]) -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(config_with(dir.path(), settings), Unformatted::Format)
        .await
        .expect("the node starts");
    server.shutdown().await.expect("a clean end");
    let config = Arc::new(NodeConfig::new(config(dir.path())));
    let endpoints = endpoints::bind(&config.server, config.socket_options()).expect("free ports");
    let open = move || open::open(config, endpoints, Unformatted::Refuse, Arc::default()).expect("the logs open");
    let opened = spawn_blocking(open).await.expect("no panic");
    let image = opened.node.image();
    image.cluster().broker(1).expect("it has registered").fenced
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_leaves_before_it_stops_unless_it_is_told_not_to() {
    assert!(has_left(&[]).await);
    assert!(!has_left(&[("controlled.shutdown.enable", "false")]).await);
}

/// Two log directories, and a topic with four partitions that are flushed with each append.
async fn two_directories(root: &Path) -> (Server, [std::path::PathBuf; 2]) {
    let dirs = [root.join("a"), root.join("b")];
    let both = format!("{},{}", dirs[0].display(), dirs[1].display());
    let config = config_with(root, &[("log.dirs", &both)]);
    let server = Server::start(config, Unformatted::Format)
        .await
        .expect("the node starts");
    let mut client = Client::connect(server.client_address().expect("a listener"))
        .await
        .expect("it listens");
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 4,
        replication_factor: 1,
        configs: vec![klamm_protocol::messages::create_topics_request::CreatableTopicConfig {
            name: "flush.messages".to_owned(),
            value: Some("1".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let created = client.call(&request, 7).await.expect("an answer");
    assert_eq!(created.topics[0].error_code, klamm_protocol::ErrorCode::NONE);
    (server, dirs)
}

/// Waits for what has to come true soon.
async fn soon(what: &str, mut is_true: impl FnMut() -> bool) {
    let wait = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect(what);
}

fn registered(server: &Server, partition: i32) -> klamm_metadata::PartitionRegistration {
    let image = server.node().image();
    let topic = image.topics().by_name("t").expect("it was created");
    topic.partitions.get(partition).expect("it has four").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_spread_over_the_directories_and_the_controller_is_told_where_they_lie() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, dirs) = two_directories(root.path()).await;
    let logs = server.node().partitions.logs().clone();
    let ids: std::collections::BTreeMap<_, _> = logs.directory_ids().into_iter().collect();
    let count = |dir: &Path| logs.logs().iter().filter(|log| log.log_dir() == dir).count();
    soon("four logs", || logs.logs().len() == 4).await;
    assert_eq!((count(&dirs[0]), count(&dirs[1])), (2, 2));
    soon("the controller knows where they lie", || {
        server.node().partitions.online().iter().all(|partition| {
            registered(&server, partition.index()).directory(1) == ids.get(partition.log().log_dir()).copied()
        })
    })
    .await;
    server.shutdown().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_fails_takes_only_its_replicas_with_it_and_the_last_one_the_node() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, dirs) = two_directories(root.path()).await;
    let partitions = server.node().partitions.clone();
    soon("four replicas", || partitions.online().len() == 4).await;
    let of = |dir: &Path| {
        let mut all = partitions.online();
        all.retain(|partition| partition.log().log_dir() == dir);
        all
    };
    let (sound, lost) = (of(&dirs[0]), of(&dirs[1]));
    assert_eq!((sound.len(), lost.len()), (2, 2));
    std::fs::remove_dir_all(&dirs[1]).expect("it goes");
    assert!(append(&server, &lost[0]).is_err(), "its directory is gone");
    soon("both replicas are offline, and have no leader", || {
        partitions.online().len() == 2
            && lost
                .iter()
                .all(|partition| registered(&server, partition.index()).leader == -1)
    })
    .await;
    for partition in &sound {
        append(&server, partition).expect("the other directory is in order");
        assert_eq!(registered(&server, partition.index()).leader, 1);
    }
    for partition in &lost {
        assert!(matches!(
            partitions.get("t", partition.index()),
            Some(crate::partitions::Hosted::Offline)
        ));
    }

    std::fs::remove_dir_all(&dirs[0]).expect("it goes");
    assert!(append(&server, &sound[0]).is_err(), "its directory is gone");
    let reason = tokio::time::timeout(Duration::from_secs(20), server.failed());
    let reason = reason.await.expect("the node can't go on");
    assert!(!reason.is_empty());
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_moves_into_another_directory_while_it_is_written_to() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, dirs) = two_directories(root.path()).await;
    let partitions = server.node().partitions.clone();
    soon("four replicas", || partitions.online().len() == 4).await;
    let partition = partitions
        .online()
        .into_iter()
        .find(|partition| partition.log().log_dir() == dirs[0])
        .expect("two lie there");
    let append = |value: &[u8]| {
        let mut batch = klamm_records::BatchBuilder::new(klamm_records::Compression::None);
        batch.push(1, None, Some(value), &[]).expect("it fits");
        let now_ms = server.node().clock.now_ms();
        let appended = partition.append(&batch.build(), true, klamm_log::AppendOrigin::Client, now_ms);
        appended.expect("it is appended").last_offset
    };
    (0..100).for_each(|i| assert_eq!(append(&[7; 2_000]), i));
    partitions.move_replica("t", partition.index(), &dirs[1]);
    let mut end = 100;
    soon("it has moved", || {
        assert_eq!(append(b"meanwhile"), end);
        end += 1;
        partition.log().log_dir() == dirs[1]
    })
    .await;
    assert_eq!(append(b"later"), end);
    let log = partition.log();
    assert_eq!((log.log_start_offset(), log.high_watermark()), (0, end + 1));
    let read = partition.fetch(0, 1 << 20, None, klamm_log::Isolation::HighWatermark, true);
    let bytes = read
        .expect("it is read")
        .region
        .expect("records")
        .read()
        .expect("bytes");
    let records: i32 = klamm_records::batches(&bytes)
        .map(|batch| batch.expect("whole").header.records_count)
        .sum();
    assert_eq!(i64::from(records), end + 1);
    let id = partitions
        .logs()
        .directory_ids()
        .into_iter()
        .find(|(dir, _)| *dir == dirs[1]);
    soon("the controller knows", || {
        registered(&server, partition.index()).directory(1) == id.as_ref().map(|(_, id)| *id)
    })
    .await;
    // Wanted where it is: nothing happens.
    partitions.move_replica("t", partition.index(), &dirs[1]);
    assert!(partitions.logs().future_logs().is_empty());
    server.shutdown().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_ends_when_a_log_beside_the_metadata_finds_that_their_disk_fails() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, dirs) = two_directories(root.path()).await;
    let partitions = server.node().partitions.clone();
    soon("four replicas", || partitions.online().len() == 4).await;
    let partition = in_directory(&partitions, &dirs[0]);
    std::fs::remove_dir_all(partition.log().dir()).expect("it goes");
    assert!(append(&server, &partition).is_err(), "its directory is gone");
    let reason = tokio::time::timeout(Duration::from_secs(20), server.failed());
    let reason = reason.await.expect("the node can't go on");
    let dir = format!("the metadata log directory `{}` has failed", dirs[0].display());
    assert_eq!(reason, dir);
    server.kill().await;
}

fn in_directory(partitions: &crate::partitions::Partitions, dir: &Path) -> Arc<Partition> {
    let mut online = partitions.online().into_iter();
    let found = online.find(|partition| partition.log().log_dir() == dir);
    found.expect("two lie there")
}

fn batch() -> bytes::Bytes {
    let mut batch = klamm_records::BatchBuilder::new(klamm_records::Compression::None);
    batch.push(1, None, Some(b"v"), &[]).expect("it fits");
    batch.build()
}

fn append(server: &Server, partition: &Partition) -> Result<klamm_log::AppendInfo, crate::partitions::ProduceError> {
    let now_ms = server.node().clock.now_ms();
    partition.append(&batch(), true, klamm_log::AppendOrigin::Client, now_ms)
}

/// Has a partition as if its log changed places, until it is told that this is over, or for half a minute. Says then whether it
/// was told.
fn hold(partition: Arc<Partition>) -> (mpsc::Sender<()>, std::thread::JoinHandle<bool>) {
    let (over, is_over) = mpsc::channel();
    let (held, is_held) = mpsc::channel();
    let holder = std::thread::spawn(move || {
        let mut was_told = false;
        let refused = partition.exchange_log(|| {
            held.send(()).expect("it is waited for");
            was_told = is_over.recv_timeout(Duration::from_secs(30)).is_ok();
            Err(())
        });
        assert!(refused.is_err());
        was_told
    });
    is_held.recv().expect("nobody else holds it for long");
    (over, holder)
}

async fn connect(server: &Server) -> Client {
    Client::connect(server.client_address().expect("a listener"))
        .await
        .expect("it listens")
}

fn produce_request(partition: i32) -> ProduceRequest {
    let partition = PartitionProduceData {
        index: partition,
        records: Some(klamm_protocol::Records::Bytes(batch())),
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 60_000,
        topic_data: vec![TopicProduceData {
            name: "t".to_owned(),
            partition_data: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_a_partition_keep_nobody_else_waiting() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, _) = two_directories(root.path()).await;
    let partitions = server.node().partitions.clone();
    soon("four replicas", || partitions.online().len() == 4).await;
    let partition = partitions.online().remove(0);
    let (over, holder) = hold(partition.clone());
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut client = connect(&server).await;
        // The second one is in order behind the first.
        for _ in 0..2 {
            let request = produce_request(partition.index());
            client.send(&request, 9).await.expect("it is sent");
        }
        waiting.push(client);
    }
    let delete = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index: partition.index(),
                offset: 0,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut deleting = connect(&server).await;
    deleting.send(&delete, 2).await.expect("it is sent");
    let mut client = connect(&server).await;
    for _ in 0..100 {
        let request = klamm_protocol::messages::ListGroupsRequest::default();
        client.call(&request, 4).await.expect("an answer");
    }
    over.send(()).expect("it is held still");
    assert!(holder.join().expect("no panic"), "nobody was answered meanwhile");

    let mut offsets = Vec::new();
    for mut client in waiting {
        let mut of_client = Vec::new();
        for _ in 0..2 {
            let (_, answer) = client.receive_any::<ProduceRequest>(9).await.expect("an answer");
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, klamm_protocol::ErrorCode::NONE);
            of_client.push(partition.base_offset);
        }
        assert!(of_client.is_sorted(), "{of_client:?}");
        offsets.extend(of_client);
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..16).collect::<Vec<_>>());
    let deleted = deleting.receive::<DeleteRecordsRequest>(2).await.expect("an answer");
    let deleted = &deleted.topics[0].partitions[0];
    assert_eq!(
        (deleted.error_code, deleted.low_watermark),
        (klamm_protocol::ErrorCode::NONE, 0)
    );
    server.shutdown().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_replica_that_goes_offline_slowly_keeps_nobody_waiting() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, dirs) = two_directories(root.path()).await;
    let partitions = server.node().partitions.clone();
    soon("four replicas", || partitions.online().len() == 4).await;
    let mut lost = partitions.online();
    lost.retain(|partition| partition.log().log_dir() == dirs[1]);
    let (over, holder) = hold(lost[0].clone());
    std::fs::remove_dir_all(&dirs[1]).expect("it goes");
    assert!(append(&server, &lost[1]).is_err(), "its directory is gone");
    // It leaves the table before what has begun with it is waited for.
    let is_offline = || {
        matches!(
            partitions.get("t", lost[0].index()),
            Some(crate::partitions::Hosted::Offline)
        )
    };
    soon("it is offline", is_offline).await;
    let mut client = connect(&server).await;
    let request = klamm_protocol::messages::ListGroupsRequest::default();
    client.call(&request, 4).await.expect("an answer");
    over.send(()).expect("it is held still");
    assert!(holder.join().expect("no panic"), "nobody was answered meanwhile");
    server.kill().await;
}
