//! Compaction, as far as it needs no disk: what is dirty, which records stay, how fast it may go.
//!
//! A round of cleaning reads the dirty part of a log, from where the last round ended, and notes the last offset of each key
//! in an [`OffsetMap`](offset_map::OffsetMap). Then it copies the log from its beginning to where the map ends, record by
//! record as the [`Filter`](filter::Filter) says, into new segments that take the old ones' places. Offsets never change.
//! The files are the log's part (`log/clean.rs`), the choice among logs the manager's (`manager/cleaning.rs`).
pub(crate) mod filter;
pub(crate) mod offset_map;
pub(crate) mod plan;
mod status;
mod superseded;
pub(crate) mod throttle;
pub(crate) mod transactions;

pub use status::{CleanerConfig, CleanerStatus, CleaningStats, Uncleanable};
