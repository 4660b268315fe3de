//! Registration, heartbeats, fencing, shutdown.

use klamm_metadata::{LeaderRecoveryState, MetadataRecord};
use klamm_protocol::messages::{BrokerRegistrationRequest, UnregisterBrokerRequest};
use klamm_protocol::{ErrorCode, Uuid};

use crate::cluster::{Cluster, OWN, directory};

fn code<T: std::fmt::Debug>(result: Result<T, klamm_controller::ControllerError>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn a_broker_is_unfenced_once_it_has_read_its_registration() {
    let mut cluster = Cluster::started("4.4", &[]);
    let epoch = cluster.register(&cluster.registration(2, 20)).unwrap();
    assert_eq!(epoch, cluster.last_offset());
    assert!(cluster.image().cluster().broker(2).unwrap().fenced);
    let reply = cluster
        .heartbeat(2, |request| request.current_metadata_offset = epoch - 1)
        .unwrap();
    assert!(reply.is_fenced && !reply.is_caught_up);
    let reply = cluster.heartbeat(2, |request| request.want_fence = true).unwrap();
    assert!(reply.is_fenced && reply.is_caught_up);
    let reply = cluster.heartbeat(2, |_| {}).unwrap();
    assert!(!reply.is_fenced && !reply.should_shut_down);
    assert!(!cluster.image().cluster().broker(2).unwrap().fenced);
    assert_eq!(
        code(cluster.heartbeat(2, |request| request.broker_epoch -= 1)),
        ErrorCode::STALE_BROKER_EPOCH
    );
    assert_eq!(
        code(cluster.heartbeat(2, |request| request.broker_id = 3)),
        ErrorCode::STALE_BROKER_EPOCH
    );
    cluster.check();
}

#[test]
fn registrations_are_checked() {
    let mut cluster = Cluster::with_brokers(&[2]);
    let good = cluster.registration(3, 30);
    type Spoil<'a> = &'a dyn Fn(&mut BrokerRegistrationRequest);
    let cases: [(ErrorCode, Spoil<'_>); 8] = [
        (ErrorCode::INCONSISTENT_CLUSTER_ID, &|r| {
            r.cluster_id = "other".to_owned()
        }),
        (ErrorCode::BROKER_ID_NOT_REGISTERED, &|r| {
            r.is_migrating_zk_broker = true
        }),
        (ErrorCode::INVALID_REGISTRATION, &|r| r.log_dirs.clear()),
        (ErrorCode::INVALID_REGISTRATION, &|r| {
            r.log_dirs = vec![Uuid::from_u128(1)]
        }),
        (ErrorCode::INVALID_REGISTRATION, &|r| r.log_dirs.push(r.log_dirs[0])),
        (ErrorCode::INVALID_REGISTRATION, &|r| r.log_dirs = vec![directory(2)]),
        (ErrorCode::INVALID_REGISTRATION, &|r| {
            r.features.retain(|f| f.name != "metadata.version")
        }),
        (ErrorCode::UNSUPPORTED_VERSION, &|r| {
            r.features.retain(|f| f.name != "group.version")
        }),
    ];
    for (expected, spoil) in cases {
        let mut request = good.clone();
        spoil(&mut request);
        assert_eq!(code(cluster.register(&request)), expected, "{request:?}");
    }
    let mut too_old = good.clone();
    for feature in too_old
        .features
        .iter_mut()
        .filter(|feature| feature.name == "metadata.version")
    {
        feature.max_supported_version = 20;
    }
    let error = cluster.register(&too_old).unwrap_err();
    assert_eq!(error.code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(
        error.message.unwrap(),
        "Unable to register because the broker does not support finalized version 33 of metadata.version. The broker \
         wants a version between 7 and 20, inclusive."
    );
    cluster.register(&good).unwrap();
    cluster.check();
}

#[test]
fn the_same_incarnation_may_register_again() {
    let mut cluster = Cluster::with_brokers(&[2]);
    let broker = cluster.image().cluster().broker(2).unwrap().clone();
    let mut request = cluster.registration(2, broker.incarnation_id.as_u128());
    request.rack = Some("a".to_owned());
    assert_eq!(cluster.register(&request).unwrap(), broker.epoch);
    let amended = cluster.image().cluster().broker(2).unwrap();
    assert_eq!((amended.fenced, amended.rack.as_deref()), (false, Some("a")));
    cluster.check();
}

#[test]
fn another_incarnation_waits_until_the_session_lapses() {
    let mut cluster = Cluster::with_brokers(&[2]);
    let again = cluster.registration(2, 21);
    cluster.now_ms += 9_000;
    assert_eq!(code(cluster.register(&again)), ErrorCode::DUPLICATE_BROKER_REGISTRATION);
    cluster.now_ms += 1;
    cluster.register(&again).unwrap();
    cluster.check();
}

#[test]
fn a_node_that_is_its_own_controller_need_not_wait_for_its_former_self() {
    let mut before = Cluster::with_brokers(&[OWN, 2]);
    let offset = before.last_offset();
    let now_ms = before.now_ms;
    // The process dies and comes back: another controller reads the log.
    let mut cluster = Cluster::new(&[]);
    for record in before.log.drain(..) {
        cluster.append(record);
    }
    cluster.controller.snapshot(offset);
    cluster.controller.commit(offset);
    cluster.now_ms = now_ms + 100;
    cluster.controller.activate(offset + 1, cluster.now_ms);

    let other = cluster.registration(2, 21);
    assert_eq!(
        code(cluster.register(&other)),
        ErrorCode::DUPLICATE_BROKER_REGISTRATION,
        "that one may be alive"
    );
    let own = cluster.registration(OWN, 11);
    cluster.register(&own).unwrap();
    cluster.heartbeat(OWN, |_| {}).unwrap();
    let impostor = cluster.registration(OWN, 12);
    assert_eq!(
        code(cluster.register(&impostor)),
        ErrorCode::DUPLICATE_BROKER_REGISTRATION,
        "its new self is alive"
    );
}

#[test]
fn brokers_not_heard_of_are_fenced() {
    let mut cluster = Cluster::with_brokers(&[2, 3]);
    cluster.topic("t", 2, 2);
    assert_eq!(cluster.controller.next_deadline(), Some(cluster.now_ms + 9_001));
    cluster.now_ms += 5_000;
    cluster.heartbeat(3, |_| {}).unwrap();
    cluster.now_ms += 4_001;
    cluster.tick();
    assert!(cluster.image().cluster().broker(2).unwrap().fenced);
    assert!(!cluster.image().cluster().broker(3).unwrap().fenced);
    for partition in 0..2 {
        let (leader, isr, _) = cluster.leadership("t", partition);
        assert_eq!((leader, isr), (3, &[3][..]));
    }
    assert_eq!(cluster.controller.next_deadline(), Some(cluster.now_ms + 5_000));
    let reply = cluster.heartbeat(2, |_| {}).unwrap();
    assert!(!reply.is_fenced, "a heartbeat brings it back");
    cluster.check();
}

/// A lone broker that goes and comes cleanly keeps its partitions: it stays eligible while it is away.
#[test]
fn a_single_replica_survives_a_clean_restart() {
    let mut cluster = Cluster::with_brokers(&[OWN]);
    cluster.topic("t", 1, 1);
    let reply = cluster.heartbeat(OWN, |request| request.want_shut_down = true).unwrap();
    assert!(!reply.should_shut_down, "it leads still");
    assert!(cluster.image().cluster().broker(OWN).unwrap().in_controlled_shutdown);
    assert_eq!(cluster.leadership("t", 0), (-1, &[][..], &[OWN][..]));
    let reply = cluster.heartbeat(OWN, |request| request.want_shut_down = true).unwrap();
    assert!(reply.should_shut_down && reply.is_fenced);

    let mut again = cluster.registration(OWN, 11);
    again.previous_broker_epoch = cluster.epoch(OWN);
    cluster.register(&again).unwrap();
    assert_eq!(cluster.leadership("t", 0), (-1, &[][..], &[OWN][..]));
    cluster.heartbeat(OWN, |_| {}).unwrap();
    assert_eq!(cluster.leadership("t", 0), (OWN, &[OWN][..], &[][..]));
    let partition = cluster.partition("t", 0);
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovered);
    assert_eq!((partition.leader_epoch, &*partition.last_known_elr), (2, &[][..]));
    cluster.check();
}

/// After an unclean one it is elected all the same, for there is nobody else, but as one that may have lost records.
#[test]
fn a_single_replica_survives_an_unclean_restart() {
    let mut cluster = Cluster::with_brokers(&[OWN]);
    cluster.topic("t", 1, 1);
    cluster.now_ms += 9_001;
    let again = cluster.registration(OWN, 11);
    cluster.register(&again).unwrap();
    assert_eq!(cluster.leadership("t", 0), (-1, &[][..], &[][..]));
    assert_eq!(*cluster.partition("t", 0).last_known_elr, [OWN]);
    cluster.heartbeat(OWN, |_| {}).unwrap();
    assert_eq!(cluster.leadership("t", 0), (OWN, &[OWN][..], &[][..]));
    let partition = cluster.partition("t", 0);
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovering);
    assert_eq!(*partition.last_known_elr, []);
    cluster.check();
}

/// Without eligible leader replicas the last member never leaves the ISR.
#[test]
fn before_elr_a_single_replica_stays_in_the_isr() {
    let mut cluster = Cluster::started("3.9", &[]);
    cluster.start_broker(OWN);
    cluster.topic("t", 1, 1);
    cluster.now_ms += 9_001;
    cluster.tick();
    assert_eq!(cluster.leadership("t", 0), (-1, &[OWN][..], &[][..]));
    cluster.heartbeat(OWN, |_| {}).unwrap();
    assert_eq!(cluster.leadership("t", 0), (OWN, &[OWN][..], &[][..]));
    assert_eq!(
        cluster.partition("t", 0).leader_recovery_state,
        LeaderRecoveryState::Recovered
    );
    cluster.check();
}

#[test]
fn a_controlled_shutdown_waits_for_those_who_take_over() {
    let mut cluster = Cluster::with_brokers(&[2, 3]);
    cluster.topic("t", 4, 2);
    let before = cluster.last_offset();
    let shut_down = |cluster: &mut Cluster| {
        cluster
            .heartbeat(2, |request| request.want_shut_down = true)
            .unwrap()
            .should_shut_down
    };
    assert!(!shut_down(&mut cluster));
    assert_eq!(
        (0..4).map(|id| cluster.leadership("t", id).0).collect::<Vec<_>>(),
        [3; 4]
    );
    cluster
        .heartbeat(3, |request| request.current_metadata_offset = before)
        .unwrap();
    assert!(!shut_down(&mut cluster), "broker 3 doesn't know yet");
    cluster.heartbeat(3, |_| {}).unwrap();
    assert!(shut_down(&mut cluster));
    cluster.check();
}

#[test]
fn offline_directories_lose_their_leaders() {
    let mut cluster = Cluster::started("4.4", &[]);
    let (here, gone) = (directory(20), directory(21));
    let mut request = cluster.registration(2, 20);
    request.log_dirs = vec![here, gone];
    cluster.register(&request).unwrap();
    cluster.heartbeat(2, |_| {}).unwrap();
    cluster.topic("t", 1, 1);
    let reply = cluster
        .heartbeat(2, |request| request.offline_log_dirs = vec![gone])
        .unwrap();
    assert!(!reply.is_fenced);
    assert_eq!(cluster.image().cluster().broker(2).unwrap().directories, [here]);
    assert_eq!(cluster.leadership("t", 0).0, 2, "its directory is not assigned yet");
    let reply = cluster
        .heartbeat(2, |request| request.cordoned_log_dirs = Some(vec![here]))
        .unwrap();
    assert!(!reply.is_fenced);
    let result = cluster.create(crate::cluster::topic("u", 1, 1));
    assert_eq!(
        result.error_code,
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "no directory takes new replicas"
    );
    cluster.check();
}

#[test]
fn a_broker_can_be_unregistered() {
    let mut cluster = Cluster::with_brokers(&[2, 3]);
    cluster.topic("t", 1, 2);
    let request = |broker_id| UnregisterBrokerRequest {
        broker_id,
        ..UnregisterBrokerRequest::default()
    };
    let result = cluster.controller.unregister_broker(&request(3)).unwrap();
    assert!(matches!(
        result.records.last(),
        Some(MetadataRecord::UnregisterBroker(_))
    ));
    cluster.apply(result);
    assert_eq!(cluster.leadership("t", 0).0, 2);
    assert_eq!(
        code(cluster.controller.unregister_broker(&request(3))),
        ErrorCode::BROKER_ID_NOT_REGISTERED
    );
    cluster.check();
}
