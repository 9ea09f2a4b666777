//! Every answer that a witness can give, and that what it signed once binds it for ever.

use super::*;
use crate::audit::note::Signer;
use crate::format::checkpoint;
use crate::format::note_key::KeyKind;
use crate::format::tree::{self, Node, Nodes, TreeHash};

const ORIGIN: &str = "ledger.example.org/funds";
const TIME: u64 = 1_767_574_800;

/// A log of single bytes, and whoever signs for it.
struct Log {
    key: SignerKey,
    leaves: Vec<TreeHash>,
}

impl Nodes for Log {
    type Error = std::convert::Infallible;

    fn node(&self, Node { level, index }: Node) -> Result<TreeHash, Self::Error> {
        let start = usize::try_from(index << level).unwrap();
        Ok(tree::root(self.leaves.get(start..).unwrap().get(..1 << level).unwrap()))
    }
}

impl Log {
    fn new(seed: u8) -> Self {
        let leaves = (0..100_u8).map(|byte| tree::leaf_hash(&[byte])).collect();
        Self { key: SignerKey::from_seed(ORIGIN, &[seed; 32]), leaves }
    }

    /// The same log with another entry at a place.
    fn forked(&self, at: usize) -> Self {
        let mut leaves = self.leaves.clone();
        *leaves.get_mut(at).unwrap() = [7; 32];
        Self { key: self.key.clone(), leaves }
    }

    fn note(&self, size: u64) -> String {
        let root = tree::root(self.leaves.get(..usize::try_from(size).unwrap()).unwrap());
        checkpoint::Checkpoint { origin: ORIGIN.to_owned(), size, root }.signed([&self.key])
    }

    fn request(&self, old_size: u64, size: u64) -> String {
        let proof = tree::consistency_proof(self, old_size, size).unwrap();
        request(old_size, &proof, &self.note(size))
    }
}

fn request(old_size: u64, proof: &[TreeHash], note: &str) -> String {
    let proof: String = proof.iter().flat_map(|hash| [STANDARD.encode(hash), "\n".to_owned()]).collect();
    format!("old {old_size}\n{proof}\n{note}")
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        Witness::create(&place.path()).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("witness")
    }

    fn open(&self) -> Result<Witness, Fault> {
        let key = SignerKey::of_kind("audit-office", &[9; 32], KeyKind::Cosigner);
        let log = NoteKey::parse(&Log::new(1).key.verifier().to_string()).unwrap();
        Witness::open(&self.path(), key, vec![log])
    }
}

fn status(answer: &Result<String, Declined>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(Declined::Malformed(_)) => 400,
        Err(Declined::Unsigned(_)) => 403,
        Err(Declined::UnknownLog) => 404,
        Err(Declined::OtherSize(_)) => 409,
        Err(Declined::Inconsistent) => 422,
        Err(Declined::Fault(_)) => 500,
    }
}

#[test]
fn a_log_that_grows_is_signed_with_the_time() {
    let place = Place::new();
    let (witness, log) = (place.open().unwrap(), Log::new(1));
    let key = NoteKey::parse(&witness.verifier_key()).unwrap();
    for (old_size, size) in [(0, 5), (5, 5), (5, 8), (8, 100)] {
        let line = witness.add_checkpoint(&log.request(old_size, size), TIME + size).unwrap();
        let note = Note::parse(&format!("{}{line}", log.note(size))).unwrap();
        assert_eq!(note.signers([&key]).unwrap(), [Signer { key: &key, time: TIME + size }]);
        assert_eq!(witness.latest(&name_of(ORIGIN)).unwrap(), format!("{}{line}", log.note(size)));
    }
    assert_eq!(witness.latest("of another log"), None);
}

