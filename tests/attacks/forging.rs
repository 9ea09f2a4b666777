//! What whoever holds the disk and the ledger's key can do, with the ledger's own code.

use std::fs;
use std::path::{Path, PathBuf};

use fundledger::format::block::{Block, BlockBuilder};
use fundledger::format::checkpoint::Checkpoint;
use fundledger::format::note_key::SignerKey;
use fundledger::format::record::Head;
use fundledger::format::tree::{leaf_hash, root};
use fundledger::ledger::directory::log_path;
use fundledger::log::Log;
use fundledger::log::sled::SledLog;
use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::approvals::ORIGIN;
use crate::world::{Place, signer};

/// What is derived from the log and made anew where it is missing.
const DERIVED: [&str; 5] = ["snapshots", "projections", "index", "entries", "tree"];

/// Puts events in the place of the log, chained from the first to the last.
fn write_log(data: &Path, events: &[v1::Event]) -> Vec<Block> {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for event in events {
        builder.push(|buffer| event.encode(buffer).unwrap()).unwrap();
    }
    let blocks = builder.take();
    let path = log_path(data);
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let mut log = SledLog::open(&path).unwrap();
    log.append(Head::EMPTY, &blocks).unwrap();
    blocks
}

/// Rewrites the log, and leaves all else as it lies.
pub(crate) fn rewrite(place: &Place, events: &[v1::Event]) {
    write_log(&place.data(), events);
}

/// Rewrites the log, signs it, and removes whatever could tell.
pub(crate) fn rewrite_and_sign(place: &Place, events: &[v1::Event]) {
    append_and_sign(place, events);
    fs::remove_file(place.data().join("checkpoint.witnessed")).unwrap();
}

/// The same with events that the log begins with already: what witnesses cosigned still fits, and stays.
pub(crate) fn append_and_sign(place: &Place, events: &[v1::Event]) {
    let blocks = write_log(&place.data(), events);
    sign(&place.data(), &blocks, &signer(&place.data()));
}

/// Gives the ledger another key of the same name, and signs the log with it.
pub(crate) fn swap_key(place: &Place, events: &[v1::Event]) {
    let other = SignerKey::from_seed(ORIGIN, &[9; 32]);
    fs::write(place.data().join("keys/checkpoint.key"), format!("{}\n", other.secret_text())).unwrap();
    rewrite_and_sign(place, events);
}

fn sign(data: &Path, blocks: &[Block], key: &SignerKey) {
    let leaves: Vec<_> = blocks.iter().flat_map(Block::entries).map(leaf_hash).collect();
    let size = u64::try_from(leaves.len()).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: root(&leaves) };
    fs::write(data.join("checkpoint"), checkpoint.signed([key])).unwrap();
    forget(data);
}

/// Empties what is derived from the log.
pub(crate) fn forget(data: &Path) {
    for derived in DERIVED {
        for file in fs::read_dir(data.join(derived)).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

/// Where a payment stands among the events.
pub(crate) fn place_of(events: &[v1::Event], payment_id: &str) -> usize {
    let is_it = |event: &v1::Event| matches!(&event.payload, Some(Payload::PaymentExecuted(payment)) if payment.payment_id == payment_id);
    events.iter().position(is_it).unwrap()
}

/// Sends a payment to somebody else.
pub(crate) fn send_elsewhere(event: &mut v1::Event) {
    let Some(Payload::PaymentExecuted(payment)) = &mut event.payload else { panic!("no payment") };
    payment.payee = vec![7; 16].into();
}

/// The newest file of a folder with a suffix.
pub(crate) fn file_in(data: &Path, folder: &str, suffix: &str) -> PathBuf {
    let files = fs::read_dir(data.join(folder)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.to_str().unwrap().contains(suffix)).collect();
    files.sort();
    files.pop().unwrap_or_else(|| panic!("nothing like {suffix} in {folder}"))
}

/// Where bytes stand in a file for the first time.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("the file holds it")
}

/// Flips a bit of a byte; of text, changes one letter for another.
pub(crate) fn flip(path: &Path, at: impl Fn(&[u8]) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(&bytes);
    bytes[at] = match bytes[at] {
        b'A' => b'B',
        letter if letter.is_ascii_alphabetic() => b'A',
        byte => byte ^ 1,
    };
    fs::write(path, bytes).unwrap();
}

/// Replaces some bytes by as many others, wherever they stand; says whether they did.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    for at in &places {
        bytes[*at..*at + new.len()].copy_from_slice(new);
    }
    !places.is_empty()
}

/// Edits a number in the newest snapshot, whose last 32 bytes are the digest of all before.
pub(crate) fn edit_snapshot(data: &Path, folder: &str, old: i64, new: i64) {
    let path = file_in(data, folder, "");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 32);
    assert!(replace(&mut bytes, &old.to_be_bytes(), &new.to_be_bytes()));
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    fs::write(path, bytes).unwrap();
}

/// Edits an amount in the runs of the index, in the rows that stand in the pages themselves. Pages, the file and its footer
/// end with checksums; the footer says where the directory of the pages begins, and that where they lie.
pub(crate) fn edit_index(data: &Path, old: &[u8], new: &[u8]) {
    const FOOTER_BYTES: usize = 92;
    const DIRECTORY_BYTES: usize = 28;
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
    let mut is_edited = false;
    for file in fs::read_dir(data.join("index")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let mut footer = bytes.split_off(bytes.len() - FOOTER_BYTES);
        let directory = bytes[number(&footer[76..84])..].to_vec();
        for place in directory.chunks(DIRECTORY_BYTES) {
            let (start, length) = (number(&place[16..24]), number(&place[24..28]));
            let (page, checksum) = bytes[start..start + length].split_at_mut(length - 4);
            is_edited |= replace(page, old, new);
            checksum.copy_from_slice(&crc32fast::hash(page).to_be_bytes());
        }
        footer[FOOTER_BYTES - 8..FOOTER_BYTES - 4].copy_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        let own = crc32fast::hash(&footer[..FOOTER_BYTES - 4]);
        footer[FOOTER_BYTES - 4..].copy_from_slice(&own.to_be_bytes());
        bytes.extend_from_slice(&footer);
        fs::write(path, bytes).unwrap();
    }
    assert!(is_edited);
}

/// Edits an entry in the copy of the entries, with its checksum in the file of places.
pub(crate) fn edit_entry(data: &Path, sequence: usize, edit: impl Fn(&mut v1::Event)) {
    const PLACE_BYTES: usize = 12;
    let (entries, places) = (file_in(data, "entries", ".entries"), file_in(data, "entries", ".places"));
    let (mut bytes, mut table) = (fs::read(&entries).unwrap(), fs::read(&places).unwrap());
    let place = &mut table[sequence * PLACE_BYTES..(sequence + 1) * PLACE_BYTES];
    let offset = usize::try_from(u64::from_be_bytes(place[..8].try_into().unwrap())).unwrap();
    let length = usize::from(u16::from_be_bytes(bytes[offset..offset + 2].try_into().unwrap()));
    let entry = &mut bytes[offset + 2..offset + 2 + length];
    let mut event = v1::Event::decode(&entry[32..]).unwrap();
    edit(&mut event);
    entry[32..].copy_from_slice(&event.encode_to_vec());
    place[8..].copy_from_slice(&crc32fast::hash(entry).to_be_bytes());
    fs::write(entries, bytes).unwrap();
    fs::write(places, table).unwrap();
}
