//! What the sticky assignors put into `user_data`.

use std::collections::BTreeMap;

use bytes::Bytes;
use klamm_protocol::{DecodeError, EncodeError, Reader, Wire, Writer};

use crate::model::TopicPartition;
use crate::wire::{by_topic, flatten};

/// A topic of a member's previous assignment.
struct TopicAssignment {
    topic: String,
    partitions: Vec<i32>,
}

impl Wire for TopicAssignment {
    const MIN_SIZE: usize = 6;

    fn read(r: &mut Reader, flexible: bool, version: i16) -> Result<Self, DecodeError> {
        Ok(Self {
            topic: r.string(flexible)?,
            partitions: r.array(flexible, version)?,
        })
    }

    fn write(&self, w: &mut Writer, flexible: bool, version: i16) -> Result<(), EncodeError> {
        w.string(flexible, &self.topic)?;
        w.array(flexible, version, &self.partitions)
    }
}

/// Version 1 of the eager assignor's user data: previous assignment, and the generation it is of.
pub(crate) fn write_sticky(assigned: &[TopicPartition], generation: i32) -> Bytes {
    let topics: BTreeMap<String, Vec<i32>> = by_topic(assigned);
    let topics: Vec<TopicAssignment> = topics
        .into_iter()
        .map(|(topic, partitions)| TopicAssignment { topic, partitions })
        .collect();
    let mut out = Writer::new();
    out.array(false, 0, &topics)
        .expect("topic names fit their length fields");
    out.i32(generation);
    out.into_bytes()
}

/// Reads the eager assignor's user data: version 0 ends before the generation.
pub(crate) fn read_sticky(bytes: &Bytes) -> Result<(Vec<TopicPartition>, Option<i32>), DecodeError> {
    let mut reader = Reader::new(bytes.clone());
    let topics: Vec<TopicAssignment> = reader.array(false, 0)?;
    let generation = reader.i32().ok();
    let topics = topics.into_iter().map(|entry| (entry.topic, entry.partitions));
    Ok((flatten(topics), generation))
}

/// The cooperative assignor's user data: the generation, for leaders that don't read it from the subscription yet.
pub(crate) fn write_cooperative(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

pub(crate) fn read_cooperative(bytes: &Bytes) -> Option<i32> {
    bytes.first_chunk().map(|chunk| i32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let assigned = vec![TopicPartition::new("a", 1), TopicPartition::new("b", 0)];
        let bytes = write_sticky(&assigned, 5);
        assert_eq!(read_sticky(&bytes), Ok((assigned.clone(), Some(5))));
        assert_eq!(read_sticky(&bytes.slice(..bytes.len() - 4)), Ok((assigned, None)));
        assert!(read_sticky(&bytes.slice(..9)).is_err());
        assert_eq!(read_cooperative(&write_cooperative(-1)), Some(-1));
        assert_eq!(read_cooperative(&Bytes::from_static(b"abc")), None);
    }
}
