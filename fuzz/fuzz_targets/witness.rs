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

fn open(directory: &TempDir) -> Witness {
    let log = NoteKey::parse(&log_key().verifier().to_string()).unwrap();
    Witness::open(&directory.path().join("state"), witness_key(), vec![log]).unwrap()
}

/// A witness that has signed nothing.
struct Fresh {
    directory: TempDir,
    witness: Witness,
}

impl Fresh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Witness::create(&directory.path().join("state")).unwrap();
        let witness = open(&directory);
        Self { directory, witness }
    }

    /// The same directory, opened again: one witness at a time holds it.
    fn reopened(self) -> Self {
        let Self { directory, witness } = self;
        drop(witness);
        let witness = open(&directory);
        Self { directory, witness }
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
        let before = std::mem::replace(fresh, Fresh::new());
        match before.reopened().witness.add_checkpoint(request, TIME) {
            Err(Declined::OtherSize(size)) => assert_eq!(size, checkpoint.size),
            again => assert!(checkpoint.size == 0 && again.is_ok(), "{again:?}"),
        }
    });
});
