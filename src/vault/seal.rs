//! Sealing: XChaCha20-Poly1305, whose nonces are long enough to be random.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};

use crate::domain::ids::PayeeRef;
use crate::domain::personal::PersonalValue;
use crate::format::commitment::NONCE_BYTES;
use crate::log::Fault;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the cipher's own nonce, which stand before the sealed bytes.
const SEAL_NONCE_BYTES: usize = 24;

/// A key that seals.
pub(super) struct SealingKey(XChaCha20Poly1305);

impl SealingKey {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(&Key::from(*key)))
    }

    fn seal(&self, bytes: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; SEAL_NONCE_BYTES] = random()?;
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: bytes, aad: bound_to });
        let sealed = sealed.map_err(|_| Fault::new("sealing personal data", "too much of it"))?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<SEAL_NONCE_BYTES>()?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound_to }).ok()
    }
}

/// Random bytes.
pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Fault> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Fault::new("taking random bytes", error))?;
    Ok(bytes)
}

fn not_as_written() -> Fault {
    Fault::new("the vault of personal data", "sealed bytes are not what was written, or the key is another vault's")
}

/// A new key of a person, with what is stored of it.
pub(super) fn new_party_key(sealing: &SealingKey, party: &PayeeRef) -> Result<(SealingKey, Vec<u8>), Fault> {
    let key: [u8; KEY_BYTES] = random()?;
    Ok((SealingKey::new(&key), sealing.seal(&key, &party.0)?))
}

pub(super) fn unwrap(sealing: &SealingKey, party: &PayeeRef, wrapped: &[u8]) -> Result<SealingKey, Fault> {
    let key = sealing.open(wrapped, &party.0).and_then(|key| <[u8; KEY_BYTES]>::try_from(key).ok());
    key.map(|key| SealingKey::new(&key)).ok_or_else(not_as_written)
}

/// Seals a value with its commitment's nonce, bound to the commitment, which itself is bound to event, person and field.
pub(super) fn seal(
    key: &SealingKey,
    commitment: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    value: &PersonalValue,
) -> Result<Vec<u8>, Fault> {
    key.seal(&[nonce.as_slice(), value.reveal().as_bytes()].concat(), commitment)
}

pub(super) fn open(
    key: &SealingKey,
    commitment: &[u8; 32],
    sealed: &[u8],
) -> Result<([u8; NONCE_BYTES], PersonalValue), Fault> {
    let opened = key.open(sealed, commitment).ok_or_else(not_as_written)?;
    let (nonce, value) = opened.split_first_chunk::<NONCE_BYTES>().ok_or_else(not_as_written)?;
    let value = std::str::from_utf8(value).ok().and_then(|value| PersonalValue::parse(value.to_owned()));
    Ok((*nonce, value.ok_or_else(not_as_written)?))
}
