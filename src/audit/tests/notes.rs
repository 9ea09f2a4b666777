//! Notes, checkpoints, policies and proofs as files: what is well formed is read, and nothing else, whatever it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

use super::bytes::events;
use super::{blocks, chained, hash, stored};
use crate::audit::note::{Checkpoint, KeyKind, Note, NoteError, NoteKey};
use crate::audit::policy::Policy;
use crate::audit::receipt::Receipt;
use crate::audit::tree::Tree;
use crate::audit::{Anchors, Check, FaultKind, Options, Report, Verdict, verify};

const ORIGIN: &str = "ledger.example.org/funds";

/// Somebody who signs: made here, with nothing of the ledger's.
struct Person {
    name: &'static str,
    kind: u8,
    key: SigningKey,
}

impl Person {
    fn new(name: &'static str, kind: u8, seed: u8) -> Self {
        Self { name, kind, key: SigningKey::from_bytes(&[seed; 32]) }
    }

    fn bytes(&self) -> Vec<u8> {
        [&[self.kind][..], self.key.verifying_key().as_bytes()].concat()
    }

    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new().chain_update(self.name).chain_update("\n").chain_update(self.bytes()).finalize();
        *digest.first_chunk().unwrap()
    }

    fn public(&self) -> String {
        let id = crate::format::hexadecimal::of(&self.id());
        format!("{}+{id}+{}", self.name, STANDARD.encode(self.bytes()))
    }

    fn note_key(&self) -> NoteKey {
        NoteKey::parse(&self.public()).unwrap()
    }

    fn line(&self, text: &str, time: u64) -> String {
        let sign = |message: &str| self.key.sign(message.as_bytes()).to_bytes();
        let signature = if self.kind == 1 {
            sign(text).to_vec()
        } else {
            [&time.to_be_bytes()[..], &sign(&format!("cosignature/v1\ntime {time}\n{text}"))].concat()
        };
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode([&self.id()[..], &signature].concat()))
    }
}

fn text() -> String {
    format!("{ORIGIN}\n12\n{}\n", STANDARD.encode([5; 32]))
}

#[test]
fn signatures_count_for_whom_they_name() {
    let (log, witness, other) =
        (Person::new(ORIGIN, 1, 1), Person::new("audit-office", 4, 2), Person::new("peer", 4, 3));
    let text = text();
    let note = format!("{text}\n{}{}{}", log.line(&text, 0), other.line(&text, 70), witness.line(&text, 77));
    let note = Note::parse(&note).unwrap();
    assert_eq!(
        Checkpoint::parse(note.text()).unwrap(),
        Checkpoint { origin: ORIGIN.to_owned(), size: 12, root: [5; 32] }
    );
    let keys = [log.note_key(), witness.note_key()];
    assert_eq!(keys.clone().map(|key| key.kind()), [KeyKind::Log, KeyKind::Witness]);
    let signers = note.signers(&keys).unwrap();
    assert_eq!(
        signers.iter().map(|signer| (signer.key.name(), signer.time)).collect::<Vec<_>>(),
        [(ORIGIN, 0), ("audit-office", 77)]
    );
    // A key of the same name that is not its: another id, and passed over.
    let namesake = Person::new("audit-office", 4, 9).note_key();
    assert_eq!(note.signers([&namesake]), Ok(vec![]));
    // A false signature in the name of a known key.
    let false_line = witness.line("another text\n", 77);
    let forged = Note::parse(&format!("{text}\n{}{false_line}", log.line(&text, 0))).unwrap();
    assert_eq!(forged.signers(&keys), Err(NoteError::FalseSignature("audit-office".to_owned())));
    assert_eq!(forged.signers([&log.note_key()]).unwrap().len(), 1);
    // The time is signed.
    let mut at_another_time = witness.line(&text, 77);
    at_another_time = at_another_time.replace(
        at_another_time.rsplit(' ').next().unwrap(),
        &(STANDARD.encode(
            [
                &witness.id()[..],
                &78_u64.to_be_bytes(),
                &witness.key.sign(format!("cosignature/v1\ntime 77\n{text}").as_bytes()).to_bytes()[..],
            ]
            .concat(),
        ) + "\n"),
    );
    let moved = Note::parse(&format!("{text}\n{at_another_time}")).unwrap();
    assert!(moved.signers(&keys).is_err());
}

