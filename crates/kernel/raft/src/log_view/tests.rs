use super::*;

fn id(offset: i64, epoch: i32) -> OffsetAndEpoch {
    OffsetAndEpoch { offset, epoch }
}

/// Epoch 1 at 0..10, epoch 3 at 10..15, epoch 4 at 15..20.
fn log() -> LogView {
    let mut log = LogView::default();
    log.append(0, 9, 1);
    log.append(10, 14, 3);
    log.append(15, 19, 4);
    log
}

#[test]
fn a_follower_on_the_same_history_is_valid() {
    for (offset, epoch) in [(0, 0), (5, 1), (10, 1), (12, 3), (15, 3), (20, 4)] {
        assert_eq!(log().validate(offset, epoch), Validity::Valid, "{offset} in {epoch}");
    }
}

#[test]
fn a_follower_that_went_astray_learns_where() {
    assert_eq!(log().validate(12, 1), Validity::Diverging(id(10, 1)));
    assert_eq!(log().validate(12, 2), Validity::Diverging(id(10, 1)));
    assert_eq!(log().validate(17, 3), Validity::Diverging(id(15, 3)));
    assert_eq!(log().validate(21, 4), Validity::Diverging(id(20, 4)));
    assert_eq!(log().validate(30, 7), Validity::Diverging(id(20, 4)));
}

#[test]
fn a_follower_behind_the_log_start_gets_the_newest_snapshot() {
    let mut log = log();
    log.add_snapshot(id(12, 3), 100);
    log.add_snapshot(id(17, 4), 100);
    log.delete_before(id(12, 3));
    assert_eq!(log.start_offset(), 12);
    assert_eq!(
        log.epochs(),
        [
            EpochStart {
                epoch: 3,
                start_offset: 12
            },
            EpochStart {
                epoch: 4,
                start_offset: 15
            }
        ]
    );
    for (offset, epoch) in [(0, 0), (5, 1), (12, 1), (13, 2)] {
        assert_eq!(
            log.validate(offset, epoch),
            Validity::Snapshot(id(17, 4)),
            "{offset} in {epoch}"
        );
    }
    assert_eq!(log.validate(12, 3), Validity::Valid);
}

#[test]
fn a_log_that_starts_at_a_snapshot_ends_in_its_epoch() {
    let mut log = log();
    log.add_snapshot(id(40, 9), 100);
    log.truncate_fully_to(id(40, 9));
    assert_eq!(
        (log.start_offset(), log.end(), log.flushed_offset()),
        (40, id(40, 9), 40)
    );
    assert_eq!(log.earliest_snapshot(), Some(id(40, 9)));
}

#[test]
fn truncation_goes_back_to_what_both_have() {
    // The leader has epoch 3 up to 13 only: cut there.
    assert_eq!(log().truncation_offset(id(13, 3)), 13);
    // The leader's epoch 2 is unknown here: all of epoch 1 may be shared, so ask again from its end.
    assert_eq!(log().truncation_offset(id(18, 2)), 10);
    let mut log = log();
    log.flushed(20);
    log.truncate_to(13);
    assert_eq!((log.end(), log.flushed_offset()), (id(13, 3), 13));
}

#[test]
fn what_is_flushed_never_exceeds_the_log() {
    let mut log = log();
    assert_eq!(log.flushed_offset(), 0);
    log.flushed(15);
    log.flushed(10);
    assert_eq!(log.flushed_offset(), 15);
    log.flushed(100);
    assert_eq!(log.flushed_offset(), 20);
}
