//! Any sequence of keyed writes, cleanings and stops, against the list of all that was written.
use std::collections::BTreeMap;

use klamm_log::{Isolation, RoundEnd};
use klamm_records::{BatchBuilder, Compression};
use proptest::prelude::*;

use crate::clean::{Node, Plain, compacted, records};

#[derive(Clone, Debug)]
enum Step {
    /// Keys, with a value or as tombstones.
    Put {
        records: Vec<(u8, bool)>,
        codec: u8,
        producer: Option<u8>,
    },
    Roll,
    Clean,
    Wait(i64),
    Restart {
        clean: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0..12u8, prop::bool::weighted(0.8));
    let put = (prop::collection::vec(record, 1..6), 0..5u8, prop::option::of(0..3u8));
    prop_oneof![
        12 => put.prop_map(|(records, codec, producer)| Step::Put { records, codec, producer }),
        2 => Just(Step::Roll),
        3 => Just(Step::Clean),
        1 => (0..60_000i64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(|clean| Step::Restart { clean }),
    ]
}

const DELETE_RETENTION_MS: i64 = 30_000;

struct World {
    node: Node,
    written: Vec<Plain>,
    sequences: BTreeMap<u8, i32>,
}

impl World {
    fn new() -> Self {
        let mut config = compacted();
        config.delete_retention_ms = DELETE_RETENTION_MS;
        Self {
            node: Node::new(config),
            written: Vec::new(),
            sequences: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put {
                records,
                codec,
                producer,
            } => self.put(records, *codec, *producer),
            Step::Roll => self.node.log().roll(self.node.now_ms).unwrap(),
            Step::Clean => {
                while let Some(cleaned) = self.node.clean() {
                    assert!(matches!(cleaned.end, RoundEnd::Cleaned { .. }), "{cleaned:?}");
                    self.check();
                }
            }
            Step::Wait(ms) => {
                self.node.now_ms += ms;
                self.node.logs.tick(self.node.now_ms);
            }
            Step::Restart { clean } => {
                let before = records(&self.node.log(), Isolation::LogEnd);
                let producers = self.node.log().active_producers();
                assert!(self.node.restart(*clean).failed.is_empty());
                assert_eq!(records(&self.node.log(), Isolation::LogEnd), before);
                assert_eq!(self.node.log().active_producers(), producers);
            }
        }
    }

    fn put(&mut self, records: &[(u8, bool)], codec: u8, producer: Option<u8>) {
        let mut builder = BatchBuilder::new(Compression::from_id(codec).unwrap());
        if let Some(producer) = producer {
            let sequence = self.sequences.entry(producer).or_default();
            builder = builder.producer(producer.into(), 0, *sequence);
            *sequence += records.len() as i32;
        }
        let end = self.node.log().log_end_offset();
        let plain: Vec<Plain> = (end..)
            .zip(records)
            .map(|(offset, (key, has_value))| {
                (
                    offset,
                    format!("key-{key}"),
                    has_value.then(|| format!("value-{offset}")),
                )
            })
            .collect();
        let records: Vec<_> = plain
            .iter()
            .map(|(_, key, value)| (key.as_str(), value.as_deref()))
            .collect();
        assert_eq!(self.node.put_as(builder, &records), end);
        self.written.extend(plain);
    }

    /// What is there was written there, and of each key at least what was written last, unless that is a tombstone.
    fn check(&self) {
        let log = self.node.log();
        let found = records(&log, Isolation::HighWatermark);
        assert!(found.iter().all(|record| self.written[record.0 as usize] == *record));
        let last = |records: &[Plain]| -> BTreeMap<String, Plain> {
            records
                .iter()
                .map(|record| (record.1.clone(), record.clone()))
                .collect()
        };
        let (found_last, mut expected) = (last(&found), last(&self.written));
        expected.retain(|key, (_, _, value)| value.is_some() || found_last.contains_key(key));
        assert_eq!(found_last, expected);
        assert_eq!(log.log_end_offset(), self.written.len() as i64);
        // Below where the cleaner was nothing is there twice.
        let cleaned = log.cleaned_offset().unwrap_or(0);
        let below: Vec<_> = found.iter().filter(|record| record.0 < cleaned).cloned().collect();
        assert_eq!(below.len(), last(&below).len(), "{below:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn of_each_key_the_last_value_stays(steps in prop::collection::vec(step(), 1..50)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.take(&Step::Roll);
        world.take(&Step::Clean);
        // Tombstones are gone once they were found ready, and their time has passed, and the log has become dirty again.
        world.node.now_ms += DELETE_RETENTION_MS;
        world.take(&Step::Put { records: vec![(99, true)], codec: 0, producer: None });
        world.take(&Step::Roll);
        world.take(&Step::Clean);
        let found = records(&world.node.log(), Isolation::LogEnd);
        prop_assert!(found.iter().all(|(_, _, value)| value.is_some()), "{:?}", found);
    }
}