/// One bit of a signed note changed is never the same note: it is no note, or the signature is false, or its line is somebody
/// else's.
#[test]
fn every_changed_bit_of_a_note_shows() {
    let log = Person::new(ORIGIN, 1, 1);
    let text = text();
    let note = format!("{text}\n{}", log.line(&text, 0)).into_bytes();
    let key = log.note_key();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut changed = note.clone();
            changed[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let Ok(parsed) = Note::parse(&changed) else { continue };
            assert!(parsed.signers([&key]).is_ok_and(|signers| signers.is_empty()) || parsed.signers([&key]).is_err());
        }
    }
    for length in 0..note.len() {
        let cut = String::from_utf8_lossy(&note[..length]).into_owned();
        assert!(Note::parse(&cut).is_err(), "{length}");
    }
}

#[test]
fn what_is_no_note_and_no_checkpoint_is_refused() {
    let log = Person::new(ORIGIN, 1, 1);
    let line = log.line(&text(), 0);
    for note in [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        &format!("text\n{line}"),
        &format!("text\n\n{}", line.trim_end()),
        &format!("te\txt\n\n{line}"),
        &format!("text\r\n\n{line}"),
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u{2014}  AAAAAAAA\n",
        "text\n\n\u{2014} na+me AAAAAAAA\n",
        "text\n\n\u{2014} name AAAA\n",
        "text\n\n\u{2014} name AAAAA===\n",
        "text\n\n\u{2014} name AAAAAA\n",
        "text\n\n\u{2014} name AAAAAAB=\n",
        "text\n\n\u{2014} na\u{3000}me AAAAAAAA\n",
        "text\n\n\u{2014} na\u{202e}me AAAAAAAA\n",
        &format!("te\u{9b}xt\n\n{line}"),
        &format!("te\u{2066}xt\n\n{line}"),
        &format!("text\n\n{}", line.repeat(129)),
        &format!("{}\n\n{line}", "a".repeat(1 << 18)),
    ] {
        assert!(Note::parse(note).is_err(), "{note:?}");
    }
    assert!(Note::parse(&format!("text\n\n{}", line.repeat(16))).is_ok());
    // The last empty line divides.
    assert_eq!(Note::parse(&format!("one\n\ntwo\n\n{line}")).unwrap().text(), "one\n\ntwo\n");
    let root = STANDARD.encode([5; 32]);
    for checkpoint in [
        "",
        "o\n",
        "o\n1\n",
        &format!("\n1\n{root}\n"),
        &format!("o\n01\n{root}\n"),
        &format!("o\n+1\n{root}\n"),
        &format!("o\n-1\n{root}\n"),
        &format!("o\n18446744073709551616\n{root}\n"),
        &format!("o\n1\n{}\n", &root[..40]),
        &format!("o\n1\n{root}"),
        &format!("o\n1\n{root}\n\n"),
    ] {
        assert!(Checkpoint::parse(checkpoint).is_err(), "{checkpoint:?}");
    }
    assert!(Checkpoint::parse(&format!("o\n1\n{root}\nextension\n")).is_ok());
}

#[test]
fn keys_of_other_kinds_and_cut_keys_are_refused() {
    let public = Person::new("audit-office", 4, 2).public();
    assert_eq!(NoteKey::parse(&public).unwrap().to_string(), public);
    let weak = Person { name: "weak", kind: 1, key: SigningKey::from_bytes(&[1; 32]) };
    for text in [
        String::new(),
        public[1..].to_owned(),
        public[..public.len() - 4].to_owned(),
        public.replace("audit", "Audit"),
        Person::new("a b", 1, 1).public(),
        Person::new("post-quantum", 6, 1).public(),
        format!("{}+00000000+{}", weak.name, STANDARD.encode([&[1, 1][..], &[0; 31]].concat())),
    ] {
        assert!(NoteKey::parse(&text).is_err(), "{text}");
    }
}

