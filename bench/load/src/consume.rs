//! Readers of whole topics, as fast as a broker lets them.

use bytes::Bytes;
use klamm_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::messages::{FetchRequest, FetchResponse};
use klamm_protocol::{ErrorCode, frame};

use crate::connection::Connection;
use crate::figures::Done;
use crate::lanes;
use crate::options::Options;
use crate::produce::share;

/// The last version that names topics.
pub(crate) const FETCH_VERSION: i16 = 12;
/// Of the offset, the length, and the offset of the last record in the header of a batch.
const LENGTH_AT: usize = 8;
const LAST_DELTA_AT: usize = 23;
const HEADER: usize = 61;
/// A fetch waits half a second for what a producer may still write; so many at most.
const WAIT_MS: i32 = 500;
const IN_VAIN: u32 = 40;

pub(crate) async fn run(options: &Options<'_>) -> Result<(), String> {
    let topic: String = options.get("topic")?;
    let partitions: usize = options.get("partitions")?;
    let connections: usize = options.get_or("connections", 1)?;
    let readers: usize = options.get_or("readers", 1)?;
    let bytes: u64 = options.get("bytes")?;
    let bootstrap: String = options.get("bootstrap")?;
    let mut lanes = Vec::new();
    for at in 0..connections * readers {
        let positions = share(partitions, connections, at % connections);
        lanes.push(Lane {
            connection: Connection::open(&bootstrap).await?,
            topic: topic.clone(),
            left: bytes / partitions as u64 * positions.len() as u64,
            positions: positions.into_iter().map(|partition| (partition, 0)).collect(),
            partition_bytes: options.get_or("partition-bytes", 1 << 20)?,
        });
    }
    lanes::run(lanes.into_iter().map(Lane::run)).await
}

/// A connection and what it reads.
struct Lane {
    connection: Connection,
    topic: String,
    /// Bytes that it has not read yet.
    left: u64,
    /// Partitions and the next offset of each.
    positions: Vec<(i32, i64)>,
    partition_bytes: i32,
}

impl Lane {
    async fn run(mut self) -> Result<Done, String> {
        let mut done = Done::default();
        let mut in_vain = 0;
        while self.left > done.bytes {
            let request = fetch(&self.topic, &self.positions, self.partition_bytes, WAIT_MS);
            let request = frame::encode_request(done.requests as i32, Some("klamm-load"), FETCH_VERSION, &request)
                .map_err(|error| error.to_string())?;
            self.connection.send(&request.bytes).await?;
            let read = self.answer().await?;
            in_vain = if read.bytes == 0 { in_vain + 1 } else { 0 };
            if in_vain > IN_VAIN {
                return Err(format!("{} bytes are missing", self.left - done.bytes));
            }
            done.add(read);
            // Partitions that were read take their turn behind the others.
            self.positions.rotate_left(1);
        }
        Ok(done)
    }

    async fn answer(&mut self) -> Result<Done, String> {
        let answer = self.connection.receive().await?;
        let (_, answer) =
            frame::decode_response::<FetchResponse>(answer, FETCH_VERSION).map_err(|error| error.to_string())?;
        let mut done = Done {
            requests: 1,
            ..Done::default()
        };
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            if partition.error_code != ErrorCode::NONE {
                return Err(format!(
                    "partition {}: {:?}",
                    partition.partition_index, partition.error_code
                ));
            }
            let records = partition.records.as_ref().and_then(|records| records.as_bytes());
            let position = self
                .positions
                .iter_mut()
                .find(|(at, _)| *at == partition.partition_index);
            let ((_, next), Some(records)) = (position.ok_or("a partition that was not asked for")?, records) else {
                continue;
            };
            let read = batches(records, next);
            done.bytes += read.bytes;
            done.records += read.records;
        }
        Ok(done)
    }
}

/// A request outside any session.
pub(crate) fn fetch(topic: &str, positions: &[(i32, i64)], partition_bytes: i32, max_wait_ms: i32) -> FetchRequest {
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 50 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: positions
                .iter()
                .map(|&(partition, fetch_offset)| FetchPartition {
                    partition,
                    fetch_offset,
                    current_leader_epoch: -1,
                    last_fetched_epoch: -1,
                    log_start_offset: -1,
                    partition_max_bytes: partition_bytes,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Counts whole batches and moves `next` behind them. The last one may be cut.
fn batches(records: &Bytes, next: &mut i64) -> Done {
    let mut done = Done::default();
    let number = |at: usize| i32::from_be_bytes([records[at], records[at + 1], records[at + 2], records[at + 3]]);
    let mut at = 0;
    while records.len() - at >= HEADER {
        let length = 12 + number(at + LENGTH_AT).max(0) as usize;
        if records.len() - at < length {
            break;
        }
        let base = (i64::from(number(at)) << 32) | i64::from(number(at + 4) as u32);
        let delta = i64::from(number(at + LAST_DELTA_AT));
        *next = base + delta + 1;
        done.bytes += length as u64;
        done.records += delta as u64 + 1;
        at += length;
    }
    done
}

#[cfg(test)]
mod tests {
    use klamm_records::{BatchBuilder, Compression};

    use super::*;

    #[test]
    fn whole_batches_count() {
        let batch = |base: i64| {
            let mut builder = BatchBuilder::new(Compression::None).base_offset(base);
            for _ in 0..3 {
                builder.push(1, None, Some(b"value"), &[]).unwrap();
            }
            builder.build()
        };
        let (first, second) = (batch(5_000_000_000), batch(5_000_000_003));
        let mut next = 0;
        let cut = [&first[..], &second[..], &first[..70]].concat();
        let done = batches(&cut.into(), &mut next);
        assert_eq!(next, 5_000_000_006);
        assert_eq!((done.bytes, done.records), ((first.len() + second.len()) as u64, 6));
        assert_eq!(batches(&Bytes::new(), &mut next).bytes, 0);
    }
}
