//! Partitions that come and go under those who use them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use klamm_config::ServerConfig;
use klamm_group_coordinator::GroupQuery;
use klamm_log::disk::{DirEntry, Disk, DiskDir, DiskFile, Inspected, Lock, OsDisk, Space};
use klamm_log::{AppendOrigin, Isolation, LogConfig, ManagerConfig, MetaProperties};
use klamm_metadata::{DirectoryId, MetadataProvenance};
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::metadata::{ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use klamm_records::{BatchBuilder, Compression};

use super::*;
use crate::clock::Clock;
use crate::coordinators::GroupCoordinators;
use crate::standalone::Standalone;
use crate::topics::GROUP_METADATA_TOPIC;

const NODE: i32 = 1;
const NOW: i64 = 1_700_000_000_000;
const OLD: Uuid = Uuid::from_u128(11);
const NEW: Uuid = Uuid::from_u128(12);

struct Fixture {
    dir: tempfile::TempDir,
    log_dir: PathBuf,
    partitions: Arc<Partitions>,
    image: MetadataImage,
}

/// The machine's disk, on which nothing new has room for as long as it is told so.
#[derive(Debug, Default)]
struct FullDisk(AtomicBool);

impl Disk for FullDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => OsDisk.create(path),
        }
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        OsDisk.open(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_dir(path)
    }
    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn DiskDir>> {
        OsDisk.open_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(path)
    }
    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        OsDisk.inspect(path)
    }
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        OsDisk.lock(dir)
    }
    fn space(&self, path: &Path) -> Option<Space> {
        OsDisk.space(path)
    }
}

fn open(log_dir: &Path) -> Arc<Partitions> {
    open_on(Arc::new(OsDisk), log_dir)
}

fn open_on(disk: Arc<dyn Disk>, log_dir: &Path) -> Arc<Partitions> {
    let properties = Standalone {
        host: "127.0.0.1",
        port: 0,
        data_dir: log_dir,
    }
    .properties();
    let (config, _) = ServerConfig::load(&properties).expect("sound settings");
    let manager = ManagerConfig {
        disk,
        ..ManagerConfig::new(NODE, vec![log_dir.to_owned()], 7)
    };
    let (logs, _) = LogManager::open(manager, |_| LogConfig::default(), NOW).expect("the logs open");
    Arc::new(Partitions::new(NODE, Arc::new(NodeConfig::new(config)), Arc::new(logs)))
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let log_dir = dir.path().join("data");
    std::fs::create_dir(&log_dir).expect("a directory");
    let meta = MetaProperties {
        cluster_id: "c".to_owned(),
        node_id: NODE,
        directory_id: Some(Uuid::from_u128(1_000)),
    };
    meta.write(&log_dir).expect("a formatted directory");
    Fixture {
        partitions: open(&log_dir),
        log_dir,
        dir,
        image: MetadataImage::empty(),
    }
}

impl Fixture {
    /// Changes the metadata and has the partitions follow. What has changed.
    fn change(&mut self, change: impl FnOnce(&mut MetadataDelta)) -> MetadataDelta {
        let mut delta = MetadataDelta::new(&self.image);
        change(&mut delta);
        self.image = delta.apply(MetadataProvenance::EMPTY);
        self.partitions.on_metadata_update(&delta, &self.image, NOW);
        delta
    }

    /// Stops cleanly and opens the logs again.
    fn restart(self) -> Self {
        self.partitions.logs().shutdown(5).expect("a clean end");
        drop(self.partitions);
        Fixture {
            partitions: open(&self.log_dir),
            dir: self.dir,
            log_dir: self.log_dir,
            image: self.image,
        }
    }

    fn partition(&self) -> Arc<Partition> {
        match self.partitions.get("t", 0) {
            Some(Hosted::Online(partition)) => partition,
            other => panic!("t-0 is {other:?}"),
        }
    }

    fn directories(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.log_dir).expect("the log directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("t-0")).collect();
        names.sort();
        names
    }
}

/// Creates the topic `t` with one partition that this node leads.
fn create(delta: &mut MetadataDelta, topic_id: Uuid) {
    create_topic(delta, "t", topic_id);
}

