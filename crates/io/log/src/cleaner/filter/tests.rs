use std::collections::BTreeSet;
use std::ops::Range;

use klamm_records::{BATCH_OVERHEAD, BatchBuilder, Compression, batches};

use super::*;
use crate::cleaner::key_set::KeySet;
use crate::txn_index::AbortedEntry;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 5_000;

/// A record: key, and value unless it is a tombstone.
type Plain<'a> = (&'a str, Option<&'a str>);

fn data(base_offset: i64, producer: Option<(i64, bool)>, records: &[Plain<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None).base_offset(base_offset);
    if let Some((id, transactional)) = producer {
        builder = builder.producer(id, 0, 0);
        if transactional {
            builder = builder.transactional();
        }
    }
    for (key, value) in records {
        let key = (!key.is_empty()).then_some(key.as_bytes());
        builder.push(7, key, value.map(str::as_bytes), &[]).unwrap();
    }
    builder.build().to_vec()
}

fn end_marker(offset: i64, producer: i64, record_type: ControlRecordType) -> Vec<u8> {
    let builder = BatchBuilder::new(Compression::None).base_offset(offset);
    let mut builder = builder.producer(producer, 0, -1).transactional().control();
    builder.push_control(7, record_type, &[0; 6]).unwrap();
    builder.build().to_vec()
}

struct Pass {
    dirty: Range<i64>,
    /// Keys that lie behind all batches.
    known: Vec<&'static str>,
    now_ms: i64,
    end_offset: i64,
    last_records: BTreeMap<i64, LastRecord>,
    aborted: Vec<AbortedEntry>,
    without_key: usize,
}

impl Pass {
    /// A pass over a log of which nothing was cleaned.
    fn over_dirty() -> Self {
        Self {
            dirty: 0..1_000,
            known: Vec::new(),
            now_ms: NOW,
            end_offset: i64::MAX,
            last_records: BTreeMap::new(),
            aborted: Vec::new(),
            without_key: 0,
        }
    }

    /// A pass over what earlier ones have cleaned.
    fn over_clean() -> Self {
        Self {
            dirty: 1_000..2_000,
            ..Self::over_dirty()
        }
    }

    fn run(&mut self, log: &[u8]) -> Vec<u8> {
        let mut keys = KeySet::new(10_000, 0.9, 1_000, [1, 2]);
        for key in &self.known {
            let hash = keys.hash(key.as_bytes());
            keys.insert(hash);
        }
        let mut filter = Filter {
            newest: Newest::new(keys, self.dirty.clone()),
            aborted: Aborted::new(self.aborted.clone()),
            now_ms: self.now_ms,
            delete_retention_ms: RETENTION,
            end_offset: self.end_offset,
            last_records: self.last_records.clone(),
            unpacked: Scratch::new(),
            packed: Scratch::new(),
        };
        let mut markers = Markers::new(BTreeSet::new());
        let all: Vec<_> = batches(log).map(Result::unwrap).collect();
        for batch in &all {
            if batch.header.attributes.is_control() {
                let marker = marker(batch, &mut Scratch::new()).unwrap();
                markers.on_control(&batch.header, marker, &filter.aborted);
            } else {
                markers.on_data(&batch.header);
            }
        }
        let mut written = Vec::new();
        for batch in all.iter().rev() {
            let mut out = b"before".to_vec();
            self.without_key += filter.batch(batch, &mut markers, &mut out).unwrap().without_key;
            written.push(out.split_off(6));
        }
        written.into_iter().rev().collect::<Vec<_>>().concat()
    }
}

/// Offsets of the records, by batch: base offset, horizon, offsets.
fn seen(log: &[u8]) -> Vec<(i64, Option<i64>, Vec<i64>)> {
    let of_batch = |batch: Result<Batch<'_>, _>| {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        let mut scratch = Scratch::new();
        let offsets = batch
            .records(&mut scratch, 1_000)
            .unwrap()
            .map(|record| record.unwrap().offset);
        (
            batch.header.base_offset,
            batch.header.delete_horizon_ms(),
            offsets.collect(),
        )
    };
    batches(log).map(of_batch).collect()
}

#[test]
fn the_last_record_of_each_key_stays_where_it_is() {
    let log = [
        data(0, None, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]),
        data(3, None, &[("a", Some("2")), ("a", Some("3"))]),
        data(5, None, &[("d", Some("1")), ("b", Some("2"))]),
    ]
    .concat();
    let cleaned = Pass::over_dirty().run(&log);
    assert_eq!(
        seen(&cleaned),
        [(0, None, vec![2]), (3, None, vec![4]), (5, None, vec![5, 6])]
    );
    let first = Batch::parse(&cleaned).unwrap().header;
    assert_eq!((first.last_offset(), first.records_count), (2, 1));
    let whole = data(5, None, &[("d", Some("1")), ("b", Some("2"))]);
    assert!(cleaned.ends_with(&whole), "byte for byte");
    assert_eq!(Pass::over_dirty().run(&cleaned), cleaned, "nothing left to do");
}

