//! Entries and their hashes: the chain.

use sha2::{Digest, Sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;
/// Longest entry: the length prefix of the tile format has two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Longest event: an entry without its link.
pub const EVENT_BYTES_MAX: usize = ENTRY_BYTES_MAX - HASH_BYTES;
/// Version of the record format, in the genesis event.
pub const FORMAT_VERSION: u32 = 1;

/// An entry hash: SHA-256(0x00 ‖ entry), the leaf hash of RFC 6962 section 2.1.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryHash(pub [u8; HASH_BYTES]);

impl EntryHash {
    /// What stands before the genesis.
    pub const ZERO: Self = Self([0; HASH_BYTES]);

    /// The hash of an entry.
    pub fn of(entry: &[u8]) -> Self {
        Self(Sha256::new_with_prefix([0]).chain_update(entry).finalize().into())
    }
}

impl std::fmt::Display for EntryHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The last entry of a log: where the next one links to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Sequence of the last entry; −1 in a log without a genesis.
    pub sequence: i64,
    /// Its hash; zeros in a log without a genesis.
    pub hash: EntryHash,
}

impl Head {
    /// The head of a log without a genesis.
    pub const EMPTY: Self = Self { sequence: -1, hash: EntryHash::ZERO };

    /// Sequence of the next entry.
    pub const fn next_sequence(&self) -> i64 {
        self.sequence.saturating_add(1)
    }
}

/// Splits an entry into its link and its event.
pub fn split_entry(entry: &[u8]) -> Option<(EntryHash, &[u8])> {
    let (link, event) = entry.split_first_chunk::<HASH_BYTES>()?;
    Some((EntryHash(*link), event))
}
