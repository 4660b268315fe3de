//! Kafka's client in Rust: a producer, a consumer and the admin calls.
//!
//! Owns connections to brokers, what is known of the cluster, batches on their way and the membership of a group.
//! Knows nothing of how a broker works. Entry: [`Client`], `Producer`, `Consumer`, [`Admin`]. Driven by applications and by our tools.
//! Tests: `tests/it/`, against a node of ours or, by `KLAMM_TEST_BOOTSTRAP`, any Kafka.

mod admin;
mod client;
mod cluster;
mod connection;
pub mod consumer;
mod error;
pub mod producer;
mod properties;

pub use admin::*;
pub use client::{Client, ClientBuilder, Lane, Target};
pub use cluster::{Broker, ClusterMetadata, CoordinatorKind, MetadataTopics, PartitionMetadata, TopicMetadata};
pub use consumer::{CommitError, Consumer, ConsumerBuilder, ConsumerError, ConsumerRecord, Records};
pub use error::Error;
pub use producer::{Acks, Delivery, Producer, ProducerBuilder, Record, RecordMetadata, SendError};
pub use properties::Properties;

pub use klamm_assignors::TopicPartition;
pub use klamm_protocol::{ApiKey, ErrorCode, Uuid};
pub use klamm_records::{Codec, Compression};
