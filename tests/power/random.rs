//! Numbers without pattern from a seed, so that a failure can be run again.

/// A linear congruential generator (Knuth's constants); its upper bits are used.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below another, which is not 0.
    pub fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// The seed of a test: `FUNDLEDGER_SEED`, or one of its own; printed, so that the same can be done again.
pub fn seed() -> u64 {
    let given = std::env::var("FUNDLEDGER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("FUNDLEDGER_SEED={seed}");
    seed
}
