//! The chain's tests: a good log, then the same with its bytes changed in every way an accident or a forger would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message;

use super::super::{Bundle, Depth, Evidence, FaultKind as Kind, Options, Unreadable, Verdict, verify};
use super::story::{Story, story};
use super::{KeyValue, audit, blocks, chained, hash, kinds, options, reseal, sealed};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{CommandRefused, Event, Fact, LedgerCreated};

const PER_BLOCK: usize = 6;
const HEADER: usize = 76;

/// A log of 40 plain events.
pub(super) fn events() -> Vec<Event> {
    (0..40).map(event).collect()
}

fn event(at: i64) -> Event {
    let payload = match at {
        0 => Payload::LedgerCreated(LedgerCreated {
            origin: "o".into(),
            format_version: 1,
            development: false,
            administrators: vec![],
        }),
        _ => Payload::CommandRefused(CommandRefused { command: format!("command {at:>4}"), ..Default::default() }),
    };
    let request_id = if at == 0 { String::new() } else { format!("r-{at}") };
    Event { booked_at_ns: at, request_id, payload: Some(payload), ..Event::default() }
}

/// Where entry `at` of the log starts in its block's value, and which block that is.
fn find(values: &[KeyValue], at: usize) -> (usize, usize) {
    let block = at / PER_BLOCK;
    let value = &values[block].1;
    let mut start = HEADER;
    for _ in 0..at % PER_BLOCK {
        start += 2 + usize::from(u16::from_be_bytes([value[start], value[start + 1]]));
    }
    (block, start + 2)
}

/// Flips a bit `into` the entry.
fn flip(values: &mut [KeyValue], at: usize, into: usize) -> usize {
    let (block, start) = find(values, at);
    values[block].1[start + into] ^= 1;
    block
}

#[track_caller]
fn check<R>(name: &str, change: impl FnOnce(&mut Vec<KeyValue>) -> R, bad: i64, expected: &[Kind]) {
    let mut values = blocks(&chained(&events()), PER_BLOCK);
    change(&mut values);
    let report = audit(values, Depth::Chain);
    assert_eq!(report.verdict, Verdict::Broken, "{name}");
    let found = &report.faults;
    assert_eq!((report.first_bad_sequence, kinds(&report)), (Some(bad), expected.to_vec()), "{name}: {found:?}");
    assert!(report.fault_count <= 5, "{name}: one change, {found:?}");
}

/// A byte in the text of an event: it still decodes.
const TEXT: usize = 32 + 30;

#[test]
fn a_good_log_verifies() {
    for per_block in [1, 2, PER_BLOCK, 40] {
        let report = audit(blocks(&chained(&events()), per_block), Depth::Deep);
        assert_eq!((report.verdict, report.events, report.faults.len()), (Verdict::Verified, 40, 0));
    }
    let entries = chained(&events());
    let counted = Arc::new(AtomicU64::new(0));
    let claimed_head = Some((39, hash(&entries[39])));
    let options =
        Options { depth: Depth::Chain, claimed_head, progress: Some(Arc::clone(&counted)), ..Options::default() };
    let report = verify(Evidence::Entries(Box::new(entries.into_iter().map(Ok))), &options);
    assert_eq!((report.verdict, report.events), (Verdict::Verified, 40));
    assert_eq!(counted.load(Ordering::Relaxed), 40);
}

