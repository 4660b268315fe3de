//! Which log is dirtiest, up to where it may be cleaned, and which segments are cleaned into one: pure functions of the
//! logs' positions and settings.
use crate::config::LogConfig;
use crate::faults::{self, Fault};

/// What the planner knows of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    /// Offset in its file name.
    pub(crate) base_offset: i64,
    /// Bytes of its `.log` file.
    pub(crate) size: u64,
    /// Largest timestamp of its records, if [`LogConfig::min_compaction_lag_ms`] asks for it. Milliseconds, -1 without any.
    pub(crate) largest_timestamp: Option<i64>,
    /// Timestamp of its first batch, if [`LogConfig::max_compaction_lag_ms`] asks for it. Milliseconds.
    pub(crate) first_timestamp: Option<i64>,
}

/// What the planner knows of a log. Segments ascend; the last one is the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFacts {
    pub(crate) segments: Vec<SegmentFacts>,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) last_stable_offset: i64,
    /// Where the last round ended, as `cleaner-offset-checkpoint` has it.
    pub(crate) cleaned_offset: Option<i64>,
}

/// What a round over a log would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dirty {
    /// Where the dirty part begins.
    pub(crate) first_dirty_offset: i64,
    /// Where it ends: base offset of the first segment that may not be cleaned yet.
    pub(crate) end_offset: i64,
    /// Bytes of what may be cleaned and was not.
    pub(crate) cleanable_bytes: u64,
    /// Those and what was cleaned before.
    pub(crate) total_bytes: u64,
    /// For how long records have been dirty beyond `max.compaction.lag.ms`, milliseconds.
    pub(crate) overdue_ms: i64,
    /// The checkpoint's offset lies outside of the log and is not to be believed.
    pub(crate) reset: bool,
}

impl Dirty {
    /// Share of the log that is dirty, 0 to 1.
    pub(crate) fn ratio(&self) -> f64 {
        if self.total_bytes == 0 {
            return 0.0;
        }
        self.cleanable_bytes as f64 / self.total_bytes as f64
    }

    /// Whether it is time.
    pub(crate) fn is_due(&self, config: &LogConfig) -> bool {
        (self.overdue_ms > 0 && self.cleanable_bytes > 0) || self.ratio() > config.min_cleanable_dirty_ratio
    }
}

/// Says what of a log is dirty.
pub(crate) fn dirty(log: &LogFacts, config: &LogConfig, now_ms: i64) -> Dirty {
    let (first_dirty_offset, reset) = match log.cleaned_offset {
        None => (log.log_start_offset, false),
        Some(offset) if offset < log.log_start_offset || offset > log.log_end_offset => (log.log_start_offset, true),
        Some(offset) => (offset, false),
    };
    let active = log.segments.len() - 1;
    let from = floor(&log.segments, first_dirty_offset).min(active);
    let closed = &log.segments[from..active];
    let limit = match faults::is_on(Fault::CleanUnstable) {
        false => log.last_stable_offset.min(log.segments[active].base_offset),
        true => log.segments[active].base_offset,
    };
    let too_young = |segment: &&SegmentFacts| {
        let since = now_ms.saturating_sub(config.min_compaction_lag_ms);
        segment.largest_timestamp.is_some_and(|largest| largest > since)
    };
    let limit = match closed.iter().find(too_young) {
        Some(young) if config.min_compaction_lag_ms > 0 => limit.min(young.base_offset),
        _ => limit,
    };
    // The segment that the limit lies in cannot be cleaned, the ones before it can.
    let first_uncleanable = floor(&log.segments, limit.max(first_dirty_offset)).min(active);
    let size = |segments: &[SegmentFacts]| segments.iter().map(|segment| segment.size).sum::<u64>();
    let cleanable_bytes = size(&log.segments[from.min(first_uncleanable)..first_uncleanable]);
    let clean = log
        .segments
        .partition_point(|segment| segment.base_offset < first_dirty_offset);
    let clean_until = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
    let timestamps = closed.iter().filter_map(|segment| segment.first_timestamp);
    let earliest = timestamps.filter(|timestamp| *timestamp > 0).min();
    Dirty {
        first_dirty_offset,
        end_offset: log.segments[first_uncleanable].base_offset,
        cleanable_bytes,
        total_bytes: size(&log.segments[..clean]) + cleanable_bytes,
        overdue_ms: earliest.map_or(0, |earliest| clean_until.saturating_sub(earliest).max(0)),
        reset,
    }
}

/// Index of the segment that `offset` lies in.
fn floor(segments: &[SegmentFacts], offset: i64) -> usize {
    segments
        .partition_point(|segment| segment.base_offset <= offset)
        .saturating_sub(1)
}

/// Sizes of a segment's files, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentSize {
    pub(crate) base_offset: i64,
    pub(crate) log: u64,
    pub(crate) offset_index: u64,
    pub(crate) time_index: u64,
}

/// How many of the segments in a row are cleaned into one, for each one that comes of it: together not above the limits of
/// a segment, before they are cleaned. The last segment ends at or below `end_offset`.
pub(crate) fn groups(segments: &[SegmentSize], config: &LogConfig, end_offset: i64) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut rest = segments;
    while let [first, others @ ..] = rest {
        let mut sum = *first;
        let mut taken = 1;
        for (at, segment) in others.iter().enumerate() {
            let next = others.get(at + 1).map_or(end_offset, |next| next.base_offset);
            let grown = SegmentSize {
                base_offset: first.base_offset,
                log: sum.log + segment.log,
                offset_index: sum.offset_index + segment.offset_index,
                time_index: sum.time_index + segment.time_index,
            };
            let index_limit = u64::from(config.segment_index_bytes);
            let offsets_fit = segment.log == 0 || next - 1 - first.base_offset <= i64::from(i32::MAX);
            if grown.log > u64::from(config.segment_bytes)
                || grown.offset_index > index_limit
                || grown.time_index > index_limit
                || !offsets_fit
            {
                break;
            }
            sum = grown;
            taken += 1;
        }
        groups.push(taken);
        rest = &rest[taken..];
    }
    groups
}

#[cfg(test)]
mod tests;
