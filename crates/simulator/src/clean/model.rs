//! What a compacted partition was told: every record at its offset, and what became of its transaction.
use std::collections::{BTreeMap, BTreeSet};

/// How long tombstones and markers stay from the cleaning on that meets them first.
pub(super) const DELETE_RETENTION_MS: i64 = 50_000;

/// A record as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: String,
    /// `None` is a tombstone.
    pub(super) value: Option<String>,
    /// The producer whose transaction it is part of.
    pub(super) transaction: Option<i64>,
}

/// What is written at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Records {
        producer: i64,
        /// Sequence number of the last record.
        last_sequence: i32,
        records: Vec<Record>,
    },
    /// The end of a producer's transaction, and whether it was committed.
    End { producer: i64, committed: bool },
}

impl Entry {
    pub(super) fn len(&self) -> i64 {
        match self {
            Entry::Records { records, .. } => records.len() as i64,
            Entry::End { .. } => 1,
        }
    }
}

/// A partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// By base offset, without gaps: what the log holds, or has held before it was compacted.
    entries: BTreeMap<i64, Entry>,
    /// Whatever was ever handed to the log at an offset: what a crash may bring back.
    tried: BTreeMap<i64, Vec<Entry>>,
    pub(super) end: i64,
    pub(super) flushed: i64,
    /// Where a truncation that failed would have ended.
    half_cut: Option<i64>,
    /// Where the log ended at each cleaning, and when that was, milliseconds.
    cleanings: Vec<(i64, i64)>,
}

/// A record as a consumer with `read_committed` gets it.
pub(super) type Read = (i64, String, Option<String>);

/// All that lies in the log.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By base offset: batches that have all their records, which say what was written at once.
    pub(super) whole: BTreeMap<i64, Entry>,
    /// Records of data, be they committed or not.
    pub(super) records: Vec<Read>,
    /// Of each producer the last sequence number.
    pub(super) last_sequences: BTreeMap<i64, i32>,
}

impl Partition {
    pub(super) fn tries(&mut self, entry: &Entry) {
        self.tried.entry(self.end).or_default().push(entry.clone());
    }

    pub(super) fn appended(&mut self, entry: Entry) {
        let base = self.end;
        self.end += entry.len();
        self.entries.insert(base, entry);
    }

    pub(super) fn truncated(&mut self, asked: i64, end: i64) -> Result<(), String> {
        // A batch that straddles the offset goes whole; one that compaction has removed may have been it.
        let kept = |(base, entry): (&i64, &Entry)| base + entry.len() <= asked;
        let expected = self.entries.iter().take_while(|at| kept((at.0, at.1))).last();
        let least = expected.map_or(0, |(base, entry)| base + entry.len());
        if end > asked || end < least {
            return Err(format!("cut to {asked} it ends at {end}, {least} at least were below"));
        }
        self.cut(end);
        Ok(())
    }

    fn cut(&mut self, end: i64) {
        // What straddles the new end is a hole now, as if compaction had taken it.
        self.entries.retain(|base, entry| base + entry.len() <= end);
        self.end = end;
        self.flushed = self.flushed.min(end);
        for cleaning in &mut self.cleanings {
            cleaning.0 = cleaning.0.min(end);
        }
    }

    /// A cleaning begins, which may get as far as to the log's end.
    pub(super) fn cleaning(&mut self, now_ms: i64) {
        self.cleanings.push((self.end, now_ms));
    }

    /// Where no cleaning has been yet.
    pub(super) fn untouched_from(&self) -> i64 {
        self.cleanings.iter().map(|(end, _)| *end).max().unwrap_or(0)
    }

    /// Whether what is to go some time may be gone: so long after the first cleaning that met it.
    fn may_be_gone(&self, offset: i64, now_ms: i64) -> bool {
        let met = self.cleanings.iter().find(|(end, _)| offset < *end);
        met.is_some_and(|(_, at_ms)| now_ms >= at_ms + DELETE_RETENTION_MS)
    }

    pub(super) fn truncated_in_part(&mut self, asked: i64) {
        let mut kept = self
            .entries
            .iter()
            .filter(|(base, entry)| **base + entry.len() <= asked);
        let end = kept.next_back().map_or(0, |(base, entry)| base + entry.len());
        self.half_cut = Some(end);
        self.flushed = self.flushed.min(end);
    }

    /// Transactions that are not at their end, by producer.
    pub(super) fn open(&self) -> BTreeSet<i64> {
        let mut open = BTreeSet::new();
        for entry in self.entries.values() {
            match entry {
                Entry::Records { records, .. } => open.extend(records.iter().filter_map(|record| record.transaction)),
                Entry::End { producer, .. } => drop(open.remove(producer)),
            }
        }
        open
    }

