//! Monetary unit sampling: which minor units of a population are hit, by a seed that anybody can use again.
//!
//! Every minor unit has the same chance, so that an item's chance is its amount over the interval: a random start, and from
//! there every interval-th unit. Whole numbers throughout; docs/auditing.md says the same for those who compute it again.

use sha2::{Digest, Sha256};
use thiserror::Error;

/// What the generator's key begins with: a change of how numbers are drawn is a new one.
const DOMAIN: &[u8] = b"fundledger sample v1";
const MILLION: i128 = 1_000_000;

/// Longest seed, bytes.
pub const SEED_BYTES_MAX: usize = 256;

/// Factors of the Poisson distribution, in hundredths, by confidence in percent: reliability factors for no misstatement,
/// and expansion factors for expected ones. Source: AICPA Audit Guide, Audit Sampling, tables for monetary unit sampling; the
/// first is -ln(1 - confidence), rounded.
const FACTORS: &[(u8, i128, i128)] = &[
    (99, 461, 190),
    (95, 300, 160),
    (90, 231, 150),
    (85, 190, 140),
    (80, 161, 130),
    (75, 139, 125),
    (70, 121, 120),
    (63, 100, 115),
    (50, 70, 100),
];

/// Random numbers from a seed: SHA-256 in counter mode.
#[derive(Clone, Debug)]
pub struct Generator {
    key: [u8; 32],
    counter: u64,
}

impl Generator {
    /// For a stratum of a log whose entries have this root. The seed should be drawn after the root was fixed: who knows it
    /// before can choose what is booked.
    pub fn new(seed: &str, origin: &str, root: &[u8; 32], stratum: &str) -> Self {
        let mut key = Sha256::new();
        for part in [DOMAIN, seed.as_bytes(), origin.as_bytes(), root, stratum.as_bytes()] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            key.update(length.to_be_bytes());
            key.update(part);
        }
        Self { key: key.finalize().into(), counter: 0 }
    }

    /// The next number: the first 16 bytes of SHA-256 over the key and the counter from 0, the highest first.
    fn next(&mut self) -> u128 {
        let block: [u8; 32] =
            Sha256::new().chain_update(self.key).chain_update(self.counter.to_be_bytes()).finalize().into();
        self.counter = self.counter.saturating_add(1);
        u128::from_be_bytes(block.first_chunk().copied().unwrap_or_default())
    }

    /// A number from 1 to a limit, each as likely: numbers at or above the last whole multiple of the limit are passed over.
    pub fn up_to(&mut self, limit: u128) -> u128 {
        let limit = limit.max(1);
        let incomplete = (u128::MAX.checked_rem(limit).unwrap_or_default().saturating_add(1)).checked_rem(limit);
        let last = u128::MAX.saturating_sub(incomplete.unwrap_or_default());
        loop {
            let number = self.next();
            if number <= last {
                return number.checked_rem(limit).unwrap_or_default().saturating_add(1);
            }
        }
    }
}

/// How large a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Every so many minor units.
    Interval(i128),
    /// So many units are hit.
    Hits(i128),
    /// As many as it takes to say with this confidence that no more than the tolerable part is wrong.
    Precision {
        /// In percent: one that there are factors for.
        confidence: u8,
        /// What may be wrong, parts per million of the population.
        tolerable_ppm: i128,
        /// What is expected to be wrong, parts per million.
        expected_ppm: i128,
    },
}

/// Why there can be no such sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// An interval or a number of hits below 1.
    #[error("an interval and a number of hits are at least 1")]
    Nothing,
    /// No factors for the confidence.
    #[error("there are no factors for a confidence of {0} %")]
    Confidence(u8),
    /// What may be wrong is no part of the population.
    #[error("what is tolerable lies between 1 and 1,000,000 parts per million")]
    Tolerable,
    /// So much is expected to be wrong that no sample can show that it is tolerable.
    #[error("what is expected to be wrong, expanded, is not less than what is tolerable")]
    Expected,
}

