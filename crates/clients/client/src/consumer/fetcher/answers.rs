//! What becomes of answers: positions that were found, records that were fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::TopicPartition;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::FetchResponse;
use klamm_protocol::messages::fetch_response::PartitionData;
use tokio::time::Instant;

use super::{Done, Fetcher, RETRY, Stamps};
use crate::Error;
use crate::consumer::ConsumerError;
use crate::consumer::commits::Offsets;
use crate::consumer::config::Reset;
use crate::consumer::fetched::{Fetched, Reading, Unreadable};
use crate::consumer::offsets::OffsetAndTimestamp;
use crate::consumer::partition::Phase;
use crate::consumer::position::{EpochEnd, Position, Validated};
use crate::consumer::session::TOPIC_IDS;
use crate::consumer::shared::{LATEST, committed_position};
use crate::consumer::state::State;

impl Fetcher {
    pub(super) fn finish(&mut self, done: Done) {
        match done {
            Done::Committed(stamps, result) => self.committed(stamps, result),
            Done::Listed(stamps, result) => self.listed(stamps, result),
            Done::Validated(stamps, result) => self.validated(stamps, result),
            Done::Fetched(node, sent, result) => self.fetched(node, &sent, result),
            Done::Refreshed => {
                self.is_refreshing = false;
                self.refresh_not_before = Instant::now() + RETRY;
            }
        }
        self.shared.arrived.notify_waiters();
    }

    fn committed(&mut self, stamps: Stamps, result: Result<Offsets, Error>) {
        let mut state = self.shared.state();
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(error) => {
                put_off(&mut state, &stamps);
                if !error.is_retriable() {
                    let keys = stamps
                        .iter()
                        .filter(|(key, stamp)| state.current(key, **stamp).is_some());
                    let keys: Vec<TopicPartition> = keys.map(|(key, _)| key.clone()).collect();
                    let errors = keys.into_iter().map(|key| (key, error.clone().into()));
                    state.errors.extend(errors);
                }
                return;
            }
        };
        let mut errors = Vec::new();
        for (key, stamp) in stamps {
            let Some(partition) = state.current(&key, stamp) else {
                continue;
            };
            partition.is_sought = false;
            match offsets.get(&key) {
                Some(found) => {
                    partition.locate(committed_position(found.offset, found.leader_epoch.unwrap_or(-1)));
                    partition.committed = Some(found.offset);
                    state.errors.remove(&key);
                }
                None => {
                    let error = ConsumerError::NoOffset { partition: key.clone() };
                    errors.extend(self.shared.reset(&key, partition, error));
                }
            }
        }
        errors.into_iter().for_each(|error| state.report(error));
    }

    fn listed(
        &mut self,
        stamps: Stamps,
        result: Result<BTreeMap<TopicPartition, Result<Option<OffsetAndTimestamp>, ErrorCode>>, Error>,
    ) {
        let mut state = self.shared.state();
        let mut stale = BTreeSet::new();
        let mut found = match result {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "ListOffsets");
                stale.extend(stamps.keys().map(|key| key.topic.to_string()));
                BTreeMap::new()
            }
        };
        for (key, stamp) in &stamps {
            let Some(partition) = state.current(key, *stamp) else {
                continue;
            };
            match found.remove(key) {
                Some(Ok(Some(offset))) => {
                    partition.locate(committed_position(offset.offset, offset.leader_epoch.unwrap_or(-1)));
                    state.errors.remove(key);
                }
                // No record is that young: the end it is.
                Some(Ok(None)) => {
                    partition.phase = Phase::Resetting { timestamp: LATEST };
                    partition.is_sought = false;
                }
                Some(Err(code)) if !code.is_retriable() => {
                    partition.is_sought = false;
                    partition.not_before = Some(Instant::now() + RETRY);
                    let partition = key.clone();
                    state.report(ConsumerError::Refused { partition, code });
                }
                Some(Err(_)) | None => {
                    stale.insert(key.topic.to_string());
                    partition.is_sought = false;
                    partition.not_before = Some(Instant::now() + RETRY);
                }
            }
        }
        drop(state);
        self.leaders_moved(stale);
    }

    fn validated(
        &mut self,
        stamps: BTreeMap<TopicPartition, (u64, i32)>,
        result: Result<BTreeMap<TopicPartition, Result<EpochEnd, ErrorCode>>, Error>,
    ) {
        let shared = self.shared.clone();
        let mut state = shared.state();
        let mut stale = BTreeSet::new();
        let mut ends = result.unwrap_or_default();
        let mut errors = Vec::new();
        let mut moves = Vec::new();
        for (key, (stamp, epoch)) in stamps {
            let Some(partition) = state.current(&key, stamp) else {
                continue;
            };
            partition.is_sought = false;
            let Some(Ok(end)) = ends.remove(&key) else {
                stale.insert(key.topic.to_string());
                partition.not_before = Some(Instant::now() + RETRY);
                continue;
            };
            partition.leader_epoch = epoch;
            let position = partition.position;
            match end.judge(position) {
                Validated::Valid => partition.phase = Phase::Ready,
                Validated::Truncated { diverges_at } => {
                    let error = ConsumerError::Truncated {
                        partition: key.clone(),
                        offset: position.offset,
                        diverges_at: diverges_at.map(|at| at.offset),
                    };
                    match (diverges_at, shared.config.reset) {
                        // With a policy, the consumer goes on where the logs part.
                        (Some(at), reset) if reset != Reset::None => moves.push((key, at)),
                        _ => errors.extend(shared.reset(&key, partition, error)),
                    }
                }
            }
        }
        for (key, at) in moves {
            tracing::warn!(partition = %key, offset = at.offset, "the log was truncated: going back");
            state.seek(&key, at).expect("it is assigned");
        }
        errors.into_iter().for_each(|error| state.report(error));
        drop(state);
        self.leaders_moved(stale);
    }

    fn fetched(
        &mut self,
        id: i32,
        sent: &BTreeMap<TopicPartition, (u64, Position)>,
        result: Result<(i16, FetchResponse), Error>,
    ) {
        let node = self.nodes.entry(id).or_default();
        node.is_fetching = false;
        let (version, response) = match result {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(node = id, %error, "fetch");
                node.session.failed();
                node.not_before = Some(Instant::now() + RETRY);
                let topics = sent.keys().map(|key| key.topic.to_string()).collect();
                let mut state = self.shared.state();
                for (key, (stamp, _)) in sent {
                    if let Some(partition) = state.current(key, *stamp) {
                        partition.preferred = None;
                    }
                }
                drop(state);
                self.leaders_moved(topics);
                return;
            }
        };
        node.not_before = None;
        let topics = if version >= TOPIC_IDS {
            node.session.topics()
        } else {
            BTreeMap::new()
        };
        node.session.answered(response.error_code, response.session_id);
        if response.error_code.is_err() {
            tracing::debug!(node = id, code = %response.error_code, "fetch");
            if response.error_code.needs_metadata_refresh() {
                node.not_before = Some(Instant::now() + RETRY);
                let topics = sent.keys().map(|key| key.topic.to_string()).collect();
                self.leaders_moved(topics);
            }
            return;
        }
        let mut stale = BTreeSet::new();
        let mut bytes = 0;
        let intake = Intake {
            reading: self.shared.config.fetch.reading,
            max_age: self.shared.client.core.options.metadata_max_age,
        };
        let mut state = self.shared.state();
        for topic in response.responses {
            let name = match version >= TOPIC_IDS {
                true => topics.get(&topic.topic_id.as_u128()).cloned(),
                false => Some(Arc::from(topic.topic)),
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let key = TopicPartition {
                    topic: name.clone(),
                    partition: data.partition_index,
                };
                let Some(asked) = sent.get(&key) else {
                    continue;
                };
                bytes += data.records.as_ref().map_or(0, klamm_protocol::Records::len);
                if !intake.take_in(&mut state, id, key, *asked, data) {
                    stale.insert(name.to_string());
                }
            }
        }
        drop(state);
        if bytes > 0 {
            self.nodes.entry(id).or_default().last_bytes = bytes;
        }
        self.leaders_moved(stale);
    }

    /// What is known of these topics is out of date.
    fn leaders_moved(&mut self, topics: BTreeSet<String>) {
        if !topics.is_empty() && !self.is_refreshing && self.refresh_not_before <= Instant::now() {
            self.refresh(topics);
        }
    }
}

