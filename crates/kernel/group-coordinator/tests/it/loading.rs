//! What a shard makes of a log: its own, and Kafka's.

use crate::script::{World, check};
use hex_literal::hex;
use klamm_records::{BatchBuilder, Compression, ControlRecordType};

#[test]
fn members_stay_over_a_restart() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3 instance=s2 ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m1 commits t-0=5      -> m1: t-0 ok
        restart
        x describes           -> x: Stable consumer range m1=A m2=B
        m1 beats              -> m1: ok
        m2 beats instance=s2  -> m2: ok
        m2 syncs              -> m2: assigned B
        x fetches             -> x: t-0=5
        x deletes-offsets t-0 -> x: t-0 GROUP_SUBSCRIBED_TO_TOPIC
        n2 joins instance=s2  -> n2: generation 1 range led by m1
        wait 9999             ->
        m1 beats              -> m1: ok
        wait 1                ->
        m1 beats              -> m1: REBALANCE_IN_PROGRESS
    ",
    );
}

#[test]
fn whoever_waits_during_a_restart_is_sent_to_look_again() {
    check(
        "
        m1 joins v3           ->
        restart               -> m1: this is not the coordinator
        x describes           -> x: Empty
    ",
    );
}

#[test]
fn a_rebalance_under_way_falls_back_to_the_last_generation() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m2 joins v3           ->
        restart               -> m2: this is not the coordinator
        m1 beats              -> m1: ok
    ",
    );
}

#[test]
fn a_group_that_is_too_large_by_now_rebalances() {
    let mut world = check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
    ",
    );
    world.run("with max_size=1");
    assert_eq!(world.run("m1 commits t-0=1"), "m1: t-0 ok");
    assert_eq!(world.run("m1 joins"), "");
    assert_eq!(world.run("m2 joins"), "m2: GROUP_MAX_SIZE_REACHED");
    assert_eq!(world.run("wait 60000"), "m1: generation 2 range leads m1");
}

/// A log of one batch.
fn batch(records: &[(&[u8], Option<&[u8]>)]) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Compression::None);
    for (key, value) in records {
        batch.push(0, Some(key), *value, &[]).expect("no limit");
    }
    batch
}

const COMMIT_TO_T0: [u8; 12] = hex!("0001 0001 67 0001 74 00000000");
/// Offset 5.
const OFFSET_5: [u8; 24] = hex!("0003 0000000000000005 ffffffff 0000 0000000000000006");

#[test]
fn groups_of_other_types_are_left_alone() {
    let consumer_group = (&hex!("0003 0001 67")[..], Some(&hex!("0000 00000007 00")[..]));
    let future = (&hex!("0063 0001 67")[..], Some(&hex!("0000")[..]));
    let log = batch(&[consumer_group, future, (&COMMIT_TO_T0, Some(&OFFSET_5))])
        .build()
        .to_vec();
    let mut world = World::of_log(log.clone(), 3);
    assert_eq!(world.state().skipped_records(), 2);
    assert!(world.state().is_foreign("g"));
    assert_eq!(world.run("x fetches"), "x: t-0=5");
    assert_eq!(world.run("m1 joins v3"), "m1: INCONSISTENT_GROUP_PROTOCOL");
    assert_eq!(world.run("x commits t-0=9"), "x: UNKNOWN_MEMBER_ID");
    assert_eq!(world.run("x deletes-offsets t-0"), "x: NON_EMPTY_GROUP");
    assert_eq!(world.run("x deletes-group"), "x: NON_EMPTY_GROUP");
    assert_eq!(world.run("x describes"), "x: Dead");
    assert_eq!(world.run("x lists"), "x:");
    world.run("wait 900000000");
    assert_eq!(world.log, log, "nothing was written about the group");
}

#[test]
fn a_group_of_another_type_that_ended_makes_room() {
    let key = &hex!("0003 0001 67")[..];
    let log = batch(&[(key, Some(&hex!("0000 00000007 00"))), (key, None)])
        .build()
        .to_vec();
    let mut world = World::of_log(log, 2);
    assert_eq!(world.run("m1 joins v3"), "");
    assert_eq!(world.run("wait 3000"), "m1: generation 1 range leads m1");
}

#[test]
fn a_member_that_a_record_names_twice_is_one() {
    let key = hex!("0002 0001 67");
    //               version type                     generation protocol          leader    timestamp
    let head = hex!("0003    0008 636f6e73756d6572    00000001   0005 72616e6765  0002 6d31 0000000000000006");
    //                 id        instance client  host    timeouts          subscription, assignment
    let member = hex!("0002 6d31 ffff     0001 63 0001 68 0000ea60 0000ea60 00000000 00000000");
    let value = [&head[..], &hex!("00000002"), &member, &member].concat();
    let mut world = World::of_log(batch(&[(&key, Some(&value))]).build().to_vec(), 1);
    assert_eq!(world.run("x describes"), "x: Stable consumer range m1=");
    assert_eq!(world.run("m1 beats as=m1 gen=1"), "m1: ok");
    assert_eq!(world.run("m2 joins v3"), "");
    assert_eq!(world.run("wait 60000"), "m2: generation 2 range leads m2");
}

fn transactional(base_offset: i64, producer_id: i64) -> Vec<u8> {
    let batch = batch(&[(&COMMIT_TO_T0, Some(&OFFSET_5))]);
    batch
        .base_offset(base_offset)
        .producer(producer_id, 0, 0)
        .transactional()
        .build()
        .to_vec()
}

fn marker(base_offset: i64, producer_id: i64, kind: ControlRecordType) -> Vec<u8> {
    let marker = batch(&[(&kind.key(), Some(&hex!("0000 00000000")))]);
    marker
        .base_offset(base_offset)
        .producer(producer_id, 0, -1)
        .transactional()
        .control()
        .build()
        .to_vec()
}

#[test]
fn offsets_in_transactions_count_once_these_are_committed() {
    let mut open = World::of_log(transactional(0, 7), 1);
    assert_eq!(open.run("x fetches t-0"), "x: t-0=-1");
    assert_eq!(open.run("x fetches t-0 stable"), "x: t-0=-1 UNSTABLE_OFFSET_COMMIT");
    let committed = [transactional(0, 7), marker(1, 7, ControlRecordType::Commit)].concat();
    assert_eq!(World::of_log(committed, 2).run("x fetches t-0 stable"), "x: t-0=5");
    let aborted = [transactional(0, 7), marker(1, 7, ControlRecordType::Abort)].concat();
    assert_eq!(World::of_log(aborted, 2).run("x fetches t-0 stable"), "x: t-0=-1");
}

#[test]
fn a_later_commit_outside_stands_against_a_transaction() {
    let newer = hex!("0003 0000000000000009 ffffffff 0000 0000000000000006");
    let outside = batch(&[(&COMMIT_TO_T0, Some(&newer))]).base_offset(1).build().to_vec();
    let log = [transactional(0, 7), outside, marker(2, 7, ControlRecordType::Commit)].concat();
    assert_eq!(World::of_log(log, 3).run("x fetches t-0"), "x: t-0=9");
}
