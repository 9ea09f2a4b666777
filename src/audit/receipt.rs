//! Proofs that stand by themselves (C2SP tlog-proof): that an entry is in the log that a checkpoint was signed for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::frame::Hash;
use super::note::{Checkpoint, Note, NoteError};
use super::tree::includes;

/// Longest file that is read.
pub const RECEIPT_BYTES_MAX: usize = 1 << 19;
/// No tree is higher.
const HASHES_MAX: usize = 63;

/// A proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry: its sequence.
    pub index: u64,
    /// What the signatures vouch for.
    pub checkpoint: Checkpoint,
    /// The signed checkpoint.
    pub note: Note,
    /// What somebody added, in front of what is signed: the entry itself, where `proof --with-entry` wrote it.
    pub extra: Option<Vec<u8>>,
    hashes: Vec<Hash>,
}

impl Receipt {
    /// Parses a `.tlog-proof`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("it is no c2sp.org/tlog-proof@v1");
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(form);
        }
        let (head, note) = text.split_once("\n\n").ok_or(form.clone())?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some("c2sp.org/tlog-proof@v1") {
            return Err(form);
        }
        // What else somebody wrote: not signed, and not looked at but for its form.
        let mut extra = None;
        if let Some(line) = lines.next_if(|line| line.starts_with("extra ")) {
            let encoded = line.strip_prefix("extra ").unwrap_or_default();
            extra = Some(STANDARD.decode(encoded).map_err(|_| form.clone())?);
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(form.clone())?;
        let parsed: Option<u64> = index.parse().ok().filter(|parsed: &u64| parsed.to_string() == index);
        let index = parsed.ok_or(form.clone())?;
        let mut hashes = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|hash| Hash::try_from(hash).ok());
            hashes.push(hash.ok_or(form.clone())?);
            if hashes.len() > HASHES_MAX {
                return Err(form);
            }
        }
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { index, checkpoint, note, extra, hashes })
    }

    /// Whether it proves that an entry with this hash stands at its index.
    pub fn proves(&self, entry_hash: &Hash) -> bool {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        includes(self.index, *size, entry_hash, &self.hashes, root)
    }
}
