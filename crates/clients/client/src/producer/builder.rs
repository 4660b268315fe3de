//! Settings on their way to a producer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use klamm_records::{Codec, Compression};

use super::batch::Batch;
use super::delivery::Outcome;
use super::options::{Acks, ProducerOptions};
use super::{Partitioner, Producer, SendError};
use crate::{Client, Error, Properties};

/// Where a producer takes its connections from: a client that is there, or one of its own for `host:port,host:port` or for
/// properties with `bootstrap.servers`.
#[derive(Clone, Debug)]
pub enum ProducerSource {
    /// A client that others use too.
    Client(Client),
    /// Settings of a client of its own.
    Properties(Properties),
}

impl From<&Client> for ProducerSource {
    fn from(client: &Client) -> Self {
        ProducerSource::Client(client.clone())
    }
}

impl From<Properties> for ProducerSource {
    fn from(properties: Properties) -> Self {
        ProducerSource::Properties(properties)
    }
}

impl From<String> for ProducerSource {
    fn from(bootstrap: String) -> Self {
        ProducerSource::Properties([("bootstrap.servers", bootstrap)].into_iter().collect())
    }
}

impl From<&str> for ProducerSource {
    fn from(bootstrap: &str) -> Self {
        bootstrap.to_owned().into()
    }
}

/// What became of a batch, for [`ProducerBuilder::on_delivery`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryReport<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// How many records the batch has. Batches of a partition are reported in the order of their records.
    pub records: u32,
    /// The offset of the first record (-1 if not known), or why they failed.
    pub result: Result<i64, &'a SendError>,
}

impl<'a> DeliveryReport<'a> {
    pub(super) fn new(batch: &'a Batch, outcome: &'a Outcome) -> DeliveryReport<'a> {
        let result = match outcome {
            Outcome::Placed { base_offset, .. } => Ok(*base_offset),
            Outcome::Failed(error) => Err(error),
            Outcome::Culprits { errors, others } => Err(errors.values().next().unwrap_or(others)),
            // Reported piece by piece.
            Outcome::Split(_) => Ok(-1),
        };
        DeliveryReport {
            topic: &batch.completion.topic,
            partition: batch.completion.partition,
            records: batch.records(),
            result,
        }
    }
}

pub(super) type DeliveryHook = Arc<dyn Fn(&DeliveryReport<'_>) + Send + Sync>;

/// Makes a [`Producer`].
///
/// Settings have the names, defaults and rules of Java's producer. Methods set the property of the same name; the last
/// setting of a property counts.
#[derive(Clone)]
pub struct ProducerBuilder {
    source: ProducerSource,
    properties: Properties,
    partitioner: Option<Partitioner>,
    buffer_records: usize,
    on_delivery: Option<DeliveryHook>,
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            properties,
            partitioner,
            buffer_records,
            on_delivery: _,
        } = self;
        f.debug_struct("ProducerBuilder")
            .field("source", source)
            .field("properties", properties)
            .field("partitioner", partitioner)
            .field("buffer_records", buffer_records)
            .finish_non_exhaustive()
    }
}

impl ProducerBuilder {
    pub(super) fn new(source: ProducerSource) -> ProducerBuilder {
        let properties = match &source {
            ProducerSource::Client(client) => client.properties().clone(),
            ProducerSource::Properties(properties) => properties.clone(),
        };
        ProducerBuilder {
            source,
            properties,
            partitioner: None,
            buffer_records: usize::MAX,
            on_delivery: None,
        }
    }

    /// Sets one property.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.set(key, value);
        self
    }

    /// Sets many properties, over those that are set.
    #[must_use]
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.extend(properties);
        self
    }

    /// How many acknowledgements a record needs: `acks`.
    #[must_use]
    pub fn acks(self, acks: Acks) -> Self {
        self.property("acks", acks.number().to_string())
    }

    /// How long a batch waits for more records: `linger.ms` (5).
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        self.property("linger.ms", linger.as_millis().to_string())
    }

    /// How large batches get, in bytes before compression: `batch.size` (16384).
    #[must_use]
    pub fn batch_size(self, bytes: usize) -> Self {
        self.property("batch.size", bytes.to_string())
    }

    /// How batches are compressed, at the codec's usual level: `compression.type`.
    #[must_use]
    pub fn compression(self, compression: Compression) -> Self {
        self.property("compression.type", compression.name())
    }

    /// How batches are compressed, and how hard: `compression.type` and `compression.{gzip,lz4,zstd}.level`.
    #[must_use]
    pub fn codec(self, codec: Codec) -> Self {
        let compression = codec.compression();
        let builder = self.compression(compression);
        match compression {
            Compression::None | Compression::Snappy => builder,
            _ => builder.property(format!("compression.{compression}.level"), codec.level().to_string()),
        }
    }

    /// How many bytes of records may wait or be under way: `buffer.memory` (32 MiB).
    #[must_use]
    pub fn buffer_memory(self, bytes: usize) -> Self {
        self.property("buffer.memory", bytes.to_string())
    }

    /// How many records may wait or be under way, besides the bound by bytes; without a bound unless set.
    #[must_use]
    pub fn buffer_records(mut self, records: usize) -> Self {
        self.buffer_records = records;
        self
    }

    /// How long after its batch was begun a record is given up: `delivery.timeout.ms` (120 s).
    #[must_use]
    pub fn delivery_timeout(self, timeout: Duration) -> Self {
        self.property("delivery.timeout.ms", timeout.as_millis().to_string())
    }

    /// How partitions are chosen: `partitioner.class`, or one of your own.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Into<Partitioner>) -> Self {
        self.partitioner = Some(partitioner.into());
        self
    }

    /// Calls `hook` once for each batch that was delivered or failed, on the producer's own task: it should be quick and
    /// must not block.
    #[must_use]
    pub fn on_delivery(mut self, hook: impl Fn(&DeliveryReport<'_>) + Send + Sync + 'static) -> Self {
        self.on_delivery = Some(Arc::new(hook));
        self
    }

    /// Starts the producer. Connects to nothing yet. Needs a tokio runtime with time and IO, which the producer's task
    /// runs on.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that a property must not have, or for settings that contradict each other.
    pub async fn build(self) -> Result<Producer, Error> {
        let mut options = ProducerOptions::read(&self.properties)?;
        if let Some(partitioner) = self.partitioner {
            options.partitioner = partitioner;
        }
        options.buffer_records = self.buffer_records;
        let client = match self.source {
            ProducerSource::Client(client) => client,
            ProducerSource::Properties(_) => crate::ClientBuilder::from_properties(self.properties).build()?,
        };
        Ok(Producer::start(client, options, self.on_delivery))
    }
}