    /// After a start that found the log end at `end`: what lies above it is lost, and what lies below may be something else
    /// that was tried there and reported as failed.
    pub(super) fn restarted(&mut self, end: i64, power_cut: bool, found: &BTreeMap<i64, Entry>) -> Result<(), String> {
        let least = match (power_cut, self.half_cut.take()) {
            (true, _) => self.flushed,
            (false, Some(half_cut)) => half_cut,
            (false, None) => self.end,
        };
        if end < least {
            return Err(format!("it ends at {end}, {least} at least were to be there"));
        }
        for (base, entry) in found {
            if self.entries.get(base) == Some(entry) {
                continue;
            }
            if !self.tried.get(base).is_some_and(|tried| tried.contains(entry)) {
                return Err(format!("at {base} stands {entry:?}, which was never written there"));
            }
            if *base < least && self.entries.contains_key(base) {
                return Err(format!("at {base} stands {entry:?}, which was replaced"));
            }
            self.entries.insert(*base, entry.clone());
        }
        if power_cut {
            // Of what was not flushed anything may be lost; none of it was compacted, which flushes first.
            self.entries
                .retain(|base, entry| base + entry.len() <= least || found.contains_key(base));
        }
        self.cut(end);
        Ok(())
    }

    /// What committed readers may see below `limit`, and whether each is its key's last.
    fn committed(&self, limit: i64) -> Vec<Read> {
        let mut pending: BTreeMap<i64, Vec<Read>> = BTreeMap::new();
        let mut committed = Vec::new();
        for (base, entry) in &self.entries {
            match entry {
                Entry::Records { records, .. } => {
                    for (offset, record) in (*base..).zip(records) {
                        let read = (offset, record.key.clone(), record.value.clone());
                        match record.transaction {
                            Some(producer) => pending.entry(producer).or_default().push(read),
                            None => committed.push(read),
                        }
                    }
                }
                Entry::End {
                    producer,
                    committed: true,
                } => {
                    committed.extend(pending.remove(producer).unwrap_or_default());
                }
                Entry::End {
                    producer,
                    committed: false,
                } => drop(pending.remove(producer)),
            }
        }
        committed.retain(|read| read.0 < limit);
        committed.sort_by_key(|read| read.0);
        committed
    }

    /// Compares with what lies in the log: what was not cleaned is whole, markers stay until their time comes, and of each
    /// producer the last batch of data tells where it was.
    pub(super) fn check_found(&self, found: &Found, now_ms: i64) -> Result<(), String> {
        for (base, entry) in &self.entries {
            let stays = match entry {
                Entry::Records { .. } => *base >= self.untouched_from(),
                Entry::End { .. } => !self.may_be_gone(*base, now_ms),
            };
            let there = found.whole.get(base);
            if stays && there != Some(entry) {
                return Err(format!("at {base} is to be {entry:?}, there is {there:?}"));
            }
        }
        let last_sequences = self.last_sequences();
        if found.last_sequences != last_sequences {
            let found = &found.last_sequences;
            return Err(format!("last sequences are {found:?}, to be {last_sequences:?}"));
        }
        Ok(())
    }

    /// Of each producer the sequence number of its last record.
    pub(super) fn last_sequences(&self) -> BTreeMap<i64, i32> {
        let of_records = |entry: &Entry| match entry {
            Entry::Records {
                producer,
                last_sequence,
                ..
            } => Some((*producer, *last_sequence)),
            Entry::End { .. } => None,
        };
        self.entries.values().filter_map(of_records).collect()
    }

    /// Below `clean_to`, where the last of several cleanings has ended and no transaction is open, there is nothing left
    /// that is aborted or has a later record of the same key.
    pub(super) fn check_compact(&self, found: &Found, clean_to: i64) -> Result<(), String> {
        let committed: BTreeSet<Read> = self.committed(self.end).into_iter().collect();
        let mut keys = BTreeMap::new();
        for read in found.records.iter().filter(|read| read.0 < clean_to) {
            if !committed.contains(read) {
                return Err(format!("{read:?} was aborted, and is clean below {clean_to}"));
            }
            if let Some(before) = keys.insert(&read.1, read) {
                return Err(format!(
                    "both {before:?} and {read:?}, and it is clean below {clean_to}"
                ));
            }
        }
        Ok(())
    }

    /// Compares with what a committed reader got, who saw all below `limit`.
    pub(super) fn check(&self, found: &[Read], limit: i64, now_ms: i64) -> Result<(), String> {
        let committed = self.committed(limit);
        let written: BTreeMap<i64, &Read> = committed.iter().map(|read| (read.0, read)).collect();
        for read in found {
            if written.get(&read.0) != Some(&read) {
                return Err(format!("read {read:?}, written was {:?}", written.get(&read.0)));
            }
        }
        if let Some(pair) = found.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(format!("offsets go back: {pair:?}"));
        }
        let last = |reads: &[Read]| -> BTreeMap<String, Read> {
            reads.iter().map(|read| (read.1.clone(), read.clone())).collect()
        };
        let found = last(found);
        for (key, expected) in last(&committed) {
            match found.get(&key) {
                Some(read) if *read == expected => {}
                None if expected.2.is_none() && self.may_be_gone(expected.0, now_ms) => {}
                read => return Err(format!("last of {key} is {expected:?}, read was {read:?}")),
            }
        }
        Ok(())
    }
}
