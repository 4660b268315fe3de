//! Log directories that fail (KIP-112), and which replica lies where (KIP-858): both are told to the controller.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use klamm_controller::{Controller, ControllerError};
use klamm_log::LogManager;
use klamm_metadata::{ConfigResource, TopicsImage};
use klamm_protocol::messages::AssignReplicasToDirsRequest;
use klamm_protocol::messages::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use klamm_protocol::{ErrorCode, Uuid};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{debug, error, info};

use crate::lifecycle::Registration;
use crate::node::Node;
use crate::server::open::absolute;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// How often logs are tried again to be created or opened that there was no room for.
const RETRY: Duration = Duration::from_secs(5);
/// Replicas in one request, as in Kafka.
const REPLICAS_PER_REQUEST: usize = 2_250;

const RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// A replica that lies in another directory than the metadata says: directory, topic, partition.
type Misplaced = (Uuid, Uuid, i32);

/// Looks after both for as long as it is polled. What it may have to wait long for, behind appends that wait for a failing disk,
/// other threads do.
/// A node that can't go on with the log directories that are left says so to `faulty`.
pub(super) async fn follow(
    node: Arc<Node>,
    registration: Arc<Registration>,
    faulty: Arc<watch::Sender<Option<String>>>,
) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looked_at, mut told) = (None, None);
    let mut tried = Instant::now();
    loop {
        looks.tick().await;
        if tried.elapsed() >= RETRY {
            let again = node.clone();
            let retry = move || {
                let back = again.partitions.retry_without_room(again.clock.now_ms());
                again.groups.on_partitions_back(&back);
                back.len()
            };
            match spawn_blocking(retry).await {
                Ok(0) => {}
                // The controller may not know where they lie.
                Ok(_) => told = None,
                Err(panic) => error!("opening logs that there was no room for ended badly: {panic}"),
            }
            tried = Instant::now();
        }
        let moved = node.partitions.moves().done();
        let failures = Some((node.partitions.logs().offline_directories().len(), moved));
        if looked_at != failures {
            looked_at = failures;
            if let Some(reason) = fault(&node) {
                faulty.send_replace(Some(reason));
            }
            let failing = node.clone();
            match spawn_blocking(move || failing.partitions.take_failed_offline()).await {
                Ok(0) => {}
                Ok(failed) => {
                    error!("{failed} replicas are offline with their log directory");
                    registration.tell_offline().await;
                }
                Err(panic) => error!("taking replicas offline ended badly: {panic}"),
            }
        }
        let state = Told {
            topics: node.image().topics().clone(),
            moved,
        };
        if told.as_ref().is_none_or(|told| state.is_news_after(told)) && assign(&node, &registration).await {
            told = Some(state);
        }
    }
}

/// Why the node can't go on without the log directories that have failed, if so: none is left, or, as in Kafka, the metadata
/// log's is among them. That log may not have noticed yet, and what it writes there from now on may be lost.
fn fault(node: &Node) -> Option<String> {
    let logs = node.partitions.logs();
    if !logs.is_online() {
        return Some("all log directories have failed".to_owned());
    }
    let metadata_dir = absolute(&node.config.server.metadata_log_dir);
    let has_failed = offline_reason(logs, &metadata_dir).is_some();
    has_failed.then(|| format!("the metadata log directory `{}` has failed", metadata_dir.display()))
}

/// Why a log directory is offline, if it is.
pub(super) fn offline_reason(logs: &LogManager, dir: &Path) -> Option<String> {
    logs.log_dirs().into_iter().find(|info| info.path == dir)?.offline
}

/// As of when the controller knows where all replicas lie. Replicas come, and directories are assigned, with new topics or
/// changes of theirs; the metadata moves on without either twice a second, which is no reason to look at each replica.
struct Told {
    topics: TopicsImage,
    /// Replicas that have moved between directories.
    moved: u64,
}

impl Told {
    fn is_news_after(&self, told: &Told) -> bool {
        self.moved != told.moved || !self.topics.is_unchanged_since(&told.topics)
    }
}

/// Copies replicas into the directories that they are wanted in, one at a time; as many of these as directories run.
pub(super) async fn move_replicas(node: Arc<Node>) {
    loop {
        let next = node.partitions.next_move().await;
        let mover = node.clone();
        let run = move || next.run(&mover.clock, &|| rate(&mover));
        if let Err(panic) = spawn_blocking(run).await {
            error!("a move between log directories ended badly: {panic}");
        }
    }
}

/// How many bytes a second the moves may copy together; this is only set while a cluster runs, for this broker or all.
fn rate(node: &Node) -> u64 {
    let image = node.image();
    let of = |resource| image.configs().resource(&resource)?.get(RATE)?.parse().ok();
    let rate = of(ConfigResource::broker(node.id)).or_else(|| of(ConfigResource::default_broker()));
    rate.unwrap_or(u64::MAX)
}