/// The quorum of groups in groups.
#[test]
fn a_policy_says_how_many_are_enough() {
    let log = Person::new(ORIGIN, 1, 1).public();
    let people: Vec<Person> = ["congress", "audit", "province", "bank"]
        .into_iter()
        .zip(2..)
        .map(|(name, seed)| Person::new(name, 4, seed))
        .collect();
    let witnesses: Vec<String> = people
        .iter()
        .map(|person| format!("witness {} {} https://{}.example/\n", person.name, person.public(), person.name))
        .collect();
    let policy = format!(
        "# who watches\n\nlog {log} https://ledger.example/\n{}group city all congress audit\ngroup others any province bank\ngroup both 2 city others\nquorum both\n",
        witnesses.concat()
    );
    let policy = Policy::parse(&policy).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len(), policy.needs_witnesses()), (1, 4, true));
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("https://congress.example/"));
    let text = text();
    for signing in 0..16_usize {
        let present = |at: usize| signing >> at & 1 == 1;
        let lines: String = (0..4).filter(|at| present(*at)).map(|at| people[at].line(&text, 7)).collect();
        let lines = if lines.is_empty() { Person::new(ORIGIN, 1, 1).line(&text, 0) } else { lines };
        let note = Note::parse(&format!("{text}\n{lines}")).unwrap();
        let signers = note.signers(policy.witnesses().iter().map(|witness| &witness.key)).unwrap();
        assert_eq!(policy.is_met(&signers), present(0) && present(1) && (present(2) || present(3)), "{signing:04b}");
    }
    let none = Policy::parse(&format!("log {log}\nquorum none\n")).unwrap();
    assert!(none.is_met(&[]) && !none.needs_witnesses());
}

#[test]
fn what_is_no_policy_is_refused_with_its_line() {
    let log = Person::new(ORIGIN, 1, 1).public();
    let (one, two) = (Person::new("one", 4, 2).public(), Person::new("two", 4, 3).public());
    let renamed = Person::new("three", 4, 2).public();
    let base = format!("log {log}\nwitness one {one}\nwitness two {two}\n");
    for (rest, line) in [
        (String::new(), 3),
        ("quorum three\n".to_owned(), 4),
        ("quorum one\nquorum two\n".to_owned(), 5),
        ("group g all\nquorum g\n".to_owned(), 4),
        ("group g 0 one\nquorum g\n".to_owned(), 4),
        ("group g 3 one two\nquorum g\n".to_owned(), 4),
        ("group g 01 one two\nquorum g\n".to_owned(), 4),
        ("group g all one one\nquorum g\n".to_owned(), 4),
        ("group g all one\ngroup h all one two\nquorum h\n".to_owned(), 5),
        ("group one all two\nquorum one\n".to_owned(), 4),
        ("group none all two\nquorum none\n".to_owned(), 4),
        ("group g all later\n".to_owned(), 4),
        (format!("witness three {renamed}\nquorum three\n"), 4),
        (format!("witness three {log}\nquorum three\n"), 4),
        (format!("log {one}\nquorum one\n"), 4),
        ("witness three\n".to_owned(), 4),
        ("trust everybody\n".to_owned(), 4),
        ("quorum\n".to_owned(), 4),
    ] {
        let error = Policy::parse(&format!("{base}{rest}")).unwrap_err();
        assert_eq!(error.line, line, "{rest:?}: {error}");
    }
    assert!(Policy::parse("").is_err() && Policy::parse("quorum none\n").is_err());
    assert!(Policy::parse(&"#\n".repeat(1 << 18)).is_err());
}

#[test]
fn a_proof_is_read_strictly() {
    let log = Person::new(ORIGIN, 1, 1);
    let (one, two) = (STANDARD.encode([1; 32]), STANDARD.encode([2; 32]));
    let text = text();
    let note = format!("{text}\n{}", log.line(&text, 0));
    let proof = format!("c2sp.org/tlog-proof@v1\nindex 3\n{one}\n{two}\n\n{note}");
    assert_eq!(Receipt::parse(&proof).unwrap().index, 3);
    let with_extra = proof.replace("index", "extra AAAA\nindex");
    let mut with_extra = Receipt::parse(&with_extra).unwrap();
    assert_eq!(with_extra.extra.take().as_deref(), Some(&[0; 3][..]));
    assert_eq!(with_extra, Receipt::parse(&proof).unwrap());
    for wrong in [
        String::new(),
        proof.replace("@v1", "@v2"),
        proof.replace("index 3", "index 03"),
        proof.replace("index 3\n", ""),
        proof.replace(&one, &one[..40]),
        proof.replace("index", "extra !\nindex"),
        proof.replace(&two, &(format!("{two}\n").repeat(63) + &two)),
        proof.replace("\n\n", "\n"),
        proof[..proof.len() - 1].to_owned(),
        proof.replace("index 3", "index 18446744073709551616"),
    ] {
        assert!(Receipt::parse(&wrong).is_err(), "{wrong:?}");
    }
}

