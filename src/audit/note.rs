//! Signed notes as an auditor reads them: checkpoints, cosignatures and the keys that vouch for them (C2SP signed-note,
//! tlog-checkpoint, tlog-cosignature). Nothing here signs.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::frame::Hash;
use super::printable::is_steering;

/// Longest note that is read.
pub const NOTE_BYTES_MAX: usize = 1 << 18;
/// Most signature lines that are read: post-quantum ones are long, and a quorum may be large.
const SIGNATURES_MAX: usize = 128;
const DASH: &str = "\u{2014} ";

/// Why a text is no note, checkpoint or key, or cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not of the form.
    #[error("{0}")]
    Form(&'static str),
    /// A key that is known is named, and the signature is not its.
    #[error("the signature of {0} is false")]
    FalseSignature(String),
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The text of a note, with Ed25519.
    Log,
    /// The text and a time, with Ed25519: cosignature/v1.
    Witness,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A public key under its name, as its owner gave it away.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    id: [u8; 4],
    kind: KeyKind,
    key: VerifyingKey,
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, super::report::hex(&self.id), STANDARD.encode(bytes))
    }
}

impl NoteKey {
    /// Parses `NAME+HASH+BASE64`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a key has the form NAME+HASH+BASE64");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form);
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| form.clone())?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (KeyKind::Log, key),
            Some((4, key)) => (KeyKind::Witness, key),
            _ => return Err(NoteError::Form("the key is of a kind that this program does not know")),
        };
        let key = <[u8; 32]>::try_from(key).map_err(|_| form.clone())?;
        let key = VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak());
        let key = key.ok_or(NoteError::Form("the key is not an Ed25519 key"))?;
        if !is_name(name) {
            return Err(form);
        }
        let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&bytes).finalize();
        let id = digest.first_chunk::<4>().copied().unwrap_or_default();
        if super::report::hex(&id) != hash {
            return Err(NoteError::Form("the key's hash does not fit its name: it was cut, or changed"));
        }
        Ok(Self { name: name.to_owned(), id, kind, key })
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether it is the same key, whatever it is called.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// The time that a signature carries, if it is this key's over the text; 0 where its kind carries none.
    fn verified(&self, text: &str, signature: &[u8]) -> Option<u64> {
        let (time, signature) = match self.kind {
            KeyKind::Log => (None, signature),
            KeyKind::Witness => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                (Some(u64::from_be_bytes(*time)), signature)
            }
        };
        let signature = Signature::from_slice(signature).ok()?;
        let message = match time {
            None => text.to_owned(),
            Some(time) => format!("cosignature/v1\ntime {time}\n{text}"),
        };
        self.key.verify_strict(message.as_bytes(), &signature).ok()?;
        Some(time.unwrap_or(0))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|char| char.is_whitespace() || is_steering(char))
}

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A signed note: a text and who claims to have signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<Line>,
}

/// A signature that is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer<'a> {
    /// Whose.
    pub key: &'a NoteKey,
    /// When it was given, seconds since 1970, as the signer says; 0 for a log.
    pub time: u64,
}

impl Note {
    /// Takes a note apart. Signatures are not looked at.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Form("the note is longer than any checkpoint"));
        }
        if note.chars().any(|char| is_steering(char) && char != '\n') {
            return Err(NoteError::Form("the note contains control characters"));
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Form("the note has no signatures"))?;
        let (text, rest) = note.split_at(at.saturating_add(1));
        let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Form("the note's last line does not end"))?;
        let lines: Option<Vec<Line>> = lines.split('\n').take(SIGNATURES_MAX.saturating_add(1)).map(line).collect();
        let lines = lines.ok_or(NoteError::Form("a signature line of the note is malformed"))?;
        if lines.len() > SIGNATURES_MAX {
            return Err(NoteError::Form("the note has too many signatures"));
        }
        Ok(Self { text: text.to_owned(), lines })
    }

    /// The text that is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The note with the lines of these keys alone, whatever others added to it.
    pub fn signed_by(&self, keys: &[NoteKey]) -> String {
        let is_theirs = |line: &&Line| keys.iter().any(|key| line.name == key.name && line.id == key.id);
        let lines = self.lines.iter().filter(is_theirs).map(|line| {
            let bytes = [&line.id[..], &line.signature].concat();
            format!("{DASH}{} {}\n", line.name, STANDARD.encode(bytes))
        });
        format!("{}\n{}", self.text, lines.collect::<String>())
    }

    /// The genuine signatures of these keys. Lines of others are passed over; a false one in the name of one of these makes
    /// the note worthless.
    pub fn signers<'a>(&self, keys: impl IntoIterator<Item = &'a NoteKey>) -> Result<Vec<Signer<'a>>, NoteError> {
        let mut signers = Vec::new();
        for key in keys {
            let mut times = Vec::new();
            for line in self.lines.iter().filter(|line| line.name == key.name && line.id == key.id) {
                let time = key.verified(&self.text, &line.signature);
                times.push(time.ok_or_else(|| NoteError::FalseSignature(key.name.clone()))?);
            }
            // Who signed twice counts once, and as late as they did.
            signers.extend(times.into_iter().max().map(|time| Signer { key, time }));
        }
        Ok(signers)
    }
}

fn line(line: &str) -> Option<Line> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let is_line = is_name(name) && !signature.is_empty();
    is_line.then(|| Line { name: name.to_owned(), id: *id, signature: signature.to_vec() })
}

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Entries in its tree.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a note; lines after the third are extensions, and passed over.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a checkpoint has the lines ORIGIN, SIZE and ROOT");
        let mut lines = text.strip_suffix('\n').ok_or(form.clone())?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(form);
        };
        let parsed: Option<u64> = size.parse().ok().filter(|parsed: &u64| parsed.to_string() == size);
        let root = STANDARD.decode(root).ok().and_then(|root| Hash::try_from(root).ok());
        match (parsed, root) {
            (Some(size), Some(root)) if !origin.is_empty() && lines.all(|line| !line.is_empty()) => {
                Ok(Self { origin: origin.to_owned(), size, root })
            }
            _ => Err(form),
        }
    }
}
