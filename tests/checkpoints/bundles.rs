//! Bundles of a real ledger with witnesses, as they are and damaged in every part, before both verifiers: the program and
//! the small one in Python (`docs/verifier/verify_bundle.py`), which must agree.

use std::fs;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::foreign::hex;
use crate::report;
use crate::server::{errors, output, payment, run};
use crate::witnesses::{Watcher, watched, witnessed};
use crate::world::{World, copy};

const SCRIPT: &str = "docs/verifier/verify_bundle.py";
const LINES_MAX: usize = 300;
/// More than one tile of level 0, so that there is a level 1.
const PAYMENTS: usize = 300;

/// An auditor can read all of it.
#[test]
fn the_small_verifier_is_small() {
    let text = fs::read_to_string(SCRIPT).unwrap();
    assert!(text.lines().count() <= LINES_MAX, "{SCRIPT} has {} lines", text.lines().count());
    let imports = text.lines().filter(|line| line.starts_with("import ") || line.starts_with("from "));
    let imports: Vec<&str> = imports.collect();
    assert_eq!(
        imports,
        ["import argparse, base64, hashlib, json, re, struct, sys, zlib"],
        "the standard library alone"
    );
}

/// A piece of a bundle: `None` as the mark of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    mark: Option<u16>,
    key: Vec<u8>,
    bytes: Vec<u8>,
}

const ATTACHMENT: u16 = 0xFFFE;
const TILE: u16 = 0xFFFD;

/// A bundle taken apart, with code of its own, to be put together again otherwise.
#[derive(Clone, Debug)]
struct Parts(Vec<Piece>);

impl Parts {
    fn take_apart(file: &[u8]) -> Self {
        let mut rest = file.strip_prefix(b"fundledger bundle v3\n").unwrap();
        let number = |bytes: usize, rest: &mut &[u8]| {
            let (head, tail) = rest.split_at(bytes);
            *rest = tail;
            head.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
        };
        let mut pieces = Vec::new();
        loop {
            let first = u16::try_from(number(2, &mut rest)).unwrap();
            if first == u16::MAX {
                assert_eq!(rest.len(), 8 + 8 + 32);
                return Self(pieces);
            }
            let mark = [ATTACHMENT, TILE].contains(&first).then_some(first);
            let key_length = if mark.is_some() { number(2, &mut rest) } else { first.into() };
            let (key, after) = rest.split_at(key_length);
            rest = after;
            let length = number(4, &mut rest);
            let (bytes, after) = rest.split_at(length);
            rest = after;
            pieces.push(Piece { mark, key: key.to_vec(), bytes: bytes.to_vec() });
        }
    }

    /// Puts it together, with an end mark that is right.
    fn file(&self) -> Vec<u8> {
        let mut file = b"fundledger bundle v3\n".to_vec();
        let count = |mark: Option<u16>| self.0.iter().filter(|piece| piece.mark == mark).count();
        let count = |mark| u64::try_from(count(mark)).unwrap();
        for piece in &self.0 {
            file.extend(piece.mark.into_iter().flat_map(u16::to_be_bytes));
            file.extend(u16::try_from(piece.key.len()).unwrap().to_be_bytes());
            file.extend(&piece.key);
            file.extend(u32::try_from(piece.bytes.len()).unwrap().to_be_bytes());
            file.extend(&piece.bytes);
        }
        let digest = Sha256::digest(&file);
        file.extend([0xFF, 0xFF]);
        file.extend(count(None).to_be_bytes());
        file.extend(count(Some(TILE)).to_be_bytes());
        file.extend(digest);
        file
    }

    fn at(&self, name: &str) -> usize {
        self.0.iter().position(|piece| piece.key == name.as_bytes()).unwrap()
    }

    fn attached(&mut self, name: &str) -> &mut Vec<u8> {
        let at = self.at(name);
        &mut self.0[at].bytes
    }