fn put_off(state: &mut State, stamps: &Stamps) {
    for (key, stamp) in stamps {
        if let Some(partition) = state.current(key, *stamp) {
            partition.is_sought = false;
            partition.not_before = Some(Instant::now() + RETRY);
        }
    }
}

/// How answers to fetches are taken in.
struct Intake {
    reading: Reading,
    /// How long a replica that the leader prefers is read from.
    max_age: Duration,
}

impl Intake {
    /// Takes in what a broker sent of a partition. False: its leader is to be looked up again.
    fn take_in(
        &self,
        state: &mut State,
        node: i32,
        key: TopicPartition,
        (stamp, asked): (u64, Position),
        data: PartitionData,
    ) -> bool {
        let now = Instant::now();
        let State { partitions, errors, .. } = &mut *state;
        let Some(partition) = partitions.get_mut(&key).filter(|known| known.stamp == stamp) else {
            return true;
        };
        // An earlier leader's answer can come after the present one's.
        if partition.fetch != asked || !partition.is_ready() {
            return true;
        }
        match data.error_code {
            ErrorCode::NONE => drop(errors.remove(&key)),
            ErrorCode::OFFSET_OUT_OF_RANGE if partition.preferred.take().is_some() => return true,
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                partition.out_of_range = true;
                return true;
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CORRUPT_MESSAGE | ErrorCode::INVALID_TOPIC_EXCEPTION => {
                partition.not_before = Some(now + RETRY);
                let code = data.error_code;
                state.report(ConsumerError::Refused { partition: key, code });
                return true;
            }
            code => {
                tracing::debug!(partition = %key, %code, "fetch");
                partition.preferred = None;
                partition.not_before = Some(now + RETRY);
                return !code.needs_metadata_refresh() && code.is_retriable();
            }
        }
        partition.high_watermark = Some(data.high_watermark);
        partition.last_stable_offset = Some(data.last_stable_offset).filter(|offset| *offset >= 0);
        partition.log_start_offset = Some(data.log_start_offset).filter(|offset| *offset >= 0);
        if data.preferred_read_replica >= 0 {
            partition.preferred = Some((data.preferred_read_replica, now + self.max_age));
        }
        let records = data.records.as_ref().and_then(klamm_protocol::Records::as_bytes);
        let Some(bytes) = records.filter(|bytes| !bytes.is_empty()).cloned() else {
            return true;
        };
        let aborted = data.aborted_transactions.unwrap_or_default();
        match Fetched::new(key.clone(), stamp, self.reading, asked, bytes, &aborted) {
            Ok((fetched, end)) => {
                partition.fetch = end;
                state.push(node, fetched);
            }
            Err(Unreadable { offset, reason }) => {
                partition.not_before = Some(now + Duration::from_secs(1));
                let partition = key;
                state.report(ConsumerError::Corrupt {
                    partition,
                    offset,
                    reason,
                });
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
