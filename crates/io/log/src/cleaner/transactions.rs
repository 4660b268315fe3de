//! Transactions as a pass over the log meets them: whose records were aborted, and when a marker has nothing left to mark.
use std::collections::{BTreeMap, BTreeSet};

use klamm_records::{BatchHeader, ControlRecordType};

use crate::txn_index::AbortedEntry;

/// Transactions between the first batch of a pass and where it is now.
#[derive(Debug, Default)]
pub(crate) struct CleanedTransactions {
    /// Aborted transactions that the pass has not come to, the one that begins first at the end.
    ahead: Vec<AbortedEntry>,
    /// Those it is within, by producer, and whether a batch of it was seen.
    aborted: BTreeMap<i64, (AbortedEntry, bool)>,
    /// Producers whose transaction has batches here and was not aborted.
    committed: BTreeSet<i64>,
    /// Aborted transactions whose marker stays: what the index of the new segment has to tell.
    retained: Vec<AbortedEntry>,
}

impl CleanedTransactions {
    /// Begins a pass over a part of a log in which these transactions were aborted.
    pub(crate) fn new(mut aborted: Vec<AbortedEntry>) -> Self {
        aborted.sort_by_key(|entry| std::cmp::Reverse(entry.first_offset));
        Self {
            ahead: aborted,
            ..Self::default()
        }
    }

    /// Comes to a batch of data; says whether its transaction was aborted.
    pub(crate) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, seen)) => {
                *seen = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Comes to a control batch with this record, or none; says whether no batch of its transaction is left, so that the
    /// marker may go once all readers have had time to see it.
    pub(crate) fn on_control(&mut self, header: &BatchHeader, record: Marker) -> bool {
        self.reach(header.last_offset());
        match record {
            Marker::Of(ControlRecordType::Abort) => match self.aborted.remove(&header.producer_id) {
                Some((entry, true)) => {
                    self.retained.push(entry);
                    false
                }
                _ => true,
            },
            Marker::Of(ControlRecordType::Commit) => !self.committed.remove(&header.producer_id),
            Marker::Of(_) | Marker::Unknown => false,
            Marker::None => true,
        }
    }

    /// Takes what the index of the segment written so far has to tell.
    pub(crate) fn take_retained(&mut self) -> Vec<AbortedEntry> {
        std::mem::take(&mut self.retained)
    }

    fn reach(&mut self, offset: i64) {
        while let Some(entry) = self.ahead.pop_if(|entry| entry.first_offset <= offset) {
            self.aborted.entry(entry.producer_id).or_insert((entry, false));
        }
    }
}

/// What stands in a control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// A record of this type.
    Of(ControlRecordType),
    /// A record of a type that this version does not know.
    Unknown,
    /// Nothing: the record was removed by an earlier round, and the batch kept for its producer's sake.
    None,
}

#[cfg(test)]
mod tests {
    use klamm_records::{BatchBuilder, Compression};

    use super::*;

    fn entry(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedEntry {
        AbortedEntry {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        }
    }

    fn header(producer: i64, offset: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(offset)
            .producer(producer, 0, 0);
        if producer >= 0 {
            builder = builder.transactional();
        }
        builder.push(0, None, None, &[]).unwrap();
        BatchHeader::parse(&builder.build()).unwrap()
    }

    const ABORT: Marker = Marker::Of(ControlRecordType::Abort);
    const COMMIT: Marker = Marker::Of(ControlRecordType::Commit);

    #[test]
    fn batches_belong_to_the_transaction_that_their_offset_lies_in() {
        let mut pass = CleanedTransactions::new(vec![entry(1, 10, 20), entry(2, 12, 18), entry(1, 30, 35)]);
        assert!(!pass.on_data(&header(1, 5)), "committed before");
        assert!(!pass.on_control(&header(1, 6), COMMIT), "marks a batch");
        assert!(pass.on_data(&header(1, 10)));
        assert!(!pass.on_data(&header(2, 11)));
        assert!(!pass.on_control(&header(2, 11), COMMIT));
        assert!(!pass.on_data(&header(-1, 13)), "outside of transactions");
        assert!(pass.on_control(&header(2, 18), ABORT), "nothing of it was seen");
        assert!(!pass.on_control(&header(1, 20), ABORT));
        assert_eq!(pass.take_retained(), [entry(1, 10, 20)]);
        assert!(!pass.on_data(&header(1, 25)));
        assert!(!pass.on_control(&header(1, 26), COMMIT));
        assert!(pass.on_data(&header(1, 30)));
        assert!(!pass.on_control(&header(1, 35), ABORT));
        assert_eq!(pass.take_retained(), [entry(1, 30, 35)]);
    }

    #[test]
    fn a_marker_may_go_when_there_is_nothing_to_mark() {
        let mut pass = CleanedTransactions::new(vec![entry(1, 10, 20)]);
        assert!(pass.on_control(&header(3, 4), COMMIT));
        assert!(pass.on_control(&header(1, 20), ABORT));
        assert!(pass.on_control(&header(1, 21), Marker::None));
        assert!(!pass.on_control(&header(1, 22), Marker::Unknown));
        assert!(!pass.on_control(&header(1, 23), Marker::Of(ControlRecordType::LeaderChange)));
        assert!(pass.on_control(&header(9, 24), ABORT), "an abort that no index knows");
        assert_eq!(pass.take_retained(), []);
    }
}
