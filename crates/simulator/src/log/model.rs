//! What a partition was told, in the simplest form: a list of batches, and what of it must still be there.
use std::collections::BTreeMap;

/// A record as it is compared: offset, timestamp, value.
pub(super) type Record = (i64, i64, Vec<u8>);

/// What a batch is to readers of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of no transaction.
    Plain,
    /// Of this producer's transaction.
    Data(i64),
    /// Ends this producer's transaction.
    End { producer_id: i64, is_abort: bool },
}

/// A batch as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) base_offset: i64,
    pub(super) kind: Kind,
    /// Timestamp and value of each record.
    pub(super) records: Vec<(i64, Vec<u8>)>,
}

impl Batch {
    pub(super) fn next_offset(&self) -> i64 {
        self.base_offset + self.records.len() as i64
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        (self.base_offset..)
            .zip(&self.records)
            .map(|(offset, (timestamp, value))| (offset, *timestamp, value.clone()))
    }
}

/// How much a start may have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Nothing: all that was acknowledged is there.
    WithAll,
    /// What was not flushed, from the end.
    WithFlushed,
}

/// A partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// What readers see, ascending and without gaps.
    batches: Vec<Batch>,
    /// Whatever was ever written at an offset and not flushed away: what a power cut may bring back.
    written: BTreeMap<i64, Vec<Batch>>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The largest start that it had: a crash may give back what lies below, but no longer whose it was.
    pub(super) deleted_below: i64,
    /// Below it everything is synced.
    pub(super) flushed: i64,
    /// Where a truncation that failed would have ended.
    half_cut: Option<i64>,
}

impl Partition {
    /// Tells of a batch that will be handed to the log, which may get to the disk even if the log then fails.
    pub(super) fn tries(&mut self, batch: &Batch) {
        self.written.entry(batch.base_offset).or_default().push(batch.clone());
    }

    /// Its deletion failed: it is gone, but a power cut may bring it back.
    pub(super) fn perhaps_gone(&mut self) {
        *self = Self {
            written: std::mem::take(&mut self.written),
            deleted_below: self.deleted_below,
            ..Self::default()
        };
    }

    /// The log has acknowledged it.
    pub(super) fn appended(&mut self, batch: Batch) {
        self.end = batch.next_offset();
        self.batches.push(batch);
    }

    /// The last batch that is served: what a producer sends again is known as long as it is there.
    pub(super) fn last(&self) -> Option<&Batch> {
        self.batches.last().filter(|batch| batch.base_offset >= self.start)
    }

    /// Everything below `offset` is synced, so nothing else that was ever written there can come back.
    pub(super) fn flushed(&mut self, offset: i64) {
        self.flushed = offset;
    }

    pub(super) fn started_at(&mut self, start: i64) {
        self.start = start;
        self.deleted_below = self.deleted_below.max(start);
    }

    /// The log was cut, to `end` as it says itself: at most `asked`, at the end of a batch.
    pub(super) fn truncated(&mut self, asked: i64, end: i64, start: i64) -> Result<(), String> {
        self.batches.retain(|batch| batch.next_offset() <= asked);
        let expected = self.batches.last().map_or(asked.min(end), Batch::next_offset);
        if end != expected && !self.batches.is_empty() {
            return Err(format!("cut to {asked} it ends at {end}, not at {expected}"));
        }
        self.end = end;
        self.start = start.min(end);
        self.deleted_below = self.deleted_below.min(end);
        self.flushed = self.flushed.min(end);
        Ok(())
    }

    /// A truncation stopped half-way: what lies above its end may be there or not after the next start.
    pub(super) fn truncated_in_part(&mut self, asked: i64) {
        let kept = self.batches.partition_point(|batch| batch.next_offset() <= asked);
        let end = match (kept.checked_sub(1), self.batches.get(kept)) {
            (Some(last), _) => self.batches[last].next_offset(),
            // The batch that the log start lies in goes whole.
            (None, Some(cut)) => cut.base_offset.min(asked),
            (None, None) => asked.min(self.start),
        };
        self.half_cut = Some(end);
        self.flushed = self.flushed.min(end);
    }

