//! The ledger: commands in, durable receipts out.
//!
//! One writer thread decides, encodes and hashes; one committer thread stores a group of blocks, syncs once, and answers
//! everyone in the group. The sync in progress is the batching window: there is no timer. After a failed write or sync
//! nothing is ever acknowledged again until a restart has read the log anew.

pub mod bundle;
pub mod checkpoints;
mod chunk_files;
pub mod clock;
mod committer;
pub mod counts;
pub mod directory;
pub mod examine;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod idempotency;
mod key_check;
pub mod log_keys;
mod opening;
pub mod restore;
mod snapshot;
pub mod snapshot_files;
pub mod stages;
mod state_files;
pub mod steps;
mod submission;
mod writer;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc as threads};
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};

use self::clock::Clock;
use self::counts::{Counts, Meters};
use self::directory::DataDirectory;
pub use self::opening::{Genesis, OpenError, create};
use self::opening::{genesis, recovered};
use self::state_files::StateFiles;
pub use self::submission::{Answer, Outcome, Prepared, Receipt, Room, Unavailable, Waiting};
use self::submission::{Request, Shared, Submission, SubmissionKind, share};
use self::writer::Writer;
use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::ids::Sequence;
use crate::domain::log_key::LogKeys;
use crate::domain::release::Released;
use crate::domain::time::UtcNanos;
use crate::format::block::Block;
use crate::format::canonical;
use crate::format::keyed::{Fingerprints, KeyedDigest};
use crate::format::record::Head;
use crate::log::{Fault, Log, LogRead};

/// Most commands that wait for the writer at any time.
pub const QUEUED_COMMANDS_MAX: usize = 32_768;
/// What a waiting command may take as it came, in bytes; one that takes more counts for several.
pub const QUEUED_COMMAND_BYTES: usize = 2_048;
/// Most requests that wait for the writer at any time.
const QUEUED_REQUESTS_MAX: usize = 4_096;
/// Groups between writer and committer: one being synced, one ready.
const GROUPS_IN_FLIGHT: usize = 2;

/// Events that were just committed, in order, with the blocks they lie in.
#[derive(Debug)]
pub struct Committed {
    /// The blocks; their heads say which sequence and hash an answer is as of.
    pub blocks: Arc<Vec<Block>>,
    /// The events of all the blocks, in order.
    pub events: Vec<Event>,
}

/// Receives what was committed; it may block for a moment, which slows posting down.
pub type CommitSink = Box<dyn FnMut(Committed) + Send>;

/// A running ledger. Dropping it without [`Ledger::close`] loses nothing but the snapshot.
pub struct Ledger {
    submit: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    reader: Arc<dyn LogRead>,
    digests: Digests,
    origin: Arc<str>,
    development: bool,
    opened_at: i64,
    snapshots: Option<StateFiles>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<writer::Finished>,
    committer: JoinHandle<()>,
    snapshots: Option<StateFiles>,
}

/// The keys a ledger computes digests with.
#[derive(Clone, Debug)]
pub struct Digests {
    /// Of commands.
    pub commands: KeyedDigest,
    /// Of idempotency keys.
    pub fingerprints: Fingerprints,
}

impl Digests {
    /// What a command's key is looked up and compared by.
    fn prepare(&self, command: Command, scratch: &mut Vec<u8>) -> Prepared {
        scratch.clear();
        canonical::write(&command, scratch);
        let fingerprint = self.fingerprints.of(command.envelope.request_id.as_str());
        Prepared { digest: self.commands.command(scratch), command, fingerprint }
    }
}

impl Ledger {
    /// Opens the ledger in a directory: recovers the log, replays its tail, starts the threads.
    pub fn open(directory: &DataDirectory, clock: Box<dyn Clock>, sink: CommitSink) -> Result<Self, OpenError> {
        let log = directory.open_log()?;
        let snapshots = StateFiles::new(directory.snapshots());
        Self::start(Box::new(log), &directory.digests(), Some(snapshots), clock, sink)
    }

