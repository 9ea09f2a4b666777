//! What the targets in fuzz/ start from: a small log and what is signed, proven and said of it, in each of their forms.
//!
//! `UPDATE_SEEDS=1 cargo test --test fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fundledger::audit::note::Note;
use fundledger::audit::policy::Policy;
use fundledger::audit::receipt::Receipt;
use fundledger::audit::{Evidence, Options, Verdict, read_bundle, verify};
use fundledger::format::block::{Assembler, Block, BlockBuilder, parse_value};
use fundledger::format::checkpoint::{Checkpoint, proof_file};
use fundledger::format::note_key::{KeyKind, SignerKey};
use fundledger::format::record::{Head, split_entry};
use fundledger::format::tile::{Tile, TileKind};
use fundledger::format::tree::{TreeHash, leaf_hash, root};
use fundledger::ledger::bundle::{Beside, write_bundle};
use fundledger::log::Log;
use fundledger::log::memory::MemoryLog;

/// Fixtures whose events are seeds, and how many of each are enough for a small one.
const FIXTURES: [&str; 4] = ["approvals", "every_event", "families", "transactions"];
const SMALL: usize = 4;
const ORIGIN: &str = "ledger.example.org/funds";

type Seeds = BTreeMap<String, Vec<u8>>;

fn events(fixture: &str) -> Vec<Vec<u8>> {
    let mut assembler = Assembler::default();
    let mut events = Vec::new();
    for item in read_bundle(format!("tests/format_fixtures/v1/{fixture}.bundle")).unwrap() {
        let (key, value) = item.unwrap();
        if let Some(block) = assembler.push(parse_value(&key, &value).unwrap()).unwrap() {
            events.extend(block.entries().map(|entry| split_entry(entry).unwrap().1.to_vec()));
        }
    }
    events
}

fn chained(events: &[Vec<u8>]) -> Vec<Block> {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for event in events {
        builder.push(|buffer| buffer.extend_from_slice(event)).unwrap();
    }
    builder.take()
}