    /// Edits the manifest, and writes it as it must be written.
    fn say(&mut self, edit: impl FnOnce(&mut String)) {
        let mut text = String::from_utf8(self.attached("manifest").clone()).unwrap();
        edit(&mut text);
        *self.attached("manifest") = text.into_bytes();
    }

    /// Edits an attachment, and the manifest with it, as whoever makes the file can.
    fn forge(&mut self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let digest = |bytes: &[u8]| hex(&Sha256::digest(bytes));
        let before = (digest(self.attached(name)), self.attached(name).len());
        edit(self.attached(name));
        let after = (digest(self.attached(name)), self.attached(name).len());
        self.say(|manifest| {
            let listed =
                |(digest, bytes): (String, usize)| format!("\"bytes\": {bytes},\n      \"sha256\": \"{digest}\"");
            assert!(manifest.contains(&listed(before.clone())));
            *manifest = manifest.replace(&listed(before), &listed(after));
        });
    }

    fn first(&self, mark: Option<u16>) -> usize {
        self.0.iter().position(|piece| piece.mark == mark).unwrap()
    }
}

/// A stopped ledger with two witnesses, its bundle, and what its auditor has.
struct Case {
    world: World,
    bundle: Vec<u8>,
    kept: String,
    policy: String,
    python: bool,
    _watchers: Vec<Watcher>,
}

impl Case {
    async fn new() -> Self {
        let (mut world, watchers) = watched(&["congress", "audit"], 2);
        let last = world.pay(PAYMENTS).await;
        let kept = world.keep("kept", last);
        let last = world.post(vec![payment("later")]).await[0].sequence;
        witnessed(&world, last).await.unwrap();
        world.stop();
        let policy = world.policy.clone().unwrap();
        let path = world.path("bundle");
        let data = world.data();
        let export = ["export", "--data", data.to_str().unwrap(), "--bundle", &path, "--policy", &policy];
        let exported = run(&[&export[..], &["--made-at", "2026-01-05T01:00:00Z"]].concat());
        assert!(exported.status.success(), "{}", errors(&exported));
        let python = output(Command::new("python3").arg("--version")).is_ok_and(|output| output.status.success());
        if !python {
            println!("python3 is not here: the small verifier was SKIPPED");
        }
        Self { bundle: fs::read(path).unwrap(), world, kept, policy, python, _watchers: watchers }
    }

    fn small(&self, path: &str, arguments: &[&str]) -> Option<Output> {
        self.python.then(|| output(Command::new("python3").arg(SCRIPT).arg(path).args(arguments)).unwrap())
    }

