//! Fingerprints of keys that must never expire. Two keys may share a fingerprint: whoever asks compares the key itself with
//! the event found.
//!
//! **Memory.** Eight bytes a key in the order of the log, and nine a slot in hash tables that are between 44 and 87 per cent
//! full: 24 to 29 bytes a key, measured. A hash table that doubles stops the writer until all of it is moved: many small ones
//! double one after another.

use hashbrown::HashTable;

use crate::domain::rows::{Rows, fill};

const SHARDS: usize = 1024;
/// Bits of a slot that say which event: 10^12 of them. The others are of the fingerprint.
const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

/// From 64-bit fingerprints to sequences: each event has at most one key.
#[derive(Clone, Debug)]
pub struct FingerprintTable {
    // Of the key of every event from the first on.
    listed: Rows<u64>,
    // Sequence, and 24 bits of the fingerprint.
    shards: Vec<HashTable<u64>>,
}

impl Default for FingerprintTable {
    fn default() -> Self {
        Self { listed: Rows::default(), shards: vec![HashTable::new(); SHARDS] }
    }
}

/// Where a fingerprint belongs: its shard, and the bits that a slot keeps.
const fn place(fingerprint: u64) -> (usize, u64) {
    // The upper ten bits, and 24 others.
    #[expect(clippy::as_conversions, reason = "ten bits fit every usize, and `try_from` is not const")]
    let shard = (fingerprint >> 54) as usize;
    (shard, fingerprint & 0x00ff_ffff)
}

/// What the table goes by: it takes its places from the low bits, and its tags from the highest.
const fn spread(bits: u64) -> u64 {
    bits | bits << SEQUENCE_BITS
}

impl FingerprintTable {
    /// Adds the fingerprint of an event's key. Events come in the order of the log; those between have none.
    pub fn insert(&mut self, fingerprint: u64, sequence: i64) {
        let Ok(number) = u64::try_from(sequence) else { return };
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        while self.listed.len() < at {
            self.listed.push(0);
        }
        self.listed.push(fingerprint);
        let (shard, bits) = place(fingerprint);
        if let Some(shard) = self.shards.get_mut(shard) {
            let rehash = |slot: &u64| spread(slot >> SEQUENCE_BITS);
            shard.insert_unique(spread(bits), bits << SEQUENCE_BITS | number & SEQUENCE_MASK, rehash);
        }
    }

    /// The table of what [`Self::listed`] gave.
    pub fn of(listed: Rows<u64>) -> Self {
        let mut table = Self { listed, ..Self::default() };
        // The genesis has no key.
        let slots = (0_u64..).zip(table.listed.iter()).skip(1).map(|(number, fingerprint)| {
            let (shard, bits) = place(*fingerprint);
            (shard, bits << SEQUENCE_BITS | number & SEQUENCE_MASK)
        });
        fill(&mut table.shards, slots, |slot| spread(slot >> SEQUENCE_BITS));
        table
    }

    /// Sequences of the events whose key has this fingerprint: none, one, or very rarely more.
    pub fn candidates(&self, fingerprint: u64) -> impl Iterator<Item = i64> + '_ {
        let (shard, bits) = place(fingerprint);
        let slots = self.shards.get(shard).into_iter().flat_map(move |shard| shard.iter_hash(spread(bits)));
        slots.filter(move |slot| *slot >> SEQUENCE_BITS == bits).filter_map(move |slot| {
            let number = slot & SEQUENCE_MASK;
            let is_it = self.listed.get(usize::try_from(number).ok()?) == Some(&fingerprint);
            i64::try_from(number).ok().filter(|_| is_it)
        })
    }

    /// Whether there may be a candidate: asked for many fingerprints in a row, it brings their parts of the table near.
    pub fn may_have(&self, fingerprint: u64) -> bool {
        let (shard, bits) = place(fingerprint);
        self.shards
            .get(shard)
            .is_some_and(|shard| shard.find(spread(bits), |slot| slot >> SEQUENCE_BITS == bits).is_some())
    }

    /// The fingerprint of each event's key, from sequence 0 on, as they are now; 0 where an event has none. [`Self::of`] makes
    /// the table from them again.
    pub fn listed(&self) -> Rows<u64> {
        self.listed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_what_is_listed_is_the_table() {
        let mut table = FingerprintTable::default();
        let mut random = 7_u64;
        let mut keys = Vec::new();
        for sequence in 1..200_000 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Some have no key, and some share their fingerprint with another.
            let fingerprint = if sequence % 1_000 == 7 { 42 } else { random };
            if sequence % 50 != 3 {
                table.insert(fingerprint, sequence);
                keys.push((fingerprint, sequence));
            }
        }
        let again = FingerprintTable::of(table.listed());
        assert_eq!(again.listed(), table.listed());
        for (fingerprint, sequence) in keys {
            let mut found: Vec<_> = again.candidates(fingerprint).collect();
            let mut expected: Vec<_> = table.candidates(fingerprint).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert!(found == expected && found.contains(&sequence), "{sequence}");
        }
        assert_eq!(again.candidates(43).count(), 0);
        let mut longer = again;
        longer.insert(43, 200_000);
        assert_eq!(longer.candidates(43).collect::<Vec<_>>(), [200_000]);
    }
}