fn piece(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// Path of the hashes beside a leaf, as RFC 6962 defines it.
fn path(leaves: &[TreeHash], index: usize) -> Vec<TreeHash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut beside, other) = match index.checked_sub(left.len()) {
        None => (path(left, index), right),
        Some(index) => (path(right, index), left),
    };
    beside.push(root(other));
    beside
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let log = SignerKey::from_seed(ORIGIN, &[1; 32]);
    let witness = SignerKey::of_kind("congress", &[2; 32], KeyKind::Cosigner);
    let (log_key, witness_key) = (log.verifier().to_string(), witness.verifier().to_string());
    seeds.insert("note/key".to_owned(), log_key.clone().into_bytes());
    seeds.insert("note/witness_key".to_owned(), witness_key.clone().into_bytes());
    for fixture in FIXTURES {
        let events = events(fixture);
        for (name, events) in [("all", events.as_slice()), ("small", &events[..SMALL])] {
            let pieces: Vec<Vec<u8>> = events.iter().map(|event| piece(event)).collect();
            seeds.insert(format!("events/{fixture}_{name}"), pieces.concat());
        }
        let blocks = chained(&events[..SMALL]);
        let leaves: Vec<TreeHash> = blocks.iter().flat_map(Block::entries).map(leaf_hash).collect();
        let size = u64::try_from(leaves.len()).unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: root(&leaves) };
        let note = checkpoint.signed([&log]);
        let cosigned = format!("{note}{}", witness.cosignature_line(&checkpoint.text(), 1_800_000_000));
        let index = leaves.len() / 2;
        let proof = proof_file(u64::try_from(index).unwrap(), &path(&leaves, index), &cosigned);
        seeds.insert(format!("proof/{fixture}"), [&leaves[index], proof.as_bytes()].concat());
        let extra = proof.replacen("\nindex", "\nextra bm90ZQ==\nindex", 1);
        seeds.insert(format!("proof/{fixture}_extra"), [&leaves[index], extra.as_bytes()].concat());
        seeds.insert(format!("witness/{fixture}"), format!("old 0\n\n{note}").into_bytes());
        seeds.insert(format!("witness/{fixture}_known"), format!("old {size}\n\n{note}").into_bytes());
        let mut values = vec![0];
        let mut bundle = Vec::new();
        for stored in blocks.iter().flat_map(Block::to_values) {
            values.extend([piece(&stored.key), piece(&stored.value)].concat());
        }
        let mut stored = MemoryLog::default();
        stored.append(Head::EMPTY, &blocks).unwrap();
        let beside = Beside { checkpoint: Some(&note), witnessed: Some(&cosigned), ..Beside::default() };
        write_bundle(stored.reader().as_ref(), &beside, &mut bundle).unwrap();
        seeds.insert(format!("bundle/{fixture}"), bundle);
        seeds.insert(format!("stored/{fixture}"), values.clone());
        // The same, with checksums that are made good before anybody looks.
        values[0] = 1;
        seeds.insert(format!("stored/{fixture}_mended"), values);
        seeds.insert(format!("note/{fixture}"), note.into_bytes());
        seeds.insert(format!("note/{fixture}_cosigned"), cosigned.into_bytes());
    }
    for (at, tile) in Tile::all(TileKind::Hashes { level: 0 }, 600).chain(Tile::all(TileKind::Entries, 300)).enumerate()
    {
        let name = tile.to_string();
        seeds.insert(format!("tile/{at}"), [&600_u64.to_be_bytes(), name.as_bytes()].concat());
    }
    let far = Tile { kind: TileKind::Hashes { level: 1 }, index: 1_234_067, width: 256 };
    seeds.insert("tile/far".to_owned(), [&u64::MAX.to_be_bytes(), far.to_string().as_bytes()].concat());
    let second = SignerKey::of_kind("audit", &[3; 32], KeyKind::Cosigner).verifier();
    let third = SignerKey::of_kind("province", &[4; 32], KeyKind::Cosigner).verifier();
    for (name, quorum) in [
        ("none", "quorum none\n"),
        ("one", "quorum congress\n"),
        ("two", "group two 2 congress audit province\nquorum two\n"),
        ("nested", "group any any congress audit\ngroup all all any province\nquorum all\n"),
    ] {
        let text = format!(
            "log {log_key}\nwitness congress {witness_key} https://witness.example.org/\nwitness audit {second}\nwitness province {third}\n{quorum}"
        );
        seeds.insert(format!("policy/{name}"), [&[3], text.as_bytes()].concat());
    }
    seeds
}

/// A seed that its parser refuses leads nowhere.
#[test]
fn seeds_are_what_the_code_makes_and_takes() {
    let seeds = seeds();
    for (name, seed) in &seeds {
        let text = |skipped: usize| std::str::from_utf8(&seed[skipped..]).unwrap();
        match name.split('/').next().unwrap() {
            "note" => assert!(name.ends_with("key") || Note::parse(text(0)).is_ok(), "{name}"),
            "proof" => {
                let hash = *seed.first_chunk::<32>().unwrap();
                assert!(Receipt::parse(text(32)).unwrap().proves(&hash), "{name}");
            }
            "policy" => assert!(Policy::parse(text(1)).is_ok(), "{name}"),
            "tile" => assert!(Tile::parse(text(8)).is_some(), "{name}"),
            "bundle" => {
                let bundle = fundledger::audit::Bundle::new(seed.as_slice()).unwrap();
                let report = verify(Evidence::Bundle(Box::new(bundle)), &Options::default());
                assert_eq!(report.verdict, Verdict::Verified, "{name}: {:?}", report.faults);
            }
            _ => {}
        }
    }
    let folder = Path::new("fuzz/seeds");
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        for (name, seed) in &seeds {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, seed).unwrap();
        }
    }
    for (name, seed) in &seeds {
        let found = fs::read(folder.join(name)).unwrap_or_default();
        assert!(found == *seed, "UPDATE_SEEDS=1 cargo test --test fuzz_seeds writes fuzz/seeds/{name} anew");
    }
}