/// The proof of an entry among a hundred million, cosigned by four witnesses: the file, the hash of the entry, the policy.
pub(super) fn proof_of_many() -> (String, [u8; 32], Policy) {
    const SIZE: u64 = 100_000_000;
    let index = SIZE / 3;
    let leaf = [1; 32];
    let (mut place, mut last, mut root, mut hashes) = (index, SIZE - 1, leaf, Vec::new());
    let node = |left: &[u8; 32], right: &[u8; 32]| -> [u8; 32] {
        Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
    };
    while last > 0 {
        let sibling = [u8::try_from(hashes.len()).unwrap(); 32];
        let is_right = place & 1 == 1;
        // At the right edge there are levels without a sibling.
        if is_right || place != last {
            root = if is_right { node(&sibling, &root) } else { node(&root, &sibling) };
            hashes.push(STANDARD.encode(sibling));
        }
        (place, last) = (place >> 1, last >> 1);
    }
    let text = format!("{ORIGIN}\n{SIZE}\n{}\n", STANDARD.encode(root));
    let log = Person::new(ORIGIN, 1, 1);
    let names = ["people-s-congress", "audit-office", "provincial-audit-office", "peer-city"];
    let witnesses: Vec<Person> = (2..).zip(names).map(|(seed, name)| Person::new(name, 4, seed)).collect();
    let lines: String = witnesses.iter().map(|witness| witness.line(&text, 1_767_574_800)).collect();
    let note = format!("{text}\n{}{lines}", log.line(&text, 0));
    let proof = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n\n{note}", hashes.join("\n"));
    let members: Vec<String> =
        names.iter().zip(&witnesses).map(|(name, witness)| format!("witness {name} {}\n", witness.public())).collect();
    let policy = format!("log {}\n{}group three 3 {}\nquorum three\n", log.public(), members.concat(), names.join(" "));
    (proof, leaf, Policy::parse(&policy).unwrap())
}

/// Whether a proof holds, and the log and a quorum vouch for it.
pub(super) fn is_proven(proof: &str, leaf: &[u8; 32], policy: &Policy) -> bool {
    let receipt = Receipt::parse(proof).unwrap();
    let by_log = receipt.note.signers(policy.logs().iter().map(|log| &log.key)).unwrap();
    let by_witnesses = receipt.note.signers(policy.witnesses().iter().map(|witness| &witness.key)).unwrap();
    receipt.proves(leaf) && by_log.len() == 1 && policy.is_met(&by_witnesses)
}

#[test]
fn a_proof_among_many_is_small() {
    let (proof, leaf, policy) = proof_of_many();
    assert!(is_proven(&proof, &leaf, &policy) && !is_proven(&proof, &[2; 32], &policy));
    assert!(proof.len() < 4_096, "{} bytes", proof.len());
}

/// A log of 40 entries, whose origin is `o`, and a checkpoint over so many of them.
fn held_against(anchors: Anchors) -> Report {
    let values = blocks(&chained(&events()), 6);
    let options = Options { anchors, ..Options::default() };
    verify(stored(values), &options)
}

fn checkpoint_over(size: usize) -> String {
    let mut tree = Tree::default();
    for entry in &chained(&events())[..size.min(40)] {
        tree.push(hash(entry));
    }
    format!("o\n{size}\n{}\n", STANDARD.encode(tree.root()))
}

