//! What groups have committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use klamm_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use klamm_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};

use super::groups::GroupCall;
use super::leaders::by_topic;
use super::{Admin, Each, in_order};
use crate::{Error, TopicPartition};

/// The offsets of a group that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsets {
    /// The group.
    pub group_id: String,
    /// These partitions; `None`: all that it has committed.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// A committed offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the record before it, if it was committed with one (KIP-320).
    pub leader_epoch: Option<i32>,
    /// What was said along.
    pub metadata: String,
}

impl GroupOffsets {
    /// All that a group has committed.
    pub fn of(group_id: impl Into<String>) -> GroupOffsets {
        GroupOffsets {
            group_id: group_id.into(),
            partitions: None,
        }
    }
}

impl CommittedOffset {
    /// An offset without anything said along.
    pub fn new(offset: i64) -> CommittedOffset {
        CommittedOffset {
            offset,
            ..CommittedOffset::default()
        }
    }

    fn told(offset: i64, leader_epoch: i32, metadata: Option<String>) -> Option<CommittedOffset> {
        (offset >= 0).then(|| CommittedOffset {
            offset,
            leader_epoch: Some(leader_epoch).filter(|epoch| *epoch >= 0),
            metadata: metadata.unwrap_or_default(),
        })
    }
}

/// The committed offsets of one group; `None` where there is none.
type Committed = Each<TopicPartition, Option<CommittedOffset>>;

/// OffsetFetch asks for many groups at once since this version (KIP-709).
const MANY: i16 = 8;

#[derive(Clone)]
struct FetchOffsets<const TOGETHER: usize> {
    partitions: Arc<BTreeMap<String, Option<Vec<TopicPartition>>>>,
    require_stable: bool,
}

impl<const MOST: usize> GroupCall for FetchOffsets<MOST> {
    type Request = OffsetFetchRequest;
    type Item = Committed;
    const WHAT: &'static str = "OffsetFetch";
    /// The next version names topics by their ids.
    const NEWEST: i16 = 9;
    const TOGETHER: usize = MOST;

    fn request(&self, version: i16, groups: &[String]) -> OffsetFetchRequest {
        let mut request = OffsetFetchRequest {
            require_stable: self.require_stable && version >= 7,
            topics: Some(Vec::new()),
            ..Default::default()
        };
        if version >= MANY {
            request.groups = groups.iter().map(|group| self.group(group)).collect();
        } else if let Some(group) = groups.first() {
            request.group_id.clone_from(group);
            request.topics = self.partitions[group].as_deref().map(|partitions| {
                let topics =
                    by_topic(partitions)
                        .into_iter()
                        .map(|(name, partition_indexes)| OffsetFetchRequestTopic {
                            name: name.to_string(),
                            partition_indexes,
                            ..Default::default()
                        });
                topics.collect()
            });
        }
        request
    }

    fn read(
        &self,
        version: i16,
        _: i32,
        groups: &[String],
        response: OffsetFetchResponse,
    ) -> Vec<(String, Result<Committed, Error>)> {
        if version >= MANY {
            let groups = response.groups.into_iter().map(|group| {
                let topics = group.topics.into_iter().flat_map(|topic| {
                    let name: Arc<str> = topic.name.into();
                    topic.partitions.into_iter().map(move |told| {
                        let offset =
                            CommittedOffset::told(told.committed_offset, told.committed_leader_epoch, told.metadata);
                        let checked = Error::check(told.error_code).map(|()| offset);
                        (TopicPartition::new(name.clone(), told.partition_index), checked)
                    })
                });
                (
                    group.group_id,
                    Error::check(group.error_code).map(|()| topics.collect()),
                )
            });
            return groups.collect();
        }
        let topics = response.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = topic.name.into();
            topic.partitions.into_iter().map(move |told| {
                let offset = CommittedOffset::told(told.committed_offset, told.committed_leader_epoch, told.metadata);
                let checked = Error::check(told.error_code).map(|()| offset);
                (TopicPartition::new(name.clone(), told.partition_index), checked)
            })
        });
        let answer = Error::check(response.error_code).map(|()| topics.collect());
        groups
            .first()
            .map(|group| (group.clone(), answer))
            .into_iter()
            .collect()
    }
}

