//! Producing: records are collected into batches, partition by partition, and sent by one task.

mod accumulator;
mod batch;
mod builder;
mod delivery;
mod error;
mod metrics;
mod murmur2;
mod options;
mod partitioner;
mod record;
mod sender;
mod sequences;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use self::accumulator::{Accumulator, Append, Room};
use self::builder::DeliveryHook;
use self::metrics::Counters;
use self::options::ProducerOptions;
use self::sender::Sender;
use crate::{Client, Error, MetadataTopics, PartitionMetadata, TopicMetadata};

pub use builder::{DeliveryReport, ProducerBuilder, ProducerSource};
pub use delivery::Delivery;
pub use error::SendError;
pub use metrics::ProducerMetrics;
pub use murmur2::murmur2;
pub use options::Acks;
pub use partitioner::{ChoosePartition, Partitioner, Partitions};
pub use record::{Data, Record, RecordMetadata};

/// Produces records. Cheap to clone; clones share the queues and the connections.
///
/// Records of one partition are written in the order of the calls, each exactly once as far as the broker's log goes, also
/// when requests are lost and repeated and leaders move (KIP-98). That is so unless `acks`, `retries` or
/// `enable.idempotence` are set otherwise.
///
/// What is not sent yet waits in memory, at most `buffer.memory` bytes of it; beyond that, [`send`](Producer::send) and
/// [`enqueue`](Producer::enqueue) wait. Call [`close`](Producer::close) at the end: when the last clone is dropped, records
/// that were not acknowledged yet are given up, without waiting.
///
/// ```
/// # klamm_testkit::run(async |cluster| {
/// use klamm_client::{Compression, Producer, Record};
///
/// let producer = Producer::builder(cluster.bootstrap()).compression(Compression::Zstd).build().await?;
/// let placed = producer.send(Record::to("orders").key("42").value("paid")).await?;
/// assert_eq!((placed.partition, placed.offset), (0, 0));
///
/// // Many at once: enqueue waits for room only, the acknowledgements can wait.
/// let mut deliveries = Vec::new();
/// for n in 0..1000 {
///     deliveries.push(producer.enqueue(Record::to("orders").value(format!("order {n}"))).await?);
/// }
/// for delivery in deliveries {
///     delivery.await?;
/// }
/// producer.close().await?;
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

/// Ends the sender's task with the last clone.
struct Inner {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the producer and the task of its sender share.
struct Shared {
    client: Client,
    options: ProducerOptions,
    accumulator: Accumulator,
    metrics: Counters,
    on_delivery: Option<DeliveryHook>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.accumulator.close();
        self.task.abort();
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("client", &self.inner.shared.client)
            .field("options", &self.inner.shared.options)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// Starts to describe a producer: for `host:port,host:port`, for a [`Client`], or for [`crate::Properties`].
    pub fn builder(source: impl Into<ProducerSource>) -> ProducerBuilder {
        ProducerBuilder::new(source.into())
    }

    fn start(client: Client, options: ProducerOptions, on_delivery: Option<DeliveryHook>) -> Producer {
        let shared = Arc::new(Shared {
            client,
            accumulator: Accumulator::new(&options),
            options,
            metrics: Counters::default(),
            on_delivery,
        });
        let task = tokio::spawn(Sender::new(shared.clone()).run()).abort_handle();
        Producer {
            inner: Arc::new(Inner { shared, task }),
        }
    }

    /// Sends one record and waits until it is acknowledged as `acks` asks; answers where it lies.
    ///
    /// One after the other this is slow, since each waits for its own request. Call it from many tasks at once, or use
    /// [`enqueue`](Producer::enqueue).
    ///
    /// # Errors
    /// Those of [`enqueue`](Producer::enqueue), when nothing was sent. Then [`SendError::Broker`] with what the broker
    /// answered, or [`SendError::TimedOut`] after `delivery.timeout.ms`: the record may have been written.
    ///
    /// # Cancel safety
    /// Dropped while it waits for room, it sends nothing. Dropped later, it does not take the record back.
    pub async fn send(&self, record: Record<'_>) -> Result<RecordMetadata, SendError> {
        self.enqueue(record).await?.await
    }

