//! Transactions: who begins and ends them, and what readers of committed records get.
use std::collections::BTreeSet;

use bytes::Bytes;
use klamm_log::Isolation;
use klamm_records::{BatchBuilder, Compression, ControlRecordType, Scratch, batches};

use super::model::{Batch, Kind, Partition};
use super::reader::{Reader, Trouble, wrong};
use crate::Random;

/// Value of an end marker: version and coordinator epoch.
pub(super) const MARKER: [u8; 6] = [0, 0, 0, 0, 0, 3];
/// Those who write transactions, several at a time.
const PRODUCERS: [i64; 3] = [10, 11, 12];

/// What the next batch is.
pub(super) fn draw(random: &mut Random) -> Kind {
    let producer_id = *random.pick(&PRODUCERS);
    match random.below(10) {
        0..2 => Kind::Plain,
        2..6 => Kind::Data(producer_id),
        at => Kind::End {
            producer_id,
            is_abort: at < 9,
        },
    }
}

/// As coordinators append it: without sequence numbers.
pub(super) fn encode(batch: &Batch) -> Bytes {
    let builder = BatchBuilder::new(Compression::None);
    let mut builder = match batch.kind {
        Kind::Plain => builder,
        Kind::Data(producer_id) => builder.producer(producer_id, 0, -1).transactional(),
        Kind::End { producer_id, .. } => builder.producer(producer_id, 0, -1).transactional().control(),
    };
    for (timestamp, value) in &batch.records {
        let pushed = match batch.kind {
            Kind::End { is_abort: true, .. } => builder.push_control(*timestamp, ControlRecordType::Abort, value),
            Kind::End { .. } => builder.push_control(*timestamp, ControlRecordType::Commit, value),
            Kind::Plain | Kind::Data(_) => builder.push(*timestamp, None, Some(value), &[]),
        };
        pushed.expect("small records fit");
    }
    builder.build()
}

/// What a batch of the log is.
pub(super) fn kind_of(batch: &klamm_records::Batch<'_>) -> Kind {
    let header = &batch.header;
    if !header.attributes.is_transactional() {
        return Kind::Plain;
    }
    if !header.attributes.is_control() {
        return Kind::Data(header.producer_id);
    }
    let mut scratch = Scratch::new();
    let mut records = batch
        .records(&mut scratch, usize::MAX)
        .expect("a marker is not compressed");
    let key = records.next().and_then(Result::ok).and_then(|record| record.key);
    Kind::End {
        producer_id: header.producer_id,
        is_abort: ControlRecordType::parse(key) == Ok(Some(ControlRecordType::Abort)),
    }
}

/// Compares what a consumer of committed records makes of the log with what it should.
pub(super) fn compare(reader: &Reader<'_>, model: &Partition) -> Result<(), Trouble> {
    let (offsets, open) = (reader.log.offsets(), model.first_open());
    let limit = offsets.last_stable_offset;
    let is_behind = open.is_some_and(|open| limit > open.max(model.start));
    let is_early = model.start == 0 && limit < open.unwrap_or(model.end);
    if is_behind || is_early {
        let problem = format!("the last stable offset is {limit}, the first open transaction {open:?}");
        return Err(Trouble::Wrong(problem));
    }
    let (found, expected) = (read(reader, offsets.log_start_offset, limit)?, model.committed(limit));
    match found == expected {
        true => Ok(()),
        false => Err(Trouble::Wrong(format!(
            "committed below {limit}: {found:?}, not {expected:?}"
        ))),
    }
}

/// Base offsets of the batches that a consumer shows, which leaves out what it is told of each read.
fn read(reader: &Reader<'_>, mut offset: i64, limit: i64) -> Result<Vec<i64>, Trouble> {
    let mut found = Vec::new();
    while offset < limit {
        let before = offset;
        let (data, bytes) = reader.fetch(offset, 700, Isolation::LastStableOffset)?;
        let mut aborted = data.aborted;
        aborted.sort_by_key(|aborted| aborted.first_offset);
        let mut aborted = aborted.into_iter().peekable();
        let mut open = BTreeSet::new();
        for batch in batches(&bytes).map_while(Result::ok) {
            let last_offset = batch.header.last_offset();
            while let Some(begun) = aborted.next_if(|next| next.first_offset <= last_offset) {
                open.insert(begun.producer_id);
            }
            match kind_of(&batch) {
                Kind::Data(producer_id) if open.contains(&producer_id) => {}
                Kind::Plain | Kind::Data(_) => found.push(batch.header.base_offset),
                Kind::End { producer_id, is_abort } if is_abort => {
                    open.remove(&producer_id);
                }
                Kind::End { .. } => {}
            }
            offset = batch.header.next_offset();
        }
        if offset == before {
            return Err(wrong(offset, &"no whole batch"));
        }
    }
    Ok(found)
}