impl<const MOST: usize> FetchOffsets<MOST> {
    fn group(&self, group: &str) -> OffsetFetchRequestGroup {
        let topics = self.partitions[group].as_deref().map(|partitions| {
            let topics = by_topic(partitions)
                .into_iter()
                .map(|(name, partition_indexes)| OffsetFetchRequestTopics {
                    name: name.to_string(),
                    partition_indexes,
                    ..Default::default()
                });
            topics.collect()
        });
        OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics,
            ..Default::default()
        }
    }
}

#[derive(Clone)]
struct CommitOffsets {
    offsets: Arc<BTreeMap<TopicPartition, CommittedOffset>>,
}

impl GroupCall for CommitOffsets {
    type Request = OffsetCommitRequest;
    type Item = Each<TopicPartition>;
    const WHAT: &'static str = "OffsetCommit";
    /// The next version names topics by their ids.
    const NEWEST: i16 = 9;
    const TOGETHER: usize = 1;

    fn request(&self, _: i16, groups: &[String]) -> OffsetCommitRequest {
        let partitions: Vec<_> = self.offsets.keys().cloned().collect();
        let topics = by_topic(&partitions).into_iter().map(|(name, indexes)| {
            let partitions = indexes.into_iter().map(|index| {
                let committed = &self.offsets[&TopicPartition::new(name.clone(), index)];
                OffsetCommitRequestPartition {
                    partition_index: index,
                    committed_offset: committed.offset,
                    committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
                    committed_metadata: Some(committed.metadata.clone()),
                    ..Default::default()
                }
            });
            OffsetCommitRequestTopic {
                partitions: partitions.collect(),
                name: name.to_string(),
                ..Default::default()
            }
        });
        OffsetCommitRequest {
            group_id: groups.first().cloned().unwrap_or_default(),
            topics: topics.collect(),
            ..Default::default()
        }
    }

    fn read(
        &self,
        _: i16,
        _: i32,
        groups: &[String],
        response: OffsetCommitResponse,
    ) -> Vec<(String, Result<Self::Item, Error>)> {
        let mut partitions = Vec::new();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            partitions.extend(topic.partitions.into_iter().map(|told| {
                let partition = TopicPartition::new(name.clone(), told.partition_index);
                (partition, Error::check(told.error_code))
            }));
        }
        of_the_group(groups, partitions)
    }
}

#[derive(Clone)]
struct DeleteOffsets {
    partitions: Arc<Vec<TopicPartition>>,
}

impl GroupCall for DeleteOffsets {
    type Request = OffsetDeleteRequest;
    type Item = Each<TopicPartition>;
    const WHAT: &'static str = "OffsetDelete";
    const TOGETHER: usize = 1;

    fn request(&self, _: i16, groups: &[String]) -> OffsetDeleteRequest {
        let topics = by_topic(&self.partitions)
            .into_iter()
            .map(|(name, indexes)| OffsetDeleteRequestTopic {
                name: name.to_string(),
                partitions: indexes
                    .into_iter()
                    .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                    .collect(),
            });
        OffsetDeleteRequest {
            group_id: groups.first().cloned().unwrap_or_default(),
            topics: topics.collect(),
        }
    }

    fn read(
        &self,
        _: i16,
        _: i32,
        groups: &[String],
        response: OffsetDeleteResponse,
    ) -> Vec<(String, Result<Self::Item, Error>)> {
        if let Err(error) = Error::check(response.error_code) {
            return groups.iter().map(|group| (group.clone(), Err(error.clone()))).collect();
        }
        let mut partitions = Vec::new();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            partitions.extend(topic.partitions.into_iter().map(|told| {
                let partition = TopicPartition::new(name.clone(), told.partition_index);
                (partition, Error::check(told.error_code))
            }));
        }
        of_the_group(groups, partitions)
    }
}

