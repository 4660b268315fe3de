//! Which brokers hold the replicas of new partitions.

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;

use crate::random::Random;
use crate::result::ControllerError;

#[cfg(test)]
mod tests;

/// A broker that can take replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsableBroker {
    pub(crate) id: i32,
    pub(crate) rack: Option<String>,
    pub(crate) fenced: bool,
}

/// Brokers to go round, in stripes: each round starts one further on.
#[derive(Debug, Default)]
struct BrokerList {
    brokers: Vec<i32>,
    taken: usize,
    offset: usize,
    round: usize,
}

impl BrokerList {
    fn start(&mut self, random: &mut Random) {
        if !self.brokers.is_empty() {
            self.brokers.sort_unstable();
            self.offset = random.below(self.brokers.len());
        }
    }

    fn next(&mut self, round: usize) -> Option<i32> {
        let count = self.brokers.len();
        if count == 0 {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % count;
        }
        if self.taken >= count {
            return None;
        }
        let broker = self.brokers[(self.taken + self.offset) % count];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Debug, Default)]
struct Rack {
    fenced: BrokerList,
    unfenced: BrokerList,
}

impl Rack {
    fn next(&mut self, round: usize) -> Option<i32> {
        self.unfenced.next(round).or_else(|| self.fenced.next(round))
    }
}

/// Kafka's striped placement: racks take turns, brokers within a rack take turns, fenced brokers come last and never
/// lead, and the starting points are random so that small topics don't all land on the same brokers.
#[derive(Debug)]
pub(crate) struct StripedReplicaPlacer {
    random: Random,
    /// Those with an unfenced broker and those without, in the order of their names; a broker may have no rack.
    racks: Vec<Rack>,
    total_brokers: usize,
    unfenced_brokers: usize,
    round: usize,
    offset: usize,
}

impl StripedReplicaPlacer {
    pub(crate) fn new(mut random: Random, brokers: impl IntoIterator<Item = UsableBroker>) -> Self {
        let mut racks: BTreeMap<Option<String>, Rack> = BTreeMap::new();
        let (mut total_brokers, mut unfenced_brokers) = (0, 0);
        for broker in brokers {
            let rack = racks.entry(broker.rack).or_default();
            if broker.fenced {
                rack.fenced.brokers.push(broker.id);
            } else {
                rack.unfenced.brokers.push(broker.id);
                unfenced_brokers += 1;
            }
            total_brokers += 1;
        }
        let mut racks: Vec<_> = racks.into_values().collect();
        for rack in &mut racks {
            rack.fenced.start(&mut random);
            rack.unfenced.start(&mut random);
        }
        let offset = if racks.is_empty() { 0 } else { random.below(racks.len()) };
        Self {
            random,
            racks,
            total_brokers,
            unfenced_brokers,
            round: 0,
            offset,
        }
    }

    /// The replicas of `partitions` partitions, each with its preferred leader first.
    pub(crate) fn place(
        mut self,
        partitions: usize,
        replication_factor: i16,
    ) -> Result<Vec<Vec<i32>>, ControllerError> {
        let replicas = self.check(replication_factor)?;
        Ok((0..partitions).map(|_| self.place_one(replicas)).collect())
    }

    fn check(&self, replication_factor: i16) -> Result<usize, ControllerError> {
        let invalid = |message| ControllerError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message);
        let replicas = usize::try_from(replication_factor).unwrap_or(0);
        if replicas == 0 {
            return Err(invalid(format!(
                "Invalid replication factor {replication_factor}: the replication factor must be positive."
            )));
        }
        if self.unfenced_brokers == 0 {
            return Err(invalid("All brokers are currently fenced.".to_owned()));
        }
        if replicas > self.total_brokers {
            return Err(invalid(format!(
                "The target replication factor of {replicas} cannot be reached because only {} broker(s) are registered \
                 or some brokers have all their log directories cordoned.",
                self.total_brokers
            )));
        }
        Ok(replicas)
    }

    /// The checks made sure that there are enough brokers.
    fn place_one(&mut self, replicas: usize) -> Vec<i32> {
        // As many assignments as unfenced brokers: the next ones would repeat the first. One broker alone can't do better.
        if self.round == self.unfenced_brokers && self.unfenced_brokers > 1 {
            self.random.shuffle(&mut self.racks);
            for rack in &mut self.racks {
                self.random.shuffle(&mut rack.fenced.brokers);
                self.random.shuffle(&mut rack.unfenced.brokers);
            }
            self.round = 0;
        }
        let count = self.racks.len();
        self.offset %= count;
        let mut brokers = Vec::with_capacity(replicas);
        let mut leader_rack = self.offset;
        loop {
            if let Some(leader) = self.racks[leader_rack].unfenced.next(self.round) {
                brokers.push(leader);
                break;
            }
            leader_rack = (leader_rack + 1) % count;
        }
        let mut skip = Some(leader_rack);
        let mut rack = self.offset;
        while brokers.len() < replicas {
            // The leader's rack has had its turn in the first round over the racks.
            if skip == Some(rack) {
                skip = None;
            } else {
                brokers.extend(self.racks[rack].next(self.round));
            }
            rack = (rack + 1) % count;
        }
        self.round += 1;
        self.offset += 1;
        brokers
    }
}
