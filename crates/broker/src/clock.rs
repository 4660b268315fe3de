//! The node's one clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch that never go back, for deadlines and timestamps alike.
///
/// Follows the wall clock forward (also over a suspended machine) and keeps running at its own pace while a wall clock
/// that was set back catches up. Never ahead of a wall clock that was not, so that a client that subtracts our timestamps
/// from its own time on the same machine gets no negative age: hence microseconds inside.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// The largest distance seen from the monotonic clock to the wall clock.
    offset_us: AtomicI64,
}

impl Clock {
    /// Starts at the wall clock's time.
    pub fn new() -> Self {
        Clock {
            start: Instant::now(),
            offset_us: AtomicI64::new(i64::MIN),
        }
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        // The wall clock first: a thread that waits for the processor in between then sees too small a distance, not one by
        // which the node would run ahead from then on.
        let wall_us = wall_us();
        self.at(micros(self.start.elapsed()), wall_us)
    }

    fn at(&self, running_us: i64, wall_us: i64) -> i64 {
        let offset = wall_us - running_us;
        (running_us + self.offset_us.fetch_max(offset, Ordering::AcqRel).max(offset)) / 1_000
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
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
        let told: Vec<i64> = times
            .iter()
            .map(|&(running, wall)| clock.at(running * 1_000, wall * 1_000))
            .collect();
        assert_eq!(told, [1_000, 1_005, 1_010, 1_020, 1_600, 2_000, 2_001]);
    }

    #[test]
    fn fractions_of_a_millisecond_do_not_add_up_to_the_future() {
        let clock = Clock::new();
        let times = [(0, 1_000_900), (100, 1_001_000), (1_000, 1_001_900), (1_100, 1_002_000)];
        let told: Vec<i64> = times.iter().map(|&(running, wall)| clock.at(running, wall)).collect();
        assert_eq!(told, [1_000, 1_001, 1_001, 1_002]);
    }
}