/// A group that has moved says so in each of its partitions.
fn of_the_group(groups: &[String], partitions: Each<TopicPartition>) -> Each<String, Each<TopicPartition>> {
    let mut errors = partitions.iter().filter_map(|(_, result)| result.as_ref().err());
    let moved = errors.find(|error| super::groups::has_moved(error)).cloned();
    let answer = moved.map_or(Ok(partitions), Err);
    groups
        .first()
        .map(|group| (group.clone(), answer))
        .into_iter()
        .collect()
}

impl Admin {
    /// The offsets that groups have committed; `None` for a partition without one. With `require_stable`, a partition
    /// with an open transaction's offset answers UNSTABLE_OFFSET_COMMIT (KIP-447). OffsetFetch 1-9, many groups in one
    /// request since version 8 (KIP-709), sent to the coordinators.
    ///
    /// # Errors
    /// Per group: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID. Per partition: UNKNOWN_TOPIC_OR_PARTITION,
    /// UNSTABLE_OFFSET_COMMIT.
    pub async fn list_group_offsets(
        &self,
        groups: &[GroupOffsets],
        require_stable: bool,
    ) -> Result<Each<String, Each<TopicPartition, Option<CommittedOffset>>>, Error> {
        let partitions = groups
            .iter()
            .map(|group| (group.group_id.clone(), group.partitions.clone()));
        let partitions = Arc::new(partitions.collect());
        let ids: Vec<_> = groups.iter().map(|group| group.group_id.clone()).collect();
        if self
            .client
            .require(klamm_protocol::ApiKey::OffsetFetch, MANY, "many groups")
            .await
            .is_ok()
        {
            let call = FetchOffsets::<{ usize::MAX }> {
                partitions,
                require_stable,
            };
            return self.ask_coordinators(&call, &ids).await;
        }
        let call = FetchOffsets::<1> {
            partitions,
            require_stable,
        };
        self.ask_coordinators(&call, &ids).await
    }

    /// Commits offsets for a group that has no members. OffsetCommit 2-9, sent to the coordinator.
    ///
    /// # Errors
    /// The outer one for the group: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID. Per partition: UNKNOWN_MEMBER_ID while the group
    /// has members, UNKNOWN_TOPIC_OR_PARTITION, OFFSET_METADATA_TOO_LARGE.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<Each<TopicPartition>, Error> {
        let call = CommitOffsets {
            offsets: Arc::new(offsets.iter().cloned().collect()),
        };
        let answers = self.ask_coordinator(&call, group).await?.into_iter().collect();
        Ok(in_order(
            offsets.iter().map(|(partition, _)| partition.clone()),
            answers,
        ))
    }

    /// Deletes what a group has committed for partitions of topics that no member is subscribed to. OffsetDelete 0
    /// (KIP-496), sent to the coordinator.
    ///
    /// # Errors
    /// The outer one for the group: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. Per partition: GROUP_SUBSCRIBED_TO_TOPIC,
    /// UNKNOWN_TOPIC_OR_PARTITION.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition>, Error> {
        let call = DeleteOffsets {
            partitions: Arc::new(partitions.to_vec()),
        };
        let answers = self.ask_coordinator(&call, group).await?.into_iter().collect();
        Ok(in_order(partitions.iter().cloned(), answers))
    }

    /// Asks the coordinator of one group.
    pub(super) async fn ask_coordinator<C: GroupCall>(&self, call: &C, group: &str) -> Result<C::Item, Error> {
        let mut answers = self.ask_coordinators(call, &[group.to_owned()]).await?;
        answers
            .pop()
            .map_or_else(|| Err(super::left_out()), |(_, answer)| answer)
    }
}
