//! Offsets of the group: committing them and asking for them.

use std::collections::BTreeMap;

use klamm_assignors::TopicPartition;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use klamm_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};

use super::CommitError;
use super::position::Position;
use super::shared::Shared;
use crate::client::RequestOptions;
use crate::{CoordinatorKind, Error, Lane, Target};

/// An offset to be committed or that was: that of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset.
    pub offset: i64,
    /// The epoch of the leader that wrote the record before it, if known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Whatever the application wants to keep with it.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset alone.
    pub fn new(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

impl From<Position> for OffsetAndMetadata {
    fn from(position: Position) -> Self {
        Self {
            offset: position.offset,
            leader_epoch: (position.leader_epoch >= 0).then_some(position.leader_epoch),
            metadata: String::new(),
        }
    }
}

pub(super) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// The newest versions that name topics; later ones know them by id.
const NEWEST_WITH_NAMES: i16 = 9;
/// The first OffsetFetch that asks for several groups.
const GROUPS: i16 = 8;

fn options(lane: Lane) -> RequestOptions {
    RequestOptions {
        newest: NEWEST_WITH_NAMES,
        ..RequestOptions::new(lane)
    }
}

impl Shared {
    /// Commits what the user is done with, of the partitions that pass.
    pub(super) async fn auto_commit(&self, wanted: impl Fn(&TopicPartition) -> bool) -> Result<(), CommitError> {
        if self.config.auto_commit.is_none() {
            return Ok(());
        }
        let _turn = self.committing.lock().await;
        let offsets: Offsets = {
            let uncommitted = self.state().uncommitted(wanted);
            uncommitted
                .into_iter()
                .map(|(key, position)| (key, position.into()))
                .collect()
        };
        self.commit(&offsets).await
    }

    /// Commits and repeats it while the coordinator is not to be had, until `default.api.timeout.ms` is over.
    pub(super) async fn commit(&self, offsets: &Offsets) -> Result<(), CommitError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let group = self.config.group.as_ref().ok_or(CommitError::NoGroup)?;
        let mut retry = self.client.retry("OffsetCommit");
        loop {
            let membership = {
                let state = self.state();
                let is_of_group = state.subscription.is_of_group();
                // It would wait behind the JoinGroup, and be of an old generation then.
                if is_of_group && state.membership.is_joining {
                    return Err(CommitError::Rebalancing);
                }
                if is_of_group && state.membership.generation < 0 {
                    return Err(CommitError::KickedOut);
                }
                state.membership.clone()
            };
            let make = |_: i16| OffsetCommitRequest {
                group_id: group.id.to_string(),
                generation_id_or_member_epoch: membership.generation,
                member_id: membership.member_id.clone(),
                group_instance_id: group.instance_id.clone(),
                topics: commit_topics(offsets),
                ..OffsetCommitRequest::default()
            };
            let attempt = async {
                let node = self.client.coordinator(CoordinatorKind::Group, &group.id).await?;
                let options = options(Lane::Coordinator);
                let in_flight = self.client.start(&Target::Broker(node), options, make).await?;
                in_flight.response().await
            };
            let Some((_, response)) = retry.step(Error::is_transport, attempt).await? else {
                self.client.forget_coordinator(CoordinatorKind::Group, &group.id);
                continue;
            };
            let partitions = response.topics.iter().flat_map(|topic| {
                let name = &topic.name;
                topic
                    .partitions
                    .iter()
                    .map(move |partition| (name, partition.partition_index, partition.error_code))
            });
            let failed = partitions
                .filter(|(_, _, code)| code.is_err())
                .max_by_key(|(_, _, code)| severity(*code));
            let Some((topic, index, code)) = failed else {
                self.state()
                    .committed(offsets.iter().map(|(key, offset)| (key, offset.offset)));
                return Ok(());
            };
            let partition = TopicPartition::new(topic.as_str(), index);
            self.judge_commit(code, partition, membership.generation)?;
            retry.pause(Error::Broker { code, message: None }).await?;
        }
    }

    /// `Ok` when it is worth trying again.
    fn judge_commit(&self, code: ErrorCode, partition: TopicPartition, generation: i32) -> Result<(), CommitError> {
        match code {
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::REQUEST_TIMED_OUT => {
                if let Some(group) = &self.config.group {
                    self.client.forget_coordinator(CoordinatorKind::Group, &group.id);
                }
                Ok(())
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(()),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                {
                    let membership = &mut self.state().membership;
                    // Later answers are of a rebalance that it takes part in, or did.
                    if !membership.has_moved_on(generation) {
                        membership.rejoin("the group is rebalancing");
                    }
                }
                self.member.notify_one();
                Err(CommitError::Rebalancing)
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                let has_moved_on = {
                    let mut state = self.state();
                    let has_moved_on = state.membership.has_moved_on(generation);
                    if !has_moved_on && state.subscription.is_of_group() {
                        state.membership.expel(code == ErrorCode::UNKNOWN_MEMBER_ID);
                    }
                    has_moved_on
                };
                self.member.notify_one();
                Err(if has_moved_on {
                    CommitError::Rebalancing
                } else {
                    CommitError::KickedOut
                })
            }
            ErrorCode::FENCED_INSTANCE_ID => Err(CommitError::Fenced),
            code => Err(CommitError::Refused { partition, code }),
        }
    }

    /// The group's offsets; partitions without one are not in the result.
    pub(super) async fn committed_offsets(&self, partitions: &[TopicPartition]) -> Result<Offsets, Error> {
        let Some(group) = self.config.group.as_ref().filter(|_| !partitions.is_empty()) else {
            return Ok(Offsets::new());
        };
        let by_topic = by_topic(partitions);
        let make = |version: i16| {
            if version < GROUPS {
                let topics = by_topic.iter().map(|(name, indices)| OffsetFetchRequestTopic {
                    name: name.clone(),
                    partition_indexes: indices.clone(),
                    ..Default::default()
                });
                return OffsetFetchRequest {
                    group_id: group.id.to_string(),
                    topics: Some(topics.collect()),
                    require_stable: version >= 7,
                    ..OffsetFetchRequest::default()
                };
            }
            let topics = by_topic.iter().map(|(name, indices)| OffsetFetchRequestTopics {
                name: name.clone(),
                partition_indexes: indices.clone(),
                ..Default::default()
            });
            OffsetFetchRequest {
                groups: vec![OffsetFetchRequestGroup {
                    group_id: group.id.to_string(),
                    topics: Some(topics.collect()),
                    ..Default::default()
                }],
                require_stable: true,
                ..OffsetFetchRequest::default()
            }
        };
        let mut retry = self.client.retry("OffsetFetch");
        loop {
            let lane = match self.state().membership.is_joining {
                true => Lane::General, // not behind the JoinGroup
                false => Lane::Coordinator,
            };
            let attempt = async {
                let node = self.client.coordinator(CoordinatorKind::Group, &group.id).await?;
                let in_flight = self.client.start(&Target::Broker(node), options(lane), make).await?;
                let (_, response) = in_flight.response().await?;
                read_committed(response)
            };
            if let Some(offsets) = retry.step(is_worth_repeating, attempt).await? {
                return Ok(offsets);
            }
            self.client.forget_coordinator(CoordinatorKind::Group, &group.id);
        }
    }
}

