//! OffsetForLeaderEpoch (key 23), v2-4, flexible from v4. KIP-101, KIP-279, KIP-320.
//! Says where a leader epoch ended: the log end for the current one, else where the next one began. A client or follower that
//! has gone further lost a race with a change of leader and has to go back there.

use klamm_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use klamm_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use klamm_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::partition_errors::{hosted, leader_code};
use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| OffsetForLeaderTopicResult {
        topic: topic.topic.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|ask| end_of_epoch(cx, &topic.topic, ask))
            .collect(),
        ..Default::default()
    });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn end_of_epoch(cx: &RequestContext<'_>, topic: &str, ask: &OffsetForLeaderPartition) -> EpochEndOffset {
    let response = EpochEndOffset {
        partition: ask.partition,
        ..Default::default()
    };
    let found = hosted(cx, topic, ask.partition).and_then(|partition| {
        partition
            .check_leader(Some(ask.current_leader_epoch))
            .map_err(|error| leader_code(&error))?;
        // Whoever has read nothing of any epoch has to begin at the start, which Kafka says of all that lies below.
        match ask.leader_epoch {
            ..-1 => Ok(Some((ask.leader_epoch, partition.log().log_start_offset()))),
            asked => Ok(partition
                .log()
                .end_offset_for_epoch(asked)
                .map(|end| (end.epoch, end.end_offset))),
        }
    });
    match found {
        Ok(Some((leader_epoch, end_offset))) => EpochEndOffset {
            leader_epoch,
            end_offset,
            ..response
        },
        Ok(None) => response,
        Err(error_code) => EpochEndOffset { error_code, ..response },
    }
}
