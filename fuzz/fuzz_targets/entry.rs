//! Events by the writer's own reader: pieces, each an event. Two pieces are also the two files of the flat copy of a log.

#![no_main]

use std::cell::RefCell;
use std::fs;

use fundledger::format::block::BlockBuilder;
use fundledger::format::codec;
use fundledger::format::record::Head;
use fundledger::log::Log;
use fundledger::log::entries::EntryFiles;
use fundledger::log::memory::MemoryLog;
use fundledger_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// What the log holds that the files are a copy of, and its last sequence.
const EVENTS: &[u8] = include_bytes!("../seeds/events/every_event_small");
const LAST: i64 = 3;

/// A directory of the copy, and its log.
struct Copied {
    directory: TempDir,
    log: MemoryLog,
}

thread_local! {
    static COPIED: RefCell<Copied> = RefCell::new(copied());
}

fn copied() -> Copied {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for event in pieces(EVENTS) {
        builder.push(|buffer| buffer.extend_from_slice(event)).unwrap();
    }
    let mut log = MemoryLog::default();
    log.append(Head::EMPTY, &builder.take()).unwrap();
    Copied { directory: tempfile::tempdir().unwrap(), log }
}

fn encoded(bytes: &[u8]) {
    let Ok(event) = codec::decode(bytes) else { return };
    let mut again = Vec::new();
    codec::encode(&event, &mut again);
    // Not the same bytes: those may have fields in another order, or some that nobody knows.
    assert_eq!(codec::decode(&again).expect("what was encoded can be decoded"), event);
}

fn opened(entries: &[u8], places: &[u8]) {
    COPIED.with_borrow(|Copied { directory, log }| {
        let first = directory.path().join(format!("{:020}", 0));
        fs::write(first.with_extension("entries"), entries).unwrap();
        fs::write(first.with_extension("places"), places).unwrap();
        let log = log.reader();
        let files = EntryFiles::open(directory.path(), log.as_ref(), LAST).unwrap();
        for sequence in -1..=LAST + 1 {
            let found = files.read(sequence);
            assert!(found.is_none() || (0..=LAST).contains(&sequence), "{sequence} is not in the log");
        }
        // Files that go on behind the log are left as they are, and not used.
        if !files.is_given_up() {
            assert_eq!(files.next(), LAST + 1);
            assert_eq!(files.read(LAST), log.entry_at(LAST).unwrap());
        }
    });
}

fuzz_target!(|input: &[u8]| {
    let pieces = pieces(input);
    for event in &pieces {
        encoded(event);
    }
    if let [entries, places] = pieces.as_slice() {
        opened(entries, places);
    }
});
