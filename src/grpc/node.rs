//! A node: the ledger with the views that answer its queries, kept up with what is committed.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use super::identity::Refused;
use super::releasing::WitnessAlarm;
use super::timekeeping::ClockSteps;
use crate::domain::event::Event;
use crate::domain::ids::Sequence;
use crate::domain::refusal::Reason;
use crate::format::block::Block;
use crate::format::codec;
use crate::format::keyed::KeyedDigest;
use crate::format::record::split_entry;
use crate::ledger::checkpoints::{self, Checkpoints, Signed};
use crate::ledger::clock::Clock;
use crate::ledger::directory::DataDirectory;
use crate::ledger::snapshot_files::{Found, SnapshotFiles};
use crate::ledger::{Committed, Ledger, OpenError, Outcome, Unavailable};
use crate::log::entries::{EntryFiles, WithEntries};
use crate::log::tree::TreeFiles;
use crate::log::{Fault, LogRead, blocks_between};
use crate::projection::events::Events;
use crate::projection::history::{self, History, Row, Sizes, Snapshot};
use crate::projection::{self, Views};
use crate::vault::Vault;

/// Groups committed and not yet folded; a full channel slows the committer down, so that the views never fall far behind.
const GROUPS_BEHIND_MAX: usize = 16;
/// Blocks folded while readers wait: about 250 payments, some hundred microseconds.
pub(crate) const BLOCKS_A_FOLD: usize = 8;
/// Events between snapshots of the views, so that a start after kill -9 folds few again.
const SNAPSHOT_EVENTS: i64 = 1_000_000;
/// Rows of the index gathered before they are added, where nobody waits for them.
const ROWS_A_STEP: usize = 64 * 1024;
/// Longest a query waits for its `min_sequence`.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A ledger with its views.
pub struct Node {
    ledger: Ledger,
    readable: Arc<dyn LogRead>,
    views: Arc<Shared>,
    pseudonyms: KeyedDigest,
    vault: Arc<Vault>,
    snapshots: SnapshotFiles,
    folding: Mutex<Option<JoinHandle<()>>>,
    checkpoints: Arc<Checkpoints>,
    signing: Mutex<Option<Signing>>,
    witness_alarm: WitnessAlarm,
    refused: Refused,
    clock_steps: ClockSteps,
    // Keeps the directory locked.
    directory: DataDirectory,
}

/// The thread that signs checkpoints, and what ends it.
struct Signing {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// How far what is derived has got: sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The last event that is on disk.
    pub committed_sequence: i64,
    /// The last event in the views.
    pub views_sequence: i64,
    /// The last event in the history index.
    pub index_sequence: i64,
    /// The last event in the index's files: where the index resumes after kill -9.
    pub index_stored_sequence: i64,
    /// The last event in the copy of the entries; a restart reads the log from there on.
    pub entries_sequence: i64,
    /// The last event under a signed checkpoint; -1 for none.
    pub signed_sequence: i64,
    /// The last event under a checkpoint that a quorum of witnesses cosigned; -1 for none.
    pub witnessed_sequence: i64,
}

