//! Idempotency: the same key with the same content gets the same answer, for ever.

use super::{Outcome, Prepared, Receipt};
use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::format::record::EntryHash;

/// What an earlier event says about a command with the same fingerprint; `None` if the key is another one.
pub(super) fn replay(prepared: &Prepared, sequence: i64, entry: &[u8], event: &Event) -> Option<Outcome> {
    let envelope = event.envelope.as_ref()?;
    if envelope.request_id != prepared.command.envelope.request_id {
        return None;
    }
    if event.command_digest != prepared.digest {
        return Some(Outcome::KeyReused {
            original_sequence: sequence,
            first_different_field: first_difference(&prepared.command, event),
        });
    }
    // Not in the digest, lest values could be tried out with it. What was refused left none to compare with.
    if event.refusal().is_none() && envelope.personal_data != prepared.command.envelope.personal_data {
        return Some(Outcome::KeyReused { original_sequence: sequence, first_different_field: "personal_data" });
    }
    Some(answer(sequence, entry, event))
}

/// The answer that was given when the event was booked.
pub(super) fn answer(sequence: i64, entry: &[u8], event: &Event) -> Outcome {
    match event.refusal() {
        Some(refusal) => Outcome::Refused { refusal: refusal.clone(), sequence: Some(sequence), replayed: true },
        None => Outcome::Accepted(Receipt {
            sequence,
            entry_hash: EntryHash::of(entry),
            booked_at: event.booked_at,
            replayed: true,
            // The writer knows.
            is_unreleased: false,
        }),
    }
}

/// First part of a command that is not as the event says. The event holds what was decided, not what was asked, so of the
/// payload it can only be said that it differs.
fn first_difference(command: &Command, event: &Event) -> &'static str {
    let Some(envelope) = &event.envelope else { return "payload" };
    if envelope.business_date != command.envelope.business_date {
        "business_date"
    } else if envelope.actor != command.envelope.actor {
        "actor"
    } else if !envelope.approvals.actors().eq(command.envelope.approvals.actors()) {
        "checkers"
    } else {
        "payload"
    }
}
