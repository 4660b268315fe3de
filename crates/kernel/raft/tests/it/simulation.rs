//! Quorums of one, three and five voters with an observer under delay, loss, duplication, slow disks, crashes, partitions and snapshots;
//! then all is healed and they have to agree.

use std::collections::BTreeMap;

use klamm_raft::{RoleName, VoterSet};

use crate::checks::Checks;
use crate::node::{Disk, Done, Message, SimNode, voter_set};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

struct World {
    now_ms: i64,
    random: Random,
    bootstrap: VoterSet,
    nodes: BTreeMap<i32, SimNode>,
    down: BTreeMap<i32, Disk>,
    in_flight: Vec<(i64, i32, i32, Message)>,
    /// A node that nobody reaches.
    isolated: Option<i32>,
    /// A node whose log takes long to be synced.
    slow: Option<i32>,
    faults: bool,
    checks: Checks,
    trace: u64,
    appended: i64,
}

impl World {
    fn new(seed: u64, voters: i32) -> Self {
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let bootstrap = voter_set(1..=voters);
        let mut world = World {
            now_ms: 1_000_000,
            random,
            bootstrap,
            nodes: BTreeMap::new(),
            down: (1..=voters + 1).map(|id| (id, Disk::default())).collect(),
            in_flight: Vec::new(),
            isolated: None,
            slow: None,
            faults: true,
            checks: Checks::default(),
            trace: 0,
            appended: 0,
        };
        (1..=voters + 1).for_each(|id| world.start(id));
        world
    }

    fn start(&mut self, id: i32) {
        if let Some(disk) = self.down.remove(&id) {
            let mut done = Done::default();
            let node = SimNode::start(id, disk, &self.bootstrap, self.random.next(), self.now_ms, &mut done);
            self.nodes.insert(id, node);
            self.deliver(id, done);
        }
    }

    fn with(&mut self, id: i32, act: impl FnOnce(&mut SimNode, i64, &mut Done)) {
        let mut done = Done::default();
        if let Some(node) = self.nodes.get_mut(&id) {
            act(node, self.now_ms, &mut done);
            self.deliver(id, done);
        }
    }

    fn deliver(&mut self, id: i32, done: Done) {
        if let Some(epoch) = done.became_leader {
            self.checks.leader(epoch, id);
        }
        for (target, message) in done.sent {
            let copies = match self.faults {
                true if self.random.one_in(15) => 0,
                true if self.random.one_in(15) => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let delay_ms = if self.random.one_in(10) && self.faults {
                    self.random.below(800)
                } else {
                    self.random.below(10)
                };
                self.in_flight
                    .push((self.now_ms + delay_ms.cast_signed(), id, target, message.clone()));
            }
        }
    }

    fn any(&mut self) -> i32 {
        1 + i32::try_from(self.random.below((self.nodes.len() + self.down.len()) as u64)).unwrap()
    }

