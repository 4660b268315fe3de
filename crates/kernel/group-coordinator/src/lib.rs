//! Classic consumer groups and their offsets: membership, generations, assignments handed round, commits and their expiry.
//!
//! Owns the state behind `__consumer_offsets`. Knows nothing of logs, sockets, clocks, topics' metadata or the controller's quorum.
//! Entry: [`GroupShard`], one per `__consumer_offsets` partition, inside a `klamm_coordinator::ShardRuntime`. Driven by `broker/coordinators`.
//! Follows Kafka 4's group coordinator (KIP-62, 134, 211, 345, 394, 496, 800, 814). Tests: `tests/it/`, scripts behind one check.
//!
//! # What is durable and what is not
//! [`GroupState`] is what the log says: per group the last `GroupMetadataValue` (generation, protocol, members with their
//! subscriptions and assignments) and the committed offsets. [`GroupShard`]'s handlers only read it; replaying a record is
//! all that changes it, and a failed append takes it back.
//!
//! The room `classic` holds what Kafka keeps in memory alone: who is joining, who waits for which reply, sessions, the state
//! between two generations. It exists only for groups that have members or expect some; its handlers mutate it as requests
//! and timers come in, and it is lost with the process. A group without such an entry is *Empty*, whatever its last record
//! says. From one room to the other there are two ways: loading the log makes entries for groups with members, and a finished
//! rebalance (an assignment, a replaced static member, the last one leaving) writes a record. An assignment reaches the
//! members only after that record is committed.
//!
//! # Groups of other kinds
//! Records of consumer, share and streams groups (KIP-848, 932, 1071) are left alone: they stay in the log, their groups' ids
//! are remembered, and no request makes a classic group of such an id or deletes it.
mod classic;
mod config;
mod describe;
mod error;
mod event;
mod group_deletion;
mod offsets;
mod records;
mod request;
mod shard;
mod state;

pub use classic::ClassicGroupState;
pub use config::GroupConfig;
pub use error::GroupError;
pub use event::GroupEvent;
pub use records::GroupRecord;
pub use request::{Client, GroupQuery, GroupReply, GroupRequest, JoinOptions};
pub use shard::{GroupPending, GroupShard, GroupTimer};
pub use state::{GroupState, OffsetAndMetadata};