/// Of several errors, the one that says most.
fn severity(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::FENCED_INSTANCE_ID => 4,
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => 3,
        ErrorCode::REBALANCE_IN_PROGRESS => 2,
        code if code.is_retriable() => 0,
        _ => 1,
    }
}

fn is_worth_repeating(error: &Error) -> bool {
    error.is_retriable() || error.code() == Some(ErrorCode::UNSTABLE_OFFSET_COMMIT)
}

fn commit_topics(offsets: &Offsets) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (key, offset) in offsets {
        if topics.last().is_none_or(|topic| *topic.name != *key.topic) {
            topics.push(OffsetCommitRequestTopic {
                name: key.topic.to_string(),
                ..OffsetCommitRequestTopic::default()
            });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(OffsetCommitRequestPartition {
                partition_index: key.partition,
                committed_offset: offset.offset,
                committed_leader_epoch: offset.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(offset.metadata.clone()),
                ..OffsetCommitRequestPartition::default()
            });
        }
    }
    topics
}

pub(super) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for key in partitions {
        topics.entry(key.topic.to_string()).or_default().push(key.partition);
    }
    topics
}

fn read_committed(response: OffsetFetchResponse) -> Result<Offsets, Error> {
    Error::check(response.error_code)?;
    let mut offsets = Offsets::new();
    let mut take = |name: &str, index: i32, offset: i64, epoch: i32, metadata: Option<String>, code: ErrorCode| {
        Error::check(code)?;
        if offset >= 0 {
            let found = OffsetAndMetadata {
                offset,
                leader_epoch: (epoch >= 0).then_some(epoch),
                metadata: metadata.unwrap_or_default(),
            };
            offsets.insert(TopicPartition::new(name, index), found);
        }
        Ok::<(), Error>(())
    };
    for topic in response.topics {
        for p in topic.partitions {
            let epoch = p.committed_leader_epoch;
            take(
                &topic.name,
                p.partition_index,
                p.committed_offset,
                epoch,
                p.metadata,
                p.error_code,
            )?;
        }
    }
    for group in response.groups {
        Error::check(group.error_code)?;
        for topic in group.topics {
            for p in topic.partitions {
                let epoch = p.committed_leader_epoch;
                take(
                    &topic.name,
                    p.partition_index,
                    p.committed_offset,
                    epoch,
                    p.metadata,
                    p.error_code,
                )?;
            }
        }
    }
    Ok(offsets)
}
