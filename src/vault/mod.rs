//! The vault: where the values of personal data lie, outside the log, in a store that really overwrites.
//!
//! A value comes in with a command and is staged before the ledger decides: sealed under the person's own key, which is sealed
//! under the vault's. The log gets a commitment. The vault then follows the log: an event that carries the commitment keeps the
//! value, a refusal lets it go, and the events about personal data restrict, release and erase. Whatever happens in between,
//! following the log again gives the same vault.
//!
//! Erasing overwrites value and nonce, and gives what is left of the person a new key, so that an old copy of the sealed bytes
//! opens nothing any more.

mod follow;
mod seal;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use thiserror::Error;

pub use self::seal::KEY_BYTES;
use self::seal::SealingKey;
use crate::domain::ids::{PayeeRef, RequestId, Sequence};
use crate::domain::personal::{PersonalCommitment, PersonalDatum, PersonalField, PersonalValue};
use crate::format::commitment::NONCE_BYTES;
use crate::format::keyed::KeyedDigest;
use crate::log::Fault;

/// Copies a vault as it is at a moment, also one that is in use; what was erased is not in the copy.
pub fn copy(directory: &Path, to: &Path) -> Result<(), Fault> {
    store::copy(directory, to)
}

/// A failure of the store, as every room reports one.
fn fault(error: rusqlite::Error) -> Fault {
    Fault::new("the vault of personal data", error)
}

/// The values of personal data of one ledger.
pub struct Vault {
    store: Mutex<Connection>,
    sealing: SealingKey,
    accounts: KeyedDigest,
    failed: Mutex<Option<Fault>>,
    // Requests that brought a commitment and were not answered yet, and whether one of them was accepted.
    claims: Mutex<BTreeMap<[u8; 32], (u32, bool)>>,
    missing: AtomicU64,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(secret)")
    }
}

/// The personal data of one command, on their way in.
#[derive(Debug)]
pub struct Incoming {
    /// The command's key.
    pub request_id: RequestId,
    /// The data.
    pub data: Vec<PersonalDatum>,
}

/// What is done with data on their way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staging<'a> {
    /// Nothing is kept: the command is only validated.
    Nothing,
    /// They wait for the event of their command.
    Command,
    /// They wait for a proposal, by its key, to be executed.
    Proposal(&'a RequestId),
}

/// Where a piece of personal data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatumState {
    /// In the vault.
    Present,
    /// In the vault, and shown to nobody.
    Restricted,
    /// Destroyed.
    Erased,
}

/// A piece of personal data, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the vault, by which a list goes on.
    pub id: i64,
    /// Event that carries the commitment.
    pub sequence: Sequence,
    /// About whom.
    pub party: PayeeRef,
    /// What it says.
    pub field: PersonalField,
    /// The commitment.
    pub commitment: [u8; 32],
    /// Its state.
    pub state: DatumState,
}

/// What opens a commitment.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    /// Key of the command that brought the value.
    pub request_id: RequestId,
    /// The commitment.
    pub commitment: [u8; 32],
    /// Its nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// The value.
    pub value: PersonalValue,
}

/// Why a piece of personal data is not opened.
#[derive(Clone, Debug, Error)]
pub enum NotOpened {
    /// The event has none of this person and field, or its value was never brought here.
    #[error("there is no such piece of personal data")]
    NotFound,
    /// It is restricted.
    #[error("it is restricted")]
    Restricted,
    /// It was erased.
    #[error("it was erased")]
    Erased,
    /// The store failed, or its bytes are not what was written.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Everything about a person.
    Party(PayeeRef),
    /// Everything that came with an event.
    Event(Sequence),
}

impl Vault {
    /// Opens the vault in a directory, or makes one there. `accounts` makes pseudonyms of bank accounts.
    pub fn open(directory: &Path, key: &[u8; KEY_BYTES], accounts: KeyedDigest) -> Result<Self, Fault> {
        let store = store::open(directory)?;
        let (failed, claims) = (Mutex::new(None), Mutex::new(BTreeMap::new()));
        let (store, missing) = (Mutex::new(store), AtomicU64::new(0));
        Ok(Self { store, sealing: SealingKey::new(key), accounts, failed, claims, missing })
    }

