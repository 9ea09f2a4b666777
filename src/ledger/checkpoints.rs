//! Checkpoints: the ledger's signature under its whole history, renewed while the log grows.
//!
//! **Promise.** Of one size never two roots are signed, and never a smaller tree than before. A checkpoint is on disk before it
//! leaves the program; at a start it is compared with the log, and where the log is shorter or another one, nothing is signed
//! and nothing is posted any more. The same goes for a log that ends before its own copies. (A log whose whole directory was replaced can only be found by whoever is outside.)

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::log_keys::{LogKeyFiles, LogSigner};
use crate::domain::log_key::{LogKey, LogKeys};
use crate::format::checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, split_note};
use crate::format::tree::{Edge, TreeHash};
use crate::log::Fault;
use crate::log::entries::EntryFiles;
use crate::log::files::{read_at_most, write_durably};
use crate::log::tree::TreeFiles;

/// Name of the file of the latest checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// Name of the file of the latest checkpoint that enough witnesses cosigned.
pub const WITNESSED_FILE: &str = "checkpoint.witnessed";

/// How often what is wrong with signing is said while it lasts.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// A checkpoint that was signed and is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// The latest checkpoint in a directory; `None` where none was ever signed. Damage is an error: what was signed is then not
/// known, and another root might be signed at the same size.
pub fn latest(directory: &Path, signers: &[LogSigner]) -> Result<Option<Signed>, Fault> {
    let path = directory.join(CHECKPOINT_FILE);
    let damaged = |cause: &str| Fault::new(format!("reading {}", path.display()), cause);
    let note = match read_at_most(&path, CHECKPOINT_BYTES_MAX) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(&error.to_string())),
    };
    let (text, signatures) = split_note(&note).ok_or_else(|| damaged("it is no signed note"))?;
    let checkpoint = Checkpoint::parse(text).ok_or_else(|| damaged("it is no checkpoint"))?;
    // Ed25519 signs the same text with the same bytes each time.
    let mut lines = signers.iter().map(|signer| signer.key.note_line(text));
    if !lines.any(|line| signatures.split_inclusive('\n').any(|other| other == line)) {
        return Err(damaged("it does not carry this ledger's signature"));
    }
    Ok(Some(Signed { checkpoint, note }))
}