struct Shared {
    views: RwLock<Views>,
    history: History,
    entries: Arc<EntryFiles>,
    tree: Arc<TreeFiles>,
    vault: Arc<Vault>,
    position: watch::Sender<i64>,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Views> {
        self.views.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn fold(&self, committed: &Committed, log: &dyn LogRead) {
        // Before the views show it: whoever reads a position there finds the vault at least as far.
        if let Some(first) = committed.blocks.first() {
            self.vault.follow(first.first_sequence, committed.events.iter());
        }
        let mut events = Events::new(log);
        let mut rest = committed.events.as_slice();
        for blocks in committed.blocks.chunks(BLOCKS_A_FOLD) {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            let mut rows = Vec::new();
            for block in blocks {
                let count = block.head.sequence.saturating_sub(block.first_sequence).saturating_add(1);
                let of_block = rest.split_off(..usize::try_from(count).unwrap_or_default()).unwrap_or_default();
                views.apply(block.first_sequence, block.head, of_block.iter());
                if let Err(fault) = collect_all(block.first_sequence, of_block, &views, &mut events, &mut rows) {
                    self.history.fail(fault);
                }
            }
            let head = views.position;
            // Before the views show it: whoever reads a position there finds the index at least as far.
            self.history.append(rows, head);
            drop(views);
            self.position.send_replace(head.sequence);
            self.history.tidy();
        }
        // Nobody waits for these: what is not in the copy is read from the log, and the tree is signed twice a second.
        self.entries.append(&committed.blocks);
        self.tree.append(&committed.blocks);
    }

    /// Folds until the committer has ended; writes a snapshot of the views now and then.
    fn fold_all(&self, receiver: &Receiver<Committed>, log: &dyn LogRead, snapshots: &SnapshotFiles) {
        let mut written = self.read().position.sequence;
        for committed in receiver {
            self.fold(&committed, log);
            let views = self.read();
            if views.position.sequence.saturating_sub(written) >= SNAPSHOT_EVENTS {
                written = views.position.sequence;
                let (head, bytes) = (views.position, views.encode());
                drop(views);
                snapshots.write_behind(head, bytes);
                // A failure is kept, and told to whoever needs the vault.
                drop(self.vault.set_followed(head.sequence));
            }
        }
    }
}

fn collect_all(
    first_sequence: i64,
    of_block: &[Event],
    views: &Views,
    events: &mut Events<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), Fault> {
    let mut sequence = Sequence(first_sequence);
    for event in of_block {
        history::collect(sequence, event, &views.books, events, rows)?;
        sequence = sequence.next();
    }
    Ok(())
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
        let log = ledger.log();
        let committed = ledger.committed().sequence;
        let history = History::open(&directory.index(), log.as_ref(), committed, Sizes::default())?;
        let views = caught_up(&ledger, &snapshots, &history)?;
        let entries = Arc::new(EntryFiles::open(&directory.entries(), log.as_ref(), committed)?);
        let latest = checkpoints::latest(directory.path(), directory.log_signers());
        let trusted = latest.as_ref().ok().and_then(Option::as_ref).map(|latest| &latest.checkpoint);
        let trusted = trusted.map(|trusted| (trusted.size, trusted.root));
        let tree = Arc::new(TreeFiles::open(&directory.tree(), log.as_ref(), committed, trusted)?);
        let copies = (Arc::clone(&tree), Arc::clone(&entries));
        let checkpoints = Checkpoints::new(directory.path(), ledger.origin(), directory.log_keys(), copies, latest);
        checkpoints.follow(ledger.log_keys())?;
        if let Some(why) = checkpoints.refused() {
            ledger.refuse_postings(why);
        }
        let checkpoints = Arc::new(checkpoints);
        let position = watch::Sender::new(views.position.sequence);
        let readable = Arc::new(WithEntries::new(Arc::clone(&log), Arc::clone(&entries)));
        let vault = Arc::new(Vault::open(&directory.vault(), directory.vault_key(), directory.accounts())?);
        follow_from_log(&vault, log.as_ref(), committed)?;
        let views =
            Arc::new(Shared { views: RwLock::new(views), history, entries, tree, vault: Arc::clone(&vault), position });
        let (folded, written) = (Arc::clone(&views), snapshots.clone());
        let folding = std::thread::Builder::new()
            .name("projections".to_owned())
            .spawn(move || folded.fold_all(&receiver, log.as_ref(), &written))
            .map_err(|error| Fault::new("starting a thread", error))?;
        let pseudonyms = directory.pseudonyms();
        let folding = Mutex::new(Some(folding));
        let signing = Mutex::new(None);
        Ok(Self {
            ledger,
            readable,
            views,
            pseudonyms,
            vault,
            snapshots,
            folding,
            checkpoints,
            signing,
            witness_alarm: WitnessAlarm::default(),
            refused: Refused::default(),
            clock_steps: ClockSteps::default(),
            directory,
        })
    }

