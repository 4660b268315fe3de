//! Keeps the bytes that all cleaner threads read and write below a rate.
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What may be read and written at once before the rate counts.
const BURST: Duration = Duration::from_millis(300);
/// Longest pause at once: whoever pauses looks then whether to stop, and whether the rate has changed.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Bytes per second that are handed out to all who ask.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// When everything handed out so far would have been read or written at the rate.
    paid_until: Mutex<Option<Instant>>,
}

impl Throttle {
    /// Hands out `bytes`, at once; the pause comes after it.
    pub(crate) fn take(&self, bytes: u64, bytes_per_second: f64, now: Instant) {
        let Ok(time) = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second) else {
            return; // no sensible rate
        };
        let mut paid_until = self.lock();
        let from = paid_until.map_or(now, |at| at.max(now));
        *paid_until = from.checked_add(time);
    }

    /// How long to pause now; to be asked again after it.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        let ahead = (*self.lock())?.saturating_duration_since(now);
        (ahead > BURST).then(|| (ahead - BURST).min(PAUSE_MAX))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.paid_until.lock().expect("no panic while a time is added to")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_the_time_that_the_rate_gives_them() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let mut now = start;
        for _ in 0..100 {
            throttle.take(1_000, 10_000.0, now);
            while let Some(pause) = throttle.pause(now) {
                assert!(pause <= PAUSE_MAX);
                now += pause;
            }
        }
        let took = now - start;
        assert!(
            took >= Duration::from_secs(10) - BURST && took <= Duration::from_secs(10),
            "{took:?}"
        );
        // Time that nobody used is not saved up.
        now += Duration::from_secs(100);
        throttle.take(10_000, 10_000.0, now);
        assert_eq!(throttle.pause(now), Some(PAUSE_MAX));
    }

    #[test]
    fn without_a_rate_there_is_no_pause() {
        for rate in [f64::MAX, f64::INFINITY, f64::NAN, 0.0, -1.0] {
            let throttle = Throttle::default();
            throttle.take(u64::MAX, rate, Instant::now());
            assert_eq!(throttle.pause(Instant::now()), None, "{rate}");
        }
    }
}