    /// Both verifiers' exit code, and the faults that the program names.
    #[track_caller]
    fn verified(&self, file: &[u8], arguments: &[&str]) -> (i32, Vec<String>) {
        let path = self.world.path("damaged");
        fs::write(&path, file).unwrap();
        let verified = run(&[&["verify", "--json", "--allow-unanchored", &path][..], arguments].concat());
        let code = verified.status.code().unwrap();
        let report: Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
        let faults = report["faults"].as_array().into_iter().flatten();
        let kinds: Vec<String> = faults.map(|fault| fault["kind"].as_str().unwrap().to_owned()).collect();
        if let Some(small) = self.small(&path, arguments) {
            let said = String::from_utf8_lossy(&small.stdout);
            assert_eq!(small.status.code(), Some(code), "{report:#}\n{said}{}", errors(&small));
            let verdict = ["VERIFIED", "BROKEN", "", "INCOMPLETE"][usize::try_from(code).unwrap()];
            assert!(said.starts_with(verdict), "{said}{}", errors(&small));
        }
        (code, kinds)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_bundle_verifies_with_nothing_but_itself() {
    let case = Case::new().await;
    let (key, kept, policy) = (case.world.key.as_str(), case.kept.as_str(), case.policy.as_str());
    for (arguments, anchored) in [
        (&[][..], false),
        (&["--key", key], false),
        (&["--checkpoint", kept], true),
        (&["--policy", policy], true),
        (&["--key", key, "--checkpoint", kept, "--policy", policy], true),
    ] {
        assert_eq!(case.verified(&case.bundle, arguments), (0, Vec::new()), "{arguments:?}");
        let path = case.world.path("damaged");
        let (code, told) = report(&[&[path.as_str()], arguments].concat());
        assert_eq!((code == Some(0), &told["anchored"]), (anchored, &anchored.into()), "{arguments:?}");
        let (bundle, has_policy) = (&told["bundle"], arguments.contains(&policy));
        assert_eq!((&bundle["version"], &bundle["tiles"]), (&3.into(), &3.into()), "{bundle:#}");
        assert_eq!(bundle["made_at"], "2026-01-05T01:00:00Z");
        assert_eq!(bundle["policy_is_yours"], if has_policy { json!(true) } else { Value::Null });
        assert_eq!(told["checked"][1], "bundle");
        if let Some(small) = case.small(&path, arguments) {
            let said = String::from_utf8(small.stdout).unwrap();
            let words = if anchored { "and anchored outside" } else { "not externally anchored" };
            assert!(said.starts_with(&format!("VERIFIED: self-consistent, {words}")), "{said}");
        }
    }
    // The policy that the ledger sends along has two of two; the auditor's own may have another opinion.
    let mine = case.world.path("mine");
    fs::write(&mine, fs::read_to_string(policy).unwrap().replace("quorate 2", "quorate 1")).unwrap();
    let (code, told) = report(&[&case.world.path("bundle"), "--policy", &mine]);
    assert_eq!((code, &told["bundle"]["policy_is_yours"]), (Some(0), &false.into()), "{told:#}");
    let shown = run(&["verify", &case.world.path("bundle"), "--policy", &mine]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("is another than yours; only yours counts"), "{shown}");
    let taken_apart = Parts::take_apart(&case.bundle);
    assert_eq!(taken_apart.file(), case.bundle, "what the table below changes is the file as it is");
}

/// Bits that flip and files that are cut: nobody made them good again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn accidents_are_found_in_every_part() {
    let case = Case::new().await;
    let whole = &case.bundle;
    let keys = ["--key", &case.world.key, "--policy", &case.policy];
    let find = |needle: &[u8]| whole.windows(needle.len()).position(|window| window == needle).unwrap();
    let checkpoint = find(b"\xFF\xFE\x00\x0Acheckpoint") + 18;
    let witnessed = find(b"\xFF\xFE\x00\x14checkpoint.witnessed") + 28;
    let after = |start: usize, needle: &str| {
        let needle = needle.as_bytes();
        start + whole[start..].windows(needle.len()).position(|window| window == needle).unwrap()
    };
    let value = find(b"\x00\x09\0\0\0\0\0\0\0\0\0");
    let tile = find(b"\xFF\xFD\x00\x0Atile/0/000");
    for (part, at, code) in [
        ("magic", 3, 3),
        ("version", 19, 3),
        ("mark of the manifest", 21, 1),
        ("format in the manifest", after(0, "fundledger bundle\""), 3),
        ("counts in the manifest", after(0, "\"entries\": ") + 11, 3),
        ("digest of an attachment", after(0, "\"sha256\": ") + 14, 3),
        ("origin in the checkpoint", checkpoint, 1),
        ("size in the checkpoint", after(checkpoint, "funds\n") + 6, 1),
        ("root in the checkpoint", after(checkpoint, "funds\n") + 14, 1),
        ("signature of the log", after(checkpoint, "\u{2014} ") + 60, 1),
        ("cosignature", after(witnessed, "\u{2014} audit ") + 40, 1),
        ("policy", find(b"quorum quorate"), 3),
        ("key of a value", value + 9, 1),
        ("length of a value", value + 11, 3),
        ("version of a block", value + 15, 1),
        ("count of a block", value + 20, 1),
        ("checksum of a block", value + 24, 1),
        ("head of a block", value + 70, 1),
        ("entry", find(b"goods"), 1),
        ("link of an entry", value + 15 + 78, 1),
        ("mark of a tile", tile + 1, 3),
        ("name of a tile", tile + 8, 1),
        ("length of a tile", tile + 17, 1),
        ("hash of a tile", tile + 900, 1),
        ("hash of level 1", find(b"tile/1/000") + 30, 1),
        ("count of values", whole.len() - 41, 3),
        ("count of tiles", whole.len() - 33, 3),
        ("digest", whole.len() - 1, 3),
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let (found, kinds) = case.verified(&changed, &keys);
        println!("{part}: {found} {kinds:?}");
        assert_eq!(found, code, "{part}: {kinds:?}");
    }
    let first_value = value + 15 + 100;
    for length in
        [0, 20, 21, 22, 300, checkpoint + 10, value, value + 1, first_value, tile, tile + 99, whole.len() - 48]
    {
        assert_eq!(case.verified(&whole[..length], &keys), (3, Vec::new()), "cut to {length}");
    }
    assert_eq!(case.verified(&[&whole[..], b"\0"].concat(), &keys).0, 3, "bytes after the end");
    for version in ["1", "2"] {
        // The same bytes under another version mean something else.
        let mut renamed = whole.clone();
        renamed[19] = version.as_bytes()[0];
        assert_eq!(case.verified(&renamed, &keys).0, 3);
    }
}

type Forge<'a> = Box<dyn Fn(&mut Parts) + 'a>;

/// Whoever makes the file makes its digests good as well: what they cannot make are signatures and hashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn forgeries_are_found_in_every_part() {
    let case = Case::new().await;
    let stranger = World::new();
    let last = stranger.pay(1).await;
    let foreign = fs::read(stranger.keep("foreign", last)).unwrap();
    let parts = Parts::take_apart(&case.bundle);
    let keys = ["--key", &case.world.key, "--policy", &case.policy];
    let replace = |from: &'static str, to: &'static str| -> Forge<'static> {
        Box::new(move |parts| {
            parts.say(|manifest| {
                assert!(manifest.contains(from), "{from}: {manifest}");
                *manifest = manifest.replacen(from, to, 1);
            });
        })
    };
    let forge = |name: &'static str, edit: fn(&mut Vec<u8>)| -> Forge<'static> {
        Box::new(move |parts| parts.forge(name, edit))
    };
    let remove = |mark: Option<u16>, nth: usize| -> Forge<'static> {
        Box::new(move |parts| {
            let at = parts.first(mark) + nth;
            parts.0.remove(at);
        })
    };
    let swap = |one: fn(&Parts) -> (usize, usize)| -> Forge<'static> {
        Box::new(move |parts| {
            let (one, other) = one(parts);
            parts.0.swap(one, other);
        })
    };
    let rows: Vec<(&str, Forge<'_>, i32, &str)> = vec![
        ("no manifest", remove(Some(ATTACHMENT), 0), 1, "manifest"),
        ("manifest later", swap(|_| (0, 1)), 1, "manifest"),
        ("another format", replace("\"fundledger bundle\"", "\"fundledger bundles\""), 1, "manifest"),
        ("another version", replace("\"version\": 3", "\"version\": 4"), 1, "manifest"),
        ("number written otherwise", replace("\"version\": 3", "\"version\": 3.0"), 1, "manifest"),
        ("written otherwise", replace("{\n", "{\n\n"), 1, "manifest"),
        ("key twice", replace("  \"version\": 3,\n", "  \"version\": 3,\n  \"version\": 3,\n"), 1, "manifest"),
        ("unknown key", replace("  \"version\": 3,\n", "  \"version\": 3,\n  \"more\": 3,\n"), 1, "manifest"),
        ("maker in colours", replace("\"made_by\": \"", "\"made_by\": \"\\u001b[2J"), 1, "manifest"),
        ("no time", replace("2026-01-05T01:00:00Z", "2026-01-05 01:00:00Z"), 1, "manifest"),
        ("time of another type", replace("\"2026-01-05T01:00:00Z\"", "[]"), 1, "manifest"),
        ("time of other digits", replace("2026-01-05T01:00:00Z", "2026-01-05T01-00-00Z"), 1, "manifest"),
        ("values", replace("\"values\": ", "\"values\": 1"), 1, "manifest"),
        ("entries", replace("\"entries\": ", "\"entries\": 1"), 1, "manifest"),
        ("negative", replace("\"last_sequence\": ", "\"last_sequence\": -"), 1, "manifest"),
        ("head", replace("\"head\": \"", "\"head\": \"0"), 1, "manifest"),
        ("origin", replace("\"origin\": \"", "\"origin\": \"x"), 1, "manifest"),
        ("size", replace("\"size\": ", "\"size\": 1"), 1, "manifest"),
        ("tiles", replace("\"tiles\": 3", "\"tiles\": 2"), 1, "manifest"),
        ("without tiles", replace("\"without_tiles\": null", "\"without_tiles\": \"log_damaged\""), 1, "manifest"),
        ("attachment not listed", replace("\"name\": \"policy\"", "\"name\": \"polity\""), 1, "manifest"),
        ("signature", forge("checkpoint", |note| change(note, 130)), 1, "signature"),
        ("signature written otherwise", forge("checkpoint", add_order), 1, "signature"),
        ("no signature", forge("checkpoint", |note| note.truncate(note.len() - 1)), 1, "signature"),
        (
            "cosignature",
            forge("checkpoint.witnessed", |note| {
                let at = note.len() - 20;
                change(note, at);
            }),
            1,
            "signature",
        ),
        (
            "cosigners missing",
            forge("checkpoint.witnessed", |note| {
                let text = String::from_utf8(note.clone()).unwrap();
                *note = text
                    .split_inclusive('\n')
                    .filter(|line| !line.contains("congress"))
                    .collect::<String>()
                    .into_bytes();
            }),
            1,
            "witness",
        ),
        ("not text", forge("policy", |policy| policy[0] = 0xFF), 1, "manifest"),
        ("another policy", forge("policy", |policy| policy.extend(b"# more\n")), 0, ""),
        (
            "another ledger's checkpoint",
            Box::new(|parts| parts.forge("checkpoint", |note| note.clone_from(&foreign))),
            1,
            "root",
        ),
        ("values in another order", swap(|parts| (parts.first(None), parts.first(None) + 1)), 1, "sequence"),
        ("value missing", remove(None, 1), 1, "sequence"),
        (
            "value twice",
            Box::new(|parts| {
                let at = parts.first(None);
                let value = parts.0[at].clone();
                parts.0.insert(at, value);
            }),
            1,
            "sequence",
        ),
        ("tile missing", remove(Some(TILE), 0), 1, "tile"),
        ("last tile missing", Box::new(|parts| drop(parts.0.pop())), 1, "tile"),
        (
            "tile twice",
            Box::new(|parts| {
                let tile = parts.0.last().unwrap().clone();
                parts.0.push(tile);
            }),
            1,
            "tile",
        ),
        ("tiles in another order", swap(|parts| (parts.first(Some(TILE)), parts.first(Some(TILE)) + 1)), 1, "tile"),
        (
            "hash of a tile",
            Box::new(|parts| {
                let at = parts.first(Some(TILE));
                parts.0[at].bytes[70] ^= 1;
            }),
            1,
            "tile",
        ),
        ("hash of level 1", Box::new(|parts| parts.0.last_mut().unwrap().bytes[7] ^= 1), 1, "tile"),
        ("tile too long", Box::new(|parts| parts.0.last_mut().unwrap().bytes.extend([0; 32])), 1, "tile"),
        ("piece too long", Box::new(|parts| parts.0.last_mut().unwrap().bytes.resize((1 << 20) + 1, 0)), 3, ""),
        (
            "value after tiles",
            Box::new(|parts| {
                let value = parts.0.remove(parts.first(None));
                parts.0.insert(parts.0.len() - 1, value);
            }),
            1,
            "sequence",
        ),
        (
            "attachment after values",
            Box::new(|parts| {
                let at = parts.first(Some(TILE));
                let attachment = parts.0[1].clone();
                parts.0.insert(at, attachment);
            }),
            3,
            "",
        ),
        (
            "too many attachments",
            Box::new(|parts| {
                for _ in 0..16 {
                    parts.0.insert(1, parts.0[1].clone());
                }
            }),
            3,
            "",
        ),
    ];
    for (part, change, code, kind) in rows {
        let mut forged = parts.clone();
        change(&mut forged);
        let (found, kinds) = case.verified(&forged.file(), &keys);
        println!("{part}: {found} {kinds:?}");
        assert_eq!(found, code, "{part}: {kinds:?}");
        assert!(kind.is_empty() || kinds.iter().any(|found| found == kind), "{part}: {kinds:?}");
    }
    // Of the auditor's own checkpoint only the log can be right.
    let other = stranger.path("foreign");
    assert_eq!(case.verified(&case.bundle, &["--checkpoint", &other]).0, 1, "another ledger's checkpoint, kept");
    assert_eq!(case.verified(&case.bundle, &["--key", &stranger.key]).0, 1, "another ledger's key");
    assert_eq!(case.verified(&case.bundle, &["--key", "x+00000000+AQ=="]).0, 2);
    assert_eq!(case.verified(&case.bundle, &["--key", &weak_key()]).0, 2, "a key of small order");
    assert_eq!(case.verified(&case.bundle, &["--policy", &other]).0, 2);
    assert_eq!(case.verified(&case.bundle, &["--checkpoint", &case.policy]).0, 3);
}

