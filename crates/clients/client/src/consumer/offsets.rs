//! Questions to partition leaders: offsets by time, and where epochs end.

use std::collections::BTreeMap;

use klamm_assignors::TopicPartition;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use klamm_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};

use super::position::{EpochEnd, Position};
use crate::client::RequestOptions;
use crate::{Client, Error, Lane, MetadataTopics, Target};

/// An offset that a leader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// The offset.
    pub offset: i64,
    /// Time of its record in milliseconds since the Unix epoch; -1 for the beginning and the end of a log.
    pub timestamp: i64,
    /// The epoch of the leader that wrote it, if known.
    pub leader_epoch: Option<i32>,
}

/// What leaders answer by partition. `None`: there is no such offset.
type Found = BTreeMap<TopicPartition, Result<Option<OffsetAndTimestamp>, ErrorCode>>;

/// Asks one leader once.
pub(super) async fn list_at(
    client: &Client,
    node: i32,
    isolation_level: i8,
    wanted: &BTreeMap<TopicPartition, i64>,
) -> Result<Found, Error> {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (key, timestamp) in wanted {
        if topics.last().is_none_or(|topic| *topic.name != *key.topic) {
            topics.push(ListOffsetsTopic {
                name: key.topic.to_string(),
                ..ListOffsetsTopic::default()
            });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(ListOffsetsPartition {
                partition_index: key.partition,
                timestamp: *timestamp,
                ..ListOffsetsPartition::default()
            });
        }
    }
    let make = |version: i16| ListOffsetsRequest {
        replica_id: -1,
        isolation_level: if version >= 2 { isolation_level } else { 0 },
        topics: topics.clone(),
        ..ListOffsetsRequest::default()
    };
    let options = RequestOptions::new(Lane::General);
    let in_flight = client.start(&Target::Broker(node), options, make).await?;
    let (_, response) = in_flight.response().await?;
    let mut found = Found::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let offset = OffsetAndTimestamp {
                offset: partition.offset,
                timestamp: partition.timestamp,
                leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
            };
            let result = match partition.error_code {
                ErrorCode::NONE => Ok((offset.offset >= 0).then_some(offset)),
                code => Err(code),
            };
            found.insert(
                TopicPartition::new(topic.name.as_str(), partition.partition_index),
                result,
            );
        }
    }
    Ok(found)
}

/// Asks all leaders, again where they have moved, until `default.api.timeout.ms` is over.
pub(super) async fn list(
    client: &Client,
    isolation_level: i8,
    wanted: BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, Error> {
    let mut retry = client.retry("ListOffsets");
    let mut missing = wanted;
    let mut done = BTreeMap::new();
    loop {
        let attempt = ask_leaders(client, isolation_level, &missing);
        let failed = match retry.step(Error::is_retriable, attempt).await? {
            Some((found, failed)) => {
                missing.retain(|key, _| !found.contains_key(key));
                done.extend(found);
                failed
            }
            None => None,
        };
        if missing.is_empty() {
            return Ok(done);
        }
        refresh(client, missing.keys()).await;
        if let Some(code) = failed {
            retry.pause(Error::Broker { code, message: None }).await?;
        }
    }
}

/// One round: what was found, and what a partition without an answer failed of.
async fn ask_leaders(
    client: &Client,
    isolation_level: i8,
    wanted: &BTreeMap<TopicPartition, i64>,
) -> Result<(BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, Option<ErrorCode>), Error> {
    let names = MetadataTopics::names(wanted.keys().map(|key| key.topic.to_string()));
    let cluster = client.metadata(names).await?;
    let mut failed = None;
    let mut nodes: BTreeMap<i32, BTreeMap<TopicPartition, i64>> = BTreeMap::new();
    for (key, timestamp) in wanted {
        match cluster.leader(&key.topic, key.partition) {
            Some(node) => drop(nodes.entry(node).or_default().insert(key.clone(), *timestamp)),
            None => failed = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }
    let mut found = BTreeMap::new();
    for (node, wanted) in nodes {
        for (key, result) in list_at(client, node, isolation_level, &wanted).await? {
            match result {
                Ok(offset) => drop(found.insert(key, offset)),
                Err(code) if code.is_retriable() => failed = Some(code),
                Err(code) => return Err(Error::Broker { code, message: None }),
            }
        }
    }
    Ok((found, failed))
}

async fn refresh(client: &Client, partitions: impl Iterator<Item = &TopicPartition>) {
    let names = MetadataTopics::names(partitions.map(|key| key.topic.to_string()));
    if let Err(error) = client.refresh_metadata(names).await {
        tracing::debug!(%error, "metadata");
    }
}

/// Asks one leader where the epochs of these positions end; with each the epoch under which the leader is known.
pub(super) async fn epoch_ends(
    client: &Client,
    node: i32,
    wanted: &BTreeMap<TopicPartition, (Position, i32)>,
) -> Result<BTreeMap<TopicPartition, Result<EpochEnd, ErrorCode>>, Error> {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for (key, (position, current)) in wanted {
        if topics.last().is_none_or(|topic| *topic.topic != *key.topic) {
            topics.push(OffsetForLeaderTopic {
                topic: key.topic.to_string(),
                ..OffsetForLeaderTopic::default()
            });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(OffsetForLeaderPartition {
                partition: key.partition,
                current_leader_epoch: *current,
                leader_epoch: position.leader_epoch,
                ..OffsetForLeaderPartition::default()
            });
        }
    }
    let make = |_: i16| OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: topics.clone(),
        ..OffsetForLeaderEpochRequest::default()
    };
    let options = RequestOptions::new(Lane::General);
    let in_flight = client.start(&Target::Broker(node), options, make).await?;
    let (_, response) = in_flight.response().await?;
    let partitions = response.topics.into_iter().flat_map(|topic| {
        topic.partitions.into_iter().map(move |partition| {
            let end = EpochEnd {
                leader_epoch: partition.leader_epoch,
                offset: partition.end_offset,
            };
            let result = match partition.error_code {
                ErrorCode::NONE => Ok(end),
                code => Err(code),
            };
            (TopicPartition::new(topic.topic.as_str(), partition.partition), result)
        })
    });
    Ok(partitions.collect())
}