/// Signs checkpoints.
pub struct Checkpoints {
    directory: PathBuf,
    origin: String,
    keys: LogKeyFiles,
    signers: Mutex<Signers>,
    tree: Arc<TreeFiles>,
    entries: Arc<EntryFiles>,
    latest: watch::Sender<Option<Arc<Signed>>>,
    witnessed: watch::Sender<Option<Arc<Signed>>>,
    /// Why nothing is signed.
    refused: OnceLock<String>,
    /// Whether witnesses are asked.
    has_witnesses: AtomicBool,
    signing: Mutex<()>,
    /// That the second copy is not whole.
    warned: Warned,
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Checkpoints {
    /// Checkpoints of a log, whose tree was opened with what [`latest`] gave.
    pub fn new(
        directory: &Path,
        origin: &str,
        keys: LogKeyFiles,
        (tree, entries): (Arc<TreeFiles>, Arc<EntryFiles>),
        latest: Result<Option<Signed>, Fault>,
    ) -> Self {
        let (latest, refused) = match latest {
            Ok(latest) => {
                let refused = latest.as_ref().and_then(|latest| objection(&latest.checkpoint, origin, &tree));
                (latest, refused.or_else(|| ends_before_copies(&tree, &entries)))
            }
            Err(fault) => (None, Some(format!("what was signed last is not known: {fault}"))),
        };
        Self {
            directory: directory.to_owned(),
            origin: origin.to_owned(),
            keys,
            signers: Mutex::default(),
            tree,
            entries,
            latest: watch::Sender::new(latest.map(Arc::new)),
            witnessed: watch::Sender::new(None),
            refused: refused.map(OnceLock::from).unwrap_or_default(),
            has_witnesses: AtomicBool::new(false),
            signing: Mutex::new(()),
            warned: Warned::default(),
        }
    }

    /// Why nothing is signed, if so.
    pub fn refused(&self) -> Option<&str> {
        self.refused.get().map(String::as_str)
    }

    /// Signs nothing from here on; the first reason stays.
    pub fn refuse(&self, why: &str) {
        if self.refused.set(why.to_owned()).is_ok() {
            tracing::error!(reason = why, "nothing is signed any more");
        }
    }

    /// Whether witnesses are asked to cosign.
    pub fn has_witnesses(&self) -> bool {
        self.has_witnesses.load(Ordering::Relaxed)
    }

    /// From here on witnesses are asked to cosign.
    pub fn expect_witnesses(&self) {
        self.has_witnesses.store(true, Ordering::Relaxed);
    }

    /// The latest checkpoint that enough witnesses cosigned, with their lines; since the start of the program.
    pub fn witnessed(&self) -> Option<Arc<Signed>> {
        self.witnessed.borrow().clone()
    }

    /// Follows the latest checkpoint that enough witnesses cosigned.
    pub fn subscribe_witnessed(&self) -> watch::Receiver<Option<Arc<Signed>>> {
        self.witnessed.subscribe()
    }

    /// The checkpoint with cosignatures that was kept, if this log fits it; whose they are is for the caller to see.
    pub fn kept_witnessed(&self) -> Option<Signed> {
        let note = read_at_most(&self.directory.join(WITNESSED_FILE), CHECKPOINT_BYTES_MAX).ok()?;
        let checkpoint = Checkpoint::parse(split_note(&note)?.0)?;
        objection(&checkpoint, &self.origin, &self.tree).is_none().then_some(Signed { checkpoint, note })
    }

    /// Goes on from a checkpoint that enough witnesses cosigned before.
    pub fn resume_witnessed(&self, witnessed: Signed) {
        self.witnessed.send_replace(Some(Arc::new(witnessed)));
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Keeps a checkpoint that enough witnesses cosigned.
    pub fn keep_witnessed(&self, witnessed: Signed) -> Result<(), Fault> {
        write_durably(&self.directory, WITNESSED_FILE, witnessed.note.as_bytes())?;
        self.witnessed.send_replace(Some(Arc::new(witnessed)));
        Ok(())
    }

    /// Takes in what the log says of its keys: those that sign are read, where that has changed.
    pub fn follow(&self, keys: LogKeys) -> Result<(), Fault> {
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        // A key that is missing may be put back.
        if signers.is_read && signers.keys == keys && signers.missing.is_empty() {
            return Ok(());
        }
        let all = self.keys.read()?;
        let (signing, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|signer| signer.signs(&keys));
        let missing = self.keys.missing(&signing, &keys);
        if missing != signers.missing {
            signers.warned.reset();
        }
        *signers =
            Signers { is_read: true, keys, signing, others, missing, warned: std::mem::take(&mut signers.warned) };
        signers.say_missing();
        Ok(())
    }

    /// The public key that checkpoints are verified with, as text: of several the latest; empty where none signs.
    pub fn verifier_key(&self) -> String {
        let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        signers.signing.last().map(|signer| signer.public().to_string()).unwrap_or_default()
    }

    /// Whether the private half of a key is in the directory.
    pub fn has_private(&self, key: &LogKey) -> bool {
        self.keys.read().is_ok_and(|signers| signers.iter().any(|signer| signer.public() == *key))
    }

    /// Whether another key than this one has signed the latest checkpoint, and goes on signing.
    pub fn others_have_signed(&self, key: &LogKey) -> bool {
        let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = self.latest() else { return false };
        let Some((text, lines)) = split_note(&latest.note) else { return false };
        let has_signed = |signer: &LogSigner| {
            let line = signer.key.note_line(text);
            lines.split_inclusive('\n').any(|other| other == line)
        };
        signers.signing.iter().any(|signer| signer.public() != *key && has_signed(signer))
    }

    /// All public keys that this log signs or has signed with, as text.
    pub fn verifier_keys(&self) -> Vec<String> {
        let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        let here = signers.signing.iter().chain(&signers.others).map(|signer| signer.public().to_string());
        here.chain(self.keys.retired()).collect()
    }

    /// The latest checkpoint.
    pub fn latest(&self) -> Option<Arc<Signed>> {
        self.latest.borrow().clone()
    }

    /// Follows the latest checkpoint.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Signed>>> {
        self.latest.subscribe()
    }

    /// Signs the log as it stands, if it has grown. Blocks.
    pub fn sign(&self) -> Result<(), Fault> {
        if self.refused().is_some() || self.tree.is_given_up() {
            return Ok(());
        }
        let _one_at_a_time = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        let edge = self.tree.edge();
        let signed_size = self.latest.borrow().as_ref().map_or(0, |latest| latest.checkpoint.size);
        if edge.size() <= signed_size {
            return Ok(());
        }
        // The second copy of the log is whole up to what is signed.
        let is_whole = u64::try_from(self.entries.next()).is_ok_and(|next| next >= edge.size());
        if self.entries.is_given_up() || !is_whole {
            if self.warned.is_due() {
                let directory = self.directory.display();
                tracing::error!(%directory, "nothing is signed: the copy of the log in entries/ is not whole; see to it and restart");
            }
            return Ok(());
        }
        self.entries.sync()?;
        self.tree.sync()?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: edge.size(), root: edge.root() };
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        if signers.signing.is_empty() {
            return Err(Fault::new("signing a checkpoint", "the private key of none of the log's keys is here"));
        }
        signers.say_missing();
        let note = checkpoint.signed(signers.signing.iter().map(|signer| &signer.key));
        // Before it leaves: after a crash there must be no second opinion about this size.
        write_durably(&self.directory, CHECKPOINT_FILE, note.as_bytes())?;
        signers.destroy_retired(checkpoint.size)?;
        self.latest.send_replace(Some(Arc::new(Signed { checkpoint, note })));
        Ok(())
    }
}

