//! Payments that wait for witnesses: released once a quorum has cosigned a checkpoint that covers them, and an alarm where
//! that takes too long.

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use super::node::Node;
use super::proofs::damaged;
use crate::audit::tree::includes;
use crate::domain::ids::Sequence;
use crate::domain::release::{RELEASED_MAX, Released};
use crate::format::checkpoint::proof_file;
use crate::format::record::EntryHash;
use crate::format::tree::inclusion_proof;
use crate::ledger::Unavailable;
use crate::log::Fault;

/// Why payments were not released; they wait on.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The tree could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The ledger takes nothing now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Whether witnesses have kept payments waiting for too long: those that are held, and those that a policy lets go on.
#[derive(Debug, Default)]
pub struct WitnessAlarm {
    is_raised: AtomicBool,
}

/// Since when a payment has not been seen.
#[derive(Clone, Copy, Debug)]
struct Unseen {
    sequence: i64,
    since_seconds: u64,
}

/// Watches over the alarm.
#[derive(Debug)]
pub struct AlarmClock {
    after_seconds: u64,
    unseen: Option<Unseen>,
}

impl WitnessAlarm {
    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed)
    }

    fn set(&self, is_raised: bool) {
        if self.is_raised.swap(is_raised, Ordering::Relaxed) == is_raised {
            return;
        }
        if is_raised {
            tracing::error!("payments wait for witnesses, or went on without them, for longer than is allowed");
        } else {
            tracing::info!("witnesses have seen the payments that waited for them");
        }
    }
}

impl AlarmClock {
    /// An alarm after so many seconds.
    pub const fn new(after_seconds: u64) -> Self {
        Self { after_seconds, unseen: None }
    }

    /// Whether the alarm is due: `supervised` is the last payment that witnesses are to see, `seen` how many entries they have.
    fn is_due(&mut self, supervised: Sequence, seen: u64, now_seconds: u64) -> bool {
        let is_seen = |sequence: i64| u64::try_from(sequence).is_ok_and(|sequence| sequence < seen);
        // What came after it is looked at once it has been seen: one at a time bounds what there is to remember.
        self.unseen = self.unseen.filter(|unseen| !is_seen(unseen.sequence));
        if self.unseen.is_none() && supervised != Sequence(0) && !is_seen(supervised.0) {
            self.unseen = Some(Unseen { sequence: supervised.0, since_seconds: now_seconds });
        }
        self.unseen.is_some_and(|unseen| now_seconds.saturating_sub(unseen.since_seconds) >= self.after_seconds)
    }
}

impl Node {
    /// Releases the payments that witnesses have seen, each with a proof, and raises or ends the alarm.
    pub async fn release_witnessed(&self, clock: &mut AlarmClock, now_seconds: u64) -> Result<(), ReleaseError> {
        let witnessed = self.checkpoints().witnessed();
        let seen = witnessed.as_ref().map_or(0, |witnessed| witnessed.checkpoint.size);
        let before = Sequence(i64::try_from(seen).unwrap_or(i64::MAX));
        let mut waiting = self.ledger().waiting(before, RELEASED_MAX).await?;
        self.witness_alarm().set(clock.is_due(waiting.supervised, seen, now_seconds));
        let Some(witnessed) = witnessed else { return Ok(()) };
        while let Some((last, _)) = waiting.payments.last().copied() {
            let index = last.0.unsigned_abs();
            let hashes = inclusion_proof(self.tree().as_ref(), index, seen)
                .map_err(|error| Fault::new("proving that a payment was seen by witnesses", error))?;
            let missing = || Fault::new("reading the log", "an entry is missing");
            let entry = self.log().entry_at(last.0)?.ok_or_else(missing)?;
            if !includes(index, seen, &EntryHash::of(&entry).0, &hashes, &witnessed.checkpoint.root) {
                // What is recorded is for ever: a proof that does not hold would be a fault for ever.
                return Err(damaged().into());
            }
            let proof = proof_file(index, &hashes, &witnessed.note).into();
            self.ledger().release(Released { payments: waiting.payments, proof }).await?;
            waiting = self.ledger().waiting(before, RELEASED_MAX).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_due_for_what_nobody_sees_in_time() {
        let mut clock = AlarmClock::new(60);
        for (supervised, seen, now, is_due) in [
            (0, 0, 0, false),
            (5, 3, 100, false),
            (9, 4, 159, false),
            (9, 5, 160, true),
            // Seen: the next one has its own time.
            (9, 6, 161, false),
            (9, 6, 220, false),
            (9, 9, 221, true),
            (9, 10, 222, false),
            (9, 10, 999, false),
        ] {
            assert_eq!(clock.is_due(Sequence(supervised), seen, now), is_due, "{supervised} {seen} {now}");
        }
    }
}