#[test]
fn keys_are_only_noted_in_the_dirty_part() {
    let log = [data(0, None, &[("a", Some("1"))]), data(1, None, &[("a", Some("2"))])].concat();
    assert_eq!(Pass::over_clean().run(&log), log, "as if each were there once");
    let mut behind = Pass::over_clean();
    behind.known = vec!["z"];
    assert_eq!(behind.run(&log), log);
    behind.known = vec!["a"];
    assert!(behind.run(&log).is_empty());
    // What lies behind the dirty part stays, and was looked at before.
    let mut below = Pass::over_dirty();
    below.dirty = 0..1;
    assert_eq!(below.run(&log), log);
    let batch = data(
        0,
        None,
        &[("a", Some("1")), ("b", Some("1")), ("b", Some("2")), ("a", Some("2"))],
    );
    below.dirty = 0..3;
    below.known = vec!["a"];
    assert_eq!(seen(&below.run(&batch)), [(0, None, vec![2, 3])]);
}

#[test]
fn tombstones_wait_for_their_horizon_and_for_a_whole_round() {
    let log = data(0, None, &[("a", Some("1")), ("a", None), ("b", Some("1"))]);
    let mut pass = Pass::over_dirty();
    let once = pass.run(&log);
    let horizon = NOW + RETENTION;
    assert_eq!(seen(&once), [(0, Some(horizon), vec![1, 2])]);
    let header = Batch::parse(&once).unwrap().header;
    assert_eq!((header.base_timestamp, header.max_timestamp), (horizon, 7));
    pass.now_ms = horizon;
    assert_eq!(
        seen(&pass.run(&once)),
        [(0, Some(horizon + RETENTION), vec![1, 2])],
        "older records may be left until now"
    );
    pass = Pass::over_clean();
    pass.now_ms = horizon - 1;
    assert_eq!(pass.run(&once), once, "the horizon is set once");
    pass.now_ms = horizon;
    assert_eq!(
        seen(&pass.run(&once)),
        [(0, Some(horizon), vec![2])],
        "it stays when its time has come"
    );
}

#[test]
fn records_without_a_key_go() {
    let log = data(0, None, &[("", Some("1")), ("a", Some("1"))]);
    let mut pass = Pass::over_dirty();
    assert_eq!(seen(&pass.run(&log)), [(0, None, vec![1])]);
    assert_eq!(pass.without_key, 1);
}

#[test]
fn empty_batches_stay_where_a_producer_or_the_round_ends() {
    let log = [
        data(0, Some((1, false)), &[("a", Some("1"))]),
        data(1, Some((1, false)), &[("a", Some("2"))]),
        data(2, Some((2, false)), &[("a", Some("3"))]),
        data(3, None, &[("a", Some("4"))]),
    ]
    .concat();
    let mut pass = Pass::over_dirty();
    pass.known = vec!["a"];
    assert!(pass.run(&log).is_empty());
    pass.end_offset = 4;
    let last = LastRecord {
        data_offset: Some(1),
        producer_epoch: 0,
    };
    pass.last_records.insert(1, last);
    let cleaned = pass.run(&log);
    assert_eq!(seen(&cleaned), [(1, None, vec![]), (3, None, vec![])]);
    assert_eq!(cleaned.len(), 2 * BATCH_OVERHEAD);
    assert_eq!(pass.run(&cleaned), cleaned);
    pass.last_records.clear();
    assert_eq!(
        seen(&pass.run(&cleaned)),
        [(3, None, vec![])],
        "the producer was forgotten"
    );
}

#[test]
fn aborted_records_go_at_once_and_their_marker_after_them() {
    let log = [
        data(0, Some((1, true)), &[("a", Some("1"))]),
        data(1, Some((2, true)), &[("a", Some("2"))]),
        end_marker(2, 1, ControlRecordType::Commit),
        end_marker(3, 2, ControlRecordType::Abort),
        data(4, None, &[("b", Some("1"))]),
    ]
    .concat();
    let mut pass = Pass::over_dirty();
    pass.aborted = vec![AbortedEntry {
        producer_id: 2,
        first_offset: 1,
        last_offset: 3,
        last_stable_offset: 4,
    }];
    let once = pass.run(&log);
    let stayed = |cleaned: &[u8]| {
        seen(cleaned)
            .into_iter()
            .map(|(offset, horizon, _)| (offset, horizon))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        stayed(&once),
        [(0, None), (2, None), (3, None), (4, None)],
        "aborted keys do not count; readers may still be within it"
    );
    // Without its records the transaction is nothing: the marker gets its horizon, and goes with it.
    pass.aborted.clear();
    let twice = pass.run(&once);
    let horizon = NOW + RETENTION;
    assert_eq!(stayed(&twice), [(0, None), (2, None), (3, Some(horizon)), (4, None)]);
    pass.now_ms = horizon - 1;
    assert_eq!(pass.run(&twice), twice);
    pass.now_ms = horizon;
    assert_eq!(stayed(&pass.run(&twice)), [(0, None), (2, None), (4, None)]);
    // The producer's epoch must stay known when a marker is all that is left of it.
    let last = LastRecord {
        data_offset: None,
        producer_epoch: 0,
    };
    pass.last_records.insert(2, last);
    let kept = pass.run(&twice);
    assert_eq!(seen(&kept)[2], (3, None, vec![]));
    assert!(Batch::parse(&kept).is_ok() && pass.run(&kept) == kept);
    // A commit goes the same way once its records are superseded.
    pass.known = vec!["a"];
    pass.last_records.clear();
    pass.now_ms = NOW;
    let superseded = pass.run(&once);
    assert_eq!(stayed(&superseded)[0], (2, None), "seen with its records");
    assert_eq!(stayed(&pass.run(&superseded))[0], (2, Some(horizon)));
}
