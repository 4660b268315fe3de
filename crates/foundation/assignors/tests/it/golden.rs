//! Assignments that the classes of Apache Kafka 4.4.0 made for random groups, each file one assignor's.
//!
//! `topic NAME RACKS;RACKS;…` by partition, `member ID TOPICS GENERATION RACK INSTANCE OWNED USER_DATA`, `gets ID PARTITIONS`;
//! `-` is nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_assignors::{Assigned, Assignor, Member, Members, TopicPartition, Topics};

#[derive(Default)]
struct Case {
    topics: Topics,
    members: Members,
    expected: Assigned,
}

fn some(field: &str) -> Option<&str> {
    (field != "-").then_some(field)
}

fn list(field: &str) -> impl Iterator<Item = &str> {
    some(field).into_iter().flat_map(|field| field.split(','))
}

fn partitions(field: &str) -> Vec<TopicPartition> {
    list(field)
        .map(|partition| {
            let (topic, index) = partition.split_once(':').unwrap();
            TopicPartition::new(topic, index.parse().unwrap())
        })
        .collect()
}

fn unhex(field: &str) -> Vec<u8> {
    (0..field.len() / 2)
        .map(|at| u8::from_str_radix(&field[at * 2..at * 2 + 2], 16).unwrap())
        .collect()
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["case", _] => cases.push(Case::default()),
            ["topic", name, racks] => {
                let racks = racks.split(';').map(|racks| list(racks).map(str::to_owned).collect());
                cases.last_mut().unwrap().topics.insert(name.into(), racks.collect());
            }
            ["member", id, topics, generation, rack, instance, owned, user_data] => {
                let member = Member {
                    topics: list(topics).map(Arc::from).collect(),
                    owned: partitions(owned),
                    generation: some(generation).map(|generation| generation.parse().unwrap()),
                    rack: some(rack).map(str::to_owned),
                    instance_id: some(instance).map(str::to_owned),
                    user_data: some(user_data).map(|hex| unhex(hex).into()),
                };
                cases.last_mut().unwrap().members.insert(id.to_owned(), member);
            }
            ["gets", id, assigned] => {
                let expected = &mut cases.last_mut().unwrap().expected;
                let mut assigned = partitions(assigned);
                assigned.sort();
                expected.insert(id.to_owned(), assigned);
            }
            _ => panic!("{line}"),
        }
    }
    cases
}

fn compare(assignor: Assignor, text: &str, least: usize) {
    let cases = cases(text);
    assert!(cases.len() >= least, "{}", cases.len());
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let assigned = assignor.assign(&case.members, &case.topics);
        if assigned != case.expected {
            let differing: BTreeMap<_, _> = assigned
                .iter()
                .filter(|(id, got)| case.expected.get(*id) != Some(got))
                .map(|(id, got)| (id.clone(), (got.len(), case.expected.get(id).map(Vec::len))))
                .collect();
            wrong.push((at, differing));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), cases.len());
}

#[test]
fn range() {
    compare(Assignor::Range, include_str!("../golden/range.txt"), 100);
}

#[test]
fn round_robin() {
    compare(Assignor::RoundRobin, include_str!("../golden/roundrobin.txt"), 100);
}

#[test]
fn sticky() {
    compare(Assignor::Sticky, include_str!("../golden/sticky.txt"), 150);
}

#[test]
fn cooperative_sticky() {
    compare(
        Assignor::CooperativeSticky,
        include_str!("../golden/cooperative-sticky.txt"),
        150,
    );
}
