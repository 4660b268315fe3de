//! Kafka's client in Rust: a producer, a consumer and the admin calls.
//!
//! Owns connections to brokers, what is known of the cluster, batches on their way and the membership of a group.
//! Knows nothing of how a broker works. Entry: [`Client`], [`Producer`], [`Consumer`], [`Admin`]. Driven by applications and by our tools.
//! Tests: `tests/it/`, against a node of ours or, by `KLAMM_TEST_BOOTSTRAP`, any Kafka.
//!
//! ```
//! # klamm_testkit::run(async |cluster| {
//! # let bootstrap = cluster.bootstrap();
//! use klamm_client::{Client, NewTopic, Producer, Record};
//!
//! let client = Client::connect(bootstrap).await?;
//! client.admin().create_topics(&[NewTopic::new("orders").partitions(3)], false).await?;
//! let producer = Producer::builder(&client).build().await?;
//! let placed = producer.send(Record::to("orders").key("42").value("paid")).await?;
//! println!("partition {}, offset {}", placed.partition, placed.offset);
//! producer.close().await?;
//! # Ok(()) });
//! ```
//!
//! # Concepts
//! - A [`Client`] is what the others share: connections, each broker's versions, the picture of the cluster, settings under the
//!   names of Java's clients ([`Properties`]). It is cheap to clone. Producers and consumers can also be built from an address.
//! - Every call answers for itself, with an error that says whether it can succeed later ([`Error::is_retriable`]). Calls about
//!   many things answer for each of them ([`Each`]).
//! - Futures can be dropped at any time. What that leaves undone is said at the call, under "Cancel safety".
//! - Nothing blocks a thread, and no `Drop` waits.
//!
//! # What it does not do yet
//! TLS and SASL, transactions, groups of KIP-848 (it describes them), share groups, ACLs, quotas and delegation tokens.

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