    /// Puts a record into the batch of its partition, waiting up to `max.block.ms` for room and for the topic to be known.
    /// The [`Delivery`] tells later what became of it.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; [`SendError::Invalid`]; [`SendError::Full`] and [`SendError::NoMetadata`] when
    /// `max.block.ms` is over; [`SendError::Broker`] for a topic that can't be; [`SendError::Closed`]. Nothing was sent.
    ///
    /// # Cancel safety
    /// Dropped before it is done, it sends nothing.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        let shared = &*self.inner.shared;
        let (bytes, timestamp) = shared.check(&record)?;
        let room = match shared.accumulator.try_reserve(bytes) {
            Some(room) => room,
            None => shared.accumulator.reserve(bytes, shared.options.max_block).await?,
        };
        match shared.append(&record, timestamp, room)? {
            Ok(delivery) => Ok(delivery),
            Err(room) => shared.append_to_unknown(&record, timestamp, room, Instant::now()).await,
        }
    }

    /// As [`enqueue`](Producer::enqueue), without waiting for anything.
    ///
    /// # Errors
    /// [`SendError::Full`] when there is no room now. [`SendError::NoMetadata`] when nothing was produced to the topic yet:
    /// the producer asks for it in the background. [`partitions_for`](Producer::partitions_for) avoids that beforehand.
    pub fn try_enqueue(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        let shared = &*self.inner.shared;
        let (bytes, timestamp) = shared.check(&record)?;
        let after = Duration::ZERO;
        let accumulator = &shared.accumulator;
        let Some(room) = accumulator.try_reserve(bytes) else {
            return Err(match accumulator.is_closed() {
                true => SendError::Closed,
                false => SendError::Full { after },
            });
        };
        if let Ok(delivery) = shared.append(&record, timestamp, room)? {
            return Ok(delivery);
        }
        accumulator.lock().wanted.insert(record.topic.to_string());
        accumulator.wake.notify_one();
        Err(SendError::NoMetadata {
            topic: record.topic.as_ref().into(),
            partition: record.partition,
            after,
            last: None,
        })
    }

    /// Sends what waits without lingering, and returns when every record that was enqueued before has been delivered or
    /// has failed. Which of the two, their deliveries tell.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the producer was closed before or meanwhile, and gave records up.
    ///
    /// # Cancel safety
    /// Dropped, it stops waiting; the records are sent all the same.
    pub async fn flush(&self) -> Result<(), SendError> {
        let shared = &self.inner.shared;
        shared.accumulator.flush().await;
        match self.inner.task.is_finished() {
            true => Err(SendError::Closed),
            false => Ok(()),
        }
    }

    /// Takes no more records, sends what waits and returns when all of it has been delivered or has failed, after
    /// `delivery.timeout.ms` at the latest. Closes it for all clones. Closing again does nothing.
    ///
    /// # Errors
    /// None as yet.
    ///
    /// # Cancel safety
    /// Dropped, it stops waiting; the producer takes no more records, but sends what it has.
    pub async fn close(&self) -> Result<(), SendError> {
        self.inner.shared.accumulator.close();
        self.inner.shared.accumulator.flush().await;
        self.inner.task.abort();
        Ok(())
    }

    /// The partitions of a topic, with their leaders. Creates the topic if the broker does that.
    ///
    /// # Errors
    /// [`SendError::NoMetadata`] when it is not there after `max.block.ms`; [`SendError::Broker`] for a topic that can't be.
    ///
    /// # Cancel safety
    /// Dropped, it stops asking; a request that was sent may still create the topic.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionMetadata>, SendError> {
        let shared = &*self.inner.shared;
        let found = shared.look_up(topic, None, Instant::now()).await?;
        Ok(found.partitions.clone())
    }

    /// What the producer has done so far.
    pub fn metrics(&self) -> ProducerMetrics {
        self.inner.shared.metrics.snapshot()
    }

    /// The client that the producer uses.
    pub fn client(&self) -> &Client {
        &self.inner.shared.client
    }
}