impl Size {
    /// Refuses what cannot be, before anything is read.
    pub fn check(self) -> Result<Self, SizeError> {
        match self {
            Self::Interval(number) | Self::Hits(number) if number < 1 => Err(SizeError::Nothing),
            Self::Interval(_) | Self::Hits(_) => Ok(self),
            Self::Precision { .. } => self.interval(1).map(|_| self),
        }
    }

    /// The sampling interval in a population that is worth so much, minor units; at least 1.
    pub fn interval(self, population: i128) -> Result<i128, SizeError> {
        let interval = match self {
            Self::Interval(interval) if interval >= 1 => interval,
            Self::Hits(hits) if hits >= 1 => population.checked_div(hits).unwrap_or_default(),
            Self::Interval(_) | Self::Hits(_) => return Err(SizeError::Nothing),
            Self::Precision { confidence, tolerable_ppm, expected_ppm } => {
                let (_, reliability, expansion) = FACTORS
                    .iter()
                    .find(|(of, ..)| *of == confidence)
                    .copied()
                    .ok_or(SizeError::Confidence(confidence))?;
                if !(1..=MILLION).contains(&tolerable_ppm) {
                    return Err(SizeError::Tolerable);
                }
                // (tolerable - expected * expansion) * population / reliability; both factors are hundredths.
                let room = tolerable_ppm.saturating_mul(100).saturating_sub(expected_ppm.saturating_mul(expansion));
                if expected_ppm < 0 || room <= 0 {
                    return Err(SizeError::Expected);
                }
                let whole = reliability.saturating_mul(MILLION);
                population.saturating_mul(room).checked_div(whole).unwrap_or_default()
            }
        };
        Ok(interval.max(1))
    }
}

/// The confidences that there are factors for, in percent.
pub fn confidences() -> impl Iterator<Item = u8> {
    FACTORS.iter().map(|(confidence, ..)| *confidence)
}

/// What was hit of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its first unit, counted over the population from 1.
    pub first: i128,
    /// Its last.
    pub last: i128,
    /// The first of its units that was hit.
    pub at: i128,
    /// How many were.
    pub hits: i64,
}

/// Walks through a stratum, item by item.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    interval: i128,
    passed: i128,
    next: i128,
}

impl Walk {
    /// From a random start.
    pub fn new(interval: i128, generator: &mut Generator) -> Self {
        let interval = interval.max(1);
        let start = generator.up_to(interval.unsigned_abs());
        Self { interval, passed: 0, next: i128::try_from(start).unwrap_or(1) }
    }

    /// The unit that is hit next.
    pub const fn next_unit(&self) -> i128 {
        self.next
    }

