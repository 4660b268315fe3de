//! A fetch session with one broker (KIP-227): after a full request, only what changed is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_assignors::TopicPartition;
use klamm_protocol::messages::FetchRequest;
use klamm_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use klamm_protocol::{ErrorCode, Uuid};

/// Epoch of a request that opens a session.
const OPEN: i32 = 0;
/// Epoch of a request that closes one.
const CLOSE: i32 = -1;
/// The first version that names topics by id (KIP-516).
pub(super) const TOPIC_IDS: i16 = 13;

/// What is asked of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Zero if unknown.
    pub(super) topic_id: Uuid,
    pub(super) offset: i64,
    pub(super) current_leader_epoch: i32,
    pub(super) max_bytes: i32,
}

/// The session as the broker has it, if the last request arrived.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: i32,
    epoch: i32,
    partitions: BTreeMap<TopicPartition, Asked>,
}

/// One request of a session, before its version is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    id: i32,
    epoch: i32,
    named: Vec<(TopicPartition, Asked)>,
    forgotten: Vec<(TopicPartition, Uuid)>,
    by_id: bool,
}

impl Session {
    /// What to ask for, so that the session then holds exactly `wanted`.
    pub(super) fn ask(&mut self, wanted: BTreeMap<TopicPartition, Asked>) -> Ask {
        let by_id = wanted.values().all(|asked| asked.topic_id != Uuid::ZERO);
        let was_by_id = self.partitions.values().all(|asked| asked.topic_id != Uuid::ZERO);
        if self.epoch != OPEN && by_id != was_by_id {
            self.epoch = OPEN;
        }
        let before = if self.epoch == OPEN {
            BTreeMap::new()
        } else {
            std::mem::take(&mut self.partitions)
        };
        let changed = |partition: &TopicPartition, asked: &Asked| before.get(partition) != Some(asked);
        let gone = before.iter().filter(|(partition, asked)| {
            // A topic that was deleted and made again has another id.
            wanted.get(*partition).is_none_or(|now| now.topic_id != asked.topic_id)
        });
        let ask = Ask {
            id: self.id,
            epoch: self.epoch,
            forgotten: gone
                .map(|(partition, asked)| (partition.clone(), asked.topic_id))
                .collect(),
            named: wanted
                .iter()
                .filter(|(partition, asked)| changed(partition, asked))
                .map(|(partition, asked)| (partition.clone(), *asked))
                .collect(),
            by_id,
        };
        self.partitions = wanted;
        ask
    }

    /// The request that ends the session, if there is one.
    pub(super) fn close(&self) -> Option<Ask> {
        (self.id != 0).then(|| Ask {
            id: self.id,
            epoch: CLOSE,
            named: Vec::new(),
            forgotten: Vec::new(),
            by_id: true,
        })
    }

    /// Takes note of an answer: what the broker made of the session.
    pub(super) fn answered(&mut self, code: ErrorCode, session_id: i32) {
        if code == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
            *self = Self::default();
        } else if code.is_err() {
            self.epoch = OPEN;
        } else if session_id == 0 {
            // The broker keeps none.
            *self = Self::default();
        } else {
            self.id = session_id;
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        }
    }

    /// No answer came: what the broker has is not known, so a new session takes the place of the old one.
    pub(super) fn failed(&mut self) {
        self.epoch = OPEN;
    }

    /// The topics in the session by their ids, for answers of newer versions.
    pub(super) fn topics(&self) -> BTreeMap<u128, Arc<str>> {
        let topics = self.partitions.iter();
        topics
            .map(|(key, asked)| (asked.topic_id.as_u128(), key.topic.clone()))
            .collect()
    }
}

impl Ask {
    /// The newest version that can say it.
    pub(super) fn newest(&self) -> i16 {
        if self.by_id { i16::MAX } else { TOPIC_IDS - 1 }
    }

