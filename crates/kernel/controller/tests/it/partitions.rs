//! More partitions, ISRs as leaders report them, log directories.

use klamm_metadata::{DirectoryId, LeaderRecoveryState};
use klamm_protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use klamm_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use klamm_protocol::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, AssignReplicasToDirsRequest, CreatePartitionsRequest,
    alter_partition_response, assign_replicas_to_dirs_request as assign,
};
use klamm_protocol::{ErrorCode, Uuid};

use crate::cluster::{Cluster, directory};

fn more(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic {
        name: name.to_owned(),
        count,
        assignments: None,
        ..CreatePartitionsTopic::default()
    }
}

fn create(cluster: &mut Cluster, topics: Vec<CreatePartitionsTopic>) -> Vec<(ErrorCode, String)> {
    let request = CreatePartitionsRequest {
        topics,
        ..CreatePartitionsRequest::default()
    };
    let result = cluster.controller.create_partitions(&request).unwrap();
    let reply = cluster.apply(result);
    let outcome = |result: klamm_protocol::messages::create_partitions_response::CreatePartitionsTopicResult| {
        (result.error_code, result.error_message.unwrap_or_default())
    };
    reply.results.into_iter().map(outcome).collect()
}

#[test]
fn topics_grow() {
    use ErrorCode as E;
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    cluster.topic("t", 2, 2);
    assert_eq!(create(&mut cluster, vec![more("t", 5)]), [(E::NONE, String::new())]);
    let topic = cluster.image().topics().by_name("t").unwrap();
    assert_eq!(
        topic.partitions.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert!(
        topic
            .partitions
            .iter()
            .all(|(_, partition)| partition.replicas.len() == 2)
    );

    let assigned = |count, brokers: &[&[i32]]| CreatePartitionsTopic {
        assignments: Some(
            brokers
                .iter()
                .map(|ids| CreatePartitionsAssignment {
                    broker_ids: ids.to_vec(),
                    ..CreatePartitionsAssignment::default()
                })
                .collect(),
        ),
        ..more("t", count)
    };
    let cases = [
        (more("nope", 1), E::UNKNOWN_TOPIC_OR_PARTITION, ""),
        (more("t", 5), E::INVALID_PARTITIONS, "Topic already has 5 partition(s)."),
        (
            more("t", 4),
            E::INVALID_PARTITIONS,
            "The topic t currently has 5 partition(s); 4 would not be an increase.",
        ),
        (
            assigned(7, &[&[1, 2]]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            assigned(6, &[&[1]]),
            E::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with \
             previous partitions, which have 2 replica(s).",
        ),
    ];
    for (topic, code, message) in cases {
        assert_eq!(create(&mut cluster, vec![topic]), [(code, message.to_owned())]);
    }
    let twice = create(&mut cluster, vec![more("t", 6), more("t", 7)]);
    assert_eq!(twice, [(E::INVALID_REQUEST, "Duplicate topic name.".to_owned())]);
    assert_eq!(
        create(&mut cluster, vec![assigned(6, &[&[2, 1]])]),
        [(E::NONE, String::new())]
    );
    assert_eq!(*cluster.partition("t", 5).replicas, [2, 1]);

    let too_many = CreatePartitionsRequest {
        topics: vec![more("t", 10_007)],
        ..CreatePartitionsRequest::default()
    };
    let error = cluster.controller.create_partitions(&too_many).unwrap_err();
    assert_eq!(error.code, E::POLICY_VIOLATION);
    cluster.check();
}

/// The request that partition 0's leader would send, to be spoiled.
fn isr_request(cluster: &Cluster, topic: &str, isr: &[i32]) -> AlterPartitionRequest {
    let partition = cluster.partition(topic, 0);
    let member = |&broker_id: &i32| BrokerState {
        broker_id,
        broker_epoch: cluster.epoch(broker_id),
        ..BrokerState::default()
    };
    AlterPartitionRequest {
        broker_id: partition.leader,
        broker_epoch: cluster.epoch(partition.leader),
        topics: vec![TopicData {
            topic_id: cluster.image().topics().by_name(topic).unwrap().id,
            partitions: vec![PartitionData {
                partition_index: 0,
                leader_epoch: partition.leader_epoch,
                new_isr_with_epochs: isr.iter().map(member).collect(),
                partition_epoch: partition.partition_epoch,
                ..PartitionData::default()
            }],
            ..TopicData::default()
        }],
        ..AlterPartitionRequest::default()
    }
}

fn alter(cluster: &mut Cluster, request: &AlterPartitionRequest) -> alter_partition_response::PartitionData {
    let result = cluster.controller.alter_partition(request).unwrap();
    cluster.apply(result).topics.remove(0).partitions.remove(0)
}

#[test]
fn leaders_shrink_and_grow_their_isr() {
    let mut cluster = Cluster::with_brokers(&[1, 2, 3]);
    cluster.topic("t", 1, 3);
    let leader = cluster.partition("t", 0).leader;
    let request = isr_request(&cluster, "t", &[leader]);
    let altered = alter(&mut cluster, &request);
    assert_eq!(
        (altered.error_code, altered.leader_id, altered.partition_epoch),
        (ErrorCode::NONE, leader, 1)
    );
    assert_eq!(altered.isr, [leader]);
    assert_eq!(
        cluster.partition("t", 0).leader_epoch,
        0,
        "a shrinking ISR needs no new leader epoch"
    );

    let request = isr_request(&cluster, "t", &[1, 2, 3]);
    assert_eq!(alter(&mut cluster, &request).isr, [1, 2, 3]);
    let before = cluster.log.len();
    let request = isr_request(&cluster, "t", &[1, 2, 3]);
    assert_eq!(alter(&mut cluster, &request).error_code, ErrorCode::NONE);
    assert_eq!(cluster.log.len(), before, "nothing changed");
    let mut by_id = isr_request(&cluster, "t", &[]);
    by_id.topics[0].partitions[0].new_isr = vec![leader];
    assert_eq!(alter(&mut cluster, &by_id).isr, [leader]);
    cluster.check();
}

#[test]
fn reports_of_isrs_are_checked() {
    use ErrorCode as E;
    let mut cluster = Cluster::with_brokers(&[1, 2, 3, 4]);
    cluster.topic("t", 1, 3);
    cluster.start_broker(5);
    let partition = cluster.partition("t", 0).clone();
    let outsider = (1..=4).find(|id| !partition.replicas.contains(id)).unwrap();
    let follower = partition.replicas[1];
    let good = isr_request(&cluster, "t", &partition.replicas);
    type Spoil<'a> = &'a dyn Fn(&mut PartitionData);
    let cases: [(E, Spoil<'_>); 9] = [
        (E::UNKNOWN_TOPIC_OR_PARTITION, &|data| data.partition_index = 1),
        (E::NOT_CONTROLLER, &|data| data.leader_epoch += 1),
        (E::NOT_CONTROLLER, &|data| data.partition_epoch += 1),
        (E::FENCED_LEADER_EPOCH, &|data| data.leader_epoch -= 1),
        (E::INVALID_UPDATE_VERSION, &|data| data.partition_epoch -= 1),
        (E::INVALID_REQUEST, &|data| {
            data.new_isr_with_epochs[1].broker_id = outsider
        }),
        (E::INVALID_REQUEST, &|data| {
            data.new_isr_with_epochs.remove(0);
        }),
        (E::INVALID_REQUEST, &|data| {
            data.leader_recovery_state = LeaderRecoveryState::Recovering.id()
        }),
        (E::INELIGIBLE_REPLICA, &|data| {
            data.new_isr_with_epochs[1].broker_epoch -= 1
        }),
    ];
    for (expected, spoil) in cases {
        let mut request = good.clone();
        spoil(&mut request.topics[0].partitions[0]);
        assert_eq!(alter(&mut cluster, &request).error_code, expected);
    }
    let mut request = good.clone();
    request.topics[0].topic_id = Uuid::from_u128(9);
    assert_eq!(alter(&mut cluster, &request).error_code, E::UNKNOWN_TOPIC_ID);
    let mut request = good.clone();
    (request.broker_id, request.broker_epoch) = (follower, cluster.epoch(follower));
    assert_eq!(
        alter(&mut cluster, &request).error_code,
        E::INVALID_REQUEST,
        "only the leader reports"
    );
    request.broker_epoch -= 1;
    let error = cluster.controller.alter_partition(&request).unwrap_err();
    assert_eq!(error.code, E::STALE_BROKER_EPOCH);
    cluster.check();
}

#[test]
fn a_leader_ends_its_recovery() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.topic("t", 1, 1);
    cluster.now_ms += 9_001;
    cluster.start_broker(1);
    assert_eq!(
        cluster.partition("t", 0).leader_recovery_state,
        LeaderRecoveryState::Recovering
    );
    let request = isr_request(&cluster, "t", &[1]);
    assert_eq!(alter(&mut cluster, &request).error_code, ErrorCode::NONE);
    assert_eq!(
        cluster.partition("t", 0).leader_recovery_state,
        LeaderRecoveryState::Recovered
    );
    cluster.check();
}

#[test]
fn brokers_report_their_directories() {
    let mut cluster = Cluster::started("4.4", &[]);
    let dirs = [directory(11), directory(12)];
    let mut request = cluster.registration(1, 10);
    request.log_dirs = dirs.to_vec();
    cluster.register(&request).unwrap();
    cluster.heartbeat(1, |_| {}).unwrap();
    let topic_id = cluster.topic("t", 1, 1);
    assert_eq!(*cluster.partition("t", 0).directories, [DirectoryId::UNASSIGNED]);

    let assigned = |id: Uuid, topic_id: Uuid, partition_index: i32| AssignReplicasToDirsRequest {
        broker_id: 1,
        broker_epoch: cluster.epoch(1),
        directories: vec![assign::DirectoryData {
            id,
            topics: vec![assign::TopicData {
                topic_id,
                partitions: vec![assign::PartitionData {
                    partition_index,
                    ..assign::PartitionData::default()
                }],
                ..assign::TopicData::default()
            }],
            ..assign::DirectoryData::default()
        }],
        ..AssignReplicasToDirsRequest::default()
    };
    let requests = [
        (assigned(dirs[1], topic_id, 0), ErrorCode::NONE),
        (assigned(dirs[1], topic_id, 1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (assigned(dirs[1], Uuid::from_u128(9), 0), ErrorCode::UNKNOWN_TOPIC_ID),
    ];
    for (request, expected) in requests {
        let result = cluster.controller.assign_replicas_to_dirs(&request).unwrap();
        let reply = cluster.apply(result);
        assert_eq!(reply.directories[0].topics[0].partitions[0].error_code, expected);
    }
    assert_eq!(*cluster.partition("t", 0).directories, [dirs[1]]);
    cluster
        .heartbeat(1, |request| request.offline_log_dirs = vec![dirs[1]])
        .unwrap();
    assert_eq!(cluster.leadership("t", 0), (-1, &[][..], &[1][..]));
    cluster.check();
}

#[test]
fn producer_ids_come_in_blocks() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let request = AllocateProducerIdsRequest {
        broker_id: 1,
        broker_epoch: cluster.epoch(1),
        ..AllocateProducerIdsRequest::default()
    };
    for first in [0, 1000, 2000] {
        let result = cluster.controller.allocate_producer_ids(&request).unwrap();
        let reply = cluster.apply(result);
        assert_eq!((reply.producer_id_start, reply.producer_id_len), (first, 1000));
    }
    let stale = AllocateProducerIdsRequest {
        broker_epoch: 0,
        ..request
    };
    assert_eq!(
        cluster.controller.allocate_producer_ids(&stale).unwrap_err().code,
        ErrorCode::STALE_BROKER_EPOCH
    );
    cluster.check();
}
