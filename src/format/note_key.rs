//! Keys as text, in the forms of C2SP signed notes: `name+hash+base64(0x01 ‖ public key)` to give away, and
//! `PRIVATE+KEY+name+hash+base64(0x01 ‖ seed)` to keep. The hash ties the name to the key, so that a slip is noticed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::approval;
use super::hexadecimal;
use crate::domain::approval::{PublicKey, Signature};

/// What a key signs, as its first byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Messages and notes, with Ed25519.
    Signer,
    /// Notes with the time, as a witness does: cosignature/v1 with Ed25519.
    Cosigner,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Signer => 1,
            Self::Cosigner => 4,
        }
    }
}

const PRIVATE: &str = "PRIVATE+KEY+";

/// A text that is not a key.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum NoteKeyError {
    /// Not of the form.
    #[error("a key has the form {0}")]
    Form(&'static str),
    /// The hash does not fit the name and the key.
    #[error("the key's hash does not fit its name: it was cut, or changed")]
    Hash,
    /// The bytes are no key that can be trusted.
    #[error("the key is not an Ed25519 key")]
    Key,
}

/// A public key with its owner's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// Whose.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    kind: KeyKind,
}

/// A private key with its owner's name.
#[derive(Clone)]
pub struct SignerKey {
    name: String,
    key: SigningKey,
    kind: KeyKind,
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, secret)", self.name)
    }
}

/// First 4 bytes of SHA-256(name ‖ newline ‖ kind ‖ public key).
fn hash_bytes(name: &str, public_key: &PublicKey, kind: KeyKind) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', kind.byte()]).chain_update(public_key.0).finalize();
    digest.first_chunk::<4>().copied().unwrap_or_default()
}

fn key_hash(name: &str, public_key: &PublicKey, kind: KeyKind) -> String {
    hexadecimal::of(&hash_bytes(name, public_key, kind))
}

/// `name+hash+base64`, taken apart: the key may hold `+` itself, the name may not.
fn parts(text: &str, kind: KeyKind) -> Option<(&str, &str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (hash, encoded) = rest.split_once('+')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (found, key) = bytes.split_first()?;
    let is_named = !name.is_empty() && !name.chars().any(char::is_whitespace);
    let key = <[u8; 32]>::try_from(key).ok()?;
    (is_named && *found == kind.byte()).then_some((name, hash, key))
}

fn encoded(key: &[u8; 32], kind: KeyKind) -> String {
    let mut bytes = vec![kind.byte()];
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

impl VerifierKey {
    /// Parses a key.
    pub fn parse(text: &str) -> Result<Self, NoteKeyError> {
        let kind = KeyKind::Signer;
        let form = NoteKeyError::Form("NAME+HASH+BASE64, as `fundledger keys generate` prints it");
        let (name, hash, key) = parts(text.trim(), kind).ok_or(form)?;
        let public_key = PublicKey(key);
        if !approval::is_public_key(&public_key) {
            return Err(NoteKeyError::Key);
        }
        if hash != key_hash(name, &public_key, kind) {
            return Err(NoteKeyError::Hash);
        }
        Ok(Self { name: name.to_owned(), public_key, kind })
    }

    /// What ties the name to the key, 8 hexadecimal digits.
    pub fn hash(&self) -> String {
        key_hash(&self.name, &self.public_key, self.kind)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.hash(), encoded(&self.public_key.0, self.kind))
    }
}

impl SignerKey {
    /// A key from 32 random bytes.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Self {
        Self::of_kind(name, seed, KeyKind::Signer)
    }

    /// A key of a kind, from 32 random bytes.
    pub fn of_kind(name: &str, seed: &[u8; 32], kind: KeyKind) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(seed), kind }
    }

    /// Parses a key that signs messages and notes.
    pub fn parse(text: &str) -> Result<Self, NoteKeyError> {
        Self::parse_kind(text, KeyKind::Signer)
    }

    /// Parses a key of a kind.
    pub fn parse_kind(text: &str, kind: KeyKind) -> Result<Self, NoteKeyError> {
        let form = || NoteKeyError::Form("PRIVATE+KEY+NAME+HASH+BASE64, of the kind that is needed here");
        let rest = text.trim().strip_prefix(PRIVATE).ok_or_else(form)?;
        let (name, hash, seed) = parts(rest, kind).ok_or_else(form)?;
        let key = Self::of_kind(name, &seed, kind);
        if hash != key_hash(name, &key.verifier().public_key, kind) {
            return Err(NoteKeyError::Hash);
        }
        Ok(key)
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            public_key: PublicKey(self.key.verifying_key().to_bytes()),
            kind: self.kind,
        }
    }

    /// The line of a signed note: `— name base64(key hash ‖ signature)`, over a text that ends with a newline.
    pub fn note_line(&self, text: &str) -> String {
        self.line(&self.sign(text.as_bytes()).0)
    }

    /// The line of a witness: the signature is over the text and the time, seconds since 1970, and carries the time before
    /// it (C2SP tlog-cosignature).
    pub fn cosignature_line(&self, text: &str, time: u64) -> String {
        let signature = self.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
        self.line(&[&time.to_be_bytes()[..], &signature.0].concat())
    }

    fn line(&self, signature: &[u8]) -> String {
        let mut bytes = hash_bytes(&self.name, &self.verifier().public_key, self.kind).to_vec();
        bytes.extend_from_slice(signature);
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }

    /// The text to keep secret.
    pub fn secret_text(&self) -> String {
        let hash = key_hash(&self.name, &self.verifier().public_key, self.kind);
        format!("{PRIVATE}{}+{hash}+{}", self.name, encoded(self.key.as_bytes(), self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair in the documentation of golang.org/x/mod/sumdb/note.
    const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn the_published_pair_reads_and_writes() {
        let verifier = VerifierKey::parse(VERIFIER).unwrap();
        let signer = SignerKey::parse(SIGNER).unwrap();
        assert_eq!(signer.verifier(), verifier);
        assert_eq!((verifier.to_string().as_str(), signer.secret_text().as_str()), (VERIFIER, SIGNER));
        let signature = signer.sign(b"message");
        assert!(approval::verifies(&verifier.public_key, b"message", &signature));
        assert!(!approval::verifies(&verifier.public_key, b"Message", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let other_name = VERIFIER.replace("Peter", "Petra");
        assert_eq!(VerifierKey::parse(&other_name), Err(NoteKeyError::Hash));
        assert!(SignerKey::parse(&SIGNER.replace("c74f20a3", "c74f20a4")).is_err());
        for text in ["", "name", "name+00000000", "+c74f20a3+AR", &VERIFIER[..40], "a b+c74f20a3+ARpc", SIGNER] {
            assert!(VerifierKey::parse(text).is_err(), "{text}");
        }
        let identity = format!("weak+00000000+{}", STANDARD.encode([&[1, 1][..], &[0; 31]].concat()));
        assert_eq!(VerifierKey::parse(&identity), Err(NoteKeyError::Key));
    }
}