    /// Passes an item of an amount above 0; gives what was hit of it.
    pub fn pass(&mut self, amount: i128) -> Option<Hit> {
        let (first, last) = (self.passed.saturating_add(1), self.passed.saturating_add(amount));
        self.passed = last;
        if self.next > last {
            return None;
        }
        let at = self.next;
        let more = last.saturating_sub(at).checked_div(self.interval).unwrap_or_default();
        let hits = more.saturating_add(1);
        self.next = at.saturating_add(hits.saturating_mul(self.interval));
        Some(Hit { first, last, at, hits: i64::try_from(hits).unwrap_or(i64::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: [u8; 32] = [7; 32];

    fn walk(seed: &str, interval: i128) -> Walk {
        Walk::new(interval, &mut Generator::new(seed, "origin", &ROOT, ""))
    }

    #[test]
    fn each_item_is_hit_as_often_as_its_amount_says() {
        let amounts = [1_i128, 10, 100, 250, 399, 400, 401, 1_000, 39];
        let interval = 400;
        let draws = 20_000_i64;
        let mut hits = vec![0_i64; amounts.len()];
        for draw in 0..draws {
            let mut walk = walk(&format!("seed {draw}"), interval);
            for (at, amount) in amounts.iter().enumerate() {
                hits[at] += walk.pass(*amount).map_or(0, |hit| hit.hits);
            }
        }
        for (amount, hits) in amounts.iter().zip(hits) {
            // Expected draws * amount / interval; four standard deviations are less than 4 * sqrt(draws / 4) = 283.
            let expected = i128::from(draws) * amount / interval;
            let off = (i128::from(hits) - expected).abs();
            assert!(off <= 283, "{amount}: hit {hits} times, expected {expected}");
        }
    }

    #[test]
    fn every_interval_of_a_population_is_hit_once() {
        for (interval, amounts) in [(1, vec![3, 1]), (7, vec![1; 70]), (100, vec![99, 1, 100, 350, 50])] {
            let total: i128 = amounts.iter().sum();
            let mut walk = walk("s", interval);
            let found: Vec<Hit> = amounts.iter().filter_map(|amount| walk.pass(*amount)).collect();
            let hits: i64 = found.iter().map(|hit| hit.hits).sum();
            assert!((total / interval..=total / interval + 1).contains(&i128::from(hits)), "{interval}: {hits}");
            assert!(found.iter().all(|hit| (hit.first..=hit.last).contains(&hit.at)));
            for (amount, hit) in amounts.iter().filter(|amount| **amount >= interval).zip(&found) {
                assert!(hit.hits >= 1, "{amount} is no less than the interval");
            }
        }
    }

    #[test]
    fn numbers_are_those_of_the_document() {
        // Computed with Python's hashlib by docs/auditing.md.
        let mut generator = Generator::new("2026-12-01 lottery 07 11 19", "test.invalid/funds", &ROOT, "F");
        assert_eq!([generator.up_to(1_000_000), generator.up_to(1_000_000), generator.up_to(3)], GOLDEN);
    }

    const GOLDEN: [u128; 3] = [967_342, 471_969, 3];

    #[test]
    fn limits_hold() {
        let mut generator = Generator::new("s", "o", &ROOT, "");
        assert_eq!(generator.up_to(1), 1);
        assert_eq!(generator.up_to(0), 1);
        for limit in [2, 3, u128::MAX / 2 + 2, u128::MAX] {
            for _ in 0..200 {
                assert!((1..=limit).contains(&generator.up_to(limit)));
            }
        }
    }

    #[test]
    fn intervals_follow_from_what_is_wanted() {
        let precise =
            |confidence, tolerable_ppm, expected_ppm| Size::Precision { confidence, tolerable_ppm, expected_ppm };
        for (size, population, expected) in [
            (Size::Interval(5), 1, Ok(5)),
            (Size::Interval(0), 1, Err(SizeError::Nothing)),
            (Size::Hits(3), 100, Ok(33)),
            (Size::Hits(300), 100, Ok(1)),
            (Size::Hits(0), 100, Err(SizeError::Nothing)),
            // 5 % of 1,000,000.00 at 95 %: 50,000.00 / 3.00.
            (precise(95, 50_000, 0), 100_000_000, Ok(1_666_666)),
            // Less 1 % expected: (50,000.00 - 10,000.00 * 1.6) / 3.00.
            (precise(95, 50_000, 10_000), 100_000_000, Ok(1_133_333)),
            (precise(50, 1_000_000, 0), 7, Ok(10)),
            (precise(94, 50_000, 0), 1, Err(SizeError::Confidence(94))),
            (precise(95, 0, 0), 1, Err(SizeError::Tolerable)),
            (precise(95, 1_000_001, 0), 1, Err(SizeError::Tolerable)),
            (precise(95, 50_000, 31_250), 1, Err(SizeError::Expected)),
            (precise(95, 50_000, -1), 1, Err(SizeError::Expected)),
        ] {
            assert_eq!(size.interval(population), expected, "{size:?} of {population}");
        }
    }
}
