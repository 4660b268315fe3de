//! Commits, fetches, deletions, and the end of offsets.

use crate::script::check;

/// One member in a stable group, subscribed to `t`.
const STABLE: &str = "
        m1 joins v3 session=1800000  ->
        wait 3000             -> m1: generation 1 range leads m1
        m1 syncs m1:A         -> m1: assigned A
";

#[test]
fn members_commit_for_their_generation() {
    check(&format!(
        "{STABLE}
        m1 commits t-0=5 epoch=3 metadata=note  -> m1: t-0 ok
        m1 commits t-0=6 gen=0    -> m1: ILLEGAL_GENERATION
        m1 commits t-0=6 as=stranger -> m1: UNKNOWN_MEMBER_ID
        m1 commits t-0=6 gen=-1   -> m1: ILLEGAL_GENERATION
        x commits t-0=6           -> x: UNKNOWN_MEMBER_ID
        x fetches t-0 t-1         -> x: t-0=5@3 'note', t-1=-1
        x fetches                 -> x: t-0=5@3 'note'
    "
    ));
}

#[test]
fn members_commit_while_the_group_joins_but_not_while_it_awaits_its_assignment() {
    check(&format!(
        "{STABLE}
        m2 joins v3               ->
        m1 commits t-0=5          -> m1: t-0 ok
        m1 joins                  -> m1: generation 2 range leads m1,m2; m2: generation 2 range led by m1
        m1 commits t-0=6          -> m1: REBALANCE_IN_PROGRESS
    "
    ));
}

#[test]
fn a_commit_keeps_a_session_alive() {
    check(
        "
        m1 joins v3 session=10000 ->
        wait 3000                 -> m1: generation 1 range leads m1
        m1 syncs m1:A             -> m1: assigned A
        wait 9000                 ->
        m1 commits t-0=1          -> m1: t-0 ok
        wait 9000                 ->
        m1 beats                  -> m1: ok
    ",
    );
}

#[test]
fn a_group_that_only_commits_is_a_simple_one() {
    check(
        "
        x commits t-0=5           -> x: t-0 ok
        x describes               -> x: Empty
        x lists                   -> x: g Empty
        x commits t-0=6 as=somebody -> x: t-0 ok
        x commits t-0=7 gen=3     -> x: UNKNOWN_MEMBER_ID
        m1 joins v3               ->
        wait 3000                 -> m1: generation 1 range leads m1
        x fetches                 -> x: t-0=6
    ",
    );
}

#[test]
fn a_generation_of_a_group_that_does_not_exist_is_refused() {
    check(
        "
        x commits t-0=5 gen=1 as=m v8  -> x: ILLEGAL_GENERATION
        x commits t-0=5 gen=1 as=m     -> x: GROUP_ID_NOT_FOUND
    ",
    );
}

#[test]
fn too_much_metadata_refuses_its_partition_only() {
    check(
        "
        with metadata_max=4
        x commits t-0=5 metadata=12345  -> x: t-0 OFFSET_METADATA_TOO_LARGE
        x commits t-0=5 metadata=äöüß   -> x: t-0 ok
        x fetches                       -> x: t-0=5 'äöüß'
    ",
    );
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    check(&format!(
        "{STABLE}
        m1 commits t-0=5 u-0=6 u-1=7    -> m1: t-0 ok, u-0 ok, u-1 ok
        x deletes-offsets t-0 u-0 v-0   -> x: t-0 GROUP_SUBSCRIBED_TO_TOPIC, u-0 ok, v-0 ok
        x fetches                       -> x: t-0=5, u-1=7
        m1 leaves                       -> m1: m1 ok
        m2 joins                        -> m2: MEMBER_ID_REQUIRED
        x deletes-offsets t-0           -> x: t-0 ok
        x fetches                       -> x: u-1=7
    "
    ));
}

#[test]
fn a_group_outlives_the_last_of_its_offsets_that_is_deleted() {
    check(
        "
        x commits t-0=5 t-1=6           -> x: t-0 ok, t-1 ok
        x deletes-offsets t-0           -> x: t-0 ok
        x deletes-offsets t-1           -> x: t-1 ok
        x fetches                       -> x:
        x describes                     -> x: Empty
        x deletes-offsets t-1           -> x: t-1 ok
        x deletes-group                 -> x: ok
        x describes                     -> x: Dead
    ",
    );
}