/// The whole matrix of answers, at a witness that knows 5 entries; none of them changes what it knows.
#[test]
fn whatever_is_wrong_has_its_status() {
    let place = Place::new();
    let (witness, log) = (place.open().unwrap(), Log::new(1));
    witness.add_checkpoint(&log.request(0, 5), TIME).unwrap();
    let kept = witness.latest(&name_of(ORIGIN));
    let good = log.request(5, 9);
    let stranger = Log { key: SignerKey::from_seed("another.example/log", &[1; 32]), leaves: log.leaves.clone() };
    let elsewhere = stranger.request(5, 9).replace(ORIGIN, "another.example/log");
    let empty_root = STANDARD.encode(Sha256::digest([]));
    let false_root = good.replace(good.lines().last().unwrap().rsplit(' ').next().unwrap(), &STANDARD.encode([1; 68]));
    for (name, request, expected) in [
        ("nothing", String::new(), 400),
        ("no checkpoint", "old 5\n".to_owned(), 400),
        ("no old size", good.replacen("old 5\n", "", 1), 400),
        ("another spelling", good.replacen("old 5", "old 05", 1), 400),
        ("no number", good.replacen("old 5", "old five", 1), 400),
        ("no hash", good.replacen("old 5\n", "old 5\nAAAA\n", 1), 400),
        ("64 hashes", request(5, &[[0; 32]; 64], &log.note(9)), 400),
        ("no note", "old 5\n\nabc\n".to_owned(), 400),
        ("no checkpoint in the note", format!("old 5\n\ntext\n\n{}", log.key.note_line("text\n")), 400),
        ("old above the checkpoint", log.request(9, 9).replace("old 9", "old 10"), 400),
        ("another log", elsewhere, 404),
        ("another key of the log", Log::new(2).request(5, 9), 403),
        ("a false signature", false_root, 403),
        ("an earlier size", log.request(4, 9), 409),
        ("a later size", log.request(7, 9), 409),
        ("from the beginning", log.request(0, 9), 409),
        ("no proof", request(5, &[], &log.note(9)), 422),
        ("a proof of nothing", request(5, &[[0; 32]], &log.note(5)), 422),
        ("another proof", log.request(6, 9).replacen("old 6", "old 5", 1), 422),
        ("a changed history", log.forked(2).request(5, 9), 422),
        ("the same size, changed", log.forked(2).request(5, 5), 422),
        ("an empty log again", format!("old 0\n\n{ORIGIN}\n0\n{empty_root}\n\n"), 400),
    ] {
        assert_eq!(status(&witness.add_checkpoint(&request, TIME)), expected, "{name}");
        assert_eq!(witness.latest(&name_of(ORIGIN)), kept, "{name}");
    }
    assert!(matches!(witness.add_checkpoint(&log.request(4, 9), TIME), Err(Declined::OtherSize(5))));
    assert_eq!(status(&witness.add_checkpoint(&good, TIME)), 200);
}

#[test]
fn of_an_empty_log_only_the_empty_root_is_signed() {
    let log = Log::new(1);
    let note = |root| checkpoint::Checkpoint { origin: ORIGIN.to_owned(), size: 0, root }.signed([&log.key]);
    let empty = Sha256::digest([]).into();
    for (name, request, expected) in [
        ("another root", request(0, &[], &note([1; 32])), 422),
        ("a proof", request(0, &[[1; 32]], &note(empty)), 422),
        ("a proof from nothing", request(0, &[[1; 32]], &log.note(5)), 422),
        ("the empty log", request(0, &[], &note(empty)), 200),
    ] {
        assert_eq!(status(&Place::new().open().unwrap().add_checkpoint(&request, TIME)), expected, "{name}");
    }
}

/// What was signed binds after a restart; damage to it stops the witness.
#[test]
fn a_witness_remembers() {
    let place = Place::new();
    let log = Log::new(1);
    place.open().unwrap().add_checkpoint(&log.request(0, 5), TIME).unwrap();
    let again = place.open().unwrap();
    assert_eq!(status(&again.add_checkpoint(&log.forked(2).request(5, 9), TIME)), 422);
    assert_eq!(status(&again.add_checkpoint(&log.request(0, 9), TIME)), 409);
    let path = place.path().join(name_of(ORIGIN));
    let note = fs::read(&path).unwrap();
    for at in 0..note.len() {
        let mut damaged = note.clone();
        *damaged.get_mut(at).unwrap() ^= 1;
        // A changed signature of the log itself is no harm: what counts is what this witness signed.
        let log_line = note.len() - note.split(|byte| *byte == b'\n').rev().take(3).map(<[u8]>::len).sum::<usize>() - 3;
        fs::write(&path, &damaged).unwrap();
        assert!(place.open().is_err() || at >= log_line, "byte {at}");
    }
    fs::write(&path, &note).unwrap();
    fs::remove_file(place.path().join(MARK_FILE)).unwrap();
    assert!(place.open().is_err(), "a directory that is no witness's");
    assert!(Witness::create(&place.path()).is_err(), "not empty");
}

/// Whoever sends a checkpoint may add lines; in this witness's own name they would make what it kept worthless.
#[test]
fn lines_of_strangers_are_not_kept() {
    let place = Place::new();
    let log = Log::new(1);
    let witness = place.open().unwrap();
    witness.add_checkpoint(&log.request(0, 3), TIME).unwrap();
    let known = witness.latest(&name_of(ORIGIN)).unwrap();
    let own = known.lines().last().unwrap();
    let (start, signature) = own.rsplit_once(' ').unwrap();
    let mut bytes = STANDARD.decode(signature).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let false_line = format!("{start} {}\n", STANDARD.encode(&bytes));
    let strange = SignerKey::of_kind("stranger", &[9; 32], KeyKind::Cosigner).cosignature_line("x\n", TIME);
    let request = format!("old 3\n\n{}{false_line}{}", log.note(3), strange.repeat(100));
    witness.add_checkpoint(&request, TIME + 1).unwrap();
    let kept = witness.latest(&name_of(ORIGIN)).unwrap();
    assert_eq!(kept.matches("\u{2014} ").count(), 2, "the log's and its own: {kept}");
    drop(witness);
    assert!(place.open().is_ok(), "what it kept binds it still");
}

#[test]
fn two_witnesses_do_not_share_a_directory() {
    let place = Place::new();
    let first = place.open().unwrap();
    assert!(place.open().is_err());
    drop(first);
    assert!(place.open().is_ok());
}
