//! Which segments have to go: a pure function of the log's positions and settings.
use crate::config::LogConfig;

/// What the planner knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Offset in its file name.
    pub base_offset: i64,
    /// Bytes of its `.log` file.
    pub size: u64,
    /// Largest timestamp of its records, or the file's time of change when they have none. Milliseconds.
    pub largest_timestamp: i64,
}

/// What the planner knows of a log. Segments ascend; the last one is the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// All segments.
    pub segments: Vec<SegmentFacts>,
    /// First offset that is served.
    pub log_start_offset: i64,
    /// Nothing at or above it is deleted.
    pub high_watermark: i64,
    /// The next offset.
    pub log_end_offset: i64,
}

/// Why segments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The log start offset lies beyond them (DeleteRecords).
    LogStartOffset,
    /// The log is larger than `retention.bytes`.
    RetentionBytes,
    /// Their records are older than `retention.ms`.
    RetentionMs,
}

/// The oldest segments that have to go, as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many of the first segments. If that is all of them, the log rolls first.
    pub segments: usize,
    /// The rule that took the last of them.
    pub reason: Reason,
}

/// Says which segments have to go; `None` when all stay.
pub fn plan(log: &LogFacts, config: &LogConfig, now_ms: i64) -> Option<Plan> {
    let mut planned = None;
    let below_start = |at: usize, _: &SegmentFacts| {
        log.segments
            .get(at + 1)
            .is_some_and(|next| next.base_offset <= log.log_start_offset)
    };
    extend(log, &mut planned, Reason::LogStartOffset, below_start);
    if config.cleanup_policy.delete && config.retention_bytes >= 0 {
        let left = &log.segments[planned.map_or(0, |plan: Plan| plan.segments)..];
        let size: u64 = left.iter().map(|segment| segment.size).sum();
        let mut surplus = size.saturating_sub(config.retention_bytes as u64);
        let over_size = |_, segment: &SegmentFacts| {
            let goes = size >= config.retention_bytes as u64 && surplus >= segment.size;
            surplus -= if goes { segment.size } else { 0 };
            goes
        };
        extend(log, &mut planned, Reason::RetentionBytes, over_size);
    }
    if config.cleanup_policy.delete && config.retention_ms >= 0 {
        let too_old = |_, segment: &SegmentFacts| now_ms - segment.largest_timestamp > config.retention_ms;
        extend(log, &mut planned, Reason::RetentionMs, too_old);
    }
    planned
}

/// Adds the segments behind those planned already for as long as `rule` holds. Stops at the high watermark, so that the
/// log start offset never passes it, and before an empty active segment, which would only be replaced by its like.
fn extend(
    log: &LogFacts,
    planned: &mut Option<Plan>,
    reason: Reason,
    mut rule: impl FnMut(usize, &SegmentFacts) -> bool,
) {
    let from = planned.map_or(0, |plan| plan.segments);
    for (at, segment) in log.segments.iter().enumerate().skip(from) {
        let next = log.segments.get(at + 1);
        let end = next.map_or(log.log_end_offset, |next| next.base_offset);
        let is_empty_active = next.is_none() && segment.size == 0;
        if end > log.high_watermark || is_empty_active || !rule(at, segment) {
            break;
        }
        *planned = Some(Plan {
            segments: at + 1,
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CleanupPolicy;

    /// Segments of 10 offsets and 100 bytes, the newest record of the n-th at n * 1,000.
    fn log(segments: i64) -> LogFacts {
        let facts = |n| SegmentFacts {
            base_offset: n * 10,
            size: 100,
            largest_timestamp: n * 1_000,
        };
        LogFacts {
            segments: (0..segments).map(facts).collect(),
            log_start_offset: 0,
            high_watermark: segments * 10,
            log_end_offset: segments * 10,
        }
    }

    fn config(retention_bytes: i64, retention_ms: i64) -> LogConfig {
        LogConfig {
            retention_bytes,
            retention_ms,
            ..LogConfig::default()
        }
    }

    fn segments(log: &LogFacts, config: &LogConfig, now_ms: i64) -> usize {
        plan(log, config, now_ms).map_or(0, |plan| plan.segments)
    }

    #[test]
    fn by_age() {
        let log = log(4);
        assert_eq!(segments(&log, &config(-1, 500), 500), 0);
        assert_eq!(segments(&log, &config(-1, 500), 501), 1);
        assert_eq!(segments(&log, &config(-1, 500), 2_501), 3);
        assert_eq!(segments(&log, &config(-1, 500), 9_000), 4, "the active one too");
        assert_eq!(segments(&log, &config(-1, -1), 9_000_000), 0);
    }

    #[test]
    fn by_size() {
        let log = log(4);
        assert_eq!(segments(&log, &config(400, -1), 0), 0);
        assert_eq!(segments(&log, &config(301, -1), 0), 0, "never below the limit");
        assert_eq!(segments(&log, &config(300, -1), 0), 1);
        assert_eq!(segments(&log, &config(0, -1), 0), 4);
    }

    #[test]
    fn by_log_start_offset_whatever_the_policy() {
        let mut log = log(4);
        let compacted = LogConfig {
            cleanup_policy: CleanupPolicy {
                compact: true,
                delete: false,
            },
            ..config(0, 0)
        };
        assert_eq!(segments(&log, &compacted, 9_000_000), 0);
        log.log_start_offset = 25;
        let expected = Plan {
            segments: 2,
            reason: Reason::LogStartOffset,
        };
        assert_eq!(plan(&log, &compacted, 9_000_000), Some(expected));
        assert_eq!(segments(&log, &config(100, -1), 0), 3, "the rules add up");
    }

    #[test]
    fn nothing_at_or_above_the_high_watermark_and_no_empty_active_segment() {
        let mut log = log(4);
        log.high_watermark = 29;
        assert_eq!(segments(&log, &config(-1, 0), 9_000_000), 2);
        log.high_watermark = 30;
        log.log_end_offset = 30;
        log.segments[3].size = 0;
        assert_eq!(segments(&log, &config(-1, 0), 9_000_000), 3);
    }
}
