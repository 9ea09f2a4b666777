//! Keyed digests: of commands, for idempotency, and of payees, as pseudonyms. The keys are not in the log, so that what the
//! log shows reveals nothing about persons (a plain hash of an identity number is found by trying them all).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher13;

use crate::domain::ids::{CommandDigest, PayeeRef};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// HMAC-SHA-256 under one key and for one use, cut to 16 bytes.
#[derive(Clone)]
pub struct KeyedDigest {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedDigest(secret)")
    }
}

impl KeyedDigest {
    /// A digest under a key. `domain` separates its uses: equal messages of different uses have unrelated digests.
    pub fn new(key: &[u8; KEY_BYTES], domain: &str) -> Self {
        // The key's length is fixed by its type, and HMAC takes any length.
        let mut keyed = Hmac::<Sha256>::new_from_slice(key)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&hmac::digest::array::Array::default()));
        keyed.update(domain.as_bytes());
        keyed.update(&[0]);
        Self { keyed }
    }

    fn of(&self, message: &[u8]) -> [u8; 16] {
        let full: [u8; 32] = self.keyed.clone().chain_update(message).finalize().into_bytes().into();
        let mut cut = [0; 16];
        cut.copy_from_slice(full.split_at(16).0);
        cut
    }

    /// Digest of a command's canonical bytes.
    pub fn command(&self, canonical: &[u8]) -> CommandDigest {
        self.of(canonical)
    }

    /// Pseudonyms for those who complain, under a key derived from this one: nobody who reads the log can tell that somebody who
    /// complains is somebody who is paid.
    #[must_use]
    pub fn reporters(&self) -> Self {
        // Of the empty identity, which no payee can have.
        let key: [u8; KEY_BYTES] = self.keyed.clone().finalize().into_bytes().into();
        Self::new(&key, "fundledger/reporter/v1")
    }

    /// Pseudonym of a payee.
    pub fn payee(&self, identity: &str) -> PayeeRef {
        PayeeRef(self.of(identity.as_bytes()))
    }
}

/// Fingerprints of idempotency keys: SipHash-1-3 under a key derived from the ledger's own, so that nobody outside can aim
/// at collisions (which would cost time, not correctness: the key itself is compared).
#[derive(Clone)]
pub struct Fingerprints {
    hasher: SipHasher13,
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints(secret)")
    }
}

impl Fingerprints {
    /// Fingerprints under a key.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let derived = KeyedDigest::new(key, "fundledger/request-id/v1").of(&[]);
        Self { hasher: SipHasher13::new_with_key(&derived) }
    }

    /// The fingerprint of a key.
    pub fn of(&self, text: &str) -> u64 {
        self.hasher.hash(text.as_bytes())
    }
}
