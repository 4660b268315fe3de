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

    /// At least `base_ms` and less than twice that; 0 for 0.
    pub(crate) fn timeout_ms(&mut self, base_ms: i64) -> i64 {
        match u64::try_from(base_ms) {
            Ok(base) if base > 0 => base_ms + i64::try_from(self.next() % base).expect("less than an i64"),
            _ => 0,
        }
    }
}
