//! Evidence for the auditor: read without ever opening the original for writing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use tempfile::TempDir;

use super::connect::Connection;
use super::tiles::TileTree;
use super::{Failure, Globals, is_url};
use crate::audit::kept::{KeptEntries, KeptTree};
use crate::audit::note::{Checkpoint, NOTE_BYTES_MAX, Note};
use crate::audit::tiles::Compared;
use crate::audit::tree::Tree;
use crate::audit::{self, Anchors, Evidence, KeyValue, Options, Unreadable, read_bundle};
use crate::ledger::checkpoints::{CHECKPOINT_FILE, WITNESSED_FILE};
use crate::ledger::directory::{entries_path, identify, is_served, lock_for_reading, log_path, tree_path};
use crate::log::files::read_at_most;
use crate::log::sled::SledLog;
use crate::log::{Fault, Log, LogRead};
use crate::messages::cli as text;
use crate::pb::v1;

/// Messages of a running server that wait for the verifier.
const MESSAGES_WAITING_MAX: usize = 4;

/// A private copy of a stopped ledger's log. The store's own open writes, so it is never let near the original.
pub struct PrivateCopy {
    /// The checkpoints that lie beside the log, by file: the last one, and the last one that witnesses cosigned.
    pub checkpoints: Vec<(&'static str, String)>,
    /// The tree beside the log, as far as the last checkpoint covers.
    pub tree: Option<Compared>,
    store: StoreCopy,
}

impl PrivateCopy {
    /// Copies the log of a stopped ledger. A running one is refused: its URL is the way to it.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        identify(path)?;
        let _lock = lock_for_reading(path)?;
        let checkpoints = checkpoints(path)?;
        let tree = tree(path, size_of(&checkpoints))?;
        let store = StoreCopy::take(&log_path(path))??;
        Ok(Self { checkpoints, tree, store })
    }

    /// The log, for reading.
    pub fn reader(&self) -> &dyn LogRead {
        self.store.reader.as_ref()
    }

    /// The stored values, as they are.
    pub fn values(&self) -> impl Iterator<Item = Result<KeyValue, Unreadable>> + Send + '_ {
        self.store.values()
    }
}

/// A private copy of a store that nobody writes to.
pub struct StoreCopy {
    reader: Arc<dyn LogRead>,
    // Dropped last: the store closes before its files go.
    _directory: TempDir,
}

impl StoreCopy {
    /// Copies a store; the inner fault is the copy's, which does not open.
    pub fn take(log: &Path) -> Result<Result<Self, Fault>, Failure> {
        let failed = |error: std::io::Error| Failure::about(log.display(), error);
        let directory = tempfile::Builder::new().prefix("fundledger-verify-").tempdir().map_err(failed)?;
        copy_tree(log, directory.path()).map_err(failed)?;
        Ok(SledLog::open(directory.path()).map(|log| Self { reader: log.reader(), _directory: directory }))
    }

    /// The log, for reading.
    pub fn reader(&self) -> &dyn LogRead {
        self.reader.as_ref()
    }

    /// The stored values, as they are.
    pub fn values(&self) -> impl Iterator<Item = Result<KeyValue, Unreadable>> + Send + '_ {
        self.reader.values_from(&[]).map(|item| item.map_err(|fault| Unreadable(fault.to_string())))
    }
}

/// The checkpoints in a data directory. The one with cosignatures is read first: the ledger signs before it asks witnesses,
/// so that the other one covers no less.
fn checkpoints(path: &Path) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut found = Vec::new();
    for name in [WITNESSED_FILE, CHECKPOINT_FILE] {
        let file = path.join(name);
        match read_at_most(&file, NOTE_BYTES_MAX) {
            Ok(checkpoint) => found.push((name, checkpoint)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::about(file.display(), error)),
        }
    }
    found.reverse();
    Ok(found)
}

