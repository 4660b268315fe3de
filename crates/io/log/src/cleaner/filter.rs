//! Which records of which batches survive a round of cleaning.
use std::collections::BTreeMap;

use klamm_records::{
    Batch, BatchHeader, ControlRecordType, RecordKey, RecordsError, Retained, Scratch, retain_records, write_empty,
};

use super::newest::Newest;
use super::transactions::{Aborted, Marker, Markers};
use crate::faults::{self, Fault};
use crate::producers::LastRecord;

/// Most bytes that the records of one batch may decompress to, as when it was appended.
const DECOMPRESSED_MAX: usize = i32::MAX as usize - 8;

/// What decides, and what it works with.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The keys of what was gone through.
    pub(crate) newest: Newest,
    /// The log's aborted transactions.
    pub(crate) aborted: Aborted,
    /// When the round began, milliseconds.
    pub(crate) now_ms: i64,
    /// `delete.retention.ms`: how long tombstones and markers stay from the round on that finds them ready to go.
    pub(crate) delete_retention_ms: i64,
    /// Where the dirty part ends. The batch that ends there stays, be it empty, so that the end of what was read stays known.
    pub(crate) end_offset: i64,
    /// The last record of each producer that the log knows: its batch stays, be it empty, for its sequence or its epoch.
    pub(crate) last_records: BTreeMap<i64, LastRecord>,
    /// For what is decompressed, and for what is compressed: both at once for one batch.
    pub(crate) unpacked: Scratch,
    pub(crate) packed: Scratch,
}

/// What came of a batch, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filtered {
    pub(crate) records: Retained,
    /// Records without a key, which no compacted topic should have; they go.
    pub(crate) without_key: usize,
}

/// Whether a batch in which no record stays does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfEmpty {
    Stays,
    Goes,
}

impl Filter {
    /// Appends to `out` what stays of a batch. Batches come in the reverse order of their offsets; `markers` have seen those
    /// that the round makes one segment of.
    pub(crate) fn batch(
        &mut self,
        batch: &Batch<'_>,
        markers: &mut Markers,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordsError> {
        let header = &batch.header;
        let horizon_passed =
            header.delete_horizon_ms().is_some_and(|at| at <= self.now_ms) || faults::is_on(Fault::IgnoreDeleteHorizon);
        let if_empty = self.if_empty(header);
        let is_control = header.attributes.is_control();
        let of_nothing = if is_control {
            markers.last_is_of_nothing()
        } else {
            self.aborted.has(header)
        };
        let before = out.len();
        let mut filtered = Filtered::default();
        if !(of_nothing && (!is_control || horizon_passed)) {
            filtered = self.records(batch, of_nothing, horizon_passed, out)?;
        } else if if_empty == IfEmpty::Stays {
            filtered.records.read = header.records_count.unsigned_abs() as usize;
        }
        if faults::is_on(Fault::NoteAborted) && of_nothing && !is_control {
            let keys = batch.keys(&mut self.unpacked, DECOMPRESSED_MAX)?;
            self.newest.judge(keys, false)?;
        }
        if out.len() == before && if_empty == IfEmpty::Stays {
            write_empty(header, out);
        }
        Ok(filtered)
    }

    /// Appends a batch with the records that stay: a marker, or each that has the newest value of its key and is not a
    /// tombstone whose time has come.
    fn records(
        &mut self,
        batch: &Batch<'_>,
        of_nothing: bool,
        horizon_passed: bool,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordsError> {
        let header = &batch.header;
        let is_control = header.attributes.is_control();
        let keys = batch.keys(&mut self.unpacked, DECOMPRESSED_MAX)?;
        let mut without_key = 0;
        if !is_control {
            let judged = self.newest.judge(keys.clone(), horizon_passed)?;
            without_key = judged.without_key;
            if judged.all_go {
                let read = judged.read;
                let records = Retained { read, kept: 0 };
                return Ok(Filtered { records, without_key });
            }
        }
        let mut stay = self.newest.stay().iter();
        let keep = |_: &[RecordKey<'_>]| match is_control {
            true => u32::MAX,
            false => *stay.next().expect("a word for as many records"),
        };
        // In the dirty part an older record of a tombstone's key may be left, and go in this round only: readers of that
        // one have all the time from now on, however long ago an interrupted round was here.
        let starts_anew = self.newest.is_dirty(header);
        let horizon = |tombstones: bool| {
            let needed = tombstones || (of_nothing && is_control);
            let known = header.delete_horizon_ms().filter(|_| !(tombstones && starts_anew));
            known.or_else(|| needed.then(|| self.now_ms.saturating_add(self.delete_retention_ms)))
        };
        let records = retain_records(batch, keys, &mut self.packed, keep, horizon, out)?;
        Ok(Filtered { records, without_key })
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

#[cfg(test)]
mod tests;
