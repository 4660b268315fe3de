//! Randomness from a seed, so that one seed run twice gives equal traces.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least `base_ms` and less than twice that; at least 1, so that roles don't follow one another without end in no time.
    pub(crate) fn timeout_ms(&mut self, base_ms: i64) -> i64 {
        let base_ms = base_ms.max(1);
        base_ms + i64::try_from(self.next() % base_ms.unsigned_abs()).expect("less than an i64")
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_timeout_is_never_over_at_once() {
        let mut random = Random(7);
        for _ in 0..1_000 {
            assert!((1_000..2_000).contains(&random.timeout_ms(1_000)));
        }
        assert_eq!([random.timeout_ms(0), random.timeout_ms(-5)], [1, 1]);
    }
}
