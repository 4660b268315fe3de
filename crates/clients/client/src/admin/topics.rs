//! Topics: made, deleted, described, listed.

mod describe;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use klamm_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use klamm_protocol::messages::create_topics_response::CreatableTopicResult;
use klamm_protocol::messages::delete_topics_request::DeleteTopicState;
use klamm_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use klamm_protocol::{ApiKey, Uuid};

use super::{Admin, Each, in_order};
use crate::{Error, MetadataTopics};

pub use describe::{PartitionDescription, TopicDescription};

/// A topic to be made.
///
/// ```
/// use klamm_client::NewTopic;
///
/// let orders = NewTopic::new("orders").partitions(6).config("retention.ms", "86400000");
/// let placed = NewTopic::new("audit").replicas([vec![1, 2], vec![2, 3]]);   // two partitions, placed by hand
/// # let _ = (orders, placed);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions, and on which brokers.
    pub placement: ReplicaPlacement,
    /// Its settings, where they differ from the cluster's.
    pub configs: BTreeMap<String, String>,
}

/// Where the replicas of a new topic's partitions are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaPlacement {
    /// The cluster chooses; what is not said is its default (KIP-464).
    Chosen {
        /// `num.partitions` if not said.
        partitions: Option<i32>,
        /// `default.replication.factor` if not said.
        replication_factor: Option<i16>,
    },
    /// The brokers of each partition, the preferred leader first.
    Manual(Vec<Vec<i32>>),
}

/// A topic that was made. What the broker did not tell is -1, zero or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i16,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; zero from a broker that does not know ids (before 2.8).
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
}

/// A topic by its name or its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id (KIP-516).
    Id(Uuid),
}

impl NewTopic {
    /// A topic with the cluster's defaults.
    pub fn new(name: impl Into<String>) -> NewTopic {
        NewTopic {
            name: name.into(),
            placement: ReplicaPlacement::Chosen {
                partitions: None,
                replication_factor: None,
            },
            configs: BTreeMap::new(),
        }
    }

    /// Sets the number of partitions; the cluster chooses their places.
    pub fn partitions(mut self, count: i32) -> NewTopic {
        let replication_factor = match self.placement {
            ReplicaPlacement::Chosen { replication_factor, .. } => replication_factor,
            ReplicaPlacement::Manual(_) => None,
        };
        self.placement = ReplicaPlacement::Chosen {
            partitions: Some(count),
            replication_factor,
        };
        self
    }

    /// Sets the number of replicas of each partition; the cluster chooses their places.
    pub fn replication_factor(mut self, factor: i16) -> NewTopic {
        let partitions = match self.placement {
            ReplicaPlacement::Chosen { partitions, .. } => partitions,
            ReplicaPlacement::Manual(_) => None,
        };
        self.placement = ReplicaPlacement::Chosen {
            partitions,
            replication_factor: Some(factor),
        };
        self
    }

    /// Sets the brokers of each partition, the preferred leader first.
    pub fn replicas(mut self, partitions: impl IntoIterator<Item = Vec<i32>>) -> NewTopic {
        self.placement = ReplicaPlacement::Manual(partitions.into_iter().collect());
        self
    }

    /// Sets one of the topic's configs.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> NewTopic {
        self.configs.insert(name.into(), value.into());
        self
    }

    fn to_wire(&self) -> CreatableTopic {
        let (num_partitions, replication_factor, assignments) = match &self.placement {
            ReplicaPlacement::Chosen {
                partitions,
                replication_factor,
            } => (partitions.unwrap_or(-1), replication_factor.unwrap_or(-1), Vec::new()),
            ReplicaPlacement::Manual(partitions) => {
                let numbered = (0..)
                    .zip(partitions)
                    .map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
                        partition_index,
                        broker_ids: broker_ids.clone(),
                        ..Default::default()
                    });
                (-1, -1, numbered.collect())
            }
        };
        let configs = self.configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: name.clone(),
            value: Some(value.clone()),
            ..Default::default()
        });
        CreatableTopic {
            name: self.name.clone(),
            num_partitions,
            replication_factor,
            assignments,
            configs: configs.collect(),
            ..Default::default()
        }
    }
}

