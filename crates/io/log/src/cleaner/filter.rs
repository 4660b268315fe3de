//! Which records of which batches survive a round of cleaning.
use std::collections::BTreeMap;

use klamm_records::{
    Batch, BatchError, BatchHeader, ControlRecordType, RECORDS_AT_ONCE, RecordKey, RecordsError, Retained, Scratch,
    retain_records, write_empty,
};

use super::offset_map::{Hash, OffsetMap};
use super::transactions::{CleanedTransactions, Marker};
use crate::faults::{self, Fault};
use crate::producers::LastRecord;

/// Most bytes that the records of one batch may decompress to, as when it was appended.
const DECOMPRESSED_MAX: usize = i32::MAX as usize - 8;

/// What decides, but for the transactions, which the pass carries along.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    /// The last offset of each key of the dirty part, as far as it goes.
    pub(crate) map: &'a OffsetMap,
    /// When the round began, milliseconds.
    pub(crate) now_ms: i64,
    /// `delete.retention.ms`: how long tombstones and markers stay from the round on that finds them ready to go.
    pub(crate) delete_retention_ms: i64,
    /// Where the round ends. The batch that ends there stays, be it empty, so that the end of what was read stays known.
    pub(crate) end_offset: i64,
    /// The last record of each producer that the log knows: its batch stays, be it empty, for its sequence or its epoch.
    pub(crate) last_records: &'a BTreeMap<i64, LastRecord>,
}

/// What came of a batch, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filtered {
    pub(crate) records: Retained,
    /// Records without a key, which no compacted topic should have; they go.
    pub(crate) without_key: usize,
}

/// Why a batch makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Whether a batch in which no record stays does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfEmpty {
    Stays,
    Goes,
}

