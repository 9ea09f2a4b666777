//! What the targets in fuzz/ start from: a small log and what is signed, proven and said of it, in each of their forms; and what
//! comes from outside, as posting systems, banks and operators write it.
//!
//! `UPDATE_SEEDS=1 cargo test --test fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fundledger::audit::note::Note;
use fundledger::audit::policy::Policy;
use fundledger::audit::receipt::Receipt;
use fundledger::audit::{Evidence, Options, Verdict, examine, read_bundle, verify};
use fundledger::format::block::{Assembler, Block, BlockBuilder, parse_value};
use fundledger::format::checkpoint::{Checkpoint, proof_file};
use fundledger::format::codec;
use fundledger::format::hexadecimal;
use fundledger::format::note_key::{KeyKind, SignerKey};
use fundledger::format::receipt_code::receipt_code;
use fundledger::format::record::{EntryHash, Head, split_entry};
use fundledger::format::tile::{Tile, TileKind};
use fundledger::format::tree::{TreeHash, leaf_hash, root};
use fundledger::ledger::bundle::{Beside, write_bundle};
use fundledger::log::Log;
use fundledger::log::memory::MemoryLog;
use fundledger::messages::Language;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::{AllocateBudget, AuthorityMovement, Command, Draw, ExecutePayment, PostRequest};
use fundledger::pb::{DESCRIPTORS, Date};
use fundledger::projection::Views;
use fundledger::reporting::disclosure::Order;
use fundledger::reporting::files::TableWriter;
use fundledger::reporting::files::csv::CsvWriter;
use fundledger::reporting::files::json::JsonWriter;
use fundledger::reporting::files::read::Published;
use fundledger::reporting::files::xlsx::XlsxWriter;
use fundledger::reporting::publish::{NoNames, Publishing};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use sha2::{Digest, Sha256};

/// Fixtures whose events are seeds, and how many of each are enough for a small one.
const FIXTURES: [&str; 5] = ["approvals", "every_event", "families", "procurement", "transactions"];
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

/// The lines of a scenario, and the commands that they are.
fn scenario(name: &str) -> Vec<(String, Command)> {
    let descriptor = DescriptorPool::decode(DESCRIPTORS).unwrap().get_message_by_name("fundledger.v1.Command").unwrap();
    let text = fs::read_to_string(format!("tests/data/scenarios/{name}.jsonl")).unwrap();
    let command = |line: &str| {
        let mut json = serde_json::Deserializer::from_str(line);
        DynamicMessage::deserialize(descriptor.clone(), &mut json).unwrap().transcode_to::<Command>().unwrap()
    };
    text.lines().map(|line| (line.to_owned(), command(line))).collect()
}

/// Orders that are read straight from the wire.
fn plain_commands() -> Vec<Command> {
    let draws = vec![Draw { lot_id: "2026-01.GENERAL".to_owned(), amount_minor: 70 }];
    let movement = AuthorityMovement {
        from_account_id: "GSTT.UNALLOCATED".to_owned(),
        to_account_id: "GSTT.UNIT.42428".to_owned(),
        amount_minor: 100,
        draws: draws.clone(),
    };
    let document_number = "2026-17".to_owned();
    let allocation = AllocateBudget { movement: Some(movement), document_number };
    let payment = ExecutePayment {
        payment_id: "voucher-1".to_owned(),
        from_account_id: "GSTT.UNIT.42428".to_owned(),
        unit_id: "42428".to_owned(),
        amount_minor: 70,
        draws,
        payee: "EXAMPLE LTD".to_owned(),
        purpose: "SUPPLIER".to_owned(),
        function_code: "2060203".to_owned(),
        method: 1,
        document_sha256: vec![vec![9; 32].into()],
        ..ExecutePayment::default()
    };
    let payloads =
        [Payload::AllocateBudget(Box::new(allocation)), Payload::ExecutePayment(Box::new(payment))].into_iter();
    let command = |(at, payload)| Command {
        request_id: format!("seed-{at}"),
        business_date: Some(Date { year: 2026, month: 6, day: 15 }),
        actor: "maria".to_owned(),
        checkers: vec!["li".to_owned()],
        payload: Some(payload),
        ..Command::default()
    };
    payloads.enumerate().map(command).collect()
}

