//! How a ledger begins: its genesis, and what a start recovers of its log.

use std::sync::Arc;

use thiserror::Error;

use super::clock::Clock;
use super::state_files::StateFiles;
use super::writer::Start;
use super::{Digests, directory};
use crate::domain::approval::PublicKey;
use crate::domain::event::{Decision, Event, Payload};
use crate::domain::ids::ActorId;
use crate::format::codec;
use crate::format::record::{EntryHash, Head};
use crate::log::recover::{RecoverError, recover};
use crate::log::tree::hash_in;
use crate::log::{AppendError, Fault, Log, LogRead};

/// Why a ledger does not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
    /// The log.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// Reading or writing.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Recovers the log: from the newest snapshot that fits it, or from the beginning. The second value says why postings are
/// refused: the log is shorter than what was known to be on disk, or is another one.
pub(super) fn recovered(
    log: &mut dyn Log,
    reader: &dyn LogRead,
    digests: &Digests,
    snapshots: Option<&StateFiles>,
) -> Result<(Start, Option<String>), OpenError> {
    let mut known: Option<Head> = None;
    let fits = |head: Head| Ok(reader.block_at(head.sequence)?.is_some_and(|block| block.head == head));
    if let Some(files) = snapshots
        && let Some((head, manifest)) = files.newest(fits)?
    {
        known = Some(head);
        let loaded = manifest.and_then(|manifest| files.load(manifest));
        let block = reader.block_at(head.sequence)?;
        if let Some(((state, keys, booked_at), block)) = loaded.zip(block) {
            let mut start = Start::from_snapshot(head, state, keys, booked_at);
            // Under another key no retry is known for one: whatever has no number of its own would be posted twice.
            let is_same_key = start.knows(&block, &digests.fingerprints)?;
            let recovered = recover(reader, head, |block| start.replay(block, &digests.fingerprints))?;
            files.resume(head);
            log.adopt(recovered.head, &recovered.unfinished)?;
            let why =
                "the key of digests is not the one that the ledger was posted to with: retries would not be known";
            return Ok((start, (!is_same_key).then(|| why.to_owned())));
        }
    }
    let mut start = Start::default();
    let mut passed: Option<EntryHash> = None;
    let recovered = recover(reader, Head::EMPTY, |block| {
        start.replay(block, &digests.fingerprints)?;
        // A log that was built again has other blocks: the entry may lie within one.
        passed = known.and_then(|known| hash_in(block, known.sequence)).or(passed);
        Ok(())
    })?;
    log.adopt(recovered.head, &recovered.unfinished)?;
    let why = known.and_then(|known| {
        if recovered.head.sequence < known.sequence {
            return Some(format!(
                "the log ends at sequence {}, but {} was on disk before: acknowledged events are missing",
                recovered.head.sequence, known.sequence
            ));
        }
        let differs = passed != Some(known.hash);
        differs.then(|| format!("the log is not the one it was: entry {} had another hash before", known.sequence))
    });
    Ok((start, why))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only one type is a genesis")]
pub(super) fn genesis(reader: &dyn LogRead) -> Result<(Arc<str>, bool), OpenError> {
    let fault = |cause: String| OpenError::Fault(Fault::new("reading the genesis", cause));
    let entry =
        reader.entry_at(0)?.ok_or_else(|| fault("the log is empty: it was never created completely".to_owned()))?;
    let bytes = crate::format::record::split_entry(&entry).map(|(_, event)| event).unwrap_or_default();
    match codec::decode(bytes).map_err(|error| fault(error.to_string()))?.decision.payload {
        Payload::LedgerCreated { origin, format_version, development, administrators: _ } => {
            if format_version != crate::format::record::FORMAT_VERSION {
                return Err(fault(format!("its record format is {format_version}, which this program does not know")));
            }
            Ok((origin.into(), development))
        }
        _ => Err(fault("entry 0 is not a genesis".to_owned())),
    }
}

/// What a ledger is from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Genesis<'a> {
    /// Its name for ever.
    pub origin: &'a str,
    /// Whether it can never become a real one.
    pub development: bool,
    /// The first administrators: none, or at least two.
    pub administrators: &'a [(ActorId, PublicKey)],
}

impl<'a> Genesis<'a> {
    /// Of a ledger for development, without administrators.
    pub const fn of_development(origin: &'a str) -> Self {
        Self { origin, development: true, administrators: &[] }
    }
}

/// Writes the genesis into an empty log.
pub fn create(log: &mut dyn Log, genesis: Genesis<'_>, clock: &dyn Clock) -> Result<Head, AppendError> {
    let event = Event {
        booked_at: clock.now(),
        command_digest: [0; 16],
        envelope: None,
        decision: Decision {
            policy_version: 0,
            legs: Vec::new(),
            payload: Payload::LedgerCreated {
                origin: genesis.origin.into(),
                format_version: crate::format::record::FORMAT_VERSION,
                development: genesis.development,
                administrators: genesis.administrators.to_vec(),
            },
        },
    };
    let mut builder = crate::format::block::BlockBuilder::new(Head::EMPTY);
    let too_long = |error| AppendError::Unknown(Fault::new("writing the genesis", error));
    let head = builder.push(|buffer| codec::encode(&event, buffer)).map_err(too_long)?;
    log.append(Head::EMPTY, &builder.take())?;
    Ok(head)
}
