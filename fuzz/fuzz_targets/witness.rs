//! Requests to a witness: what it signs it has kept, and it signs nothing that does not continue that.

#![no_main]

use std::cell::RefCell;

use fundledger::audit::note::{Checkpoint, Note, NoteKey};
use fundledger::witness::{Declined, Witness};
use fundledger_fuzz::{log_key, witness_key};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// When everything is signed, seconds since 1970.
const TIME: u64 = 1_800_000_000;

/// A witness that has signed nothing.
struct Fresh {
    directory: TempDir,
    witness: Witness,
}

impl Fresh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        Witness::create(&state).unwrap();
        let log = NoteKey::parse(&log_key().verifier().to_string()).unwrap();
        let witness = Witness::open(&state, witness_key(), vec![log]).unwrap();
        Self { directory, witness }
    }

    /// The same directory, opened again.
    fn reopened(&self) -> Witness {
        let log = NoteKey::parse(&log_key().verifier().to_string()).unwrap();
        Witness::open(&self.directory.path().join("state"), witness_key(), vec![log]).unwrap()
    }
}

thread_local! {
    static WITNESS: RefCell<Fresh> = RefCell::new(Fresh::new());
}

fuzz_target!(|input: &[u8]| {
    let Ok(request) = std::str::from_utf8(input) else { return };
    WITNESS.with_borrow_mut(|fresh| {
        let line = match fresh.witness.add_checkpoint(request, TIME) {
            Ok(line) => line,
            Err(Declined::OtherSize(size)) => return assert_eq!(size, 0, "it has signed nothing"),
            Err(Declined::Fault(fault)) => panic!("{fault}"),
            Err(_) => return,
        };
        let (_, note) = request.split_once("\n\n").expect("what was signed has the form");
        let own = NoteKey::parse(&witness_key().verifier().to_string()).unwrap();
        let log = NoteKey::parse(&log_key().verifier().to_string()).unwrap();
        let signed = Note::parse(&format!("{note}{line}")).expect("a note with one more line");
        let signers = signed.signers([&log, &own]).expect("genuine signatures");
        assert_eq!(signers.last().map(|signer| (signer.key == &own, signer.time)), Some((true, TIME)));
        assert_eq!(signers.len(), 2, "the log's and the witness's");
        let checkpoint = Checkpoint::parse(signed.text()).expect("a checkpoint");
        // The same request is now of another size, unless it says that it knows that one, and what was signed is on disk.
        match fresh.witness.add_checkpoint(request, TIME) {
            Err(Declined::OtherSize(size)) => assert_eq!(size, checkpoint.size),
            Ok(_) => assert_eq!(checkpoint.size, 0),
            Err(declined) => panic!("{declined}"),
        }
        match fresh.reopened().add_checkpoint(request, TIME) {
            Err(Declined::OtherSize(size)) => assert_eq!(size, checkpoint.size),
            again => assert!(checkpoint.size == 0 && again.is_ok(), "{again:?}"),
        }
        *fresh = Fresh::new();
    });
});
