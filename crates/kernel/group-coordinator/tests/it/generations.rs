//! From join to assignment, and from one generation to the next.

use crate::script::check;

#[test]
fn a_first_member_gets_an_id_waits_out_the_delay_and_leads() {
    check(
        "
        m1 joins              -> m1: MEMBER_ID_REQUIRED
        x describes           -> x: Empty
        m1 joins              ->
        x describes           -> x: PreparingRebalance consumer m1=
        wait 2999             ->
        wait 1                -> m1: generation 1 range leads m1
        x describes           -> x: CompletingRebalance consumer m1=
        m1 syncs m1:A         -> m1: assigned A
        x describes           -> x: Stable consumer range m1=A
        m1 beats              -> m1: ok
    ",
    );
}

#[test]
fn a_version_3_join_needs_no_second_round() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
    ",
    );
}

#[test]
fn the_first_rebalance_is_delayed_on_while_members_come_but_not_beyond_the_rebalance_timeout() {
    check("
        m1 joins v3 rebalance=7000  ->
        wait 2000                   ->
        m2 joins v3 rebalance=7000  ->
        wait 1000                   ->
        wait 1000                   ->
        m3 joins v3 rebalance=7000  ->
        wait 1999                   ->
        wait 1                      ->
        wait 500                    ->
        m4 joins v3 rebalance=7000  ->
        wait 499                    ->
        wait 1  -> m1: generation 1 range leads m1,m2,m3,m4; m2: generation 1 range led by m1; m3: generation 1 range led by m1; m4: generation 1 range led by m1
    ");
}

#[test]
fn followers_wait_for_the_leaders_assignment() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m2 syncs              -> m2: assigned B
        m1 beats              -> m1: ok
    ",
    );
}

#[test]
fn a_member_the_leader_leaves_out_gets_nothing() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A         -> m1: assigned A; m2: assigned
    ",
    );
}

#[test]
fn a_new_member_makes_the_others_join_again() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m2 joins              -> m2: MEMBER_ID_REQUIRED
        m1 beats              -> m1: ok
        m2 joins              ->
        m1 beats              -> m1: REBALANCE_IN_PROGRESS
        m1 syncs              -> m1: REBALANCE_IN_PROGRESS
        m1 joins              -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
        m2 beats gen=1        -> m2: ILLEGAL_GENERATION
        m2 beats              -> m2: ok
    ",
    );
}

#[test]
fn a_rebalance_during_the_last_one_sends_waiting_followers_back() {
    check("
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m3 joins v3           -> m2: REBALANCE_IN_PROGRESS
        m1 syncs m1:A m2:B    -> m1: REBALANCE_IN_PROGRESS
        m1 joins              ->
        m2 joins              -> m1: generation 2 range leads m1,m2,m3; m2: generation 2 range led by m1; m3: generation 2 range led by m1
    ");
}

#[test]
fn members_that_do_not_join_in_time_are_out_and_another_leads() {
    check(
        "
        m1 joins v3 session=60000 rebalance=20000  ->
        m2 joins v3 session=60000 rebalance=20000  ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m3 joins v3 rebalance=20000 ->
        m2 joins rebalance=20000    ->
        wait 19999            ->
        wait 1                -> m2: generation 2 range leads m2,m3; m3: generation 2 range led by m2
        m1 beats              -> m1: UNKNOWN_MEMBER_ID
        m1 joins              -> m1: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn members_that_do_not_ask_for_their_assignment_in_time_are_out() {
    check(
        "
        m1 joins v3 session=60000 rebalance=9000  ->
        m2 joins v3 session=60000 rebalance=9000  ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        wait 8999             ->
        wait 1                -> m2: REBALANCE_IN_PROGRESS
        m1 beats              -> m1: UNKNOWN_MEMBER_ID
        m2 joins              -> m2: generation 2 range leads m2
    ",
    );
}

#[test]
fn a_stable_group_too_puts_out_members_that_never_asked() {
    check(
        "
        m1 joins v3 session=60000 rebalance=9000  ->
        m2 joins v3 session=60000 rebalance=9000  ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m1 syncs m1:A m2:B    -> m1: assigned A
        wait 9000             ->
        m2 syncs              -> m2: UNKNOWN_MEMBER_ID
        m1 beats              -> m1: REBALANCE_IN_PROGRESS
    ",
    );
}

#[test]
fn all_asked_in_time_and_nobody_is_put_out() {
    check(
        "
        m1 joins v3 session=60000 rebalance=9000  ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        wait 9000             ->
        m1 beats              -> m1: ok
    ",
    );
}

#[test]
fn who_joins_again_unchanged_gets_the_generation_it_is_in() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m1 joins              -> m1: generation 1 range leads m1,m2
        m2 joins              -> m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m2 joins              -> m2: generation 1 range led by m1
        m2 beats              -> m2: ok
    ",
    );
}

#[test]
fn the_leader_joining_again_or_a_changed_subscription_rebalances() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 joins topics=u     ->
        m1 joins              -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m1 joins              ->
        m2 joins topics=u     -> m1: generation 3 range leads m1,m2; m2: generation 3 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m2 joins topics=t     ->
        m1 beats              -> m1: REBALANCE_IN_PROGRESS
    ",
    );
}

