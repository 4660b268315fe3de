//! Partitions: added, moved, given another leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use klamm_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use klamm_protocol::messages::elect_leaders_request::TopicPartitions;
use klamm_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use klamm_protocol::messages::{
    AlterPartitionReassignmentsRequest, CreatePartitionsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
};

use super::leaders::by_topic;
use super::{Admin, Each, in_order};
use crate::{Error, TopicPartition};

/// More partitions for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many it shall have in all.
    pub count: i32,
    /// The brokers of each new partition, the preferred leader first; `None`: the cluster chooses.
    pub replicas: Option<Vec<Vec<i32>>>,
}

/// Which replica becomes leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of the replicas.
    Preferred,
    /// One that is in sync or, if there is none, one that is not: records are lost.
    Unclean,
}

/// A partition that is being moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionReassignment {
    /// All brokers that hold it while it is being moved.
    pub replicas: Vec<i32>,
    /// Those that get it.
    pub adding_replicas: Vec<i32>,
    /// Those that lose it.
    pub removing_replicas: Vec<i32>,
}

impl NewPartitions {
    /// As many partitions in all, on brokers that the cluster chooses.
    pub fn increase_to(topic: impl Into<String>, count: i32) -> NewPartitions {
        NewPartitions {
            topic: topic.into(),
            count,
            replicas: None,
        }
    }

    fn to_wire(&self) -> CreatePartitionsTopic {
        let assignments = self.replicas.as_ref().map(|partitions| {
            let partitions = partitions.iter().map(|brokers| CreatePartitionsAssignment {
                broker_ids: brokers.clone(),
                ..Default::default()
            });
            partitions.collect()
        });
        CreatePartitionsTopic {
            name: self.topic.clone(),
            count: self.count,
            assignments,
            ..Default::default()
        }
    }
}

impl Admin {
    /// Adds partitions to topics; with `validate_only`, only says whether they could be added. CreatePartitions 0-3
    /// (KIP-195), sent to the controller.
    ///
    /// # Errors
    /// Per topic: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS when that is not more than there are,
    /// INVALID_REPLICA_ASSIGNMENT, REASSIGNMENT_IN_PROGRESS.
    pub async fn create_partitions(
        &self,
        topics: &[NewPartitions],
        validate_only: bool,
    ) -> Result<Each<String>, Error> {
        let make = |_| CreatePartitionsRequest {
            topics: topics.iter().map(NewPartitions::to_wire).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        let results = response.results.into_iter();
        let results = results.map(|result| (result.name, Error::check_with(result.error_code, result.error_message)));
        Ok(in_order(
            topics.iter().map(|topic| topic.topic.clone()),
            results.collect(),
        ))
    }

    /// Elects leaders for partitions, for all of the cluster when none is named. The result has those partitions that an
    /// election was tried for. ElectLeaders 0-2 (KIP-183, KIP-460), sent to the controller.
    ///
    /// # Errors
    /// Per partition: ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE,
    /// UNKNOWN_TOPIC_OR_PARTITION. [`Error::Unsupported`].
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Each<TopicPartition>, Error> {
        if election == ElectionType::Unclean {
            self.client
                .require(klamm_protocol::ApiKey::ElectLeaders, 1, "unclean elections")
                .await?;
        }
        let topics = partitions.map(by_topic).map(|topics| {
            let topics = topics.into_iter().map(|(topic, partitions)| TopicPartitions {
                topic: topic.to_string(),
                partitions,
                ..Default::default()
            });
            topics.collect::<Vec<_>>()
        });
        let make = |_| ElectLeadersRequest {
            election_type: i8::from(election == ElectionType::Unclean),
            topic_partitions: topics.clone(),
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check(response.error_code)?;
        let mut answers = BTreeMap::new();
        for topic in response.replica_election_results {
            let name: Arc<str> = topic.topic.into();
            answers.extend(topic.partition_result.into_iter().map(|told| {
                let partition = TopicPartition::new(name.clone(), told.partition_id);
                (partition, Error::check_with(told.error_code, told.error_message))
            }));
        }
        Ok(match partitions {
            Some(asked) => in_order(asked.iter().cloned(), answers),
            None => answers.into_iter().collect(),
        })
    }

    /// Moves partitions to other brokers, the preferred leader first; `None` calls off a move that is going on.
    /// Returns when the controller has begun. AlterPartitionReassignments 0-1 (KIP-455), sent to the controller.
    ///
    /// # Errors
    /// Per partition: INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION.
    /// [`Error::Unsupported`].
    pub async fn alter_partition_reassignments(
        &self,
        moves: &[(TopicPartition, Option<Vec<i32>>)],
    ) -> Result<Each<TopicPartition>, Error> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for (partition, replicas) in moves {
            topics.entry(&partition.topic).or_default().push(ReassignablePartition {
                partition_index: partition.partition,
                replicas: replicas.clone(),
                ..Default::default()
            });
        }
        let make = |_| AlterPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: topics
                .iter()
                .map(|(name, partitions)| ReassignableTopic {
                    name: (*name).to_owned(),
                    partitions: partitions.clone(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check_with(response.error_code, response.error_message)?;
        let mut answers = BTreeMap::new();
        for topic in response.responses {
            let name: Arc<str> = topic.name.into();
            answers.extend(topic.partitions.into_iter().map(|told| {
                let partition = TopicPartition::new(name.clone(), told.partition_index);
                (partition, Error::check_with(told.error_code, told.error_message))
            }));
        }
        Ok(in_order(moves.iter().map(|(partition, _)| partition.clone()), answers))
    }

    /// The partitions that are being moved, of these or of all. ListPartitionReassignments 0 (KIP-455), sent to the
    /// controller.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, PartitionReassignment>, Error> {
        let topics = partitions.map(by_topic).map(|topics| {
            let topics = topics
                .into_iter()
                .map(|(name, partition_indexes)| ListPartitionReassignmentsTopics {
                    name: name.to_string(),
                    partition_indexes,
                    ..Default::default()
                });
            topics.collect::<Vec<_>>()
        });
        let make = |_| ListPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: topics.clone(),
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check_with(response.error_code, response.error_message)?;
        let mut moving = BTreeMap::new();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            moving.extend(topic.partitions.into_iter().map(|told| {
                let reassignment = PartitionReassignment {
                    replicas: told.replicas,
                    adding_replicas: told.adding_replicas,
                    removing_replicas: told.removing_replicas,
                };
                (TopicPartition::new(name.clone(), told.partition_index), reassignment)
            }));
        }
        Ok(moving)
    }
}
