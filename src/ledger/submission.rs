//! What goes to the writer, and what comes back: prepared commands and their outcomes, the room that a request takes while it
//! waits, and what writer, committer and callers share.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::counts::{Counts, Meters};
use super::writer::Start;
use crate::domain::command::Command;
use crate::domain::ids::{CommandDigest, Sequence};
use crate::domain::log_key::LogKeys;
use crate::domain::refusal::Refusal;
use crate::domain::release::{PaymentPlace, Released};
use crate::domain::time::UtcNanos;
use crate::format::record::{EntryHash, Head};

/// A command with what its key is looked up and compared by.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) command: Command,
    pub(super) digest: CommandDigest,
    pub(super) fingerprint: u64,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its event is on disk.
    Accepted(Receipt),
    /// `validate_only`: it would be accepted now.
    Valid,
    /// The rules said no; that is on disk too, unless it was only validated.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Sequence of the `CommandRefused` event; `None` under `validate_only`.
        sequence: Option<i64>,
        /// Whether this refusal was given before, under the same key.
        replayed: bool,
    },
    /// The key was used before with other content.
    KeyReused {
        /// Where.
        original_sequence: i64,
        /// First part that differs: a field of the envelope, `payload`, or nothing where only the digest can tell.
        first_different_field: &'static str,
    },
}

/// Proof of posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Position in the log.
    pub sequence: i64,
    /// Entry hash.
    pub entry_hash: EntryHash,
    /// When it was booked.
    pub booked_at: UtcNanos,
    /// Whether it was accepted before, under the same key.
    pub replayed: bool,
    /// Whether it orders a payment that waits for witnesses: nobody may act on it before it is released.
    pub is_unreleased: bool,
}

/// Why a request got no outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// Too much is waiting: nothing was done.
    #[error("too many commands are waiting")]
    QueueFull,
    /// The ledger is closing: nothing was done.
    #[error("the ledger is shutting down")]
    ShuttingDown,
    /// The ledger accepts no postings: nothing was done.
    #[error("the ledger accepts no postings: {0}")]
    ReadOnly(String),
    /// The write failed or nobody answered: the events may or may not be on disk.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
}

/// What writer, committer and callers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) committed: Mutex<Head>,
    // When the last committed event was booked, in nanoseconds.
    pub(super) booked_at: AtomicI64,
    pub(super) read_only: OnceLock<String>,
    pub(super) log_keys: Mutex<LogKeys>,
    // Set when a running ledger fails; not by what recovery finds.
    pub(super) failed: watch::Sender<bool>,
    pub(super) counts: Counts,
    pub(super) meters: OnceLock<Meters>,
}

impl Shared {
    /// Of a ledger that starts; with why it accepts no postings, where recovery found a reason.
    pub(super) fn new(start: &Start, read_only: Option<String>) -> Self {
        Self {
            committed: Mutex::new(start.head),
            booked_at: AtomicI64::new(start.booked_at().0),
            read_only: read_only.map(OnceLock::from).unwrap_or_default(),
            log_keys: Mutex::new(start.log_keys().clone()),
            failed: watch::Sender::new(false),
            counts: Counts::default(),
            meters: OnceLock::new(),
        }
    }

    pub(super) fn committed(&self) -> Head {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_committed(&self, head: Head) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// From here on nothing is accepted; the first reason stays.
    pub(super) fn poison(&self, why: &str) {
        if self.read_only.set(why.to_owned()).is_ok() {
            tracing::error!(reason = why, "the ledger accepts no more postings");
        }
        self.failed.send_replace(true);
    }
}

/// What the writer is asked.
pub(super) enum Request {
    /// To decide.
    Submission(Submission),
    /// Which payments wait for witnesses: those before a sequence, at most so many.
    Unreleased { before: Sequence, count_max: usize, reply: oneshot::Sender<Waiting> },
}

/// What waits for witnesses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Payments that were asked for, ascending.
    pub payments: Vec<PaymentPlace>,
    /// The last payment that is held, or raises an alarm, until witnesses have seen it; 0 for none.
    pub supervised: Sequence,
}

/// One request on its way to the writer.
pub(super) struct Submission {
    pub(super) commands: Vec<Prepared>,
    /// Its share of what may wait, given back when the writer takes it.
    pub(super) room: OwnedSemaphorePermit,
    pub(super) kind: SubmissionKind,
    pub(super) reply: oneshot::Sender<Result<Vec<Outcome>, Unavailable>>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum SubmissionKind {
    Post,
    Validate,
    /// Asks what became of a key; the order is not looked at.
    Find,
    /// An approval, and the command that was proposed: executed if that completes what it needs.
    Approve,
    /// A command that was proposed: executed if its approvals are complete.
    Conclude,
    /// Lets time pass: what has run out by now is recorded.
    Tick,
    /// Witnesses have seen payments.
    Release(Box<Released>),
    /// Tells the writer to finish what it has and end.
    Close,
}

/// How much of the room a request takes.
pub(super) fn share(commands: &[Prepared]) -> u32 {
    u32::try_from(commands.len()).unwrap_or(u32::MAX)
}

/// A place among what may wait for the writer, taken before a request is looked into: refusing costs next to nothing then.
#[derive(Debug)]
pub struct Room(pub(super) OwnedSemaphorePermit);

/// The outcomes of commands that the writer has taken, or will.
#[derive(Debug)]
pub struct Answer {
    pub(super) outcomes: oneshot::Receiver<Result<Vec<Outcome>, Unavailable>>,
    pub(super) shared: Arc<Shared>,
}

impl Answer {
    /// Returns when every event is on disk.
    pub async fn outcomes(self) -> Result<Vec<Outcome>, Unavailable> {
        match self.outcomes.await {
            Ok(outcomes) => outcomes,
            Err(_) => Err(Unavailable::OutcomeUnknown(match self.shared.read_only.get() {
                Some(why) => why.clone(),
                None => "the ledger stopped before it answered".to_owned(),
            })),
        }
    }
}
