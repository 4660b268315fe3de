use super::*;

fn assignment(leader: i32, leader_epoch: i32, isr: &[i32]) -> Assignment {
    Assignment {
        leader,
        leader_epoch,
        partition_epoch: leader_epoch,
        isr: isr.into(),
    }
}

fn lone_leader() -> PartitionState {
    PartitionState::new(1, assignment(1, 3, &[1]), 10)
}

#[test]
fn a_lone_replica_commits_what_it_appends() {
    let mut partition = lone_leader();
    assert_eq!(partition.on_local_end(12), Some(12));
    assert_eq!(partition.on_local_end(12), None);
    assert_eq!(partition.high_watermark(), 12);
}

#[test]
fn a_record_is_committed_when_the_slowest_of_the_isr_has_it() {
    let mut partition = PartitionState::new(1, assignment(1, 3, &[1, 2, 3]), 10);
    assert_eq!(partition.on_local_end(20), None, "nothing is known of the others");
    assert_eq!(partition.on_follower_end(2, 18, 20), None);
    assert_eq!(partition.on_follower_end(3, 15, 20), Some(15));
    assert_eq!(
        partition.on_follower_end(3, 25, 20),
        Some(18),
        "never past what broker 2 holds"
    );
}

#[test]
fn a_new_leader_forgets_what_the_old_epoch_knew_of_followers() {
    let mut partition = PartitionState::new(1, assignment(1, 3, &[1, 2]), 10);
    partition.on_follower_end(2, 11, 20);
    assert!(partition.on_assignment(assignment(1, 4, &[1, 2])));
    assert_eq!(partition.on_local_end(20), None);
    assert_eq!(partition.high_watermark(), 11, "and keeps what was committed");
}

#[test]
fn a_follower_neither_leads_nor_commits() {
    let mut partition = lone_leader();
    assert!(!partition.on_assignment(assignment(2, 4, &[2])));
    assert_eq!(
        partition.leader_epoch(),
        Err(NotLeader {
            broker: 1,
            leader: 2,
            leader_epoch: 4
        })
    );
    assert_eq!(partition.on_local_end(99), None);
}

#[test]
fn older_news_are_ignored() {
    let mut partition = lone_leader();
    assert!(!partition.on_assignment(assignment(2, 2, &[2])));
    assert_eq!(partition.leader_epoch(), Ok(3));
}

#[test]
fn clients_behind_are_fenced_and_clients_ahead_must_wait() {
    let partition = lone_leader();
    assert_eq!(partition.check_leader_epoch(None), Ok(()));
    assert_eq!(partition.check_leader_epoch(Some(-1)), Ok(()));
    assert_eq!(partition.check_leader_epoch(Some(3)), Ok(()));
    assert_eq!(
        partition.check_leader_epoch(Some(2)),
        Err(LeaderEpochError::Fenced { asked: 2, current: 3 })
    );
    assert_eq!(
        partition.check_leader_epoch(Some(4)),
        Err(LeaderEpochError::Unknown { asked: 4, current: 3 })
    );
}

#[test]
fn too_small_an_isr_refuses_acks_all() {
    let partition = lone_leader();
    assert_eq!(partition.check_in_sync(1), Ok(()));
    assert_eq!(
        partition.check_in_sync(2),
        Err(NotEnoughReplicas {
            in_sync: 1,
            required: 2
        })
    );
}
