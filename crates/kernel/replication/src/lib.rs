//! The state of one partition at the broker that holds a replica of it: role, leader epoch, ISR, high watermark.
//!
//! Owns who leads and how far records are committed. Does not know logs, sockets, clocks, or who asks.
//! Entry: [`PartitionState`], one per partition held here. Driven by `broker/partitions` and by the simulator.
//! Follows Kafka's replication protocol with leader epochs (KIP-101, KIP-320) and KRaft's partition records.
//! Tests: `tests.rs` beside the code.

mod partition_state;

pub use partition_state::{Assignment, LeaderEpochError, NotEnoughReplicas, NotLeader, PartitionState};
