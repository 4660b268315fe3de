//! Batches as fast as a broker takes them.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use klamm_protocol::messages::ProduceResponse;
use klamm_protocol::{ErrorCode, frame};
use klamm_records::Compression;

use crate::batches::{Kind, PRODUCE_VERSION, Request};
use crate::connection::Connection;
use crate::figures::Done;
use crate::lanes;
use crate::options::Options;

/// Different batches of a connection, so that not every one lies in the processor's caches. All connections together
/// hold no more than `MEMORY`.
const DIFFERENT: usize = 4;
const MEMORY: usize = 64 << 20;

pub(crate) async fn run(options: &Options<'_>) -> Result<(), String> {
    let topic: String = options.get("topic")?;
    let acks: i16 = options.get_or("acks", 1)?;
    let partitions: usize = options.get("partitions")?;
    let connections: usize = options.get_or("connections", 1)?;
    let codec: String = options.get_or("codec", "none".to_owned())?;
    let kind = Kind {
        record_size: options.get("record-size")?,
        batch_size: options.get("batch-size")?,
        codec: Compression::from_name(&codec).ok_or_else(|| format!("there is no codec `{codec}`"))?,
    };
    let bootstrap: String = options.get("bootstrap")?;
    let in_flight = options.get_or("in-flight", 5)?;
    let left = Rc::new(Cell::new(options.get::<u64>("bytes")?));
    let different = (MEMORY / connections / kind.batch_size).clamp(1, DIFFERENT);
    let mut lanes = Vec::new();
    for at in 0..connections {
        let seeds = at * different..(at + 1) * different;
        lanes.push(Lane {
            connection: Connection::open(&bootstrap).await?,
            requests: seeds
                .map(|seed| Request::encode(&topic, acks, &kind, seed as u64))
                .collect::<Result<_, _>>()?,
            partitions: share(partitions, connections, at),
            left: left.clone(),
            in_flight: if acks == 0 { usize::MAX } else { in_flight },
            answered: acks != 0,
        });
    }
    lanes::run(lanes.into_iter().map(Lane::run)).await
}

/// The partitions of a connection: every n-th, or one that it shares with others when there are more connections.
pub(crate) fn share(partitions: usize, connections: usize, at: usize) -> Vec<i32> {
    (at % partitions..partitions)
        .step_by(connections)
        .map(|partition| partition as i32)
        .collect()
}

/// A connection and what it sends.
struct Lane {
    connection: Connection,
    requests: Vec<Request>,
    partitions: Vec<i32>,
    /// Bytes that nobody has sent yet.
    left: Rc<Cell<u64>>,
    in_flight: usize,
    answered: bool,
}

impl Lane {
    async fn run(mut self) -> Result<Done, String> {
        let mut done = Done::default();
        let (mut sent, mut answers) = (0_usize, 0_usize);
        loop {
            while self.left.get() > 0 && sent - answers < self.in_flight {
                let (count, partitions) = (self.requests.len(), self.partitions.len());
                let request = &mut self.requests[sent % count];
                request.address(sent as i32, self.partitions[sent % partitions]);
                self.left.set(self.left.get().saturating_sub(request.bytes as u64));
                done.add(Done {
                    bytes: request.bytes as u64,
                    records: request.records as u64,
                    requests: 1,
                });
                self.connection.send(&request.frame).await?;
                sent += 1;
            }
            if sent == answers || !self.answered {
                return Ok(done);
            }
            accepted(self.connection.receive().await?, answers as i32)?;
            answers += 1;
        }
    }
}

/// An answer that says that everything was taken.
pub(crate) fn accepted(answer: Bytes, expected: i32) -> Result<(), String> {
    let (correlation_id, answer) =
        frame::decode_response::<ProduceResponse>(answer, PRODUCE_VERSION).map_err(|error| error.to_string())?;
    if correlation_id != expected {
        return Err(format!("answer {correlation_id} instead of {expected}"));
    }
    for partition in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
        if partition.error_code != ErrorCode::NONE {
            return Err(format!("partition {}: {:?}", partition.index, partition.error_code));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_a_connection() {
        assert_eq!(share(5, 2, 0), [0, 2, 4]);
        assert_eq!(share(5, 2, 1), [1, 3]);
        assert_eq!(share(2, 3, 2), [0]);
        assert_eq!(share(1, 64, 63), [0]);
    }
}
