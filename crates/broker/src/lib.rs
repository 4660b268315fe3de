//! A Kafka node, broker and controller: joins the kernel's state machines with `io` and answers requests.
//!
//! Owns connections, one handler per API, wiring and life cycle. Does not know how a log lies on disk or how a coordinator decides.
//! Entry: [`Node`] is what handlers share, `Server` starts and stops one. Driven by the `klamm` binary and by the testkit.
//! A request comes in at `connection`, is read and dispatched by `apis`, and is answered by `apis/<api>.rs`.
//! Tests: beside the code; whole nodes are tested through the testkit and by real clients in `tests/compat/`.
mod apis;
mod authorized_operations;
mod auto_topics;
mod clock;
mod config;
mod connection;
mod coordinators;
mod endpoints;
pub mod entropy;
mod fetch_sessions;
mod lifecycle;
mod loggers;
mod metrics;
mod node;
mod partitions;
mod producer_ids;
pub mod quorum;
pub mod reference;
mod request;
mod server;
mod standalone;
pub mod storage;
mod topics;

pub use clock::Clock;
pub use config::NodeConfig;
pub use endpoints::EndpointError;
pub use loggers::Loggers;
pub use metrics::{Metrics, MetricsError};
pub use node::Node;
pub use request::{After, ListenerInfo, RequestContext};
pub use server::{Server, StartError, StopError, Unformatted};
pub use standalone::Standalone;