#[test]
fn changed_bytes() {
    check("text of an event", |v| flip(v, 15, TEXT), 15, &[Kind::Checksum, Kind::Chain]);
    check("first of a block", |v| flip(v, 12, TEXT), 12, &[Kind::Checksum, Kind::Chain]);
    check("last of a block", |v| flip(v, 17, TEXT), 17, &[Kind::Checksum, Kind::BlockHead]);
    check("the very last", |v| flip(v, 39, TEXT), 39, &[Kind::Checksum, Kind::BlockHead]);
    check("the genesis", |v| flip(v, 0, 32 + 5), 0, &[Kind::Checksum, Kind::Chain]);
    check("a stored link", |v| flip(v, 15, 3), 15, &[Kind::Checksum, Kind::Chain]);
    check("the link of a block's first", |v| flip(v, 12, 3), 12, &[Kind::Checksum, Kind::Chain]);
    check("the genesis's link", |v| flip(v, 0, 3), 0, &[Kind::Checksum, Kind::Chain, Kind::Genesis]);
    check("a checksum", |v| v[2].1[9] ^= 1, 12, &[Kind::Checksum]);
    check("a block's previous head", |v| v[2].1[15] ^= 1, 12, &[Kind::Checksum, Kind::BlockHead]);
    check("a block's head", |v| v[2].1[50] ^= 1, 17, &[Kind::Checksum, Kind::BlockHead]);
    check("version", |v| v[2].1[0] = 2, 12, &[Kind::Framing, Kind::Checksum]);
    check("part", |v| v[2].1[1] = 1, 12, &[Kind::Framing, Kind::Checksum]);
    check("parts", |v| v[2].1[2] = 0, 12, &[Kind::Framing, Kind::Checksum]);
    check("reserved", |v| v[2].1[3] = 1, 12, &[Kind::Framing, Kind::Checksum]);
    check("count", |v| v[2].1[5] = 5, 12, &[Kind::Framing, Kind::Checksum]);
    check("payload length", |v| v[2].1[7] ^= 1, 12, &[Kind::Framing, Kind::Checksum]);
    check(
        "an entry's length",
        |v| {
            let (block, start) = find(v, 14);
            v[block].1[start - 1] ^= 1;
        },
        14,
        &[Kind::Framing, Kind::Checksum],
    );
    check("a key's sequence", |v| v[2].0[7] ^= 64, 12, &[Kind::Sequence]);
    check("a key's part", |v| v[2].0[8] = 1, 12, &[Kind::Framing, Kind::Sequence]);
    check("a key too short", |v| v[2].0.pop(), 12, &[Kind::Framing, Kind::Sequence]);
}

#[test]
fn mended_forgeries() {
    fn forge(v: &mut [KeyValue], at: usize) -> usize {
        let block = flip(v, at, TEXT);
        reseal(&mut v[block].1);
        block
    }
    check("checksum mended", |v| forge(v, 15), 15, &[Kind::Chain]);
    check("the last of a block, checksum mended", |v| forge(v, 17), 17, &[Kind::BlockHead]);
    check(
        "the last of a block, head mended too",
        |v| {
            let block = forge(v, 17);
            let (_, start) = find(v, 17);
            let head = hash(&v[block].1[start..]);
            v[block].1[44..76].copy_from_slice(&head);
            reseal(&mut v[block].1);
        },
        17,
        &[Kind::Chain],
    );
    check(
        "the block chained anew",
        |v| {
            let mut entries = chained(&events());
            let last = entries[15].len() - 1;
            entries[15][last] ^= 1;
            let mut link = hash(&entries[15]);
            for entry in &mut entries[16..18] {
                entry[..32].copy_from_slice(&link);
                link = hash(entry);
            }
            v[2] = blocks(&entries, PER_BLOCK).swap_remove(2);
        },
        17,
        &[Kind::Chain],
    );
}

/// A block of these entries under the key and heads of block 2.
fn block_2(entries: &[Vec<u8>]) -> KeyValue {
    let payload: Vec<u8> = entries
        .iter()
        .flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat())
        .collect();
    let all = chained(&events());
    sealed(12, 0, 1, entries.len(), (hash(&all[11]), hash(&all[17])), &payload)
}

