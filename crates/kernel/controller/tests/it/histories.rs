//! Whatever happens to a cluster, everybody who reads its log sees the same, and its partitions stay sound.

use klamm_metadata::NO_LEADER;
use klamm_protocol::messages::{DeleteTopicsRequest, UnregisterBrokerRequest};
use proptest::prelude::*;

use crate::cluster::{Cluster, topic};

#[derive(Clone, Debug)]
enum Step {
    Start(i32),
    Heartbeat(i32),
    ShutDown(i32),
    Unregister(i32),
    Create(u8, i32, i16),
    Delete(u8),
    Wait(i64),
    FailedAppend(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let broker = 1..5i32;
    prop_oneof![
        3 => broker.clone().prop_map(Step::Start),
        4 => broker.clone().prop_map(Step::Heartbeat),
        2 => broker.clone().prop_map(Step::ShutDown),
        1 => broker.prop_map(Step::Unregister),
        3 => (0..6u8, 1..4i32, 1..4i16).prop_map(|(name, partitions, replicas)| Step::Create(name, partitions, replicas)),
        1 => (0..6u8).prop_map(Step::Delete),
        2 => (1..9_000i64).prop_map(Step::Wait),
        1 => (0..6u8).prop_map(Step::FailedAppend),
    ]
}

fn take(cluster: &mut Cluster, step: &Step) {
    let name = |id: &u8| format!("topic-{id}");
    let known = |cluster: &Cluster, id| cluster.image().cluster().broker(id).is_some();
    match step {
        Step::Start(id) => {
            let incarnation = u128::try_from(cluster.controller.next_offset()).unwrap() + 1000;
            let mut request = cluster.registration(*id, incarnation);
            if known(cluster, *id) && incarnation % 2 == 0 {
                request.previous_broker_epoch = cluster.epoch(*id);
            }
            // May be refused: another incarnation is alive.
            let _ = cluster.register(&request);
        }
        Step::Heartbeat(id) if known(cluster, *id) => {
            // Once it is on its way out a broker asks for nothing else until it registers anew.
            let image = cluster.image();
            let leaves = image
                .cluster()
                .broker(*id)
                .is_some_and(|broker| broker.in_controlled_shutdown);
            cluster
                .heartbeat(*id, |request| request.want_shut_down = leaves)
                .unwrap();
        }
        Step::ShutDown(id) if known(cluster, *id) => {
            cluster.heartbeat(*id, |request| request.want_shut_down = true).unwrap();
        }
        Step::Unregister(id) if known(cluster, *id) => {
            let request = UnregisterBrokerRequest {
                broker_id: *id,
                ..UnregisterBrokerRequest::default()
            };
            let result = cluster.controller.unregister_broker(&request).unwrap();
            cluster.apply(result);
        }
        Step::Create(id, partitions, replicas) => {
            cluster.create(topic(&name(id), *partitions, *replicas));
        }
        Step::Delete(id) => {
            let request = DeleteTopicsRequest {
                topic_names: vec![name(id)],
                ..DeleteTopicsRequest::default()
            };
            let result = cluster.controller.delete_topics(&request).unwrap();
            cluster.apply(result);
        }
        Step::Wait(ms) => {
            cluster.now_ms += ms;
            cluster.tick();
        }
        Step::FailedAppend(id) => {
            let offset = cluster.last_offset();
            let request = DeleteTopicsRequest {
                topic_names: vec![name(id)],
                ..DeleteTopicsRequest::default()
            };
            for record in cluster.controller.delete_topics(&request).unwrap().records {
                let offset = cluster.controller.next_offset();
                cluster.controller.replay(&record, offset).unwrap();
            }
            cluster.controller.revert_to(offset);
        }
        _ => {}
    }
}

fn check_partitions(cluster: &Cluster) {
    let active = |id: i32| {
        cluster
            .image()
            .cluster()
            .broker(id)
            .is_some_and(|broker| broker.is_active())
    };
    for topic in cluster.image().topics().iter() {
        for (id, partition) in topic.partitions.iter() {
            let what = format!("{}-{id}: {partition:?}", topic.name);
            assert!(
                partition
                    .isr
                    .iter()
                    .chain(&partition.elr)
                    .all(|id| partition.replicas.contains(id)),
                "{what}"
            );
            assert!(partition.isr.iter().all(|id| !partition.elr.contains(id)), "{what}");
            if partition.leader == NO_LEADER {
                assert!(partition.isr.is_empty(), "{what}");
                assert!(
                    !partition
                        .replicas
                        .iter()
                        .any(|id| active(*id) && partition.elr.contains(id)),
                    "{what}"
                );
            } else {
                assert!(partition.isr.contains(&partition.leader), "{what}");
                assert!(active(partition.leader), "{what}");
            }
            assert_eq!(partition.directories.len(), partition.replicas.len(), "{what}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everybody_sees_the_same(steps in prop::collection::vec(step(), 1..40)) {
        let mut cluster = Cluster::started("4.4", &[]);
        for step in &steps {
            take(&mut cluster, step);
            check_partitions(&cluster);
        }
        cluster.check();
    }
}
