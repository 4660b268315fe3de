use super::*;

const NOW: i64 = 1_000_000;

/// Closed segments of 10 offsets and 100 bytes, and an active one; the n-th has timestamps of n * 1,000 and 500 more.
fn log(closed: i64) -> LogFacts {
    let facts = |n| SegmentFacts {
        base_offset: n * 10,
        size: 100,
        largest_timestamp: Some(n * 1_000 + 500),
        first_timestamp: Some(n * 1_000),
    };
    LogFacts {
        segments: (0..=closed).map(facts).collect(),
        log_start_offset: 0,
        log_end_offset: closed * 10 + 5,
        last_stable_offset: closed * 10 + 5,
        cleaned_offset: None,
    }
}

fn part(log: &LogFacts, config: &LogConfig, now_ms: i64) -> (i64, i64, u64, u64) {
    let dirty = dirty(log, config, now_ms);
    (
        dirty.first_dirty_offset,
        dirty.end_offset,
        dirty.cleanable_bytes,
        dirty.total_bytes,
    )
}

#[test]
fn everything_before_the_active_segment_is_cleaned_once() {
    let config = LogConfig::default();
    let mut log = log(4);
    assert_eq!(part(&log, &config, NOW), (0, 40, 400, 400));
    log.cleaned_offset = Some(30);
    assert_eq!(part(&log, &config, NOW), (30, 40, 100, 400));
    assert!(
        !dirty(&log, &config, NOW).is_due(&config),
        "a quarter is not more than half"
    );
    log.cleaned_offset = Some(10);
    assert!(dirty(&log, &config, NOW).is_due(&config));
    log.cleaned_offset = Some(40);
    assert_eq!(part(&log, &config, NOW), (40, 40, 0, 400));
    // A round that ended within a segment: all of the segment counts as dirty, and as clean.
    log.cleaned_offset = Some(25);
    assert_eq!(part(&log, &config, NOW), (25, 40, 200, 500));
    log.cleaned_offset = Some(43);
    assert_eq!(part(&log, &config, NOW), (43, 40, 0, 500));
}

#[test]
fn offsets_outside_of_the_log_are_not_believed() {
    let config = LogConfig::default();
    let mut log = log(4);
    log.log_start_offset = 15;
    for (cleaned, expected, reset) in [
        (Some(14), 15, true),
        (Some(46), 15, true),
        (Some(45), 45, false),
        (None, 15, false),
    ] {
        log.cleaned_offset = cleaned;
        let dirty = dirty(&log, &config, NOW);
        assert_eq!((dirty.first_dirty_offset, dirty.reset), (expected, reset));
    }
}

#[test]
fn nothing_undecided_and_nothing_young_is_cleaned() {
    let mut config = LogConfig::default();
    let mut log = log(4);
    log.last_stable_offset = 29;
    assert_eq!(part(&log, &config, NOW), (0, 20, 200, 200));
    log.last_stable_offset = 30;
    assert_eq!(part(&log, &config, NOW), (0, 30, 300, 300));
    config.min_compaction_lag_ms = 1_000;
    assert_eq!(part(&log, &config, 2_500), (0, 20, 200, 200));
    assert_eq!(part(&log, &config, 2_499), (0, 10, 100, 100));
    assert_eq!(part(&log, &config, 0), (0, 0, 0, 0));
    assert_eq!(part(&log, &config, NOW), (0, 30, 300, 300));
    log.cleaned_offset = Some(20);
    assert_eq!(part(&log, &config, 0), (20, 20, 0, 200));
}

#[test]
fn old_dirt_makes_a_log_due() {
    let config = LogConfig {
        max_compaction_lag_ms: 5_000,
        ..LogConfig::default()
    };
    let mut log = log(10);
    log.cleaned_offset = Some(90);
    assert_eq!(dirty(&log, &config, 14_000).overdue_ms, 0);
    let late = dirty(&log, &config, 14_001);
    assert_eq!((late.overdue_ms, late.is_due(&config)), (1, true));
    log.cleaned_offset = Some(100);
    assert!(
        !dirty(&log, &config, NOW).is_due(&config),
        "nothing dirty that could be cleaned"
    );
    log.cleaned_offset = Some(90);
    log.segments[9].first_timestamp = Some(0);
    assert_eq!(dirty(&log, &config, NOW).overdue_ms, 0, "no timestamp");
}

#[test]
fn an_empty_log_is_not_dirty() {
    let log = LogFacts {
        segments: vec![SegmentFacts::default()],
        log_start_offset: 0,
        log_end_offset: 0,
        last_stable_offset: 0,
        cleaned_offset: None,
    };
    let dirty = dirty(&log, &LogConfig::default(), NOW);
    assert_eq!((dirty.ratio(), dirty.total_bytes, dirty.end_offset), (0.0, 0, 0));
}

#[test]
fn small_segments_are_joined_up_to_the_limits_of_one() {
    let config = LogConfig {
        segment_bytes: 1_000,
        segment_index_bytes: 100,
        ..LogConfig::default()
    };
    let sizes = |sizes: &[(u64, u64, u64)]| -> Vec<SegmentSize> {
        let size = |(at, (log, offset_index, time_index)): (usize, &(u64, u64, u64))| SegmentSize {
            base_offset: at as i64 * 10,
            log: *log,
            offset_index: *offset_index,
            time_index: *time_index,
        };
        sizes.iter().enumerate().map(size).collect()
    };
    let plan = |list: &[(u64, u64, u64)]| groups(&sizes(list), &config, list.len() as i64 * 10);
    assert_eq!(plan(&[]), [0; 0]);
    assert_eq!(
        plan(&[(400, 0, 0), (600, 0, 0), (1, 0, 0), (2_000, 0, 0), (0, 0, 0)]),
        [2, 1, 1, 1]
    );
    assert_eq!(plan(&[(1, 60, 0), (1, 40, 0), (1, 1, 0)]), [2, 1]);
    assert_eq!(plan(&[(1, 0, 60), (1, 0, 41), (1, 0, 1)]), [1, 2]);
    // Offsets that one file's indexes can tell.
    let mut apart = sizes(&[(1, 0, 0), (1, 0, 0), (1, 0, 0)]);
    apart[2].base_offset = i64::from(i32::MAX) + 1;
    let end = apart[2].base_offset + 1;
    assert_eq!(groups(&apart, &config, end), [2, 1]);
    apart[2].log = 0;
    assert_eq!(groups(&apart, &config, end), [3], "an empty segment has no offsets");
    apart[2].log = 1;
    apart[2].base_offset -= 1;
    assert_eq!(groups(&apart, &config, end - 1), [3]);
}
