//! Any sequence of what can happen to a log, against a list.
use klamm_log::{LogConfig, LogStart};
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Append {
        records: usize,
        size: usize,
    },
    Resend,
    Roll,
    Flush,
    Truncate {
        at: f64,
    },
    DeleteRecords {
        at: f64,
    },
    Retention,
    Restart,
    Crash,
    /// A power cut: everything above the recovery point is cut at some byte.
    PowerCut {
        at: f64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1..5usize, 1..300usize).prop_map(|(records, size)| Step::Append { records, size }),
        2 => Just(Step::Resend),
        1 => Just(Step::Roll),
        2 => Just(Step::Flush),
        1 => (0.0..1.0).prop_map(|at| Step::Truncate { at }),
        1 => (0.0..1.0).prop_map(|at| Step::DeleteRecords { at }),
        1 => Just(Step::Retention),
        1 => Just(Step::Restart),
        2 => Just(Step::Crash),
        2 => (0.0..1.0).prop_map(|at| Step::PowerCut { at }),
    ]
}

/// The records of a partition, each batch a list of values.
#[derive(Default)]
struct Model {
    start: i64,
    /// Base offset and values.
    batches: Vec<(i64, Vec<String>)>,
    end: i64,
}

impl Model {
    fn records(&self) -> Vec<(i64, String)> {
        let all = self
            .batches
            .iter()
            .flat_map(|(base, values)| (*base..).zip(values.iter().cloned()));
        all.filter(|(offset, _)| *offset >= self.start).collect()
    }

    fn truncate(&mut self, end: i64) {
        self.batches.retain(|(base, values)| base + values.len() as i64 <= end);
        self.end = self
            .batches
            .last()
            .map_or(end.min(self.end), |(base, values)| base + values.len() as i64);
        self.start = self.start.min(self.end);
    }
}

struct World {
    f: Fixture,
    model: Model,
}

impl World {
    fn new() -> Self {
        let config = LogConfig {
            segment_bytes: 1_500,
            index_interval_bytes: 200,
            retention_bytes: 4_000,
            retention_ms: -1,
            ..LogConfig::default()
        };
        Self {
            f: fixture(config),
            model: Model::default(),
        }
    }

    fn values(&self, records: usize, size: usize) -> Vec<String> {
        (0..records)
            .map(|i| format!("{}:{}", self.model.end + i as i64, "x".repeat(size)))
            .collect()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append { records, size } => {
                let values = self.values(*records, *size);
                let mut builder = klamm_records::BatchBuilder::new(klamm_records::Compression::None).producer(
                    1,
                    0,
                    self.model.end as i32,
                );
                for value in &values {
                    builder.push(NOW, None, Some(value.as_bytes()), &[]).unwrap();
                }
                let info = append(&self.f.log, &builder.build()).unwrap();
                assert!(!info.is_duplicate);
                assert_eq!(info.first_offset, self.model.end);
                self.model.batches.push((self.model.end, values));
                self.model.end = info.last_offset + 1;
            }
            Step::Resend => {
                let Some((base, values)) = self.model.batches.last() else {
                    return;
                };
                let mut builder =
                    klamm_records::BatchBuilder::new(klamm_records::Compression::None).producer(1, 0, *base as i32);
                for value in values {
                    builder.push(NOW, None, Some(value.as_bytes()), &[]).unwrap();
                }
                let info = append(&self.f.log, &builder.build()).unwrap();
                assert_eq!((info.is_duplicate, info.first_offset), (true, *base));
            }
            Step::Roll => self.f.log.roll(NOW).unwrap(),
            Step::Flush => assert_eq!(self.f.log.flush().unwrap(), self.model.end),
            Step::Truncate { at } => {
                let target = self.model.start + ((self.model.end - self.model.start) as f64 * at) as i64;
                self.f.log.truncate_to(target, NOW).unwrap();
                self.model.truncate(target);
                self.model.end = self.f.log.log_end_offset();
                self.model.start = self.f.log.log_start_offset();
            }
            Step::DeleteRecords { at } => {
                let target = self.model.start + ((self.model.end - self.model.start) as f64 * at) as i64;
                self.f.log.update_high_watermark(self.model.end);
                self.f.log.delete_records(target).unwrap();
                self.model.start = target.max(self.model.start);
            }
            Step::Retention => {
                self.f.log.update_high_watermark(self.model.end);
                self.f.log.delete_old_segments(NOW).unwrap();
                assert!(self.f.log.log_start_offset() >= self.model.start);
                self.model.start = self.f.log.log_start_offset();
            }
            Step::Restart => self.restart(true),
            Step::Crash => self.restart(false),
            Step::PowerCut { at } => self.power_cut(*at),
        }
    }

    fn restart(&mut self, clean: bool) {
        if clean {
            self.f.log.close().unwrap();
        }
        let start = LogStart {
            log_start_offset: self.f.log.log_start_offset(),
            recovery_point: self.f.log.recovery_point(),
            clean,
            ..LogStart::default()
        };
        let (log, opened) = open(&self.f.dir(), self.f.config.clone(), start).unwrap();
        if clean {
            assert_eq!((opened.bytes_checked, &opened.events[..]), (0, &[][..]));
        }
        self.f.log = log;
    }

    /// Cuts the newest segment's file at or above the recovery point.
    fn power_cut(&mut self, at: f64) {
        let (recovery_point, base) = (
            self.f.log.recovery_point(),
            *self.f.log.segment_base_offsets().last().unwrap(),
        );
        let path = self.f.dir().join(format!("{base:020}.log"));
        let bytes = std::fs::read(&path).unwrap();
        let mut synced = 0;
        for batch in klamm_records::batches(&bytes) {
            let header = batch.unwrap().header;
            if header.next_offset() <= recovery_point {
                synced += header.size_in_bytes();
            }
        }
        let len = synced + ((bytes.len() - synced) as f64 * at) as usize;
        std::fs::write(&path, &bytes[..len]).unwrap();
        let start = self.f.log.log_start_offset();
        self.restart(false);
        let end = self.f.log.log_end_offset();
        assert!(end >= recovery_point, "what was flushed is there");
        self.model.truncate(end);
        (self.model.end, self.model.start) = (end, start.min(end));
        if self.f.log.size() == 0 {
            self.model.batches.clear(); // what was left ended below the log start: begun anew
        }
    }

    fn check(&self) {
        let log = &self.f.log;
        assert_eq!(log.log_end_offset(), self.model.end);
        assert_eq!(log.log_start_offset(), self.model.start);
        let expected = self.model.records();
        assert_eq!(records(log), expected);
        if let Some((middle, _)) = expected.get(expected.len() / 2) {
            assert_eq!(records_from(log, *middle), expected[expected.len() / 2..]);
        }
        if let Some((first, _)) = expected.first() {
            assert_eq!(
                log.offset_for_timestamp(NOW).unwrap().map(|found| found.offset),
                Some(*first)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_log_is_a_list_whatever_happens_to_it(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.restart(true);
        world.check();
    }
}