#[test]
fn members_vote_for_a_protocol_all_of_them_support() {
    check("
        m1 joins v3 protocols=range,roundrobin,sticky  ->
        m2 joins v3 protocols=sticky,roundrobin        ->
        m3 joins v3 protocols=sticky,roundrobin        ->
        wait 6000  -> m1: generation 1 sticky leads m1,m2,m3; m2: generation 1 sticky led by m1; m3: generation 1 sticky led by m1
    ");
}

#[test]
fn who_shares_no_protocol_or_type_with_the_others_is_not_let_in() {
    check(
        "
        m1 joins v3 protocols=none             -> m1: INCONSISTENT_GROUP_PROTOCOL
        x describes                            -> x: Dead
        m1 joins v3 protocols=range            ->
        m2 joins v3 protocols=roundrobin       -> m2: INCONSISTENT_GROUP_PROTOCOL
        m2 joins v3 type=connect               -> m2: INCONSISTENT_GROUP_PROTOCOL
        wait 3000                              -> m1: generation 1 range leads m1
        m1 joins protocols=roundrobin          -> m1: INCONSISTENT_GROUP_PROTOCOL
        m1 syncs m1:A type=connect             -> m1: INCONSISTENT_GROUP_PROTOCOL
        m1 syncs m1:A protocol=roundrobin      -> m1: INCONSISTENT_GROUP_PROTOCOL
        m1 syncs m1:A type=consumer protocol=range -> m1: assigned A
    ",
    );
}

#[test]
fn a_cooperative_rebalance_keeps_assignments_until_the_next_sync() {
    check("
        m1 joins v3 protocols=cooperative-sticky  ->
        wait 3000             -> m1: generation 1 cooperative-sticky leads m1
        m1 syncs m1:A,B       -> m1: assigned A,B
        m2 joins v3 protocols=cooperative-sticky  ->
        m1 commits t-0=5      -> m1: t-0 ok
        m1 joins protocols=cooperative-sticky -> m1: generation 2 cooperative-sticky leads m1,m2; m2: generation 2 cooperative-sticky led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:none -> m1: assigned A; m2: assigned none
        m1 joins protocols=cooperative-sticky  ->
        m2 joins protocols=cooperative-sticky  -> m1: generation 3 cooperative-sticky leads m1,m2; m2: generation 3 cooperative-sticky led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
    ");
}

#[test]
fn generations_go_on_after_the_group_was_empty() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m1 leaves             -> m1: m1 ok
        x describes           -> x: Empty consumer
        m2 joins v3           ->
        wait 3000             -> m2: generation 3 range leads m2
    ",
    );
}

#[test]
fn a_repeated_request_takes_over_from_the_one_that_waits() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m2 syncs              -> m2: REBALANCE_IN_PROGRESS
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m1 joins              ->
        m1 joins              -> m1: REBALANCE_IN_PROGRESS
        m2 joins              -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
    ",
    );
}
