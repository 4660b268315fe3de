use std::collections::BTreeSet;

use super::*;

fn broker(id: i32, rack: Option<&str>, fenced: bool) -> UsableBroker {
    UsableBroker {
        id,
        rack: rack.map(str::to_owned),
        fenced,
    }
}

fn place(brokers: &[UsableBroker], partitions: usize, factor: i16, seed: u64) -> Result<Vec<Vec<i32>>, String> {
    StripedReplicaPlacer::new(Random::new(seed), brokers.iter().cloned())
        .place(partitions, factor)
        .map_err(|error| error.message.unwrap())
}

#[test]
fn one_broker_takes_all() {
    let one = [broker(1, None, false)];
    assert_eq!(place(&one, 3, 1, 0), Ok(vec![vec![1]; 3]));
    assert_eq!(
        place(&one, 1, 3, 0).unwrap_err(),
        "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered or some \
         brokers have all their log directories cordoned."
    );
    assert_eq!(
        place(&one, 1, 0, 0).unwrap_err(),
        "Invalid replication factor 0: the replication factor must be positive."
    );
    assert_eq!(
        place(&[broker(1, None, true)], 1, 1, 0).unwrap_err(),
        "All brokers are currently fenced."
    );
}

#[test]
fn racks_share_replicas_and_leaders_evenly() {
    let brokers: Vec<_> = (0..6)
        .map(|id| broker(id, Some(["a", "b", "c"][id as usize % 3]), false))
        .collect();
    for seed in 0..20 {
        let placed = place(&brokers, 6, 3, seed).unwrap();
        let leaders: BTreeSet<_> = placed.iter().map(|replicas| replicas[0]).collect();
        assert_eq!(leaders.len(), 6, "seed {seed}: {placed:?}");
        for replicas in &placed {
            let racks: BTreeSet<_> = replicas.iter().map(|id| id % 3).collect();
            assert_eq!(racks.len(), 3, "seed {seed}: {placed:?}");
        }
    }
}

#[test]
fn fenced_brokers_come_last() {
    let brokers = [
        broker(0, None, true),
        broker(1, None, false),
        broker(2, None, true),
        broker(3, None, false),
    ];
    for seed in 0..20 {
        for replicas in place(&brokers, 8, 3, seed).unwrap() {
            let distinct: BTreeSet<_> = replicas.iter().collect();
            assert_eq!(distinct.len(), 3);
            assert!([1, 3].contains(&replicas[0]) && [1, 3].contains(&replicas[1]));
        }
    }
}