/// What comes from outside: requests, lines, files, tokens.
fn from_outside(seeds: &mut Seeds) {
    let request = |commands: &[Command]| PostRequest { commands: commands.to_vec(), ..PostRequest::default() };
    seeds.insert("request/plain".to_owned(), request(&plain_commands()).encode_to_vec());
    let validated = PostRequest { validate_only: true, ..request(&plain_commands()) };
    seeds.insert("request/validated".to_owned(), validated.encode_to_vec());
    for name in ["s3-pension", "s4-housing", "s5-nontax", "s6-investment", "s7-education"] {
        let lines = scenario(name);
        let commands: Vec<Command> = lines.iter().map(|(_, command)| command.clone()).collect();
        seeds.insert(format!("request/{name}"), request(&commands[..commands.len().min(6)]).encode_to_vec());
        let mut kinds = Vec::new();
        for (line, command) in lines {
            let kind = command.payload.as_ref().map(std::mem::discriminant);
            if !kinds.contains(&kind) && kinds.len() < SMALL {
                kinds.push(kind);
                seeds.insert(format!("command/{name}_{}", kinds.len()), line.into_bytes());
            }
        }
    }
    let read = |path: &str| fs::read(path).unwrap();
    let beginning = |path: &str, lines: usize| -> Vec<u8> {
        read(path).split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect()
    };
    let files = [
        ("mapping/payments", Some("gstt-payments"), beginning("tests/data/payments-excerpt.csv", 6)),
        ("mapping/budget", Some("madrid-budget"), beginning("tests/data/budget-excerpt.csv", 6)),
        ("statement/csv", Some("bank-statement"), read("tests/data/bank/june.csv")),
        ("statement/june", None, read("tests/data/bank/june.xml")),
        ("statement/july", None, read("tests/data/bank/july.xml")),
    ];
    for (name, mapping, file) in files {
        let mapping = mapping.map(|name| read(&format!("deploy/mappings/{name}.toml"))).unwrap_or_default();
        seeds.insert(name.to_owned(), [piece(&mapping), piece(&file)].concat());
    }
    let settings = read("deploy/fundledger.toml");
    seeds
        .insert("config/small".to_owned(), b"data = \"d\"\ninsecure_dev = true\n[limits]\nstreams_max = 64\n".to_vec());
    seeds.insert("config/all".to_owned(), settings);
    for (name, sequence) in [("first", 1), ("last", (1 << 35) - 1)] {
        let code = receipt_code(ORIGIN, sequence, &EntryHash([7; 32])).unwrap();
        seeds.insert(format!("code/{name}"), code.into_bytes());
    }
    // A token of page.rs: its version, the parameters, a position.
    let mut parameters = Sha256::new();
    for parameter in ["fund", "lot"] {
        parameters.update(u64::try_from(parameter.len()).unwrap().to_be_bytes());
        parameters.update(parameter);
    }
    let numbers = [7_i64, 3, -1, i64::MAX].map(i64::to_be_bytes).concat();
    let token = [&[2][..], &parameters.finalize()[..8], &numbers].concat();
    let digits = hexadecimal::of(&token);
    seeds.insert("token/whole".to_owned(), digits.clone().into_bytes());
    seeds.insert("token/capitals".to_owned(), digits.to_ascii_uppercase().into_bytes());
}

