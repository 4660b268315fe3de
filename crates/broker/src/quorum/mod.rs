//! The metadata quorum of this node: joins `io/log`, `kernel/raft`, `kernel/controller` and the metadata loader.
//!
//! One thread owns them all. Requests come through a bounded queue ([`ControllerHandle`]); those that wait are taken together,
//! what they write is appended and synced once, and then, in this order: it is committed, the new [`MetadataImage`] reaches the
//! publishers and [`Quorum::image`], and the replies leave. A lone voter waits for nobody, so nothing lingers.
//!
//! On disk, in `__cluster_metadata-0` of the metadata log directory, all of it as Kafka has it: the log, `quorum-state`, and
//! `<offset>-<epoch>.checkpoint` snapshots; the one at offset 0 is what formatting has left for a new cluster to begin with.
//!
//! [`MetadataImage`]: klamm_metadata::MetadataImage

mod batches;
pub(crate) mod checkpoint;
mod error;
mod files;
mod handle;
mod log;
mod open;
mod owner;
mod state_file;
mod upkeep;

pub use error::QuorumError;
pub use handle::{ControllerHandle, MetadataPublisher};
pub use open::{Quorum, QuorumOptions, RunningQuorum};

#[cfg(test)]
mod tests;