    /// How many commitments were followed that have nothing behind them here: the vault was lost, or an older copy was put back.
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    fn store(&self) -> MutexGuard<'_, Connection> {
        // A panic in between leaves a transaction that was never committed: the store is as it was before it.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the vault no longer follows the log, if it does not. It goes on after a restart.
    pub fn failure(&self) -> Option<Fault> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals what comes in, in one transaction, and gives the commitments, in order. The same value under the same key of a
    /// command gets the commitment it had, so that a retry is the same command.
    pub fn stage(&self, incoming: &[Incoming], staging: Staging<'_>) -> Result<Vec<Vec<PersonalCommitment>>, Fault> {
        if let Some(fault) = self.failure() {
            return Err(fault);
        }
        let mut store = self.store();
        let transaction = store.transaction().map_err(fault)?;
        let mut staged = Vec::with_capacity(incoming.len());
        for command in incoming {
            let mut commitments = Vec::with_capacity(command.data.len());
            for datum in &command.data {
                let account = (datum.field == PersonalField::BankAccount).then(|| self.account(&datum.value));
                let known = self.known(&transaction, &command.request_id, datum)?;
                let commitment = match known {
                    Some(commitment) => commitment,
                    None => self.keep(&transaction, &command.request_id, datum, staging)?,
                };
                let PersonalDatum { party, field, .. } = *datum;
                commitments.push(PersonalCommitment { party, field, commitment, account });
            }
            staged.push(commitments);
        }
        transaction.commit().map_err(fault)?;
        if staging != Staging::Nothing {
            let mut claims = self.claims();
            for commitment in staged.iter().flatten() {
                let claim = claims.entry(commitment.commitment).or_default();
                claim.0 = claim.0.saturating_add(1);
            }
        }
        Ok(staged)
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], (u32, bool)>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a request's claim on a commitment; true if nobody else has one, and nobody's command was accepted.
    fn end_claim(&self, commitment: &[u8; 32], came_to_nothing: bool) -> bool {
        let mut claims = self.claims();
        let Some((count, is_kept)) = claims.get_mut(commitment) else { return came_to_nothing };
        *count = count.saturating_sub(1);
        *is_kept |= !came_to_nothing;
        let (count, is_kept) = (*count, *is_kept);
        if count == 0 {
            claims.remove(commitment);
        }
        count == 0 && !is_kept
    }

