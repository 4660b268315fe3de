//! Coordinator shards: records and a reply from each request, the reply held back until the records are committed.
//!
//! Owns [`Shard`], [`ShardRuntime`], its timers, batches and parked replies. Knows no group, transaction, socket, log file or clock.
//! Entry: [`ShardRuntime`], one per partition of a coordinator's topic.
//! Driven by `broker/coordinators`: it brings requests, log chunks, append results, the high watermark and time, and carries out [`Effect`]s.
//! Tests: `runtime/tests.rs`, whole scripts over a toy shard; `timers.rs` beside the code.
//!
//! # One write, from request to reply
//! 1. [`ShardRuntime::write`] hands the request to [`Shard::handle`]; the records it returns are replayed into the state at once
//!    and join the open batch. Several requests of one driver step share a batch.
//! 2. [`ShardRuntime::flush`] emits [`Effect::Append`], one at a time; the driver appends and answers with
//!    [`ShardRuntime::on_appended`] or [`ShardRuntime::on_append_failed`]. The latter takes the state back through the timeline
//!    and fails every reply that saw it.
//! 3. [`ShardRuntime::on_high_watermark`] makes the state committed and lets the replies go.
//!
//! A reply that rests on no record of its own still waits for the records written before it: what it says may depend on them.
mod error;
mod loading;
mod runtime;
mod shard;
mod timers;

pub use error::{CoordinatorError, LoadError, RecordError};
pub use runtime::{Append, Effect, Outbox, ShardConfig, ShardRuntime, ShardStatus};
pub use shard::{Context, EncodedRecord, Shard, Then, TransactionOutcome, Write};
pub use timers::Timers;
