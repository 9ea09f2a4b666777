//! What a running ledger counts since its start, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::Histogram;

use super::Outcome;
use crate::domain::refusal::Reason;

/// What became of commands: each is one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted now.
    pub accepted: u64,
    /// Answered as before, accepted or refused, under the same key.
    pub replayed: u64,
    /// Refused now.
    pub refused: u64,
    /// Came under a key that had other content.
    pub key_reused: u64,
    /// Only looked at: would be accepted.
    pub valid: u64,
}

impl Tally {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        let counted = match outcome {
            Outcome::Accepted(receipt) if receipt.replayed => &mut self.replayed,
            Outcome::Refused { replayed: true, .. } => &mut self.replayed,
            Outcome::Accepted(_) => &mut self.accepted,
            Outcome::Refused { .. } => &mut self.refused,
            Outcome::KeyReused { .. } => &mut self.key_reused,
            Outcome::Valid => &mut self.valid,
        };
        *counted = counted.saturating_add(1);
    }
}

/// Counters that many threads add to.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: AtomicU64,
    replayed: AtomicU64,
    refused: AtomicU64,
    key_reused: AtomicU64,
    valid: AtomicU64,
    reasons: Reasons,
}

/// How often each reason was told to somebody.
#[derive(Debug)]
struct Reasons([AtomicU64; Reason::ALL.len()]);

impl Default for Reasons {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counts {
    /// Counts what a group of commands came to.
    pub(super) fn add(&self, tally: Tally) {
        let Tally { accepted, replayed, refused, key_reused, valid } = tally;
        for (counter, count) in [
            (&self.accepted, accepted),
            (&self.replayed, replayed),
            (&self.refused, refused),
            (&self.key_reused, key_reused),
            (&self.valid, valid),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// What commands have come to.
    pub fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            accepted: read(&self.accepted),
            replayed: read(&self.replayed),
            refused: read(&self.refused),
            key_reused: read(&self.key_reused),
            valid: read(&self.valid),
        }
    }

    /// Counts a reason that is told to somebody.
    pub fn told(&self, reason: Reason) {
        if let Some((_, counter)) = self.by_reason().find(|(known, _)| *known == reason) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reasons that were told, and how often.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self.by_reason().map(|(reason, counter)| (reason, counter.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }

    fn by_reason(&self) -> impl Iterator<Item = (Reason, &AtomicU64)> {
        Reason::ALL.iter().copied().zip(&self.reasons.0)
    }
}

/// Where the committer records how it gets on.
#[derive(Clone, Debug)]
pub struct Meters {
    /// Seconds that writing and syncing a group takes.
    pub flush_seconds: Histogram,
    /// Events of a group.
    pub group_events: Histogram,
}

impl Meters {
    pub(super) fn record(&self, flush_seconds: f64, events: usize) {
        self.flush_seconds.record(flush_seconds);
        self.group_events.record(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
    }
}
