//! Owns one replica of a KRaft quorum: epochs, votes with pre-vote, leadership, log replication by Fetch, the high watermark, the voter set.
//! Does not know metadata records, files, sockets, clocks or threads; the bytes of batches and snapshots pass through unread.
//! Entry type: [`Raft`]; it takes events with the time and leaves [`Effect`]s in an [`Outbox`].
//! Driven by `broker/quorum` in a node and by the simulation in tests; durability comes back as an event.
//! Tests: scripts beside the code in `raft/tests.rs`, a seeded simulation of whole quorums in `tests/it/`.

mod batch;
mod config;
mod control;
mod election_state;
mod elections;
mod following;
mod leading;
mod log_view;
pub mod messages;
mod outbox;
mod raft;
mod random;
mod replica_key;
mod requests;
mod roles;
mod transitions;
mod voter_set;

pub use batch::{Batch, ControlRecord, LeaderChange};
pub use config::RaftConfig;
pub use control::{BatchFault, encode_control_batch, parse_batches, snapshot_header};
pub use election_state::ElectionState;
pub use klamm_protocol::Uuid;
pub use log_view::{EpochStart, LogView, OffsetAndEpoch};
pub use outbox::{Effect, Outbox, RaftFault};
pub use raft::{AppendError, QuorumDescription, Raft, Recovered, ReplicaDescription, RoleName};
pub use replica_key::{Endpoint, Endpoints, Node, ReplicaKey};

pub use voter_set::{VoterNode, VoterSet};
