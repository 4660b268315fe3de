//! The active controller: requests that change the cluster's metadata turn into records and a reply.
//!
//! Owns the rules of Kafka's controller, one module per noun, and the state they decide on, committed and not.
//! Does not know how records are appended and committed, who asks over which connection, or what the time is.
//! Entry: [`Controller`]. Driven by the broker's quorum room: handler, append, [`Controller::replay`], commit, reply.
//! Tests: `tests/it/` has a script per noun, and the properties of replay over random histories.
mod activation;
mod brokers;
mod client_quotas;
mod configs;
mod controller;
mod controllers;
mod elections;
mod features;
mod heartbeats;
mod leadership;
mod partition_change;
mod partitions;
mod placement;
mod producer_ids;
mod random;
mod reassignments;
mod result;
mod scram;
mod state;
mod topic_name;
mod topics;

pub use controller::{Controller, ControllerConfig};
pub use producer_ids::PRODUCER_ID_BLOCK_SIZE;
pub use result::{BrokerContact, ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};
pub use topic_name::{is_valid_topic_name, reason_invalid};