/// Tells the controller where the replicas lie that it has elsewhere. Says whether it knows all now.
async fn assign(node: &Arc<Node>, registration: &Registration) -> bool {
    let misplaced = misplaced(node);
    for some in misplaced.chunks(REPLICAS_PER_REQUEST) {
        match send(node, request(node.id, registration.broker_epoch(), some)).await {
            Ok(()) => info!("{} replicas were assigned to their log directories", some.len()),
            // Metadata of that age has no directories.
            Err(error) if error.code == ErrorCode::UNSUPPORTED_VERSION => return true,
            Err(error) => {
                debug!("replicas are not assigned to their log directories yet: {error}");
                return false;
            }
        }
    }
    misplaced.is_empty()
}

/// Those that went offline before the controller knew where they lay are among them: it learns so that they have no leader.
fn misplaced(node: &Node) -> Vec<Misplaced> {
    let image = node.image();
    let directories: BTreeMap<_, _> = node.partitions.logs().directory_ids().into_iter().collect();
    let of = |log: &Arc<klamm_log::Log>| {
        let (name, topic_id) = (log.topic_partition(), log.topic_id()?);
        let topic = image.topics().by_id(topic_id)?;
        let registered = topic.partitions.get(name.partition)?.directory(node.id)?;
        let actual = *directories.get(log.log_dir())?;
        (registered != actual).then_some((actual, topic_id, name.partition))
    };
    let mut misplaced: Vec<Misplaced> = node.partitions.logs().logs().iter().filter_map(of).collect();
    misplaced.sort_unstable();
    misplaced
}

/// The replicas, which are in order, by directory and topic.
fn request(broker_id: i32, broker_epoch: i64, replicas: &[Misplaced]) -> AssignReplicasToDirsRequest {
    let mut directories: Vec<DirectoryData> = Vec::new();
    for (id, topic_id, partition_index) in replicas {
        if directories.last().is_none_or(|directory| directory.id != *id) {
            directories.push(DirectoryData {
                id: *id,
                ..Default::default()
            });
        }
        let topics = &mut directories.last_mut().expect("just put there").topics;
        if topics.last().is_none_or(|topic| topic.topic_id != *topic_id) {
            topics.push(TopicData {
                topic_id: *topic_id,
                ..Default::default()
            });
        }
        topics
            .last_mut()
            .expect("just put there")
            .partitions
            .push(PartitionData {
                partition_index: *partition_index,
                ..Default::default()
            });
    }
    AssignReplicasToDirsRequest {
        broker_id,
        broker_epoch,
        directories,
        ..Default::default()
    }
}

async fn send(node: &Node, request: AssignReplicasToDirsRequest) -> Result<(), ControllerError> {
    let assign = move |controller: &Controller, _: i64| controller.assign_replicas_to_dirs(&request);
    let write = node
        .controller
        .write("assign replicas to directories", node.request_deadline_ms(), assign);
    write.await.map(drop)
}

#[cfg(test)]
mod tests {
    use klamm_metadata::{MetadataDelta, MetadataImage, MetadataProvenance, MetadataRecord};
    use klamm_protocol::metadata::{NoOpRecord, PartitionRecord, TopicRecord};

    use super::*;

    #[test]
    fn only_topics_and_moves_are_news() {
        let told = |image: &MetadataImage, moved| Told {
            topics: image.topics().clone(),
            moved,
        };
        let after = |image: &MetadataImage, record: MetadataRecord| {
            let mut delta = MetadataDelta::new(image);
            delta.replay(&record).expect("it fits");
            delta.apply(MetadataProvenance::EMPTY)
        };
        let topic = TopicRecord {
            name: "t".to_owned(),
            topic_id: Uuid::from_u128(3),
            ..Default::default()
        };
        let before = after(&MetadataImage::empty(), topic.into());
        let idle = after(&before, NoOpRecord::default().into());
        assert!(!told(&idle, 1).is_news_after(&told(&before, 1)));
        assert!(told(&idle, 2).is_news_after(&told(&before, 1)), "one has moved");
        let partition = PartitionRecord {
            topic_id: Uuid::from_u128(3),
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            ..Default::default()
        };
        let grown = after(&idle, partition.into());
        assert!(told(&grown, 1).is_news_after(&told(&before, 1)));
    }

    #[test]
    fn replicas_are_told_by_directory_and_topic() {
        let id = Uuid::from_u128;
        let replicas = [
            (id(1), id(7), 0),
            (id(1), id(7), 2),
            (id(1), id(8), 0),
            (id(2), id(7), 1),
        ];
        let request = request(3, 44, &replicas);
        assert_eq!((request.broker_id, request.broker_epoch), (3, 44));
        let told: Vec<_> = request
            .directories
            .iter()
            .flat_map(|directory| directory.topics.iter().map(move |topic| (directory.id, topic)))
            .map(|(directory, topic)| {
                let partitions: Vec<i32> = topic
                    .partitions
                    .iter()
                    .map(|partition| partition.partition_index)
                    .collect();
                (directory, topic.topic_id, partitions)
            })
            .collect();
        assert_eq!(
            told,
            [
                (id(1), id(7), vec![0, 2]),
                (id(1), id(8), vec![0]),
                (id(2), id(7), vec![1])
            ]
        );
        assert_eq!(request.directories.len(), 2);
    }
}