fn create_topic(delta: &mut MetadataDelta, name: &str, topic_id: Uuid) {
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id,
        ..Default::default()
    };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id,
        replicas: vec![NODE],
        isr: vec![NODE],
        leader: NODE,
        leader_epoch: 0,
        directories: vec![DirectoryId::UNASSIGNED],
        ..Default::default()
    };
    delta.replay(&topic.into()).expect("a new topic");
    delta.replay(&partition.into()).expect("a new partition");
}

fn delete(delta: &mut MetadataDelta, topic_id: Uuid) {
    let remove = RemoveTopicRecord {
        topic_id,
        ..Default::default()
    };
    delta.replay(&remove.into()).expect("the topic is there");
}

/// Gives the topic `t` a setting.
fn configure(delta: &mut MetadataDelta, name: &str, value: &str) {
    let record = ConfigRecord {
        resource_type: ConfigResourceType::TOPIC.0,
        resource_name: "t".to_owned(),
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    delta.replay(&record.into()).expect("a setting");
}

fn batch() -> Bytes {
    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(NOW, None, Some(b"value"), &[]).expect("it fits");
    batch.build()
}

fn append(partition: &Partition) -> Result<i64, ProduceError> {
    let appended = partition.append(&batch(), true, AppendOrigin::Client, NOW);
    appended.map(|info| info.first_offset)
}

#[tokio::test]
async fn nothing_is_acknowledged_by_a_partition_that_is_gone() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    let held = fixture.partition();
    assert_eq!(append(&held).expect("it leads"), 0);
    fixture.change(|delta| delete(delta, OLD));
    assert!(matches!(append(&held), Err(ProduceError::NotLeader(_))));
    assert!(matches!(held.check_leader(None), Err(LeaderError::NotLeader(_))));
    let fetched = held.fetch(0, 1_000, None, Isolation::HighWatermark, true);
    assert!(matches!(fetched, Err(FetchError::Leader(LeaderError::NotLeader(_)))));
    assert_eq!(held.leader().0, -1);
}

#[tokio::test]
async fn whoever_waits_for_a_commit_hears_of_the_deletion() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    let held = fixture.partition();
    let waiting = tokio::spawn(async move { held.committed(1, Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    fixture.change(|delta| delete(delta, OLD));
    assert_eq!(waiting.await.expect("no panic"), Committed::LeaderChanged);
}

#[tokio::test]
async fn a_topic_that_is_created_again_begins_anew() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    append(&fixture.partition()).expect("it leads");
    fixture.change(|delta| {
        delete(delta, OLD);
        create(delta, NEW);
    });
    let partition = fixture.partition();
    assert_eq!(partition.topic_id(), NEW);
    assert_eq!(append(&partition).expect("it leads"), 0);
}

#[tokio::test]
async fn each_of_many_appends_is_told_to_a_waiting_fetch() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    let partition = fixture.partition();
    let (threads, each) = (4, 50);
    let bytes = batch().len() as i64 * threads * each;
    let waiter = FetchWaiter::new(bytes);
    let _waiting = partition.add_waiter(&waiter);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| assert!(append(&partition).is_ok())));
        }
    });
    tokio::time::timeout(Duration::from_secs(10), waiter.ready())
        .await
        .expect("all bytes were told");
    assert!(partition.is_committed(threads * each));
}

#[tokio::test]
async fn logs_that_are_not_the_clusters_are_set_aside_at_start() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    append(&fixture.partition()).expect("it leads");
    let fixture = fixture.restart();
    fixture.partitions.set_strays_aside(&fixture.image);
    assert_eq!(fixture.directories(), ["t-0"], "what the metadata knows stays");

    let fixture = fixture.restart();
    fixture.partitions.set_strays_aside(&MetadataImage::empty());
    let left = fixture.directories();
    assert!(left.len() == 1 && left[0].ends_with("-stray"), "{left:?}");
    assert_eq!(fixture.restart().partitions.logs().logs().len(), 0);
}

