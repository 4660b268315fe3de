//! What becomes of batches when their request has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use klamm_protocol::messages::ProduceResponse;
use klamm_protocol::messages::produce_response::PartitionProduceResponse;
use klamm_protocol::{ErrorCode, Uuid};
use tokio::time::Instant;

use super::request::{Answer, Part};
use super::{Sender, finish};
use crate::cluster::NewLeader;
use crate::producer::SendError;
use crate::producer::batch::Batch;
use crate::producer::delivery::Outcome;
use crate::producer::sequences::Verdict;
use crate::{Broker, Error};

impl Sender {
    pub(super) fn on_end(&mut self, node: i32, parts: Vec<Part>, answer: Answer) {
        match answer {
            Ok(None) => parts.into_iter().for_each(|part| self.acknowledge(part, -1, -1)),
            Ok(Some(response)) => self.on_response(node, parts, response),
            Err(error) => {
                tracing::debug!(node, %error, "a Produce request failed");
                for part in parts {
                    self.on_failure(part, &error);
                }
            }
        }
    }

    fn on_response(&mut self, node: i32, parts: Vec<Part>, response: ProduceResponse) {
        if let Ok(throttle) = u64::try_from(response.throttle_time_ms)
            && throttle > 0
        {
            let until = Instant::now() + Duration::from_millis(throttle);
            self.nodes.entry(node).or_default().muted_until = Some(until);
        }
        let mut unanswered: Vec<Option<Part>> = parts.iter().copied().map(Some).collect();
        let mut leaders = Vec::new();
        for topic in response.responses {
            let Some(index) = self.topic_of(&parts, &topic.name, topic.topic_id) else {
                continue;
            };
            for reply in topic.partition_responses {
                let at =
                    parts.binary_search_by_key(&(index, reply.index), |part| (part.place.topic, part.place.partition));
                let Some(part) = at.ok().and_then(|at| unanswered[at].take()) else {
                    continue;
                };
                if reply.current_leader.leader_id >= 0 {
                    let name = self.shared.accumulator.lock().topics[index].name.clone();
                    leaders.push(NewLeader {
                        topic: name,
                        partition: reply.index,
                        leader: reply.current_leader.leader_id,
                        leader_epoch: reply.current_leader.leader_epoch,
                    });
                }
                self.on_partition(part, reply);
            }
        }
        let missing = Error::Protocol {
            address: format!("node {node}"),
            reason: "the reply to Produce leaves out a partition".to_owned(),
        };
        for part in unanswered.into_iter().flatten() {
            self.on_failure(part, &missing);
        }
        if !leaders.is_empty() {
            let nodes = response.node_endpoints.into_iter().filter_map(|node| {
                Some(Broker {
                    id: node.node_id,
                    host: node.host,
                    port: u16::try_from(node.port).ok()?,
                    rack: node.rack,
                })
            });
            let nodes: Vec<_> = nodes.collect();
            self.shared.client.core.learn_leaders(&leaders, &nodes);
        }
    }

    fn topic_of(&self, parts: &[Part], name: &str, id: Uuid) -> Option<usize> {
        if id != Uuid::ZERO {
            return parts
                .iter()
                .find(|part| part.topic_id == id)
                .map(|part| part.place.topic);
        }
        let state = self.shared.accumulator.lock();
        let named = parts.iter().find(|part| *state.topics[part.place.topic].name == *name);
        named.map(|part| part.place.topic)
    }