#[test]
fn members_of_other_kinds_or_words_not_understood_protect_all_offsets() {
    check(
        "
        m1 joins v3 type=connect        ->
        wait 3000                       -> m1: generation 1 range leads m1
        x deletes-offsets t-0           -> x: NON_EMPTY_GROUP
    ",
    );
    check(
        "
        x commits u-0=1                 -> x: u-0 ok
        m1 joins v3 topics=garbage      ->
        wait 3000                       -> m1: generation 1 range leads m1
        x deletes-offsets u-0           -> x: u-0 GROUP_SUBSCRIBED_TO_TOPIC
    ",
    );
}

#[test]
fn offsets_expire_once_the_group_has_been_empty_long_enough() {
    check(&format!(
        "
        with retention_minutes=60
        {STABLE}
        m1 commits t-0=5                -> m1: t-0 ok
        m1 leaves                       -> m1: m1 ok
        wait 3600000                    ->
        x fetches                       -> x: t-0=5
        wait 600000                     ->
        x fetches                       -> x:
        x describes                     -> x: Dead
    "
    ));
}

/// Ids are for the asking: whoever only ever asks for them keeps nothing alive.
#[test]
fn offsets_of_an_empty_group_expire_although_somebody_may_join() {
    check(&format!(
        "
        with retention_minutes=60
        {STABLE}
        m1 commits t-0=5                -> m1: t-0 ok
        m1 leaves                       -> m1: m1 ok
        wait 3600000                    ->
        m2 joins session=1800000        -> m2: MEMBER_ID_REQUIRED
        wait 600000                     ->
        x fetches                       -> x:
        x describes                     -> x: Dead
    "
    ));
}

#[test]
fn a_stable_group_keeps_the_offsets_of_its_topics_and_loses_stale_others() {
    check(
        "
        with retention_minutes=60
        m1 joins v3 session=1800000 topics=t  ->
        wait 3000                       -> m1: generation 1 range leads m1
        m1 syncs m1:A                   -> m1: assigned A
        m1 commits t-0=5 u-0=6          -> m1: t-0 ok, u-0 ok
        wait 1700000                    ->
        m1 beats                        -> m1: ok
        wait 1700000                    ->
        m1 commits u-1=7                -> m1: u-1 ok
        wait 1000000                    ->
        x fetches                       -> x: t-0=5, u-1=7
        m2 joins v3 topics=t            ->
        m1 beats                        -> m1: REBALANCE_IN_PROGRESS
    ",
    );
}

#[test]
fn simple_groups_offsets_expire_by_their_commit() {
    check(
        "
        with retention_minutes=60
        x commits t-0=5                 -> x: t-0 ok
        wait 1800000                    ->
        x commits t-1=6                 -> x: t-1 ok
        wait 1800000                    ->
        x fetches                       -> x: t-1=6
        wait 1800000                    ->
        x describes                     -> x: Dead
    ",
    );
}

#[test]
fn a_retention_time_of_the_commits_own_comes_first() {
    check(
        "
        with retention_minutes=60
        x commits t-0=5 retention=500000  -> x: t-0 ok
        x commits t-1=6                 -> x: t-1 ok
        wait 600000                     ->
        x fetches                       -> x: t-1=6
    ",
    );
}

#[test]
fn a_group_without_members_and_offsets_ends() {
    check(
        "
        m1 joins                        -> m1: MEMBER_ID_REQUIRED
        wait 599999                     ->
        x describes                     -> x: Empty
        wait 1                          ->
        x describes                     -> x: Dead
    ",
    );
}

#[test]
fn the_retention_check_goes_through_all_groups_in_small_steps() {
    check(
        "
        with retention_step=1 retention_minutes=60
        x commits group=a t-0=1         -> x: t-0 ok
        x commits group=b t-0=1         -> x: t-0 ok
        x commits group=c t-0=1         -> x: t-0 ok
        wait 2400000                    ->
        x commits group=b t-0=2         -> x: t-0 ok
        wait 1200030                    ->
        x lists                         -> x: b Empty
    ",
    );
    check(
        "
        with retention_step=1 retention_minutes=5
        x commits group=a t-0=1         -> x: t-0 ok
        x commits group=b t-0=1         -> x: t-0 ok
        wait 600000                     ->
        x lists                         -> x: b Empty
        wait 1                          ->
        x lists                         -> x:
    ",
    );
}

#[test]
fn offsets_go_with_their_topic() {
    check(
        "
        x commits t-0=1 t-1=2 u-0=3     -> x: t-0 ok, t-1 ok, u-0 ok
        x commits group=h t-1=4         -> x: t-1 ok
        x loses-topic t-0 t-1           -> x: ok
        x fetches                       -> x: u-0=3
        x fetches group=h               -> x:
    ",
    );
}
