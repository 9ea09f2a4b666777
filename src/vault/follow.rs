//! Following the log: what is on record decides what the vault keeps.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::{Vault, fault, seal, store};
use crate::domain::event::{Event, Payload};
use crate::domain::ids::{PayeeRef, Sequence};
use crate::domain::oversight::Oversight;
use crate::domain::personal::{PersonalData, PersonalScope};
use crate::log::Fault;

/// Whether following an event can change anything.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other types say nothing about personal data themselves")]
fn concerns(event: &Event) -> bool {
    let brings = event.envelope.as_ref().is_some_and(|envelope| !envelope.personal_data.is_empty());
    brings
        || match &event.decision.payload {
            Payload::CommandRefused { .. }
            | Payload::CommandProposed { .. }
            | Payload::ProposalWithdrawn { .. }
            | Payload::ProposalExpired { .. } => true,
            Payload::Oversight(oversight) => matches!(oversight.as_ref(), Oversight::PersonalData(_)),
            _ => false,
        }
}

impl Vault {
    /// The last event that was followed for certain; following those after it again changes nothing.
    pub fn followed(&self) -> Result<i64, Fault> {
        store::followed(&self.store()).map_err(fault)
    }

    /// The log is shorter than it was: an older copy of it was put back. Forgets the events that are gone, whose sequences others
    /// will have.
    pub fn rewind(&self, head: i64) -> Result<(), Fault> {
        let mut store = self.store();
        let transaction = store.transaction().map_err(fault)?;
        store::rewind(&transaction, head).map_err(fault)?;
        transaction.commit().map_err(fault)
    }

    /// Notes how far the log was followed, so that a restart begins there.
    pub fn set_followed(&self, sequence: i64) -> Result<(), Fault> {
        match self.failure() {
            Some(failure) => Err(failure),
            None => store::set_followed(&self.store(), sequence).map_err(fault),
        }
    }

    /// Follows events that are on record. After a failure the vault follows no more, until a restart begins again where it
    /// got to: nothing that was erased on record is forgotten.
    pub fn follow<'a>(&self, first_sequence: i64, events: impl Iterator<Item = &'a Event>) {
        let numbered = (first_sequence..).map(Sequence).zip(events);
        let concerning: Vec<(Sequence, &Event)> = numbered.filter(|(_, event)| concerns(event)).collect();
        if concerning.is_empty() || self.failure().is_some() {
            return;
        }
        if let Err(failure) = self.follow_all(&concerning) {
            tracing::error!(%failure, "the vault of personal data follows the log no more");
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
    }

    fn follow_all(&self, events: &[(Sequence, &Event)]) -> Result<(), Fault> {
        let mut store = self.store();
        let transaction = store.transaction().map_err(fault)?;
        let mut has_erased = false;
        for (sequence, event) in events {
            has_erased |= self.follow_one(&transaction, *sequence, event)?;
            store::set_followed(&transaction, sequence.0).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        if has_erased {
            store::empty_journal(&store).map_err(fault)?;
        }
        Ok(())
    }

    /// Gives whether something was erased, or let go.
    #[expect(clippy::wildcard_enum_match_arm, reason = "any other event may bring personal data")]
    pub(super) fn follow_one(&self, store: &Connection, sequence: Sequence, event: &Event) -> Result<bool, Fault> {
        let Some(envelope) = &event.envelope else { return Ok(false) };
        match &event.decision.payload {
            Payload::CommandRefused { .. } => {
                store::abandon(store, envelope.request_id.as_str()).map(|count| count > 0).map_err(fault)
            }
            Payload::CommandProposed { .. } => {
                store::set_proposal(store, envelope.request_id.as_str(), sequence).map_err(fault)?;
                Ok(false)
            }
            Payload::ProposalWithdrawn { proposal } | Payload::ProposalExpired { proposal } => {
                store::abandon_proposal(store, *proposal).map(|count| count > 0).map_err(fault)
            }
            payload => {
                for commitment in &envelope.personal_data {
                    let request_id = envelope.request_id.as_str();
                    if !store::set_sequence(store, request_id, &commitment.commitment, sequence).map_err(fault)? {
                        self.missing.fetch_add(1, Ordering::Relaxed);
                    }
                }
                let Payload::Oversight(oversight) = payload else { return Ok(false) };
                let Oversight::PersonalData(data) = oversight.as_ref() else { return Ok(false) };
                match data {
                    PersonalData::Restrict(scope, _) => restrict(store, *scope, sequence, true),
                    PersonalData::Release(scope, _) => restrict(store, *scope, sequence, false),
                    PersonalData::Erase(scope, _) => self.erase(store, *scope, sequence),
                    PersonalData::Open { .. } => Ok(false),
                }
            }
        }
    }

    fn erase(&self, store: &Connection, scope: PersonalScope, at: Sequence) -> Result<bool, Fault> {
        for datum in store::in_range(store, &scope.party, scope.first, scope.last.unwrap_or(at)).map_err(fault)? {
            store::set_sealed(store, datum.id, None).map_err(fault)?;
        }
        self.change_key(store, &scope.party)?;
        Ok(true)
    }

    /// Seals what is left of a person under a new key. Where nothing is left, the person has none any more.
    fn change_key(&self, store: &Connection, party: &PayeeRef) -> Result<(), Fault> {
        let Some(old) = self.party_key(store, party)? else { return Ok(()) };
        let left = store::sealed_of(store, party).map_err(fault)?;
        if left.is_empty() {
            return store::delete_key(store, party).map_err(fault);
        }
        let new = self.new_party_key(store, party)?;
        for datum in left {
            let (nonce, value) = seal::open(&old, &datum.commitment, datum.sealed.as_deref().unwrap_or_default())?;
            let sealed = seal::seal(&new, &datum.commitment, &nonce, &value)?;
            store::set_sealed(store, datum.id, Some(&sealed)).map_err(fault)?;
        }
        Ok(())
    }
}

fn restrict(store: &Connection, scope: PersonalScope, at: Sequence, is_restricted: bool) -> Result<bool, Fault> {
    for datum in store::in_range(store, &scope.party, scope.first, scope.last.unwrap_or(at)).map_err(fault)? {
        store::set_restricted(store, datum.id, is_restricted).map_err(fault)?;
    }
    Ok(false)
}