/// What is derived from the log, as files have it.
fn derived(fixture: &str, seeds: &mut Seeds) {
    let events = events(fixture);
    let decoded: Vec<_> = events.iter().map(|event| codec::decode(event).unwrap()).collect();
    let mut views = Views::default();
    views.apply(0, Head::EMPTY, decoded.iter());
    let views = views.encode();
    let file = [b"fundledger snap\n".as_slice(), &[0; 8 + 32], &views[..64]].concat();
    seeds.insert(format!("snapshot/{fixture}_views"), [&[1], views.as_slice()].concat());
    seeds.insert(format!("snapshot/{fixture}_file"), [&[2], file.as_slice()].concat());
    let (mut entries, mut places) = (Vec::new(), Vec::new());
    for entry in chained(&events[..SMALL]).iter().flat_map(Block::entries) {
        let offset = u64::try_from(entries.len()).unwrap();
        places.extend([offset.to_be_bytes().as_slice(), &crc32fast::hash(entry).to_be_bytes()].concat());
        entries.extend(piece(entry));
    }
    seeds.insert(format!("entry/{fixture}"), [piece(&entries), piece(&places)].concat());
}

/// A published table in each form, and templates of it.
fn published(fixture: &str, seeds: &mut Seeds) {
    let order = Order { table: "execution".to_owned(), month: "2099-12".to_owned(), ..Order::default() };
    let disclosure = order.check().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |form: &str| fs::File::create(directory.path().join(form)).unwrap();
    let writers: Vec<Box<dyn TableWriter>> = vec![
        Box::new(CsvWriter::new(disclosure.head(), Language::Chinese, file("csv")).unwrap()),
        Box::new(JsonWriter::new(disclosure.head(), file("json")).unwrap()),
        Box::new(XlsxWriter::new(disclosure.head(), Language::English, file("xlsx")).unwrap()),
    ];
    let mut publishing = Publishing::new(disclosure.head(), Box::new(NoNames), writers);
    let mut making = disclosure.begin(None);
    let bundle = read_bundle(format!("tests/format_fixtures/v1/{fixture}.bundle")).unwrap();
    let report = examine(Evidence::Bundle(Box::new(bundle)), &Options::default(), |sequence, event| {
        making.take(sequence, [0; 32], &event, &mut |row| publishing.row(row));
    });
    making.close(&mut |row| publishing.row(row));
    let (_, root) = report.tree.unwrap();
    let last = report.head.unwrap().sequence;
    publishing.finish(&report.origin.unwrap(), last, root).unwrap();
    for form in ["csv", "json", "xlsx"] {
        let bytes = fs::read(directory.path().join(form)).unwrap();
        seeds.insert(format!("published/{fixture}_{form}"), bytes);
    }
    let template =
        "table = \"special\"\nmonth = \"2026-03\"\nregions = [\"330100\"]\ncolumns = [\"fund_id\", \"used\"]\n";
    seeds.insert("published/template".to_owned(), template.as_bytes().to_vec());
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    from_outside(&mut seeds);
    published("every_event", &mut seeds);
    for fixture in ["every_event", "families"] {
        derived(fixture, &mut seeds);
    }
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
            "published" if !name.ends_with("template") => {
                let file = tempfile::NamedTempFile::new().unwrap();
                fs::write(file.path(), seed).unwrap();
                assert!(Published::open(file.path()).unwrap().rows > 0, "{name}");
            }
            "policy" => assert!(Policy::parse(text(1)).is_ok(), "{name}"),
            "request" => assert!(!PostRequest::decode(seed.as_slice()).unwrap().commands.is_empty(), "{name}"),
            "snapshot" if name.ends_with("views") => assert!(Views::decode(Head::EMPTY, &seed[1..]).is_ok(), "{name}"),
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

#[test]
fn every_target_is_run_told_of_and_has_seeds() {
    let (manifest, run, told) = ["Cargo.toml", "run", "README.md"]
        .map(|name| {
            let path = Path::new("fuzz").join(name);
            fs::read_to_string(path).unwrap()
        })
        .into();
    let all = run.split("targets=(\n").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    let mut count = 0;
    for target in manifest.split("[[bin]]\nname = \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        count += 1;
        assert!(all.split_whitespace().any(|name| name == target), "fuzz/run does not run {target}");
        assert!(told.contains(&format!("\n| `{target}` |")), "fuzz/README.md does not tell of {target}");
        assert!(Path::new("fuzz/seeds").join(target).is_dir(), "{target} has no seeds");
    }
    assert_eq!(count, all.split_whitespace().count(), "fuzz/run runs what is no target");
}
