//! Snapshots: the state, the views, and the file around them. What is taken is written again, and taken as the same.

#![no_main]

use std::cell::RefCell;
use std::fs;

use fundledger::format::record::Head;
use fundledger::ledger::fuzzing::state_again;
use fundledger::ledger::snapshot_files::SnapshotFiles;
use fundledger::projection::Views;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What stands before the body: a word, a sequence, a hash.
const START: usize = 16 + 8 + 32;

thread_local! {
    static DIRECTORY: RefCell<TempDir> = RefCell::new(tempfile::tempdir().unwrap());
}

fn views_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let views = Views::decode(Head::EMPTY, bytes).ok()?;
    let written = views.encode();
    assert_eq!(Views::decode(Head::EMPTY, &written).ok(), Some(views), "other views are read than were written");
    Some(written)
}

/// The body of a file with the digest made good.
fn body_of(file: &[u8]) -> Option<Vec<u8>> {
    DIRECTORY.with_borrow(|directory| {
        let whole = [file, Sha256::digest(file).as_slice()].concat();
        fs::write(directory.path().join(format!("{:020}.fuzz-1", 0)), whole).unwrap();
        let found = SnapshotFiles::new(directory.path().to_owned(), "fuzz-1").newest()?;
        Some(found.body.bytes().to_vec())
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let again = match kind {
        0 => state_again,
        1 => views_again,
        _ => {
            if let Some(body) = body_of(bytes) {
                assert_eq!(body, &bytes[START..]);
            }
            return;
        }
    };
    if let Some(written) = again(bytes) {
        assert_eq!(again(&written).as_ref(), Some(&written), "what was written is taken as it was");
    }
});
