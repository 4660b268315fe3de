//! Records that are not committed, or late.

use crate::script::check;

#[test]
fn nobody_gets_an_assignment_before_it_is_committed() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        hold
        m2 syncs              ->
        m1 syncs m1:A m2:B    ->
        m2 syncs              -> m2: REBALANCE_IN_PROGRESS
        x describes           -> x: CompletingRebalance consumer m1= m2=
        release               -> m1: assigned A; m2: assigned B
    ",
    );
}

#[test]
fn a_lost_assignment_makes_everybody_join_again() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        lose
        m1 syncs m1:A m2:B    -> m1: the coordinator is not available; m2: the coordinator is not available
        release
        m1 beats              -> m1: REBALANCE_IN_PROGRESS
        m1 joins              ->
        m2 joins              -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
    ",
    );
}

#[test]
fn an_assignment_that_is_committed_too_late_is_not_given_out() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        hold
        m1 syncs m1:A         ->
        m2 joins v3           -> m1: REBALANCE_IN_PROGRESS
        m1 joins              -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
        release               ->
        m2 syncs              ->
        m1 syncs m1:C m2:D    -> m1: assigned C; m2: assigned D
    ",
    );
}

#[test]
fn commits_that_hang_time_out() {
    check(
        "
        hold
        x commits t-0=1       ->
        wait 4999             ->
        wait 1                -> x: the coordinator is not available
        release               ->
        x fetches t-0         -> x: t-0=1
    ",
    );
}

#[test]
fn a_group_that_could_not_be_created_is_gone_with_all_who_wait() {
    check(
        "
        lose
        m1 joins v3           -> m1: the coordinator is not available
        m2 joins              -> m2: MEMBER_ID_REQUIRED
        m2 joins              -> m2: UNKNOWN_MEMBER_ID
        release
        x describes           -> x: Dead
        wait 60000            ->
    ",
    );
}

#[test]
fn lost_commits_are_as_if_they_had_never_been() {
    check(
        "
        x commits t-0=1       -> x: t-0 ok
        lose
        x commits t-0=2       -> x: the coordinator is not available
        release
        x fetches t-0 stable  -> x: t-0=1
    ",
    );
}

#[test]
fn reads_see_what_is_committed_and_stable_reads_wait_for_it() {
    check(
        "
        x commits t-0=1       -> x: t-0 ok
        hold
        x commits t-0=2       ->
        y fetches t-0         -> y: t-0=1
        y fetches t-0 stable  ->
        release               -> x: t-0 ok; y: t-0=2
    ",
    );
}

#[test]
fn an_empty_generation_that_was_lost_harms_nobody() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        lose
        m1 leaves             -> m1: the coordinator is not available
        release
        x describes           -> x: Empty consumer
        m1 beats              -> m1: UNKNOWN_MEMBER_ID
        m2 joins v3           ->
        wait 3000             -> m2: generation 2 range leads m2
    ",
    );
}