    fn step(&mut self) {
        self.now_ms += self.random.below(6).cast_signed();
        if self.faults {
            self.fault();
        }
        if self.random.one_in(6) {
            let id = self.any();
            self.appended += 1;
            let marker = self.appended;
            self.with(id, |node, now_ms, done| {
                node.append(now_ms, marker, done);
            });
        }
        let due = self
            .in_flight
            .iter()
            .enumerate()
            .filter(|(_, (at_ms, ..))| *at_ms <= self.now_ms);
        let due: Vec<usize> = due.map(|(index, _)| index).collect();
        if !due.is_empty() {
            let pick = usize::try_from(self.random.below(due.len() as u64)).unwrap();
            let (_, from, to, message) = self.in_flight.swap_remove(due[pick]);
            if self.isolated != Some(from) && self.isolated != Some(to) {
                self.with(to, |node, now_ms, done| node.receive(now_ms, message, done));
            }
        }
        let ids: Vec<i32> = self.nodes.keys().copied().collect();
        for id in ids {
            if self.nodes[&id].is_syncing() && self.random.one_in(3) {
                let is_slow = self.slow == Some(id);
                self.with(id, |node, now_ms, done| node.sync(now_ms, is_slow, done));
            }
            if self.nodes[&id]
                .raft
                .next_deadline()
                .is_some_and(|deadline_ms| deadline_ms <= self.now_ms)
            {
                self.with(id, SimNode::tick);
            }
        }
        let up = self.nodes.iter().map(|(id, node)| (*id, &node.synced));
        let voters = up
            .chain(self.down.iter().map(|(id, disk)| (*id, disk)))
            .filter(|(id, _)| self.bootstrap.ids().any(|voter| voter == *id));
        let voter_ends = voters.map(|(_, disk)| disk.end_offset()).collect();
        self.checks.all(self.nodes.values(), voter_ends);
        for node in self.nodes.values() {
            let state =
                (node.committed as u64) << 20 ^ (node.raft.leader_and_epoch().epoch as u64) << 8 ^ node.id as u64;
            self.trace = (self.trace ^ state).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn fault(&mut self) {
        if self.random.one_in(250) {
            let id = self.any();
            self.checks.committed(self.nodes.values());
            if let Some(node) = self.nodes.remove(&id) {
                self.down.insert(id, node.synced);
            }
        }
        if self.random.one_in(60) {
            let id = self.any();
            self.start(id);
        }
        if self.random.one_in(500) {
            self.isolated = if self.random.one_in(2) { None } else { Some(self.any()) };
        }
        if self.random.one_in(500) {
            self.slow = if self.random.one_in(2) { None } else { Some(self.any()) };
        }
        if self.random.one_in(300) {
            let id = self.any();
            self.with(id, |node, _, _| node.snapshot());
        }
        if self.random.one_in(800) {
            let id = self.any();
            self.with(id, SimNode::resign);
        }
    }

    fn heal(&mut self) {
        self.checks.committed(self.nodes.values());
        self.faults = false;
        self.isolated = None;
        self.slow = None;
        let down: Vec<i32> = self.down.keys().copied().collect();
        down.into_iter().for_each(|id| self.start(id));
    }

    fn agrees(&self) -> bool {
        let leads = self
            .nodes
            .values()
            .filter(|node| node.raft.role() == RoleName::Leader)
            .count();
        leads == 1 && self.nodes.values().all(|node| node.committed > self.checks.end())
    }
}

/// Runs one seed and returns a fingerprint of all that happened.
fn run(seed: u64, voters: i32, steps: usize) -> u64 {
    let mut world = World::new(seed, voters);
    (0..steps).for_each(|_| world.step());
    world.heal();
    let converged = (0..30_000).any(|_| {
        world.step();
        world.agrees()
    });
    assert!(converged, "no agreement after all was healed");
    let before = world.checks.end();
    world.checks.committed(world.nodes.values());
    assert!(world.checks.end() > before);
    for node in world.nodes.values() {
        let held = node
            .history()
            .iter()
            .filter(|batch| world.checks.holds(batch))
            .map(|batch| batch.last_offset + 1)
            .max();
        assert!(
            held.is_some_and(|held| held > before),
            "{} lost committed records",
            node.id
        );
    }
    world.trace
}

fn seeds(range: std::ops::Range<u64>, voters: i32, steps: usize) {
    for seed in range {
        let outcome = std::panic::catch_unwind(|| run(seed, voters, steps));
        if let Err(panic) = outcome {
            eprintln!("seed {seed} with {voters} voters: run({seed}, {voters}, {steps})");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn one_voter_keeps_what_it_committed() {
    seeds(0..100, 1, 2_000);
}

#[test]
fn three_voters_agree() {
    seeds(1_000..1_150, 3, 3_000);
}

#[test]
fn five_voters_agree() {
    seeds(2_000..2_080, 5, 3_000);
}

#[test]
fn a_seed_run_twice_gives_the_same_trace() {
    assert_eq!(run(42, 3, 2_000), run(42, 3, 2_000));
}