impl Shared {
    /// Refuses what can't be sent; answers the room and the time of the record.
    fn check(&self, record: &Record<'_>) -> Result<(usize, i64), SendError> {
        let invalid = |reason: String| Err(SendError::Invalid { reason });
        let timestamp = match record.timestamp {
            Some(timestamp) if timestamp < 0 => return invalid(format!("its timestamp is negative: {timestamp}")),
            Some(timestamp) => timestamp,
            None => now_ms(),
        };
        if let Some(partition) = record.partition.filter(|partition| *partition < 0) {
            return invalid(format!("its partition is negative: {partition}"));
        }
        let size = record.size_bound();
        let limits = [
            (
                self.options.max_request_size,
                size + klamm_records::BATCH_OVERHEAD,
                "max.request.size",
            ),
            (self.options.buffer_memory, size, "buffer.memory"),
        ];
        match limits.into_iter().find(|(limit, size, _)| size > limit) {
            Some((limit, size, property)) => Err(SendError::TooLarge { size, limit, property }),
            None => Ok((size, timestamp)),
        }
    }

    /// Adds a record; gives the room back if its topic or partition is not known.
    fn append<'a>(
        &self,
        record: &Record<'_>,
        timestamp: i64,
        room: Room<'a>,
    ) -> Result<Result<Delivery, Room<'a>>, SendError> {
        match self.accumulator.append(record, timestamp, &room, &self.options) {
            Append::Done(delivery) => {
                room.keep();
                Ok(Ok(delivery))
            }
            Append::Unknown => Ok(Err(room)),
            Append::Closed => Err(SendError::Closed),
        }
    }

    async fn append_to_unknown<'a>(
        &'a self,
        record: &Record<'_>,
        timestamp: i64,
        mut room: Room<'a>,
        begun: Instant,
    ) -> Result<Delivery, SendError> {
        loop {
            let known = self.look_up(&record.topic, record.partition, begun).await?;
            self.accumulator.lock().add(&known);
            match self.append(record, timestamp, room)? {
                Ok(delivery) => return Ok(delivery),
                // Chosen by a partitioner that does not keep to the partitions there are.
                Err(_) if record.partition.is_none() => {
                    let count = known.partitions.len();
                    let reason =
                        format!("the partitioner chose a partition that is not among the {count} of the topic");
                    return Err(SendError::Invalid { reason });
                }
                Err(back) => room = back,
            }
        }
    }

    /// What is known of a topic, asking until it is there with the partition that is needed.
    async fn look_up(
        &self,
        topic: &str,
        partition: Option<i32>,
        begun: Instant,
    ) -> Result<Arc<TopicMetadata>, SendError> {
        let after = self.options.max_block;
        let deadline = begun + after;
        let mut last = None;
        let mut failures = 0;
        loop {
            let names = MetadataTopics::names([topic]);
            let asked = async {
                let known = self.client.known_metadata();
                match known.topic(topic) {
                    Some(found) if failures == 0 && is_usable(found, partition) => Ok(known),
                    _ => self.client.refresh_metadata_creating(names).await,
                }
            };
            match timeout_at(deadline, asked).await {
                Err(_) => break,
                Ok(Err(error)) if error.is_retriable() => last = Some(Box::new(error)),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(known)) => match known.topic(topic) {
                    Some(found) if is_usable(found, partition) => return Ok(found.clone()),
                    Some(found) if found.error.is_err() && !found.error.is_retriable() => {
                        return Err(SendError::from(Error::Broker {
                            code: found.error,
                            message: None,
                        }));
                    }
                    found => {
                        let code = found.map(|found| found.error).filter(|code| code.is_err());
                        last = code.map(|code| Box::new(Error::Broker { code, message: None }));
                    }
                },
            }
            let wait = Instant::now() + self.options.retry.after(failures);
            failures += 1;
            tokio::time::sleep_until(wait.min(deadline)).await;
            if Instant::now() >= deadline || self.accumulator.is_closed() {
                break;
            }
        }
        if self.accumulator.is_closed() {
            return Err(SendError::Closed);
        }
        Err(SendError::NoMetadata {
            topic: topic.into(),
            partition,
            after,
            last,
        })
    }
}

fn is_usable(topic: &TopicMetadata, partition: Option<i32>) -> bool {
    let count = topic.partitions.len() as i32;
    topic.error.is_none() && count > 0 && partition.is_none_or(|partition| partition < count)
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
