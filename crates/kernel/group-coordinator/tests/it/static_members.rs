//! Static membership (KIP-345, KIP-814).

use crate::script::check;

/// Two static members in a stable group.
const STABLE: &str = "
        m1 joins instance=i1 v9   ->
        m2 joins instance=i2 v9   ->
        wait 6000                 -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs instance=i2      ->
        m1 syncs m1:A m2:B        -> m1: assigned A; m2: assigned B
";

fn check_from_stable(script: &str) {
    check(&format!("{STABLE}{script}"));
}

#[test]
fn a_follower_comes_back_without_a_rebalance() {
    check_from_stable(
        "
        n2 joins instance=i2 v9   -> n2: generation 1 range led by m1
        n2 syncs instance=i2      -> n2: assigned B
        m1 beats                  -> m1: ok
        m2 beats instance=i2      -> m2: FENCED_INSTANCE_ID
        m2 beats                  -> m2: UNKNOWN_MEMBER_ID
        x describes               -> x: Stable consumer range m1=A n2=B
    ",
    );
}

#[test]
fn a_leader_comes_back_and_need_not_assign() {
    check_from_stable(
        "
        n1 joins instance=i1 v9   -> n1: generation 1 range leads n1,m2 without assigning
        n1 syncs instance=i1      -> n1: assigned A
        m2 beats                  -> m2: ok
    ",
    );
}

#[test]
fn a_leader_of_an_older_version_is_told_that_its_former_self_leads() {
    check_from_stable(
        "
        n1 joins instance=i1      -> n1: generation 1 range led by m1
        n1 syncs instance=i1      -> n1: assigned A
    ",
    );
}

#[test]
fn coming_back_with_other_protocols_rebalances_only_if_the_choice_changes() {
    check_from_stable(
        "
        n2 joins instance=i2 v9 protocols=range,sticky  -> n2: generation 1 range led by m1
        n1 joins instance=i1 v9 protocols=sticky        -> n1: INCONSISTENT_GROUP_PROTOCOL
        n1 joins instance=i1 v9 protocols=range         -> n1: generation 1 range leads n1,n2 without assigning
    ",
    );
    check(
        "
        m1 joins instance=i1 protocols=range,sticky  ->
        wait 3000                                    -> m1: generation 1 range leads m1
        m1 syncs m1:A                                -> m1: assigned A
        n1 joins instance=i1 protocols=sticky,range  -> n1: generation 2 sticky leads n1
    ",
    );
}

#[test]
fn coming_back_while_the_assignment_is_awaited_rebalances() {
    check(
        "
        m1 joins instance=i1      ->
        m2 joins instance=i2      ->
        wait 6000                 -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        n2 joins instance=i2      ->
        m1 syncs m1:A m2:B        -> m1: REBALANCE_IN_PROGRESS
        m1 joins instance=i1      -> m1: generation 2 range leads m1,n2; n2: generation 2 range led by m1
    ",
    );
}

#[test]
fn whoever_waits_under_the_old_id_is_fenced() {
    check(
        "
        m1 joins instance=i1      ->
        n1 joins instance=i1      -> m1: FENCED_INSTANCE_ID
        wait 3000                 -> n1: generation 1 range leads n1
        m1 joins instance=i1 as=stranger -> m1: FENCED_INSTANCE_ID
    ",
    );
    check(
        "
        m1 joins instance=i1      ->
        m2 joins instance=i2      ->
        wait 6000                 -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs instance=i2      ->
        n2 joins instance=i2      -> m2: FENCED_INSTANCE_ID
    ",
    );
}

#[test]
fn a_fenced_member_can_do_nothing() {
    check_from_stable(
        "
        n2 joins instance=i2 v9   -> n2: generation 1 range led by m1
        m2 joins instance=i2      -> m2: FENCED_INSTANCE_ID
        m2 syncs instance=i2      -> m2: FENCED_INSTANCE_ID
        m2 commits instance=i2 t-0=1 -> m2: FENCED_INSTANCE_ID
        m2 leaves instance=i2     -> m2: i2 FENCED_INSTANCE_ID
        n2 commits instance=i2 t-0=1 -> n2: t-0 ok
        n2 beats instance=other   -> n2: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn static_members_are_removed_by_instance_id_alone() {
    check_from_stable(
        "
        x leaves instance=i2      -> x: i2 ok
        x leaves instance=i2      -> x: i2 UNKNOWN_MEMBER_ID
        m1 beats                  -> m1: REBALANCE_IN_PROGRESS
        m2 beats instance=i2      -> m2: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn a_static_member_outlives_a_rebalance_it_missed_but_not_its_session() {
    check(
        "
        m1 joins instance=i1 session=60000 rebalance=9000  ->
        m2 joins instance=i2 session=60000 rebalance=9000  ->
        wait 6000                 -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs                  ->
        m1 syncs m1:A m2:B        -> m1: assigned A; m2: assigned B
        m1 joins session=60000 rebalance=9000 ->
        wait 9000                 -> m1: generation 2 range leads m1,m2
        m1 syncs m1:A m2:B        -> m1: assigned A
        x describes               -> x: Stable consumer range m1=A m2=B
        m2 joins                  -> m2: generation 2 range led by m1
        m2 syncs                  -> m2: assigned B
        wait 30000                ->
        m1 beats                  -> m1: ok
        wait 30000                ->
        m1 beats                  -> m1: REBALANCE_IN_PROGRESS
        m2 beats                  -> m2: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn a_rebalance_nobody_joins_waits_for_the_static_members_sessions() {
    check(
        "
        m1 joins instance=i1 session=60000 rebalance=9000  ->
        m2 joins instance=i2 session=60000 rebalance=9000  ->
        wait 6000                 -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs                  ->
        m1 syncs m1:A m2:B        -> m1: assigned A; m2: assigned B
        x leaves instance=i2      -> x: i2 ok
        wait 9000                 ->
        x describes               -> x: PreparingRebalance consumer m1=A
        wait 9000                 ->
        m1 joins                  -> m1: generation 2 range leads m1
    ",
    );
}

#[test]
fn an_unsaved_replacement_is_undone() {
    check_from_stable(
        "
        lose
        n2 joins instance=i2 v9   -> n2: the coordinator is not available
        release
        m2 beats instance=i2      -> m2: ok
        n2 beats instance=i2 gen=1 -> n2: FENCED_INSTANCE_ID
        n2 joins instance=i2 v9   -> n2: generation 1 range led by m1
    ",
    );
}

#[test]
fn nothing_of_the_former_session_is_left() {
    let world = check(
        "
        s1 joins v3 instance=i session=10000 ->
        wait 3000                    -> s1: generation 1 range leads s1
        s1 syncs s1:A                -> s1: assigned A
        n1 joins instance=i session=500000 -> n1: generation 1 range led by s1
    ",
    );
    assert_eq!(world.pause_ms(), Some(500_000));
}
