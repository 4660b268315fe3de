//! Classic membership: the soft state between the records.
//!
//! [`ClassicGroup`] is one group with members, [`Step`] one request or timer at work on it. A file per request:
//! `join`, `sync`, `heartbeat`, `leave`; what several of them lead to is in `rebalance`.
mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod sync;

pub(crate) use group::ClassicGroup;
pub use group::ClassicGroupState;
pub(crate) use join::{JoinGroup, ReplacedStaticMember};
pub(crate) use leave::leave_row;
pub(crate) use member::Member;
pub(crate) use rebalance::Step;
pub(crate) use sync::Assignment;
