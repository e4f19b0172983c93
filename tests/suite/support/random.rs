use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers for choices and moments. Shows its seed when it is printed.
pub struct Random {
    seed: u64,
    state: AtomicU64,
}

impl Random {
    /// From `SUITE_SEED`, or a fresh seed, which is printed.
    #[expect(clippy::disallowed_methods, reason = "a seed of the suite is no knob of the program")]
    pub fn seeded() -> Self {
        let seed = match std::env::var("SUITE_SEED") {
            Ok(seed) => seed.parse().expect("SUITE_SEED is a whole number"),
            Err(_) => getrandom::u64().expect("random bits"),
        };
        eprintln!("SUITE_SEED={seed}");
        Self::from(seed)
    }

    /// Another, that depends on this one's seed only.
    pub fn fork(&self) -> Self {
        Self::from(self.word())
    }

    /// `SplitMix64`.
    pub fn word(&self) -> u64 {
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, end: u64) -> u64 {
        self.word() % end
    }
}

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self { seed, state: AtomicU64::new(seed) }
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SUITE_SEED={}", self.seed)
    }
}