#[tokio::test]
async fn a_partition_that_there_was_no_room_for_comes_when_there_is() {
    let mut fixture = fixture();
    let disk = Arc::new(FullDisk::default());
    drop(fixture.partitions);
    fixture.partitions = open_on(disk.clone(), &fixture.log_dir);
    disk.0.store(true, Ordering::Relaxed);
    fixture.change(|delta| create(delta, OLD));
    let is_offline = |fixture: &Fixture| matches!(fixture.partitions.get("t", 0), Some(Hosted::Offline));
    assert!(fixture.partitions.retry_without_room(NOW).is_empty());
    assert!(is_offline(&fixture), "it is full still");
    // What the topic is given meanwhile holds for what comes.
    fixture.change(|delta| configure(delta, "segment.bytes", "1048577"));
    disk.0.store(false, Ordering::Relaxed);
    let back = fixture.partitions.retry_without_room(NOW);
    assert!(back.len() == 1 && Arc::ptr_eq(&back[0], &fixture.partition()));
    assert_eq!(append(&fixture.partition()).expect("it leads"), 0);
    assert_eq!(fixture.partition().log().config().segment_bytes, 1_048_577);
    assert!(
        fixture.partitions.retry_without_room(NOW).is_empty(),
        "it is no news any more"
    );

    // One that went meanwhile is not brought back.
    fixture.change(|delta| delete(delta, OLD));
    disk.0.store(true, Ordering::Relaxed);
    fixture.change(|delta| create(delta, NEW));
    assert!(is_offline(&fixture));
    fixture.change(|delta| delete(delta, NEW));
    disk.0.store(false, Ordering::Relaxed);
    assert!(fixture.partitions.retry_without_room(NOW).is_empty());
    assert!(fixture.partitions.get("t", 0).is_none());
}

#[tokio::test]
async fn groups_are_coordinated_as_soon_as_there_is_room_for_their_log() {
    let mut fixture = fixture();
    let disk = Arc::new(FullDisk::default());
    drop(fixture.partitions);
    fixture.partitions = open_on(disk.clone(), &fixture.log_dir);
    let (config, clock) = (fixture.partitions.config.clone(), Arc::new(Clock::new()));
    let groups = GroupCoordinators::start(NODE, &config, fixture.partitions.clone(), &clock);
    let coordinated = async || {
        let query = GroupQuery::ListGroups {
            states_filter: Vec::new(),
            types_filter: Vec::new(),
        };
        groups.read_all::<Vec<ListedGroup>>(&query).await.len()
    };
    disk.0.store(true, Ordering::Relaxed);
    let delta = fixture.change(|delta| create_topic(delta, GROUP_METADATA_TOPIC, OLD));
    groups.on_metadata_update(&delta);
    assert_eq!(coordinated().await, 0, "there is no log");
    disk.0.store(false, Ordering::Relaxed);
    let back = fixture.partitions.retry_without_room(NOW);
    groups.on_partitions_back(&back);
    assert_eq!(coordinated().await, 1);

    // What has gone meanwhile is not taken up.
    let delta = fixture.change(|delta| delete(delta, OLD));
    groups.on_metadata_update(&delta);
    groups.on_partitions_back(&back);
    assert_eq!(coordinated().await, 0);
    groups.stop().await;
}

#[tokio::test]
async fn what_would_have_to_wait_is_left_to_threads_that_may() {
    let mut fixture = fixture();
    fixture.change(|delta| create(delta, OLD));
    let partition = fixture.partition();
    let at_once = || partition.append_at_once(&batch(), true, AppendOrigin::Client, NOW);
    assert!(at_once().expect("nobody is in the way").is_ok());
    let exchange = || {
        assert!(at_once().is_none() && partition.delete_records_at_once(1).is_none());
        Err(())
    };
    assert!(partition.exchange_log(exchange).is_err());
    assert!(at_once().is_some() && partition.delete_records_at_once(1).is_some());

    fixture.change(|delta| configure(delta, "flush.messages", "1"));
    assert!(at_once().is_none(), "a sync is waited for");
    assert_eq!(append(&partition).expect("it leads"), 2);
    assert_eq!(partition.log().recovery_point(), 3);
}
