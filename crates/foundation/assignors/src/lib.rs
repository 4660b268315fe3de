//! Owns how a group's partitions are shared out among its members, and the bytes in which members tell of it: the consumer protocol.
//! Does not know groups, generations in progress, coordinators or connections; an assignment is a function of its arguments.
//! Entry type: [`Assignor`], with [`Subscription`] and [`Assignment`] for the wire.
//! Driven by the client's group member when it is its group's leader.
//! Tests: beside the code, and in `tests/it/` against assignments that Apache Kafka's own assignors made (`tests/golden/`).

mod assignor;
mod java_order;
mod model;
mod range;
mod round_robin;
mod sticky;
mod wire;

pub use assignor::{Assignor, UnknownAssignor};
pub use model::{Assigned, Member, Members, PartitionRacks, TopicPartition, Topics};
pub use wire::{Assignment, ProtocolError, Subscription};