impl Ord for TopicRef {
    fn cmp(&self, other: &TopicRef) -> Ordering {
        match (self, other) {
            (TopicRef::Name(own), TopicRef::Name(other)) => own.cmp(other),
            (TopicRef::Id(own), TopicRef::Id(other)) => own.as_u128().cmp(&other.as_u128()),
            (TopicRef::Name(_), TopicRef::Id(_)) => Ordering::Less,
            (TopicRef::Id(_), TopicRef::Name(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for TopicRef {
    fn partial_cmp(&self, other: &TopicRef) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&str> for TopicRef {
    fn from(name: &str) -> TopicRef {
        TopicRef::Name(name.to_owned())
    }
}

impl From<String> for TopicRef {
    fn from(name: String) -> TopicRef {
        TopicRef::Name(name)
    }
}

impl From<Uuid> for TopicRef {
    fn from(id: Uuid) -> TopicRef {
        TopicRef::Id(id)
    }
}

impl Admin {
    /// Makes topics; with `validate_only`, only says whether they could be made. Returns when the controller has made
    /// them: brokers hear of them a moment later. CreateTopics 2-7.
    ///
    /// # Errors
    /// Per topic: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION for the name, INVALID_PARTITIONS,
    /// INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_CONFIG, POLICY_VIOLATION.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Each<String, CreatedTopic>, Error> {
        let make = |_| CreateTopicsRequest {
            topics: topics.iter().map(NewTopic::to_wire).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        let results = response
            .topics
            .into_iter()
            .map(|topic| (topic.name.clone(), created(topic)));
        Ok(in_order(
            topics.iter().map(|topic| topic.name.clone()),
            results.collect(),
        ))
    }

    /// Deletes topics, by name or by id. Returns when the controller has deleted them: brokers delete the data later.
    /// DeleteTopics 1-6; by id since version 6 (2.8).
    ///
    /// # Errors
    /// Per topic: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED.
    pub async fn delete_topics(&self, topics: &[TopicRef]) -> Result<Each<TopicRef>, Error> {
        if topics.iter().any(|topic| matches!(topic, TopicRef::Id(_))) {
            self.client.require(ApiKey::DeleteTopics, 6, "topics by id").await?;
        }
        let make = |version| {
            let mut request = DeleteTopicsRequest {
                timeout_ms: self.timeout_ms(),
                ..Default::default()
            };
            match version {
                6.. => request.topics = topics.iter().map(to_state).collect(),
                _ => request.topic_names = topics.iter().filter_map(name).collect(),
            }
            request
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        let mut results = BTreeMap::new();
        for result in response.responses {
            // A reply names the topic even if it was asked for by id.
            let error = || Error::check_with(result.error_code, result.error_message.clone());
            results.insert(TopicRef::from(result.topic_id), error());
            if let Some(name) = &result.name {
                results.insert(TopicRef::Name(name.clone()), error());
            }
        }
        Ok(in_order(topics.iter().cloned(), results))
    }

    /// Every topic, internal ones too. Metadata 0-13, from any broker.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let known = self.client.refresh_metadata(MetadataTopics::All).await?;
        let listings = known.topics().map(|topic| TopicListing {
            name: topic.name.to_string(),
            id: topic.id,
            is_internal: topic.is_internal,
        });
        Ok(listings.collect())
    }
}

fn created(topic: CreatableTopicResult) -> Result<CreatedTopic, Error> {
    Error::check_with(topic.error_code, topic.error_message)?;
    Ok(CreatedTopic {
        id: topic.topic_id,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
    })
}

fn name(topic: &TopicRef) -> Option<String> {
    match topic {
        TopicRef::Name(name) => Some(name.clone()),
        TopicRef::Id(_) => None,
    }
}

fn to_state(topic: &TopicRef) -> DeleteTopicState {
    DeleteTopicState {
        name: name(topic),
        topic_id: match topic {
            TopicRef::Name(_) => Uuid::ZERO,
            TopicRef::Id(id) => *id,
        },
        ..Default::default()
    }
}
