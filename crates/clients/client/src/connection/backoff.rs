//! How long to wait before the next attempt (KIP-580).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How far a wait may lie beside its exact value, so that clients which failed together do not come back together.
const JITTER: f64 = 0.2;

/// Doubles from `initial` up to `max`, give or take a fifth, and never more than `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Backoff {
        Backoff {
            initial: initial.min(max),
            max,
        }
    }

    /// The wait after so many failures in a row, the first being 0.
    pub(crate) fn after(self, failures: u32) -> Duration {
        self.exact(failures, random_unit())
    }

    /// `random` lies in 0 to 1.
    fn exact(self, failures: u32, random: f64) -> Duration {
        let doubled = self.initial.as_secs_f64() * f64::from(2u32).powi(failures.min(30) as i32);
        let factor = 1.0 - JITTER + 2.0 * JITTER * random;
        let seconds = (doubled * factor).min(self.max.as_secs_f64());
        Duration::from_secs_f64(seconds)
    }
}

/// A number that nobody can foresee, for jitter and for shuffling.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn random_unit() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

/// Puts items into random order.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, (random() % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_doubles_up_to_the_maximum() {
        let backoff = Backoff::new(ms(100), ms(1000));
        let waits: Vec<_> = (0..6).map(|failures| backoff.exact(failures, 0.5)).collect();
        assert_eq!(waits, [ms(100), ms(200), ms(400), ms(800), ms(1000), ms(1000)]);
        assert_eq!(backoff.exact(u32::MAX, 1.0), ms(1000));
    }

    #[test]
    fn jitter_is_a_fifth_and_never_exceeds_the_maximum() {
        let backoff = Backoff::new(ms(100), ms(1000));
        assert_eq!((backoff.exact(0, 0.0), backoff.exact(0, 1.0)), (ms(80), ms(120)));
        assert_eq!((backoff.exact(4, 0.0), backoff.exact(4, 1.0)), (ms(1000), ms(1000)));
        let drawn: Vec<_> = (0..100).map(|_| backoff.after(1)).collect();
        assert!(drawn.iter().all(|wait| (ms(160)..=ms(240)).contains(wait)), "{drawn:?}");
        assert!(drawn.iter().any(|wait| *wait != drawn[0]));
    }

    #[test]
    fn a_first_wait_above_the_maximum_is_the_maximum() {
        assert_eq!(Backoff::new(ms(500), ms(50)).exact(0, 0.5), ms(50));
        assert_eq!(Backoff::new(ms(0), ms(50)).exact(9, 0.5), ms(0));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<_> = (0..50).collect();
        shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