#[test]
fn moved_entries_and_blocks() {
    let of_block = || chained(&events())[12..18].to_vec();
    check(
        "an entry dropped",
        |v| {
            let mut entries = of_block();
            entries.remove(3);
            v[2] = block_2(&entries);
        },
        15,
        &[Kind::Sequence, Kind::Chain],
    );
    check("a block's first entry dropped", |v| v[2] = block_2(&of_block()[1..]), 12, &[Kind::Sequence, Kind::Chain]);
    check("a block's last entry dropped", |v| v[2] = block_2(&of_block()[..5]), 17, &[Kind::Sequence, Kind::BlockHead]);
    check(
        "entries swapped",
        |v| {
            let mut entries = of_block();
            entries.swap(2, 3);
            v[2] = block_2(&entries);
        },
        14,
        &[Kind::Chain, Kind::Time],
    );
    check(
        "an entry twice",
        |v| {
            let mut entries = of_block();
            entries.insert(3, entries[2].clone());
            v[2] = block_2(&entries);
        },
        15,
        &[Kind::Sequence, Kind::Chain, Kind::Time, Kind::RequestId],
    );
    check("a block dropped", |v| v.remove(2), 12, &[Kind::Sequence]);
    check("a block twice", |v| v.insert(3, v[2].clone()), 12, &[Kind::Sequence]);
    check("blocks swapped", |v| v.swap(2, 3), 12, &[Kind::Sequence]);
    check("the genesis block dropped", |v| v.remove(0), 0, &[Kind::Sequence]);
    check("a value cut", |v| v[2].1.truncate(200), 13, &[Kind::Framing, Kind::Checksum]);
    check("a value cut to a stump", |v| v[2].1.truncate(50), 12, &[Kind::Framing]);
    check("a value cut to nothing", |v| v[2].1.clear(), 12, &[Kind::Framing]);
    check("bytes appended", |v| v[2].1.push(0), 17, &[Kind::Framing, Kind::Checksum]);
    check("nothing left", Vec::clear, 0, &[Kind::Genesis]);
}

#[test]
fn events_that_say_what_cannot_be() {
    let check_events = |name: &str, change: fn(&mut Vec<Event>), bad: i64, expected: &[Kind]| {
        let mut events = events();
        change(&mut events);
        let report = audit(blocks(&chained(&events), PER_BLOCK), Depth::Chain);
        assert_eq!(
            (report.first_bad_sequence, kinds(&report)),
            (Some(bad), expected.to_vec()),
            "{name}: {:?}",
            report.faults
        );
        assert_eq!(report.fault_count, 1, "{name}");
    };
    check_events("time stands still", |e| e[20].booked_at_ns = 19, 20, &[Kind::Time]);
    check_events("time jumps ahead", |e| e[20].booked_at_ns = 99, 21, &[Kind::Time]);
    check_events("a key twice", |e| e[20].request_id = "r-3".into(), 20, &[Kind::RequestId]);
    check_events("no key", |e| e[20].request_id.clear(), 20, &[Kind::RequestId]);
    check_events("a key of other characters", |e| e[20].request_id = "r 3".into(), 20, &[Kind::RequestId]);
    check_events("no payload", |e| e[20].payload = None, 20, &[Kind::Decode]);
    check_events("a genesis with a key", |e| e[0].request_id = "r".into(), 0, &[Kind::Genesis]);
    check_events(
        "another format",
        |e| {
            e[0].payload = Some(Payload::LedgerCreated(LedgerCreated {
                origin: "o".into(),
                format_version: 2,
                ..LedgerCreated::default()
            }));
        },
        0,
        &[Kind::Genesis],
    );
    check_events(
        "no origin",
        |e| {
            e[0].payload = Some(Payload::LedgerCreated(LedgerCreated { format_version: 1, ..Default::default() }));
        },
        0,
        &[Kind::Genesis],
    );
    check_events("a second genesis", |e| e[20].payload = e[0].payload.clone(), 20, &[Kind::Genesis]);
    check_events(
        "no genesis",
        |e| {
            e.remove(0);
        },
        0,
        &[Kind::Genesis],
    );
}

