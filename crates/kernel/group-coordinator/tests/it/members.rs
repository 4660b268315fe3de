//! Members come, go, fall silent, and are counted.

use crate::script::check;

#[test]
fn a_silent_member_is_out_when_its_session_ends() {
    check(
        "
        m1 joins v3 session=10000  ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        wait 9999             ->
        m1 beats              -> m1: ok
        wait 9999             ->
        x describes           -> x: Stable consumer range m1=A
        wait 1                ->
        x describes           -> x: Empty consumer
        m1 beats              -> m1: UNKNOWN_MEMBER_ID
        m1 syncs              -> m1: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn the_session_of_one_makes_the_others_join_again() {
    check(
        "
        m1 joins v3 session=10000  ->
        m2 joins v3 session=60000  ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        wait 10000            ->
        m2 beats              -> m2: REBALANCE_IN_PROGRESS
        m2 joins              -> m2: generation 2 range leads m2
    ",
    );
}

#[test]
fn a_member_that_waits_for_a_reply_needs_no_heartbeat() {
    check(
        "
        m1 joins v3 session=6000  ->
        m2 joins v3 session=6000  ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        wait 5000             ->
        m1 beats              -> m1: ok
        wait 5000             ->
        m1 beats              -> m1: ok
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        wait 5999             ->
        m2 beats              -> m2: ok
    ",
    );
}

#[test]
fn a_new_members_join_is_given_up_after_five_minutes() {
    check(
        "
        m1 joins v3 session=1800000 rebalance=600000  ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m2 joins v3           ->
        wait 299999           ->
        wait 1                -> m2: UNKNOWN_MEMBER_ID
        m1 joins              -> m1: generation 2 range leads m1
    ",
    );
}

#[test]
fn an_id_that_is_not_used_expires_and_stops_holding_up_the_rest() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m2 joins session=8000 -> m2: MEMBER_ID_REQUIRED
        m1 joins              ->
        wait 7999             ->
        wait 1                -> m1: generation 2 range leads m1
        m2 joins              -> m2: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn an_id_nobody_gave_out_is_unknown() {
    check(
        "
        m1 joins as=stranger  -> m1: UNKNOWN_MEMBER_ID
        x describes           -> x: Dead
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m2 joins as=stranger  -> m2: UNKNOWN_MEMBER_ID
        m2 syncs as=stranger  -> m2: UNKNOWN_MEMBER_ID
        m2 beats as=stranger  -> m2: UNKNOWN_MEMBER_ID
        m2 leaves as=stranger -> m2: stranger UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn requests_to_a_group_that_does_not_exist() {
    check(
        "
        x beats gen=1         -> x: UNKNOWN_MEMBER_ID
        x syncs gen=1         -> x: UNKNOWN_MEMBER_ID
        x leaves as=m1        -> x: m1 UNKNOWN_MEMBER_ID
        x describes           -> x: Dead
        x deletes-group       -> x: GROUP_ID_NOT_FOUND
        x deletes-offsets t-0 -> x: GROUP_ID_NOT_FOUND
        x fetches t-0         -> x: t-0=-1
    ",
    );
}

#[test]
fn the_empty_group_id_is_invalid_for_members() {
    check(
        "
        x joins group=none    -> x: INVALID_GROUP_ID
        x syncs group=none    -> x: INVALID_GROUP_ID
        x beats group=none    -> x: INVALID_GROUP_ID
        x leaves group=none   -> x: INVALID_GROUP_ID
        x deletes-offsets group=none t-0 -> x: INVALID_GROUP_ID
        x commits group=none t-0=1 -> x: t-0 ok
        x fetches group=none t-0   -> x: t-0=1
    ",
    );
}

#[test]
fn session_timeouts_have_bounds() {
    check(
        "
        m1 joins session=5999     -> m1: INVALID_SESSION_TIMEOUT
        m1 joins session=1800001  -> m1: INVALID_SESSION_TIMEOUT
        m1 joins session=6000     -> m1: MEMBER_ID_REQUIRED
    ",
    );
}

#[test]
fn several_members_leave_at_once_and_the_rest_joins_again() {
    check("
        m1 joins v3           ->
        m2 joins v3           ->
        m3 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2,m3; m2: generation 1 range led by m1; m3: generation 1 range led by m1
        m1 leaves with=m2     -> m1: m1 ok, m2 ok
        m3 beats              -> m3: REBALANCE_IN_PROGRESS
        m3 joins              -> m3: generation 2 range leads m3
        m3 leaves             -> m3: m3 ok
        m3 leaves             -> m3: m3 UNKNOWN_MEMBER_ID
    ");
}

#[test]
fn leaving_while_the_others_join_completes_the_join() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 syncs m1:A m2:B    -> m1: assigned A; m2: assigned B
        m1 joins              ->
        m2 leaves             -> m1: generation 2 range leads m1; m2: m2 ok
    ",
    );
}

#[test]
fn a_pending_member_can_leave() {
    check(
        "
        m1 joins              -> m1: MEMBER_ID_REQUIRED
        m1 leaves             -> m1: m1 ok
        m1 joins              -> m1: UNKNOWN_MEMBER_ID
    ",
    );
}

#[test]
fn a_member_that_leaves_while_it_waits_hears_so() {
    check(
        "
        m1 joins v3           ->
        m2 joins v3           ->
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m2 syncs              ->
        m1 leaves with=m2     -> m2: UNKNOWN_MEMBER_ID; m1: m1 ok, m2 ok
    ",
    );
}

#[test]
fn a_full_group_takes_nobody_else() {
    check(
        "
        with max_size=2
        m1 joins v3           ->
        m2 joins v3           ->
        m3 joins v3           -> m3: GROUP_MAX_SIZE_REACHED
        wait 6000             -> m1: generation 1 range leads m1,m2; m2: generation 1 range led by m1
        m3 joins v3           -> m3: GROUP_MAX_SIZE_REACHED
        m1 joins topics=u     ->
        m3 joins              -> m3: MEMBER_ID_REQUIRED
        m2 joins              ->
        m3 joins              -> m3: GROUP_MAX_SIZE_REACHED
    ",
    );
}

#[test]
fn reasons_are_told_to_the_operator() {
    check("
        events
        m1 joins v3 reason=hungry  -> group g rebalances after generation 0: member m1-old is new; client reason: hungry
        wait 3000             -> group g is in generation 1 with 1 members; m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A; group g is stable in generation 1
        m1 leaves reason=full -> group g loses member m1: it left, client reason: full; group g rebalances after generation 1: members left: m1; group g is empty in generation 2; m1: m1 ok
    ");
}

#[test]
fn groups_are_listed_by_state_and_type() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        x commits group=simple t-0=1  -> x: t-0 ok
        x lists                       -> x: g CompletingRebalance consumer, simple Empty
        x lists state=empty           -> x: simple Empty
        x lists state=COMPLETINGREBALANCE type=Classic -> x: g CompletingRebalance consumer
        x lists type=consumer         -> x:
    ",
    );
}

#[test]
fn only_groups_without_members_are_deleted() {
    check(
        "
        m1 joins v3           ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
        m1 commits t-0=5 t-1=6 -> m1: t-0 ok, t-1 ok
        x deletes-group       -> x: NON_EMPTY_GROUP
        m1 leaves             -> m1: m1 ok
        x deletes-group       -> x: ok
        x describes           -> x: Dead
        x fetches             -> x:
        x lists               -> x:
        x deletes-group       -> x: GROUP_ID_NOT_FOUND
    ",
    );
}

#[test]
fn deleting_a_group_takes_the_ids_it_gave_out() {
    check(
        "
        m1 joins              -> m1: MEMBER_ID_REQUIRED
        x deletes-group       -> x: ok
        m1 joins              -> m1: UNKNOWN_MEMBER_ID
    ",
    );
}
