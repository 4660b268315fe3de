//! A Klamm node inside your test: real sockets and files, nothing to install, ready in milliseconds.
//!
//! Owns a node's temporary directory and ports, and restarts it on them. Knows nothing of any API beyond the connection.
//! Entry: [`Cluster::start`], or [`Cluster::builder`] for a node with settings of its own. Driven by tests, ours and yours.
//! Tests: the examples here, and `tests/it/`.
//!
//! Any Kafka client works against it. Each cluster has an empty directory of its own and ports that the system chose, so
//! tests run side by side; dropped, it is gone with its data.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use klamm_protocol::messages::MetadataRequest;
//!
//! let cluster = klamm_testkit::Cluster::start().await?;
//! println!("bootstrap.servers={}", cluster.bootstrap());
//!
//! let mut client = cluster.client().await?;
//! let metadata = client.call_newest(&MetadataRequest::default()).await?;
//! assert_eq!(metadata.brokers.len(), 1);
//! # Ok(()) }
//! ```
//!
//! Settings are Kafka's, as in `server.properties`. Data outlives a restart, and also a node that was killed:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut cluster = klamm_testkit::Cluster::builder().set("num.partitions", "4").start().await?;
//! let bootstrap = cluster.bootstrap();
//! cluster.kill().await;                            // as if the process had been killed
//! cluster.restart().await?;                        // same data, same address
//! assert_eq!(cluster.bootstrap(), bootstrap);
//! # Ok(()) }
//! ```
//!
//! [`Cluster::proxy`] puts a [`Proxy`] before it, which makes requests fail, connections drop and replies late, and shows what
//! clients sent.
mod cluster;
mod proxy;
mod run;

pub use cluster::{Cluster, ClusterBuilder, TestkitError};
pub use proxy::{AnyApi, Fault, On, Proxy, Requests, Seen};
pub use run::run;