/// A log with an entry in three parts, at sequence 2.
fn long_log() -> Vec<KeyValue> {
    let mut events: Vec<Event> = (0..5).map(event).collect();
    let facts = vec![Fact { key: "k".into(), value: "v".repeat(13_000) }];
    events[2].payload = Some(Payload::CommandRefused(CommandRefused { facts, ..Default::default() }));
    let values = blocks(&chained(&events), PER_BLOCK);
    assert_eq!(
        values.iter().map(|(key, _)| (key[7], key[8])).collect::<Vec<_>>(),
        [(0, 0), (2, 0), (2, 1), (2, 2), (3, 0)]
    );
    values
}

#[test]
fn long_entries() {
    assert_eq!(audit(long_log(), Depth::Chain).faults, []);
    let check_long = |name: &str, change: fn(&mut Vec<KeyValue>), expected: &[Kind]| {
        let mut values = long_log();
        change(&mut values);
        let report = audit(values, Depth::Chain);
        let found = &report.faults;
        assert_eq!((report.first_bad_sequence, kinds(&report)), (Some(2), expected.to_vec()), "{name}: {found:?}");
    };
    check_long("a bit", |v| v[2].1[500] ^= 1, &[Kind::Checksum, Kind::BlockHead]);
    check_long(
        "a bit, mended",
        |v| {
            v[2].1[500] ^= 1;
            reseal(&mut v[2].1);
        },
        &[Kind::BlockHead],
    );
    check_long("the first part missing", |v| drop(v.remove(1)), &[Kind::Framing, Kind::Sequence]);
    check_long("a part missing", |v| drop(v.remove(2)), &[Kind::Framing]);
    check_long("the last part missing", |v| drop(v.remove(3)), &[Kind::Framing]);
    check_long("parts swapped", |v| v.swap(2, 3), &[Kind::Framing]);
    check_long(
        "the wrong part",
        |v| {
            v[2].1[1] = 2;
            reseal(&mut v[2].1);
        },
        &[Kind::Framing],
    );
    check_long(
        "another number of parts",
        |v| {
            v[1].1[2] = 4;
            reseal(&mut v[1].1);
        },
        &[Kind::Framing],
    );
    check_long(
        "other heads",
        |v| {
            v[2].1[44] ^= 1;
            reseal(&mut v[2].1);
        },
        &[Kind::BlockHead],
    );
    check_long(
        "a short part",
        |v| {
            v[2].1.truncate(5_000);
            v[2].1[6..8].copy_from_slice(&4_924_u16.to_be_bytes());
            reseal(&mut v[2].1);
        },
        &[Kind::Framing],
    );
}

#[test]
fn claimed_heads() {
    let entries = chained(&events());
    let check_claim = |claimed: (i64, [u8; 32]), expected: Option<i64>| {
        let options = Options { claimed_head: Some(claimed), ..options(Depth::Chain) };
        let evidence = Evidence::Entries(Box::new(entries.clone().into_iter().map(Ok)));
        let report = verify(evidence, &options);
        assert_eq!(report.first_bad_sequence, expected, "{:?}", report.faults);
        assert_eq!(kinds(&report), expected.map(|_| Kind::Head).into_iter().collect::<Vec<_>>());
    };
    check_claim((39, hash(&entries[39])), None);
    check_claim((30, hash(&entries[30])), None);
    check_claim((39, [1; 32]), Some(39));
    check_claim((30, [1; 32]), Some(30));
    check_claim((45, [1; 32]), Some(40));
}

#[test]
fn entries_alone() {
    let mut entries = chained(&events());
    entries[15][40] ^= 1;
    entries.remove(30);
    let report = verify(Evidence::Entries(Box::new(entries.into_iter().map(Ok))), &options(Depth::Chain));
    let found: Vec<_> = report.faults.iter().map(|fault| (fault.sequence, fault.kind)).collect();
    // Without keys nothing tells a missing entry from a changed one before it.
    assert!(found.contains(&(15, Kind::Chain)) && found.contains(&(29, Kind::Chain)), "{found:?}");
}

