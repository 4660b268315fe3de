//! Round robin: all partitions dealt out in turn, those who don't subscribe are skipped.

use crate::model::{Assigned, Members, TopicPartition, Topics};
use crate::range::Ranked;

pub(crate) fn assign(members: &Members, topics: &Topics) -> Assigned {
    let mut assigned: Assigned = members.keys().map(|id| (id.clone(), Vec::new())).collect();
    let ranked = Ranked::all(members, |_| true);
    let mut turn = 0;
    for (topic, partitions) in topics {
        if !ranked.iter().any(|member| member.member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..partitions.len() {
            while !ranked[turn].member.topics.contains(topic) {
                turn = (turn + 1) % ranked.len();
            }
            let list = assigned.entry(ranked[turn].id.to_owned()).or_default();
            list.push(TopicPartition::new(topic.clone(), partition as i32));
            turn = (turn + 1) % ranked.len();
        }
    }
    assigned
}
