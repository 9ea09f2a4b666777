//! Fingerprints of keys that must never expire, at 16 bytes and table overhead a key. Two keys may share a fingerprint:
//! whoever asks compares the key itself with the event found.

use hashbrown::HashTable;

/// From 64-bit fingerprints to sequences.
#[derive(Clone, Debug, Default)]
pub struct FingerprintTable {
    rows: HashTable<(u64, i64)>,
}

impl FingerprintTable {
    /// Adds a key's fingerprint.
    pub fn insert(&mut self, fingerprint: u64, sequence: i64) {
        self.rows.insert_unique(fingerprint, (fingerprint, sequence), |(fingerprint, _)| *fingerprint);
    }

    /// Sequences of the events whose key has this fingerprint: none, one, or very rarely more.
    pub fn candidates(&self, fingerprint: u64) -> impl Iterator<Item = i64> + '_ {
        self.rows.iter_hash(fingerprint).filter(move |(known, _)| *known == fingerprint).map(|(_, sequence)| *sequence)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, ascending by sequence.
    pub fn sorted(&self) -> Vec<(u64, i64)> {
        let mut rows: Vec<(u64, i64)> = self.rows.iter().copied().collect();
        rows.sort_unstable_by_key(|(_, sequence)| *sequence);
        rows
    }
}
