//! Transactions: whose records were aborted, and which markers have nothing left to mark.
//!
//! The first is the same wherever one stands: the indexes tell from where to where an aborted transaction lies. The other
//! takes a pass in the order of the offsets, before the batches are gone through in the reverse order.
use std::collections::BTreeSet;

use klamm_records::{BatchHeader, ControlRecordType};

use crate::txn_index::AbortedEntry;

/// The aborted transactions of a log.
#[derive(Debug, Default)]
pub(crate) struct Aborted {
    /// By producer, and where they begin.
    entries: Vec<AbortedEntry>,
}

impl Aborted {
    pub(crate) fn new(mut entries: Vec<AbortedEntry>) -> Self {
        entries.sort_unstable_by_key(|entry| (entry.producer_id, entry.first_offset));
        Self { entries }
    }

    /// Whether a batch of data belongs to one of them.
    pub(crate) fn has(&self, header: &BatchHeader) -> bool {
        header.attributes.is_transactional() && self.around(header).is_some()
    }

    /// The one of this batch's producer in which it lies, its marker included.
    fn around(&self, header: &BatchHeader) -> Option<&AbortedEntry> {
        let begins_before = |entry: &AbortedEntry| {
            (entry.producer_id, entry.first_offset) <= (header.producer_id, header.last_offset())
        };
        let last = self.entries.partition_point(begins_before).checked_sub(1)?;
        let entry = &self.entries[last];
        (entry.producer_id == header.producer_id && entry.last_offset >= header.base_offset).then_some(entry)
    }
}

/// What a pass over some segments learns of transactions. Batches come in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    /// Producers whose transaction has batches here and has not ended yet.
    open: BTreeSet<i64>,
    /// Of each control batch whether no batch of its transaction is left.
    of_nothing: Bits,
    /// Aborted transactions whose marker stays: what the index of the new segment has to tell.
    retained: Vec<AbortedEntry>,
}

impl Markers {
    /// Begins where batches of these producers' transactions lie below, and their ends do not.
    pub(crate) fn new(open: BTreeSet<i64>) -> Self {
        Self {
            open,
            ..Self::default()
        }
    }

    /// Whether there were any.
    pub(crate) fn met_some(&self) -> bool {
        self.of_nothing.len > 0
    }

    /// Whose transactions are open behind the last batch.
    pub(crate) fn into_open(self) -> BTreeSet<i64> {
        self.open
    }

    pub(crate) fn on_data(&mut self, header: &BatchHeader) {
        if header.attributes.is_transactional() {
            self.open.insert(header.producer_id);
        }
    }

    /// Comes to a control batch with this record, or none.
    pub(crate) fn on_control(&mut self, header: &BatchHeader, record: Marker, aborted: &Aborted) {
        let of_nothing = match record {
            Marker::Of(ControlRecordType::Abort) => {
                let has_batches = self.open.remove(&header.producer_id);
                match aborted.around(header) {
                    Some(entry) if has_batches => {
                        self.retained.push(*entry);
                        false
                    }
                    _ => true,
                }
            }
            Marker::Of(ControlRecordType::Commit) => !self.open.remove(&header.producer_id),
            Marker::Of(_) | Marker::Unknown => false,
            Marker::None => true,
        };
        self.of_nothing.push(of_nothing);
    }

    /// Whether no batch is left of the transaction that the last control batch ends, or else the one before it when asked
    /// again, so that the marker may go once all readers have had time to see it.
    pub(crate) fn last_is_of_nothing(&mut self) -> bool {
        self.of_nothing.pop()
    }

    /// What the index of the segment that these become has to tell, in its order.
    pub(crate) fn retained(&self) -> &[AbortedEntry] {
        &self.retained
    }
}

/// Yes or no, many times.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    fn pop(&mut self) -> bool {
        self.len = self.len.checked_sub(1).expect("as often as pushed");
        let bit = self.words[self.len / 64] >> (self.len % 64) & 1 != 0;
        // What is pushed next finds its bit empty.
        self.words.truncate(self.len.div_ceil(64));
        if let Some(word) = self.words.get_mut(self.len / 64) {
            *word &= !(1 << (self.len % 64));
        }
        bit
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
        let aborted = Aborted::new(vec![entry(1, 30, 35), entry(2, 12, 18), entry(1, 10, 20)]);
        for (producer, offset, expected) in [
            (1, 5, false),
            (1, 10, true),
            (2, 11, false),
            (1, 19, true),
            (-1, 13, false),
            (2, 13, true),
            (3, 13, false),
            (1, 25, false),
            (1, 30, true),
            (1, 36, false),
            (2, 40, false),
        ] {
            assert_eq!(
                aborted.has(&header(producer, offset)),
                expected,
                "{producer} at {offset}"
            );
        }
        assert!(!Aborted::default().has(&header(1, 1)));
    }

    #[test]
    fn a_marker_may_go_when_there_is_nothing_to_mark() {
        let aborted = Aborted::new(vec![entry(1, 10, 20), entry(2, 12, 18), entry(1, 30, 35)]);
        let mut markers = Markers::new([3, 4].into());
        let mut expected = Vec::new();
        let mut end = |markers: &mut Markers, producer, offset, marker, of_nothing| {
            markers.on_control(&header(producer, offset), marker, &aborted);
            expected.push(of_nothing);
        };
        end(&mut markers, 3, 4, COMMIT, false);
        end(&mut markers, 3, 5, COMMIT, true);
        markers.on_data(&header(1, 5));
        end(&mut markers, 1, 6, COMMIT, false);
        markers.on_data(&header(1, 10));
        markers.on_data(&header(-1, 13));
        end(&mut markers, 2, 18, ABORT, true);
        end(&mut markers, 1, 20, ABORT, false);
        end(&mut markers, 1, 21, Marker::None, true);
        end(&mut markers, 1, 22, Marker::Unknown, false);
        end(&mut markers, 1, 23, Marker::Of(ControlRecordType::LeaderChange), false);
        markers.on_data(&header(9, 24));
        end(&mut markers, 9, 25, ABORT, true); // which no index knows
        for _ in 0..70 {
            markers.on_data(&header(1, 30));
            markers.on_data(&header(2, 31));
            end(&mut markers, 2, 32, COMMIT, false);
            end(&mut markers, 2, 33, COMMIT, true);
        }
        end(&mut markers, 1, 35, ABORT, false);
        assert_eq!(markers.retained(), [entry(1, 10, 20), entry(1, 30, 35)]);
        for expected in expected.into_iter().rev() {
            assert_eq!(markers.last_is_of_nothing(), expected);
        }
        assert!(!markers.met_some());
        assert_eq!(markers.into_open(), [4].into());
    }
}
