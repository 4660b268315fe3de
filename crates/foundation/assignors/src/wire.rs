//! The consumer protocol: what members and their leader send each other through the coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use klamm_protocol::data::consumer_protocol_assignment as assignment;
use klamm_protocol::data::consumer_protocol_subscription as subscription;
use klamm_protocol::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use klamm_protocol::{DecodeError, Message, Reader, Writer};
use thiserror::Error;

use crate::model::{Member, TopicPartition};

/// Bytes of another member that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// They end or break off in the middle.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There are no versions below 0.
    #[error("the consumer protocol has no version {version}")]
    Version {
        /// The version found.
        version: i16,
    },
}

/// What a member wants and has, as it tells the leader of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription;

impl Subscription {
    /// Writes all of `member` but its instance id, which the coordinator passes on by itself.
    pub fn write(member: &Member) -> Bytes {
        let message = ConsumerProtocolSubscription {
            topics: member.topics.iter().map(|topic| topic.to_string()).collect(),
            user_data: member.user_data.clone(),
            owned_partitions: by_topic(&member.owned)
                .into_iter()
                .map(|(topic, partitions)| subscription::TopicPartition { topic, partitions })
                .collect(),
            generation_id: member.generation.unwrap_or(-1),
            rack_id: member.rack.clone(),
        };
        write(&message)
    }

    /// Reads what another member wrote, in any version; fields of later versions are left unread.
    pub fn read(bytes: Bytes) -> Result<Member, ProtocolError> {
        let message: ConsumerProtocolSubscription = read(bytes)?;
        let owned = message.owned_partitions.into_iter();
        Ok(Member {
            topics: message.topics.into_iter().map(Arc::from).collect::<BTreeSet<_>>(),
            owned: flatten(owned.map(|entry| (entry.topic, entry.partitions))),
            generation: (message.generation_id >= 0).then_some(message.generation_id),
            rack: message.rack_id,
            instance_id: None,
            user_data: message.user_data,
        })
    }
}

/// What a member gets, as its leader tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment;

impl Assignment {
    /// Writes the partitions of one member.
    pub fn write(partitions: &[TopicPartition]) -> Bytes {
        write(&ConsumerProtocolAssignment {
            assigned_partitions: by_topic(partitions)
                .into_iter()
                .map(|(topic, partitions)| assignment::TopicPartition { topic, partitions })
                .collect(),
            user_data: None,
        })
    }

    /// Reads an assignment; nothing at all is an empty one. Partitions come in order and once each.
    pub fn read(bytes: Bytes) -> Result<Vec<TopicPartition>, ProtocolError> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let message: ConsumerProtocolAssignment = read(bytes)?;
        let assigned = message.assigned_partitions.into_iter();
        let mut partitions = flatten(assigned.map(|entry| (entry.topic, entry.partitions)));
        partitions.sort_unstable();
        partitions.dedup();
        Ok(partitions)
    }
}

fn write<M: Message>(message: &M) -> Bytes {
    let mut out = Writer::new();
    out.i16(M::MAX_VERSION);
    message
        .encode(&mut out, M::MAX_VERSION)
        .expect("the highest version has all fields and no text is longer than what topic names may be");
    out.into_bytes()
}

fn read<M: Message>(bytes: Bytes) -> Result<M, ProtocolError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version < M::MIN_VERSION {
        return Err(ProtocolError::Version { version });
    }
    Ok(M::decode(&mut reader, version.min(M::MAX_VERSION))?)
}

pub(crate) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(partition.topic.to_string())
            .or_default()
            .push(partition.partition);
    }
    topics.values_mut().for_each(|partitions| partitions.sort_unstable());
    topics
}

pub(crate) fn flatten(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for (topic, indices) in topics {
        let topic: Arc<str> = topic.into();
        partitions.extend(indices.into_iter().map(|partition| TopicPartition {
            topic: topic.clone(),
            partition,
        }));
    }
    partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member {
            topics: ["a", "b"].map(Arc::from).into(),
            owned: vec![
                TopicPartition::new("a", 0),
                TopicPartition::new("a", 2),
                TopicPartition::new("b", 1),
            ],
            generation: Some(7),
            rack: Some("r1".to_owned()),
            instance_id: None,
            user_data: Some(Bytes::from_static(b"x")),
        }
    }

    #[test]
    fn subscriptions_round_trip() {
        assert_eq!(Subscription::read(Subscription::write(&member())), Ok(member()));
        let bare = Member {
            topics: ["a"].map(Arc::from).into(),
            ..Member::default()
        };
        assert_eq!(Subscription::read(Subscription::write(&bare)), Ok(bare));
    }

    #[test]
    fn a_first_version_is_read_and_a_later_one_too() {
        let first = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff");
        let read = Subscription::read(first).unwrap();
        assert_eq!((read.topics.len(), read.generation), (1, None));
        let mut later = Subscription::write(&member()).to_vec();
        later[1] = 9;
        later.extend_from_slice(b"more");
        assert_eq!(Subscription::read(later.into()), Ok(member()));
    }

    #[test]
    fn assignments_round_trip_and_nothing_is_an_empty_one() {
        let partitions = member().owned;
        assert_eq!(Assignment::read(Assignment::write(&partitions)), Ok(partitions));
        assert_eq!(Assignment::read(Bytes::new()), Ok(Vec::new()));
        assert_eq!(
            Assignment::read(Bytes::from_static(b"\xff\xff")),
            Err(ProtocolError::Version { version: -1 })
        );
        assert!(Assignment::read(Bytes::from_static(b"\0\0\0\0\0\x09")).is_err());
    }
}
