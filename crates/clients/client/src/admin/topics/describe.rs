//! What topics look like.

use std::collections::BTreeMap;

use klamm_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use klamm_protocol::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use klamm_protocol::messages::{DescribeTopicPartitionsRequest, MetadataRequest};
use klamm_protocol::{ApiKey, ErrorCode, Uuid};

use super::TopicRef;
use crate::Error;
use crate::admin::{Admin, Each, in_order};
use crate::client::{Lane, Target};

/// Partitions in one reply; a broker sends no more than its `max.request.partition.size.limit` anyway.
const PAGE: i32 = 2000;

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; zero from a broker that does not know ids (before 2.8).
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Its partitions by rising index.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub index: i32,
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// The epoch of that leader, if the broker told.
    pub leader_epoch: Option<i32>,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those out of sync that may still become leader without loss (KIP-966); `None` from a broker that does not tell.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last eligible ones before an unclean shutdown; `None` from a broker that does not tell.
    pub last_known_elr: Option<Vec<i32>>,
    /// Those of the replicas that are offline.
    pub offline_replicas: Vec<i32>,
}

impl Admin {
    /// Describes topics, by name or by id. From any broker: DescribeTopicPartitions 0 in pages (KIP-966), or Metadata where
    /// a broker does not have that, and for topics by id, which need version 12 (3.0).
    ///
    /// # Errors
    /// Per topic: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_TOPIC_EXCEPTION.
    pub async fn describe_topics(&self, topics: &[TopicRef]) -> Result<Each<TopicRef, TopicDescription>, Error> {
        self.describe_topics_by(PAGE, topics).await
    }

    /// The same, asking for at most this many partitions at once; brokers have a limit of their own
    /// (`max.request.partition.size.limit`). Makes no difference to the answer.
    ///
    /// # Errors
    /// As [`Admin::describe_topics`].
    pub async fn describe_topics_by(
        &self,
        partitions: i32,
        topics: &[TopicRef],
    ) -> Result<Each<TopicRef, TopicDescription>, Error> {
        let mut names = Vec::new();
        let mut ids = Vec::new();
        for topic in topics {
            match topic {
                TopicRef::Name(name) => names.push(name.clone()),
                TopicRef::Id(id) => ids.push(*id),
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut answers = BTreeMap::new();
        if !names.is_empty() {
            match self.describe_in_pages(&names, partitions).await {
                Err(Error::Unsupported { .. }) => self.describe_by_metadata(&names, &[], &mut answers).await?,
                described => answers = described?,
            }
        }
        if !ids.is_empty() {
            self.client.require(ApiKey::Metadata, 12, "topics by id").await?;
            self.describe_by_metadata(&[], &ids, &mut answers).await?;
        }
        Ok(in_order(topics.iter().cloned(), answers))
    }

    async fn describe_in_pages(
        &self,
        names: &[String],
        partitions: i32,
    ) -> Result<BTreeMap<TopicRef, Result<TopicDescription, Error>>, Error> {
        let mut answers: BTreeMap<TopicRef, Result<TopicDescription, Error>> = BTreeMap::new();
        let mut cursor: Option<Cursor> = None;
        let mut rest = names;
        loop {
            let make = |_| DescribeTopicPartitionsRequest {
                topics: rest.iter().map(|name| topic_request(name)).collect(),
                response_partition_limit: partitions,
                cursor: cursor.clone(),
                ..Default::default()
            };
            let (_, response) = self.client.call_with(Target::Any, Lane::General, make).await?;
            for topic in response.topics {
                let name = topic.name.clone().unwrap_or_default();
                match (answers.get_mut(&TopicRef::Name(name.clone())), described(topic)) {
                    // A topic that went over the end of a page.
                    (Some(Ok(begun)), Ok(mut more)) => begun.partitions.append(&mut more.partitions),
                    (_, answer) => drop(answers.insert(TopicRef::Name(name), answer)),
                }
            }
            let Some(next) = response.next_cursor else {
                return Ok(answers);
            };
            let place = (next.topic_name, next.partition_index);
            if cursor
                .as_ref()
                .is_some_and(|before| (&before.topic_name, before.partition_index) >= (&place.0, place.1))
            {
                return Err(Error::Protocol {
                    address: "the cluster".to_owned(),
                    reason: "DescribeTopicPartitions goes in circles".to_owned(),
                });
            }
            rest = &names[names.partition_point(|name| *name < place.0)..];
            cursor = Some(Cursor {
                topic_name: place.0,
                partition_index: place.1,
                ..Default::default()
            });
        }
    }

    async fn describe_by_metadata(
        &self,
        names: &[String],
        ids: &[Uuid],
        answers: &mut BTreeMap<TopicRef, Result<TopicDescription, Error>>,
    ) -> Result<(), Error> {
        let by_name = names.iter().map(|name| MetadataRequestTopic {
            name: Some(name.clone()),
            ..Default::default()
        });
        let by_id = ids.iter().map(|id| MetadataRequestTopic {
            topic_id: *id,
            ..Default::default()
        });
        let asked: Vec<_> = by_name.chain(by_id).collect();
        let make = |version| MetadataRequest {
            topics: Some(asked.clone()),
            // Before version 4 asking is creating.
            allow_auto_topic_creation: version < 4,
            ..Default::default()
        };
        let (_, response) = self.client.call_with(Target::Any, Lane::General, make).await?;
        for topic in response.topics {
            let (name, id) = (topic.name.clone(), topic.topic_id);
            let answer = described_by_metadata(topic);
            if ids.contains(&id) {
                answers.insert(TopicRef::from(id), answer.clone());
            }
            if let Some(name) = name.filter(|name| names.contains(name)) {
                answers.insert(TopicRef::Name(name), answer);
            }
        }
        Ok(())
    }
}

fn topic_request(name: &str) -> TopicRequest {
    TopicRequest {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn described(topic: DescribeTopicPartitionsResponseTopic) -> Result<TopicDescription, Error> {
    Error::check(topic.error_code)?;
    let partition = |told: DescribeTopicPartitionsResponsePartition| PartitionDescription {
        index: told.partition_index,
        leader: Some(told.leader_id).filter(|id| *id >= 0),
        leader_epoch: Some(told.leader_epoch).filter(|epoch| *epoch >= 0),
        replicas: told.replica_nodes,
        isr: told.isr_nodes,
        eligible_leader_replicas: told.eligible_leader_replicas,
        last_known_elr: told.last_known_elr,
        offline_replicas: told.offline_replicas,
    };
    Ok(TopicDescription {
        name: topic.name.unwrap_or_default(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    })
}

fn described_by_metadata(topic: MetadataResponseTopic) -> Result<TopicDescription, Error> {
    // A topic whose partitions have no leader is still there to be described.
    if topic.error_code != ErrorCode::LEADER_NOT_AVAILABLE {
        Error::check(topic.error_code)?;
    }
    let partition = |told: MetadataResponsePartition| PartitionDescription {
        index: told.partition_index,
        leader: Some(told.leader_id).filter(|id| *id >= 0),
        leader_epoch: Some(told.leader_epoch).filter(|epoch| *epoch >= 0),
        replicas: told.replica_nodes,
        isr: told.isr_nodes,
        eligible_leader_replicas: None,
        last_known_elr: None,
        offline_replicas: told.offline_replicas,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_unstable_by_key(|partition| partition.index);
    Ok(TopicDescription {
        name: topic.name.unwrap_or_default(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions,
    })
}