impl Filter<'_> {
    /// Appends to `out` what stays of a batch. Batches come in the order of their offsets.
    pub(crate) fn batch(
        &self,
        batch: &Batch<'_>,
        transactions: &mut CleanedTransactions,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, Unreadable> {
        let header = &batch.header;
        let is_control = header.attributes.is_control();
        let of_nothing = if is_control {
            transactions.on_control(header, marker(batch, scratch)?)
        } else {
            transactions.on_data(header)
        };
        let horizon_passed =
            header.delete_horizon_ms().is_some_and(|at| at <= self.now_ms) || faults::is_on(Fault::IgnoreDeleteHorizon);
        let drop_records = of_nothing && (!is_control || horizon_passed);
        let if_empty = self.if_empty(header);
        if drop_records && if_empty == IfEmpty::Goes {
            return Ok(Filtered::default());
        }
        let before = out.len();
        // Each record is known to go, and was read when its key was noted.
        let superseded = self.map.count_superseded(header.base_offset..=header.last_offset());
        let read = header.records_count.unsigned_abs() as usize;
        if !is_control && superseded == Some(read) {
            if if_empty == IfEmpty::Stays {
                write_empty(header, out);
            }
            let records = Retained { read, kept: 0 };
            return Ok(Filtered {
                records,
                without_key: 0,
            });
        }
        let mut without_key = 0;
        let keep = |records: &[RecordKey<'_>]| match (drop_records, is_control) {
            (true, _) => 0,
            (false, true) => u32::MAX,
            (false, false) => self.keeps(records, horizon_passed, &mut without_key),
        };
        let horizon = |tombstones: bool| {
            let needed = tombstones || (of_nothing && is_control);
            header
                .delete_horizon_ms()
                .or_else(|| needed.then(|| self.now_ms.saturating_add(self.delete_retention_ms)))
        };
        let records = retain_records(batch, scratch, DECOMPRESSED_MAX, keep, horizon, out)?;
        if out.len() == before && if_empty == IfEmpty::Stays {
            write_empty(header, out);
        }
        Ok(Filtered { records, without_key })
    }

    /// A record of data stays if its key has no later one, unless it is a tombstone whose time has come.
    fn keeps(&self, records: &[RecordKey<'_>], horizon_passed: bool, without_key: &mut usize) -> u32 {
        let mut superseded = [false; RECORDS_AT_ONCE];
        self.look_up(records, &mut superseded);
        let mut stay = 0;
        for (at, (record, superseded)) in records.iter().zip(superseded).enumerate() {
            let stays = if record.offset > self.map.latest_offset() {
                true
            } else if record.key.is_none() {
                *without_key += 1;
                false
            } else {
                (record.has_value || !horizon_passed) && !superseded
            };
            stay |= u32::from(stays) << at;
        }
        stay
    }

    /// Says of each record with a key whether there is a later one.
    fn look_up(&self, records: &[RecordKey<'_>], superseded: &mut [bool; RECORDS_AT_ONCE]) {
        let known = |(answer, record): (&mut bool, &RecordKey<'_>)| {
            let known = self.map.is_superseded(record.offset);
            *answer = known.unwrap_or(false);
            known.is_some()
        };
        if superseded.iter_mut().zip(records).all(known) {
            return;
        }
        let mut hashes = [Hash::default(); RECORDS_AT_ONCE];
        for (hash, record) in hashes.iter_mut().zip(records) {
            *hash = record.key.map_or(Hash::default(), |key| self.map.hash(key));
        }
        self.map.fetch(&hashes[..records.len()]);
        for ((answer, record), hash) in superseded.iter_mut().zip(records).zip(hashes) {
            *answer = self.map.get(hash).is_some_and(|latest| record.offset < latest);
        }
    }

    fn if_empty(&self, header: &BatchHeader) -> IfEmpty {
        let is_last_of_producer = header.has_producer_id()
            && self
                .last_records
                .get(&header.producer_id)
                .is_some_and(|last| match last.data_offset {
                    Some(offset) => header.last_offset() == offset,
                    None => header.attributes.is_control() && header.producer_epoch == last.producer_epoch,
                });
        let is_last_of_producer = is_last_of_producer && !faults::is_on(Fault::DropLastOfProducer);
        if is_last_of_producer || header.next_offset() == self.end_offset {
            IfEmpty::Stays
        } else {
            IfEmpty::Goes
        }
    }
}

/// The first record of a control batch; it has no others.
pub(crate) fn marker(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Marker, RecordsError> {
    let Some(record) = batch.keys(scratch, DECOMPRESSED_MAX)?.next().transpose()? else {
        return Ok(Marker::None);
    };
    Ok(match ControlRecordType::parse(record.key) {
        Ok(Some(record_type)) => Marker::Of(record_type),
        _ => Marker::Unknown,
    })
}

/// Notes the keys of a batch at or above `from`, but for those of aborted transactions. `false`: the table is full.
pub(crate) fn note_keys(
    map: &mut OffsetMap,
    batch: &Batch<'_>,
    from: i64,
    transactions: &mut CleanedTransactions,
    scratch: &mut Scratch,
) -> Result<bool, Unreadable> {
    let header = &batch.header;
    if header.attributes.is_control() {
        transactions.on_control(header, marker(batch, scratch)?);
    } else if !transactions.on_data(header) || faults::is_on(Fault::NoteAborted) {
        let mut keys = batch.keys(scratch, DECOMPRESSED_MAX)?;
        let mut together = [(Hash::default(), 0); RECORDS_AT_ONCE];
        loop {
            let mut count = 0;
            while count < RECORDS_AT_ONCE
                && let Some(record) = keys.next()
            {
                let record = record?;
                if let Some(key) = record.key.filter(|_| record.offset >= from) {
                    together[count] = (map.hash(key), record.offset);
                    count += 1;
                }
            }
            if count == 0 {
                break;
            }
            if !map.put_all(&together[..count]) {
                return Ok(false);
            }
        }
    }
    if header.last_offset() >= from {
        map.advance_to(header.last_offset());
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