    /// Ends the claims of requests that nobody waits for any more: what became of them the log will tell.
    pub fn forget_claims<'a>(&self, staged: impl Iterator<Item = &'a (RequestId, Vec<PersonalCommitment>)>) {
        for commitment in staged.flat_map(|(_, commitments)| commitments) {
            self.end_claim(&commitment.commitment, false);
        }
    }

    /// Lets go of what was staged for commands that came to nothing (true). The vault must have followed the log to where it
    /// was when they were answered.
    pub fn settle(&self, staged: Vec<((RequestId, Vec<PersonalCommitment>), bool)>) -> Result<(), Fault> {
        let mut unclaimed = Vec::new();
        for ((request_id, commitments), came_to_nothing) in staged {
            for commitment in commitments {
                if self.end_claim(&commitment.commitment, came_to_nothing) {
                    unclaimed.push((request_id.clone(), commitment.commitment));
                }
            }
        }
        if unclaimed.is_empty() {
            return Ok(());
        }
        let mut store = self.store();
        let transaction = store.transaction().map_err(fault)?;
        for (request_id, commitment) in &unclaimed {
            store::discard(&transaction, request_id.as_str(), commitment).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        store::empty_journal(&store).map_err(fault)
    }

    /// A piece of personal data, opened.
    pub fn read(&self, sequence: Sequence, party: &PayeeRef, field: PersonalField) -> Result<Opening, NotOpened> {
        let store = self.store();
        let found = store::find(&store, sequence, party, field).map_err(fault)?;
        let row = found.ok_or(NotOpened::NotFound)?;
        let sealed = row.sealed.ok_or(NotOpened::Erased)?;
        if row.is_restricted {
            return Err(NotOpened::Restricted);
        }
        let key = self.party_key(&store, party)?.ok_or(NotOpened::Erased)?;
        let (nonce, value) = seal::open(&key, &row.commitment, &sealed)?;
        Ok(Opening { request_id: RequestId::stored(row.request_id), commitment: row.commitment, nonce, value })
    }

    /// Pieces of personal data with their states, after a place in the vault, at most so many.
    pub fn list(&self, of: Listed, after: i64, limit: usize) -> Result<Vec<Entry>, Fault> {
        store::list(&self.store(), of, after, limit).map_err(fault)
    }

    /// Keys of commands, and of proposals, that values wait for.
    pub fn waiting(&self) -> Result<Vec<(RequestId, Option<RequestId>)>, Fault> {
        store::waiting(&self.store()).map_err(fault)
    }

    /// Lets go of everything that waits for these commands.
    pub fn abandon(&self, request_ids: &[RequestId]) -> Result<(), Fault> {
        if request_ids.is_empty() {
            return Ok(());
        }
        let mut store = self.store();
        let transaction = store.transaction().map_err(fault)?;
        for request_id in request_ids {
            store::abandon(&transaction, request_id.as_str()).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        store::empty_journal(&store).map_err(fault)
    }

    /// Pseudonym of a bank account; how its digits are set apart does not count.
    fn account(&self, value: &PersonalValue) -> PayeeRef {
        let plain: String = value.reveal().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        self.accounts.payee(&plain)
    }

    /// The commitment that a datum has already, under its command's key: of the same value, or of one that was erased since.
    fn known(
        &self,
        store: &Connection,
        request_id: &RequestId,
        datum: &PersonalDatum,
    ) -> Result<Option<[u8; 32]>, Fault> {
        for row in store::of_request(store, request_id.as_str(), &datum.party, datum.field).map_err(fault)? {
            let Some(sealed) = row.sealed else { return Ok(Some(row.commitment)) };
            let Some(key) = self.party_key(store, &datum.party)? else { continue };
            if seal::open(&key, &row.commitment, &sealed)?.1 == datum.value {
                return Ok(Some(row.commitment));
            }
        }
        Ok(None)
    }

    fn keep(
        &self,
        store: &Connection,
        request_id: &RequestId,
        datum: &PersonalDatum,
        staging: Staging<'_>,
    ) -> Result<[u8; 32], Fault> {
        let nonce = seal::random()?;
        let PersonalDatum { party, field, value } = datum;
        let commitment =
            crate::format::commitment::commitment(&nonce, request_id.as_str(), party, *field, value.reveal());
        let proposal = match staging {
            Staging::Nothing => return Ok(commitment),
            Staging::Command => None,
            Staging::Proposal(proposal) => Some(proposal.as_str()),
        };
        let key = match self.party_key(store, party)? {
            Some(key) => key,
            None => self.new_party_key(store, party)?,
        };
        let sealed = seal::seal(&key, &commitment, &nonce, value)?;
        store::insert(store, request_id.as_str(), party, *field, &commitment, proposal, &sealed).map_err(fault)?;
        Ok(commitment)
    }

    fn party_key(&self, store: &Connection, party: &PayeeRef) -> Result<Option<SealingKey>, Fault> {
        let Some(wrapped) = store::wrapped_key(store, party).map_err(fault)? else { return Ok(None) };
        seal::unwrap(&self.sealing, party, &wrapped).map(Some)
    }

    /// A new key for a person, in the place of the one there is.
    fn new_party_key(&self, store: &Connection, party: &PayeeRef) -> Result<SealingKey, Fault> {
        let (key, wrapped) = seal::new_party_key(&self.sealing, party)?;
        store::set_wrapped_key(store, party, &wrapped).map_err(fault)?;
        Ok(key)
    }
}
