//! Sticky: as balanced as can be, moving as little as can be (KIP-54, KIP-341, KIP-881).
//!
//! If all members want the same topics, quotas suffice ([`constrained`]); if not, partitions are moved one by one until
//! nothing improves ([`general`]). Members, topics and partitions go by index in here; members' and topics' indices are
//! in the order of their names.

mod constrained;
mod general;
mod group;
mod movements;
mod racks;
mod user_data;

use std::collections::BTreeMap;

use crate::Assignor;
use crate::model::{Assigned, Members, Topics};
use group::{Claims, Group};
pub(crate) use user_data::{write_cooperative, write_sticky};

/// A partition: index of its topic, index in it.
type Partition = (usize, usize);

/// What one of the two ways comes to.
struct Outcome {
    /// By member.
    assigned: Vec<Vec<Partition>>,
    /// Partitions that change hands, and to whom; `None` if it was not kept count of.
    transferred: Option<BTreeMap<Partition, usize>>,
}

pub(crate) fn assign(assignor: Assignor, members: &Members, topics: &Topics) -> Assigned {
    if members.is_empty() {
        return Assigned::new();
    }
    let group = Group::new(assignor, members, topics);
    let claims = Claims::new(&group);
    let mut outcome = if group.all_want_the_same() {
        constrained::assign(&group, claims)
    } else {
        general::assign(&group, claims)
    };
    if assignor.is_cooperative() {
        let transferred = outcome
            .transferred
            .unwrap_or_else(|| group.transferred(&outcome.assigned));
        for (partition, member) in transferred {
            outcome.assigned[member].retain(|&assigned| assigned != partition);
        }
    }
    group.name(&outcome.assigned)
}
