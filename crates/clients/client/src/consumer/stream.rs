//! Records one by one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use klamm_assignors::TopicPartition;
use tokio::time::Instant;

use super::handle::Consumer;
use super::partition::Partition;
use super::position::Position;
use super::record::{ConsumerRecord, Records};
use super::{ConsumerError, state::State};

type Polling = Pin<Box<dyn Future<Output = Result<Records, ConsumerError>> + Send>>;

/// How long one poll behind the stream waits.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The records of a consumer, as long as it lives. An error does not end it: what comes next may be good again, except
/// after [`ConsumerError::Closed`].
///
/// A record counts as done with, for auto-commit and for rebalances, when the next one is asked for. Records that the stream
/// holds when it is dropped are read again by whoever polls next.
#[must_use = "streams do nothing unless they are polled"]
pub struct RecordStream {
    consumer: Consumer,
    held: Held,
    polling: Option<Polling>,
    is_closed: bool,
}

/// The rest of a poll's records.
#[derive(Default)]
struct Held {
    records: std::vec::IntoIter<ConsumerRecord>,
    /// The partitions of the records and the seek that they belong to.
    stamps: BTreeMap<TopicPartition, u64>,
    /// Where the poll left off in each: past what is for nobody, such as the ends of transactions.
    ends: BTreeMap<TopicPartition, Position>,
}

impl RecordStream {
    pub(super) fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            held: Held::default(),
            polling: None,
            is_closed: false,
        }
    }

    /// The next record. As [`Stream::poll_next`], without the trait.
    ///
    /// # Errors
    /// Those of [`Consumer::poll`], but the end of the stream instead of [`ConsumerError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped, it loses no record: the next call goes on where it was. The record before counts as done with all the same.
    pub async fn next(&mut self) -> Option<Result<ConsumerRecord, ConsumerError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next of the held records that is still wanted. The one before is done with.
    fn next_held(&mut self) -> Option<ConsumerRecord> {
        if self.held.records.len() == 0 {
            return None;
        }
        let shared = self.consumer.shared.clone();
        let mut state = shared.state();
        state.acknowledge(Instant::now());
        if state.is_closed_off() {
            self.held.put_back(&mut state);
            drop(state);
            shared.acknowledged.notify_waiters();
            return None;
        }
        self.held.next(&mut state)
    }
}

impl Held {
    /// The positions go back to the first record of each partition.
    fn hold(&mut self, state: &mut State, records: Records) {
        self.stamps.clear();
        self.ends.clear();
        for records in records.by_partition() {
            let key = key_of(&records[0]);
            // A poll can come to a partition more than once.
            if self.ends.contains_key(&key) {
                continue;
            }
            if let Some(partition) = state.partitions.get_mut(&key) {
                self.ends.insert(key.clone(), partition.position);
                self.stamps.insert(key, partition.stamp);
                step_back(partition, &records[0]);
            }
        }
        self.records = records.into_iter();
    }

    fn next(&mut self, state: &mut State) -> Option<ConsumerRecord> {
        while let Some(record) = self.records.next() {
            let key = key_of(&record);
            let Some(stamp) = self.stamps.get(&key) else { continue };
            let Some(partition) = state.current(&key, *stamp) else {
                continue;
            };
            if partition.paused {
                // Rare enough to fetch it again.
                let epoch = record.leader_epoch().unwrap_or(-1);
                state.put_back(&key, *stamp, record.offset(), epoch);
                continue;
            }
            let is_last = !self.records.as_slice().iter().any(|later| later.is_of(&record));
            let end = self.ends.get(&key).filter(|_| is_last);
            partition.position = end.copied().unwrap_or_else(|| after(&record));
            state.hold(&key);
            return Some(record);
        }
        None
    }

    fn put_back(&mut self, state: &mut State) {
        let rest: Vec<ConsumerRecord> = std::mem::take(&mut self.records).collect();
        for record in rest {
            let key = key_of(&record);
            // The first of each partition: seeking to it makes the stamps of the others stale.
            if let Some(stamp) = self.stamps.remove(&key) {
                state.put_back(&key, stamp, record.offset(), record.leader_epoch().unwrap_or(-1));
            }
        }
    }
}

fn key_of(record: &ConsumerRecord) -> TopicPartition {
    TopicPartition {
        topic: record.shared_topic(),
        partition: record.partition(),
    }
}

fn after(record: &ConsumerRecord) -> Position {
    Position {
        offset: record.offset() + 1,
        leader_epoch: record.leader_epoch().unwrap_or(-1),
    }
}

fn step_back(partition: &mut Partition, first: &ConsumerRecord) {
    partition.position = Position {
        offset: first.offset(),
        leader_epoch: first.leader_epoch().unwrap_or(-1),
    };
}

impl Stream for RecordStream {
    type Item = Result<ConsumerRecord, ConsumerError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.is_closed {
                return Poll::Ready(None);
            }
            if self.polling.is_none()
                && let Some(record) = self.next_held()
            {
                return Poll::Ready(Some(Ok(record)));
            }
            let consumer = self.consumer.clone();
            let polling = self
                .polling
                .get_or_insert_with(|| Box::pin(async move { consumer.poll(PATIENCE).await }));
            let Poll::Ready(result) = polling.as_mut().poll(context) else {
                return Poll::Pending;
            };
            self.polling = None;
            match result {
                Ok(records) => {
                    let shared = self.consumer.shared.clone();
                    self.held.hold(&mut shared.state(), records);
                }
                Err(ConsumerError::Closed) => self.is_closed = true,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl Drop for RecordStream {
    fn drop(&mut self) {
        let shared = self.consumer.shared.clone();
        let mut state = shared.state();
        self.held.put_back(&mut state);
        drop(state);
        shared.fetcher.notify_one();
    }
}

#[cfg(test)]
mod tests;
