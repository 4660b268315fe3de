//! AlterReplicaLogDirs (key 34), v1-2, flexible from v2. KIP-113.
//! Has replicas copied into other log directories; the reply does not wait for it (DescribeLogDirs tells how far it is). One that
//! is wanted where it lies stays, and a move that was under way ends.
//! Errors per partition: LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION,
//! REPLICA_NOT_AVAILABLE.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use klamm_log::LogDirInfo;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use klamm_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use tokio::task::spawn_blocking;

use super::partition_errors::hosted;
use crate::request::RequestContext;

/// The longest name of a directory, and what Kafka adds to a partition's while it moves.
const MAX_DIR_NAME_LENGTH: usize = 255;
const FUTURE_SUFFIX_LENGTH: usize = 32 + ".-future".len();

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    // Of a partition that is named twice the last mention counts.
    let mut wanted: BTreeMap<&str, BTreeMap<i32, &str>> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            for partition in &topic.partitions {
                wanted.entry(&topic.name).or_default().insert(*partition, &dir.path);
            }
        }
    }
    let partitions = Arc::clone(&cx.node.partitions);
    // Looking at a disk that hangs may take for ever.
    let dirs = spawn_blocking(move || partitions.logs().log_dirs())
        .await
        .unwrap_or_default();
    let results = wanted
        .into_iter()
        .map(|(topic, partitions)| AlterReplicaLogDirTopicResult {
            topic_name: topic.to_owned(),
            partitions: partitions
                .into_iter()
                .map(|(partition_index, path)| AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: alter(cx, &dirs, topic, partition_index, path).err().unwrap_or_default(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
    AlterReplicaLogDirsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

fn alter(
    cx: &RequestContext<'_>,
    dirs: &[LogDirInfo],
    topic: &str,
    partition: i32,
    path: &str,
) -> Result<(), ErrorCode> {
    if format!("{topic}-{partition}").len() + FUTURE_SUFFIX_LENGTH > MAX_DIR_NAME_LENGTH {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let dir = dirs.iter().find(|dir| dir.path == Path::new(path));
    if dir.ok_or(ErrorCode::LOG_DIR_NOT_FOUND)?.offline.is_some() {
        return Err(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    let replica = hosted(cx, topic, partition).map_err(|code| match code {
        ErrorCode::NOT_LEADER_OR_FOLLOWER => ErrorCode::REPLICA_NOT_AVAILABLE,
        other => other,
    })?;
    cx.node
        .partitions
        .move_replica(replica.topic(), replica.index(), Path::new(path));
    Ok(())
}
