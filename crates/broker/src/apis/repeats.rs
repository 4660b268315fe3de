//! A bound on what one request may have told again and again: a few bytes that ask cost thousands that answer.

use std::collections::BTreeSet;

use klamm_controller::ControllerError;
use klamm_protocol::ErrorCode;

/// So many answers one request gets beyond those about different things that are there.
const MOST: usize = 1_000;

/// Counts what a request has already had told.
#[derive(Debug)]
pub(super) struct Repeats<K> {
    told: BTreeSet<K>,
    left: usize,
}

impl<K: Ord> Repeats<K> {
    pub(super) fn new() -> Self {
        Repeats {
            told: BTreeSet::new(),
            left: MOST,
        }
    }

    /// Whether something is told: the first time always, then as long as the request has answers left.
    pub(super) fn allow(&mut self, thing: K) -> bool {
        self.told.insert(thing) || self.allow_again()
    }

    /// The same for something of which there is no end, because any name stands for one.
    pub(super) fn allow_again(&mut self) -> bool {
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// What is said instead.
    pub(super) fn error() -> ControllerError {
        ControllerError::new(
            ErrorCode::INVALID_REQUEST,
            format!("One request is told the same {MOST} times at most."),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repeats_are_counted() {
        let mut repeats = Repeats::new();
        assert!((0..5_000).all(|thing| repeats.allow(thing)));
        assert!((0..MOST).all(|_| repeats.allow(7)));
        assert!(!repeats.allow(7) && !repeats.allow_again());
        assert!(repeats.allow(5_000));
    }
}