    /// Fills the session's part of a request.
    pub(super) fn fill(&self, version: i16, request: &mut FetchRequest) {
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        let name = |partition: &TopicPartition| match version < TOPIC_IDS {
            true => partition.topic.to_string(),
            false => String::new(),
        };
        let id = |id: Uuid| if version < TOPIC_IDS { Uuid::ZERO } else { id };
        for topic in self.named.chunk_by(|(a, _), (b, _)| a.topic == b.topic) {
            request.topics.push(FetchTopic {
                topic: name(&topic[0].0),
                topic_id: id(topic[0].1.topic_id),
                partitions: topic.iter().map(|(key, asked)| asked.wire(key.partition)).collect(),
                ..FetchTopic::default()
            });
        }
        for topic in self.forgotten.chunk_by(|(a, _), (b, _)| a.topic == b.topic) {
            request.forgotten_topics_data.push(ForgottenTopic {
                topic: name(&topic[0].0),
                topic_id: id(topic[0].1),
                partitions: topic.iter().map(|(key, _)| key.partition).collect(),
                ..ForgottenTopic::default()
            });
        }
    }
}

impl Asked {
    fn wire(&self, partition: i32) -> FetchPartition {
        FetchPartition {
            partition,
            current_leader_epoch: self.current_leader_epoch,
            fetch_offset: self.offset,
            partition_max_bytes: self.max_bytes,
            ..FetchPartition::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(entries: &[(i32, i64)]) -> BTreeMap<TopicPartition, Asked> {
        let asked = |offset| Asked {
            topic_id: Uuid::from_u128(7),
            offset,
            current_leader_epoch: 0,
            max_bytes: 100,
        };
        entries
            .iter()
            .map(|(partition, offset)| (TopicPartition::new("t", *partition), asked(*offset)))
            .collect()
    }

    fn named(ask: &Ask) -> Vec<i32> {
        ask.named.iter().map(|(partition, _)| partition.partition).collect()
    }

    #[test]
    fn only_what_changed_is_named_again() {
        let mut session = Session::default();
        let first = session.ask(wanted(&[(0, 0), (1, 0), (2, 0)]));
        assert_eq!((first.id, first.epoch, named(&first)), (0, 0, vec![0, 1, 2]));
        session.answered(ErrorCode::NONE, 42);
        let second = session.ask(wanted(&[(0, 0), (1, 5), (3, 0)]));
        assert_eq!((second.id, second.epoch, named(&second)), (42, 1, vec![1, 3]));
        assert_eq!(second.forgotten.len(), 1);
        session.answered(ErrorCode::NONE, 42);
        let third = session.ask(wanted(&[(0, 0), (1, 5), (3, 0)]));
        assert_eq!((third.epoch, named(&third), third.forgotten.len()), (2, vec![], 0));
    }

    #[test]
    fn a_session_that_is_lost_is_opened_anew() {
        let mut session = Session::default();
        session.ask(wanted(&[(0, 0)]));
        session.answered(ErrorCode::NONE, 42);
        session.ask(wanted(&[(0, 1)]));
        session.failed();
        let again = session.ask(wanted(&[(0, 1)]));
        assert_eq!((again.id, again.epoch, named(&again)), (42, 0, vec![0]));
        session.answered(ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0);
        let again = session.ask(wanted(&[(0, 1)]));
        assert_eq!((again.id, again.epoch, named(&again)), (0, 0, vec![0]));
    }

    #[test]
    fn a_broker_without_room_for_sessions_is_told_all_each_time() {
        let mut session = Session::default();
        for _ in 0..3 {
            let ask = session.ask(wanted(&[(0, 0)]));
            assert_eq!((ask.id, ask.epoch, named(&ask)), (0, 0, vec![0]));
            session.answered(ErrorCode::NONE, 0);
        }
        assert_eq!(session.close(), None);
    }

    #[test]
    fn a_topic_made_again_is_forgotten_under_its_old_id() {
        let mut session = Session::default();
        session.ask(wanted(&[(0, 0)]));
        session.answered(ErrorCode::NONE, 1);
        let mut again = wanted(&[(0, 0)]);
        again.values_mut().for_each(|asked| asked.topic_id = Uuid::from_u128(8));
        let ask = session.ask(again);
        assert_eq!(ask.forgotten[0].1, Uuid::from_u128(7));
        assert_eq!(named(&ask), [0]);
    }

    #[test]
    fn topics_without_ids_are_named() {
        let mut session = Session::default();
        let mut unknown = wanted(&[(0, 0), (1, 0)]);
        unknown.values_mut().for_each(|asked| asked.topic_id = Uuid::ZERO);
        let ask = session.ask(unknown);
        assert_eq!(ask.newest(), 12);
        let mut request = FetchRequest::default();
        ask.fill(12, &mut request);
        assert_eq!((request.topics.len(), &*request.topics[0].topic), (1, "t"));
    }
}
