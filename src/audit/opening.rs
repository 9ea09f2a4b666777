//! Checking an opened piece of personal data against the commitment in the log, without the program that opened it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::pipeline::examine;
use super::{Evidence, Options, Report};
use crate::pb::v1::Event;

/// A piece of personal data as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Event that carries the commitment.
    pub sequence: i64,
    /// Key of the command that brought the value.
    pub request_id: String,
    /// Pseudonym of the person.
    pub party: [u8; 16],
    /// Number of the field.
    pub field: i32,
    /// The value.
    pub value: String,
    /// The nonce.
    pub nonce: [u8; 32],
}

/// What the log says of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The log commits to this value.
    Matches,
    /// The log commits to another value, or the nonce is not the one.
    Differs,
    /// The log holds no such commitment.
    NotThere,
}

impl Opening {
    /// The commitment this opens, as docs/format.md says.
    fn commitment(&self) -> Option<[u8; 32]> {
        let (length, field) = (u8::try_from(self.request_id.len()).ok()?, u8::try_from(self.field).ok()?);
        let keyed = Hmac::<Sha256>::new_from_slice(&self.nonce).ok()?.chain_update(b"v1").chain_update([length]);
        let keyed = keyed.chain_update(&self.request_id).chain_update(self.party).chain_update([field]);
        Some(keyed.chain_update(&self.value).finalize().into_bytes().into())
    }

    fn held_against(&self, event: &Event) -> Opened {
        let of_it = |held: &&crate::pb::v1::PersonalCommitment| {
            held.party.as_ref() == self.party.as_slice() && held.field == self.field
        };
        let Some(held) = event.personal_data.iter().find(of_it) else { return Opened::NotThere };
        let is_same = self.commitment().is_some_and(|made| held.commitment.as_ref() == made.as_slice());
        if event.request_id == self.request_id && is_same { Opened::Matches } else { Opened::Differs }
    }
}

/// Holds an opening against the log, and checks the log's chain on the way.
pub fn check_opening(evidence: Evidence<'_>, options: &Options, opening: &Opening) -> (Opened, Report) {
    let mut opened = Opened::NotThere;
    let report = examine(evidence, options, |sequence, _, event| {
        if sequence == opening.sequence {
            opened = opening.held_against(&event);
        }
    });
    (opened, report)
}
