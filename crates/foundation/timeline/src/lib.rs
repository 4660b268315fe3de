//! State with snapshots by offset: what is written against what is committed.
//!
//! Owns [`Timeline`] and names the persistent collections that make its snapshots cheap.
//! Does not know what the state means, who writes it, or what an offset's record holds.
//! Entry: [`Timeline`]. Driven by the controller and by the coordinators' shard runtime, one timeline each.
//! Tests: `timeline/tests.rs`, a property test against a model that copies everything.
//!
//! # Why a snapshot is a clone
//! A coordinator or controller applies records to its memory when it writes them, but may answer reads only from what is
//! committed, and must be able to step back when an append fails. Kafka threads this need through every collection: its
//! `SnapshotRegistry` hands out epochs, and each timeline map keeps, per snapshot, the entries that were changed since.
//! Here the state is an ordinary `Clone` struct whose collections are persistent (they share all unchanged nodes with
//! their clones). A snapshot is then `state.clone()`: constant time, no registration, no per-collection bookkeeping, and
//! a read of an old state is an ordinary `&S`. The price is a path copy of the touched B-tree nodes on the first change
//! after each snapshot.
//!
//! Only ordered collections are named here: a hash map's order would follow a random seed, and kernel state must iterate
//! alike on every run.
//!
//! ```
//! use klamm_timeline::{OrdMap, Timeline};
//! let mut offsets = Timeline::new(OrdMap::new());
//! offsets.current_mut().insert("orders", 41);
//! offsets.snapshot(0);
//! offsets.current_mut().insert("orders", 42);
//! offsets.snapshot(1);
//! offsets.commit(0);
//! assert_eq!(offsets.committed()["orders"], 41);
//! assert_eq!(offsets.current()["orders"], 42);
//! offsets.revert_to(0);
//! assert_eq!(offsets.current()["orders"], 41);
//! ```
mod timeline;

pub use imbl::{OrdMap, OrdSet, Vector};
pub use timeline::{BEFORE_ALL, Timeline};
