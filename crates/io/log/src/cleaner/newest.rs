//! Which records of data have no later one of their key: told batch by batch, from the end of a log to its beginning.
use std::ops::Range;

use klamm_records::{BatchHeader, RECORDS_AT_ONCE, RecordKeys, RecordsError};

use super::key_set::{Hash, KeySet, Noted};
use crate::faults::{self, Fault};

/// A record of the batch at hand.
#[derive(Clone, Copy, Debug)]
struct Seen {
    hash: Hash,
    offset: i64,
    /// Whether a later record of its key counts.
    can_be_superseded: bool,
    /// Whether it stays if there is none.
    stays: bool,
}

/// The keys of the dirty part, as far as one has come down.
///
/// In the part below it each key is there once: its keys are asked for, and not noted. When the set of keys is full, the rest
/// is only asked for too: what goes is right, only not all that could go does.
#[derive(Debug)]
pub(crate) struct Newest {
    keys: KeySet,
    dirty: Range<i64>,
    clean_from: Option<i64>,
    /// Records of the batch at hand, as long as the largest batch has some.
    seen: Vec<Seen>,
    /// Which of them stay, a bit each, those read together in one word.
    stay: Vec<u32>,
}

/// What there is to say of a batch, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) read: usize,
    /// None of them stays.
    pub(crate) all_go: bool,
    /// Records without a key, which no compacted topic should have; they go.
    pub(crate) without_key: usize,
}

impl Newest {
    /// Begins where `dirty` ends, with a set without keys. What lies behind is not touched.
    pub(crate) fn new(keys: KeySet, dirty: Range<i64>) -> Self {
        Self {
            keys,
            dirty,
            clean_from: None,
            seen: Vec::new(),
            stay: Vec::new(),
        }
    }

    /// Says which records of a batch stay, for [`stay`](Self::stay) to tell. Batches come in the reverse order of their
    /// offsets. `horizon_passed`: tombstones may go. Not those of the dirty part: an older record of their key may be
    /// left where an earlier round was interrupted, and in this one older records go later.
    pub(crate) fn judge(&mut self, records: RecordKeys<'_>, horizon_passed: bool) -> Result<Judged, RecordsError> {
        self.seen.clear();
        self.stay.clear();
        let mut without_key = 0;
        for record in records {
            let record = record?;
            let is_beyond = record.offset >= self.dirty.end;
            let may_go = record.offset < self.dirty.start || faults::is_on(Fault::DropDirtyTombstone);
            without_key += usize::from(record.key.is_none() && !is_beyond);
            let is_due = !record.has_value && horizon_passed && may_go;
            self.seen.push(Seen {
                hash: record.key.map_or(Hash::default(), |key| self.keys.hash(key)),
                offset: record.offset,
                can_be_superseded: record.key.is_some() && !is_beyond,
                stays: is_beyond || (record.key.is_some() && !is_due),
            });
        }
        for at in (0..self.seen.len()).step_by(RECORDS_AT_ONCE).rev() {
            let together = at..(at + RECORDS_AT_ONCE).min(self.seen.len());
            self.keys
                .fetch(self.seen[together.clone()].iter().map(|seen| seen.hash));
            let mut stay = 0;
            for (bit, at) in together.enumerate().rev() {
                let seen = self.seen[at];
                let superseded = seen.can_be_superseded && !self.is_newest(&seen);
                stay |= u32::from(seen.stays && !superseded) << bit;
            }
            self.stay.push(stay);
        }
        self.stay.reverse();
        Ok(Judged {
            read: self.seen.len(),
            all_go: self.stay.iter().all(|stay| *stay == 0),
            without_key,
        })
    }

    /// Whether records of a batch lie in the dirty part.
    pub(crate) fn is_dirty(&self, header: &BatchHeader) -> bool {
        header.last_offset() >= self.dirty.start && header.base_offset < self.dirty.end
    }

