//! The node's one clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch that never go back, for deadlines and timestamps alike.
///
/// Follows the wall clock forward (also over a suspended machine) and keeps running at its own pace while a wall clock
/// that was set back catches up.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// The largest distance seen from the monotonic clock to the wall clock.
    offset_ms: AtomicI64,
}

impl Clock {
    /// Starts at the wall clock's time.
    pub fn new() -> Self {
        Clock {
            start: Instant::now(),
            offset_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.at(millis(self.start.elapsed()), wall_ms())
    }

    fn at(&self, running_ms: i64, wall_ms: i64) -> i64 {
        let offset = wall_ms - running_ms;
        running_ms + self.offset_ms.fetch_max(offset, Ordering::AcqRel).max(offset)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_set_back_does_not_stop_the_time() {
        let clock = Clock::new();
        let times = [
            (0, 1_000),
            (5, 1_005),
            (10, 500),
            (20, 510),
            (600, 1_090),
            (700, 2_000),
            (701, 2_001),
        ];
        let told: Vec<i64> = times.iter().map(|&(running, wall)| clock.at(running, wall)).collect();
        assert_eq!(told, [1_000, 1_005, 1_010, 1_020, 1_600, 2_000, 2_001]);
    }
}