/// What a checkpoint is worth: kept ones for what they say, others for who signed them, and when.
#[test]
fn a_log_is_held_against_what_others_have_seen() {
    let (log, stranger) = (Person::new("o", 1, 1), Person::new("o", 1, 7));
    let (one, two) = (Person::new("one", 4, 2), Person::new("two", 4, 3));
    let policy = |threshold: usize| {
        let witnesses = format!("witness one {}\nwitness two {}\n", one.public(), two.public());
        Policy::parse(&format!("log {}\n{witnesses}group g {threshold} one two\nquorum g\n", log.public())).ok()
    };
    let note = |size: usize, lines: &dyn Fn(&str) -> String| {
        let text = checkpoint_over(size);
        format!("{text}\n{}", lines(&text))
    };
    let by_log = |size: usize| note(size, &|text| log.line(text, 0));
    let seen = note(40, &|text| [log.line(text, 0), one.line(text, 100), two.line(text, 200)].concat());
    let by_stranger = |size: usize| note(size, &|text| stranger.line(text, 0));
    let forgery = format!("o\n30\n{}\n", STANDARD.encode([8; 32]));
    let forged = format!("{forgery}\n{}", log.line(&forgery, 0));
    let forged_by_stranger = format!("{forgery}\n{}", stranger.line(&forgery, 0));
    let none = Anchors::default;
    let keys = vec![log.note_key()];
    let rows: Vec<(&str, Anchors, Option<FaultKind>, Option<u64>)> = vec![
        ("nothing", none(), None, None),
        ("a kept one", Anchors { kept: vec![by_log(7)], ..none() }, None, Some(7)),
        ("a kept one of all", Anchors { kept: vec![by_log(40)], keys: keys.clone(), ..none() }, None, Some(40)),
        ("two", Anchors { kept: vec![by_log(7), by_log(40), by_log(9)], ..none() }, None, Some(40)),
        ("a served one", Anchors { served: vec![by_log(40)], keys: keys.clone(), ..none() }, None, None),
        ("another root, kept", Anchors { kept: vec![forged.clone()], ..none() }, Some(FaultKind::Root), None),
        ("another root, served", Anchors { served: vec![forged], ..none() }, Some(FaultKind::Root), None),
        ("more than there is", Anchors { kept: vec![by_log(41)], ..none() }, Some(FaultKind::Head), None),
        (
            "by a stranger",
            Anchors { served: vec![by_log(40)], keys: vec![stranger.note_key()], ..none() },
            Some(FaultKind::Signature),
            None,
        ),
        ("no entries, kept", Anchors { kept: vec![by_log(0)], ..none() }, None, None),
        (
            "no entries, cosigned",
            Anchors {
                served: vec![note(0, &|text| log.line(text, 0) + &one.line(text, 100))],
                policy: policy(1),
                ..none()
            },
            Some(FaultKind::Witness),
            None,
        ),
        (
            "an older one by an earlier key",
            Anchors { served: vec![by_stranger(30), by_log(40)], keys: keys.clone(), ..none() },
            None,
            None,
        ),
        (
            "a newer one by another key",
            Anchors { served: vec![by_stranger(40), by_log(30)], keys: keys.clone(), ..none() },
            Some(FaultKind::Signature),
            None,
        ),
        (
            "one of the same size by another key",
            Anchors { served: vec![by_stranger(40), by_log(40)], keys: keys.clone(), ..none() },
            Some(FaultKind::Signature),
            None,
        ),
        (
            "an older one by an earlier key, of another history",
            Anchors { served: vec![forged_by_stranger, by_log(40)], keys: keys.clone(), ..none() },
            Some(FaultKind::Root),
            None,
        ),
        (
            "a kept one by a key that is not known",
            Anchors { kept: vec![by_stranger(30)], served: vec![by_log(40)], keys: keys.clone(), ..none() },
            Some(FaultKind::Signature),
            Some(30),
        ),
        ("no note", Anchors { served: vec!["o".to_owned()], ..none() }, Some(FaultKind::Signature), None),
        ("a quorum", Anchors { served: vec![seen.clone()], policy: policy(2), ..none() }, None, Some(40)),
        (
            "a quorum, not long ago",
            Anchors { served: vec![seen.clone()], policy: policy(2), cosigned_since: Some(100), ..none() },
            None,
            Some(40),
        ),
        (
            "one of them long ago",
            Anchors { served: vec![seen.clone()], policy: policy(2), cosigned_since: Some(101), ..none() },
            Some(FaultKind::Witness),
            None,
        ),
        (
            "enough for a lower quorum",
            Anchors { served: vec![seen], policy: policy(1), cosigned_since: Some(101), ..none() },
            None,
            Some(40),
        ),
        ("nobody", Anchors { served: vec![by_log(40)], policy: policy(1), ..none() }, Some(FaultKind::Witness), None),
        ("no checkpoint at all", Anchors { policy: policy(1), ..none() }, Some(FaultKind::Witness), None),
    ];
    for (name, anchors, kind, anchored_size) in rows {
        let report = held_against(anchors);
        assert_eq!(report.faults.first().map(|fault| fault.kind), kind, "{name}: {:?}", report.faults);
        assert_eq!(
            (report.anchored_size, report.verdict == Verdict::Verified),
            (anchored_size, kind.is_none()),
            "{name}"
        );
        assert_eq!(report.unanchored_entries, 40 - anchored_size.unwrap_or(0), "{name}");
        let is_older = name.starts_with("an older one by an earlier key");
        assert_eq!(report.not_checked.contains(&Check::EarlierKeys), is_older, "{name}");
    }
}