/// How many entries the last checkpoint covers, as it says itself.
fn size_of(checkpoints: &[(&'static str, String)]) -> Option<u64> {
    let (_, note) = checkpoints.iter().find(|(name, _)| *name == CHECKPOINT_FILE)?;
    Some(Note::parse(note).and_then(|note| Checkpoint::parse(note.text())).ok()?.size)
}

/// The tree in a data directory, as far as a checkpoint covers. It is derived: where it is missing there is nothing to compare.
fn tree(path: &Path, size: Option<u64>) -> Result<Option<Compared>, Failure> {
    let Some(size) = size else { return Ok(None) };
    let tree = KeptTree::find(&tree_path(path)).map_err(|error| Failure::Unavailable(error.to_string()))?;
    Ok(tree.map(|tree| Compared { source: Arc::new(tree), size }))
}

/// The copies beside the log of a running ledger: read without its lock, and without writing.
pub struct Copies {
    /// The checkpoints, as they were at the start.
    pub checkpoints: Vec<String>,
    /// How many entries the last one covers.
    pub size: u64,
    /// The tree, as far as it covers.
    pub tree: Option<Compared>,
    entries: KeptEntries,
}

impl Copies {
    /// The copies in a data directory; `None` where there is no checkpoint or no copy that it covers.
    pub fn find(path: &Path) -> Result<Option<Self>, Failure> {
        let checkpoints = checkpoints(path)?;
        let Some((size, entries)) = size_of(&checkpoints).zip(Self::entries(path)) else {
            return Ok(None);
        };
        let tree = tree(path, Some(size))?;
        let checkpoints = checkpoints.into_iter().map(|(_, note)| note).collect();
        Ok(Some(Self { checkpoints, size, tree, entries }))
    }

    /// The checkpoints in a data directory.
    pub fn checkpoints(path: &Path) -> Result<Vec<String>, Failure> {
        Ok(checkpoints(path)?.into_iter().map(|(_, note)| note).collect())
    }

    /// The copy of the entries in a data directory, whatever covers it.
    pub fn entries(path: &Path) -> Option<KeptEntries> {
        KeptEntries::find(&entries_path(path))
    }

    /// The entries from one on, as far as the checkpoint covers.
    pub fn covered(&self, first: u64) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send + use<> {
        self.entries.covered(first, self.size)
    }
}

/// Looks at a whole log, wherever it is, under the checkpoints that lie beside it, which are given back.
pub fn examined<T>(
    globals: &Globals,
    source: &str,
    anchors: Anchors,
    look: impl FnOnce(Evidence<'_>, &Options) -> T,
) -> Result<(T, Vec<String>), Failure> {
    let options = |served: &[String]| {
        let anchors = Anchors { served: served.to_vec(), ..anchors };
        Options { anchors, ..Options::default() }
    };
    let path = Path::new(source);
    let tree = if is_url(source) { TileTree::fetch(source) } else { TileTree::open(path)? };
    if let Some(tree) = tree {
        let notes = vec![tree.note.clone()];
        let options = Options { tiles: Some(tree.compared()), ..options(&notes) };
        return Ok((look(Evidence::Entries(Box::new(tree.tiles.entries(0))), &options), notes));
    }
    if is_url(source) {
        let served = Served::start(globals, source, 0)?;
        let notes = served.checkpoints.clone();
        let options = Options { claimed_head: Some(served.claimed_head), ..options(&notes) };
        return Ok((look(Evidence::Entries(Box::new(served.entries())), &options), notes));
    }
    if path.is_file() {
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        let notes = bundle.checkpoints();
        return Ok((look(Evidence::Bundle(Box::new(bundle)), &options(&notes)), notes));
    }
    identify(path)?;
    if let Some(copies) = if is_served(path)? { Copies::find(path)? } else { None } {
        let notes = copies.checkpoints.clone();
        let options = Options { tiles: copies.tree.clone(), is_copy: true, ..options(&notes) };
        return Ok((look(Evidence::Entries(Box::new(copies.covered(0))), &options), notes));
    }
    let copy = PrivateCopy::take(path)?;
    let notes: Vec<String> = copy.checkpoints.iter().map(|(_, note)| note.clone()).collect();
    let options = Options { tiles: copy.tree.clone(), ..options(&notes) };
    Ok((look(Evidence::Blocks(Box::new(copy.values())), &options), notes))
}

/// Copies files and directories. What is neither has no place in a store, and may lead elsewhere or have no end.
pub(super) fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        } else {
            let why = format!("{} is no regular file", entry.path().display());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(())
}

/// Entries of a running server, with the head that it claims.
pub struct Served {
    /// Sequence and hash of the head, as the server says.
    pub claimed_head: (i64, [u8; 32]),
    /// The checkpoints that the server stands by.
    pub checkpoints: Vec<String>,
    /// The edge of the tree before the first entry that was asked for, where the server has signed beyond it.
    pub edge: Option<Tree>,
    first: Vec<Vec<u8>>,
    rest: Receiver<Result<Vec<Vec<u8>>, Unreadable>>,
}

impl Served {
    /// Starts reading the entries from one on from a server.
    pub fn start(globals: &Globals, url: &str, from: i64) -> Result<Self, Failure> {
        let (mut globals, lang) = (globals.clone(), globals.lang);
        globals.server = Some(url.to_owned());
        let (sender, rest) = sync_channel(MESSAGES_WAITING_MAX);
        let (head_sender, head) = sync_channel(1);
        std::thread::spawn(move || {
            let read = super::connect::with(&globals, async |connection| {
                // First, so that the log read after it covers it.
                let checkpoints = latest(connection).await;
                let edge = if from > 0 { edge_before(connection, from).await } else { None };
                let mut stream = open(connection, from).await?;
                let first = stream.message().await.map_err(|status| connection.failure(&status))?;
                let first = first.map(|first| (first, checkpoints, edge));
                // Nobody listening any more ends the reading.
                if head_sender.send(Ok(first)).is_err() {
                    return Ok(());
                }
                loop {
                    let item = match stream.message().await {
                        Ok(None) => return Ok(()),
                        Ok(Some(message)) => Ok(owned(message)),
                        Err(status) => Err(Unreadable(connection.explain(&status).message)),
                    };
                    let is_last = item.is_err();
                    if sender.send(item).is_err() || is_last {
                        return Ok(());
                    }
                }
            });
            if let Err(failure) = read {
                drop(head_sender.send(Err(failure)));
            }
        });
        let gone = |_| Failure::Unavailable(text::server_gone(lang));
        let message = head.recv().map_err(gone)??;
        let (message, checkpoints, edge) =
            message.ok_or_else(|| Failure::Unavailable(text::verify_no_entries(lang)))?;
        let position = message.head.clone().unwrap_or_default();
        let hash = <[u8; 32]>::try_from(position.entry_hash.as_ref())
            .map_err(|_| Failure::Unavailable(text::verify_no_hash(lang)))?;
        Ok(Self { claimed_head: (position.sequence, hash), checkpoints, edge, first: owned(message), rest })
    }

    /// The entries, in order.
    pub fn entries(self) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send {
        let first = self.first.into_iter().map(Ok);
        first.chain(self.rest.into_iter().flat_map(|item| match item {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(unreadable) => vec![Err(unreadable)],
        }))
    }
}

/// What the server has signed; nothing, where it signs nothing or knows nothing of it.
async fn latest(connection: &Connection) -> Vec<String> {
    let mut notes = Vec::new();
    for witnessed in [false, true] {
        let request = connection.request(v1::GetCheckpointRequest { min_sequence: None, witnessed });
        if let Ok(answer) = connection.audit().get_checkpoint(request).await {
            notes.push(answer.into_inner().checkpoint);
        }
    }
    notes
}

/// The edge of the tree before an entry, from the proof of the entry; nothing, where none can be made.
async fn edge_before(connection: &Connection, sequence: i64) -> Option<Tree> {
    let request = connection.request(v1::GetInclusionProofRequest { sequence, witnessed: false });
    let proof = connection.audit().get_inclusion_proof(request).await.ok()?.into_inner();
    let size = Note::parse(&proof.checkpoint).and_then(|note| Checkpoint::parse(note.text())).ok()?.size;
    let hashes: Result<Vec<[u8; 32]>, _> = proof.hashes.iter().map(|hash| hash.as_ref().try_into()).collect();
    audit::tree::edge_before(u64::try_from(sequence).ok()?, size, &hashes.ok()?)
}

async fn open(connection: &Connection, from: i64) -> Result<tonic::Streaming<v1::ReadEntriesResponse>, Failure> {
    let request = v1::ReadEntriesRequest { start_sequence: from, end_sequence: None };
    let answer = connection.audit().read_entries(connection.request(request)).await;
    Ok(answer.map_err(|status| connection.failure(&status))?.into_inner())
}

fn owned(message: v1::ReadEntriesResponse) -> Vec<Vec<u8>> {
    message.entries.into_iter().map(Vec::from).collect()
}