    /// Opens the ledger in any log; without a place for snapshots, every start replays the whole log.
    pub fn open_log(
        log: Box<dyn Log>,
        digests: &Digests,
        clock: Box<dyn Clock>,
        sink: CommitSink,
    ) -> Result<Self, OpenError> {
        Self::start(log, digests, None, clock, sink)
    }

    fn start(
        mut log: Box<dyn Log>,
        digests: &Digests,
        snapshots: Option<StateFiles>,
        clock: Box<dyn Clock>,
        sink: CommitSink,
    ) -> Result<Self, OpenError> {
        let reader = log.reader();
        let (start, read_only) = recovered(log.as_mut(), reader.as_ref(), digests, snapshots.as_ref())?;
        let (origin, development) = genesis(reader.as_ref())?;
        let shared = Arc::new(Shared::new(&start, read_only));
        let opened_at = start.head.sequence;
        let (submit, submissions) = mpsc::channel(QUEUED_REQUESTS_MAX);
        let (groups, groups_received) = threads::sync_channel(GROUPS_IN_FLIGHT);
        let fingerprints = digests.fingerprints.clone();
        let writer =
            Writer::new(start, Arc::clone(&shared), Arc::clone(&reader), clock, fingerprints, snapshots.is_some());
        let spawned = |error| Fault::new("starting a thread", error);
        let committer = committer::Committer::new(log, Arc::clone(&shared), sink, snapshots.clone());
        let committer = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run(&groups_received))
            .map_err(spawned)?;
        let writer = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || writer.run(submissions, &groups))
            .map_err(spawned)?;
        Ok(Self {
            submit,
            room: Arc::new(Semaphore::new(QUEUED_COMMANDS_MAX)),
            shared,
            reader,
            digests: digests.clone(),
            origin,
            development,
            opened_at,
            snapshots: snapshots.clone(),
            threads: Mutex::new(Some(Threads { writer, committer, snapshots })),
        })
    }

    /// Computes what a command's key is looked up and compared by. Done by the caller, off the writer's thread.
    pub fn prepare(&self, command: Command, scratch: &mut Vec<u8>) -> Prepared {
        self.digests.prepare(command, scratch)
    }

    /// Posts commands, in order; returns when every event is on disk.
    pub async fn post(&self, commands: Vec<Prepared>) -> Result<Vec<Outcome>, Unavailable> {
        self.submit(commands, SubmissionKind::Post).await
    }

    /// Decides commands against the ledger as it stands, each on its own, and writes nothing.
    pub async fn validate(&self, commands: Vec<Prepared>) -> Result<Vec<Outcome>, Unavailable> {
        self.submit(commands, SubmissionKind::Validate).await
    }

    /// Posts an approval; then, where a single command was proposed and its approvals are complete, that command: two
    /// outcomes, or one where more approvals are needed.
    pub async fn approve(&self, approval: Prepared, proposed: Option<Prepared>) -> Result<Vec<Outcome>, Unavailable> {
        let commands = std::iter::once(approval).chain(proposed).collect();
        self.submit(commands, SubmissionKind::Approve).await
    }

    /// Executes a proposed command if its approvals are complete: after a crash between the last approval and the
    /// execution, this makes up for it.
    pub async fn conclude(&self, proposed: Prepared) -> Result<Option<Outcome>, Unavailable> {
        Ok(self.submit(vec![proposed], SubmissionKind::Conclude).await?.pop())
    }

    /// Records what has run out by now: proposals expire by an event, posted or not.
    pub async fn tick(&self) -> Result<(), Unavailable> {
        self.submit(Vec::new(), SubmissionKind::Tick).await.map(drop)
    }

    /// Releases payments that witnesses have seen; those that wait no more are left out. `proof` is for the last of them.
    pub async fn release(&self, released: Released) -> Result<(), Unavailable> {
        self.submit(Vec::new(), SubmissionKind::Release(Box::new(released))).await.map(drop)
    }

    /// The payments before a sequence that wait for witnesses, at most so many. Some may have been decided a moment ago and not
    /// be on disk yet.
    pub async fn waiting(&self, before: Sequence, count_max: usize) -> Result<Waiting, Unavailable> {
        let (reply, waiting) = oneshot::channel();
        let request = Request::Unreleased { before, count_max, reply };
        self.submit.send(request).await.map_err(|_| self.stopped())?;
        waiting.await.map_err(|_| self.stopped())
    }

    /// What became of the command with a key; `None` if there was none.
    pub async fn find(&self, request_id: crate::domain::ids::RequestId) -> Result<Option<Outcome>, Unavailable> {
        let fingerprint = self.digests.fingerprints.of(request_id.as_str());
        let probe = writer::probe(request_id);
        let prepared = Prepared { command: probe, digest: [0; 16], fingerprint };
        Ok(self.submit(vec![prepared], SubmissionKind::Find).await?.pop())
    }

    /// Posts commands as soon as there is room for them, which bounds what waits; gives the answer to wait for. Whoever
    /// drops the answer loses nothing but the answer.
    pub async fn post_in_turn(&self, commands: Vec<Prepared>) -> Result<Answer, Unavailable> {
        self.accepts_postings()?;
        let room = Arc::clone(&self.room).acquire_many_owned(share(&commands)).await.map_err(|_| self.stopped())?;
        let (reply, outcomes) = oneshot::channel();
        let submission = Submission { commands, room, kind: SubmissionKind::Post, reply };
        self.submit.send(Request::Submission(submission)).await.map_err(|_| self.stopped())?;
        Ok(Answer { outcomes, shared: Arc::clone(&self.shared) })
    }

    /// Takes the room that a request of so many commands and bytes needs, at most all there is; refuses at once where there is
    /// less.
    pub fn reserve(&self, commands: usize, bytes: usize) -> Result<Room, Unavailable> {
        self.accepts_postings()?;
        self.take_room(u32::try_from(Self::share(commands, bytes)).unwrap_or(u32::MAX)).map(Room)
    }

    /// The room that a request of so many commands and bytes needs, in commands.
    pub fn share(commands: usize, bytes: usize) -> usize {
        commands.max(bytes.div_ceil(QUEUED_COMMAND_BYTES)).min(QUEUED_COMMANDS_MAX)
    }

    /// For how many more commands there is room.
    pub fn room(&self) -> usize {
        self.room.available_permits()
    }

    /// [`Ledger::post`], with room that was taken before.
    pub async fn post_reserved(&self, commands: Vec<Prepared>, room: Room) -> Result<Vec<Outcome>, Unavailable> {
        self.accepts_postings()?;
        self.hand_over(commands, room.0, SubmissionKind::Post).await
    }

    fn take_room(&self, share: u32) -> Result<OwnedSemaphorePermit, Unavailable> {
        Arc::clone(&self.room).try_acquire_many_owned(share).map_err(|error| match error {
            TryAcquireError::NoPermits => Unavailable::QueueFull,
            TryAcquireError::Closed => self.stopped(),
        })
    }

    async fn submit(&self, commands: Vec<Prepared>, kind: SubmissionKind) -> Result<Vec<Outcome>, Unavailable> {
        match kind {
            SubmissionKind::Post | SubmissionKind::Approve | SubmissionKind::Conclude | SubmissionKind::Release(_) => {
                self.accepts_postings()?;
            }
            SubmissionKind::Validate | SubmissionKind::Find | SubmissionKind::Tick | SubmissionKind::Close => {}
        }
        let room = self.take_room(share(&commands))?;
        self.hand_over(commands, room, kind).await
    }

    async fn hand_over(
        &self,
        commands: Vec<Prepared>,
        room: OwnedSemaphorePermit,
        kind: SubmissionKind,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let (reply, outcomes) = oneshot::channel();
        let request = Request::Submission(Submission { commands, room, kind, reply });
        self.submit.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::QueueFull,
            mpsc::error::TrySendError::Closed(_) => self.stopped(),
        })?;
        Answer { outcomes, shared: Arc::clone(&self.shared) }.outcomes().await
    }

    fn accepts_postings(&self) -> Result<(), Unavailable> {
        match self.shared.read_only.get() {
            Some(why) => Err(Unavailable::ReadOnly(why.clone())),
            None => Ok(()),
        }
    }

    fn stopped(&self) -> Unavailable {
        match self.shared.read_only.get() {
            Some(why) => Unavailable::ReadOnly(why.clone()),
            None => Unavailable::ShuttingDown,
        }
    }

    /// What the log says of the keys that it signs with; the last event about them may not be on disk yet.
    pub fn log_keys(&self) -> LogKeys {
        self.log_key_source()()
    }

    /// [`Ledger::log_keys`], for a thread of its own.
    pub fn log_key_source(&self) -> impl Fn() -> LogKeys + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.log_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last entry that is on disk.
    pub fn committed(&self) -> Head {
        self.shared.committed()
    }

    /// When the last event that is on disk was booked. A clock that says less was set back, or was ahead once.
    pub fn booked_at(&self) -> UtcNanos {
        UtcNanos(self.shared.booked_at.load(Ordering::Relaxed))
    }

    /// How many events were committed since the ledger was opened.
    pub fn events_committed(&self) -> u64 {
        u64::try_from(self.committed().sequence.saturating_sub(self.opened_at)).unwrap_or_default()
    }

    /// How many events a start after kill -9 would have to replay: those after the newest snapshot.
    pub fn events_since_snapshot(&self) -> i64 {
        let snapshot = self.snapshots.as_ref().map_or(-1, StateFiles::newest_sequence);
        self.committed().sequence.saturating_sub(snapshot)
    }

    /// How many commands wait for the writer.
    pub fn queued_commands(&self) -> usize {
        QUEUED_COMMANDS_MAX.saturating_sub(self.room.available_permits())
    }

    /// What is counted.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// From here on the committer records how it gets on; the first meters stay.
    pub fn measure(&self, meters: Meters) {
        drop(self.shared.meters.set(meters));
    }

    /// Why nothing is accepted, if so.
    pub fn read_only(&self) -> Option<&str> {
        self.shared.read_only.get().map(String::as_str)
    }

    /// Why the running ledger failed, if it did: what recovery found at the start is not a failure.
    pub fn failed(&self) -> Option<&str> {
        self.read_only().filter(|_| *self.shared.failed.borrow())
    }

    /// Accepts nothing from here on, for what was found at the start; the first reason stays.
    pub fn refuse_postings(&self, why: &str) {
        if self.shared.read_only.set(why.to_owned()).is_ok() {
            tracing::error!(reason = why, "the ledger accepts no postings");
        }
    }

    /// Resolves when the running ledger fails.
    pub fn poisoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut failed = self.shared.failed.subscribe();
        async move {
            if failed.wait_for(|failed| *failed).await.is_err() {
                // The ledger was closed without having failed.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The ledger's name, from its genesis.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it was created for development.
    pub const fn is_development(&self) -> bool {
        self.development
    }

    /// The log, for reading. Only what is at or before [`Ledger::committed`] may be shown.
    pub fn log(&self) -> Arc<dyn LogRead> {
        Arc::clone(&self.reader)
    }

    /// Stops taking commands, finishes what was taken, and writes a snapshot. Blocks.
    pub fn close(&self) -> Result<(), Fault> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { writer, committer, snapshots }) = threads else { return Ok(()) };
        let (reply, _) = oneshot::channel();
        // No room is needed for nothing, and nobody gets any from here on.
        let room = Arc::clone(&self.room).try_acquire_many_owned(0);
        self.room.close();
        let Ok(room) = room else { return Ok(()) };
        let close = Submission { commands: Vec::new(), room, kind: SubmissionKind::Close, reply };
        // A full queue empties soon: the writer is at it. A closed one means that the writer has ended already.
        let mut waiting = Some(Request::Submission(close));
        while let Some(close) = waiting.take() {
            if let Err(mpsc::error::TrySendError::Full(close)) = self.submit.try_send(close) {
                waiting = Some(close);
                std::thread::yield_now();
            }
        }
        let panicked = |_| Fault::new("closing the ledger", "a thread of it had panicked");
        let finished = writer.join().map_err(panicked)?;
        committer.join().map_err(panicked)?;
        match (snapshots, self.shared.read_only.get()) {
            (Some(snapshots), None) => snapshots.write(finished.head, &finished.snapshot()),
            (_, Some(_)) | (None, None) => Ok(()),
        }
    }
}
