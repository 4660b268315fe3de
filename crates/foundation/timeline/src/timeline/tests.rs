//! Laws of the timeline, against a model that keeps a full copy of the state per offset.

use super::{BEFORE_ALL, Timeline};
use crate::OrdMap;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    Remove(u8),
    /// Snapshot this many offsets above the newest.
    Snapshot(u8),
    /// Commit at this share (of 255) of the way from the committed to beyond the newest offset.
    Commit(u8),
    Revert(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Put(key % 40, value)),
        2 => any::<u8>().prop_map(|key| Step::Remove(key % 40)),
        3 => (0u8..4).prop_map(Step::Snapshot),
        1 => any::<u8>().prop_map(Step::Commit),
        1 => any::<u8>().prop_map(Step::Revert),
    ];
    prop::collection::vec(step, 0..200)
}

/// Every snapshot a full copy, the first one committed.
struct Model {
    current: BTreeMap<u8, u16>,
    snapshots: BTreeMap<i64, BTreeMap<u8, u16>>,
}

impl Model {
    fn at(&self, offset: i64) -> &BTreeMap<u8, u16> {
        self.snapshots
            .range(..=offset)
            .next_back()
            .expect("a snapshot at or below")
            .1
    }
}

fn between(timeline: &Timeline<OrdMap<u8, u16>>, share: u8) -> i64 {
    let low = timeline.committed_offset();
    low + (timeline.newest_offset() + 2 - low) * i64::from(share) / 255
}

fn same(ours: &OrdMap<u8, u16>, model: &BTreeMap<u8, u16>) -> bool {
    ours.iter().eq(model.iter())
}

proptest! {
    #[test]
    fn every_state_equals_the_full_copy_of_it(steps in steps()) {
        let mut timeline = Timeline::<OrdMap<u8, u16>>::default();
        let mut model = Model { current: BTreeMap::new(), snapshots: BTreeMap::from([(BEFORE_ALL, BTreeMap::new())]) };
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    timeline.current_mut().insert(key, value);
                    model.current.insert(key, value);
                }
                Step::Remove(key) => {
                    timeline.current_mut().remove(&key);
                    model.current.remove(&key);
                }
                Step::Snapshot(above) => {
                    let offset = timeline.newest_offset() + i64::from(above);
                    timeline.snapshot(offset);
                    model.snapshots.entry(offset).or_insert_with(|| model.current.clone());
                }
                Step::Commit(share) => {
                    let offset = between(&timeline, share);
                    timeline.commit(offset);
                    let kept = *model.snapshots.range(..=offset).next_back().expect("the committed one").0;
                    model.snapshots.retain(|at, _| *at >= kept);
                }
                Step::Revert(share) => {
                    let offset = between(&timeline, share);
                    timeline.revert_to(offset);
                    model.snapshots.retain(|at, _| *at <= offset);
                    model.current = model.at(offset).clone();
                }
            }
            prop_assert!(same(timeline.current(), &model.current));
            let (oldest, committed) = model.snapshots.first_key_value().expect("always one");
            prop_assert_eq!(timeline.committed_offset(), *oldest);
            prop_assert!(same(timeline.committed(), committed));
            for offset in *oldest..=timeline.newest_offset() + 1 {
                prop_assert!(same(timeline.at(offset), model.at(offset)), "state at {}", offset);
            }
        }
    }
}

#[test]
fn a_commit_behind_the_committed_state_changes_nothing() {
    let mut timeline = Timeline::starting_at(7, 'a');
    timeline.commit(3);
    assert_eq!((timeline.committed_offset(), *timeline.committed()), (7, 'a'));
}

#[test]
#[should_panic(expected = "below the committed state at 1")]
fn what_is_committed_is_not_taken_back() {
    let mut timeline = Timeline::new(0);
    timeline.snapshot(0);
    timeline.snapshot(1);
    timeline.commit(1);
    timeline.revert_to(0);
}

#[test]
#[should_panic(expected = "behind the newest at 5")]
fn snapshots_never_go_back() {
    let mut timeline = Timeline::new(0);
    timeline.snapshot(5);
    timeline.snapshot(4);
}