    /// Whether no record of its key came before, which is a later one. Notes it.
    #[inline]
    fn is_newest(&mut self, seen: &Seen) -> bool {
        let is_forgotten = faults::is_on(Fault::ForgetKey) && seen.offset % 8 == 0;
        if !self.dirty.contains(&seen.offset) || self.clean_from.is_some() || is_forgotten {
            return !self.keys.contains(seen.hash);
        }
        match self.keys.insert(seen.hash) {
            Noted::New => true,
            Noted::Known => false,
            Noted::Full => {
                self.clean_from = Some(seen.offset + 1);
                true
            }
        }
    }

    /// Which records of the last batch stay: of the first [`RECORDS_AT_ONCE`] of them, the next ones, and so on.
    pub(crate) fn stay(&self) -> &[u32] {
        &self.stay
    }

    /// From where on each key is there once, `None`: all keys were noted. Above the first dirty offset, and below where it
    /// began, if it met any record with a key.
    pub(crate) fn clean_from(&self) -> Option<i64> {
        self.clean_from
    }

    /// Which part of the memory for keys is used, 0 to 1.
    pub(crate) fn utilization(&self) -> f64 {
        self.keys.utilization()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use klamm_records::{Batch, BatchBuilder, Compression, Scratch};

    use super::*;

    fn judge(newest: &mut Newest, records: &[(i64, u64)]) -> Vec<i64> {
        let mut builder = BatchBuilder::new(Compression::Lz4).base_offset(records[0].0);
        for (offset, key) in records {
            let pushed = builder.push_at(*offset, 0, Some(&key.to_be_bytes()), Some(b"v"), &[]);
            pushed.unwrap();
        }
        let batch = builder.build();
        let batch = Batch::parse(&batch).unwrap();
        let mut scratch = Scratch::new();
        let keys = batch.keys(&mut scratch, usize::MAX).unwrap();
        let judged = newest.judge(keys, false).unwrap();
        let stays = |at: &usize| newest.stay()[at / 32] >> (at % 32) & 1 != 0;
        let stay: Vec<_> = (0..records.len()).filter(stays).map(|at| records[at].0).collect();
        assert_eq!((judged.read, judged.all_go), (records.len(), stay.is_empty()));
        stay
    }

    /// Round after round as the manager has them, whatever the memory.
    #[test]
    fn of_each_key_the_last_record_stays_after_some_rounds() {
        for (bytes, distinct, most) in [(1 << 20, 300, 1), (16 * 64, 300, 12), (16 * 12, 40, 20), (0, 20, 20)] {
            let key = |offset: i64| (offset * offset % distinct).unsigned_abs();
            let batches: Vec<(i64, i64)> = (0..40).map(|at| (at * 50, (at + 1) * 50 - at % 3)).collect();
            let offsets = || batches.iter().flat_map(|(first, end)| *first..*end);
            let last: BTreeMap<u64, i64> = offsets().map(|offset| (key(offset), offset)).collect();
            let mut left: Vec<i64> = offsets().collect();
            let (mut end, mut rounds) = (2_000, 0);
            loop {
                rounds += 1;
                let set = KeySet::new(bytes, 0.9, 2_000, [1, rounds]);
                let mut newest = Newest::new(set, 0..end);
                let mut stay = Vec::new();
                for (first, next) in batches.iter().rev() {
                    let there = left.iter().filter(|offset| (*first..*next).contains(offset));
                    let records: Vec<_> = there.map(|offset| (*offset, key(*offset))).collect();
                    if !records.is_empty() {
                        stay.extend(judge(&mut newest, &records));
                    }
                }
                stay.sort_unstable();
                left = stay;
                match newest.clean_from() {
                    Some(from) => assert!(from < std::mem::replace(&mut end, from), "it gets on"),
                    None => break,
                }
            }
            assert!(rounds <= most * 2, "{rounds} with {bytes}");
            let mut expected: Vec<_> = last.into_values().collect();
            expected.sort_unstable();
            assert_eq!(left, expected);
        }
    }
}
