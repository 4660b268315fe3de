//! DescribeLogDirs (key 35), v1-5, flexible from v2. KIP-113; sizes of the file system from v4 (KIP-827), cordoned directories
//! from v5 (KIP-1066).
//! Tells each log directory's replicas and their sizes. Errors per directory: KAFKA_STORAGE_ERROR for one that is offline.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use klamm_log::{FutureLog, LogDirInfo};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use klamm_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use tokio::task::spawn_blocking;

use crate::request::RequestContext;

/// A replica's partition and its size, by topic.
type Replicas = BTreeMap<String, Vec<DescribeLogDirsPartition>>;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let asked = request.topics.as_ref().map(|topics| {
        let all = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|id| (topic.topic.as_str(), *id)));
        all.collect::<HashSet<_>>()
    });
    let mut replicas: BTreeMap<Box<Path>, Replicas> = BTreeMap::new();
    for partition in cx.node.partitions.online() {
        if asked
            .as_ref()
            .is_none_or(|asked| asked.contains(&(&**partition.topic(), partition.index())))
        {
            let of_dir = replicas.entry(partition.log().log_dir().into()).or_default();
            of_dir
                .entry(partition.topic().to_string())
                .or_default()
                .push(DescribeLogDirsPartition {
                    partition_index: partition.index(),
                    partition_size: i64::try_from(partition.log().size()).unwrap_or(i64::MAX),
                    ..Default::default()
                });
        }
    }
    for future in cx.node.partitions.logs().future_logs() {
        let name = &future.partition;
        if asked
            .as_ref()
            .is_none_or(|asked| asked.contains(&(&*name.topic, name.partition)))
        {
            let of_dir = replicas.entry(future.dir.as_path().into()).or_default();
            let of_topic = of_dir.entry(name.topic.to_string()).or_default();
            of_topic.push(future_replica(cx, &future));
        }
    }
    let partitions = Arc::clone(&cx.node.partitions);
    // The disks are asked how full they are, which one that hangs may never answer. Nothing is told while the node stops.
    let dirs = spawn_blocking(move || partitions.logs().log_dirs()).await;
    let results = dirs.unwrap_or_default().into_iter().map(|dir| {
        let of_dir = replicas.remove(&*dir.path).unwrap_or_default();
        describe(dir, of_dir)
    });
    DescribeLogDirsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

/// A copy that is on its way here (KIP-113), and how far it is behind.
fn future_replica(cx: &RequestContext<'_>, future: &FutureLog) -> DescribeLogDirsPartition {
    let source = cx.node.partitions.logs().get(&future.partition);
    let behind = source.map_or(0, |source| source.log_end_offset() - future.log_end_offset);
    DescribeLogDirsPartition {
        partition_index: future.partition.partition,
        partition_size: i64::try_from(future.size).unwrap_or(i64::MAX),
        offset_lag: behind.max(0),
        is_future_key: true,
        ..Default::default()
    }
}

fn describe(dir: LogDirInfo, replicas: Replicas) -> DescribeLogDirsResult {
    let log_dir = dir.path.display().to_string();
    if dir.offline.is_some() {
        return DescribeLogDirsResult {
            error_code: ErrorCode::KAFKA_STORAGE_ERROR,
            log_dir,
            ..Default::default()
        };
    }
    let topics = replicas.into_iter();
    let topics = topics.map(|(name, partitions)| DescribeLogDirsTopic {
        name,
        partitions,
        ..Default::default()
    });
    let bytes = |bytes: Option<u64>| bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    DescribeLogDirsResult {
        log_dir,
        topics: topics.collect(),
        total_bytes: bytes(dir.total_bytes),
        usable_bytes: bytes(dir.usable_bytes),
        ..Default::default()
    }
}
