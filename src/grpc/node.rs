//! A node: the ledger with the views that answer its queries, kept up with what is committed.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::event::Event;
use crate::format::codec;
use crate::format::keyed::KeyedDigest;
use crate::format::record::split_entry;
use crate::ledger::clock::Clock;
use crate::ledger::directory::DataDirectory;
use crate::ledger::snapshot_files::SnapshotFiles;
use crate::ledger::{Committed, Ledger, OpenError};
use crate::log::{Fault, LogRead, blocks_between};
use crate::projection::{self, Views};

/// Groups committed and not yet folded; a full channel slows the committer down, so that the views never fall far behind.
const GROUPS_BEHIND_MAX: usize = 16;
/// Blocks folded while readers wait: about 250 payments, some hundred microseconds.
const BLOCKS_A_FOLD: usize = 8;
/// Longest a query waits for its `min_sequence`.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A ledger with its views.
pub struct Node {
    ledger: Ledger,
    views: Arc<Shared>,
    pseudonyms: KeyedDigest,
    snapshots: SnapshotFiles,
    folding: Mutex<Option<JoinHandle<()>>>,
    // Keeps the directory locked.
    _directory: DataDirectory,
}

struct Shared {
    views: RwLock<Views>,
    position: watch::Sender<i64>,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Views> {
        self.views.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn fold(&self, committed: &Committed) {
        let mut events = committed.events.iter();
        for blocks in committed.blocks.chunks(BLOCKS_A_FOLD) {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            for block in blocks {
                let count = block.head.sequence.saturating_sub(block.first_sequence).saturating_add(1);
                let count = usize::try_from(count).unwrap_or_default();
                views.apply(block.first_sequence, block.head, events.by_ref().take(count));
            }
            let position = views.position.sequence;
            drop(views);
            self.position.send_replace(position);
        }
    }
}

impl Node {
    /// Opens the ledger in a directory and brings the views up to its head.
    pub fn open(path: &Path, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let directory = DataDirectory::open(path)?;
        Self::start(directory, clock)
    }

    /// Opens the ledger of a directory that is open already.
    pub fn start(directory: DataDirectory, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let (sender, receiver): (SyncSender<Committed>, Receiver<Committed>) = sync_channel(GROUPS_BEHIND_MAX);
        let sink = Box::new(move |committed| {
            // The folding thread only ends after the committer, so nobody is left without a receiver.
            drop(sender.send(committed));
        });
        let ledger = Ledger::open(&directory, clock, sink)?;
        let snapshots = SnapshotFiles::new(directory.projections(), projection::LAYOUT);
        let views = caught_up(&ledger, &snapshots)?;
        let position = watch::Sender::new(views.position.sequence);
        let views = Arc::new(Shared { views: RwLock::new(views), position });
        let folded = Arc::clone(&views);
        let folding = std::thread::Builder::new()
            .name("projections".to_owned())
            .spawn(move || receiver.iter().for_each(|committed| folded.fold(&committed)))
            .map_err(|error| Fault::new("starting a thread", error))?;
        let pseudonyms = directory.pseudonyms();
        let folding = Mutex::new(Some(folding));
        Ok(Self { ledger, views, pseudonyms, snapshots, folding, _directory: directory })
    }

    /// The ledger.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Pseudonyms of payees.
    pub const fn pseudonyms(&self) -> &KeyedDigest {
        &self.pseudonyms
    }

    /// The views, held still for as long as the guard lives: keep it short.
    pub fn views(&self) -> RwLockReadGuard<'_, Views> {
        self.views.read()
    }

    /// Sequence the views are as of.
    pub fn position(&self) -> i64 {
        *self.views.position.borrow()
    }

    /// Follows the sequence the views are as of.
    pub(super) fn subscribe_position(&self) -> watch::Receiver<i64> {
        self.views.position.subscribe()
    }

    /// Waits until the views have reached a sequence; false if they have not within the longest wait.
    pub async fn reached(&self, sequence: i64) -> bool {
        let mut position = self.views.position.subscribe();
        let reached = tokio::time::timeout(WAIT_MAX, position.wait_for(|position| *position >= sequence)).await;
        matches!(reached, Ok(Ok(_)))
    }

    /// Finishes what was taken and writes snapshots. Blocks.
    pub fn close(&self) -> Result<(), Fault> {
        self.ledger.close()?;
        // The committer has ended and with it the sender, so the folding thread ends too.
        let folding = self.folding.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_panic)) = folding.map(JoinHandle::join) {
            return Err(Fault::new("closing the views", "their thread had panicked"));
        }
        let views = self.views.read();
        self.snapshots.write(views.position, &views.encode())
    }
}

/// The views at the ledger's head: from their newest snapshot that fits the log, or from the beginning.
fn caught_up(ledger: &Ledger, snapshots: &SnapshotFiles) -> Result<Views, Fault> {
    let log = ledger.log();
    let mut views = Views::default();
    if let Some((head, bytes)) = snapshots.newest() {
        let fits = log.block_at(head.sequence)?.is_some_and(|block| block.head == head);
        let decoded = fits.then(|| Views::decode(head, &bytes).ok()).flatten();
        if let Some(decoded) = decoded {
            views = decoded;
        } else {
            tracing::warn!("a snapshot of the views does not fit; building them from the log");
        }
    }
    fold_from_log(log.as_ref(), &mut views, ledger.committed().sequence)?;
    Ok(views)
}

/// Folds the log after the views' position, up to a sequence.
pub fn fold_from_log(log: &dyn LogRead, views: &mut Views, last_sequence: i64) -> Result<(), Fault> {
    for block in blocks_between(log, views.position.next_sequence(), last_sequence) {
        let block = block?;
        let mut events: Vec<Event> = Vec::new();
        for entry in block.entries() {
            let (_, bytes) = split_entry(entry).unwrap_or_default();
            let event = codec::decode(bytes).map_err(|error| Fault::new("folding the log into views", error))?;
            events.push(event);
        }
        views.apply(block.first_sequence, block.head, events.iter());
    }
    Ok(())
}
