//! What holds of every assignment of every assignor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_assignors::{Assigned, Assignor, Member, Members, TopicPartition, Topics};
use proptest::prelude::*;

fn topics() -> impl Strategy<Value = Topics> {
    let racks = prop::collection::btree_set(prop::sample::select(vec!["a".to_owned(), "b".to_owned()]), 0..3);
    prop::collection::btree_map(
        (0..6u8).prop_map(|topic| Arc::from(format!("topic-{topic}"))),
        prop::collection::vec(racks, 0..9),
        1..6,
    )
}

fn member(same: bool) -> impl Strategy<Value = Member> {
    let topics = prop::collection::btree_set((0..6u8).prop_map(|topic| Arc::from(format!("topic-{topic}"))), 1..6);
    let rack = prop::option::of(prop::sample::select(vec![
        "a".to_owned(),
        "b".to_owned(),
        "c".to_owned(),
    ]));
    (topics, rack).prop_map(move |(topics, rack)| Member {
        topics: if same {
            (0..6u8).map(|topic| Arc::from(format!("topic-{topic}"))).collect()
        } else {
            topics
        },
        rack,
        ..Member::default()
    })
}

fn members(same: bool) -> impl Strategy<Value = Members> {
    prop::collection::btree_map("[a-z]{1,6}", member(same), 1..20)
}

fn group() -> impl Strategy<Value = (Topics, Members)> {
    (topics(), any::<bool>()).prop_flat_map(|(topics, same)| (Just(topics), members(same)))
}

/// Every partition that somebody wants, once, and to one who wants it.
fn check_complete(assigned: &Assigned, topics: &Topics, members: &Members) {
    assert!(assigned.keys().eq(members.keys()));
    let mut given = BTreeSet::new();
    for (id, partitions) in assigned {
        for partition in partitions {
            assert!(
                members[id].topics.contains(&partition.topic),
                "{id} does not want {partition}"
            );
            assert!(given.insert(partition.clone()), "{partition} is given twice");
        }
    }
    let wanted = topics
        .iter()
        .filter(|(topic, _)| members.values().any(|member| member.topics.contains(*topic)))
        .map(|(_, partitions)| partitions.len());
    assert_eq!(given.len(), wanted.sum::<usize>());
}

/// Tells the members what they got, as they would tell their leader when they join again.
fn tell(assignor: Assignor, members: &mut Members, assigned: &Assigned, generation: i32) {
    for (id, member) in members.iter_mut() {
        let Some(partitions) = assigned.get(id) else { continue };
        member.generation = Some(generation);
        member.user_data = assignor.user_data(Some(partitions), generation);
        if assignor.is_cooperative() {
            member.owned = partitions.clone();
        }
    }
}

/// Rebalances until nothing is in transit any more.
fn settle(assignor: Assignor, members: &mut Members, topics: &Topics, generation: &mut i32) -> Assigned {
    for _ in 0..3 {
        let assigned = assignor.assign(members, topics);
        *generation += 1;
        tell(assignor, members, &assigned, *generation);
        if !assignor.is_cooperative() || assignor.assign(members, topics) == assigned {
            return assigned;
        }
    }
    panic!("a cooperative group does not come to rest");
}

fn owners(assigned: &Assigned) -> BTreeMap<&TopicPartition, &String> {
    assigned
        .iter()
        .flat_map(|(id, partitions)| partitions.iter().map(move |partition| (partition, id)))
        .collect()
}

fn spread(assigned: &Assigned) -> (usize, usize) {
    let counts = assigned.values().map(Vec::len);
    (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0))
}

proptest! {
    #[test]
    fn every_partition_has_one_owner((topics, members) in group()) {
        for assignor in Assignor::ALL {
            check_complete(&assignor.assign(&members, &topics), &topics, &members);
        }
    }

    #[test]
    fn equal_subscriptions_are_balanced((topics, members) in (topics(), members(true))) {
        for assignor in [Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky] {
            let (least, most) = spread(&assignor.assign(&members, &topics));
            prop_assert!(most - least <= 1);
        }
    }

    /// Racks aside: to come closer to replicas, Kafka's assignors move partitions to and fro.
    #[test]
    fn nothing_moves_without_reason((topics, mut members) in group()) {
        members.values_mut().for_each(|member| member.rack = None);
        for assignor in [Assignor::Sticky, Assignor::CooperativeSticky] {
            let mut generation = 0;
            let first = settle(assignor, &mut members, &topics, &mut generation);
            let again = settle(assignor, &mut members, &topics, &mut generation);
            prop_assert_eq!(first, again);
        }
    }

    /// Partitions of members that leave go to those who stay; those who stay lose nothing, with equal subscriptions.
    #[test]
    fn who_stays_keeps_what_it_has((topics, mut members) in (topics(), members(true)), leaves in any::<prop::sample::Index>()) {
        members.values_mut().for_each(|member| member.rack = None);
        prop_assume!(members.len() > 1);
        for assignor in [Assignor::Sticky, Assignor::CooperativeSticky] {
            let mut members = members.clone();
            let mut generation = 0;
            let before = settle(assignor, &mut members, &topics, &mut generation);
            let gone = members.keys().nth(leaves.index(members.len())).unwrap().clone();
            members.remove(&gone);
            let after = settle(assignor, &mut members, &topics, &mut generation);
            check_complete(&after, &topics, &members);
            let after = owners(&after);
            for (partition, owner) in owners(&before) {
                prop_assert!(*owner == gone || after[partition] == owner, "{} moved from {}", partition, owner);
            }
        }
    }

    /// In a cooperative rebalance nobody gets what another still owns.
    #[test]
    fn owners_give_up_first((topics, mut members) in group(), joiner in member(true)) {
        let assignor = Assignor::CooperativeSticky;
        members.values_mut().for_each(|member| member.rack = None);
        let mut generation = 0;
        let before = settle(assignor, &mut members, &topics, &mut generation);
        members.insert("joiner".to_owned(), Member { rack: None, ..joiner });
        let during = assignor.assign(&members, &topics);
        let before = owners(&before);
        for (partition, owner) in owners(&during) {
            prop_assert!(before.get(partition).is_none_or(|earlier| *earlier == owner));
        }
        let after = settle(assignor, &mut members, &topics, &mut generation);
        check_complete(&after, &topics, &members);
    }

    /// Whatever members claim, nothing breaks.
    #[test]
    fn claims_may_be_anything(
        (topics, mut members) in group(),
        claims in prop::collection::vec((0..20usize, 0..7u8, -1..12i32, prop::option::of(-1..4i32)), 0..30),
        garbage in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let ids: Vec<String> = members.keys().cloned().collect();
        for (member, topic, partition, generation) in claims {
            let member = members.get_mut(&ids[member % ids.len()]).unwrap();
            member.owned.push(TopicPartition::new(format!("topic-{topic}"), partition));
            member.generation = generation;
            member.user_data = Assignor::Sticky.user_data(Some(&member.owned), generation.unwrap_or(-1));
        }
        check_complete(&Assignor::Sticky.assign(&members, &topics), &topics, &members);
        Assignor::CooperativeSticky.assign(&members, &topics);
        members.values_mut().for_each(|member| member.user_data = Some(garbage.clone().into()));
        check_complete(&Assignor::Sticky.assign(&members, &topics), &topics, &members);
    }
}