/// The order of the base point of Ed25519, its lowest byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Writes the log's signature in another way that a lenient verifier takes for the same.
fn add_order(note: &mut Vec<u8>) {
    let text = String::from_utf8(note.clone()).unwrap();
    let (start, encoded) = text.trim_end().rsplit_once(' ').unwrap();
    let mut signature = STANDARD.decode(encoded).unwrap();
    let mut carry = 0;
    for (place, add) in signature[36..].iter_mut().zip(ORDER) {
        let sum = u16::from(*place) + u16::from(add) + carry;
        *place = u8::try_from(sum & 0xFF).unwrap();
        carry = sum >> 8;
    }
    *note = format!("{start} {}\n", STANDARD.encode(signature)).into_bytes();
}

/// A key that signs everything: a point of small order.
fn weak_key() -> String {
    let mut key = vec![1, 1];
    key.resize(33, 0);
    let hash = Sha256::digest([b"x\n".as_slice(), &key].concat());
    format!("x+{}+{}", hex(&hash[..4]), STANDARD.encode(key))
}

/// Puts another character of base64 in the place of one.
fn change(note: &mut [u8], at: usize) {
    note[at] = if note[at] == b'A' { b'B' } else { b'A' };
}

/// A ledger whose log does not fit its checkpoint any more, and one whose log is damaged, can be exported all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn broken_ledgers_are_exported_as_evidence() {
    let case = Case::new().await;
    let old = case.world.directory.path().join("old");
    copy(&case.world.data(), &old);
    let checkpoint = old.join("checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    let size = note.lines().nth(1).unwrap();
    fs::write(&checkpoint, note.replacen(size, "9", 1)).unwrap();
    let path = case.world.path("evidence");
    let exported = run(&["export", "--data", old.to_str().unwrap(), "--bundle", &path]);
    assert!(exported.status.success(), "{}", errors(&exported));
    let (code, kinds) = case.verified(&fs::read(&path).unwrap(), &[]);
    assert_eq!((code, kinds), (1, vec!["root".to_owned()]));
    fs::remove_file(&checkpoint).unwrap();
    fs::remove_file(old.join("checkpoint.witnessed")).unwrap();
    assert!(run(&["export", "--data", old.to_str().unwrap(), "--bundle", &path]).status.success());
    assert_eq!(case.verified(&fs::read(&path).unwrap(), &[]), (0, Vec::new()), "nothing was signed");
}
