//! Calls that each partition's leader has to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::{ErrorCode, Request};

use super::fan_out::Repeat;
use super::{Admin, Each, in_order, left_out};
use crate::{ClusterMetadata, Error, MetadataTopics, TopicPartition};

/// Partitions by their topic, as most requests have them.
pub(super) type ByTopic = BTreeMap<Arc<str>, Vec<i32>>;

/// A topic that nobody knows is asked for so many times: the news of a new topic takes a moment to get around.
const LOOKUPS: u32 = 5;

/// A call to the leaders of partitions.
pub(super) trait LeaderCall: Clone + Send + Sync + 'static {
    /// The request to one of them.
    type Request: Request<Response: Send + 'static> + Send + Sync + 'static;
    /// What it says of a partition.
    type Item;
    /// The name for a timeout.
    const WHAT: &'static str;

    /// The request for some of the partitions.
    fn request(&self, version: i16, partitions: &[TopicPartition]) -> Self::Request;

    /// The answers in a reply.
    fn read(
        &self,
        version: i16,
        response: <Self::Request as Request>::Response,
    ) -> Vec<(TopicPartition, Result<Self::Item, Error>)>;
}

impl Admin {
    /// Asks the leader of each partition, and those that have become leader since, until each has answered.
    pub(super) async fn ask_leaders<C: LeaderCall>(
        &self,
        call: &C,
        asked: &[TopicPartition],
    ) -> Result<Each<TopicPartition, C::Item>, Error> {
        let mut retry = self.client.retry(C::WHAT);
        let mut waiting: BTreeSet<_> = asked.iter().cloned().collect();
        let mut answers = BTreeMap::new();
        let mut failed = BTreeMap::new();
        for lookups in 1.. {
            let topics: BTreeSet<_> = waiting.iter().map(|partition| partition.topic.to_string()).collect();
            let names = MetadataTopics::names(topics);
            let known = match lookups {
                1 => self.client.metadata(names).await?,
                _ => self.client.refresh_metadata(names).await?,
            };
            let mut by_node: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
            for partition in std::mem::take(&mut waiting) {
                match leader(&known, &partition) {
                    Ok(node) => by_node.entry(node).or_default().push(partition),
                    Err(error) if is_worth_waiting(&error, lookups) => {
                        keep(&mut waiting, &mut failed, partition, error)
                    }
                    Err(error) => drop(answers.insert(partition, Err(error))),
                }
            }
            let calls = by_node.into_iter().map(|(node, partitions)| {
                let (call, own) = (call.clone(), partitions.clone());
                (node, partitions, move |version: i16| call.request(version, &own))
            });
            let replies = self.client.fan_out(calls.collect(), i16::MAX, Repeat::Never).await;
            for (_, partitions, reply) in replies {
                let mut told: BTreeMap<_, _> = match reply {
                    Ok((version, response)) => call.read(version, response).into_iter().collect(),
                    Err(error) => partitions
                        .iter()
                        .map(|partition| (partition.clone(), Err(error.clone())))
                        .collect(),
                };
                for partition in partitions {
                    match told.remove(&partition).unwrap_or_else(|| Err(left_out())) {
                        Err(error) if is_worth_repeating(&error) => keep(&mut waiting, &mut failed, partition, error),
                        answer => drop(answers.insert(partition, answer)),
                    }
                }
            }
            let Some(first) = waiting.first().and_then(|partition| failed.get(partition)).cloned() else {
                break;
            };
            if retry.pause(first).await.is_err() {
                for partition in std::mem::take(&mut waiting) {
                    let error = retry.timed_out_after(failed.remove(&partition));
                    answers.insert(partition, Err(error));
                }
                break;
            }
        }
        Ok(in_order(asked.iter().cloned(), answers))
    }
}

fn keep(
    waiting: &mut BTreeSet<TopicPartition>,
    failed: &mut BTreeMap<TopicPartition, Error>,
    partition: TopicPartition,
    error: Error,
) {
    failed.insert(partition.clone(), error);
    waiting.insert(partition);
}

fn leader(known: &ClusterMetadata, partition: &TopicPartition) -> Result<i32, Error> {
    let topic = known.topic(&partition.topic).ok_or_else(left_out)?;
    Error::check(topic.error)?;
    let found = topic.partition(partition.partition);
    let found = found.ok_or_else(|| error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    found.leader.ok_or_else(|| error(ErrorCode::LEADER_NOT_AVAILABLE))
}

fn error(code: ErrorCode) -> Error {
    Error::Broker { code, message: None }
}

fn is_worth_waiting(error: &Error, lookups: u32) -> bool {
    match error.code() {
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => lookups < LOOKUPS,
        _ => error.is_retriable(),
    }
}

/// What a leader answers that is none any more, or not yet.
fn is_worth_repeating(error: &Error) -> bool {
    error.is_transport() || error.is_retriable()
}

/// Groups partitions by topic.
pub(super) fn by_topic(partitions: &[TopicPartition]) -> ByTopic {
    let mut topics = ByTopic::new();
    for partition in partitions {
        topics
            .entry(partition.topic.clone())
            .or_default()
            .push(partition.partition);
    }
    topics
}
