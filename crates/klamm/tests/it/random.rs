//! Numbers from a seed that is printed, so that a failure can be run again.

/// SplitMix64.
#[derive(Clone)]
pub(crate) struct Random(u64);

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("KLAMM_TEST_SEED") {
        Ok(text) => text.parse().expect("KLAMM_TEST_SEED is a number"),
        Err(_) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().as_nanos() as u64
        }
    };
    eprintln!("KLAMM_TEST_SEED={seed}");
    seed
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound`, which is left out.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Bytes, of which some are all random and others small, as lengths are.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let small = self.one_in(2);
        let mut byte = || match small {
            true if self.one_in(3) => self.below(5) as u8,
            true => 0,
            false => self.next() as u8,
        };
        (0..length).map(|_| byte()).collect()
    }
}
