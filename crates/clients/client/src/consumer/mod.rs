//! The consumer: reads partitions, alone or as a member of a group.
//!
//! Three tasks work in the background: one is the member of the group (joins, heartbeats, rebalances), one finds positions
//! and fetches ahead of the user, one commits from time to time. They and the handle share one `state`, held for moments.
//!
//! A rebalance never takes partitions away under records that are being worked on: polls return nothing while partitions
//! change hands, and they do so only once the user has come back for more, or `max.poll.interval.ms` is over.

mod builder;
mod commits;
mod config;
mod error;
mod fetched;
mod fetcher;
mod group;
mod handle;
mod listener;
mod offsets;
mod partition;
mod position;
mod queries;
mod record;
mod session;
mod shared;
mod state;
mod stream;
mod subscription;

pub use builder::{ConsumerBuilder, ConsumerSource, OffsetReset};
pub use commits::OffsetAndMetadata;
pub use error::{CommitError, ConsumerError};
pub use handle::{Consumer, Joined};
pub use klamm_assignors::{Assignor, TopicPartition};
pub use klamm_records::{Header, Headers, TimestampType};
pub use listener::RebalanceListener;
pub use offsets::OffsetAndTimestamp;
pub use record::{ConsumerRecord, Records};
pub use stream::RecordStream;
