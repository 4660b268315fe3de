//! Both ends of a Kafka connection: listeners and limits, frames in, segments out, correlation.
//!
//! Owns sockets, the bounds on what a peer can make us hold, and `sendfile`. Knows nothing of what a request means, of logs or of configuration keys.
//! Entry: [`BoundListener`] and [`Connection`] for servers, [`Client`] for the other end.
//! Driven by `broker/connection`, by the testkit and by clients; everything runs on tokio.
//! Tests: `quotas/tests` and `memory/tests` beside the code, `tests/it/` over real sockets.
mod buffers;
mod client;
mod cold;
mod connection;
mod idle;
mod listener;
mod memory;
mod quotas;
mod segments;
mod write;

pub use client::{CallError, Client, ClientOptions, ConnectError};
pub use connection::{Connection, ConnectionOptions, Frame, ReadError};
pub use listener::{Accepted, BindError, BoundListener, Listener, SocketOptions};
pub use memory::{MemoryPermit, MemoryPool};
pub use quotas::{ConnectionLimits, ConnectionQuotas, ConnectionSlot, TooManyConnections};
pub use segments::{FileRegion, Segment, assemble};
pub use write::WriteError;
