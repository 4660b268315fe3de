//! Batches of idempotent producers that the disk did not take.
//!
//! Of a producer that the log knows nothing of any sequence is taken, as in Kafka. Kafka's directory is offline after a write that
//! failed; here a full disk leaves it in service, and a later batch that was in flight behind a large one may fit. Its success
//! would tell the client that all before it were written. So the log waits for the one that was not.
use std::collections::BTreeMap;

use klamm_records::BatchHeader;

/// Most producers that are known; the oldest ids go first.
const PRODUCERS_MAX: usize = 10_000;

/// Epoch and first sequence of the first batch that was not taken, by producer.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    by_id: BTreeMap<i64, (i16, i32)>,
}

impl Refused {
    pub(super) fn note(&mut self, batch: &BatchHeader) {
        if !batch.has_producer_id() || batch.base_sequence < 0 {
            return; // an end marker has no sequence
        }
        let found = (batch.producer_epoch, batch.base_sequence);
        let first = self.by_id.entry(batch.producer_id).or_insert(found);
        let is_later = found.0 == first.0 && is_behind(found.1, first.1);
        if found.0 >= first.0 && !is_later {
            *first = found;
        }
        while self.by_id.len() > PRODUCERS_MAX {
            self.by_id.pop_first();
        }
    }

    /// The producer's next batch was taken.
    pub(super) fn forget(&mut self, producer_id: i64) {
        if !self.by_id.is_empty() {
            self.by_id.remove(&producer_id);
        }
    }

    /// Whether another batch, which was not taken, has to come before this one.
    pub(super) fn has_gap_before(&self, batch: &BatchHeader) -> bool {
        self.by_id
            .get(&batch.producer_id)
            .is_some_and(|(epoch, first)| batch.producer_epoch == *epoch && is_behind(batch.base_sequence, *first))
    }
}

/// Whether a sequence comes behind another of the same epoch; 0 comes behind `i32::MAX`, and what is in flight is never far apart.
fn is_behind(sequence: i32, first: i32) -> bool {
    let distance = sequence.wrapping_sub(first) & i32::MAX;
    (1..1 << 30).contains(&distance)
}

#[cfg(test)]
mod tests {
    use super::is_behind;

    #[test]
    fn sequences_begin_anew_behind_the_largest() {
        assert!(is_behind(6, 5) && !is_behind(5, 6) && !is_behind(5, 5));
        assert!(is_behind(0, i32::MAX) && is_behind(3, i32::MAX - 3));
        assert!(!is_behind(i32::MAX, 0) && !is_behind(i32::MAX - 3, 3));
    }
}
