//! Records on their way to the log: one batch in flight, closed ones behind it, one open.

use crate::error::CoordinatorError;
use crate::shard::EncodedRecord;
use std::collections::VecDeque;

/// Bytes of a batch's header.
const BATCH_OVERHEAD: usize = 61;

pub(super) struct Batches {
    limit: usize,
    /// First offset and record count of the batch the driver is appending.
    in_flight: Option<(i64, i64)>,
    /// Full batches, to be sent in order.
    closed: VecDeque<Vec<EncodedRecord>>,
    open: Vec<EncodedRecord>,
    open_bytes: usize,
    /// The open batch is full; the next record starts another.
    open_is_full: bool,
    /// The offset after everything appended, in flight, closed and open.
    next_offset: i64,
    /// The offset of the first record not in flight.
    next_to_send: i64,
}

impl Batches {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: None,
            closed: VecDeque::new(),
            open: Vec::new(),
            open_bytes: BATCH_OVERHEAD,
            open_is_full: false,
            next_offset: 0,
            next_to_send: 0,
        }
    }

    pub(super) fn start_at(&mut self, log_end_offset: i64) {
        self.next_offset = log_end_offset;
        self.next_to_send = log_end_offset;
    }

    pub(super) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Whether the records fit a batch: all together if they are atomic, else each one.
    pub(super) fn check_fits(&self, records: &[EncodedRecord], atomic: bool) -> Result<(), CoordinatorError> {
        let sizes = records.iter().map(EncodedRecord::size);
        let size = BATCH_OVERHEAD + if atomic { sizes.sum() } else { sizes.max().unwrap_or(0) };
        if size > self.limit && !records.is_empty() {
            return Err(CoordinatorError::RecordsTooLarge {
                size,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Sees to it that the next `size` bytes share a batch.
    pub(super) fn make_room(&mut self, size: usize) {
        if !self.open.is_empty() && self.open_bytes + size > self.limit {
            self.open_is_full = true;
        }
    }

    /// Closes the open batch if it is full. `closing` hears its last offset while the state is still just that batch's.
    pub(super) fn close_before_push(&mut self, closing: impl FnOnce(i64)) {
        if self.open_is_full {
            closing(self.next_offset - 1);
            self.close();
        }
    }

    fn close(&mut self) {
        self.closed.push_back(std::mem::take(&mut self.open));
        self.open_bytes = BATCH_OVERHEAD;
        self.open_is_full = false;
    }

    /// Adds a record to the open batch; returns the offset it will have.
    pub(super) fn push(&mut self, record: EncodedRecord) -> i64 {
        self.open_bytes += record.size();
        self.open.push(record);
        self.next_offset += 1;
        self.next_offset - 1
    }

    /// The next batch to append with its first offset, unless one is in flight. `closing` as above.
    pub(super) fn send(&mut self, closing: impl FnOnce(i64)) -> Option<(i64, Vec<EncodedRecord>)> {
        if self.in_flight.is_some() {
            return None;
        }
        if self.closed.is_empty() && !self.open.is_empty() {
            closing(self.next_offset - 1);
            self.close();
        }
        let records = self.closed.pop_front()?;
        let first_offset = self.next_to_send;
        let count = records.len() as i64;
        self.in_flight = Some((first_offset, count));
        self.next_to_send += count;
        Some((first_offset, records))
    }

    /// Whether the batch in flight got the offsets it was meant to get.
    pub(super) fn arrived(&mut self, first_offset: i64, last_offset: i64) -> bool {
        let (first, count) = self.in_flight.take().expect("only a batch in flight can arrive");
        first_offset == first && last_offset == first + count - 1
    }

    /// Drops the batch in flight and all that were built upon it; returns its first offset.
    pub(super) fn lost(&mut self) -> i64 {
        let (first, _) = self.in_flight.take().expect("only a batch in flight can be lost");
        let limit = self.limit;
        *self = Self::new(limit);
        self.start_at(first);
        first
    }
}
