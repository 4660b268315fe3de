//! What a replica is at the moment; one file each. A replica outside the voter set is unattached or follower, and acts as `observer` says.

pub(crate) mod candidate;
pub(crate) mod follower;
pub(crate) mod leader;
pub(crate) mod observer;
pub(crate) mod prospective;
pub(crate) mod resigned;
pub(crate) mod unattached;
pub(crate) mod votes;

use candidate::Candidate;
use follower::Follower;
use leader::Leader;
use prospective::Prospective;
use resigned::Resigned;
use unattached::Unattached;

/// The state that belongs to a role and ends with it.
#[derive(Debug)]
pub(crate) enum Role {
    Unattached(Unattached),
    Prospective(Prospective),
    Candidate(Candidate),
    Leader(Box<Leader>),
    Follower(Follower),
    Resigned(Resigned),
}

/// What polling a role found.
pub(crate) enum Polled {
    /// The role changed, or may act at once: poll again.
    Again,
    /// Nothing before this time; never, if none.
    Until(Option<i64>),
}

/// The earlier of two deadlines.
pub(crate) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