/// The keys at hand.
#[derive(Debug, Default)]
struct Signers {
    is_read: bool,
    keys: LogKeys,
    signing: Vec<LogSigner>,
    others: Vec<LogSigner>,
    /// Those that should sign and are not here.
    missing: Vec<String>,
    /// That some are missing.
    warned: Warned,
}

/// What is said again and again while it lasts, but not with every checkpoint.
#[derive(Debug, Default)]
struct Warned(Mutex<Option<Instant>>);

impl Warned {
    /// Whether it is to be said now; if so it counts as said.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= SAID_EVERY);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Signers {
    fn say_missing(&self) {
        if !self.missing.is_empty() && self.warned.is_due() {
            let keys = self.missing.join(", ");
            tracing::error!(%keys, "keys that sign by what the log says are not in keys/: checkpoints go without their signatures");
        }
    }

    /// Destroys the private keys that were retired, once a checkpoint covers that event: before it the event could be lost.
    fn destroy_retired(&mut self, size: u64) -> Result<(), Fault> {
        if u64::try_from(self.keys.changed().0).is_ok_and(|changed| changed >= size) {
            return Ok(());
        }
        while let Some(at) = self.others.iter().position(|signer| self.keys.is_retired(&signer.public())) {
            self.others.remove(at).destroy()?;
        }
        Ok(())
    }
}

/// What the copies know that the log does not have.
fn ends_before_copies(tree: &TreeFiles, entries: &EntryFiles) -> Option<String> {
    let in_tree =
        || tree.beyond().and_then(|size| i64::try_from(size).ok()).map(|size| ("tree/", size.saturating_sub(1)));
    let (copy, beyond) = entries.beyond().map(|last| ("entries/", last)).or_else(in_tree)?;
    Some(format!(
        "{copy} goes on to sequence {beyond}, and the last entry of the log is {}: acknowledged events are missing",
        last_of(tree)
    ))
}

/// The last sequence in a tree, in words.
fn last_of(tree: &TreeFiles) -> String {
    tree.size().checked_sub(1).map_or_else(|| "none".to_owned(), |last| last.to_string())
}

