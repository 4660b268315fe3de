//! Where brokers keep their data.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use klamm_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use klamm_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use klamm_protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};

use super::fan_out::Repeat;
use super::leaders::by_topic;
use super::{Admin, Each, in_order};
use crate::{Error, TopicPartition};

/// A log directory of a broker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogDirDescription {
    /// Its path.
    pub path: String,
    /// Why nothing is told of it, such as KAFKA_STORAGE_ERROR when it is offline.
    pub error: Option<Error>,
    /// What it holds.
    pub replicas: BTreeMap<TopicPartition, ReplicaInfo>,
    /// Bytes of its volume (KIP-827); `None` if the broker did not tell.
    pub total_bytes: Option<i64>,
    /// Free bytes of its volume; `None` if the broker did not tell.
    pub usable_bytes: Option<i64>,
    /// Whether no new partition is put there (KIP-1066).
    pub is_cordoned: bool,
}

/// A replica in a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaInfo {
    /// Bytes of its segments.
    pub size: i64,
    /// How far it is behind: the high watermark, or the current replica for a future one.
    pub offset_lag: i64,
    /// Whether it is being moved here, to take the place of the current one.
    pub is_future: bool,
}

impl Admin {
    /// The log directories of brokers, with all that they hold or only with some partitions. DescribeLogDirs 1-5
    /// (KIP-113), sent to each broker.
    ///
    /// # Errors
    /// Per broker: [`Error::TimedOut`] when it does not answer; CLUSTER_AUTHORIZATION_FAILED.
    pub async fn describe_log_dirs(
        &self,
        brokers: &[i32],
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Each<i32, Vec<LogDirDescription>>, Error> {
        let topics = partitions.map(|partitions| {
            let topics = by_topic(partitions)
                .into_iter()
                .map(|(name, partitions)| DescribableLogDirTopic {
                    topic: name.to_string(),
                    partitions,
                    ..Default::default()
                });
            topics.collect::<Vec<_>>()
        });
        let request = DescribeLogDirsRequest {
            topics,
            ..Default::default()
        };
        let calls = brokers.iter().map(|broker| {
            let request = request.clone();
            (*broker, (), move |_: i16| request.clone())
        });
        let replies = self
            .client
            .fan_out(calls.collect(), i16::MAX, Repeat::UntilTimeout)
            .await;
        let answers = replies.into_iter().map(|(broker, (), reply)| {
            let described = reply.and_then(|(_, response)| {
                Error::check(response.error_code)?;
                Ok(response.results.into_iter().map(described).collect())
            });
            (broker, described)
        });
        Ok(in_order(brokers.iter().copied(), answers.collect()))
    }

    /// Moves replicas to other log directories of their brokers: `(broker, partition, path)` each. Returns when the brokers
    /// have begun. AlterReplicaLogDirs 1-2 (KIP-113), sent to each broker.
    ///
    /// # Errors
    /// Per replica: LOG_DIR_NOT_FOUND, REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR; [`Error::Unsupported`].
    pub async fn alter_replica_log_dirs(
        &self,
        moves: &[(i32, TopicPartition, String)],
    ) -> Result<Each<(i32, TopicPartition)>, Error> {
        let mut by_broker: BTreeMap<i32, BTreeMap<&str, Vec<TopicPartition>>> = BTreeMap::new();
        for (broker, partition, path) in moves {
            let dirs = by_broker.entry(*broker).or_default();
            dirs.entry(path).or_default().push(partition.clone());
        }
        let calls = by_broker.into_iter().map(|(broker, dirs)| {
            let own: Vec<_> = dirs.values().flatten().cloned().collect();
            let dirs = dirs.into_iter().map(|(path, partitions)| AlterReplicaLogDir {
                path: path.to_owned(),
                topics: by_topic(&partitions)
                    .into_iter()
                    .map(|(name, partitions)| AlterReplicaLogDirTopic {
                        name: name.to_string(),
                        partitions,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            let request = AlterReplicaLogDirsRequest {
                dirs: dirs.collect(),
                ..Default::default()
            };
            (broker, own, move |_: i16| request.clone())
        });
        let mut answers = BTreeMap::new();
        for (broker, own, reply) in self
            .client
            .fan_out(calls.collect(), i16::MAX, Repeat::UntilTimeout)
            .await
        {
            match reply {
                Err(error) => answers.extend(
                    own.into_iter()
                        .map(|partition| ((broker, partition), Err(error.clone()))),
                ),
                Ok((_, response)) => {
                    for topic in response.results {
                        let name: Arc<str> = topic.topic_name.into();
                        answers.extend(topic.partitions.into_iter().map(|told| {
                            let partition = TopicPartition::new(name.clone(), told.partition_index);
                            ((broker, partition), Error::check(told.error_code))
                        }));
                    }
                }
            }
        }
        Ok(in_order(
            moves.iter().map(|(broker, partition, _)| (*broker, partition.clone())),
            answers,
        ))
    }
}

fn described(told: DescribeLogDirsResult) -> LogDirDescription {
    let replicas = told.topics.into_iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.into();
        topic.partitions.into_iter().map(move |replica| {
            let info = ReplicaInfo {
                size: replica.partition_size,
                offset_lag: replica.offset_lag,
                is_future: replica.is_future_key,
            };
            (TopicPartition::new(name.clone(), replica.partition_index), info)
        })
    });
    LogDirDescription {
        path: told.log_dir,
        error: Error::check(told.error_code).err(),
        replicas: replicas.collect(),
        total_bytes: Some(told.total_bytes).filter(|bytes| *bytes >= 0),
        usable_bytes: Some(told.usable_bytes).filter(|bytes| *bytes >= 0),
        is_cordoned: told.is_cordoned,
    }
}