    /// The ledger.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts the reasons that whoever posted is told.
    pub(super) fn count_told(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Refused { refusal, .. } => self.ledger.counts().told(refusal.reason),
                Outcome::KeyReused { .. } => self.ledger.counts().told(Reason::IdempotencyKeyReused),
                Outcome::Accepted(_) | Outcome::Valid => {}
            }
        }
    }

    /// Signs a checkpoint at this interval whenever the log has grown, until the node is closed.
    pub fn sign_every(&self, interval: Duration) -> Result<(), Fault> {
        let (stop, stopped) = sync_channel(1);
        let checkpoints = Arc::clone(&self.checkpoints);
        let log_keys = self.ledger.log_key_source();
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || {
                while matches!(stopped.recv_timeout(interval), Err(RecvTimeoutError::Timeout)) {
                    if let Err(fault) = checkpoints.follow(log_keys()).and_then(|()| checkpoints.sign()) {
                        tracing::error!(%fault, "no checkpoint could be signed; trying again");
                    }
                }
            })
            .map_err(|error| Fault::new("starting a thread", error))?;
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Signing { stop, thread });
        Ok(())
    }

    /// Checkpoints of the log.
    pub fn checkpoints(&self) -> Arc<Checkpoints> {
        Arc::clone(&self.checkpoints)
    }

    /// Whether witnesses keep payments waiting for too long.
    pub const fn witness_alarm(&self) -> &WitnessAlarm {
        &self.witness_alarm
    }

    /// How often the machine's clock was set.
    pub const fn clock_steps(&self) -> &ClockSteps {
        &self.clock_steps
    }

    /// What was refused on grounds of authority.
    pub const fn refused(&self) -> &Refused {
        &self.refused
    }

    /// The tree over the log.
    pub fn tree(&self) -> Arc<TreeFiles> {
        Arc::clone(&self.views.tree)
    }

    /// The copy of the log that is read one entry at a time.
    pub fn entries(&self) -> Arc<EntryFiles> {
        Arc::clone(&self.views.entries)
    }

    /// The log, for reading one entry here and another there.
    pub fn log(&self) -> Arc<dyn LogRead> {
        Arc::clone(&self.readable)
    }

    /// Pseudonyms of payees.
    pub const fn pseudonyms(&self) -> &KeyedDigest {
        &self.pseudonyms
    }

    /// Personal data. Its calls block.
    pub fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.vault)
    }

    /// Lets go of personal data that were staged for commands of which nothing came: the program ended in between. To be
    /// called before commands come in.
    pub async fn sweep_vault(&self) -> Result<(), SweepError> {
        let mut left = Vec::new();
        for (request_id, proposal) in self.vault.waiting()? {
            let waits_for = proposal.unwrap_or_else(|| request_id.clone());
            // What is on record was followed when the ledger was opened: what still waits for it came to nothing.
            let is_proposed =
                waits_for != request_id && matches!(self.ledger.find(waits_for).await?, Some(Outcome::Accepted(_)));
            if !is_proposed {
                left.push(request_id);
            }
        }
        self.vault.abandon(&left)?;
        Ok(())
    }

    /// The views, held still for as long as the guard lives: keep it short.
    pub fn views(&self) -> RwLockReadGuard<'_, Views> {
        self.views.read()
    }

    /// The history index, at least as far as the position of the views read before. It holds still, and holds nobody up.
    pub fn history(&self) -> Result<Snapshot, Fault> {
        self.views.history.snapshot()
    }

    /// How far what is derived has got.
    pub fn lag(&self) -> Lag {
        let history = &self.views.history;
        let covered = |signed: Option<Arc<Signed>>| {
            let size = signed.map_or(0, |signed| signed.checkpoint.size);
            i64::try_from(size).unwrap_or(i64::MAX).saturating_sub(1)
        };
        Lag {
            signed_sequence: covered(self.checkpoints.latest()),
            witnessed_sequence: covered(self.checkpoints.witnessed()),
            index_stored_sequence: history.stored_sequence(),
            entries_sequence: self.views.entries.next().saturating_sub(1),
            index_sequence: history.position().sequence,
            views_sequence: self.position(),
            committed_sequence: self.ledger.committed().sequence,
        }
    }

    /// Where it lies.
    pub(super) const fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// Files of the history index, and their bytes together.
    pub fn index_files(&self) -> (usize, u64) {
        self.views.history.files()
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

    /// Waits until the views have everything that was acknowledged: who was registered a moment ago is known.
    pub async fn caught_up(&self) {
        self.reached(self.ledger.committed().sequence).await;
    }

    /// Finishes what was taken and writes snapshots. Blocks.
    pub fn close(&self) -> Result<(), Fault> {
        self.ledger.close()?;
        // The committer has ended and with it the sender, so the folding thread ends too.
        let folding = self.folding.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_panic)) = folding.map(JoinHandle::join) {
            return Err(Fault::new("closing the views", "their thread had panicked"));
        }
        let signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Signing { stop, thread }) = signing {
            // It has ended already, or hears it: the channel holds one.
            stop.send(()).ok();
            thread.join().ok();
        }
        // What was posted last is signed too; whatever becomes of that, the snapshots are written.
        let signed = self.checkpoints.follow(self.ledger.log_keys()).and_then(|()| self.checkpoints.sign());
        self.views.history.close();
        self.vault.set_followed(self.ledger.committed().sequence)?;
        let views = self.views.read();
        self.snapshots.write(views.position, &views.encode())?;
        signed
    }
}