/// What speaks against going on from a checkpoint with this tree.
pub(super) fn objection(latest: &Checkpoint, origin: &str, tree: &TreeFiles) -> Option<String> {
    let Checkpoint { origin: signed_origin, size, root } = latest;
    if signed_origin != origin {
        return Some(format!("the last checkpoint was signed for {signed_origin}, this is {origin}"));
    }
    if *size > tree.size() {
        let last = last_of(tree);
        return Some(format!(
            "a checkpoint over {size} entries was signed, and the last entry of the log is {last}: acknowledged events are missing"
        ));
    }
    let found: Option<TreeHash> = Edge::read(tree, *size).ok().map(|edge| edge.root());
    (found != Some(*root)).then(|| {
        format!("the first {size} entries of the log are not those that a checkpoint was signed for: it was changed")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::format::block::BlockBuilder;
    use crate::format::record::Head;
    use crate::log::Log;
    use crate::log::memory::MemoryLog;

    const ORIGIN: &str = "ledger.example.org/funds";

    struct Place(tempfile::TempDir);

    impl Place {
        fn checkpoints(&self, events: &[u8]) -> Checkpoints {
            let mut builder = BlockBuilder::new(Head::EMPTY);
            for event in events {
                builder.push(|buffer| buffer.push(*event)).unwrap();
            }
            let mut log = MemoryLog::default();
            log.append(Head::EMPTY, &builder.take()).unwrap();
            let (reader, committed) = (log.reader(), log.head().sequence);
            let path = self.0.path();
            let keys = self.keys();
            let latest = latest(path, &keys.read().unwrap());
            let trusted = latest.as_ref().ok().and_then(Option::as_ref).map(|latest| &latest.checkpoint);
            let trusted = trusted.map(|trusted| (trusted.size, trusted.root));
            let entries = EntryFiles::open(&path.join("entries"), reader.as_ref(), committed).unwrap();
            let tree = TreeFiles::open(&path.join("tree"), reader.as_ref(), committed, trusted).unwrap();
            let checkpoints = Checkpoints::new(path, ORIGIN, keys, (Arc::new(tree), Arc::new(entries)), latest);
            checkpoints.follow(LogKeys::default()).unwrap();
            checkpoints
        }

        fn keys(&self) -> LogKeyFiles {
            let path = self.0.path().join("keys");
            fs::create_dir_all(&path).unwrap();
            let keys = LogKeyFiles::new(&path, ORIGIN);
            if keys.read().unwrap().is_empty() {
                keys.add().unwrap();
            }
            keys
        }

        fn file(&self) -> String {
            fs::read_to_string(self.0.path().join(CHECKPOINT_FILE)).unwrap()
        }
    }

    /// A log that grew is signed again; one that is shorter, or was changed, is not.
    #[test]
    fn only_a_log_that_grew_is_signed_again() {
        let place = Place(tempfile::tempdir().unwrap());
        let first = place.checkpoints(b"abc");
        assert_eq!((first.refused(), first.latest()), (None, None));
        first.sign().unwrap();
        let signed = first.latest().unwrap();
        assert_eq!((signed.checkpoint.size, signed.note.as_str()), (3, place.file().as_str()));
        let grown = place.checkpoints(b"abcd");
        assert_eq!(grown.latest().as_deref(), Some(&*signed));
        grown.sign().unwrap();
        let signed = grown.latest().unwrap();
        assert_eq!(signed.checkpoint.size, 4);
        for (events, why) in [(&b"abc"[..], "missing"), (b"abcx", "changed"), (b"xbcdefgh", "changed")] {
            let refused = place.checkpoints(events);
            assert!(refused.refused().is_some_and(|said| said.contains(why)), "{:?}", refused.refused());
            refused.sign().unwrap();
            assert_eq!(place.file(), signed.note);
        }
        assert_eq!(place.checkpoints(b"abcdefgh").refused(), None);
    }

    /// The copy that a lost log is built from is whole below what is signed, or nothing is signed.
    #[test]
    fn nothing_is_signed_without_the_second_copy() {
        let place = Place(tempfile::tempdir().unwrap());
        let entries = place.0.path().join("entries");
        fs::write(&entries, "in the way").unwrap();
        let without = place.checkpoints(b"abc");
        without.sign().unwrap();
        assert_eq!((without.refused(), without.latest()), (None, None));
        fs::remove_file(&entries).unwrap();
        let with = place.checkpoints(b"abc");
        with.sign().unwrap();
        assert!(with.latest().is_some());
    }

    /// Whatever byte of the file is damaged: nothing is signed.
    #[test]
    fn a_damaged_checkpoint_is_never_passed_over() {
        let place = Place(tempfile::tempdir().unwrap());
        place.checkpoints(b"abc").sign().unwrap();
        let note = place.file().into_bytes();
        let path = place.0.path().join(CHECKPOINT_FILE);
        let key = place.keys().read().unwrap();
        assert!(latest(place.0.path(), &key).is_ok_and(|latest| latest.is_some()));
        for at in 0..note.len() {
            let mut damaged = note.clone();
            *damaged.get_mut(at).unwrap() ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(latest(place.0.path(), &key).is_err(), "byte {at}");
        }
        for length in 0..note.len() {
            fs::write(&path, note.get(..length).unwrap()).unwrap();
            assert!(latest(place.0.path(), &key).is_err(), "cut at {length}");
        }
        fs::write(&path, vec![b'a'; CHECKPOINT_BYTES_MAX + 1]).unwrap();
        let refused = place.checkpoints(b"abcd");
        assert!(refused.refused().is_some_and(|why| why.contains("too long")), "{:?}", refused.refused());
    }
}
