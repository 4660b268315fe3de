//! Compaction, as far as it needs no disk: what is dirty, which records stay, how fast it may go.
//!
//! A round of cleaning goes through a log from its end to its beginning. In the dirty part, which no round has cleaned yet,
//! it notes each key in a [`KeySet`](key_set::KeySet): a record whose key is there already has a later one and goes, be it in
//! the dirty part or below it. So each batch is decompressed once. What stays, as the [`Filter`](filter::Filter) says, goes
//! into new segments that take the old ones' places. Offsets never change.
//!
//! At each moment the log is cleaned down to some segment and as it was below it, and so it stays if the round does not get
//! to its end. Hence what keeps older records from being seen may only go when they are gone since an earlier round:
//! - a tombstone, only below the first dirty offset: there each key is there once, since a round that got to its end;
//! - a marker, only when nothing of its transaction was there when the round began. As long as something was, the index of
//!   aborted transactions tells of it too.
//!
//! When the set is full, the rest of the log is only asked for the keys in it. Then the round has cleaned what lies above the
//! last key that was noted, but not all of the dirty part: the next round notes the keys below, and when one comes to the
//! first dirty offset, all that the first of them began with is clean. Each notes a key at least, so there is a last one.
//!
//! The files are the log's part (`log/clean.rs`), the choice among logs the manager's (`manager/cleaning.rs`).
pub(crate) mod filter;
pub(crate) mod key_set;
pub(crate) mod newest;
pub(crate) mod plan;
mod status;
pub(crate) mod throttle;
pub(crate) mod transactions;

pub use status::{CleanerConfig, CleanerStatus, CleaningStats, Uncleanable};
