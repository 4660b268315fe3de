//! DescribeProducers (key 61), v0, flexible from v0. KIP-664.
//! Tells the idempotent and transactional producers that a partition's log remembers.

use klamm_controller::{is_valid_topic_name, reason_invalid};
use klamm_log::ActiveProducer;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use klamm_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::partition_errors::{hosted, leader_code};
use super::repeats::Repeats;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut repeats = Repeats::new();
    let mut partition = |topic: &str, index: i32| match repeats.allow((topic.to_owned(), index)) {
        true => describe(cx, topic, index),
        false => {
            let error = Repeats::<(String, i32)>::error();
            PartitionResponse {
                partition_index: index,
                error_code: error.code,
                error_message: error.message,
                ..Default::default()
            }
        }
    };
    let topics = request.topics.iter().map(|topic| TopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| partition(&topic.name, *index))
            .collect(),
        ..Default::default()
    });
    DescribeProducersResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn describe(cx: &RequestContext<'_>, topic: &str, partition_index: i32) -> PartitionResponse {
    let response = PartitionResponse {
        partition_index,
        error_message: None,
        ..Default::default()
    };
    let valid = match is_valid_topic_name(topic) {
        true => Ok(()),
        false => Err(ErrorCode::INVALID_TOPIC_EXCEPTION),
    };
    let producers = valid
        .and_then(|()| hosted(cx, topic, partition_index))
        .and_then(|partition| {
            partition.check_leader(None).map_err(|error| leader_code(&error))?;
            Ok(partition.log().active_producers())
        });
    let topic_is_known = cx.image.topics().by_name(topic).is_some();
    match producers {
        Ok(producers) => PartitionResponse {
            active_producers: producers.into_iter().map(state).collect(),
            ..response
        },
        Err(error_code) => PartitionResponse {
            error_code,
            error_message: message(topic, topic_is_known, error_code),
            ..response
        },
    }
}

/// What is said beside the code: nothing of a partition that a topic does not have.
fn message(topic: &str, topic_is_known: bool, error_code: ErrorCode) -> Option<String> {
    match error_code {
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            reason_invalid(topic).map(|reason| format!("Topic name is invalid: {reason}"))
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION if topic_is_known => None,
        other => Some(other.message().to_owned()),
    }
}

fn state(producer: ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.current_txn_start_offset.unwrap_or(-1),
        ..Default::default()
    }
}
