//! Signed notes, checkpoints and keys: what parses is written as it stood, in one way only.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fundledger::audit::note::{Checkpoint, Note, NoteKey};
use fundledger::format::checkpoint::{self, split_note};
use fundledger_fuzz::{is_canonical, log_key, witness_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(key) = NoteKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    let Ok(note) = Note::parse(text) else { return };
    let rest = text.strip_prefix(note.text()).expect("the text stands at the beginning");
    let (signed, lines) = split_note(text).expect("whoever makes notes takes them apart as well");
    assert!(note.text().ends_with('\n') && signed == note.text());
    assert_eq!(rest.strip_prefix('\n'), Some(lines));
    for line in lines.split_terminator('\n') {
        let (name, encoded) =
            line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')).expect("a signature");
        assert!(!name.is_empty() && is_canonical(encoded), "{line}");
    }
    let keys = [log_key().verifier(), witness_key().verifier()].map(|key| NoteKey::parse(&key.to_string()).unwrap());
    let signers = note.signers(&keys);
    // A line of somebody unknown changes nothing.
    let longer = format!("{text}\u{2014} stranger AAAAAAA=\n");
    if let Ok(longer) = Note::parse(&longer) {
        assert_eq!((longer.text(), longer.signers(&keys)), (note.text(), signers.clone()));
    }
    // Who signed this text did not sign another.
    if signers.is_ok_and(|signers| !signers.is_empty()) {
        let other = Note::parse(&format!("x{text}")).expect("one more character");
        assert!(other.signers(&keys).is_err());
    }
    let Ok(checkpoint) = Checkpoint::parse(note.text()) else { return };
    let Checkpoint { origin, size, root } = &checkpoint;
    let written = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
    assert!(note.text().starts_with(&written), "{text}");
    let own = checkpoint::Checkpoint { origin: origin.clone(), size: *size, root: *root };
    let expected = (note.text() == written).then_some(own);
    assert_eq!(checkpoint::Checkpoint::parse(note.text()), expected, "whoever makes checkpoints reads three lines");
});
