//! What happened to groups, for the node's log.

use std::fmt;

/// Something an operator looks for when a group misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// Members have to join again.
    Rebalancing {
        /// Group id.
        group: String,
        /// The generation that ends.
        generation: i32,
        /// Ours, and the client's own if it gave one (KIP-800).
        reason: String,
    },
    /// All members are known; the leader will assign.
    Joined {
        /// Group id.
        group: String,
        /// The generation that begins.
        generation: i32,
        /// How many members it has.
        members: usize,
    },
    /// The assignment is committed and with the members.
    Stable {
        /// Group id.
        group: String,
        /// The generation.
        generation: i32,
    },
    /// The last member is gone.
    Empty {
        /// Group id.
        group: String,
        /// The generation without members.
        generation: i32,
    },
    /// A member was removed.
    MemberRemoved {
        /// Group id.
        group: String,
        /// Member id.
        member: String,
        /// Why.
        reason: String,
    },
    /// A static member's instance id went over to a new member (KIP-345).
    StaticMemberReplaced {
        /// Group id.
        group: String,
        /// The instance id.
        instance: String,
        /// The member that is fenced now.
        old_member: String,
        /// The member in its place.
        new_member: String,
    },
    /// Offsets expired or lost their topic, or groups ended.
    CleanedUp {
        /// How many tombstones were written.
        tombstones: usize,
    },
}

impl fmt::Display for GroupEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebalancing {
                group,
                generation,
                reason,
            } => {
                write!(f, "group {group} rebalances after generation {generation}: {reason}")
            }
            Self::Joined {
                group,
                generation,
                members,
            } => {
                write!(f, "group {group} is in generation {generation} with {members} members")
            }
            Self::Stable { group, generation } => write!(f, "group {group} is stable in generation {generation}"),
            Self::Empty { group, generation } => write!(f, "group {group} is empty in generation {generation}"),
            Self::MemberRemoved { group, member, reason } => {
                write!(f, "group {group} loses member {member}: {reason}")
            }
            Self::StaticMemberReplaced {
                group,
                instance,
                old_member,
                new_member,
            } => {
                write!(
                    f,
                    "group {group} replaces member {old_member} of instance {instance} by {new_member}"
                )
            }
            Self::CleanedUp { tombstones } => write!(f, "wrote {tombstones} tombstones for offsets and groups"),
        }
    }
}