/// Every bit of every byte of a small log: none may go unseen, and the entry it is in is the one that is named.
#[test]
fn every_bit_counts() {
    let values = blocks(&chained(&(0..7).map(event).collect::<Vec<_>>()), 3);
    for block in 0..values.len() {
        let (key, value) = &values[block];
        for bit in 0..(key.len() + value.len()) * 8 {
            let mut changed = values.clone();
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            match byte.checked_sub(key.len()) {
                None => changed[block].0[byte] ^= mask,
                Some(byte) => changed[block].1[byte] ^= mask,
            }
            let report = audit(changed, Depth::Chain);
            assert_eq!(report.verdict, Verdict::Broken, "block {block}, byte {byte}");
            let first = i64::try_from(block * 3).unwrap();
            let bad = report.first_bad_sequence.unwrap();
            assert!((first..first + 3).contains(&bad), "block {block}, byte {byte}: {:?}", report.faults);
        }
    }
}

fn bundle(values: &[KeyValue]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut file = b"fundledger bundle v1\n".to_vec();
    for (key, value) in values {
        file.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
        file.extend(key);
        file.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        file.extend(value);
    }
    let digest = Sha256::digest(&file);
    file.extend([0xFF, 0xFF]);
    file.extend(u64::try_from(values.len()).unwrap().to_be_bytes());
    file.extend(digest);
    file
}

#[test]
fn bundles() {
    // Two blocks: every one of their bytes is tried.
    let whole = bundle(&blocks(&chained(&events()[..12]), PER_BLOCK));
    let verdict = |file: &[u8]| match Bundle::new(file) {
        Ok(bundle) => verify(Evidence::Bundle(Box::new(bundle)), &options(Depth::Chain)).verdict,
        Err(Unreadable(_)) => Verdict::Incomplete,
    };
    assert_eq!(verdict(&whole), Verdict::Verified);
    for length in 0..whole.len() {
        assert_eq!(verdict(&whole[..length]), Verdict::Incomplete, "cut to {length}");
    }
    assert_eq!(verdict(&[&whole[..], &[0]].concat()), Verdict::Incomplete);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        assert_ne!(verdict(&changed), Verdict::Verified, "byte {at}");
    }
}

#[test]
fn reports_say_what_was_not_checked() {
    let Story { events, .. } = story();
    let values = blocks(&chained(&events), PER_BLOCK);
    let report = audit(values.clone(), Depth::Deep);
    let json = report.to_json();
    assert_eq!(json["verdict"], "verified");
    assert_eq!((&json["anchored"], &json["deep"], &json["development"]), (&false.into(), &true.into(), &true.into()));
    assert_eq!(json["head"], super::super::report::hex(&hash(chained(&events).last().unwrap())));
    assert_eq!(json["not_checked"][4], "anchoring");
    let mut gap = values.clone();
    gap.remove(3);
    let stopped = audit(gap, Depth::Deep).to_json();
    assert_eq!(stopped["books_stopped_at"], 3 * PER_BLOCK);
    for report in [audit(values, Depth::Chain).to_json(), stopped] {
        assert!(report["not_checked"].as_array().unwrap().contains(&"balances".into()));
    }
}

#[test]
fn faults_are_bounded() {
    let mut events: Vec<Event> = (0..3_000).map(event).collect();
    for event in &mut events[1..] {
        event.request_id = "same".into();
    }
    let report = audit(blocks(&chained(&events), 20), Depth::Chain);
    assert_eq!((report.faults.len(), report.fault_count, report.first_bad_sequence), (1_000, 2_998, Some(2)));
    assert_eq!(events[5].encoded_len(), chained(&events)[5].len() - 32);
}
