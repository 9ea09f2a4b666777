//! Checkpoints: what the ledger signs of its log (C2SP tlog-checkpoint and signed-note, docs/format.md, Checkpoints). This is
//! the half that makes them; the half that checks them is the auditor's own (`audit::note`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::note_key::SignerKey;
use super::tree::TreeHash;

/// Longest checkpoint that is kept, with all its signatures.
pub const CHECKPOINT_BYTES_MAX: usize = 1 << 18;

/// What a checkpoint says: this log has so many entries, under this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Entries in the tree: sequences 0 to one below.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The signed note: the text, an empty line, and a line for each signature.
    pub fn signed<'a>(&self, keys: impl IntoIterator<Item = &'a SignerKey>) -> String {
        let text = self.text();
        let lines: String = keys.into_iter().map(|key| key.note_line(&text)).collect();
        format!("{text}\n{lines}")
    }

    /// Reads the three lines of a text that was written by [`Checkpoint::text`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_terminator('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let checkpoint = Self { origin: origin.to_owned(), size: size.parse().ok()?, root };
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

/// The part of a signed note that is signed, and its signature lines.
pub fn split_note(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")?;
    let (text, rest) = note.split_at(at.checked_add(1)?);
    Some((text, rest.get(1..)?))
}

/// A proof that stands by itself (C2SP tlog-proof): an entry is in the tree of a checkpoint.
pub fn proof_file(index: u64, hashes: &[TreeHash], note: &str) -> String {
    let hashes: String = hashes.iter().flat_map(|hash| [STANDARD.encode(hash), "\n".to_owned()]).collect();
    format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{note}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_three_lines_and_its_signatures() {
        let key = SignerKey::from_seed("ledger.example.org/funds", &[7; 32]);
        let checkpoint = Checkpoint { origin: "ledger.example.org/funds".to_owned(), size: 12, root: [1; 32] };
        let text = "ledger.example.org/funds\n12\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
        assert_eq!(checkpoint.text(), text);
        let note = checkpoint.signed([&key]);
        let (signed, lines) = split_note(&note).unwrap();
        assert_eq!(signed, text);
        assert!(lines.starts_with("\u{2014} ledger.example.org/funds ") && lines.ends_with('\n'), "{lines}");
        assert_eq!(Checkpoint::parse(signed), Some(checkpoint));
        for wrong in ["", "o\n", "o\n1\n", "o\n01\nAQ==\n", &text.replace("12", "+12"), &format!("{text}more\n")] {
            assert_eq!(Checkpoint::parse(wrong), None, "{wrong}");
        }
    }
}