    /// Records from `from` on.
    pub(super) fn records(&self, from: i64) -> impl Iterator<Item = Record> + '_ {
        let from = from.max(self.start);
        let all = self.batches.iter().flat_map(Batch::records);
        all.filter(move |(offset, ..)| *offset >= from)
    }

    /// The first record that is not older than `timestamp`.
    pub(super) fn at_timestamp(&self, timestamp: i64) -> Option<(i64, i64)> {
        self.records(self.start)
            .find(|(_, of_record, _)| *of_record >= timestamp)
            .map(|(offset, of_record, _)| (offset, of_record))
    }

    /// Where the first transaction begins that has no end, as far as the batches tell that are there.
    pub(super) fn first_open(&self) -> Option<i64> {
        let mut open = BTreeMap::new();
        for batch in &self.batches {
            match batch.kind {
                Kind::Plain => {}
                Kind::Data(producer_id) => {
                    open.entry(producer_id).or_insert(batch.base_offset);
                }
                Kind::End { producer_id, .. } => {
                    open.remove(&producer_id);
                }
            }
        }
        open.into_values().min()
    }

    /// Base offsets of the batches below `to` that readers of committed records get.
    pub(super) fn committed(&self, to: i64) -> Vec<i64> {
        let ended = |at: usize, producer: i64| {
            let ends = self.batches[at..].iter().find_map(|batch| match batch.kind {
                Kind::End { producer_id, is_abort } if producer_id == producer => Some(!is_abort),
                _ => None,
            });
            ends.unwrap_or(false)
        };
        let is_seen = |at: usize, batch: &Batch| match batch.kind {
            Kind::Plain => true,
            Kind::Data(producer_id) => ended(at, producer_id),
            Kind::End { .. } => false,
        };
        let batches = self.batches.iter().enumerate();
        let served = batches.filter(|(_, batch)| batch.base_offset.max(self.start) < batch.next_offset().min(to));
        served
            .filter(|(at, batch)| is_seen(*at, batch))
            .map(|(_, batch)| batch.base_offset)
            .collect()
    }

    /// Compares with what a start has found, and goes on from there.
    pub(super) fn restarted(
        &mut self,
        stopped: Stopped,
        start: i64,
        found: Vec<Batch>,
        end: i64,
    ) -> Result<(), String> {
        let (least, of) = match stopped {
            Stopped::WithAll => (self.half_cut.unwrap_or(self.end), "acknowledged"),
            Stopped::WithFlushed => (self.flushed, "flushed"),
        };
        if end < least {
            return Err(format!("it ends at {end}, but {least} were {of}"));
        }
        if start > self.start.max(end) {
            return Err(format!("it starts at {start}, {} was served", self.start));
        }
        for batch in &found {
            self.check(batch, least)?;
        }
        if let Some(first) = found.first()
            && first.base_offset > start
        {
            return Err(format!(
                "it starts at {start}, its first batch at {}",
                first.base_offset
            ));
        }
        if let Some(gap) = found
            .windows(2)
            .find(|pair| pair[0].next_offset() != pair[1].base_offset)
        {
            return Err(format!("a gap behind offset {}", gap[0].next_offset()));
        }
        if found.last().map_or(start.min(end), Batch::next_offset) != end && !found.is_empty() {
            return Err(format!("it ends at {end}, its last batch before"));
        }
        if found.is_empty()
            && self
                .batches
                .iter()
                .any(|batch| batch.next_offset() <= least && batch.base_offset >= self.start)
        {
            return Err("it is empty".to_owned());
        }
        self.deleted_below = self.deleted_below.min(end);
        self.batches = found;
        (self.start, self.end) = (start, end);
        self.half_cut = None;
        self.flushed = self.flushed.min(end);
        Ok(())
    }

    /// A batch that was found must be the one that is known, or below the limit of what may be lost one that was tried.
    fn check(&self, batch: &Batch, certain_below: i64) -> Result<(), String> {
        let offset = batch.base_offset;
        let known = self.batches.iter().find(|known| known.base_offset == offset);
        if known == Some(batch) {
            return Ok(());
        }
        // Below the log start old segments may be there again, whose batches the list may have forgotten.
        let was_written = self.written.get(&offset).is_some_and(|tried| tried.contains(batch));
        if was_written && (known.is_none() || offset >= certain_below) {
            return Ok(());
        }
        Err(match known {
            Some(_) => format!("the batch at {offset} is another one"),
            None => format!("a batch at {offset} that was never written"),
        })
    }
}
