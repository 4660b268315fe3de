use klamm_records::{BATCH_OVERHEAD, BatchBuilder, Compression, batches};

use super::*;
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
    map: OffsetMap,
    now_ms: i64,
    end_offset: i64,
    last_records: BTreeMap<i64, LastRecord>,
    aborted: Vec<AbortedEntry>,
}

impl Pass {
    /// A pass that knows the keys of all these batches.
    fn over(log: &[u8]) -> Self {
        let mut map = OffsetMap::new(10_000, 0.9, 0..1_000, [1, 2]);
        let mut transactions = CleanedTransactions::default();
        for batch in batches(log) {
            let batch = batch.unwrap();
            assert!(note_keys(&mut map, &batch, 0, &mut transactions, &mut Scratch::new()).unwrap());
        }
        Self {
            map,
            now_ms: NOW,
            end_offset: i64::MAX,
            last_records: BTreeMap::new(),
            aborted: Vec::new(),
        }
    }

    fn note(&mut self, key: &str, offset: i64) {
        let hash = self.map.hash(key.as_bytes());
        assert!(self.map.put_all(&[(hash, offset)]));
    }

    fn run(&self, log: &[u8]) -> Vec<u8> {
        let filter = Filter {
            map: &self.map,
            now_ms: self.now_ms,
            delete_retention_ms: RETENTION,
            end_offset: self.end_offset,
            last_records: &self.last_records,
        };
        let mut transactions = CleanedTransactions::new(self.aborted.clone());
        let (mut out, mut scratch) = (Vec::new(), Scratch::new());
        for batch in batches(log) {
            filter
                .batch(&batch.unwrap(), &mut transactions, &mut scratch, &mut out)
                .unwrap();
        }
        out
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
    let cleaned = Pass::over(&log).run(&log);
    assert_eq!(
        seen(&cleaned),
        [(0, None, vec![2]), (3, None, vec![4]), (5, None, vec![5, 6])]
    );
    let first = Batch::parse(&cleaned).unwrap().header;
    assert_eq!((first.last_offset(), first.records_count), (2, 1));
    let whole = data(5, None, &[("d", Some("1")), ("b", Some("2"))]);
    assert!(cleaned.ends_with(&whole), "byte for byte");
    assert_eq!(Pass::over(&cleaned).run(&cleaned), cleaned, "nothing left to do");
}

#[test]
fn what_the_table_does_not_reach_stays() {
    let log = [data(0, None, &[("a", Some("1"))]), data(1, None, &[("a", Some("2"))])].concat();
    let mut pass = Pass::over(&log[..log.len() / 2]);
    assert_eq!(pass.run(&log), log);
    // A later round knows offsets that are higher than the ones it meets here, and keys that it does not.
    pass.map = OffsetMap::new(10_000, 0.9, 9..100, [1, 2]);
    pass.note("z", 9);
    assert_eq!(pass.run(&log), log);
    pass.note("a", 10);
    assert!(pass.run(&log).is_empty());
}

#[test]
fn it_is_the_same_whether_offsets_or_only_keys_are_known() {
    let keys = ["a", "b", "c", "", "d"];
    let value = |offset: usize| (!offset.is_multiple_of(9)).then_some("v");
    let batch = |first: usize| {
        let record = |at: usize| (keys[(first + at * at) % (1 + first / 20 % 5)], value(first + at));
        let records: Vec<_> = (0..4).map(record).collect();
        data(first as i64, None, &records)
    };
    let log: Vec<u8> = (0..50).flat_map(|at| batch(at * 4)).collect();
    let by_offsets = Pass::over(&log);
    let mut by_keys = Pass::over(&[]);
    // As if the dirty part began behind everything: of no offset here it is known whether it is superseded.
    by_keys.map = OffsetMap::new(10_000, 0.9, 1_000..2_000, [1, 2]);
    for batch in batches(&log) {
        let mut transactions = CleanedTransactions::default();
        let (batch, mut scratch) = (batch.unwrap(), Scratch::new());
        assert!(note_keys(&mut by_keys.map, &batch, 0, &mut transactions, &mut scratch).unwrap());
    }
    let known = |pass: &Pass| pass.map.count_superseded(0..=199);
    assert_eq!(known(&by_keys), None);
    assert!(known(&by_offsets) > Some(100));
    let cleaned = by_offsets.run(&log);
    assert_eq!(cleaned, by_keys.run(&log));
    assert!(cleaned.len() < log.len() / 2 && !cleaned.is_empty());
}

#[test]
fn a_batch_of_which_nothing_stays_is_not_read_again() {
    let mut log = data(0, None, &[("a", Some("1")), ("b", Some("1"))]);
    let first = log.len();
    log.extend(data(2, None, &[("b", Some("2")), ("a", Some("2"))]));
    let mut pass = Pass::over(&log);
    log[BATCH_OVERHEAD..first].fill(0xff);
    assert_eq!(pass.run(&log), log[first..]);
    pass.end_offset = 2;
    let kept = pass.run(&log);
    assert_eq!(
        seen(&kept)[0],
        (0, None, vec![]),
        "the end of what was read stays known"
    );
}

#[test]
fn tombstones_wait_for_their_horizon() {
    let log = data(0, None, &[("a", Some("1")), ("a", None), ("b", Some("1"))]);
    let mut pass = Pass::over(&log);
    let once = pass.run(&log);
    let horizon = NOW + RETENTION;
    assert_eq!(seen(&once), [(0, Some(horizon), vec![1, 2])]);
    let header = Batch::parse(&once).unwrap().header;
    assert_eq!((header.base_timestamp, header.max_timestamp), (horizon, 7));
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
    assert_eq!(seen(&Pass::over(&log).run(&log)), [(0, None, vec![1])]);
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
    let mut pass = Pass::over(&log);
    pass.note("a", 9);
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
    let aborted = AbortedEntry {
        producer_id: 2,
        first_offset: 1,
        last_offset: 3,
        last_stable_offset: 4,
    };
    let mut pass = Pass::over(&[]);
    pass.aborted = vec![aborted];
    let mut transactions = CleanedTransactions::new(pass.aborted.clone());
    for batch in batches(&log) {
        note_keys(
            &mut pass.map,
            &batch.unwrap(),
            0,
            &mut transactions,
            &mut Scratch::new(),
        )
        .unwrap();
    }
    assert_eq!(
        (pass.map.get(pass.map.hash(b"a")), pass.map.latest_offset()),
        (Some(0), 4),
        "aborted keys do not count"
    );
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
        "readers may still be within it"
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
    pass.note("a", 9);
    pass.last_records.clear();
    pass.now_ms = NOW;
    let superseded = pass.run(&once);
    assert_eq!(stayed(&superseded)[0], (2, None), "seen with its records");
    assert_eq!(stayed(&pass.run(&superseded))[0], (2, Some(horizon)));
}

#[test]
fn a_full_table_ends_the_part_that_is_cleaned() {
    let log = data(0, None, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]);
    let mut map = OffsetMap::new(0, 0.9, 0..100, [1, 2]);
    let mut transactions = CleanedTransactions::default();
    let batch = Batch::parse(&log).unwrap();
    assert!(!note_keys(&mut map, &batch, 1, &mut transactions, &mut Scratch::new()).unwrap());
    assert_eq!(map.latest_offset(), 1, "from the first dirty offset on");
}
