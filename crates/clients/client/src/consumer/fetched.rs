//! The batches of one partition in a broker's reply, read record by record.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use klamm_assignors::TopicPartition;
use klamm_protocol::messages::fetch_response::AbortedTransaction;
use klamm_records::{
    BATCH_OVERHEAD, Batch as RawBatch, BatchError, BatchHeader, ControlRecordType, RecordIter, Scratch, batches,
};

use super::position::Position;
use super::record::{Batch, ConsumerRecord};

/// How records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// `isolation.level=read_committed`: records of aborted transactions are left out.
    pub(super) committed: bool,
    /// `check.crcs`.
    pub(super) check_crcs: bool,
}

/// Most bytes that a batch may take once decompressed.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// Bytes that cannot be read, at this offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) offset: i64,
    pub(super) reason: String,
}

/// What was fetched of one partition and has not been handed on entirely.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: TopicPartition,
    /// Which seek of the partition it belongs to: what was fetched before the latest one is worthless.
    pub(super) stamp: u64,
    reading: Reading,
    bytes: Bytes,
    /// Where the next batch begins.
    at: usize,
    current: Option<Current>,
    /// Where the user goes on.
    next: Position,
    aborted: Aborted,
}

#[derive(Debug)]
struct Current {
    header: BatchHeader,
    batch: Arc<Batch>,
    at: usize,
    remaining: i32,
}

impl Fetched {
    /// The whole batches in `bytes`, from `position` on, and where to fetch next. A batch cut at the end does not count.
    pub(super) fn new(
        partition: TopicPartition,
        stamp: u64,
        reading: Reading,
        position: Position,
        bytes: Bytes,
        aborted: &[AbortedTransaction],
    ) -> Result<(Self, Position), Unreadable> {
        let mut end = position;
        let mut batches = batches(&bytes);
        for batch in &mut batches {
            match batch {
                Ok(batch) => end = end.past(&batch.header),
                // A broker sends one whole batch at least, however large.
                Err(BatchError::Truncated { .. }) if end != position => break,
                Err(error) => {
                    return Err(Unreadable {
                        offset: end.offset,
                        reason: error.to_string(),
                    });
                }
            }
        }
        let whole = batches.position();
        let fetched = Self {
            partition,
            stamp,
            reading,
            bytes: bytes.slice(..whole),
            at: 0,
            current: None,
            next: position,
            aborted: Aborted::new(if reading.committed { aborted } else { &[] }),
        };
        Ok((fetched, end))
    }

    /// Where the user goes on: past all that [`Fetched::read`] gave out or skipped.
    pub(super) fn next(&self) -> Position {
        self.next
    }

    /// Bytes that are still to be read.
    pub(super) fn remaining(&self) -> usize {
        let current = self
            .current
            .as_ref()
            .map_or(0, |current| current.batch.bytes.len() - current.at);
        self.bytes.len() - self.at + current
    }

    /// Appends up to `limit` records to `out`. Fewer mean that there are no more.
    pub(super) fn read(
        &mut self,
        limit: usize,
        out: &mut Vec<ConsumerRecord>,
        scratch: &mut Scratch,
    ) -> Result<(), Unreadable> {
        let full = out.len() + limit;
        while out.len() < full {
            let current = match &mut self.current {
                Some(current) => current,
                None => match self.open_next(scratch)? {
                    Some(current) => self.current.insert(current),
                    None => return Ok(()),
                },
            };
            let read = current.read(full, out, &mut self.next);
            read.map_err(|reason| self.unreadable(reason))?;
            if let Some(finished) = self.current.take_if(|current| current.remaining == 0) {
                self.next = self.next.past(&finished.header);
            }
        }
        Ok(())
    }

    fn unreadable(&self, reason: String) -> Unreadable {
        Unreadable {
            offset: self.next.offset,
            reason,
        }
    }

    /// Goes to the next batch that has something for the user.
    fn open_next(&mut self, scratch: &mut Scratch) -> Result<Option<Current>, Unreadable> {
        while self.at < self.bytes.len() {
            let bytes = self.bytes.slice(self.at..);
            let batch = RawBatch::parse(&bytes).map_err(|error| self.unreadable(error.to_string()))?;
            let header = batch.header;
            if header.last_offset() >= self.next.offset {
                if self.reading.check_crcs {
                    batch.verify_crc().map_err(|error| self.unreadable(error.to_string()))?;
                }
                if !self.is_hidden(&batch, scratch)? {
                    let current = self.open(&bytes, &batch, scratch)?;
                    self.at += batch.bytes.len();
                    return Ok(Some(current));
                }
                self.next = self.next.past(&header);
            }
            self.at += batch.bytes.len();
        }
        Ok(None)
    }

