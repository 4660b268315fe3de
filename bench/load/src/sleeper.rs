//! A thread that only sleeps and wakes up: what the machine itself holds up, whatever runs on it. To be run with the priority of
//! real time, so that it does not wait for the processor's other users.

use std::time::{Duration, Instant};

use crate::figures;

/// What it sleeps at a time.
const NAP: Duration = Duration::from_micros(500);
/// As late as this a thread of such a priority is only where the machine stood still.
const STALL: Duration = Duration::from_millis(5);

/// What a sleeper has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The longest that it was late.
    most: Duration,
    /// The sum of all stalls.
    stalled: Duration,
}

impl Seen {
    fn note(&mut self, late: Duration) {
        self.most = self.most.max(late);
        if late > STALL {
            self.stalled += late;
        }
    }
}

/// Sleeps for so many seconds and prints how late it woke up.
pub(crate) fn run(seconds: u64) {
    let begun = Instant::now();
    let mut seen = Seen::default();
    while begun.elapsed().as_secs() < seconds {
        let asleep = Instant::now();
        std::thread::sleep(NAP);
        seen.note(asleep.elapsed().saturating_sub(NAP));
    }
    figures::print(&[
        ("most_ms", seen.most.as_secs_f64() * 1e3),
        ("stalled_ms", seen.stalled.as_secs_f64() * 1e3),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_late_is_no_stall() {
        let mut seen = Seen::default();
        for millis in [1, 4, 38, 7] {
            seen.note(Duration::from_millis(millis));
        }
        assert_eq!(seen.most, Duration::from_millis(38));
        assert_eq!(seen.stalled, Duration::from_millis(45));
    }
}