    fn on_partition(&mut self, part: Part, reply: PartitionProduceResponse) {
        let code = reply.error_code;
        if code.is_none() {
            return self.acknowledge(part, reply.base_offset, reply.log_append_time_ms);
        }
        if code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
            // Written by an earlier sending, so long ago that the broker no longer knows where.
            return self.acknowledge(part, -1, -1);
        }
        if code.needs_metadata_refresh() {
            let name = self.shared.accumulator.lock().topics[part.place.topic].name.clone();
            self.refresh.want(&name);
        }
        let out_of_order = [
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ErrorCode::UNKNOWN_PRODUCER_ID,
            ErrorCode::INVALID_PRODUCER_EPOCH,
        ];
        let error = Error::Broker {
            code,
            message: reply.error_message.clone(),
        };
        let in_order_again = self.shared.options.idempotent && out_of_order.contains(&code);
        if code == ErrorCode::MESSAGE_TOO_LARGE && self.records_of(part) > 1 {
            return self.split(part);
        }
        if (in_order_again || code.is_retriable()) && self.may_retry(part) {
            return self.retry(part, &error, in_order_again);
        }
        let sequences = self.partitions.get_mut(&part.place);
        let Some(batch) = sequences.and_then(|sequences| sequences.judge(part.ticket, Verdict::GivenUp)) else {
            return;
        };
        finish(&self.shared, &batch, refused(&batch, reply));
    }

    /// The request failed as a whole: it is not known whether it was carried out.
    fn on_failure(&mut self, part: Part, error: &Error) {
        let for_good = matches!(
            error,
            Error::Unsupported { .. } | Error::Request { .. } | Error::Config { .. }
        );
        if !for_good && self.may_retry(part) {
            let name = self.shared.accumulator.lock().topics[part.place.topic].name.clone();
            self.refresh.want(&name);
            return self.retry(part, error, false);
        }
        let sequences = self.partitions.get_mut(&part.place);
        let Some(batch) = sequences.and_then(|sequences| sequences.judge(part.ticket, Verdict::GivenUp)) else {
            return;
        };
        let failure = match for_good {
            true => SendError::Client(Arc::new(error.clone())),
            false => SendError::TimedOut {
                topic: batch.completion.topic.clone(),
                partition: part.place.partition,
                after: batch.created.elapsed(),
                last: Some(Box::new(error.clone())),
            },
        };
        finish(&self.shared, &batch, Outcome::Failed(failure));
    }

    fn acknowledge(&mut self, part: Part, base_offset: i64, log_append_time_ms: i64) {
        let sequences = self.partitions.get_mut(&part.place);
        if let Some(batch) = sequences.and_then(|sequences| sequences.judge(part.ticket, Verdict::Acknowledged)) {
            let outcome = Outcome::Placed {
                base_offset,
                log_append_time_ms,
            };
            finish(&self.shared, &batch, outcome);
        }
    }

    fn retry(&mut self, part: Part, error: &Error, out_of_order: bool) {
        let now_ms = self.millis(Instant::now());
        let Some(sequences) = self.partitions.get_mut(&part.place) else {
            return;
        };
        let Some(batch) = sequences.get_mut(part.ticket) else {
            return;
        };
        let wait = self.shared.options.retry.after(batch.attempts);
        batch.attempts = batch.attempts.saturating_add(1);
        batch.last = Some(error.clone());
        let not_before_ms = now_ms + wait.as_millis() as i64;
        self.shared.metrics.count_retry();
        sequences.judge(
            part.ticket,
            match out_of_order {
                true => Verdict::OutOfOrder { not_before_ms },
                false => Verdict::Retry { not_before_ms },
            },
        );
    }

    fn split(&mut self, part: Part) {
        let options = &self.shared.options;
        let Some(sequences) = self.partitions.get_mut(&part.place) else {
            return;
        };
        let Some(batch) = sequences.get_mut(part.ticket) else {
            return;
        };
        if batch.is_complete() {
            sequences.judge(part.ticket, Verdict::GivenUp);
            return;
        }
        let pieces = batch.split(options.batch_size, options.codec, &mut self.scratch);
        let number = batch.number;
        let mut first = 0;
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            parts.push((first, piece.completion.clone()));
            first += piece.records();
        }
        batch.completion.complete(Outcome::Split(parts));
        self.shared.accumulator.split(number, pieces.len());
        self.shared.metrics.count_split();
        let pieces = pieces.into_iter().map(|piece| {
            let records = piece.records() as i32;
            (piece, records)
        });
        sequences.judge(part.ticket, Verdict::Split(pieces.collect()));
    }

    fn records_of(&mut self, part: Part) -> u32 {
        let sequences = self.partitions.get_mut(&part.place);
        let batch = sequences.and_then(|sequences| sequences.get_mut(part.ticket));
        batch.map_or(0, |batch| batch.records())
    }

    fn may_retry(&mut self, part: Part) -> bool {
        let retries = self.shared.options.retries;
        let sequences = self.partitions.get_mut(&part.place);
        let batch = sequences.and_then(|sequences| sequences.get_mut(part.ticket));
        batch.is_some_and(|batch| batch.attempts < retries)
    }
}

/// The errors of a batch's records: each its own, if the broker named culprits (KIP-467).
fn refused(batch: &Batch, reply: PartitionProduceResponse) -> Outcome {
    let error = |code: ErrorCode, message: Option<String>| SendError::Broker {
        topic: batch.completion.topic.clone(),
        partition: batch.place.partition,
        code,
        message: message.filter(|message| !message.is_empty()),
    };
    if reply.record_errors.is_empty() {
        return Outcome::Failed(error(reply.error_code, reply.error_message));
    }
    let alone = reply.record_errors.len() == 1;
    let culprits = reply.record_errors.into_iter().filter_map(|culprit| {
        // Several may have failed of different things, of which the code names one.
        let code = if alone {
            reply.error_code
        } else {
            ErrorCode::INVALID_RECORD
        };
        let message = culprit
            .batch_index_error_message
            .or_else(|| reply.error_message.clone());
        Some((u32::try_from(culprit.batch_index).ok()?, error(code, message)))
    });
    let errors: BTreeMap<u32, SendError> = culprits.collect();
    let others = "the batch was refused for other records in it that are invalid".to_owned();
    Outcome::Culprits {
        errors,
        others: error(ErrorCode::INVALID_RECORD, Some(others)),
    }
}