    /// Control batches are for us, not for the user; those of aborted transactions are for nobody.
    fn is_hidden(&mut self, batch: &RawBatch<'_>, scratch: &mut Scratch) -> Result<bool, Unreadable> {
        let header = batch.header;
        if self.reading.committed && header.has_producer_id() {
            self.aborted.begin_up_to(header.last_offset());
            if header.attributes.is_control() {
                let is_abort = is_abort_marker(batch, scratch).map_err(|reason| self.unreadable(reason))?;
                if is_abort {
                    self.aborted.end(header.producer_id);
                }
            } else if header.attributes.is_transactional() && self.aborted.is_open(header.producer_id) {
                return Ok(true);
            }
        }
        Ok(header.attributes.is_control())
    }

    fn open(&self, bytes: &Bytes, batch: &RawBatch<'_>, scratch: &mut Scratch) -> Result<Current, Unreadable> {
        let header = batch.header;
        let records = if header.attributes.is_compressed() {
            let decompressed = batch.decompressed(scratch, MAX_BATCH_BYTES);
            Bytes::copy_from_slice(decompressed.map_err(|error| self.unreadable(error.to_string()))?)
        } else {
            bytes.slice(BATCH_OVERHEAD..batch.bytes.len())
        };
        Ok(Current {
            batch: Arc::new(Batch {
                topic: self.partition.topic.clone(),
                partition: self.partition.partition,
                leader_epoch: header.partition_leader_epoch,
                timestamp_type: header.attributes.timestamp_type(),
                bytes: records,
            }),
            header,
            at: 0,
            remaining: header.records_count,
        })
    }
}

impl Current {
    /// Reads until `out` has `full` records or the batch ends; records before `next` are skipped. After an error `next` is
    /// past the records that were given out.
    fn read(&mut self, full: usize, out: &mut Vec<ConsumerRecord>, next: &mut Position) -> Result<(), String> {
        let rest = BatchHeader {
            records_count: self.remaining,
            ..self.header
        };
        let mut records = RecordIter::new(&rest, &self.batch.bytes[self.at..]).map_err(|error| error.to_string())?;
        let mut last = None;
        let mut result = Ok(());
        while out.len() < full {
            let record = match records.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => {
                    result = Err(error.to_string());
                    break;
                }
                None => break,
            };
            self.at += record.size_in_bytes;
            self.remaining -= 1;
            if record.offset >= next.offset {
                out.push(ConsumerRecord::new(&self.batch, &record));
                last = Some(record.offset);
            }
        }
        if let Some(offset) = last {
            *next = Position {
                offset: offset + 1,
                leader_epoch: self.batch.leader_epoch.max(-1),
            };
        }
        result
    }
}

/// Whether a control batch says that its producer's transaction is aborted.
fn is_abort_marker(batch: &RawBatch<'_>, scratch: &mut Scratch) -> Result<bool, String> {
    let mut records = batch
        .records(scratch, MAX_BATCH_BYTES)
        .map_err(|error| error.to_string())?;
    let Some(record) = records.next() else { return Ok(false) };
    let key = record.map_err(|error| error.to_string())?.key;
    let kind = ControlRecordType::parse(key).map_err(|error| error.to_string())?;
    Ok(kind == Some(ControlRecordType::Abort))
}

/// The aborted transactions that overlap what was fetched.
#[derive(Debug)]
struct Aborted {
    /// First offset and producer, by offset.
    ahead: VecDeque<(i64, i64)>,
    open: BTreeSet<i64>,
}

impl Aborted {
    fn new(transactions: &[AbortedTransaction]) -> Self {
        let mut ahead: Vec<(i64, i64)> = transactions
            .iter()
            .map(|transaction| (transaction.first_offset, transaction.producer_id))
            .collect();
        ahead.sort_unstable();
        Self {
            ahead: ahead.into(),
            open: BTreeSet::new(),
        }
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some((_, producer)) = self.ahead.pop_front_if(|(first, _)| *first <= offset) {
            self.open.insert(producer);
        }
    }

    fn is_open(&self, producer: i64) -> bool {
        self.open.contains(&producer)
    }

    fn end(&mut self, producer: i64) {
        self.open.remove(&producer);
    }
}

#[cfg(test)]
mod tests;