/// Personal data that waited for their commands could not be looked after.
#[derive(Debug, Error)]
pub enum SweepError {
    /// The vault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The ledger.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Brings the vault to the head of the log.
fn follow_from_log(vault: &Vault, log: &dyn LogRead, last_sequence: i64) -> Result<(), Fault> {
    if vault.followed()? > last_sequence {
        tracing::warn!(last_sequence, "the vault of personal data has followed a longer log than this one");
        vault.rewind(last_sequence)?;
    }
    for block in blocks_between(log, vault.followed()?.saturating_add(1), last_sequence) {
        let block = block?;
        vault.follow(block.first_sequence, decoded(&block)?.iter());
    }
    if vault.missing() > 0 {
        tracing::warn!(
            missing = vault.missing(),
            "the log commits to personal data that are not in the vault: was it lost?"
        );
    }
    vault.failure().map_or(Ok(()), Err)
}

fn decoded(block: &Block) -> Result<Vec<Event>, Fault> {
    let events = block.entries().map(|entry| {
        let (_, bytes) = split_entry(entry).unwrap_or_default();
        codec::decode(bytes).map_err(|error| Fault::new("folding the log into views", error))
    });
    events.collect()
}

/// The views at the ledger's head: from their newest snapshot that fits the log, or from the beginning. The history index is
/// brought there too.
fn caught_up(ledger: &Ledger, snapshots: &SnapshotFiles, history: &History) -> Result<Views, Fault> {
    let log = ledger.log();
    let mut views = Views::default();
    if let Some(Found { head, body }) = snapshots.newest() {
        let fits = log.block_at(head.sequence)?.is_some_and(|block| block.head == head);
        let decoded = fits.then(|| Views::decode(head, body.bytes()).ok()).flatten();
        if let Some(decoded) = decoded {
            views = decoded;
        } else {
            tracing::warn!("a snapshot of the views does not fit; building them from the log");
        }
    }
    fold_from_log(log.as_ref(), &mut views, history, ledger.committed().sequence)?;
    Ok(views)
}

/// Folds the log after the views' position and after the index's, up to a sequence.
pub fn fold_from_log(log: &dyn LogRead, views: &mut Views, history: &History, last_sequence: i64) -> Result<(), Fault> {
    let first_sequence = views.position.next_sequence().min(history.position().next_sequence());
    let mut events = Events::new(log);
    let mut rows = Vec::new();
    let mut head = history.position();
    for block in blocks_between(log, first_sequence, last_sequence) {
        let block = block?;
        let of_block = decoded(&block)?;
        if block.head.sequence > views.position.sequence {
            views.apply(block.first_sequence, block.head, of_block.iter());
        }
        if block.head.sequence > head.sequence {
            collect_all(block.first_sequence, &of_block, views, &mut events, &mut rows)?;
            head = block.head;
        }
        if rows.len() >= ROWS_A_STEP {
            history.append(std::mem::take(&mut rows), head);
            history.tidy();
        }
    }
    if head.sequence > history.position().sequence {
        history.append(rows, head);
        history.tidy();
    }
    Ok(())
}
